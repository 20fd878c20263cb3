//! Queries that are a little simpler than a given one. Not all of them mean something: what PostgreSQL refuses is not
//! taken.

use super::{
    super::{
        grammar::templates::literals,
        query::{Aggregate, Expr, Grouping, Join, Node, Query, Relation, Select, Source, Window, letter},
    },
    without_one,
};

pub(super) fn simpler(query: &Query) -> Vec<Query> {
    let mut queries: Vec<Query> = query.with.iter().map(|(_, query)| query.clone()).collect();
    queries.extend(query.arms.iter().flat_map(sources).filter_map(|source| match &source.relation {
        Relation::Query(query) => Some((**query).clone()),
        Relation::Named(_) => None,
    }));
    queries.extend(without_one(&query.with).into_iter().map(|with| Query { with, ..query.clone() }));
    if query.arms.len() > 1 {
        queries.extend(without_one(&query.arms).into_iter().map(|arms| Query { arms, ..query.clone() }));
    }
    let each = |(name, query): &(String, Query)| {
        simpler(query).into_iter().map(|query| (name.clone(), query)).collect()
    };
    queries.extend(in_one(&query.with, each).into_iter().map(|with| Query { with, ..query.clone() }));
    queries
        .extend(in_one(&query.arms, simpler_select).into_iter().map(|arms| Query { arms, ..query.clone() }));
    queries
}

fn sources(select: &Select) -> impl Iterator<Item = &Source> {
    std::iter::once(&select.from).chain(select.joins.iter().map(|join| &join.source))
}

fn simpler_select(select: &Select) -> Vec<Select> {
    let with = |change: &dyn Fn(&mut Select)| {
        let mut changed = select.clone();
        change(&mut changed);
        changed
    };
    let mut selects = Vec::new();
    if select.distinct {
        selects.push(with(&|select| select.distinct = false));
    }
    if let Some(grouping) = &select.grouping {
        selects.push(with(&|select| select.grouping = None));
        let mut others = Vec::new();
        if grouping.having.is_some() {
            others.push(Grouping { having: None, ..grouping.clone() });
        }
        let by = without_one(&grouping.by).into_iter().chain(in_one(&grouping.by, simpler_expr));
        others.extend(by.map(|by| Grouping { by, ordinals: false, ..grouping.clone() }));
        for having in grouping.having.iter().flat_map(simpler_expr) {
            others.push(Grouping { having: Some(having), ..grouping.clone() });
        }
        selects.extend(others.into_iter().map(|other| with(&|select| select.grouping = Some(other.clone()))));
    }
    if let Some(Join { source, .. }) = select.joins.first() {
        selects.push(with(&|select| {
            select.from = source.clone();
            select.joins.remove(0);
        }));
    }
    for joins in without_one(&select.joins).into_iter().chain(in_one(&select.joins, simpler_join)) {
        selects.push(with(&|select| select.joins.clone_from(&joins)));
    }
    for filter in without_one(&select.filter).into_iter().chain(in_one(&select.filter, simpler_expr)) {
        selects.push(with(&|select| select.filter.clone_from(&filter)));
    }
    let outputs = if select.outputs.len() > 1 { without_one(&select.outputs) } else { Vec::new() };
    for outputs in outputs.into_iter().chain(in_one(&select.outputs, simpler_expr)) {
        selects.push(with(&|select| select.outputs.clone_from(&outputs)));
    }
    for from in simpler_source(&select.from) {
        selects.push(with(&|select| select.from = from.clone()));
    }
    selects
}

fn simpler_source(source: &Source) -> Vec<Source> {
    let Relation::Query(query) = &source.relation else { return Vec::new() };
    let queries = simpler(query).into_iter();
    queries.map(|query| Source { relation: Relation::Query(Box::new(query)), ..source.clone() }).collect()
}

fn simpler_join(join: &Join) -> Vec<Join> {
    let mut joins = Vec::new();
    if join.kind != "JOIN" {
        joins.push(Join { kind: "JOIN", ..join.clone() });
    }
    if join.on.len() > 1 {
        joins.extend(without_one(&join.on).into_iter().map(|on| Join { on, ..join.clone() }));
    }
    joins.extend(in_one(&join.on, simpler_expr).into_iter().map(|on| Join { on, ..join.clone() }));
    joins.extend(simpler_source(&join.source).into_iter().map(|source| Join { source, ..join.clone() }));
    joins
}

fn simpler_expr(expr: &Expr) -> Vec<Expr> {
    let mut exprs = Vec::new();
    let put = |node| Expr { node, ..expr.clone() };
    match &expr.node {
        Node::Literal(_) => return exprs,
        Node::Column { .. } => {}
        Node::Call { template, arguments, query } => {
            exprs.extend(arguments.iter().filter(|argument| letter(argument.ty) == letter(expr.ty)).cloned());
            for arguments in in_one(arguments, simpler_expr) {
                exprs.push(put(Node::Call { template, arguments, query: query.clone() }));
            }
            for query in query.iter().flat_map(|query| simpler(query)) {
                let (arguments, query) = (arguments.clone(), Some(Box::new(query)));
                exprs.push(put(Node::Call { template, arguments, query }));
            }
        }
        Node::Aggregate(aggregate) => {
            let mut others = Vec::new();
            if aggregate.filter.is_some() {
                others.push(Aggregate { filter: None, ..(**aggregate).clone() });
            }
            if aggregate.distinct {
                others.push(Aggregate { distinct: false, ..(**aggregate).clone() });
            }
            for argument in aggregate.argument.iter().flat_map(simpler_expr) {
                others.push(Aggregate { argument: Some(argument), ..(**aggregate).clone() });
            }
            for filter in aggregate.filter.iter().flat_map(simpler_expr) {
                others.push(Aggregate { filter: Some(filter), ..(**aggregate).clone() });
            }
            exprs.extend(others.into_iter().map(|other| put(Node::Aggregate(Box::new(other)))));
        }
        Node::Window(window) => {
            // Without the one that all windows share, a view that is kept is refused.
            let partitions = without_one(&window.partition).into_iter().skip(1);
            exprs
                .extend(partitions.map(|partition| {
                    put(Node::Window(Box::new(Window { partition, ..(**window).clone() })))
                }));
        }
    }
    let (text, ty) = literals(expr.ty)[0];
    exprs.push(Expr { ty, node: Node::Literal(text) });
    exprs
}

/// The same with one of the items simpler, for each way to do that.
fn in_one<T: Clone>(items: &[T], simpler: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    for (at, item) in items.iter().enumerate() {
        for simple in simpler(item) {
            let mut changed = items.to_vec();
            changed[at] = simple;
            all.push(changed);
        }
    }
    all
}
