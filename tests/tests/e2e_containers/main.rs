//! The mesh in containers, run as the manifests of an overlay say.
//!
//! COUNT faults, drawn from SEED. `make soak-containers COUNT=100` is the large form of those of `mesh`.
//!
//! Two at a time, since most of what they do is to wait; alone where something has to come within seconds.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

mod changes;
mod databases;
mod mesh;
mod replicas;

use std::time::Duration;

use mesh_tests::{
    containers::{Engine, Pod},
    manifests::Manifests,
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

const KIND: &str = "k8s/overlays/kind";
const POSTGRES: &str = "k8s/overlays/postgres";

/// Who has a database there.
const OWNERS: [&str; 4] = ["customers", "orders", "payments", "query-gateway"];

/// How soon callers notice that a callee is gone, that there is one more, or that it is elsewhere.
const NOTICED: Duration = Duration::from_secs(5);

static MACHINE: RwLock<()> = RwLock::const_new(());

/// Beside other tests that are.
async fn beside() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// What a mesh in containers needs, as an overlay says; `None` after saying that `test` is skipped.
async fn prepare(test: &str, overlay: &str) -> Option<(&'static Engine, Manifests)> {
    let manifests = Manifests::render(test, overlay)?;
    Some((Engine::get(test).await?, manifests))
}

/// The same with those that keep stores in PostgreSQL, whose image is made of the one that is installed here.
async fn prepare_with_postgres(test: &str) -> Option<(&'static Engine, Manifests)> {
    let (engine, mut manifests) = prepare(test, POSTGRES).await?;
    manifests.make_secrets();
    engine.has_postgres(test).then_some((engine, manifests))
}

async fn ready(pod: &Pod) {
    pod.until_ready().await.unwrap_or_else(|why| panic!("{why}"));
}
