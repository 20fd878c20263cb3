//! Backup and restore of a store in PostgreSQL, by the `pg_dump`, `pg_restore` and `psql` in `PATH`.
//!
//! **A backup** is a dump of one schema, the user's own, as of one snapshot: what the file says of itself is read in the same
//! one. Whoever writes meanwhile goes on.
//!
//! **A restore** is one transaction: all relations and functions of that schema go, those of the dump come, and the store is
//! given its new epoch. So a crash leaves the old store or the new one. An instance that was missed finds out by the epoch, and stops.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use percent_encoding::percent_decode_str;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::{
    BackupError, Identity, Manifest, Phase, Progress, Report, Restored, Taken,
    error::failed,
    file::{FileReader, FileWriter},
    take::Beside,
};
use crate::{database::Database, outbox::BoxError};

/// A kind of store that is in the tables of one schema, by what is its own.
#[derive(Clone, Copy, Debug)]
pub struct PostgresStore {
    /// Its name in backups: a contract.
    pub kind: &'static str,
    /// The newest version of its layout that this program can use.
    pub newest_format: u32,
    /// A table that no other kind has.
    pub table: &'static str,
    /// A statement with one row: service, epoch, head and format. Tables are found without a schema's name.
    pub identity: &'static str,
    /// A statement that gives it, in `{schema}`, the epoch `{epoch}`, if its own is `{was}`, its head `{head}`, and its service
    /// `{service}`; else it has no effect.
    pub renew: &'static str,
}

/// Read at once.
const CHUNK: usize = 1 << 20;

/// Whether a store of that kind is in a database.
pub(super) fn is_kind(kind: &str) -> bool {
    kind.starts_with("postgres-")
}

/// Backs up the store in the database `from`, one of `stores`, to the new file `to`; see [`super::backup()`].
pub async fn backup_database(
    stores: &[PostgresStore],
    from: &Database,
    to: &Path,
    report: &Report<'_>,
) -> Result<Taken, BackupError> {
    let beside = Beside::new(to)?;
    beside.clear()?;
    let written = dump(stores, from, &beside, report).await;
    beside.end(written)
}

async fn dump(
    stores: &[PostgresStore],
    from: &Database,
    beside: &Beside<'_>,
    report: &Report<'_>,
) -> Result<Taken, BackupError> {
    let place = place(from);
    let mut session = connect(from).await.map_err(failed("opening", &place))?;
    let began = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    sqlx::query(began).execute(&mut session).await.map_err(failed("reading", &place))?;
    let (store, identity) =
        identity(stores, &mut session).await.map_err(failed("looking for a store in", &place))?;
    let snapshot = "SELECT pg_export_snapshot(), quote_ident(current_schema())";
    let snapshot = sqlx::query_as(snapshot).fetch_one(&mut session).await;
    let (snapshot, schema): (String, String) = snapshot.map_err(failed("reading", &place))?;
    let manifest = beside.manifest(store.kind, identity)?;
    let mut file = FileWriter::create(&beside.partial, &manifest)?;
    let mut dump = client("pg_dump", from)
        .args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"])
        .arg(format!("--snapshot={snapshot}"))
        .arg(format!("--schema={schema}"))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("running pg_dump, one of PostgreSQL's client programs, for", &place))?;
    let mut content = dump.stdout.take().ok_or("it has no output").map_err(failed("dumping", &place))?;
    while let Some(chunk) = next(&mut content).await.map_err(failed("dumping", &place))? {
        file.chunk(&chunk)?;
        report(Progress { phase: Phase::Writing, bytes: file.bytes(), total: None });
    }
    ended(dump).await.map_err(failed("dumping", &place))?;
    session.close().await.map_err(failed("reading", &place))?;
    Ok(Taken { manifest, bytes: file.finish()? })
}

/// Restores the backup `from`, of one of `stores`, into the database `to`, which has no store or, with `replace`, may have one of the same
/// service; see [`super::restore()`]. Nobody may use it meanwhile.
pub async fn restore_database(
    stores: &[PostgresStore],
    from: &Path,
    to: &Database,
    replace: bool,
    report: &Report<'_>,
) -> Result<Restored, BackupError> {
    let place = place(to);
    let (store, manifest) = check(stores, from, report)?;
    let mut session = connect(to).await.map_err(failed("opening", &place))?;
    let schema = admit(stores, &mut session, &manifest, &place, replace).await?;
    session.close().await.map_err(failed("opening", &place))?;
    let epoch = uuid::Uuid::new_v4().simple().to_string();
    let mut script = client("psql", to)
        .args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed("running psql, of PostgreSQL's client programs, for", &place))?;
    let written =
        write(&mut script, from, &schema, &renew(&store, &schema, &manifest.identity, &epoch), report).await;
    // What it says of a statement that failed tells more than that it takes no more of them.
    ended(script).await.and(written).map_err(failed("restoring into", &place))?;
    Ok(Restored { manifest, epoch })
}

/// Whether the file is whole, and of such a store in a format that is known here.
fn check(
    stores: &[PostgresStore],
    from: &Path,
    report: &Report<'_>,
) -> Result<(PostgresStore, Manifest), BackupError> {
    let mut file = FileReader::open(from)?;
    let Manifest { kind, identity, .. } = &file.manifest;
    let Some(store) = stores.iter().find(|store| store.kind == kind) else {
        let (path, kind) = (from.to_owned(), kind.clone());
        return Err(BackupError::Elsewhere { path, kind, place: "data directory" });
    };
    if identity.format > store.newest_format {
        let (path, found) = (from.to_owned(), identity.format);
        return Err(BackupError::Format { path, kind: store.kind, found, newest: store.newest_format });
    }
    while file.next()?.is_some() {
        report(Progress { phase: Phase::Checking, bytes: file.bytes(), total: Some(file.size) });
    }
    Ok((*store, file.manifest))
}

/// The schema that the store may be put into.
async fn admit(
    stores: &[PostgresStore],
    session: &mut PgConnection,
    manifest: &Manifest,
    place: &Path,
    replace: bool,
) -> Result<String, BackupError> {
    let looking = || failed::<sqlx::Error>("looking into", place);
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let others: i64 = sqlx::query_scalar(others).fetch_one(&mut *session).await.map_err(looking())?;
    if others > 0 {
        return Err(BackupError::DatabaseInUse { database: place.to_owned(), sessions: others });
    }
    let relations = "SELECT quote_ident(current_schema()), coalesce(string_agg(relname::text, ', ' ORDER BY relname), '')
                     FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm')";
    let found = sqlx::query_as(relations).fetch_one(&mut *session).await;
    let (schema, found): (String, String) = found.map_err(looking())?;
    if found.is_empty() {
        return Ok(schema);
    }
    if !replace {
        return Err(BackupError::NotEmpty { directory: place.to_owned(), found });
    }
    let Ok((kind, there)) = identity(stores, session).await else {
        // Tables, and no store: they are somebody else's.
        return Err(another(place, found, manifest));
    };
    if (kind.kind, &there.service) != (&*manifest.kind, &manifest.identity.service) {
        return Err(another(place, format!("the store of `{}`", there.service), manifest));
    }
    Ok(schema)
}

fn another(place: &Path, found: String, manifest: &Manifest) -> BackupError {
    let backup = format!("the {} of `{}`", manifest.kind, manifest.identity.service);
    BackupError::Another { directory: place.to_owned(), found, backup }
}

/// One transaction, for `psql`. It ends only if all of the dump was written, and holds what the file says.
async fn write(
    script: &mut Child,
    from: &Path,
    schema: &str,
    renew: &str,
    report: &Report<'_>,
) -> Result<(), BoxError> {
    let mut input = script.stdin.take().ok_or("it takes no input")?;
    input.write_all(clear(schema).as_bytes()).await?;
    let mut dump = Command::new("pg_restore")
        .args(["--no-owner", "--no-privileges", "--file=-"])
        // The schema itself is there.
        .arg(format!("--schema={}", plain(schema)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut content = dump.stdin.take().ok_or("it takes no input")?;
    let mut statements = dump.stdout.take().ok_or("it has no output")?;
    let mut file = FileReader::open(from)?;
    let give = async {
        while let Some(chunk) = file.next()? {
            content.write_all(&chunk).await?;
            report(Progress { phase: Phase::Building, bytes: file.bytes(), total: Some(file.size) });
        }
        drop(content);
        Ok::<_, BoxError>(())
    };
    let take = async { Ok::<_, BoxError>(tokio::io::copy(&mut statements, &mut input).await?) };
    tokio::try_join!(give, take)?;
    ended(dump).await?;
    input.write_all(renew.as_bytes()).await?;
    input.shutdown().await?;
    Ok(())
}

/// Whatever is there goes.
fn clear(schema: &str) -> String {
    format!(
        "BEGIN;
SET LOCAL synchronous_commit = on;
SET LOCAL client_min_messages = warning;
DO $clear$
DECLARE relation record;
BEGIN
    FOR relation IN
        SELECT format('%I.%I', nspname, relname) AS name,
               CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    LOOP
        EXECUTE format('DROP %s IF EXISTS %s CASCADE', relation.kind, relation.name);
    END LOOP;
    FOR relation IN
        SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', relation.name);
    END LOOP;
END
$clear$;
",
        schema = schema.replace('\'', "''")
    )
}

/// The name of a schema that is given as an identifier.
fn plain(schema: &str) -> String {
    match schema.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => schema.to_owned(),
    }
}

/// The new epoch, in the place of the one that the file tells of.
fn renew(store: &PostgresStore, schema: &str, identity: &Identity, epoch: &str) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let renew = store
        .renew
        .replace("{schema}", schema)
        .replace("{head}", &identity.head.cast_signed().to_string())
        .replace("{was}", &text(&identity.epoch))
        .replace("{epoch}", &text(epoch))
        .replace("{service}", &text(&identity.service));
    format!(
        "
DO $renew$
BEGIN
    {renew};
    IF NOT FOUND THEN RAISE 'the dump is not what the backup says that it is'; END IF;
END
$renew$;
COMMIT;
"
    )
}

async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
    database.connect("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0").await
}

async fn identity(
    stores: &[PostgresStore],
    session: &mut PgConnection,
) -> Result<(PostgresStore, Identity), BoxError> {
    for store in stores {
        let is_there = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(store.table);
        if !is_there.fetch_one(&mut *session).await? {
            continue;
        }
        let row = sqlx::query(store.identity).fetch_one(&mut *session).await?;
        let (head, format): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let (service, epoch) = (row.try_get(0)?, row.try_get(1)?);
        let identity = Identity { service, epoch, head: head.cast_unsigned(), format: format.try_into()? };
        return Ok((*store, identity));
    }
    let tables: Vec<_> = stores.iter().map(|store| store.table).collect();
    Err(format!("there is none of the tables {}", tables.join(", ")).into())
}

/// A program of PostgreSQL that is told where the database is. The password goes by the environment, where others of this
/// machine cannot see it.
fn client(program: &str, database: &Database) -> Command {
    let options = database.options();
    let host =
        options.get_socket().map_or_else(|| options.get_host().into(), |socket| socket.to_string_lossy());
    let mut command = Command::new(program);
    command
        .arg(format!("--host={host}"))
        .arg(format!("--port={}", options.get_port()))
        .arg(format!("--username={}", options.get_username()))
        .arg(format!("--dbname={}", options.get_database().unwrap_or_default()))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let url = options.to_url_lossy();
    if let Some(password) = url.password() {
        command.env("PGPASSWORD", percent_decode_str(password).decode_utf8_lossy().as_ref());
    }
    let asked: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    command.envs(tls(&asked));
    command
}

/// What they are told of TLS, by what the service is told in the URL of its database.
fn tls(asked: &[(String, String)]) -> Vec<(&'static str, &str)> {
    const NAMES: [(&str, &str); 4] = [
        ("sslmode", "PGSSLMODE"),
        ("sslrootcert", "PGSSLROOTCERT"),
        ("sslcert", "PGSSLCERT"),
        ("sslkey", "PGSSLKEY"),
    ];
    let value = |name: &str| {
        let (_, value) = asked.iter().find(|(asked, _)| asked == name)?;
        // The driver writes in front of a file that it is one.
        Some(value.strip_prefix("file: ").unwrap_or(value))
    };
    let mut told: Vec<_> =
        NAMES.iter().filter_map(|(name, variable)| Some((*variable, value(name)?))).collect();
    // Without a file the service believes whom the system trusts; these programs would look for one in the home directory.
    if value("sslmode") == Some("verify-full") && value("sslrootcert").is_none() {
        told.push(("PGSSLROOTCERT", "system"));
    }
    told
}

/// The next part of an output; none at its end.
async fn next(output: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, std::io::Error> {
    let mut chunk = Vec::with_capacity(CHUNK);
    output.take(CHUNK as u64).read_to_end(&mut chunk).await?;
    Ok((!chunk.is_empty()).then_some(chunk))
}

/// Waits for the end of a program, which must be a good one.
async fn ended(child: Child) -> Result<(), BoxError> {
    let Output { status, stderr, .. } = child.wait_with_output().await?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr).trim().to_owned();
    Err(if said.is_empty() { status.to_string() } else { said }.into())
}

fn place(database: &Database) -> PathBuf {
    PathBuf::from(database.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_verify_the_server_as_the_service_does() {
        let told = |url: &str| {
            let database: Database = url.parse().unwrap();
            let command = client("pg_dump", &database);
            let variables = command.as_std().get_envs().map(|(name, value)| {
                format!("{}={}", name.to_string_lossy(), value.unwrap_or_default().to_string_lossy())
            });
            variables.collect::<Vec<_>>().join(" ")
        };
        let url = "postgres://keeper:secret@db.example/books";
        assert_eq!(told(url), "PGPASSWORD=secret PGSSLMODE=prefer");
        let verified = format!("{url}?sslmode=verify-full");
        assert_eq!(told(&verified), "PGPASSWORD=secret PGSSLMODE=verify-full PGSSLROOTCERT=system");
        assert_eq!(
            told(&format!("{verified}&sslrootcert=/etc/ca.pem&sslcert=/etc/own.pem&sslkey=/etc/own.key")),
            "PGPASSWORD=secret PGSSLCERT=/etc/own.pem PGSSLKEY=/etc/own.key PGSSLMODE=verify-full PGSSLROOTCERT=/etc/ca.pem"
        );
    }
}
