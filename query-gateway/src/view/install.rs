//! Brings the views of the store in line with a plan, in one transaction.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    files::ViewFiles,
    plan::{Plan, plan, quoted},
};
use crate::{error::StoreError, gateway::Gateway};

/// The views that are in the store from now on, with those that cannot be. A view that the store refuses
/// takes part in the plan again, as one that failed: others may read it.
pub(super) async fn install(gateway: &Gateway, files: &ViewFiles) -> Result<Plan, StoreError> {
    let mut refused = BTreeMap::new();
    loop {
        let mut writer = gateway.store().write().await;
        let mut plan = plan(&files.definitions, &gateway.catalog(), &refused);
        match replace(&mut writer, &plan).await? {
            None => {
                plan.views.extend(files.refused.iter().cloned());
                plan.views.sort_by(|one, other| (&one.file, &one.name).cmp(&(&other.file, &other.name)));
                return Ok(plan);
            }
            Some((name, reason)) => refused.insert(name, reason),
        };
    }
}

/// Commits the views of the plan, or changes nothing and says which view the store refuses.
async fn replace(writer: &mut SqliteConnection, plan: &Plan) -> Result<Option<(String, String)>, StoreError> {
    let failed = StoreError::sql("replacing the views");
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
    let before: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")
            .fetch_all(&mut *tx)
            .await
            .map_err(&failed)?;
    let same = before.len() == plan.creates.len() && before.iter().all(|(_, sql)| plan.creates.contains(sql));
    if same {
        return tx.rollback().await.map(|()| None).map_err(&failed);
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
                    tx.rollback().await.map_err(&failed)?;
                    return Ok(Some((
                        relation.name.clone(),
                        format!("the store refuses it: {}", error.message()),
                    )));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
    tx.commit().await.map_err(&failed)?;
    Ok(None)
}
