//! The tables, views and indexes that the store has, as it lists them itself.
//!
//! SQLite keeps the statement that made a view or an index. PostgreSQL writes down what it understood of it: there, the
//! statement is the comment on what it made.

use crate::database::{Connection, Dialect, Error};

/// Makes a view that users read or an index, `VIEW name` or `INDEX name`, by a statement that is remembered with it.
pub(crate) async fn make(tx: &mut Connection, object: &str, statement: &str) -> Result<(), Error> {
    tx.composed(statement).keep(false).execute().await?;
    if tx.dialect() == Dialect::Postgres {
        let comment = format!("COMMENT ON {object} IS '{}'", statement.replace('\'', "''"));
        tx.composed(comment).keep(false).execute().await?;
    }
    match object.strip_prefix("VIEW ") {
        Some(view) => publish(tx, view).await,
        None => Ok(()),
    }
}

/// Lets users read a table or view that was made; its name is quoted. SQLite asks who reads by the name alone.
pub(crate) async fn publish(tx: &mut Connection, name: &str) -> Result<(), Error> {
    if tx.dialect() == Dialect::Postgres {
        let role: String = tx.query("SELECT quote_ident(current_database() || '_query')").one().await?;
        tx.composed(format!("GRANT SELECT ON {name} TO {role}")).keep(false).execute().await?;
    }
    Ok(())
}

/// Removes a view; on PostgreSQL with those that read it, which has to know what they read.
pub(crate) async fn remove_view(tx: &mut Connection, name: &str) -> Result<(), Error> {
    let name = format!("\"{}\"", name.replace('"', "\"\""));
    let text = match tx.dialect() {
        Dialect::Sqlite => format!("DROP VIEW {name}"),
        Dialect::Postgres => format!("DROP VIEW IF EXISTS {name} CASCADE"),
    };
    tx.composed(text).keep(false).execute().await.map(drop)
}

/// Tables whose names begin like that.
pub(super) async fn tables(tx: &mut Connection, prefix: &str) -> Result<Vec<String>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, length($1)) = $1"
        }
        Dialect::Postgres => {
            "SELECT relname::text FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND starts_with(relname, $1)"
        }
    };
    tx.query(text).bind(prefix).all().await
}

/// The views that users can read, each with the statement that made it and behind those that it reads.
pub(crate) async fn views(tx: &mut Connection) -> Result<Vec<(String, String)>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name NOT GLOB '_*' ORDER BY rowid"
        }
        Dialect::Postgres => {
            r"SELECT relname::text, coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' AND relname NOT LIKE '\_%' ORDER BY oid"
        }
    };
    tx.query(text).all().await
}

/// The statement that made a view, if it is there.
pub(crate) async fn view(tx: &mut Connection, name: &str) -> Result<Option<String>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = $1",
        Dialect::Postgres => {
            "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' AND relname = $1"
        }
    };
    tx.query(text).bind(name).optional().await
}

/// What there is of a version, each as `VIEW name` or `TABLE name`; first what reads the others.
pub(super) async fn of_version(tx: &mut Connection, number: i64) -> Result<Vec<String>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT type || ' ' || name FROM sqlite_schema
             WHERE type IN ('view', 'table') AND substr(name, 1, length($1)) = $1 ORDER BY type DESC"
        }
        Dialect::Postgres => {
            "SELECT CASE relkind WHEN 'v' THEN 'VIEW ' ELSE 'TABLE ' END || quote_ident(relname) FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'r') AND starts_with(relname, $1)
             ORDER BY relkind = 'v' DESC, oid DESC"
        }
    };
    tx.query(text).bind(format!("_v{number}_")).all().await
}

/// Base tables whose changes are noted by what the store keeps; SQLite keeps nothing of that.
pub(super) async fn noted(tx: &mut Connection) -> Result<Vec<String>, Error> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(Vec::new()),
        Dialect::Postgres => {
            let text =
                "SELECT DISTINCT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal";
            tx.query(text).all().await
        }
    }
}

/// Indexes that come and go with views and with what users ask for: name, table, and the statement that made each.
pub(super) async fn indexes(tx: &mut Connection) -> Result<Vec<(String, String, String)>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT name, tbl_name, sql FROM sqlite_schema
             WHERE type = 'index' AND (name GLOB '_[ix]_*' OR name GLOB '_v*_x_*')"
        }
        Dialect::Postgres => {
            r"SELECT i.relname::text, t.relname::text, coalesce(obj_description(i.oid, 'pg_class'), '')
              FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
              WHERE i.relnamespace = 'public'::regnamespace AND i.relname ~ '^_([ix]|v[0-9]+_x)_'"
        }
    };
    tx.query(text).all().await
}

/// Every index on a table that is not that of its key: name, and the statement that made it.
pub(super) async fn indexes_on(tx: &mut Connection, table: &str) -> Result<Vec<(String, String)>, Error> {
    let text = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT name, sql FROM sqlite_schema
             WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL ORDER BY name"
        }
        Dialect::Postgres => {
            "SELECT i.relname::text, coalesce(obj_description(i.oid, 'pg_class'), pg_get_indexdef(i.oid))
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
             WHERE t.relnamespace = 'public'::regnamespace AND t.relname = $1 AND NOT x.indisprimary
             ORDER BY i.relname"
        }
    };
    tx.query(text).bind(table).all().await
}
