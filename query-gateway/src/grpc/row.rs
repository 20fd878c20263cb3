//! ExplainRow: checks the request, and says what a row follows from.

use tributary_chassis::{fault::Fault, position::Position};
use tributary_proto::query::v1 as proto;

use crate::{
    lineage::{Change, Part},
    query::{
        cell::{Cell, timestamp},
        explain::{Origins, Rows},
    },
};

/// Changes of an answer, if the caller says nothing.
const LIMIT: u32 = 100;
/// The most of one answer.
const MAX_LIMIT: u32 = 1_000;
/// Values of a key.
const MAX_KEY: usize = 64;

/// What is asked for.
pub(super) fn rows(request: proto::ExplainRowRequest) -> Result<Rows, Fault> {
    let proto::ExplainRowRequest { name, key, limit } = request;
    let mut violations = Vec::new();
    if name.is_empty() {
        violations.push(("name".to_owned(), "is empty: name a table or view".to_owned()));
    }
    if key.len() > MAX_KEY {
        violations.push(("key".to_owned(), format!("has {} values: at most {MAX_KEY}", key.len())));
    }
    if limit > MAX_LIMIT {
        violations
            .push(("limit".to_owned(), format!("is {limit}: at most {MAX_LIMIT}, and 0 stands for {LIMIT}")));
    }
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    let key = key.into_iter().map(|proto::KeyPart { column, value }| Part { column, value }).collect();
    Ok(Rows { name, key, limit: if limit == 0 { LIMIT } else { limit } })
}

/// What is told.
pub(super) fn response(origins: Origins) -> proto::ExplainRowResponse {
    let Origins { explained, as_of, sources } = origins;
    let position = |change: &Change| {
        let of_source = sources.iter().zip(&as_of.sources).find(|(name, _)| **name == change.source);
        let position = of_source.map(|(_, source)| source.position.clone());
        position
            .map(|position| Position { sequence: change.sequence, ..position }.to_string())
            .unwrap_or_default()
    };
    let changes = explained.changes.iter().map(|change| proto::RowChange {
        position: position(change),
        entity: change.entity.clone(),
        key: change.key.iter().map(text).collect::<Vec<_>>().join("/"),
        event: change.event.clone(),
        commit_time: change.commit_time.map(timestamp),
        traceparent: change.trace.clone(),
        trace_id: trace_id(&change.trace).to_owned(),
        rows: change.rows.iter().map(rows_of).collect(),
    });
    proto::ExplainRowResponse {
        rows: explained.rows,
        total: explained.total,
        changes: changes.collect(),
        tables: explained.tables.iter().map(rows_of).collect(),
    }
}

fn rows_of((table, rows): &(String, u64)) -> proto::TableRows {
    proto::TableRows { table: table.clone(), rows: *rows }
}

/// For people: what is a key is never long.
fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Bigint(value) => value.to_string(),
        Cell::Double(value) => value.to_string(),
        Cell::Numeric(text) | Cell::Text(text) | Cell::Jsonb(text) => text.clone(),
        Cell::Bytea(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Timestamptz(micros) => timestamp(*micros).to_string(),
    }
}

/// The second of the four parts of a `traceparent`; empty if it is none.
fn trace_id(traceparent: &str) -> &str {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match parts.as_slice() {
        [_, id, _, _, ..] if is_hex(id) => id,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_at_the_limit_and_not_beyond() {
        let request = |limit: u32, values: usize| proto::ExplainRowRequest {
            name: "books".to_owned(),
            key: vec![proto::KeyPart::default(); values],
            limit,
        };
        assert_eq!(rows(request(0, 0)).unwrap().limit, LIMIT);
        assert_eq!(rows(request(MAX_LIMIT, MAX_KEY)).unwrap().limit, MAX_LIMIT);
        for (request, field) in [
            (request(MAX_LIMIT + 1, 0), "limit"),
            (request(0, MAX_KEY + 1), "key"),
            (proto::ExplainRowRequest { name: String::new(), ..request(0, 0) }, "name"),
        ] {
            let fault = rows(request).unwrap_err();
            assert!(fault.message().contains(field), "{fault}");
        }
    }

    #[test]
    fn a_trace_id_is_that_of_a_trace_context() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), id);
        for other in ["", "00", "00-short-00f067aa0ba902b7-01", "trace of 7"] {
            assert_eq!(trace_id(other), "", "{other}");
        }
    }
}
