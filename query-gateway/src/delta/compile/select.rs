//! SELECT: the stages of a query that reads a FROM.

use super::{
    Compiler, Flow,
    from::{Branch, refuse_sub_queries},
    kept, label,
};
use crate::{
    delta::plan::{Block, Column, Feed, Groups, Input, Node, Operator},
    sql::{
        SqlError,
        relational::{Expr, ExprKind, Field, Select},
        types::Ty,
        walk,
    },
};

impl Compiler<'_> {
    pub(super) fn select(&mut self, select: &Select, fields: &[Field]) -> Result<Flow, SqlError> {
        let branches = self.filtered(select)?;
        let (branches, projection) = match &select.group_by {
            Some(keys) => self.grouped(branches, keys, select)?,
            None => (branches, select.projection.clone()),
        };
        refuse_sub_queries(&projection, "the SELECT list")?;
        let flow = if projection.iter().any(has_window) {
            self.ranked(&branches, &projection, fields.to_vec())?
        } else {
            let blocks = branches.into_iter().map(|branch| branch.block(&projection));
            Flow { blocks: blocks.collect(), fields: fields.to_vec() }
        };
        if select.distinct { self.distinct(flow) } else { Ok(flow) }
    }

    /// FROM and WHERE.
    pub(super) fn filtered(&mut self, select: &Select) -> Result<Vec<Branch>, SqlError> {
        let mut branches = match &select.from {
            Some(from) => self.from(from)?,
            None => vec![Branch::default()],
        };
        if let Some(filter) = &select.filter {
            for branch in &mut branches {
                self.condition(branch, filter)?;
            }
        }
        Ok(branches)
    }

    /// One row of each that are equal: groups by all columns.
    pub(super) fn distinct(&mut self, flow: Flow) -> Result<Flow, SqlError> {
        let id = self.new_source();
        let key = |(at, field): (usize, &Field)| Column::new(label(at), kept(field.ty), field.nullable);
        let keys: Vec<Column> = flow.fields.iter().enumerate().map(key).collect();
        let groups = Groups {
            whole: false,
            feeds: vec![Feed { blocks: flow.blocks, sums: Vec::new(), lookups: Vec::new() }],
            id,
            outputs: keys.iter().map(|key| key.of(id)).collect(),
            having: Vec::new(),
            keys: keys.clone(),
        };
        let key = (0..keys.len()).collect();
        let node = self.push(Node { columns: keys.clone(), key, operator: Operator::Groups(groups) })?;
        Ok(self.over_node(node, &keys, flow.fields))
    }

    /// All the rows of a node, with these of its columns.
    pub(super) fn over_node(
        &mut self,
        node: crate::delta::plan::NodeId,
        columns: &[Column],
        fields: Vec<Field>,
    ) -> Flow {
        let leaf = self.new_leaf(Input::Node(node));
        let projection = columns.iter().map(|column| column.of(leaf.id)).collect();
        Flow { blocks: vec![Block { leaves: vec![leaf], filter: Vec::new(), projection }], fields }
    }
}

/// All of the conditions as one; none of none.
pub(super) fn all_of(mut conditions: Vec<Expr>) -> Option<Expr> {
    match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => {
            let nullable = conditions.iter().any(|condition| condition.nullable);
            Some(Expr::new(ExprKind::And(conditions), Ty::Bool, nullable))
        }
    }
}

pub(super) fn has_window(expr: &Expr) -> bool {
    let mut found = false;
    walk::visit(expr, &mut |expr| found |= matches!(expr.kind, ExprKind::Window(_)));
    found
}
