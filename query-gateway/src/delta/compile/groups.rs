//! GROUP BY, and aggregates without it.

use super::{
    Compiler,
    from::{Branch, refuse_sub_queries},
    kept,
    measures::Measures,
    select::all_of,
};
use crate::{
    delta::plan::{
        Block, Column, Feed, Groups, HIDDEN, Input, Leaf, LeafKind, Lookup, Node, NodeId, Operator,
    },
    sql::{
        SqlError,
        relational::{Expr, ExprKind, Field, Literal, Select, SourceId},
        types::Ty,
        walk,
    },
};

/// The key of the one group that there is without GROUP BY.
const WHOLE: &str = "#whole";

/// What the statement groups by, over the row sources of its FROM.
struct Keys {
    exprs: Vec<Expr>,
    columns: Vec<Column>,
    /// Without GROUP BY.
    whole: bool,
}

impl Compiler<'_> {
    /// The groups of the branches, and the SELECT list over them.
    pub(super) fn grouped(
        &mut self,
        branches: Vec<Branch>,
        group_by: &[Expr],
        select: &Select,
    ) -> Result<(Vec<Branch>, Vec<Expr>), SqlError> {
        refuse_sub_queries(group_by, "GROUP BY")?;
        let mut keys = Keys::new(group_by);
        let id = self.new_source();
        let mut measures = Measures::new(id, keys.whole);
        let mut over = |expr: &Expr| over_groups(expr, id, &mut keys, &mut measures);
        let outputs: Vec<Expr> = select.projection.iter().map(&mut over).collect();
        let having: Vec<&Expr> = super::from::conjuncts(select.having.as_ref());
        let (sought, having): (Vec<_>, Vec<_>) = having.into_iter().partition(|expr| has_sub_query(expr));
        let having: Vec<Expr> = having.into_iter().map(&mut over).collect();
        // Conditions with sub-queries are conditions on the rows that come out.
        let sought: Vec<Expr> = sought.into_iter().map(&mut over).collect();

        let feeds = self.feeds(&branches, &keys, &measures)?;
        let columns = keys.columns.clone();
        let groups = Groups { keys: keys.columns, whole: keys.whole, feeds, id, outputs: Vec::new(), having };
        let node = self.keep_groups(groups, &columns, measures.columns())?;
        let leaf = self.new_leaf(Input::Node(node));
        let renamed = |expr: &Expr| renamed(expr, id, leaf.id);
        let mut branch =
            Branch::of(Block { leaves: vec![leaf.clone()], filter: Vec::new(), projection: Vec::new() });
        let projection = outputs.iter().map(renamed).collect();
        if let Some(sought) = all_of(sought.iter().map(renamed).collect()) {
            self.condition(&mut branch, &sought)?;
        }
        Ok((vec![branch], projection))
    }

    /// A node of groups whose columns are the keys and whatever is kept of each group.
    fn keep_groups(
        &mut self,
        mut groups: Groups,
        keys: &[Column],
        kept: Vec<Column>,
    ) -> Result<NodeId, SqlError> {
        let columns: Vec<Column> = keys.iter().cloned().chain(kept).collect();
        groups.outputs = columns.iter().map(|column| column.of(groups.id)).collect();
        let key = (0..keys.len()).collect();
        self.push(Node { columns, key, operator: Operator::Groups(groups) })
    }

    fn feeds(
        &mut self,
        branches: &[Branch],
        keys: &Keys,
        measures: &Measures,
    ) -> Result<Vec<Feed>, SqlError> {
        refuse_sub_queries(&measures.main.arguments, "an aggregate")?;
        let mut feeds = vec![self.main_feed(branches, keys, measures)?];
        for distinct in &measures.distinct {
            refuse_sub_queries(&distinct.arguments, "an aggregate")?;
            let argument = &distinct.arguments[0];
            let node = self.values(branches, keys, argument)?;
            let leaf = self.new_leaf(Input::Node(node));
            let mut columns = keys.columns.iter().map(|key| key.of(leaf.id)).collect::<Vec<_>>();
            let value = value_column(argument).of(leaf.id);
            columns.extend(distinct.sums.iter().map(|_| value.clone()));
            columns.extend(distinct.lookups.first().map(|_| value.clone()));
            let over_value = |_: &Expr| value.clone();
            let lookups = distinct.lookups.iter().map(|lookup| lookup.over(over_value)).collect();
            let block = Block { leaves: vec![leaf], filter: Vec::new(), projection: columns };
            let sums = distinct.sums.iter().map(|(measure, _)| measure.clone()).collect();
            feeds.push(Feed { blocks: vec![block], sums, lookups });
        }
        Ok(feeds)
    }

    /// A node of the different values of an argument in each group.
    fn values(&mut self, branches: &[Branch], keys: &Keys, argument: &Expr) -> Result<NodeId, SqlError> {
        let blocks = branches.iter().map(|branch| {
            let value = branch.express(argument);
            let mut block = branch.block(keys.exprs.iter().chain([argument]));
            if value.nullable {
                let kind = ExprKind::IsNull { operand: Box::new(value), negated: true };
                block.filter.push(Expr::new(kind, Ty::Bool, false));
            }
            block
        });
        let feed = Feed { blocks: blocks.collect(), sums: Vec::new(), lookups: Vec::new() };
        let id = self.new_source();
        let columns: Vec<Column> = keys.columns.iter().cloned().chain([value_column(argument)]).collect();
        let groups = Groups {
            keys: columns.clone(),
            whole: false,
            feeds: vec![feed],
            id,
            outputs: Vec::new(),
            having: Vec::new(),
        };
        self.keep_groups(groups, &columns, Vec::new())
    }

    fn main_feed(&mut self, branches: &[Branch], keys: &Keys, measures: &Measures) -> Result<Feed, SqlError> {
        let main = &measures.main;
        let sums: Vec<_> = main.sums.iter().map(|(measure, _)| measure.clone()).collect();
        let arguments: Vec<&Expr> = main.sums.iter().map(|(_, at)| &main.arguments[*at]).collect();
        let looked_up = || main.lookups.iter().flat_map(Lookup::inputs);
        let plain = |branch: &Branch| {
            branch.block(keys.exprs.iter().chain(arguments.iter().copied()).chain(looked_up()))
        };
        if main.lookups.is_empty() {
            let blocks = branches.iter().map(plain).collect();
            return Ok(Feed { blocks, sums, lookups: Vec::new() });
        }
        if let [branch] = branches
            && let [Leaf { id, kind: LeafKind::Inner, .. }] = branch.leaves.as_slice()
            && (keys.whole
                || branch.express_all(&keys.exprs).iter().all(|key| super::column_label(key, *id).is_some()))
        {
            let lookups = main.lookups.iter().map(|lookup| lookup.over(|expr| branch.express(expr)));
            return Ok(Feed { blocks: vec![plain(branch)], sums, lookups: lookups.collect() });
        }
        self.kept_feed(branches, keys, measures)
    }

    /// What has to be looked up again is kept, with the keys as plain columns that can be searched for.
    fn kept_feed(&mut self, branches: &[Branch], keys: &Keys, measures: &Measures) -> Result<Feed, SqlError> {
        let main = &measures.main;
        let mut exprs: Vec<Expr> = keys.exprs.clone();
        for expr in main.arguments.iter().chain(main.lookups.iter().flat_map(Lookup::inputs)) {
            if !exprs.contains(expr) {
                exprs.push(expr.clone());
            }
        }
        let blocks: Vec<Block> = branches.iter().map(|branch| branch.block(&exprs)).collect();
        let (node, columns) = self.rows(blocks, exprs.iter().map(|expr| expr.ty))?;
        let leaf = self.new_leaf(Input::Node(node));
        let column = |expr: &Expr| {
            let at = exprs.iter().position(|known| known == expr);
            at.map_or_else(|| expr.clone(), |at| columns[at].of(leaf.id))
        };
        let arguments = main.sums.iter().map(|(_, at)| &main.arguments[*at]);
        let looked_up = main.lookups.iter().flat_map(Lookup::inputs);
        let projection = keys.exprs.iter().chain(arguments).chain(looked_up).map(&column).collect();
        let lookups = main.lookups.iter().map(|lookup| lookup.over(column)).collect();
        let sums = main.sums.iter().map(|(measure, _)| measure.clone()).collect();
        let block = Block { leaves: vec![leaf.clone()], filter: Vec::new(), projection };
        Ok(Feed { blocks: vec![block], sums, lookups })
    }
}

impl Keys {
    fn new(group_by: &[Expr]) -> Self {
        let mut keys = Self { exprs: Vec::new(), columns: Vec::new(), whole: group_by.is_empty() };
        if keys.whole {
            let one = Expr::new(ExprKind::Literal(Literal::Integer(1)), Ty::Bigint, false);
            keys.exprs.push(one);
            keys.columns.push(Column::new(WHOLE, Ty::Bigint, false));
        }
        for key in group_by {
            keys.add(key);
        }
        keys
    }

    fn add(&mut self, key: &Expr) -> &Column {
        let at = self.exprs.iter().position(|known| known == key).unwrap_or_else(|| {
            self.columns.push(Column::new(format!("k{}", self.exprs.len()), kept(key.ty), key.nullable));
            self.exprs.push(key.clone());
            self.exprs.len() - 1
        });
        &self.columns[at]
    }
}

/// An expression of the SELECT list, over what is kept of a group.
fn over_groups(expr: &Expr, id: SourceId, keys: &mut Keys, measures: &mut Measures) -> Expr {
    walk::rewrite(expr, &mut |expr| {
        if let Some(at) = keys.exprs.iter().position(|key| key == expr) {
            return Some(keys.columns[at].of(id));
        }
        match &expr.kind {
            ExprKind::Aggregate(aggregate) => Some(measures.of(aggregate, expr.ty)),
            // Its table's whole key is grouped by: grouping by it too makes the same groups.
            ExprKind::Column { .. } => Some(keys.add(expr).of(id)),
            _ => None,
        }
    })
}

/// Makes what is shown of groups a projection over `leaf`, of which the groups were the node; and the columns and key
/// of the node then.
pub(super) fn shown_as(
    groups: &mut Groups,
    leaf: SourceId,
    projection: &[Expr],
    fields: &[Field],
) -> (Vec<Column>, Vec<usize>) {
    let id = groups.id;
    groups.outputs = projection.iter().map(|expr| renamed(expr, leaf, id)).collect();
    let mut columns: Vec<Column> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| Column::new(super::label(at), kept(field.ty), field.nullable))
        .collect();
    let mut key = Vec::new();
    for (n, column) in groups.keys.iter().enumerate() {
        let part = column.of(id);
        let known = groups.outputs.iter().position(|output| output.kind == part.kind);
        key.push(known.unwrap_or_else(|| {
            columns.push(Column { label: format!("{HIDDEN}key{n}"), ..column.clone() });
            groups.outputs.push(part);
            columns.len() - 1
        }));
    }
    (columns, key)
}

/// An expression over another source that has the same columns.
pub(super) fn renamed(expr: &Expr, from: SourceId, to: SourceId) -> Expr {
    walk::rewrite(expr, &mut |expr| match &expr.kind {
        ExprKind::Column { source, label } if *source == from => {
            let kind = ExprKind::Column { source: to, label: label.clone() };
            Some(Expr::new(kind, expr.ty, expr.nullable))
        }
        _ => None,
    })
}

fn value_column(argument: &Expr) -> Column {
    Column::new("value", kept(argument.ty), false)
}

fn has_sub_query(expr: &Expr) -> bool {
    let mut found = false;
    walk::visit(expr, &mut |expr| found |= walk::sub_query(expr).is_some());
    found
}
