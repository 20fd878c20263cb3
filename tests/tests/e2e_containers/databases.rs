//! The databases of overlays/postgres: nobody gets into one but its owner, and none is half made.

use mesh_tests::{containers::Cluster, manifests::Manifests, wait};

use crate::{OWNERS, beside, prepare_with_postgres, ready};

fn role(owner: &str) -> String {
    owner.replace('-', "_")
}

fn password<'a>(manifests: &'a Manifests, owner: &str) -> &'a str {
    &manifests.secrets[&format!("{owner}-postgres")]["password"]
}

/// In the place of each owner there is somebody with its labels, and so its ways, who can ask for anything.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_into_a_database_but_its_owner() {
    let _beside = beside().await;
    let Some((engine, manifests)) = prepare_with_postgres("nobody_gets_into_a_database_but_its_owner").await
    else {
        return;
    };
    let mut changed = manifests.clone();
    for owner in OWNERS {
        let image = manifests.workload(&format!("{owner}-postgres")).container().image.clone();
        let workload = changed.workload_mut(owner);
        workload.replicas = 1;
        let container = workload.container_mut();
        container.image = image;
        container.command = Some(["sleep", "infinity"].map(str::to_owned).into());
    }
    let databases = OWNERS.map(|owner| format!("{owner}-postgres"));
    let all: Vec<_> = OWNERS.into_iter().chain(databases.iter().map(String::as_str)).collect();
    let cluster = Cluster::start(engine, &changed, &all);
    for database in &databases {
        ready(cluster.pod(database)).await;
    }
    for owner in OWNERS {
        for database in &databases {
            let own = *database == format!("{owner}-postgres");
            let host = format!("--host={database}");
            let asked = cluster.pod(owner).exec(&["pg_isready", "--username=a", "--dbname=a", &host]);
            assert_eq!(asked.is_ok(), own, "{owner} at {database}: {asked:?}");
        }
    }
    let superuser = OWNERS.map(|owner| ("postgres".to_owned(), password(&manifests, owner)));
    let owners = OWNERS.map(|owner| (role(owner), password(&manifests, owner)));
    let mut refused = 0;
    for whose in OWNERS {
        // From there its server is reached; who asks is told by name and password alone.
        for (user, password) in owners.iter().chain(&superuser) {
            for database in OWNERS.map(role).into_iter().chain(["postgres", "template1"].map(str::to_owned)) {
                let own = *user == role(whose) && database == role(whose);
                let url = format!("postgres://{user}:{password}@{whose}-postgres/{database}");
                let asked = cluster.pod(whose).exec(&psql(&url, "SELECT current_user"));
                match asked {
                    Ok(said) => assert!(own && said == *user, "{user} in {database} of {whose}: {said}"),
                    Err(why) => {
                        assert!(!own && is_refusal(&why), "{user} in {database} of {whose}: {why}");
                        refused += 1;
                    }
                }
            }
        }
        let url = format!("postgres://{}:{}@{whose}-postgres/{0}", role(whose), password(&manifests, whose));
        let rights = "SELECT rolsuper, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user";
        assert_eq!(cluster.pod(whose).exec(&psql(&url, rights)).unwrap(), "f|f|f|f", "{whose}");
        let program = cluster.pod(whose).exec(&psql(&url, "COPY (SELECT 1) TO PROGRAM 'sh'"));
        assert!(program.unwrap_err().contains("pg_execute_server_program"), "{whose}");
    }
    assert_eq!(refused, 4 * 8 * 6 - 4);

    let may =
        "SELECT count(*) FROM pg_proc WHERE has_function_privilege('query_gateway_query', oid, 'EXECUTE')
               AND proname IN ('lo_create', 'pg_advisory_lock', 'pg_notify', 'pg_sleep', 'set_config')";
    let superuser = [
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--username=postgres",
        "--dbname=query_gateway",
    ];
    let said = cluster.pod("query-gateway-postgres").exec(&[&superuser[..], &["--command", may]].concat());
    assert_eq!(said.as_deref(), Ok("0"), "statements of users compute, and do nothing else");
}

fn psql<'a>(url: &'a str, sql: &'a str) -> [&'a str; 7] {
    ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, url]
}

fn is_refusal(why: &str) -> bool {
    ["password authentication failed", "no pg_hba.conf entry", "pg_hba.conf rejects connection"]
        .iter()
        .any(|refusal| why.contains(refusal))
}

/// It is killed while initdb writes, and while the owner is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_not_finished_is_made_anew() {
    let _beside = beside().await;
    let Some((engine, manifests)) =
        prepare_with_postgres("a_database_that_was_not_finished_is_made_anew").await
    else {
        return;
    };
    let data = manifests.workload("customers-postgres").environment()["PGDATA"];
    for half in ["PG_VERSION", "postmaster.pid"] {
        let cluster = Cluster::start(engine, &manifests, &["customers-postgres"]);
        let pod = cluster.pod("customers-postgres");
        let file = format!("{data}.new/{half}");
        wait::until("it is at work", || async { pod.exec(&["test", "-e", &file]) }).await;
        pod.kill();
        pod.restart();
        // What is there is not taken for a cluster.
        ready(pod).await;
        assert!(pod.exec(&["test", "-e", &format!("{data}.new")]).is_err(), "{}", pod.log_tail());
        let password = password(&manifests, "customers");
        let url = format!("postgres://customers:{password}@127.0.0.1/customers");
        let made = "CREATE TABLE mine (n INT); SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'mine'";
        assert!(pod.exec(&psql(&url, made)).unwrap().ends_with("customers"));

        let stopped = pod.stop().await;
        assert_eq!(
            stopped.code,
            0,
            "sessions are ended, and what is in memory is written: {}",
            pod.log_tail()
        );
        pod.restart();
        ready(pod).await;
        assert_eq!(pod.exec(&psql(&url, "SELECT count(*) FROM mine")).unwrap(), "0");
    }
}
