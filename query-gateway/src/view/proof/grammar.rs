//! Draws views over the whole dialect. What is drawn has one right answer: sums do not depend on the order of rows, and
//! numbering is by a total order.

mod aggregates;
mod conditions;
mod expressions;
mod select;
mod sources;
pub(super) mod templates;
mod windows;

use super::{draw::Draw, query::Query, tables::Table};
use crate::sql::types::Ty;

/// Rows of a relation beyond which it is not joined with more: a case has to be fast.
const MANY_ROWS: usize = 1_500;

/// Rows looked at for a relation beyond which it is not read by others, and for what is computed for each row of another.
const MUCH_WORK: usize = 5_000;

/// What a view can be drawn from, and the choices.
pub(super) struct Grammar<'d> {
    draw: &'d mut Draw,
    /// Tables, and the views so far.
    relations: Vec<Table>,
    /// How many of them are tables.
    tables: usize,
    /// What `WITH` of the queries around names.
    ctes: Vec<Table>,
    names: usize,
    /// Whether something that can raise may be drawn, as of now.
    may_raise: bool,
}

impl<'d> Grammar<'d> {
    pub(super) fn new(draw: &'d mut Draw, relations: Vec<Table>) -> Self {
        let tables = relations.len();
        Self { draw, relations, tables, ctes: Vec::new(), names: 0, may_raise: false }
    }

    /// A view that later ones may read under `name`.
    pub(super) fn view(&mut self, name: &str) -> Query {
        self.names = 0;
        self.may_raise = self.draw.once_in(8);
        let depth = *self.draw.pick(&[0, 0, 1, 1, 1, 2]);
        let (query, mut table) = self.query(depth, None);
        table.name = name.to_owned();
        // An integer is a bigint as soon as it is a column of a view, see `sql`; sums of it are of another type then.
        table.columns.retain(|(_, ty)| *ty != Ty::Integer);
        self.relations.push(table);
        query
    }

    /// A name that is used once in the view.
    fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }
}
