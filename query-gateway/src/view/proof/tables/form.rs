//! Types of fields, and their values.

use serde_json::{Value as Json, json};

use super::super::draw::Draw;
use crate::{catalog::Type, sql::types::Ty};

/// How a field is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    Bool,
    Int64,
    Int32,
    Double,
    String,
    Bytes,
    Enum,
    Timestamp,
    Strings,
}

/// As often as they are drawn.
pub(super) const FORMS: &[Form] = &[
    Form::Bool,
    Form::Int64,
    Form::Int64,
    Form::Int32,
    Form::Double,
    Form::String,
    Form::String,
    Form::Bytes,
    Form::Enum,
    Form::Timestamp,
    Form::Timestamp,
    Form::Strings,
];

impl Form {
    pub(super) fn proto(self) -> &'static str {
        match self {
            Form::Bool => "bool",
            Form::Int64 => "int64",
            Form::Int32 => "int32",
            Form::Double => "double",
            Form::String => "string",
            Form::Bytes => "bytes",
            Form::Enum => "Shade",
            Form::Timestamp => "google.protobuf.Timestamp",
            Form::Strings => "repeated string",
        }
    }

    pub(super) fn ty(self) -> Ty {
        Ty::from(match self {
            Form::Bool => Type::Bool,
            Form::Int64 | Form::Int32 => Type::Bigint,
            Form::Double => Type::Double,
            Form::String | Form::Enum => Type::Text,
            Form::Bytes => Type::Bytea,
            Form::Timestamp => Type::Timestamptz,
            Form::Strings => Type::Jsonb,
        })
    }

    /// A value: few, so that they meet again. Doubles are multiples of a quarter: their sums are exact in any order.
    pub(super) fn value(self, draw: &mut Draw) -> Json {
        let texts = [
            "", "a", "b", "Ab", "x_y", "10", "a%", "zebra", "Ünï", " pad ", "k0", "k1", "k2", "k3", "k4",
            "k5",
        ];
        let times = [
            "1969-12-31T23:59:59.999999Z",
            "2023-12-31T23:59:59.5Z",
            "2024-02-29T12:30:00Z",
            "2024-03-01T00:00:00Z",
            "2024-03-31T08:15:30.000001Z",
            "2025-01-01T00:00:00Z",
        ];
        match self {
            Form::Bool => json!(draw.once_in(2)),
            Form::Int64 => json!(*draw.pick(&[-7, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 12, 100])),
            Form::Int32 => json!(*draw.pick(&[0, 1, 2, 3])),
            Form::Double => json!(*draw.pick(&[-2.5, -0.25, 0.0, 0.5, 1.0, 1.75, 3.25, 10.0])),
            Form::String => json!(draw.pick(&texts)),
            Form::Bytes => json!(draw.pick(&["", "AA==", "/w==", "YWI="])),
            Form::Enum => json!(draw.pick(&["SHADE_UNSPECIFIED", "SHADE_DARK", "SHADE_LIGHT"])),
            Form::Timestamp => json!(draw.pick(&times)),
            Form::Strings => {
                let count = draw.below(3);
                let strings: Vec<_> = (0..count).map(|_| *draw.pick(&texts)).collect();
                json!(strings)
            }
        }
    }
}

/// What every source declares besides.
pub(in super::super) const ENUM: &str =
    "enum Shade { SHADE_UNSPECIFIED = 0; SHADE_DARK = 1; SHADE_LIGHT = 2; }\n";
