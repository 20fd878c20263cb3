//! Makes a case smaller for as long as it still shows the difference.

mod query;

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::{
    case::Case,
    run::{Difference, run},
    script::{Batch, Delivery},
    subject::Setting,
};

/// A case that is still large after this is told as it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest case found, and its difference.
pub(super) async fn shrink(
    mut case: Case,
    mut difference: Difference,
    setting: Setting,
    postgres: &mut PgConnection,
) -> (Case, Difference) {
    let deadline = Instant::now() + PATIENCE;
    case.batches.truncate(difference.batches.max(1));
    loop {
        let mut smaller = false;
        for step in STEPS {
            let mut at = 0;
            while let Some(candidate) = step(&case).into_iter().nth(at) {
                if Instant::now() > deadline {
                    return (case, difference);
                }
                at += 1;
                if let Err(found) = run(&candidate.script(), setting, postgres).await
                    && found.is_like(&difference)
                {
                    (case, difference) = (candidate, found);
                    (smaller, at) = (true, at - 1);
                }
            }
        }
        if !smaller {
            return (case, difference);
        }
    }
}

/// Ways to make a case smaller, from the coarse to the fine.
const STEPS: &[fn(&Case) -> Vec<Case>] = &[
    fewer_views,
    fewer_batches,
    fewer_changes,
    simpler_views,
    fewer_fields,
    fewer_entities,
    simpler_deliveries,
];

fn fewer_views(case: &Case) -> Vec<Case> {
    without_one(&case.views).into_iter().map(|views| Case { views, ..case.clone() }).collect()
}

fn fewer_batches(case: &Case) -> Vec<Case> {
    let fewer = without_parts(&case.batches).into_iter();
    let fewer = fewer.map(|batches| Case { batches, views_after: 0, ..case.clone() });
    fewer.filter(|case| !case.batches.is_empty()).collect()
}

fn fewer_changes(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, batch) in case.batches.iter().enumerate() {
        for changes in without_parts(&batch.changes) {
            let mut case = case.clone();
            case.batches[at].changes = changes;
            cases.push(case);
        }
    }
    cases
}

fn simpler_views(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, view) in case.views.iter().enumerate() {
        for query in query::simpler(&view.query) {
            let mut case = case.clone();
            case.views[at].query = query;
            cases.push(case);
        }
    }
    cases
}

/// Without a field, or a whole repeated message, that no view reads: of one that is read, PostgreSQL refuses the view.
fn fewer_fields(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for (at, entity) in case.entities.iter().enumerate() {
        let mut drop = |name: &str, change: &dyn Fn(&mut super::tables::Entity)| {
            let mut case = case.clone();
            change(&mut case.entities[at]);
            let changes = case.batches.iter_mut().flat_map(|batch| &mut batch.changes);
            for change in changes.filter(|change| change.entity == entity.name) {
                if let Some(value) = change.value.as_object_mut() {
                    value.remove(name);
                }
            }
            cases.push(case);
        };
        if entity.child.is_some() {
            drop("items", &|entity| entity.child = None);
        }
        for (n, field) in entity.fields.iter().enumerate() {
            drop(&field.name, &|entity| drop_at(&mut entity.fields, n));
        }
    }
    cases
}

fn fewer_entities(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for entities in without_one(&case.entities) {
        let known = |name: &str| entities.iter().any(|entity| entity.name == name);
        let mut batches = case.batches.clone();
        batches.iter_mut().for_each(|batch| batch.changes.retain(|change| known(&change.entity)));
        cases.push(Case { entities, batches, ..case.clone() });
    }
    cases
}

fn simpler_deliveries(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    if case.views_after > 0 {
        cases.push(Case { views_after: 0, ..case.clone() });
    }
    for (at, batch) in case.batches.iter().enumerate() {
        if batch.delivery != Delivery::Once {
            let mut case = case.clone();
            case.batches[at] = Batch { delivery: Delivery::Once, ..batch.clone() };
            cases.push(case);
        }
    }
    cases
}

/// All but one, for each.
fn without_one<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    (0..items.len()).map(|at| dropped(items, at, 1)).collect()
}

/// Without a half, a quarter and so on, down to single ones.
fn without_parts<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut size = items.len().div_ceil(2);
    while size > 0 {
        parts.extend((0..items.len()).step_by(size).map(|at| dropped(items, at, size)));
        size /= 2;
    }
    parts
}

fn dropped<T: Clone>(items: &[T], at: usize, count: usize) -> Vec<T> {
    let end = (at + count).min(items.len());
    [&items[..at], &items[end..]].concat()
}

fn drop_at<T>(items: &mut Vec<T>, at: usize) {
    items.remove(at);
}
