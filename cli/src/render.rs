//! Rows of an answer as table, JSON or CSV.

mod csv;
mod json;
mod table;
mod value;

use std::io;

use tributary_proto::query::v1::{Column, Row};

pub(crate) use table::Table;

/// The form of what is no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// One object or array
    Json,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// An array with an object per row; numbers exact, timestamps RFC 3339, bytes as \x hexadecimal
    Json,
    /// RFC 4180 with a header line; NULL is nothing, an empty text is ""
    Csv,
}

/// Writes rows as they come; a table alone waits for all, since its columns are as wide as the widest.
pub(crate) enum Rows<W> {
    Table(table::Rows<W>),
    Json(json::Rows<W>),
    Csv(csv::Rows<W>),
}

impl<W: io::Write> Rows<W> {
    /// Begins an answer with these columns.
    pub(crate) fn begin(format: Format, columns: &[Column], out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Table => Rows::Table(table::Rows::begin(columns, out)),
            Format::Json => Rows::Json(json::Rows::begin(columns, out)?),
            Format::Csv => Rows::Csv(csv::Rows::begin(columns, out)?),
        })
    }

    /// One row, with a value per column.
    pub(crate) fn row(&mut self, row: Row) -> io::Result<()> {
        match self {
            Rows::Table(rows) => rows.row(row),
            Rows::Json(rows) => rows.row(row),
            Rows::Csv(rows) => rows.row(row),
        }
    }

    /// There are no more.
    pub(crate) fn end(self) -> io::Result<()> {
        match self {
            Rows::Table(rows) => rows.end(),
            Rows::Json(rows) => rows.end(),
            Rows::Csv(rows) => rows.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_proto::query::v1::{Value, value::Kind};

    fn column(name: &str, ty: &str) -> Column {
        Column { name: name.into(), r#type: ty.into() }
    }

    fn render(format: Format, columns: &[Column], rows: Vec<Vec<Kind>>) -> String {
        let mut out = Vec::new();
        let mut answer = Rows::begin(format, columns, &mut out).unwrap();
        for row in rows {
            let values = row.into_iter().map(|kind| Value { kind: Some(kind) }).collect();
            answer.row(Row { values }).unwrap();
        }
        answer.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn every_kind() -> (Vec<Column>, Vec<Vec<Kind>>) {
        let columns = [
            ("flag", "boolean"),
            ("big", "bigint"),
            ("ratio", "double precision"),
            ("label", "text"),
            ("raw", "bytea"),
            ("at", "timestamptz"),
            ("sum", "numeric"),
            ("doc", "jsonb"),
        ];
        let full = vec![
            Kind::Bool(true),
            Kind::Int64(i64::MAX),
            Kind::Double(0.1),
            Kind::Text("a, \"b\"\nc".into()),
            Kind::Bytes(vec![0, 255]),
            Kind::Timestamp(prost_types::Timestamp { seconds: 1_735_689_600, nanos: 250_000_000 }),
            Kind::Decimal("12345678901234567890.10".into()),
            Kind::Json(r#"{"a": 1.10}"#.into()),
        ];
        let nulls = vec![Kind::Null(0); columns.len()];
        (columns.iter().map(|(name, ty)| column(name, ty)).collect(), vec![full, nulls])
    }

    #[test]
    fn json_is_exact() {
        let (columns, rows) = every_kind();
        let text = render(Format::Json, &columns, rows);
        assert_eq!(
            text,
            "[\n\
             {\"flag\":true,\"big\":9223372036854775807,\"ratio\":0.1,\"label\":\"a, \\\"b\\\"\\nc\",\
             \"raw\":\"\\\\x00ff\",\"at\":\"2025-01-01T00:00:00.250Z\",\"sum\":12345678901234567890.10,\
             \"doc\":{\"a\": 1.10}},\n\
             {\"flag\":null,\"big\":null,\"ratio\":null,\"label\":null,\"raw\":null,\"at\":null,\"sum\":null,\
             \"doc\":null}\n\
             ]\n"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn json_keeps_both_of_two_columns_with_one_name() {
        let text = render(
            Format::Json,
            &[column("id", "bigint"), column("id", "bigint")],
            vec![vec![Kind::Int64(1), Kind::Int64(2)]],
        );
        assert_eq!(text, "[\n{\"id\":1,\"id_2\":2}\n]\n");
    }

    #[test]
    fn what_json_cannot_hold_is_a_text() {
        let columns = [column("d", "double precision"), column("n", "numeric"), column("j", "jsonb")];
        let row = vec![Kind::Double(f64::NEG_INFINITY), Kind::Decimal("NaN".into()), Kind::Json("{".into())];
        assert_eq!(
            render(Format::Json, &columns, vec![row]),
            "[\n{\"d\":\"-Infinity\",\"n\":\"NaN\",\"j\":\"{\"}\n]\n"
        );
    }

    #[test]
    fn no_rows_are_an_empty_array_and_a_header() {
        let columns = [column("a", "text")];
        assert_eq!(render(Format::Json, &columns, vec![]), "[]\n");
        assert_eq!(render(Format::Csv, &columns, vec![]), "a\n");
        assert_eq!(render(Format::Table, &columns, vec![]), "| a |\n|---|\n");
    }

    #[test]
    fn csv_can_be_read_back() {
        let (columns, rows) = every_kind();
        let text = render(Format::Csv, &columns, rows);
        let records: Vec<::csv::StringRecord> =
            ::csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
        assert_eq!(&records[0][3], "a, \"b\"\nc");
        assert_eq!(&records[0][6], "12345678901234567890.10");
        assert!(records[1].iter().all(str::is_empty));
    }

    #[test]
    fn csv_tells_null_from_empty() {
        let columns = [column("a", "text"), column("b", "text")];
        let row = vec![Kind::Null(0), Kind::Text(String::new())];
        assert_eq!(render(Format::Csv, &columns, vec![row]), "a,b\n,\"\"\n");
    }

    #[test]
    fn tables_are_aligned_and_harmless() {
        let columns = [column("name", "text"), column("n", "bigint")];
        let rows = vec![
            vec![Kind::Text("tea\u{1b}[2J\npot".into()), Kind::Int64(5)],
            vec![Kind::Null(0), Kind::Int64(1234)],
        ];
        assert_eq!(
            render(Format::Table, &columns, rows),
            "| name              |    n |\n\
             |-------------------|------|\n\
             | tea\\u{1b}[2J\\npot |    5 |\n\
             | NULL              | 1234 |\n"
        );
    }
}
