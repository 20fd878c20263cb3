//! A view as SQL text.

use std::fmt;

use super::{Aggregate, Expr, Grouping, Join, Node, Query, Relation, Select, Source, Window};

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
