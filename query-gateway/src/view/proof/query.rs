//! A view as a tree, so that it can be counted, made smaller, and written down as SQL.

mod render;

use crate::sql::types::Ty;

/// A query, with what `WITH` names in front of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) with: Vec<(String, Query)>,
    /// One, or those of a union.
    pub(super) arms: Vec<Select>,
    /// `UNION ALL` rather than `UNION`.
    pub(super) all: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Select {
    pub(super) distinct: bool,
    /// Called `c1`, `c2` and so on.
    pub(super) outputs: Vec<Expr>,
    pub(super) from: Source,
    pub(super) joins: Vec<Join>,
    /// All of them hold.
    pub(super) filter: Vec<Expr>,
    pub(super) grouping: Option<Grouping>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grouping {
    /// None at all: one row, also over no rows.
    pub(super) by: Vec<Expr>,
    /// By their places among the outputs, where they are the first.
    pub(super) ordinals: bool,
    pub(super) having: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Join {
    /// `JOIN`, `LEFT JOIN` and so on.
    pub(super) kind: &'static str,
    pub(super) source: Source,
    /// All of them hold.
    pub(super) on: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) relation: Relation,
    /// Unique in the view.
    pub(super) alias: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Relation {
    /// A table, a view, or what `WITH` names.
    Named(String),
    Query(Box<Query>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) ty: Ty,
    pub(super) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Column {
        alias: String,
        name: String,
    },
    Literal(&'static str),
    /// A template whose places are filled by arguments, in order; `{q}` by a query.
    Call {
        template: &'static Template,
        arguments: Vec<Expr>,
        query: Option<Box<Query>>,
    },
    Aggregate(Box<Aggregate>),
    Window(Box<Window>),
}

/// SQL with places `{x}`, whose letter is their type.
#[derive(Debug, PartialEq)]
pub(super) struct Template {
    /// What it is counted as.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) result: Result,
}

/// Type of what a template computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Result {
    Of(Ty),
    /// An integer as wide as the widest argument that is one.
    Widest,
    /// As its first argument.
    First,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) name: &'static str,
    pub(super) distinct: bool,
    /// None of `count(*)`.
    pub(super) argument: Option<Expr>,
    /// Behind the argument, as the separator of string_agg.
    pub(super) rest: &'static str,
    /// With ` DESC` and the like.
    pub(super) order: Vec<(Expr, &'static str)>,
    pub(super) filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) name: &'static str,
    pub(super) partition: Vec<Expr>,
    pub(super) order: Vec<(Expr, &'static str)>,
}

/// The letter of a type in templates.
pub(super) fn letter(ty: Ty) -> char {
    match ty {
        Ty::Bool => 'b',
        Ty::Integer | Ty::Bigint => 'i',
        Ty::Numeric | Ty::Whole => 'n',
        Ty::Double => 'd',
        Ty::Text | Ty::Unknown => 't',
        Ty::Bytea => 'y',
        Ty::Timestamptz => 'z',
        Ty::Date => 'a',
        Ty::Interval => 'v',
        Ty::Jsonb => 'j',
    }
}

impl Expr {
    pub(super) fn column(alias: &str, name: &str, ty: Ty) -> Self {
        Self { ty, node: Node::Column { alias: alias.to_owned(), name: name.to_owned() } }
    }

    /// Whether no row has a part in it; PostgreSQL takes some of that for a literal, as `-(1)`.
    pub(super) fn is_constant(&self) -> bool {
        match &self.node {
            Node::Literal(_) => true,
            Node::Call { arguments, query, .. } => query.is_none() && arguments.iter().all(Self::is_constant),
            Node::Column { .. } | Node::Aggregate(_) | Node::Window(_) => false,
        }
    }

    /// Whether it depends on a row.
    pub(super) fn varies(&self) -> bool {
        match &self.node {
            Node::Literal(_) => false,
            Node::Call { arguments, query, .. } => query.is_some() || arguments.iter().any(Self::varies),
            Node::Column { .. } | Node::Aggregate(_) | Node::Window(_) => true,
        }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self.node, Node::Literal(_))
    }
}
