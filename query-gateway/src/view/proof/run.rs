//! Runs a case on both engines and compares every view after every batch.

use std::{collections::BTreeSet, fmt};

use sqlx::PgConnection;

use super::{
    answer::{Answer, without},
    mutant::Mutant,
    oracle::{Asked, Oracle},
    script::Script,
    subject::{Setting, Subject},
};

/// What a case did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ran {
    pub(super) batches: usize,
    pub(super) changes: usize,
    /// Views compared, each after each batch.
    pub(super) compared: usize,
    /// Of them, those without rows.
    pub(super) empty: usize,
    /// Rows in them.
    pub(super) rows: usize,
    /// Views for whose text PostgreSQL raised.
    pub(super) raised: usize,
}

impl std::ops::AddAssign for Ran {
    fn add_assign(&mut self, other: Self) {
        self.batches += other.batches;
        self.changes += other.changes;
        self.compared += other.compared;
        self.empty += other.empty;
        self.rows += other.rows;
        self.raised += other.raised;
    }
}

/// The first difference of a case.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// How many batches were taken, the one at fault included.
    pub(super) batches: usize,
    pub(super) view: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// PostgreSQL does not accept what was drawn: the grammar is wrong.
    Ungrammatical(String),
    /// The gateway does not accept it.
    Refused(String),
    /// It cannot keep the view, and no value is to blame.
    Defect(String),
    /// Columns of another name or type.
    Columns { ours: Answer, theirs: Answer },
    /// Other rows.
    Rows { ours: Answer, theirs: Answer },
    /// Only the gateway raises.
    Raised { ours: String, theirs: Answer },
    /// Only PostgreSQL raises.
    Missed { ours: Answer, theirs: String },
}

/// Runs `script` on a store, with a defect switched on if there is one.
pub(super) async fn run(
    script: &Script,
    setting: Setting,
    postgres: &mut PgConnection,
) -> Result<Ran, Difference> {
    Mutant::switch(setting.mutant);
    let mut subject = Subject::begin(script, setting).await;
    let mut oracle = Oracle::begin(postgres, subject.tables()).await;
    let mut ran = Ran::default();
    // A view that failed stays so; and with it what reads it.
    let mut failed = BTreeSet::new();
    for (number, batch) in (1..).zip(&script.batches) {
        if number == script.views_after + 1 {
            let refused = |reason: String| {
                let named = script.views.iter().find(|view| reason.contains(&format!("view {}:", view.name)));
                let view = named.map_or_else(String::new, |view| view.name.clone());
                Difference { batches: 0, view, kind: Kind::Ungrammatical(reason) }
            };
            oracle.create(&script.views).await.map_err(refused)?;
            // What raises before the batch may have been filled from just that.
            let raising =
                script.views.iter().zip(oracle.apply(&[]).await).filter(|(_, before)| before.is_err());
            failed.extend(raising.map(|(view, _)| view.name.clone()));
        }
        let images = if number == 1 && script.views_after == 0 {
            subject.create(&script.views).await;
            subject.apply(batch).await
        } else if number == script.views_after + 1 {
            subject.create_during(batch, &script.views).await
        } else {
            subject.apply(batch).await
        };
        let images: Vec<_> = images.iter().map(|(entity, image)| (&**entity, image)).collect();
        let answers = oracle.apply(&images).await;
        ran.batches += 1;
        ran.changes += images.len();
        if let Some((view, reason)) = subject.defect() {
            return Err(Difference { batches: number, view, kind: Kind::Defect(reason) });
        }
        for (view, theirs) in script.views.iter().zip(answers) {
            if failed.contains(&view.name) || failed.iter().any(|other: &String| view.reads(other)) {
                failed.insert(view.name.clone());
                continue;
            }
            let ours = subject.ask(&view.name).await;
            let rows = theirs.as_ref().map_or(0, Answer::len);
            ran.compared += 1;
            ran.empty += usize::from(rows == 0);
            ran.rows += rows;
            if theirs.is_err() {
                ran.raised += 1;
                failed.insert(view.name.clone());
            }
            let difference = |kind| Difference { batches: number, view: view.name.clone(), kind };
            compare(ours, theirs).map_err(difference)?;
        }
    }
    Ok(ran)
}

fn compare(ours: Asked, theirs: Asked) -> Result<(), Kind> {
    match (ours, theirs) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(ours), Err(theirs)) => Err(Kind::Missed { ours, theirs }),
        (Err(ours), Ok(_)) if ours.starts_with("FAILED") || ours.starts_with("PENDING") => {
            Err(Kind::Refused(ours))
        }
        (Err(ours), Ok(theirs)) => Err(Kind::Raised { ours, theirs }),
        (Ok(ours), Ok(theirs)) if ours.columns != theirs.columns => Err(Kind::Columns { ours, theirs }),
        (Ok(ours), Ok(theirs)) if ours != theirs => Err(Kind::Rows { ours, theirs }),
        _ => Ok(()),
    }
}

impl Difference {
    /// Whether the grammar is to blame.
    pub(super) fn is_ungrammatical(&self) -> bool {
        matches!(self.kind, Kind::Ungrammatical(_))
    }

    /// Whether it could have the same cause.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "view {} after {} batches:", self.view, self.batches)?;
        match &self.kind {
            Kind::Ungrammatical(reason) => writeln!(f, "{reason}"),
            Kind::Refused(reason) => writeln!(f, "the gateway refuses what PostgreSQL accepts: {reason}"),
            Kind::Defect(reason) => writeln!(f, "the gateway has a defect: {reason}"),
            Kind::Columns { ours, theirs } | Kind::Rows { ours, theirs } => {
                writeln!(f, "PostgreSQL:\n{theirs}the gateway:\n{ours}")?;
                writeln!(f, "missing:\n{}too many:\n{}", without(theirs, ours), without(ours, theirs))
            }
            Kind::Raised { ours, theirs } => writeln!(f, "the gateway raises: {ours}\nPostgreSQL:\n{theirs}"),
            Kind::Missed { ours, theirs } => writeln!(f, "PostgreSQL raises: {theirs}\nthe gateway:\n{ours}"),
        }
    }
}
