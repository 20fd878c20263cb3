//! Readers of a store in PostgreSQL: the role as which statements of users run.

use std::time::{Duration, Instant};

use rand::{SeedableRng as _, rngs::StdRng};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use tributary_chassis::{database::Database, fault::causes};

use super::{
    attacks::{ENDLESS, IDLE, REFUSED},
    library::{Bench, Library},
    server::place,
};
use crate::{
    database::{Class, Connection},
    error::StoreError,
    store::{Store, objects},
};

/// A user of the server, with rights of its own.
struct User {
    url: String,
    name: String,
}

async fn connect(url: &str) -> Connection {
    let options: PgConnectOptions = url.parse().unwrap();
    Connection::postgres(options.disable_statement_logging().connect().await.unwrap())
}

async fn make_user(url: &str, attributes: &str) -> User {
    let name = format!("user_{}", uuid::Uuid::new_v4().simple());
    connect(url).await.script(format!("CREATE ROLE {name} LOGIN {attributes}")).await.unwrap();
    User { url: url.replace("//tributary@", &format!("//{name}@")), name }
}

fn named(url: &str) -> String {
    let database: Database = url.parse().unwrap();
    database.options().get_database().unwrap().to_owned()
}

/// The store in `url` with the library in it; its queries run by a login that is nothing but a member of their role.
async fn with_reader(url: &str) -> (Bench, User) {
    drop(Store::connect(&url.parse().unwrap()).await.unwrap());
    let user = make_user(url, &format!("IN ROLE {}_query", named(url))).await;
    let store = Store::connect_with(&url.parse().unwrap(), &user.url.parse().unwrap()).await.unwrap();
    let mut library = Library::new();
    library.live(&mut StdRng::seed_from_u64(3), 40);
    let mut bench = Bench::on(store, &["library"]).await;
    bench.take(library.snapshot(40).into_iter().map(|step| ("library", step))).await;
    (bench, user)
}

/// Lifts what a session may lift by itself.
const LIFT: &str =
    "ROLLBACK; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; SET statement_timeout = '60s';
    SET lock_timeout = 0; SET search_path = public";

/// Runs an attack on its own; what the server says of it.
async fn attack(session: &mut Connection, text: &str) -> Result<(), Class> {
    session.script(LIFT).await.unwrap();
    session.script(text).await.map_err(|error| error.class())
}

/// Those that are not refused for want of rights, each with what became of it.
async fn let_through(session: &mut Connection, texts: &[String]) -> Vec<String> {
    session.script(LIFT).await.unwrap();
    let reads_only = session.query("SELECT current_setting('transaction_read_only')::boolean");
    assert!(!reads_only.one::<bool>().await.unwrap(), "rights alone are to hold");
    let mut through = Vec::new();
    for text in texts {
        match attack(session, text).await {
            Err(Class::Denied) => {}
            other => through.push(format!("{text}: {other:?}")),
        }
    }
    through
}

async fn texts(writer: &mut Connection) -> Vec<String> {
    let pid = writer.query("SELECT pg_backend_pid()::bigint").one::<i64>().await.unwrap().to_string();
    let owner: String = writer.query("SELECT current_user::text").one().await.unwrap();
    REFUSED.iter().map(|text| text.replace("{owner}", &owner).replace("{writer}", &pid)).collect()
}

/// What an attack could have an effect on: rows, sessions, locks, roles, and what there is.
async fn state(writer: &mut Connection) -> String {
    let text = "SELECT concat_ws(' ', (SELECT md5(string_agg(b::text, ',' ORDER BY isbn)) FROM books b),
        (SELECT md5(string_agg(s::text, ',')) FROM _sources s), (SELECT string_agg(relname, ',' ORDER BY oid) FROM pg_class WHERE oid >= 16384),
        (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_largeobject_metadata),
        (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()),
        (SELECT relacl::text FROM pg_class WHERE relname = '_definitions'))";
    writer.query(text).one().await.unwrap()
}

/// Whoever has the password of the readers may send statements of any kind.
#[tokio::test]
async fn no_attack_by_the_readers_of_their_own_login_has_an_effect() {
    let test = "no_attack_by_the_readers_of_their_own_login_has_an_effect";
    let Some((_place, url)) = place(test).await else { return };
    connect(&url).await.script("CREATE EXTENSION dblink").await.unwrap();
    let (bench, user) = with_reader(&url).await;
    let mut writer = bench.gateway.store().write().await;
    writer.script("CREATE SEQUENCE _numbers").await.unwrap();
    let (texts, before) = (texts(&mut writer).await, state(&mut writer).await);
    let mut session = bench.gateway.store().query().await.unwrap();
    let let_through = let_through(&mut session, &texts).await;
    assert!(let_through.is_empty(), "{let_through:#?}");
    for text in IDLE {
        attack(&mut session, text).await.unwrap_or_else(|class| panic!("{text}: {class:?}"));
        let whose = "SELECT current_user::text = session_user::text AND session_user::text = $1 OR current_user::text = $2";
        let whose = session.query(whose).bind(&user.name).bind(format!("{}_query", named(&url)));
        assert!(whose.one::<bool>().await.unwrap(), "{text}");
        assert_eq!(attack(&mut session, "DELETE FROM _sources").await, Err(Class::Denied), "after {text}");
        assert_eq!(
            attack(&mut session, "SELECT * FROM _definitions").await,
            Err(Class::Denied),
            "after {text}"
        );
    }
    assert_eq!(state(&mut writer).await, before);
}

/// Without a login of their own readers have the gateway's, and its role by SET ROLE. That holds for whatever does not
/// leave the role, as no SELECT can.
#[tokio::test]
async fn no_attack_within_the_role_has_an_effect() {
    let Some((_place, url)) = place("no_attack_within_the_role_has_an_effect").await else { return };
    connect(&url).await.script("CREATE EXTENSION dblink").await.unwrap();
    let (bench, _) = with_reader(&url).await;
    drop(bench);
    let store = Store::connect(&url.parse().unwrap()).await.unwrap();
    let mut writer = store.write().await;
    writer.script("CREATE SEQUENCE _numbers").await.unwrap();
    let (texts, before) = (texts(&mut writer).await, state(&mut writer).await);
    let mut session = store.query().await.unwrap();
    let within: Vec<String> = texts.into_iter().filter(|text| !text.starts_with("SET ")).collect();
    let let_through = let_through(&mut session, &within).await;
    assert!(let_through.is_empty(), "{let_through:#?}");
    assert_eq!(state(&mut writer).await, before);
}

#[tokio::test]
async fn what_does_not_end_is_stopped_at_its_deadline() {
    let Some((_place, url)) = place("what_does_not_end_is_stopped_at_its_deadline").await else { return };
    let (bench, _) = with_reader(&url).await;
    for text in ENDLESS {
        let mut session = bench.gateway.store().query().await.unwrap();
        let mut snapshot = session.snapshot().await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(300);
        snapshot.bound(deadline, CancellationToken::new()).await.unwrap();
        let stopped = snapshot.composed(*text).all::<crate::database::Row>().await;
        let class = stopped.map(|rows| rows.len()).unwrap_err().class();
        assert!(matches!(class, Class::Interrupted | Class::TooMuch | Class::TooLarge), "{text}: {class:?}");
    }
}

/// What is published, and what tells how fresh it is, can be read; tables as they come, views as they are replaced.
#[tokio::test]
async fn readers_read_what_is_published_as_it_comes_and_goes() {
    let test = "readers_read_what_is_published_as_it_comes_and_goes";
    let Some((_place, url)) = place(test).await else { return };
    let (bench, _) = with_reader(&url).await;
    let store = bench.gateway.store();
    let mut session = store.query().await.unwrap();
    for table in ["books", "books_copies", "loans", "_gateway", "_sources"] {
        session.composed(format!("SELECT count(*) FROM {table}")).one::<i64>().await.unwrap();
    }
    bench.gateway.as_of(&mut session).await.unwrap();
    let mut writer = store.write().await;
    for title in ["title", "upper(title)"] {
        let create = format!("CREATE VIEW titles AS SELECT {title} AS title FROM books");
        objects::remove_view(&mut writer, "titles").await.unwrap();
        objects::make(&mut writer, "VIEW \"titles\"", &create).await.unwrap();
        session.query("SELECT count(title) FROM titles").one::<i64>().await.unwrap();
    }
}

/// Grants can be lost, or given: by who restores a database under another name, or means well.
#[tokio::test]
async fn a_start_gives_the_role_what_it_lacks_and_takes_what_it_has_too_much() {
    let test = "a_start_gives_the_role_what_it_lacks_and_takes_what_it_has_too_much";
    let Some((_place, url)) = place(test).await else { return };
    let (bench, _) = with_reader(&url).await;
    let mut writer = bench.gateway.store().write().await;
    let role = format!("{}_query", named(&url));
    let altered = format!(
        "REVOKE SELECT ON books, _gateway FROM {role}; GRANT SELECT ON _definitions TO PUBLIC; GRANT UPDATE ON loans TO {role};
         GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC; GRANT TEMPORARY ON DATABASE {} TO PUBLIC",
        named(&url)
    );
    writer.script(altered).await.unwrap();
    let store = Store::connect(&url.parse().unwrap()).await.unwrap();
    let mut session = store.query().await.unwrap();
    session.query("SELECT count(*) FROM books").one::<i64>().await.unwrap();
    for text in [
        "SELECT * FROM _definitions",
        "UPDATE loans SET isbn = ''",
        "CREATE TABLE t (n bigint)",
        "CREATE TEMP TABLE t (n bigint)",
        "SELECT pg_sleep(1)",
    ] {
        assert_eq!(attack(&mut session, text).await, Err(Class::Denied), "{text}");
    }
}

async fn refusal(store: Result<Store, StoreError>) -> String {
    causes(&store.map(drop).unwrap_err())
}

/// Runs what an error tells an administrator to.
async fn obey(url: &str, refused: &str) {
    let (_, statements) = refused.split_once("in its database: ").unwrap();
    connect(url).await.script(statements.to_owned()).await.unwrap();
}

/// An owner of its database who is nothing else needs an administrator, who is told what to run.
#[tokio::test]
async fn who_may_make_no_roles_is_told_what_an_administrator_runs() {
    let test = "who_may_make_no_roles_is_told_what_an_administrator_runs";
    let Some(url) = test_prerequisites::postgres::database(test).await else { return };
    let keeper = make_user(&url, "").await;
    let database: Database = keeper.url.parse().unwrap();
    let owned = format!(
        "ALTER DATABASE {} OWNER TO {}; ALTER SCHEMA public OWNER TO pg_database_owner",
        named(&url),
        keeper.name
    );
    connect(&url).await.script(owned).await.unwrap();
    let refused = refusal(Store::connect(&database).await).await;
    assert!(refused.contains("CREATE ROLE") && refused.contains("GRANT"), "{refused}");
    obey(&url, &refused).await;
    let store = Store::connect(&database).await.unwrap();
    let mut session = store.query().await.unwrap();
    assert_eq!(attack(&mut session, "DELETE FROM _sources").await, Err(Class::Denied));
    assert_eq!(attack(&mut session, "CREATE TEMP TABLE t (n bigint)").await, Err(Class::Denied));
}

#[tokio::test]
async fn a_login_that_is_no_member_or_may_more_is_refused() {
    let test = "a_login_that_is_no_member_or_may_more_is_refused";
    let Some((_place, url)) = place(test).await else { return };
    let own: Database = url.parse().unwrap();
    drop(Store::connect(&own).await.unwrap());
    let user = make_user(&url, "").await;
    let refused = refusal(Store::connect_with(&own, &user.url.parse().unwrap()).await).await;
    assert!(refused.contains(&format!("GRANT \"{}_query\" TO \"{}\"", named(&url), user.name)), "{refused}");
    obey(&url, &refused).await;
    drop(Store::connect_with(&own, &user.url.parse().unwrap()).await.unwrap());

    connect(&url).await.script(format!("GRANT pg_read_all_data TO {}_query", named(&url))).await.unwrap();
    let refused = refusal(Store::connect(&own).await).await;
    assert!(refused.contains("may do more"), "{refused}");
    connect(&url).await.script(format!("REVOKE pg_read_all_data FROM {}_query", named(&url))).await.unwrap();

    let other = test_prerequisites::postgres::database(test).await.unwrap();
    drop(Store::connect(&other.parse().unwrap()).await.unwrap());
    let refused = refusal(Store::connect_with(&own, &other.parse().unwrap()).await).await;
    assert!(refused.contains("another database") || refused.contains("permission denied"), "{refused}");
}
