//! Brings the views of the store in line with their definitions, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tributary_chassis::fault::Fault;

use super::{
    definition::{Definition, Definitions, Origin, Served},
    plan::{Given, Plan, plan, quoted},
    stand_in::StandIns,
};
use crate::{
    catalog::{Kind, Relation},
    database::Connection,
    error::StoreError,
    gateway::{Gateway, NewLayout},
    sql::parse_views,
    store::{
        Maintained, Writing,
        definitions::{self, Edit},
        indexes, layout, objects, versions,
    },
};

/// What is to be in the store.
#[derive(Clone, Copy)]
pub(super) struct Wish<'w> {
    pub(super) definitions: &'w Definitions,
    /// What was served so far.
    pub(super) served: &'w Served,
    /// What comes to be in the same transaction.
    pub(super) edit: &'w Edit,
    /// Views that are tried again if they failed.
    pub(super) retry: &'w (dyn Fn(&str) -> bool + Sync),
    /// Whether the outcome is what whoever asks for it wants; otherwise nothing changes.
    pub(super) admit: &'w (dyn Fn(&Plan) -> Result<(), Fault> + Sync),
    /// Takes versions of an earlier run over and makes no new ones.
    pub(super) adopt: bool,
}

/// The views that are in the store from now on, with those that cannot be, and by which definition each is served. A view
/// that the store does not take takes part in the plan again, as one that failed: others may read it.
pub(super) async fn install(
    gateway: &Gateway,
    wish: Wish<'_>,
) -> Result<Result<(Plan, Served), Fault>, StoreError> {
    let mut unstorable = BTreeMap::new();
    loop {
        let mut writing = gateway.store().write().await;
        let (mut plan, served) = planned(&mut writing, gateway, wish, &unstorable).await?;
        if wish.adopt {
            plan.wanted.retain(|wanted| wanted.complete);
        }
        if let Err(fault) = (wish.admit)(&plan) {
            return Ok(Err(fault));
        }
        // Large tables take their time: each index is a transaction of its own, and changes are taken in between.
        let asked = plan.indexes.iter().map(|(_, statement)| statement);
        let wanted = plan.wanted.iter().map(|wanted| &wanted.version);
        let mut tx = writing.connection.begin().await?;
        if indexes::prepare(&mut tx, wanted, asked).await? {
            tx.commit().await.map_err(StoreError::sql("making an index"))?;
            continue;
        }
        tx.rollback().await.map_err(StoreError::sql("making an index"))?;
        let (name, reason) = match replace(&mut writing, gateway, (&plan, &served), wish).await? {
            Ok(layout) => {
                gateway.forgive(wish.retry);
                gateway.views_changed(layout);
                return Ok(Ok((plan, served)));
            }
            Err(unstorable) => unstorable,
        };
        let texts = [wish.definitions.view(&name), wish.served.get(&name)];
        for definition in texts.into_iter().flatten() {
            unstorable.insert((name.clone(), definition.view.create()), reason.clone());
        }
    }
}

/// The plan in which an earlier definition stands in for each that is wrong, and what is served with it.
async fn planned(
    writing: &mut Writing,
    gateway: &Gateway,
    wish: Wish<'_>,
    unstorable: &BTreeMap<(String, String), String>,
) -> Result<(Plan, Served), StoreError> {
    // What an earlier run completed; what is kept by now is known without it.
    let stored = if writing.maintained.is_loaded() {
        BTreeMap::new()
    } else {
        versions::complete_ones(&mut writing.connection).await?
    };
    let next_number = versions::next_number(&mut writing.connection).await?;
    let (catalog, mut failures) = (gateway.catalog(), gateway.failures());
    failures.retain(|(view, _), _| !(wish.retry)(view));
    let given = Given {
        catalog: &catalog,
        maintained: &writing.maintained,
        stored: &stored,
        next_number,
        failures: &failures,
        unstorable,
    };
    let mut in_force = StandIns::new(wish.definitions, wish.served);
    let mut plan = loop {
        let plan = plan(&in_force.views, &wish.definitions.indexes, given);
        if !in_force.take_over(&plan) {
            break plan;
        }
    };
    let served = in_force.serving(&plan);
    in_force.show(&mut plan);
    Ok((plan, served))
}

/// Commits the views of the plan, or changes nothing and says which view the store does not take. Until the catalog follows,
/// what is given back keeps others from asking.
async fn replace<'g>(
    writing: &mut Writing,
    gateway: &'g Gateway,
    (plan, served): (&Plan, &Served),
    wish: Wish<'_>,
) -> Result<Result<NewLayout<'g>, (String, String)>, StoreError> {
    let failed = StoreError::sql("replacing the views");
    let mut views = writing.maintained.clone();
    let mut tx = writing.connection.begin().await?;
    let unstorable = match keep_wanted(&mut tx, &mut views, plan).await? {
        None => read_planned(&mut tx, plan).await?,
        unstorable => unstorable,
    };
    if let Some(unstorable) = unstorable {
        tx.rollback().await.map_err(&failed)?;
        return Ok(Err(unstorable));
    }
    remove_unread(&mut tx, &mut views, plan).await?;
    let asked = plan.indexes.iter().filter(|(on, _)| on.is_none_or(|number| views.get(number).is_some()));
    let asked = asked.map(|(_, statement)| statement.clone()).collect();
    indexes::reconcile(&mut tx, &views, asked).await?;
    views.track(&mut tx, &gateway.catalog()).await.map_err(&failed)?;
    definitions::edit(&mut tx, wish.edit).await?;
    if served != wish.served {
        definitions::serve(&mut tx, &stored(served)).await?;
    }
    let is_view = |relation: &Relation| !matches!(relation.kind, Kind::Base { .. });
    let catalog = gateway.catalog().with(is_view, plan.relations.iter().cloned().map(Arc::new));
    let layout = gateway.change_layout(&mut tx, catalog).await?;
    tx.commit().await.map_err(&failed)?;
    views.set_loaded();
    writing.maintained = views;
    Ok(Ok(layout))
}

fn stored(served: &Served) -> BTreeMap<String, definitions::Stored> {
    let stored = served.iter().map(|(name, definition)| {
        (name.clone(), (definition.origin.file().to_owned(), definition.view.create()))
    });
    stored.collect()
}

/// What an earlier run has stored of what it served. What this program cannot read any more is not served.
pub(super) fn served(stored: BTreeMap<String, definitions::Stored>) -> Served {
    let served = stored.into_iter().filter_map(|(name, (file, text))| {
        let view = parse_views(&text).ok()?.views.pop()?;
        Some((name, Definition { origin: Origin::of(file), view }))
    });
    served.collect()
}
/// Keeps each version that is wanted and not kept yet, and notes which are complete.
async fn keep_wanted(
    tx: &mut Connection,
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
        let Err(error) = views.add(tx, identity, wanted.version.clone(), wanted.complete).await else {
            continue;
        };
        return match error.message() {
            Some(said) => Ok(Some((wanted.name.clone(), format!("the store refuses it: {said}")))),
            None => Err(StoreError::sql("keeping a view")(error)),
        };
    }
    Ok(None)
}

/// Removes the versions that are neither wanted nor read, nor read by one that is.
async fn remove_unread(tx: &mut Connection, views: &mut Maintained, plan: &Plan) -> Result<(), StoreError> {
    let mut alive: BTreeSet<i64> = plan.wanted.iter().map(|wanted| wanted.version.number).collect();
    alive.extend(&plan.read);
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
async fn read_planned(tx: &mut Connection, plan: &Plan) -> Result<Option<(String, String)>, StoreError> {
    let failed = StoreError::sql("replacing the views");
    let before = objects::views(tx).await.map_err(&failed)?;
    let same = before.len() == plan.creates.len() && before.iter().all(|(_, sql)| plan.creates.contains(sql));
    if same {
        return Ok(None);
    }
    layout::take(tx).await?;
    for (name, _) in &before {
        objects::remove_view(tx, name).await.map_err(&failed)?;
    }
    for (relation, create) in plan.relations.iter().zip(&plan.creates) {
        // On SQLite creating a view checks next to nothing; reading no row of it checks all names.
        let name = quoted(&relation.name);
        let probe = format!("SELECT * FROM {name} LIMIT 0");
        let mut made = objects::make(tx, &format!("VIEW {name}"), create).await;
        if made.is_ok() {
            made = tx.composed(probe).keep(false).execute().await.map(drop);
        }
        if let Err(error) = made {
            return match error.message() {
                Some(said) => Ok(Some((relation.name.clone(), format!("the store refuses it: {said}")))),
                None => Err(failed(error)),
            };
        }
    }
    Ok(None)
}
