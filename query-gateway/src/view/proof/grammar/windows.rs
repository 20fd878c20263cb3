//! Numbering and ranking.

use super::{
    super::query::{Expr, Node, Window},
    Grammar,
    aggregates::DIRECTIONS,
    sources::From,
};
use crate::sql::types::Ty;

impl Grammar<'_> {
    /// A number of each row of `from` in its partition; none where rows have nothing to compare.
    pub(super) fn window(&mut self, from: &From) -> Option<Expr> {
        let columns: Vec<_> = from.columns().into_iter().filter(|column| column.ty != Ty::Jsonb).collect();
        if columns.is_empty() {
            return None;
        }
        let identity = from.identity();
        let name = match &identity {
            Some(_) => *self.draw.pick(&["row_number", "row_number", "rank", "dense_rank"]),
            None => *self.draw.pick(&["rank", "dense_rank"]),
        };
        // All windows of a SELECT share one of their partitions: the others are refused where a view is kept.
        let shared = columns[columns.len() / 2].clone();
        let count = self.draw.below(2);
        let others = self.draw.some(&columns, count).into_iter().filter(|column| *column != shared);
        let partition = std::iter::once(shared.clone()).chain(others.collect::<Vec<_>>()).collect();
        let mut order = vec![(self.draw.pick(&columns).clone(), *self.draw.pick(DIRECTIONS))];
        if name == "row_number" {
            order.extend(identity.unwrap_or_default().into_iter().map(|column| (column, "")));
        }
        Some(Expr { ty: Ty::Bigint, node: Node::Window(Box::new(Window { name, partition, order })) })
    }
}
