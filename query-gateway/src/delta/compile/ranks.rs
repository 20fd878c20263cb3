//! Window functions: computed again for each partition in which something changed.

use super::{Compiler, Flow, column_label, from::Branch, kept, label};
use crate::{
    delta::plan::{Block, Column, HIDDEN, Input, Leaf, LeafKind, Node, Operator, Ranks},
    sql::{
        SqlError,
        relational::{Expr, ExprKind, Field, Window},
        walk,
    },
};

impl Compiler<'_> {
    /// Rows of branches with these expressions of the statement, in some of which are window functions.
    pub(super) fn ranked(
        &mut self,
        branches: &[Branch],
        projection: &[Expr],
        fields: Vec<Field>,
    ) -> Result<Flow, SqlError> {
        let (block, leaf) = self.partitionable(branches, projection)?;
        let partition = common_partition(&block.projection)?;
        let mut columns: Vec<Column> = fields
            .iter()
            .enumerate()
            .map(|(at, field)| Column::new(label(at), kept(field.ty), field.nullable))
            .collect();
        let shown = columns.clone();
        let mut projection = block.projection;
        let mut place = |column: Column, expr: Expr, columns: &mut Vec<Column>| {
            let known = projection.iter().position(|known| *known == expr);
            known.unwrap_or_else(|| {
                columns.push(column);
                projection.push(expr);
                columns.len() - 1
            })
        };
        let mut partition_columns = Vec::new();
        for (n, expr) in partition.iter().enumerate() {
            let column = Column::new(format!("{HIDDEN}partition{n}"), kept(expr.ty), expr.nullable);
            partition_columns.push(place(column, expr.clone(), &mut columns));
        }
        let mut key = Vec::new();
        for (n, column) in self.key(&leaf.input).into_iter().enumerate() {
            let expr = column.of(leaf.id);
            key.push(place(Column { label: format!("{HIDDEN}key{n}"), ..column }, expr, &mut columns));
        }
        let ranks = Ranks { leaf, filter: block.filter, partition, partition_columns, projection };
        let node = self.push(Node { columns, key, operator: Operator::Ranks(ranks) })?;
        Ok(self.over_node(node, &shown, fields))
    }

    /// One block over one inner leaf, of which every partition is a plain column.
    fn partitionable(&mut self, branches: &[Branch], projection: &[Expr]) -> Result<(Block, Leaf), SqlError> {
        if let [branch] = branches
            && let block = branch.block(projection)
            && let [leaf] = block.leaves.as_slice()
            && leaf.kind == LeafKind::Inner
            && partitions(&block.projection).iter().all(|expr| column_label(expr, leaf.id).is_some())
        {
            let leaf = leaf.clone();
            return Ok((block, leaf));
        }
        // Each partition as a column, and all columns that the windows and what is around them name.
        let mut exprs: Vec<Expr> = partitions(projection).into_iter().cloned().collect();
        for expr in projection {
            walk::visit(expr, &mut |expr| {
                if matches!(expr.kind, ExprKind::Column { .. }) && !exprs.contains(expr) {
                    exprs.push(expr.clone());
                }
            });
        }
        let blocks: Vec<Block> = branches.iter().map(|branch| branch.block(&exprs)).collect();
        let (node, columns) = self.rows(blocks, exprs.iter().map(|expr| expr.ty))?;
        let leaf = self.new_leaf(Input::Node(node));
        let mut over = |expr: &Expr| {
            let at = exprs.iter().position(|known| known == expr)?;
            Some(columns[at].of(leaf.id))
        };
        let projection = projection.iter().map(|expr| walk::rewrite(expr, &mut over)).collect();
        Ok((Block { leaves: vec![leaf.clone()], filter: Vec::new(), projection }, leaf))
    }
}

fn windows(projection: &[Expr]) -> Vec<&Window> {
    let mut windows = Vec::new();
    for expr in projection {
        walk::visit(expr, &mut |expr| {
            if let ExprKind::Window(window) = &expr.kind {
                windows.push(window.as_ref());
            }
        });
    }
    windows
}

/// Every expression by which some window is partitioned.
fn partitions(projection: &[Expr]) -> Vec<&Expr> {
    let mut partitions: Vec<&Expr> = Vec::new();
    for expr in windows(projection).iter().flat_map(|window| &window.partition_by) {
        if !partitions.contains(&expr) {
            partitions.push(expr);
        }
    }
    partitions
}

/// What every window is partitioned by: a change reaches no further than the rows that agree in it.
fn common_partition(projection: &[Expr]) -> Result<Vec<Expr>, SqlError> {
    let windows = windows(projection);
    let in_all = |expr: &&&Expr| windows.iter().all(|window| window.partition_by.contains(expr));
    let common: Vec<Expr> =
        partitions(projection).iter().filter(in_all).map(|expr| (*expr).clone()).collect();
    if common.is_empty() {
        return Err(SqlError::refused(
            "window function",
            "without a PARTITION BY that all windows share, every change reaches all rows",
            "add PARTITION BY, or write CREATE VIEW, which is computed when read",
        ));
    }
    Ok(common)
}
