//! Rows, on their way from a message into the store.

use std::hash::{Hash, Hasher};

/// What one column of one row holds, as the store keeps it.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// A boolean (0 or 1), an integer, or microseconds since 1970.
    Integer(i64),
    /// A double; never NaN, which the store cannot hold.
    Real(f64),
    /// Text or JSON.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Equal bits, so that a value can be part of a key: -0.0 is not 0.0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Blob(a), Value::Blob(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Null => state.write_u8(0),
            Value::Integer(value) => value.hash(state),
            Value::Real(value) => value.to_bits().hash(state),
            Value::Text(value) => value.hash(state),
            Value::Blob(value) => value.hash(state),
        }
    }
}

/// The values of a table's columns, in their order.
pub type Row = Vec<Value>;

/// An entity as one change leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Place in [`Schema::entities`](super::Schema::entities).
    pub entity: usize,
    /// Key of its row in the entity's own table.
    pub key: Vec<Value>,
    /// Position of the change.
    pub sequence: u64,
    /// Trace context of its command.
    pub trace: String,
    /// What happened, in the word of the service; empty for a row of a snapshot.
    pub event: String,
    /// When it was committed, in microseconds; none if that was not told.
    pub commit_time: Option<i64>,
    /// Rows per table, in the order of [`Entity::tables`](super::Entity::tables); `None` once deleted.
    pub rows: Option<Vec<Vec<Row>>>,
}
