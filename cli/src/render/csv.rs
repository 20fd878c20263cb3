//! CSV as PostgreSQL's COPY writes it: quotes tell an empty text from NULL, which is why the usual
//! writers, that quote by need alone, do not serve.

use std::{borrow::Cow, io};

use tributary_proto::query::v1::{Column, Row};

use super::value;

pub(crate) struct Rows<W> {
    out: W,
}

impl<W: io::Write> Rows<W> {
    pub(super) fn begin(columns: &[Column], out: W) -> io::Result<Self> {
        let mut rows = Self { out };
        rows.record(columns.iter().map(|column| Some(column.name.clone())))?;
        Ok(rows)
    }

    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        self.record(row.values.into_iter().map(value::text))
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn record(&mut self, fields: impl Iterator<Item = Option<String>>) -> io::Result<()> {
        for (i, field) in fields.enumerate() {
            if i > 0 {
                self.out.write_all(b",")?;
            }
            if let Some(text) = field {
                self.out.write_all(quoted(&text).as_bytes())?;
            }
        }
        self.out.write_all(b"\n")
    }
}

fn quoted(text: &str) -> Cow<'_, str> {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
}
