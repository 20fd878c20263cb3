//! JSON as PostgreSQL's `row_to_json` writes it. Numbers go out digit by digit as they came in: nothing is
//! lost before it reaches whoever parses them.

use std::{collections::BTreeSet, io};

use serde::de::IgnoredAny;
use tributary_proto::query::v1::{Column, Row, Value, value::Kind};

use super::value;

pub(crate) struct Rows<W> {
    out: W,
    names: Vec<String>,
    first: bool,
}

impl<W: io::Write> Rows<W> {
    pub(super) fn begin(columns: &[Column], mut out: W) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Self { out, names: distinct(columns), first: true })
    }

    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        self.out.write_all(if self.first { b"\n{" } else { b",\n{" })?;
        self.first = false;
        for (i, (name, value)) in self.names.iter().zip(row.values).enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(self.out, "{comma}{name}:{}", literal(value)?)?;
        }
        self.out.write_all(b"}")
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.write_all(if self.first { b"]\n" } else { b"\n]\n" })?;
        self.out.flush()
    }
}

/// The names as JSON texts; a name that comes again gets its number, since an object has each key once.
fn distinct(columns: &[Column]) -> Vec<String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = column.name.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        names.push(serde_json::Value::from(name).to_string());
    }
    names
}

fn literal(value: Value) -> io::Result<String> {
    let text = match value.kind {
        None | Some(Kind::Null(_)) => return Ok("null".to_owned()),
        Some(Kind::Bool(value)) => return Ok(value.to_string()),
        Some(Kind::Int64(value)) => return Ok(value.to_string()),
        Some(Kind::Double(value)) => value::double(value),
        Some(Kind::Decimal(text) | Kind::Json(text)) => text,
        Some(Kind::Text(text)) => return Ok(serde_json::to_string(&text)?),
        Some(Kind::Bytes(bytes)) => return Ok(serde_json::to_string(&value::hexadecimal(&bytes))?),
        Some(Kind::Timestamp(time)) => return Ok(serde_json::to_string(&time.to_string())?),
    };
    // NaN and the infinities are no JSON; neither, against all promises, may be what a server calls so.
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(_) => Ok(serde_json::to_string(&text)?),
    }
}
