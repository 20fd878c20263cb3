//! What follows FROM.

use super::{
    super::{
        query::{Expr, Join, Relation, Source, letter},
        tables::Table,
    },
    Grammar, MANY_ROWS, MUCH_WORK,
};
use crate::sql::types::Ty;

/// FROM, and what it makes visible.
pub(super) struct From {
    pub(super) first: Source,
    pub(super) joins: Vec<Join>,
    pub(super) visible: Vec<Visible>,
    pub(super) rows: usize,
    pub(super) cost: usize,
}

/// A source, and what it stands for.
pub(super) struct Visible {
    pub(super) alias: String,
    pub(super) table: Table,
}

impl Visible {
    fn columns(&self) -> Vec<Expr> {
        self.table.columns.iter().map(|(name, ty)| Expr::column(&self.alias, name, *ty)).collect()
    }

    /// Columns that tell its rows apart, or by which those that they do not tell apart are equal; none if there are no
    /// such columns.
    fn identity(&self) -> Option<Vec<Expr>> {
        if !self.table.key.is_empty() {
            let columns = self.columns().into_iter().zip(&self.table.columns);
            return Some(
                columns
                    .filter(|(_, (name, _))| self.table.key.contains(name))
                    .map(|(column, _)| column)
                    .collect(),
            );
        }
        let comparable = self.table.columns.iter().all(|(_, ty)| *ty != Ty::Jsonb);
        (comparable && !self.table.columns.is_empty()).then(|| self.columns())
    }
}

impl From {
    pub(super) fn columns(&self) -> Vec<Expr> {
        self.visible.iter().flat_map(Visible::columns).collect()
    }

    /// Those of tables, whose values nobody knows before there are rows.
    pub(super) fn table_columns(&self) -> Vec<Expr> {
        self.visible
            .iter()
            .filter(|visible| !visible.table.key.is_empty())
            .flat_map(Visible::columns)
            .collect()
    }

    /// By these, rows are in a total order, but for rows that are equal in every way.
    pub(super) fn identity(&self) -> Option<Vec<Expr>> {
        let parts: Option<Vec<_>> = self.visible.iter().map(Visible::identity).collect();
        Some(parts?.concat())
    }
}

impl Grammar<'_> {
    /// Up to `most` sources, joined.
    pub(super) fn from(&mut self, depth: usize, most: usize) -> From {
        let (first, visible) = self.source(depth);
        let Table { rows, cost, .. } = visible.table;
        let mut from = From { first, joins: Vec::new(), rows, cost, visible: vec![visible] };
        let count = (*self.draw.pick(&[1, 1, 1, 2, 2, 2, 3, 4])).min(most);
        for _ in 1..count {
            self.join(&mut from, depth);
        }
        from
    }

    fn source(&mut self, depth: usize) -> (Source, Visible) {
        let alias = self.name('a');
        if depth > 0 && self.draw.once_in(3) {
            let (query, table) = self.query(depth - 1, None);
            let relation = Relation::Query(Box::new(query));
            return (Source { relation, alias: alias.clone() }, Visible { alias, table });
        }
        let choices = if self.ctes.is_empty() || self.draw.once_in(2) { &self.relations } else { &self.ctes };
        let cheap: Vec<_> = choices.iter().filter(|table| table.cost < MUCH_WORK).collect();
        let table = match cheap.as_slice() {
            [] => self.draw.pick(&self.relations[..self.tables]).clone(),
            cheap => (*self.draw.pick(cheap)).clone(),
        };
        let relation = Relation::Named(table.name.clone());
        (Source { relation, alias: alias.clone() }, Visible { alias, table })
    }

    /// Adds a join, unless the rows would be too many, or nothing of both can be equal.
    fn join(&mut self, from: &mut From, depth: usize) {
        let (source, visible) = if self.draw.once_in(4) { self.again(from) } else { self.source(depth) };
        let rows = from.rows * visible.table.rows / 5;
        let columns = visible.columns();
        let Some(equal) = self.equality(&from.columns(), &columns).filter(|_| rows < MANY_ROWS) else {
            return;
        };
        let cost = from.cost + visible.table.cost + rows;
        let kind = *self.draw.pick(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let mut on = vec![equal];
        if self.draw.once_in(4) {
            on.extend(self.equality(&from.columns(), &columns));
        }
        // PostgreSQL has a FULL JOIN by equalities alone.
        if kind != "FULL JOIN" && self.draw.once_in(4) {
            let leaves = [from.columns(), columns].concat();
            on.push(self.varying(Ty::Bool, 2, &leaves));
        }
        from.joins.push(Join { kind, source, on });
        from.visible.push(visible);
        (from.rows, from.cost) = (rows.max(1), cost);
    }

    /// One of the relations that are there already, for a self-join.
    fn again(&mut self, from: &From) -> (Source, Visible) {
        let sources: Vec<_> =
            std::iter::once(&from.first).chain(from.joins.iter().map(|join| &join.source)).collect();
        let at = self.draw.below(sources.len());
        let alias = self.name('a');
        let table = from.visible[at].table.clone();
        match &sources[at].relation {
            Relation::Named(name) => {
                let relation = Relation::Named(name.clone());
                (Source { relation, alias: alias.clone() }, Visible { alias, table })
            }
            Relation::Query(_) => self.source(0),
        }
    }

    /// That a column of one side equals one of the other: by preference those of a key.
    pub(super) fn equality(&mut self, left: &[Expr], right: &[Expr]) -> Option<Expr> {
        let mut pairs = Vec::new();
        for one in left {
            for other in
                right.iter().filter(|other| letter(other.ty) == letter(one.ty) && one.ty != Ty::Jsonb)
            {
                let key = [one, other].iter().any(|column| column.to_string().contains(".k"));
                pairs.extend(std::iter::repeat_n((one, other), if key { 4 } else { 1 }));
            }
        }
        if pairs.is_empty() {
            return None;
        }
        let (one, other) = *self.draw.pick(&pairs);
        Some(equal(one.clone(), other.clone()))
    }
}

fn equal(one: Expr, other: Expr) -> Expr {
    use super::super::query::{Node, Result, Template};
    static EQUAL: Template = Template { name: "comparison", text: "{x} = {x}", result: Result::Of(Ty::Bool) };
    Expr { ty: Ty::Bool, node: Node::Call { template: &EQUAL, arguments: vec![one, other], query: None } }
}
