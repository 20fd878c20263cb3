//! What SQLite has of its own: a text for each number of rows, and tables without a number for each row.

use std::fmt::Write as _;

use super::{Verb, list, quote};
use crate::{catalog::Type, schema::Table};

/// Rows per statement: few texts per table, so that all stay prepared, and at most a handful of calls for
/// any number of rows. Beyond about a hundred nothing is gained.
pub(super) const SIZES: [usize; 5] = [128, 32, 8, 2, 1];

/// The limit of bound values in one statement.
pub(super) const MAX_VALUES: usize = 32_766;

pub(super) fn text(name: &str, verb: Verb, key: &[String], columns: &[String], count: usize) -> String {
    match verb {
        Verb::Delete => format!("DELETE FROM {name} WHERE {}", among(key, count)),
        Verb::Sequences => {
            format!("SELECT {}, \"_sequence\" FROM {name} WHERE {}", list(key), among(key, count))
        }
        Verb::Insert => {
            format!("INSERT INTO {name} ({}) VALUES {}", columns.join(", "), tuples(columns.len(), count))
        }
    }
}

/// Without a rowid, a look-up by key is one descent and not two. A key that is one integer is the rowid
/// itself; and documents would fill the inner nodes of a tree that has no rowid.
pub(super) fn options(table: &Table) -> &'static str {
    let documents = table.columns().iter().any(|column| matches!(column.ty, Type::Jsonb | Type::Bytea));
    let integer = matches!(table.key[..], [slot] if storage(table.columns()[slot].ty) == "INTEGER");
    if documents || integer { " STRICT" } else { " STRICT, WITHOUT ROWID" }
}

/// Numeric and interval arise in expressions alone.
pub(super) fn storage(ty: Type) -> &'static str {
    match ty {
        Type::Bool | Type::Bigint | Type::Timestamptz => "INTEGER",
        Type::Double => "REAL",
        Type::Bytea => "BLOB",
        Type::Text | Type::Jsonb | Type::Numeric | Type::Interval => "TEXT",
    }
}

/// Whether the key is one of `count` bound ones. Written so that SQLite searches for each: given pairs in a list
/// of values, it would scan the table.
fn among(key: &[String], count: usize) -> String {
    match key {
        [one] => format!("{} IN ({})", quote(one), vec!["?"; count].join(", ")),
        many => {
            let parts: Vec<_> = many.iter().map(|name| format!("{} = ?", quote(name))).collect();
            vec![format!("({})", parts.join(" AND ")); count].join(" OR ")
        }
    }
}

fn tuples(width: usize, count: usize) -> String {
    let tuple = format!("({})", vec!["?"; width].join(", "));
    let mut text = String::with_capacity(count * (tuple.len() + 2));
    for n in 0..count {
        // A write into a string cannot fail.
        let _ = write!(text, "{}{tuple}", if n == 0 { "" } else { ", " });
    }
    text
}
