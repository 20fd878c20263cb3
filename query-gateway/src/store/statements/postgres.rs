//! What PostgreSQL has of its own: one text for any number of rows, which come as an array for each column.

use super::{Verb, list, quote};
use crate::catalog::Type;

/// Rows per statement: their arrays are in memory.
pub(super) const MOST_ROWS: usize = 10_000;

/// Keys are looked up one by one, whatever the server believes of the size of a table: it may have been empty when the
/// statement was planned.
pub(super) fn text(name: &str, verb: Verb, key: &[String], columns: &[String]) -> String {
    match verb {
        Verb::Delete => {
            let found = found(name, "ctid", key);
            format!("DELETE FROM {name} WHERE ctid = ANY (ARRAY (SELECT t.ctid FROM {found}))")
        }
        Verb::Sequences => {
            let found = found(name, &format!("{}, \"_sequence\"", list(key)), key);
            format!("SELECT t.* FROM {found}")
        }
        Verb::Insert => format!(
            "INSERT INTO {name} ({}) SELECT * FROM unnest({})",
            columns.join(", "),
            parameters(columns.len())
        ),
    }
}

fn found(name: &str, wanted: &str, key: &[String]) -> String {
    let keys: Vec<_> = (0..key.len()).map(|at| format!("k{at}")).collect();
    let same: Vec<_> =
        key.iter().zip(&keys).map(|(column, k)| format!("{} = k.{k}", quote(column))).collect();
    format!(
        "unnest({}) AS k ({}) CROSS JOIN LATERAL (SELECT {wanted} FROM {name} WHERE {} OFFSET 0) AS t",
        parameters(key.len()),
        keys.join(", "),
        same.join(" AND ")
    )
}

fn parameters(count: usize) -> String {
    let parameters: Vec<_> = (1..=count).map(|n| format!("${n}")).collect();
    parameters.join(", ")
}

/// Types as themselves; text in the order of its bytes, as on SQLite.
pub(super) fn storage(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "BOOLEAN",
        Type::Bigint => "BIGINT",
        Type::Double => "DOUBLE PRECISION",
        Type::Numeric => "NUMERIC",
        Type::Text => "TEXT COLLATE \"C\"",
        Type::Bytea => "BYTEA",
        Type::Timestamptz => "TIMESTAMPTZ",
        Type::Interval => "INTERVAL",
        Type::Jsonb => "JSONB",
    }
}
