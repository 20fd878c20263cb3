//! Rows in a form in which two engines can be compared: equal texts are equal values of equal type.

use std::fmt;

use tributary_sqlite::timestamp;

use crate::{catalog::Type, query::cell::Cell};

/// A value; `None` is NULL.
pub(super) type Value = Option<String>;

/// The rows of a view, in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Name and type of each column.
    pub(super) columns: Vec<(String, String)>,
    rows: Vec<Vec<Value>>,
}

impl Answer {
    pub(super) fn new(columns: Vec<(String, String)>, mut rows: Vec<Vec<Value>>) -> Self {
        rows.sort_unstable();
        Self { columns, rows }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A value of the gateway.
pub(super) fn ours(cell: Cell) -> Value {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string(),
        Cell::Bigint(value) => value.to_string(),
        Cell::Double(value) => double(value),
        Cell::Numeric(text) => numeric(&text),
        Cell::Text(text) => text,
        Cell::Bytea(bytes) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            format!("\\x{}", hex.collect::<String>())
        }
        Cell::Timestamptz(micros) => timestamp::format(micros).unwrap(),
        Cell::Jsonb(text) => json(&text),
    })
}

/// A value as PostgreSQL writes it, of a column of that type.
pub(super) fn theirs(ty: &str, text: &str) -> String {
    match ty {
        "boolean" => (text == "t").to_string(),
        "double precision" => double(text.parse().unwrap()),
        "numeric" => numeric(text),
        "jsonb" => json(text),
        _ => text.to_owned(),
    }
}

/// PostgreSQL's name of a type, as the gateway calls it: integer and bigint count as one.
pub(super) fn type_name(theirs: &str) -> String {
    match theirs {
        "integer" => Type::Bigint.to_string(),
        "timestamp with time zone" => Type::Timestamptz.to_string(),
        other => other.to_owned(),
    }
}

/// Zeros of both signs are equal to SQL.
fn double(value: f64) -> String {
    format!("{:?}", value + 0.0)
}

/// 1.0 and 1.00 are equal.
fn numeric(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn json(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    value.to_string()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        writeln!(f, "    ({})", columns.join(", "))?;
        for row in &self.rows {
            let values: Vec<_> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            writeln!(f, "    {}", values.join(" | "))?;
        }
        Ok(())
    }
}

/// The rows of `one` that are not in `other`.
pub(super) fn without(one: &Answer, other: &Answer) -> Answer {
    let mut left = other.rows.iter().peekable();
    let mut rows = Vec::new();
    for row in &one.rows {
        while left.next_if(|other| *other < row).is_some() {}
        if left.next_if(|other| *other == row).is_none() {
            rows.push(row.clone());
        }
    }
    Answer { columns: one.columns.clone(), rows }
}
