//! Aggregates.

use super::{
    super::query::{Aggregate, Expr, Node},
    Grammar,
};
use crate::sql::types::Ty;

const NUMBERS: &[Ty] = &[Ty::Bigint, Ty::Bigint, Ty::Numeric, Ty::Double];
const SORTED: &[Ty] =
    &[Ty::Bigint, Ty::Text, Ty::Numeric, Ty::Double, Ty::Timestamptz, Ty::Interval, Ty::Bigint, Ty::Text];
const COMPARED: &[Ty] =
    &[Ty::Bigint, Ty::Text, Ty::Bool, Ty::Numeric, Ty::Timestamptz, Ty::Bytea, Ty::Double];

/// How terms are sorted.
pub(super) const DIRECTIONS: &[&str] = &["", " DESC", " NULLS FIRST", " DESC NULLS LAST"];

impl Grammar<'_> {
    /// An aggregate over rows with these columns.
    pub(super) fn aggregate(&mut self, columns: &[Expr]) -> Expr {
        let names = [
            "count(*)",
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "bool_and",
            "bool_or",
            "every",
            "string_agg",
            "jsonb_agg",
        ];
        let mut name = *self.draw.pick(&names);
        let mut distinct = self.draw.once_in(if matches!(name, "count" | "sum" | "avg") { 2 } else { 6 });
        let types: &[Ty] = match name {
            "sum" | "avg" => NUMBERS,
            "min" | "max" => SORTED,
            "bool_and" | "bool_or" | "every" => &[Ty::Bool],
            "string_agg" => &[Ty::Text],
            // Numerics that are equal may be of other text.
            "jsonb_agg" => &[Ty::Bigint, Ty::Text, Ty::Bool, Ty::Timestamptz, Ty::Double],
            _ => COMPARED,
        };
        let ty = *self.draw.pick(types);
        let depth = self.draw.below(3);
        let argument = self.varying(ty, depth, columns);
        // A constant would be of no type.
        if name == "jsonb_agg" && argument.is_literal() {
            name = "count(*)";
        }
        let mut order = Vec::new();
        if name.ends_with("_agg") {
            distinct = false;
            if self.draw.once_in(2) {
                let ty = *self.draw.pick(COMPARED);
                order.push((self.leaf(ty, columns), *self.draw.pick(DIRECTIONS)));
            }
            // Behind all others, so that ties are of equal values.
            order.push((argument.clone(), *self.draw.pick(DIRECTIONS)));
        }
        let filter = self.draw.once_in(4).then(|| self.varying(Ty::Bool, 2, columns));
        let (ty, rest) = (result(name, argument.ty), if name == "string_agg" { ", ','" } else { "" });
        let aggregate = if name == "count(*)" {
            Aggregate { name: "count", distinct: false, argument: None, rest, order, filter }
        } else {
            Aggregate { name, distinct, argument: Some(argument), rest, order, filter }
        };
        Expr { ty, node: Node::Aggregate(Box::new(aggregate)) }
    }
}

fn result(name: &str, argument: Ty) -> Ty {
    match (name, argument) {
        ("count(*)" | "count", _) => Ty::Bigint,
        ("sum", Ty::Integer) => Ty::Bigint,
        ("sum", Ty::Bigint) => Ty::Numeric,
        ("avg", Ty::Integer | Ty::Bigint) => Ty::Numeric,
        ("jsonb_agg", _) => Ty::Jsonb,
        _ => argument,
    }
}
