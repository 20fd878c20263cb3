//! The query gateway: follows the feeds of a mesh, keeps one read model of them, and answers questions about it.

pub mod api;
pub mod catalog;
pub mod config;
pub mod database;
pub mod delta;
pub mod error;
pub mod gateway;
pub mod grpc;
mod lineage;
pub mod query;
pub mod role;
pub mod schema;
pub mod source;
pub mod sql;
pub mod store;
pub mod view;

use std::path::Path;

use opentelemetry::global;
use tokio::sync::oneshot;
use tributary_chassis::{
    Server, StartError,
    backup::restore,
    lock::{self, Lock},
    replica::sole_owner,
};

use crate::{
    api::{Api, TypedQueries},
    config::Config,
    error::StoreError,
    gateway::Gateway,
    grpc::QueryService,
    query::{Caps, Queries},
    role::{Member, Role},
    store::Store,
    view::{ViewFiles, Views},
};

/// What of the flags only the files can tell that they name; before a port is bound.
pub fn check(config: &Config) -> Result<(), StartError> {
    config.check()?;
    load(config).map(drop)
}

fn load(config: &Config) -> Result<(Api, ViewFiles), StartError> {
    let api = Api::load(&config.api, config.proto_path.as_deref())
        .map_err(|error| StartError::usage("--api", error.file, error.reason))?;
    let files = ViewFiles::load(config.views.as_deref())
        .map_err(|error| StartError::usage("--views", error.path.display(), error.reason))?;
    Ok((api, files))
}

/// A store in a file is this process's alone for as long as the lock is held; what is in a database is not of this machine.
async fn open(config: &Config, data_dir: &Path) -> Result<(Store, Option<Lock>), StartError> {
    if let Some(database) = &config.store.store {
        let readers = config.reader_store.as_ref().unwrap_or(database);
        let connect = async || Store::connect_with(database, readers).await;
        return Ok((database.reached(connect, StoreError::ends_writing).await?, None));
    }
    sole_owner(config.replica)?;
    let lock = lock::acquire(data_dir)?;
    restore::finish(data_dir)?;
    Ok((Store::open(data_dir).await?, Some(lock)))
}

/// Runs the gateway. It answers as soon as the store is open; its sources may come later.
pub async fn start(config: Config, mut server: Server) -> Result<(), StartError> {
    config.check()?;
    let (api, files) = load(&config)?;
    let (store, _lock) = open(&config, server.data_dir()).await?;
    let gateway = Gateway::of(store);
    let views = Views::new(gateway.clone());
    let meter = global::meter("tributary");
    source::observe(&meter, &gateway);
    role::observe(&meter, gateway.roles());

    let queries = Queries::new(gateway.clone(), Caps::default());
    server.add_service(QueryService::server(queries.clone(), views.clone(), api.clone()));
    server.descriptors(api.descriptors().to_vec());
    let typed = TypedQueries::new(&api, queries, views.clone());
    for service in api.services() {
        server.add_dynamic_service(service, typed.clone());
    }
    tokio::spawn(typed.follow(server.shutdown()));

    let mut roles = gateway.roles();
    let mut member = tokio::spawn(Member { gateway, views, config, files }.run(server.shutdown()));
    tokio::select! {
        ended = &mut member => return ended?,
        // Before, nobody could be answered.
        _ = roles.wait_for(|role| *role != Role::Opening) => {}
    }
    let (shutdown, (tell, ended)) = (server.shutdown(), oneshot::channel());
    server.fail_on(async move {
        match ended.await {
            Ok(Err(error)) => error,
            // Nobody is to be answered from tables that stand still.
            _ if shutdown.is_cancelled() => std::future::pending().await,
            _ => StartError::message("applying changes ended by itself, which is a defect"),
        }
    });
    let member = tokio::spawn(async move {
        // Nobody listens any more if the server is gone.
        let _ = tell.send(member.await.unwrap_or_else(|error| Err(error.into())));
    });
    server.serve().await?;
    // What was handed over is applied before the store is closed.
    Ok(member.await?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;
    use tributary_chassis::ServerArgs;

    use super::*;

    /// It has a disk of its own, where no lock tells it of the first.
    #[tokio::test]
    async fn a_second_replica_opens_and_creates_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let args = ServerArgs { data_dir: Some(directory.path().to_owned()), ..ServerArgs::default() };
        for replica in ["1", "2"] {
            let server = Server::bind("query-gateway", &args).unwrap();
            let config = Config::parse_from(["query-gateway", "--replica", replica]);
            let error = start(config, server).await.unwrap_err().to_string();
            let expected = format!("this is replica {replica}, but an embedded store has exactly one owner");
            assert!(error.starts_with(&expected) && error.ends_with("scale back to 1"), "{error}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}
