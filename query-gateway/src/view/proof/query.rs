//! A view as a tree, so that it can be counted, made smaller, and written down as SQL.

use std::fmt;

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

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, query)) in self.with.iter().enumerate() {
            write!(f, "{} {name} AS ({query})", if at == 0 { "WITH" } else { "," })?;
        }
        if !self.with.is_empty() {
            f.write_str(" ")?;
        }
        for (at, arm) in self.arms.iter().enumerate() {
            let union = if self.all { " UNION ALL " } else { " UNION " };
            write!(f, "{}{arm}", if at == 0 { "" } else { union })?;
        }
        Ok(())
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.distinct { "SELECT DISTINCT " } else { "SELECT " })?;
        for (at, output) in self.outputs.iter().enumerate() {
            write!(f, "{}{output} AS c{}", if at == 0 { "" } else { ", " }, at + 1)?;
        }
        write!(f, " FROM {}", self.from)?;
        for Join { kind, source, on } in &self.joins {
            write!(f, " {kind} {source} ON {}", list(on, " AND "))?;
        }
        if !self.filter.is_empty() {
            write!(f, " WHERE {}", list(&self.filter, " AND "))?;
        }
        self.grouping.iter().try_for_each(|grouping| grouping.fmt(f))
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.by.iter().enumerate() {
            f.write_str(if at == 0 { " GROUP BY " } else { ", " })?;
            // A constant by itself would be an ordinal, or refused.
            if self.ordinals || term.is_literal() { write!(f, "{}", at + 1)? } else { term.fmt(f)? }
        }
        self.having.iter().try_for_each(|having| write!(f, " HAVING {having}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relation {
            Relation::Named(name) => write!(f, "{name} {}", self.alias),
            Relation::Query(query) => write!(f, "({query}) {}", self.alias),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Column { alias, name } => write!(f, "{alias}.{name}"),
            Node::Literal(text) => f.write_str(text),
            Node::Call { template, arguments, query } => {
                let mut arguments = arguments.iter();
                let mut rest = template.text;
                f.write_str("(")?;
                while let Some((before, after)) = rest.split_once('{') {
                    f.write_str(before)?;
                    match (after.starts_with('q'), query) {
                        (true, Some(query)) => query.fmt(f)?,
                        _ => arguments.next().map_or(Ok(()), |argument| argument.fmt(f))?,
                    }
                    rest = &after[2..];
                }
                write!(f, "{rest})")
            }
            Node::Aggregate(aggregate) => aggregate.fmt(f),
            Node::Window(window) => window.fmt(f),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.name, if self.distinct { "DISTINCT " } else { "" })?;
        match &self.argument {
            Some(argument) => write!(f, "{argument}{}", self.rest)?,
            None => f.write_str("*")?,
        }
        if !self.order.is_empty() {
            write!(f, " ORDER BY {}", ordered(&self.order))?;
        }
        f.write_str(")")?;
        self.filter.iter().try_for_each(|filter| write!(f, " FILTER (WHERE {filter})"))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}() OVER (", self.name)?;
        if !self.partition.is_empty() {
            write!(f, "PARTITION BY {} ", list(&self.partition, ", "))?;
        }
        write!(f, "ORDER BY {})", ordered(&self.order))
    }
}

fn list(terms: &[Expr], by: &str) -> String {
    terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
}

fn ordered(order: &[(Expr, &'static str)]) -> String {
    order.iter().map(|(term, direction)| format!("{term}{direction}")).collect::<Vec<_>>().join(", ")
}
