//! Keeping the rows of blocks, and what identifies a row.

use std::collections::BTreeSet;

use super::{Compiler, kept, label};
use crate::{
    delta::plan::{Block, Column, HIDDEN, LeafKind, Node, NodeId, Operator, sources},
    sql::{
        SqlError,
        relational::{Comparison, Expr, ExprKind, Literal, SourceId},
        types::Ty,
    },
};

impl Compiler<'_> {
    /// A node that keeps the rows of blocks, which project to columns of these types; and these columns.
    pub(super) fn rows(
        &mut self,
        mut blocks: Vec<Block>,
        types: impl IntoIterator<Item = Ty>,
    ) -> Result<(NodeId, Vec<Column>), SqlError> {
        let nullable = |at: usize| blocks.iter().any(|block| block.projection[at].nullable);
        let types = types.into_iter().enumerate();
        let mut columns: Vec<Column> =
            types.map(|(at, ty)| Column::new(label(at), kept(ty), nullable(at))).collect();
        let shown = columns.clone();
        let key = match blocks.as_mut_slice() {
            [block] => self.key_of_block(block, &mut columns),
            many => self.key_of_union(many, &mut columns),
        };
        let node = Node { columns, key, operator: Operator::Rows(blocks) };
        Ok((self.push(node)?, shown))
    }

    /// Places of the key; what is not among the columns is added to them.
    fn key_of_block(&self, block: &mut Block, columns: &mut Vec<Column>) -> Vec<usize> {
        let mut key = Vec::new();
        for (n, (part, column)) in self.identity(block).into_iter().enumerate() {
            // A column that may be NULL by its type says less than the part itself.
            let known = block.projection.iter().position(|expr| expr.kind == part.kind);
            key.push(known.unwrap_or_else(|| {
                columns.push(Column { label: format!("{HIDDEN}key{n}"), ..column });
                block.projection.push(part);
                columns.len() - 1
            }));
        }
        key
    }

    /// Rows of different branches are different, and each branch has a key of its own length.
    fn key_of_union(&self, blocks: &mut [Block], columns: &mut Vec<Column>) -> Vec<usize> {
        let parts: Vec<_> = blocks.iter().map(|block| self.identity(block)).collect();
        let width = parts.iter().map(|parts: &Vec<_>| parts.len()).max().unwrap_or_default();
        let first = columns.len();
        columns.push(Column::new(format!("{HIDDEN}branch"), Ty::Bigint, false));
        columns.extend((0..width).map(|n| Column {
            label: format!("{HIDDEN}key{n}"),
            ty: None,
            nullable: true,
        }));
        for (n, (block, parts)) in blocks.iter_mut().zip(parts).enumerate() {
            let branch = ExprKind::Literal(Literal::Integer(n as i64));
            block.projection.push(Expr::new(branch, Ty::Bigint, false));
            let missing = width - parts.len();
            block.projection.extend(parts.into_iter().map(|(part, _)| in_any_column(part)));
            block.projection.extend(std::iter::repeat_n(Expr::null(Ty::Text), missing));
        }
        (first..columns.len()).collect()
    }

    /// What identifies a row of the block, each part with a column for it: the keys of its leaves, without those that
    /// follow from the others.
    fn identity(&self, block: &Block) -> Vec<(Expr, Column)> {
        let joined = block.leaves.iter().filter(|leaf| matches!(leaf.kind, LeafKind::Inner | LeafKind::Left));
        let ids: Vec<SourceId> = joined.clone().map(|leaf| leaf.id).collect();
        let mut needed: BTreeSet<SourceId> = ids.iter().copied().collect();
        for id in ids.iter().rev() {
            let fewer: BTreeSet<_> = needed.iter().copied().filter(|needed| needed != id).collect();
            if !fewer.is_empty() && self.determined(block, &fewer).len() == ids.len() {
                needed = fewer;
            }
        }
        let mut identity = Vec::new();
        for leaf in joined.filter(|leaf| needed.contains(&leaf.id)) {
            let outer = leaf.kind == LeafKind::Left;
            identity.extend(self.key(&leaf.input).into_iter().map(|column| {
                let column = Column { nullable: column.nullable || outer, ..column };
                (column.of(leaf.id), column)
            }));
        }
        identity
    }

    /// The leaves of which at most one row goes with rows of `known`.
    fn determined(&self, block: &Block, known: &BTreeSet<SourceId>) -> BTreeSet<SourceId> {
        let mut known = known.clone();
        loop {
            let next = block.leaves.iter().find(|leaf| {
                !known.contains(&leaf.id)
                    && matches!(leaf.kind, LeafKind::Inner | LeafKind::Left)
                    && self.is_determined(block, leaf.id, &known)
            });
            match next {
                Some(leaf) => known.insert(leaf.id),
                None => return known,
            };
        }
    }

    /// Whether the whole key of a leaf is equal to what rows of `known` say.
    fn is_determined(&self, block: &Block, id: SourceId, known: &BTreeSet<SourceId>) -> bool {
        let Some(leaf) = block.leaf(id) else { return false };
        let key = self.key(&leaf.input);
        let conditions: Vec<&Expr> = match leaf.kind {
            LeafKind::Left => leaf.on.iter().collect(),
            _ => block.filter.iter().collect(),
        };
        let is_bound = |column: &Column| {
            conditions.iter().any(|condition| {
                equality(condition).into_iter().any(|(side, other)| {
                    super::column_label(side, id).is_some_and(|label| label == column.label)
                        && sources(other).iter().all(|source| known.contains(source))
                })
            })
        };
        !key.is_empty() && key.iter().all(is_bound)
    }
}

/// In a column of values of any type, an empty blob stands for NULL: bytes are told by their digits there.
fn in_any_column(part: Expr) -> Expr {
    if part.ty != Ty::Bytea {
        return part;
    }
    let nullable = part.nullable;
    Expr::new(ExprKind::Cast(Box::new(part)), Ty::Text, nullable)
}

/// Both ways of reading an equality.
pub(in crate::delta) fn equality(condition: &Expr) -> Vec<(&Expr, &Expr)> {
    match &condition.kind {
        ExprKind::Compare { operator: Comparison::Equal, left, right } => {
            vec![(left, right), (right, left)]
        }
        _ => Vec::new(),
    }
}
