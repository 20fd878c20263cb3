//! How often each construct of the dialect was drawn, and what happened to the tables.

mod constructs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use self::constructs::{CLAUSES, EVENTS};
use super::{
    case::Case,
    grammar::templates::{CONDITIONS, RAISING, TEMPLATES},
    query::{Expr, Node, Query, Relation, Select, Source},
    script::{Batch, Delivery},
};

/// Below this, a construct counts as not tried.
const FEW: usize = 20;

/// Counts by construct.
pub(super) struct Coverage(BTreeMap<&'static str, usize>);

impl Default for Coverage {
    fn default() -> Self {
        let templates = TEMPLATES.iter().chain(RAISING).chain(CONDITIONS).map(|template| template.name);
        Self(CLAUSES.iter().chain(EVENTS).copied().chain(templates).map(|name| (name, 0)).collect())
    }
}

impl Coverage {
    /// Counts what a case consists of.
    pub(super) fn add(&mut self, case: &Case) {
        for view in &case.views {
            self.query(&view.query);
        }
        self.count_if(case.views_after > 0, "views created among changes");
        self.count_if(case.entities.iter().any(|entity| entity.source > 0), "two sources");
        case.batches.iter().for_each(|batch| self.batch(batch));
    }

    fn batch(&mut self, batch: &Batch) {
        self.count(match batch.changes.len() {
            0 | 1 => "batch of 1 change",
            2..=30 => "batch of 2 to 30",
            _ => "batch of more",
        });
        match batch.delivery {
            Delivery::Once => {}
            Delivery::Twice => self.count("batch delivered twice"),
            Delivery::Snapshot => self.count("batch as a snapshot"),
            Delivery::Reopened => self.count("batch after a restart"),
        }
        let mut changed = BTreeSet::new();
        for change in &batch.changes {
            self.count_if(change.deleted, "deletion");
            let key = |name: &str| change.value.get(name).map(ToString::to_string);
            let again = !changed.insert((&change.entity, key("k1"), key("k2")));
            self.count_if(again, "entity changed twice in a batch");
        }
    }

    /// What was drawn too seldom.
    pub(super) fn rare(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, count)| **count < FEW).map(|(name, _)| *name).collect()
    }

    fn count(&mut self, name: &'static str) {
        *self.0.get_mut(name).unwrap_or_else(|| panic!("{name} is not among the constructs")) += 1;
    }

    fn count_if(&mut self, condition: bool, name: &'static str) {
        if condition {
            self.count(name);
        }
    }

    fn query(&mut self, query: &Query) {
        for (name, part) in &query.with {
            self.query(part);
            let uses = query.to_string().matches(&format!(" {name} ")).count() - 1;
            self.count_if(uses == 1, "WITH, used once");
            self.count_if(uses > 1, "WITH, used twice");
        }
        let union = query.arms.len() > 1;
        self.count_if(union && query.all, "UNION ALL");
        self.count_if(union && !query.all, "UNION");
        query.arms.iter().for_each(|arm| self.select(arm));
    }

    fn select(&mut self, select: &Select) {
        self.count_if(select.distinct, "DISTINCT");
        self.count_if(!select.filter.is_empty(), "WHERE");
        self.from(select);
        for expr in select.outputs.iter().chain(&select.filter) {
            self.expr(expr);
        }
        let Some(grouping) = &select.grouping else { return };
        self.count(if grouping.by.is_empty() { "aggregates without GROUP BY" } else { "GROUP BY" });
        self.count_if(grouping.ordinals && !grouping.by.is_empty(), "GROUP BY ordinals");
        self.count_if(
            grouping.by.iter().any(|term| matches!(term.node, Node::Call { .. })),
            "GROUP BY expressions",
        );
        self.count_if(grouping.having.is_some(), "HAVING");
        grouping.having.iter().for_each(|having| self.expr(having));
    }

    fn from(&mut self, select: &Select) {
        self.source(&select.from);
        let mut names = vec![&select.from.relation];
        for join in &select.joins {
            self.count(join.kind);
            self.count_if(join.on.len() > 1, "ON with more than one term");
            self.source(&join.source);
            self.count_if(
                join.kind != "JOIN" && is_aggregated(&join.source),
                "aggregated sub-query behind an outer join",
            );
            let named = matches!(join.source.relation, Relation::Named(_));
            self.count_if(named && names.contains(&&join.source.relation), "self-join");
            names.push(&join.source.relation);
            join.on.iter().for_each(|term| self.expr(term));
        }
        self.count_if(select.joins.len() == 2, "two joins");
        self.count_if(select.joins.len() == 3, "three joins");
    }

    fn source(&mut self, source: &Source) {
        match &source.relation {
            Relation::Query(query) => {
                self.count("sub-query in FROM");
                self.count_if(is_aggregated(source), "sub-query in FROM, aggregated");
                self.query(query);
            }
            Relation::Named(name) if name.ends_with("_items") => self.count("child table"),
            Relation::Named(name) if name.starts_with('v') => self.count("view over a view"),
            Relation::Named(name) if name.starts_with('w') => {}
            Relation::Named(_) => self.count("table"),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.node {
            Node::Column { .. } | Node::Literal(_) => {}
            Node::Call { template, arguments, query } => {
                self.count(template.name);
                arguments.iter().for_each(|argument| self.expr(argument));
                if let Some(query) = query {
                    self.query(query);
                    self.count_if(is_correlated(query), "correlated sub-query");
                }
            }
            Node::Aggregate(aggregate) => {
                self.count(if aggregate.argument.is_some() { aggregate.name } else { "count(*)" });
                match (aggregate.name, aggregate.distinct) {
                    ("count", true) => self.count("count(DISTINCT)"),
                    ("sum", true) => self.count("sum(DISTINCT)"),
                    ("avg", true) => self.count("avg(DISTINCT)"),
                    _ => {}
                }
                self.count_if(aggregate.filter.is_some(), "FILTER");
                for part in aggregate.argument.iter().chain(&aggregate.filter) {
                    self.expr(part);
                }
            }
            Node::Window(window) => {
                self.count(window.name);
                self.count_if(!window.partition.is_empty(), "PARTITION BY");
            }
        }
    }
}

fn is_aggregated(source: &Source) -> bool {
    match &source.relation {
        Relation::Query(query) => query.arms.iter().any(|arm| arm.grouping.is_some()),
        Relation::Named(_) => false,
    }
}

/// Whether its conditions name an alias that is not its own.
fn is_correlated(query: &Query) -> bool {
    let select = &query.arms[0];
    let text: String = select.filter.iter().map(ToString::to_string).collect();
    let own: Vec<_> =
        std::iter::once(&select.from).chain(select.joins.iter().map(|join| &join.source)).collect();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let aliases = words.filter_map(|word| word.split_once('.')).map(|(alias, _)| alias);
    aliases.filter(|alias| alias.starts_with('a')).any(|alias| own.iter().all(|source| source.alias != alias))
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = self.0.iter();
        loop {
            let line: Vec<_> =
                counts.by_ref().take(4).map(|(name, count)| format!("{count:>7} {name:<32}")).collect();
            if line.is_empty() {
                return Ok(());
            }
            writeln!(f, "{}", line.join("").trim_end())?;
        }
    }
}
