//! The same library in PostgreSQL: the text that is written for it answers as the statement itself does.

use rand::{SeedableRng as _, rngs::StdRng};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _, ValueRef as _,
    postgres::{PgConnectOptions, PgRow, PgSslMode},
};
use test_prerequisites::postgres;

use super::{Library, drawn::Draw};
use crate::{
    schema::fixture::rounds,
    sql::{Compiled, Dialect, text::POSTGRES_SESSION},
};

const SCHEMA: &str = r#"
CREATE TEMP TABLE books (book_id text COLLATE "C" PRIMARY KEY, title text COLLATE "C" NOT NULL, genre text COLLATE "C",
                         pages bigint NOT NULL, weight double precision, tags jsonb NOT NULL);
CREATE TEMP TABLE readers (reader_id text COLLATE "C" PRIMARY KEY, name text COLLATE "C", city text COLLATE "C" NOT NULL,
                           active boolean NOT NULL);
CREATE TEMP TABLE loans (loan_id bigint PRIMARY KEY, book_id text COLLATE "C" NOT NULL, reader_id text COLLATE "C" NOT NULL,
                         taken timestamptz NOT NULL, returned timestamptz, fee bigint NOT NULL);
INSERT INTO books VALUES
    ('b1', 'Emma', 'novel', 474, 0.5, '{"shelf":"A","copies":3,"ok":true}'),
    ('b2', 'Faust', 'drama', 240, 0.25, '{"shelf":"B","list":[1,2]}'),
    ('b3', 'emma returns', NULL, 100, NULL, '[]'),
    ('b4', 'Iliad', 'epic', 700, 1.5, '{}');
INSERT INTO readers VALUES ('r1', 'Ann', 'Oslo', true), ('r2', NULL, 'Rome', false), ('r3', 'Cy', 'Oslo', true);
INSERT INTO loans VALUES
    (1, 'b1', 'r1', '2024-01-01', '2024-01-03', 10),
    (2, 'b1', 'r2', '2024-02-01', NULL, 25),
    (3, 'b2', 'r1', '2024-02-02', '2024-03-01', 0),
    (4, 'b3', 'r9', '2025-01-01', NULL, 7);
"#;

/// Where the answer of PostgreSQL is another than SQLite's, and known to be (see [`super::super`]); or where one of several
/// values that are equal and look different stands for all.
const OTHERWISE: &[(&str, &str)] = &[
    ("SELECT '2023-02-29'::text::timestamptz", "error: date/time field value out of range: \"2023-02-29\""),
    ("SELECT timestamptz '9999-12-31' + interval '1 day'", "10000-01-01 00:00:00+00"),
    ("SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) AS t(x)", "9223372036854775808"),
    (
        "SELECT count(DISTINCT v), max(v), min(v), sum(v) FROM (VALUES (1.0), (1.00), (10.5), (9)) AS t(v)",
        "3|10.5|1.00|21.50",
    ),
];

/// What PostgreSQL answers, of which `expected` is SQLite's answer.
pub(super) fn expected<'a>(sql: &str, expected: &'a str) -> &'a str {
    OTHERWISE.iter().find(|(known, _)| *known == sql).map_or(expected, |(_, answer)| answer)
}

/// The library in a session of PostgreSQL.
pub(super) struct Server {
    connection: PgConnection,
}

/// Rows, one per line; or the code and the message of an error.
type Answer = Result<String, (String, String)>;

impl Server {
    /// None where there is no PostgreSQL.
    pub(super) async fn open(test: &str) -> Option<Self> {
        Some(Self::with(postgres::connect(test).await?, SCHEMA).await)
    }

    /// With columns as other people's tables have them.
    async fn plain(test: &str) -> Option<Self> {
        let schema = SCHEMA.replace(" COLLATE \"C\"", "");
        Some(Self::with(postgres::connect(test).await?, &schema).await)
    }

    /// In a database in which text is ordered as people do, if this PostgreSQL has such an order.
    async fn sorted_for_people(test: &str) -> Option<Self> {
        let mut connection = postgres::connect(test).await?;
        let known = "SELECT count(*) > 0 FROM pg_collation WHERE collname = 'und-x-icu'";
        if sqlx::query_scalar(known).fetch_one(&mut connection).await.unwrap() {
            let create = "CREATE DATABASE people TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'";
            sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
            let socket = "SHOW unix_socket_directories";
            let socket: String = sqlx::query_scalar(socket).fetch_one(&mut connection).await.unwrap();
            let options = PgConnectOptions::new_without_pgpass().socket(socket).ssl_mode(PgSslMode::Disable);
            connection = options.username("tributary").database("people").connect().await.unwrap();
        }
        Some(Self::with(connection, SCHEMA).await)
    }

    async fn with(mut connection: PgConnection, schema: &str) -> Self {
        for (name, value) in POSTGRES_SESSION {
            let set = format!("SET {name} = '{value}'");
            sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(AssertSqlSafe(schema.to_owned())).execute(&mut connection).await.unwrap();
        Self { connection }
    }

    /// As [`Library::ask`].
    pub(super) async fn ask(&mut self, compiled: &Compiled) -> String {
        match self.run(&Dialect::Postgres.query(&compiled.query)).await {
            Ok(rows) => rows,
            Err((_, message)) => format!("error: {message}"),
        }
    }

    async fn run(&mut self, text: &str) -> Answer {
        match sqlx::raw_sql(AssertSqlSafe(text.to_owned())).fetch_all(&mut self.connection).await {
            Ok(rows) => Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n")),
            Err(sqlx::Error::Database(error)) => {
                Err((error.code().unwrap_or_default().into_owned(), error.message().to_owned()))
            }
            Err(error) => panic!("{error}\n{text}"),
        }
    }
}

/// A row as psql shows it.
fn line(row: &PgRow) -> String {
    let value = |at| {
        let value = row.try_get_raw(at).unwrap();
        if value.is_null() { "NULL".to_owned() } else { value.as_str().unwrap().to_owned() }
    };
    (0..row.len()).map(value).collect::<Vec<_>>().join("|")
}

/// Errors of a statement that has no other meaning here: an integer is a bigint, which is wider, and goes where PostgreSQL
/// takes integers alone.
const ONLY_THERE: [(&str, &str); 2] = [("22003", "integer out of range"), ("42883", "does not exist")];

/// Asks drawn statements as they are written, and `server` the text that is made of them.
async fn compare(test: &str, mut server: Server, default: u64, change: impl Fn(String) -> String) {
    let Some(mut reference) = Server::plain(test).await else { return };
    let library = Library::open().await;
    let (mut compared, mut asked) = (0, 0);
    for seed in rounds(default) {
        let sql = change(Draw(StdRng::seed_from_u64(seed)).statement());
        let compiled = library.compile(&sql).unwrap_or_else(|error| panic!("SEED={seed}\n{sql}\n{error}"));
        let text = Dialect::Postgres.query(&compiled.query);
        let (theirs, ours) = (reference.run(&sql).await, server.run(&text).await);
        asked += 1;
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                assert_eq!(ours, theirs, "SEED={seed}\n{sql}\n{text}");
                compared += 1;
            }
            (Err((code, message)), _)
                if ONLY_THERE.iter().any(|(only, what)| code == only && message.contains(what)) => {}
            // Which of two values is to blame is by the order in which they are computed.
            (Err((theirs, _)), Err((ours, _))) if theirs[..2] == ours[..2] => {}
            _ => panic!("SEED={seed}\n{sql}\n{text}\nPostgreSQL: {theirs:?}\nours: {ours:?}"),
        }
    }
    println!("{compared} of {asked} statements compared");
    assert!(compared * 2 > asked, "{compared} of {asked} statements compared");
}

#[tokio::test]
async fn the_text_of_postgresql_answers_as_the_statement_does() {
    let test = "the_text_of_postgresql_answers_as_the_statement_does";
    let Some(server) = Server::open(test).await else { return };
    compare(test, server, 1_500, |sql| sql).await;
}

/// However a database sorts text: the statement is asked in one with the order of bytes.
#[tokio::test]
async fn text_is_in_the_order_of_bytes_in_any_database() {
    let test = "text_is_in_the_order_of_bytes_in_any_database";
    let Some(server) = Server::sorted_for_people(test).await else { return };
    // What the capital of this letter is, the locale of a database decides.
    compare(test, server, 500, |sql| sql.replace("Äß", "Äö")).await;
}
