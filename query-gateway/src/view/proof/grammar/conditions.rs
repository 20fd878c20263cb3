//! Conditions over queries: EXISTS, IN, and their opposites, correlated or not.

use super::{
    super::query::{Expr, Node, Query, Select, letter},
    Grammar, MUCH_WORK,
    sources::From,
    templates::CONDITIONS,
};
use crate::sql::types::Ty;

impl Grammar<'_> {
    /// A condition of a query over `around`; none where it would be too much work for each row of that.
    pub(super) fn condition(&mut self, depth: usize, around: &mut From) -> Option<Expr> {
        let outer = &around.columns();
        let comparable: Vec<_> = outer.iter().filter(|column| column.ty != Ty::Jsonb).collect();
        let compares = !comparable.is_empty() && self.draw.once_in(2);
        let fitting: Vec<_> =
            CONDITIONS.iter().filter(|template| template.text.starts_with("{x}") == compares).collect();
        let template = *self.draw.pick(&fitting);
        let from = self.from(depth.saturating_sub(1), 2);
        let cost = around.cost + around.rows * from.cost;
        if cost > MUCH_WORK {
            return None;
        }
        around.cost = cost;
        let columns = from.columns();
        let mut filter = Vec::new();
        let correlated = if compares { self.draw.once_in(3) } else { !self.draw.once_in(5) };
        if correlated {
            filter.extend(self.equality(outer, &columns));
        }
        if self.draw.once_in(2) {
            let leaves =
                if correlated { [columns.clone(), outer.to_vec()].concat() } else { columns.clone() };
            filter.push(self.varying(Ty::Bool, 2, &leaves));
        }
        let (mut arguments, mut outputs) =
            (Vec::new(), vec![Expr { ty: Ty::Integer, node: Node::Literal("1") }]);
        if compares {
            let argument = (*self.draw.pick(&comparable)).clone();
            outputs = vec![self.output_like(&argument, &columns)];
            arguments.push(argument);
        }
        let select =
            Select { distinct: false, outputs, from: from.first, joins: from.joins, filter, grouping: None };
        let query = Query { with: Vec::new(), arms: vec![select], all: true };
        Some(Expr { ty: Ty::Bool, node: Node::Call { template, arguments, query: Some(Box::new(query)) } })
    }

    /// A column to compare with `argument`.
    fn output_like(&mut self, argument: &Expr, columns: &[Expr]) -> Expr {
        let alike: Vec<_> =
            columns.iter().filter(|column| letter(column.ty) == letter(argument.ty)).collect();
        match alike.as_slice() {
            [] => self.expr(argument.ty, 1, columns),
            alike => (*self.draw.pick(alike)).clone(),
        }
    }
}
