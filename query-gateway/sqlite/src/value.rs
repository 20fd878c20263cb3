//! What goes into a function and comes out of it.

use std::fmt;

/// An argument, borrowed from SQLite for the time of the call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// SQL NULL.
    Null,
    /// boolean (0 or 1), bigint, timestamptz (microseconds), numeric known to be a whole number of 64 bits.
    Integer(i64),
    /// double precision.
    Real(f64),
    /// text, jsonb, interval, numeric.
    Text(&'a str),
    /// bytea.
    Blob(&'a [u8]),
}

/// A result, owned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// SQL NULL.
    Null,
    /// See [`Value::Integer`].
    Integer(i64),
    /// See [`Value::Real`].
    Real(f64),
    /// See [`Value::Text`].
    Text(String),
    /// See [`Value::Blob`].
    Blob(Vec<u8>),
}

/// Why a statement failed, in PostgreSQL's words: it reaches the caller as SQLite's error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// `x / 0`.
    pub(crate) fn division_by_zero() -> Self {
        Self("division by zero".to_owned())
    }

    /// A result that its type cannot hold.
    pub(crate) fn out_of_range(what: &str) -> Self {
        Self(format!("{what} out of range"))
    }

    /// Text that is not of the type it is cast to.
    pub(crate) fn invalid(ty: &str, text: &str) -> Self {
        Self(format!("invalid input syntax for type {ty}: \"{text}\""))
    }

    /// The renderer pairs functions with static types, so this is a defect of it, never of a query.
    fn unexpected(wanted: &str, got: &Value<'_>) -> Self {
        Self(format!("internal error: a function wanted {wanted} and got {got:?}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl<'a> Value<'a> {
    pub(crate) fn integer(self) -> Result<i64, Failure> {
        match self {
            Value::Integer(value) => Ok(value),
            other => Err(Failure::unexpected("an integer", &other)),
        }
    }

    /// SQLite may hand a whole REAL over as INTEGER.
    #[expect(clippy::cast_precision_loss, reason = "bigint to double rounds in PostgreSQL too")]
    pub(crate) fn real(self) -> Result<f64, Failure> {
        match self {
            Value::Real(value) => Ok(value),
            Value::Integer(value) => Ok(value as f64),
            other => Err(Failure::unexpected("a double", &other)),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, Failure> {
        match self {
            Value::Text(value) => Ok(value),
            other => Err(Failure::unexpected("text", &other)),
        }
    }

    /// The same value, owned.
    pub(crate) fn to_output(self) -> Output {
        match self {
            Value::Null => Output::Null,
            Value::Integer(value) => Output::Integer(value),
            Value::Real(value) => Output::Real(value),
            Value::Text(value) => Output::Text(value.to_owned()),
            Value::Blob(value) => Output::Blob(value.to_owned()),
        }
    }
}

impl From<bool> for Output {
    fn from(value: bool) -> Self {
        Output::Integer(i64::from(value))
    }
}
