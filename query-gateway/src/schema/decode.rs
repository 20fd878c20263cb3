//! From a change to rows. Reads the wire form directly: no message is built, but for columns of JSON.

use std::borrow::Cow;

use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tributary_proto::feed::v1::{Change, Operation};

use super::{
    Entity, Image, Row, Schema, Value, json,
    shape::{Field, Shape, Target},
};
use crate::query::cell::micros;

/// A change that cannot become rows. Nothing behind it is applied until it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("change {sequence} of entity `{entity}`, key `{key}`, cannot be decoded: {}{why}", in_field(field))]
pub struct Undecodable {
    /// As the change names it.
    pub entity: String,
    /// As the change names it.
    pub key: String,
    /// Position of the change.
    pub sequence: u64,
    /// Path of the field; empty if it is not about one.
    pub field: String,
    /// What is wrong.
    pub why: String,
}

fn in_field(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field `{field}`: ") }
}

/// What is wrong in a message, and where.
type Bad = (String, String);

impl Schema {
    /// The rows that `change` leaves.
    pub fn decode(&self, change: &Change) -> Result<Image, Undecodable> {
        self.image(change).map_err(|(field, why)| Undecodable {
            entity: change.entity.clone(),
            key: change.key.clone(),
            sequence: change.sequence,
            field,
            why,
        })
    }

    fn image(&self, change: &Change) -> Result<Image, Bad> {
        let bad = |why: String| (String::new(), why);
        let (place, entity) = self
            .entity(&change.entity)
            .ok_or_else(|| bad("the source never described this entity".to_owned()))?;
        let value = change.value.as_ref().ok_or_else(|| bad("it has no value".to_owned()))?;
        if value.type_url.rsplit('/').next() != Some(&entity.message) {
            return Err(bad(format!("its value is a `{}`, not a `{}`", value.type_url, entity.message)));
        }
        let rows = entity.rows(&value.value)?;
        let deleted = match change.operation() {
            Operation::Upsert => false,
            Operation::Delete => true,
            Operation::Unspecified => return Err(bad(format!("its operation is {}", change.operation))),
        };
        let key = entity.tables[0].key.iter().map(|&slot| rows[0][0][slot].clone()).collect();
        Ok(Image {
            entity: place,
            key,
            sequence: change.sequence,
            trace: change.traceparent.clone(),
            event: change.event.clone(),
            commit_time: change.commit_time.as_ref().and_then(micros),
            rows: (!deleted).then_some(rows),
        })
    }
}

impl Entity {
    /// The rows of a message, per table.
    fn rows(&self, wire: &[u8]) -> Result<Vec<Vec<Row>>, Bad> {
        let mut reader = Reader { entity: self, rows: self.tables.iter().map(|_| Vec::new()).collect() };
        let row = vec![Value::Null; self.tables[0].columns().len()];
        reader.row(0, &self.shape, row, wire)?;
        reader.check_keys()?;
        Ok(reader.rows)
    }
}

struct Reader<'a> {
    entity: &'a Entity,
    rows: Vec<Vec<Row>>,
}

impl Reader<'_> {
    /// Fills `row` from a message and adds it to its table.
    fn row(&mut self, table: usize, shape: &Shape, mut row: Row, wire: &[u8]) -> Result<(), Bad> {
        self.message(table, shape, &mut row, wire)?;
        self.rows[table].push(row);
        Ok(())
    }

    /// Fills the columns of `row` that `shape` covers. What can come in parts, which are to be merged, is
    /// gathered first; so are the rows of children, whose keys begin with that of this row.
    fn message(&mut self, table: usize, shape: &Shape, row: &mut Row, wire: &[u8]) -> Result<(), Bad> {
        for (slot, default) in &shape.defaults {
            row[*slot] = default.clone();
        }
        let mut parts: Vec<Vec<&[u8]>> = vec![Vec::new(); shape.fields.len()];
        let mut cases: Vec<Option<usize>> = vec![None; shape.oneofs];
        let mut rest = wire;
        while !rest.is_empty() {
            let start = rest;
            let (number, wire_type) = decode_key(&mut rest).map_err(malformed)?;
            let Some((place, field)) = shape.field(number) else {
                skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(malformed)?;
                continue;
            };
            if let Some(oneof) = field.oneof
                && let Some(before) = cases[oneof].replace(place).filter(|before| *before != place)
            {
                // The last member on the wire counts.
                parts[before].clear();
                if let Target::Scalar { slot, .. } = shape.fields[before].target {
                    row[slot] = Value::Null;
                }
            }
            let at = |why| (field.path.clone(), why);
            match &field.target {
                Target::Scalar { slot, scalar } => {
                    row[*slot] = scalar.read(wire_type, &mut rest).map_err(at)?
                }
                Target::Json { .. } => {
                    skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(malformed)?;
                    parts[place].push(&start[..start.len() - rest.len()]);
                }
                _ => parts[place].push(payload(wire_type, &mut rest).map_err(at)?),
            }
        }
        shape
            .fields
            .iter()
            .zip(parts)
            .filter(|(_, parts)| !parts.is_empty())
            .try_for_each(|(field, parts)| self.gathered(table, shape, row, field, &parts))
    }

    fn gathered(
        &mut self,
        table: usize,
        shape: &Shape,
        row: &mut Row,
        field: &Field,
        parts: &[&[u8]],
    ) -> Result<(), Bad> {
        let at = |why| (field.path.clone(), why);
        match &field.target {
            Target::Scalar { .. } => {}
            Target::Time { slot } => row[*slot] = time(&merged(parts)).map_err(at)?,
            Target::Json { slot, name } => {
                if let Some(value) = json::field(&shape.message, name, &merged(parts)).map_err(at)? {
                    row[*slot] = value;
                }
            }
            Target::Flat(inner) => self.message(table, inner, row, &merged(parts))?,
            Target::Rows { table: child, ordinal, shape } => {
                let key = &self.entity.tables[table].key;
                let columns = self.entity.tables[*child].columns().len();
                for (n, part) in (1..).zip(parts) {
                    let mut row: Row = key.iter().map(|&slot| row[slot].clone()).collect();
                    row.resize(columns, Value::Null);
                    if let Some(slot) = ordinal {
                        row[*slot] = Value::Integer(n);
                    }
                    self.row(*child, shape, row, part)?;
                }
            }
        }
        Ok(())
    }

    /// A child's key is of the service's making: it may be there twice.
    fn check_keys(&self) -> Result<(), Bad> {
        for (table, rows) in self.entity.tables.iter().zip(&self.rows).skip(1) {
            let mut seen = std::collections::HashSet::new();
            for row in rows {
                let key: Vec<_> = table.key.iter().map(|&slot| &row[slot]).collect();
                if !seen.insert(key) {
                    return Err((
                        table.name().to_owned(),
                        "two of its elements have the same key".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn malformed(error: prost::DecodeError) -> Bad {
    (String::new(), error.to_string())
}

/// The bytes of an embedded message.
fn payload<'a>(wire: WireType, rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    if wire != WireType::LengthDelimited {
        return Err(format!("a message is expected, not {wire:?}"));
    }
    let length = decode_varint(rest).map_err(|error| error.to_string())?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (payload, after) = rest.split_at_checked(length).ok_or("it is cut off")?;
    *rest = after;
    Ok(payload)
}

/// Parts of a message in a row are the message merged.
fn merged<'a>(parts: &[&'a [u8]]) -> Cow<'a, [u8]> {
    match parts {
        [one] => Cow::Borrowed(one),
        many => Cow::Owned(many.concat()),
    }
}

/// Microseconds since 1970; what is below a microsecond is cut off towards the past.
fn time(wire: &[u8]) -> Result<Value, String> {
    let time = prost_types::Timestamp::decode(wire).map_err(|error| error.to_string())?;
    let nanos = i64::from(time.nanos);
    if !(0..1_000_000_000).contains(&nanos) || !(-62_135_596_800..=253_402_300_799).contains(&time.seconds) {
        return Err(format!(
            "{} s and {nanos} ns since 1970 is no time of the years 1 to 9999",
            time.seconds
        ));
    }
    Ok(Value::Integer(time.seconds * 1_000_000 + nanos / 1_000))
}
