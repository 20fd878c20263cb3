//! Stores in PostgreSQL, as the manifests lay them out: each database has one owner, which alone is told its password; pods that
//! share a store can be replaced one by one, and the server has room for all of them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Probe, SecretKeySelector, Volume};
use mesh_tests::manifests::{self, Manifests, Workload};

const OVERLAY: &str = "k8s/overlays/postgres";
/// Who has a database in it, and how many pods.
const OWNERS: [(&str, i32); 4] = [("customers", 3), ("orders", 3), ("payments", 3), ("query-gateway", 2)];
/// More than any pod has: payments have 14, see docs/operations.md.
const CONNECTIONS: i32 = 16;
/// Kept by the server for its superuser.
const RESERVED: i32 = 3;

/// Every workload of `manifests` whose store is in a database, with that database's.
fn owners(manifests: &Manifests) -> Vec<(&Workload, &Workload)> {
    let workloads = manifests.workloads.values();
    let owners = workloads.filter(|workload| workload.environment().contains_key("TRIBUTARY_STORE"));
    owners.map(|owner| (owner, manifests.workload(&format!("{}-postgres", owner.name)))).collect()
}

/// Everything that is looked at, of every overlay; nothing after saying that `test` is skipped.
fn everywhere(test: &str, look: impl Fn(&Manifests, &Workload, &Workload)) {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render(test, &overlay) else { return };
        let owners = owners(&manifests);
        assert!(overlay != OVERLAY || owners.len() == OWNERS.len(), "{overlay}");
        owners.into_iter().for_each(|(owner, database)| look(&manifests, owner, database));
    }
}

/// The Secret and its key that a variable comes from.
fn secret<'a>(workload: &'a Workload, variable: &str) -> Option<&'a SecretKeySelector> {
    let found = workload.container().env.iter().flatten().find(|env| env.name == variable)?;
    found.value_from.as_ref()?.secret_key_ref.as_ref()
}

#[test]
fn services_and_gateways_have_several_pods_on_postgresql() {
    let name = "services_and_gateways_have_several_pods_on_postgresql";
    let Some(manifests) = Manifests::render(name, OVERLAY) else { return };
    let owners = owners(&manifests);
    let several: Vec<_> = owners.iter().map(|(owner, _)| (owner.name.as_str(), owner.replicas)).collect();
    assert_eq!(several, OWNERS);
    let rest = manifests.workloads.values().filter(|workload| {
        owners.iter().all(|(owner, database)| workload.name != owner.name && workload.name != database.name)
    });
    assert!(rest.into_iter().all(|workload| workload.replicas == 1));
}

/// Who is told the address of a database is its owner, by name and password.
#[test]
fn a_database_is_opened_by_its_owner_alone() {
    everywhere("a_database_is_opened_by_its_owner_alone", |_, owner, database| {
        let name = &owner.name;
        let role = name.replace('-', "_");
        let store = owner.environment()["TRIBUTARY_STORE"];
        assert_eq!(store, format!("postgres://{role}@{}:5432/{role}", database.name));
        assert_eq!(database.environment()["OWNER"], role);
        let [theirs, its] = [secret(owner, "PGPASSWORD"), secret(database, "OWNER_PASSWORD")];
        assert_eq!(theirs.map(|secret| secret.name.as_str()), Some(database.name.as_str()));
        assert_eq!(theirs, its, "{name}");
        assert_ne!(theirs.unwrap().optional, Some(true), "{name}: without it there is no pod");
    });
}

#[test]
fn a_pod_is_told_no_secret_but_its_own() {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render("a_pod_is_told_no_secret_but_its_own", &overlay) else {
            return;
        };
        assert!(manifests.documents.iter().all(|document| document["kind"] != "Secret"), "{overlay}");
        let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for workload in manifests.workloads.values() {
            let container = workload.container();
            assert_eq!(container.env_from, None, "{}", workload.name);
            let volumes = workload.pod().volumes.iter().flatten();
            let plain = |volume: &Volume| volume.secret.is_none() && volume.projected.is_none();
            assert!(volumes.into_iter().all(plain), "{}", workload.name);
            for variable in container.env.iter().flatten() {
                if let Some(secret) = secret(workload, &variable.name) {
                    told.entry(&secret.name).or_default().insert(&workload.name);
                }
            }
        }
        let owners = owners(&manifests);
        let expected = owners.iter().map(|(owner, database)| {
            (database.name.as_str(), BTreeSet::from([owner.name.as_str(), database.name.as_str()]))
        });
        assert_eq!(told, expected.collect(), "{overlay}");
    }
}

/// Its own, which no second pod of any node can mount, and not the root of it.
#[test]
fn a_database_has_one_pod_and_a_volume() {
    everywhere("a_database_has_one_pod_and_a_volume", |_, _, database| {
        let name = &database.name;
        assert!(database.stateful && database.replicas == 1, "{name}");
        let [claim] = database.claims.as_slice() else { panic!("{name}: {:?}", database.claims) };
        let modes = claim.spec.as_ref().unwrap().access_modes.as_deref();
        assert_eq!(modes, Some(&["ReadWriteOncePod".to_owned()][..]), "{name}");
        let data = database.environment()["PGDATA"];
        let mounts = database.container().volume_mounts.iter().flatten();
        let mut on = mounts.filter(|mount| data.starts_with(&format!("{}/", mount.mount_path)));
        assert_eq!(on.next().map(|mount| &mount.name), claim.metadata.name.as_ref(), "{name}: {data}");
    });
}

/// While the cluster is made there is a server that listens at the socket alone; it is not ready.
#[test]
fn a_database_is_ready_when_it_listens_at_its_port() {
    everywhere("a_database_is_ready_when_it_listens_at_its_port", |_, _, database| {
        let container = database.container();
        for probe in [&container.startup_probe, &container.readiness_probe, &container.liveness_probe] {
            let command = asked(probe.as_ref().unwrap());
            assert_eq!(command.first(), Some(&"pg_isready"), "{}", database.name);
            assert!(command.contains(&"--host=127.0.0.1"), "{}: {command:?}", database.name);
        }
    });
}

fn asked(probe: &Probe) -> Vec<&str> {
    let command = probe.exec.as_ref().and_then(|exec| exec.command.as_deref()).unwrap_or_default();
    command.iter().map(String::as_str).collect()
}

/// They have no number and keep nothing, are on different nodes where they can be, and leave only when callers had the time to
/// see it.
#[test]
fn pods_that_share_a_store_come_and_go() {
    everywhere("pods_that_share_a_store_come_and_go", |_, owner, _| {
        let (name, told) = (&owner.name, owner.environment());
        assert!(!owner.stateful && owner.claims.is_empty(), "{name}");
        let number = owner.container().env.iter().flatten().find(|env| env.name == "TRIBUTARY_REPLICA");
        assert_eq!(number, None, "{name}");
        let mounts = owner.container().volume_mounts.iter().flatten();
        let data = mounts.into_iter().find(|mount| mount.mount_path == told["TRIBUTARY_DATA_DIR"]).unwrap();
        let mut volumes = owner.pod().volumes.iter().flatten();
        let volume = volumes.find(|volume| volume.name == data.name).unwrap();
        assert!(volume.empty_dir.is_some(), "{name}: {volume:?}");
        let delay = tributary_chassis::settings::duration(told["TRIBUTARY_DRAIN_DELAY"]).unwrap();
        let probe = owner.container().readiness_probe.as_ref().unwrap();
        let noticed = probe.period_seconds.unwrap() * probe.failure_threshold.unwrap();
        assert!(delay.as_secs() > u64::try_from(noticed).unwrap(), "{name}: {delay:?}");
        let [spread] = owner.pod().topology_spread_constraints.as_deref().unwrap() else { panic!("{name}") };
        assert_eq!((spread.topology_key.as_str(), spread.max_skew), ("kubernetes.io/hostname", 1));
        assert!(owner.is_selected_by(spread.label_selector.as_ref().unwrap()), "{name}");
    });
}

/// One file of the ConfigMap that a database is configured by.
fn file<'a>(manifests: &'a Manifests, database: &Workload, file: &str) -> &'a str {
    let mut volumes = database.pod().volumes.iter().flatten();
    let map = volumes.find_map(|volume| volume.config_map.as_ref()).unwrap();
    &manifests.config_maps[&map.name].data.as_ref().unwrap()[file]
}

#[test]
fn a_database_has_room_for_every_pod_and_one_more() {
    everywhere("a_database_has_room_for_every_pod_and_one_more", |manifests, owner, database| {
        let settings = file(manifests, database, "postgresql.conf");
        let room = settings.lines().find_map(|line| line.strip_prefix("max_connections = ")).unwrap();
        let room: i32 = room.parse().unwrap();
        let needed = (owner.replicas + 1) * CONNECTIONS + RESERVED;
        assert!(room >= needed, "{}: {room} of {needed}", database.name);
    });
}

#[test]
fn nobody_comes_in_from_another_pod_without_a_password() {
    everywhere("nobody_comes_in_from_another_pod_without_a_password", |manifests, _, database| {
        let rules = file(manifests, database, "pg_hba.conf").lines();
        let rules: Vec<Vec<_>> = rules
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected: [&[&str]; 3] = [
            &["local", "all", "postgres", "peer"],
            &["host", "all", "postgres", "all", "reject"],
            &["host", "sameuser", "all", "all", "scram-sha-256"],
        ];
        assert_eq!(rules, expected, "{}", database.name);
        let settings = file(manifests, database, "postgresql.conf");
        assert!(settings.contains("hba_file = '/etc/postgres/pg_hba.conf'"), "{}", database.name);
    });
}
