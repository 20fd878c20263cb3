//! Views against a real PostgreSQL: whatever the tables, the views and the changes are, after every batch each view holds
//! what its text means.
//!
//! `case` draws sources, views (`grammar`) and changes (`history`) from a seed. `run` hands the changes to the gateway
//! (`subject`) and to PostgreSQL (`oracle`), and compares each view after every batch. What differs is made smaller
//! (`shrink`) and told with all that a named case needs; those that were found are in `cases`.

mod answer;
mod case;
mod cases;
mod coverage;
mod draw;
mod grammar;
mod history;
mod mutant;
mod oracle;
mod origins;
mod query;
mod run;
mod script;
mod shrink;
mod subject;
mod tables;

use std::{
    fmt,
    pin::pin,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use sqlx::PgConnection;
use test_prerequisites::postgres;

use self::{
    case::Case,
    coverage::Coverage,
    mutant::Mutant,
    run::{Difference, Ran},
    subject::Setting,
};
use crate::{delta, store::tests::place::Engine};

/// Batches after which each construct must have been drawn.
const ENOUGH: usize = 1_000;

/// While PostgreSQL works on one case, the gateway does on another.
const AT_A_TIME: usize = 2;

/// A long run tells how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// A run without a difference.
struct Proven {
    total: Ran,
    took: Duration,
    coverage: Coverage,
}

/// A case that showed a difference, as small as it was made.
struct Disproven {
    seed: u64,
    case: Case,
    difference: Difference,
}

/// Draws cases from `seed` on until `batches` were compared, or one shows a difference, which is made smaller.
async fn prove(
    seed: u64,
    batches: usize,
    setting: Setting,
    postgres: &mut PgConnection,
) -> Result<Proven, Box<Disproven>> {
    match search(seed, batches, setting).await {
        // A statement that PostgreSQL does not take says itself what is wrong with it.
        Err(found) if found.difference.is_ungrammatical() => Err(found),
        Err(found) => {
            let Disproven { seed, case, difference } = *found;
            let (case, difference) = shrink::shrink(case, difference, setting, postgres).await;
            Err(Box::new(Disproven { seed, case, difference }))
        }
        proven => proven,
    }
}

/// The same, and the difference as it was met: the first by seed.
async fn search(seed: u64, batches: usize, setting: Setting) -> Result<Proven, Box<Disproven>> {
    let (start, mut told) = (Instant::now(), Instant::now());
    let (mut total, mut coverage) = (Ran::default(), Coverage::default());
    let mut cases = pin!(stream::iter(seed..).map(|seed| one(seed, setting)).buffered(AT_A_TIME));
    while total.batches < batches {
        let (seed, case, ran) = cases.next().await.expect("seeds do not end");
        coverage.add(&case);
        match ran {
            Ok(ran) => total += ran,
            Err(difference) => return Err(Box::new(Disproven { seed, case, difference })),
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            println!("{} of {batches} batches, SEED={seed}", total.batches);
        }
    }
    Ok(Proven { total, took: start.elapsed(), coverage })
}

async fn one(seed: u64, setting: Setting) -> (u64, Case, Result<Ran, Difference>) {
    let case = Case::draw(seed);
    let mut postgres = postgres::connect("a case").await.expect("PostgreSQL was there a moment ago");
    let ran = run::run(&case.script(), setting, &mut postgres).await;
    (seed, case, ran)
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ran { batches, changes, compared, empty, rows, raised } = self.total;
        let rate = batches as f64 / self.took.as_secs_f64();
        writeln!(f, "{}", self.coverage)?;
        write!(
            f,
            "{batches} batches of {changes} changes in {:.1} s, {rate:.0} batches/s: {compared} answers of {rows} rows \
             compared, {empty} of them empty, {raised} raised",
            self.took.as_secs_f64()
        )
    }
}

impl fmt::Display for Disproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SEED={}, made smaller:\n{}\n{}", self.seed, self.case.script(), self.difference)
    }
}

/// Draws as many batches as `COUNT` says, from `SEED` on.
async fn views_equal(test: &str, store: Engine) {
    let Some(mut postgres) = postgres::connect(test).await else { return };
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let count = usize::try_from(number("COUNT", 1_000)).unwrap();
    match prove(number("SEED", 1), count, Setting::of(store), &mut postgres).await {
        Ok(proven) => {
            println!("{proven}");
            let rare = proven.coverage.rare();
            assert!(count < ENOUGH || rare.is_empty(), "drawn too seldom: {rare:?}");
        }
        Err(disproven) => panic!("{disproven}"),
    }
}

#[tokio::test]
async fn views_equal_postgresql() {
    views_equal("views_equal_postgresql", Engine::Sqlite).await;
}

#[tokio::test]
async fn views_that_postgresql_keeps_equal_it() {
    views_equal("views_that_postgresql_keeps_equal_it", Engine::Postgres).await;
}

#[tokio::test]
async fn a_lost_deletion_is_found_and_made_small() {
    let test = "a_lost_deletion_is_found_and_made_small";
    let Some(mut postgres) = postgres::connect(test).await else { return };
    let setting = Setting { store: Engine::Sqlite, mutant: Some(Mutant::LostDeletion) };
    let proven = prove(1, 1_000, setting, &mut postgres).await;
    let Err(disproven) = proven else { panic!("it was not found") };
    let changes: usize = disproven.case.batches.iter().map(|batch| batch.changes.len()).sum();
    assert!(changes == 2 && disproven.case.views.len() == 1, "{disproven}");
}

/// Switches each defect on.
async fn mutants_are_found(test: &str, store: Engine) {
    if !postgres::is_available(test) {
        return;
    }
    for mutant in delta::mutant::Mutant::ALL {
        let setting = Setting { store, mutant: Some(Mutant::Kept(mutant)) };
        let Err(found) = search(1, 1_000, setting).await else { panic!("{mutant:?} was not found") };
        println!("{mutant:?}: SEED={}, {}", found.seed, found.difference.view);
    }
    Mutant::switch(None);
}

#[tokio::test]
async fn a_view_that_is_kept_wrongly_is_found() {
    mutants_are_found("a_view_that_is_kept_wrongly_is_found", Engine::Sqlite).await;
}

#[tokio::test]
async fn a_view_that_postgresql_keeps_wrongly_is_found() {
    mutants_are_found("a_view_that_postgresql_keeps_wrongly_is_found", Engine::Postgres).await;
}
