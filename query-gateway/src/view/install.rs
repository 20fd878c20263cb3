//! Brings the views of the store in line with a plan, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    Refused,
    files::{Definition, ViewFiles},
    plan::{Given, Plan, plan, quoted},
};
use crate::{
    error::StoreError,
    gateway::Gateway,
    store::{Maintained, Writing, versions},
};

/// The views that are in the store from now on, with those that cannot be. A view that the store refuses
/// takes part in the plan again, as one that failed: others may read it.
pub(super) async fn install(
    gateway: &Gateway,
    files: &ViewFiles,
    refused: &mut BTreeMap<String, Refused>,
) -> Result<Plan, StoreError> {
    // What a store refused because of a view that it reads may be right by now.
    refused.retain(|_, refused| refused.fingerprint.is_some());
    refused.extend(gateway.failures());
    loop {
        let mut writing = gateway.store().write().await;
        let mut plan = planned(&mut writing, gateway, &files.definitions, refused).await?;
        match replace(&mut writing, gateway, &plan).await? {
            None => {
                plan.views.extend(files.refused.iter().cloned());
                plan.views.sort_by(|one, other| (&one.file, &one.name).cmp(&(&other.file, &other.name)));
                gateway.set_views(plan.relations.iter().cloned());
                return Ok(plan);
            }
            Some((name, reason)) => {
                refused.insert(name, Refused { fingerprint: None, filled_again: false, reason })
            }
        };
    }
}

async fn planned(
    writing: &mut Writing,
    gateway: &Gateway,
    definitions: &[Definition],
    refused: &BTreeMap<String, Refused>,
) -> Result<Plan, StoreError> {
    // What an earlier run completed; what is kept by now is known without it.
    let stored = if writing.maintained.is_loaded() {
        BTreeMap::new()
    } else {
        versions::complete_ones(&mut writing.connection).await?
    };
    let next_number = versions::next_number(&mut writing.connection).await?;
    let catalog = gateway.catalog();
    let maintained = &writing.maintained;
    Ok(plan(definitions, Given { catalog: &catalog, maintained, stored: &stored, next_number, refused }))
}

/// Commits the views of the plan, or changes nothing and says which view the store refuses.
async fn replace(
    writing: &mut Writing,
    gateway: &Gateway,
    plan: &Plan,
) -> Result<Option<(String, String)>, StoreError> {
    let failed = StoreError::sql("replacing the views");
    let mut views = writing.maintained.clone();
    let mut tx = writing.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
    let refused = keep_wanted(&mut tx, &mut views, plan).await?;
    let refused = match refused {
        None => read_planned(&mut tx, plan).await?,
        refused => refused,
    };
    if refused.is_some() {
        tx.rollback().await.map_err(&failed)?;
        return Ok(refused);
    }
    remove_unread(&mut tx, &mut views, plan).await?;
    views.track(&mut tx, &gateway.catalog()).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    views.set_loaded();
    writing.maintained = views;
    Ok(None)
}

/// Keeps each version that is wanted and not kept yet, and notes which are complete.
async fn keep_wanted(
    tx: &mut SqliteConnection,
    views: &mut Maintained,
    plan: &Plan,
) -> Result<Option<(String, String)>, StoreError> {
    for wanted in &plan.wanted {
        let number = wanted.version.number;
        if let Some(kept) = views.get(number) {
            if kept.is_complete() {
                versions::complete(tx, number).await?;
            }
            continue;
        }
        if !wanted.complete {
            versions::insert(tx, number, &wanted.name, &wanted.fingerprint).await?;
        }
        let identity = (wanted.name.as_str(), wanted.fingerprint.as_str());
        match views.add(tx, identity, wanted.version.clone(), wanted.complete).await {
            Ok(()) => {}
            Err(sqlx::Error::Database(error)) => {
                return Ok(Some((wanted.name.clone(), format!("the store refuses it: {}", error.message()))));
            }
            Err(error) => return Err(StoreError::sql("keeping a view")(error)),
        }
    }
    Ok(None)
}

/// Removes the versions that are neither wanted nor read, nor read by one that is.
async fn remove_unread(
    tx: &mut SqliteConnection,
    views: &mut Maintained,
    plan: &Plan,
) -> Result<(), StoreError> {
    let mut alive: BTreeSet<i64> = plan.wanted.iter().map(|wanted| wanted.version.number).collect();
    let is_read =
        |result: &str| plan.creates.iter().any(|create| create.ends_with(&format!(" FROM {result}")));
    alive.extend(
        views
            .versions()
            .iter()
            .filter(|kept| is_read(&kept.version.result()))
            .map(|kept| kept.version.number),
    );
    for kept in views.versions().iter().rev() {
        if alive.contains(&kept.version.number) {
            alive.extend(kept.version.views.iter().map(|(_, reference)| reference.number));
        }
    }
    let dead: Vec<i64> = views
        .versions()
        .iter()
        .map(|kept| kept.version.number)
        .filter(|number| !alive.contains(number))
        .collect();
    for number in dead.into_iter().rev() {
        views.remove(tx, number).await?;
    }
    // What an earlier run left, and nobody wants any more.
    for number in versions::numbers(tx).await? {
        if views.get(number).is_none() {
            versions::remove_tables(tx, number).await?;
        }
    }
    Ok(())
}

/// Makes just the views of the plan what users can read.
async fn read_planned(
    tx: &mut SqliteConnection,
    plan: &Plan,
) -> Result<Option<(String, String)>, StoreError> {
    let failed = StoreError::sql("replacing the views");
    let before: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name NOT GLOB '_*'")
            .fetch_all(&mut *tx)
            .await
            .map_err(&failed)?;
    let same = before.len() == plan.creates.len() && before.iter().all(|(_, sql)| plan.creates.contains(sql));
    if same {
        return Ok(None);
    }
    for (name, _) in &before {
        let drop = format!("DROP VIEW {}", quoted(name));
        sqlx::query(AssertSqlSafe(drop)).persistent(false).execute(&mut *tx).await.map_err(&failed)?;
    }
    for (relation, create) in plan.relations.iter().zip(&plan.creates) {
        // Creating a view checks next to nothing; reading no row of it checks all names.
        let probe = format!("SELECT * FROM {} LIMIT 0", quoted(&relation.name));
        for statement in [create.clone(), probe] {
            match sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(&mut *tx).await {
                Ok(_) => {}
                Err(sqlx::Error::Database(error)) => {
                    let reason = format!("the store refuses it: {}", error.message());
                    return Ok(Some((relation.name.clone(), reason)));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(None)
}
