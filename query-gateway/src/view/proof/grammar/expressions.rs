//! Expressions of a type.

use std::collections::BTreeSet;

use super::{
    super::query::{Expr, Node, Result, Template, letter},
    Grammar,
    templates::{RAISING, TEMPLATES, literals},
};
use crate::sql::types::Ty;

/// Types of columns, as often as they are drawn.
const TYPES: &[Ty] = &[
    Ty::Bigint,
    Ty::Bigint,
    Ty::Text,
    Ty::Text,
    Ty::Bool,
    Ty::Numeric,
    Ty::Double,
    Ty::Double,
    Ty::Double,
    Ty::Timestamptz,
    Ty::Bytea,
    Ty::Interval,
    Ty::Jsonb,
    Ty::Jsonb,
];

impl Grammar<'_> {
    /// A type: mostly one of which there are leaves.
    pub(super) fn ty(&mut self, leaves: &[Expr]) -> Ty {
        if leaves.is_empty() || self.draw.once_in(2) {
            return *self.draw.pick(TYPES);
        }
        self.draw.pick(leaves).ty
    }

    /// An expression that is no constant, if there are columns.
    pub(super) fn varying(&mut self, ty: Ty, depth: usize, leaves: &[Expr]) -> Expr {
        let mut drawn = self.expr(ty, depth, leaves);
        for _ in 0..4 {
            if drawn.varies() {
                break;
            }
            drawn = self.expr(ty, depth, leaves);
        }
        drawn
    }

    /// An expression over `leaves`: at most `depth` calls within each other.
    pub(super) fn expr(&mut self, ty: Ty, depth: usize, leaves: &[Expr]) -> Expr {
        if depth == 0 || self.draw.once_in(4) {
            return self.leaf(ty, leaves);
        }
        let fitting: Vec<_> = TEMPLATES.iter().filter(|template| fits(template, ty)).collect();
        // By name first, so that what has many forms is not drawn more often.
        let names: BTreeSet<_> = fitting.iter().map(|template| template.name).collect();
        let name = *self.draw.pick(&Vec::from_iter(names));
        let forms: Vec<_> = fitting.into_iter().filter(|template| template.name == name).collect();
        let template = *self.draw.pick(&forms);
        self.call(template, depth, leaves)
    }

    /// A column or constant.
    pub(super) fn leaf(&mut self, ty: Ty, leaves: &[Expr]) -> Expr {
        let fitting: Vec<_> = leaves.iter().filter(|leaf| letter(leaf.ty) == letter(ty)).collect();
        if fitting.is_empty() || self.draw.once_in(8) {
            let (text, ty) = *self.draw.pick(literals(ty));
            return Expr { ty, node: Node::Literal(text) };
        }
        (*self.draw.pick(&fitting)).clone()
    }

    pub(super) fn call(&mut self, template: &'static Template, depth: usize, leaves: &[Expr]) -> Expr {
        let places = template.text.split('{').skip(1).map(|rest| rest.chars().next().unwrap_or_default());
        let arguments: Vec<_> =
            places.map(|letter| self.expr(of_letter(letter), depth - 1, leaves)).collect();
        Expr { ty: result(template, &arguments), node: Node::Call { template, arguments, query: None } }
    }

    /// Something that raises for some rows, in place of an output.
    pub(super) fn raising(&mut self, leaves: &[Expr]) -> Option<Expr> {
        let template = self.draw.pick(RAISING);
        let call = self.call(template, 1, leaves);
        match &call.node {
            // Constants raise before there are rows.
            Node::Call { arguments, .. } if arguments.iter().all(Expr::is_literal) => None,
            _ => Some(call),
        }
    }
}

fn fits(template: &Template, ty: Ty) -> bool {
    let whole = matches!(ty, Ty::Integer | Ty::Bigint);
    match template.result {
        Result::Of(of) => letter(of) == letter(ty),
        Result::Widest | Result::First => whole,
    }
}

fn result(template: &Template, arguments: &[Expr]) -> Ty {
    match template.result {
        Result::Of(ty) => ty,
        Result::First => arguments[0].ty,
        Result::Widest if arguments.iter().any(|argument| argument.ty == Ty::Bigint) => Ty::Bigint,
        Result::Widest => Ty::Integer,
    }
}

fn of_letter(letter: char) -> Ty {
    match letter {
        'b' => Ty::Bool,
        'i' => Ty::Bigint,
        'n' => Ty::Numeric,
        'd' => Ty::Double,
        't' => Ty::Text,
        'y' => Ty::Bytea,
        'z' => Ty::Timestamptz,
        'v' => Ty::Interval,
        'j' => Ty::Jsonb,
        other => panic!("{other} is no type"),
    }
}
