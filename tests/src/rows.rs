//! Rows of tables, as a test hands them to a feed and to PostgreSQL alike.

/// A table and its columns.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Those of the key first.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it is part of the key.
    pub key: bool,
}

/// The types that rows have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// bigint.
    Integer,
    /// text.
    Text,
    /// timestamptz.
    Time,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// A bigint.
    Integer(i64),
    /// A text.
    Text(String),
    /// Whole seconds since 1970, UTC.
    Time(i64),
}

/// A row as it is from now on, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// Of which table.
    pub table: String,
    /// The key as one text.
    pub key: String,
    /// Of all columns in order; of one that is gone, of the key alone.
    pub values: Vec<Datum>,
    /// Whether it is gone.
    pub deleted: bool,
}

impl RowChange {
    /// A row with its values; the first `width` are its key.
    pub fn upsert(table: &str, width: usize, values: Vec<Datum>) -> Self {
        let key = key(&values[..width]);
        Self { table: table.to_owned(), key, values, deleted: false }
    }

    /// The same row, gone.
    pub fn removed(&self, width: usize) -> Self {
        Self { values: self.values[..width].to_vec(), deleted: true, ..self.clone() }
    }
}

/// Integers are padded, so that keys sort as numbers do.
fn key(values: &[Datum]) -> String {
    let part = |value: &Datum| match value {
        Datum::Integer(value) | Datum::Time(value) => format!("{value:012}"),
        Datum::Text(value) => value.clone(),
    };
    values.iter().map(part).collect::<Vec<_>>().join("/")
}

impl From<i64> for Datum {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Datum {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&str> for Datum {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Datum {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
