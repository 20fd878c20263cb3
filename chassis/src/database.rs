//! A PostgreSQL database as an operator names it, and what a connection to it may meet.

use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};

use crate::fault::causes;

/// How long a server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// From one attempt to reach a database at start to the next.
const AGAIN: Duration = Duration::from_millis(500);

/// Where a database is, and as whom it is opened. Its password is never shown.
#[derive(Clone)]
pub struct Database {
    options: Arc<PgConnectOptions>,
}

/// Why a text names no database.
#[derive(Debug, thiserror::Error)]
pub enum BadDatabase {
    /// It is something else.
    #[error("give postgres://USER@HOST:PORT/DATABASE")]
    Scheme,
    /// It cannot be understood.
    #[error("{0}: give postgres://USER@HOST:PORT/DATABASE")]
    Malformed(#[source] sqlx::Error),
    /// The user's name would decide which one it is.
    #[error("it names no database: give postgres://USER@HOST:PORT/DATABASE")]
    Nameless,
}

impl Database {
    /// A new connection, on which these statements have run.
    pub async fn connect(&self, settings: &'static str) -> Result<PgConnection, sqlx::Error> {
        let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        let connecting = async {
            let mut connection = self.options.connect().await?;
            sqlx::raw_sql(settings).execute(&mut connection).await?;
            Ok(connection)
        };
        timeout(PATIENCE, connecting).await.map_err(late)?
    }

    /// What `attempt` gives, which needs the database and is made again for as long as it fails in a way that `passes`: at
    /// start, since a database may come later than who wants it.
    pub async fn reached<T, E: Error>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
        passes: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let mut told = String::new();
        loop {
            let error = match attempt().await {
                Err(error) if passes(&error) => causes(&error),
                reached => return reached,
            };
            if error != told {
                tracing::warn!(database = %self, error, "the database cannot be reached; tried again by itself");
                told = error;
            }
            sleep(AGAIN).await;
        }
    }

    /// How a pool connects to it.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl FromStr for Database {
    type Err = BadDatabase;

    fn from_str(text: &str) -> Result<Self, BadDatabase> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(BadDatabase::Scheme);
        }
        let options: PgConnectOptions = text.parse().map_err(BadDatabase::Malformed)?;
        match options.get_database() {
            Some(_) => Ok(Self { options: Arc::new(options.disable_statement_logging()) }),
            None => Err(BadDatabase::Nameless),
        }
    }
}

/// As it was given, without what opens it.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, database) = (self.options.get_username(), self.options.get_database().unwrap_or_default());
        match self.options.get_socket() {
            Some(socket) => write!(f, "postgres://{user}@localhost/{database}?host={}", socket.display()),
            None => {
                let (host, port) = (self.options.get_host(), self.options.get_port());
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

/// Whether the server cannot be reached, or not at the moment: a transaction that met this is rolled back, but for one
/// that was committing.
pub fn is_unreachable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    }
}

/// Which of the server's own answers pass: connection exceptions, too many connections, a lock or a statement that took too
/// long, a session that it ended, a server that starts or stops, or has turned read-only since another one took over.
fn is_passing(code: &str) -> bool {
    const PASSING: [&str; 10] =
        ["53300", "55P03", "57014", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05", "25006"];
    code.starts_with("08") || PASSING.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_and_its_password_never_shown() {
        let database: Database = "postgres://keeper:secret@db.example:5433/books".parse().unwrap();
        assert_eq!(database.to_string(), "postgres://keeper@db.example:5433/books");
        assert!(!format!("{database:?}").contains("secret"));
        let database: Database = "postgresql://keeper@localhost/books?host=/run/postgresql".parse().unwrap();
        assert_eq!(database.to_string(), "postgres://keeper@localhost/books?host=/run/postgresql");
    }

    #[test]
    fn what_names_no_database_is_refused_with_what_to_give() {
        for text in ["", "books", "mysql://a/b", "postgres://a@b", "postgres://a@b:port/c"] {
            let error = text.parse::<Database>().unwrap_err().to_string();
            assert!(error.contains("postgres://USER@HOST:PORT/DATABASE"), "{text}: {error}");
        }
    }
}
