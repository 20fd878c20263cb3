//! Queries: selections, their groups, unions, and `WITH`.

use super::{
    super::{
        query::{Expr, Grouping, Node, Query, Result, Select, Template, letter},
        tables::Table,
    },
    Grammar,
    sources::From,
    templates::RAISING,
};
use crate::sql::types::Ty;

impl Grammar<'_> {
    /// A query whose columns have the types `like`, or any; and what it is as a relation without a name.
    pub(super) fn query(&mut self, depth: usize, like: Option<&[Ty]>) -> (Query, Table) {
        let (outer, raising) = (self.ctes.len(), std::mem::take(&mut self.may_raise));
        let mut with = Vec::new();
        if depth > 0 && self.draw.once_in(4) {
            let name = self.name('w');
            let (query, mut table) = self.query(depth - 1, None);
            table.name.clone_from(&name);
            self.ctes.push(table);
            with.push((name, query));
        }
        let union = if self.draw.once_in(8) { self.draw.within(2, 3) } else { 1 };
        let all = union == 1 || self.draw.once_in(2);
        self.may_raise = raising && union == 1 && with.is_empty();
        let (mut rows, mut cost) = (0, 0);
        let mut arms: Vec<Select> = Vec::new();
        let mut types = like.map(<[Ty]>::to_vec);
        for _ in 0..union {
            let (select, count, work) = self.select(depth, types.as_deref(), !all);
            types.get_or_insert_with(|| select.outputs.iter().map(|output| output.ty).collect());
            arms.push(select);
            rows += count;
            cost += work;
        }
        self.may_raise = false;
        self.ctes.truncate(outer);
        let columns = columns(&arms, all);
        (Query { with, arms, all }, Table { name: String::new(), columns, key: Vec::new(), rows, cost })
    }

    /// A selection, about how many rows it has, and how many are looked at.
    fn select(&mut self, depth: usize, like: Option<&[Ty]>, compared: bool) -> (Select, usize, usize) {
        let raising = std::mem::take(&mut self.may_raise);
        let mut from = self.from(depth, 4);
        let filter = self.filter(depth, &mut from);
        let count = self.draw.within(1, 5);
        let distinct = !raising && self.draw.once_in(8);
        let types = match like {
            Some(types) => types.to_vec(),
            None => (0..count).map(|_| self.output_type(compared || distinct, &from.columns())).collect(),
        };
        let distinct = distinct && !types.contains(&Ty::Jsonb);
        let (outputs, grouping) = match self.draw.below(5) {
            0 | 1 if !raising => self.grouped(&from, &types, like.is_none(), compared || distinct),
            2 if !raising && like.is_none() => (self.numbered(&from, &types), None),
            _ => (self.plain(&from, &types, raising), None),
        };
        let rows = match &grouping {
            Some(grouping) if grouping.by.is_empty() => 1,
            Some(_) => from.rows / 2 + 1,
            None => from.rows,
        };
        (Select { distinct, outputs, from: from.first, joins: from.joins, filter, grouping }, rows, from.cost)
    }

    fn output_type(&mut self, compared: bool, columns: &[Expr]) -> Ty {
        match self.ty(columns) {
            Ty::Jsonb if compared => Ty::Bigint,
            ty => ty,
        }
    }

    fn filter(&mut self, depth: usize, from: &mut From) -> Vec<Expr> {
        let columns = from.columns();
        let mut filter = Vec::new();
        for _ in 0..*self.draw.pick(&[0, 0, 0, 1, 1, 2]) {
            let condition = self.varying(Ty::Bool, 2, &columns);
            // What is drawn is seldom true: in half of the cases that is what holds.
            filter.push(if self.draw.once_in(2) { condition } else { not_true(condition) });
        }
        if self.draw.once_in(5) {
            filter.extend(self.condition(depth, from));
        }
        filter
    }

    fn plain(&mut self, from: &From, types: &[Ty], raising: bool) -> Vec<Expr> {
        let columns = from.columns();
        let mut outputs: Vec<_> = types.iter().map(|ty| self.output(*ty, &columns)).collect();
        if raising && let Some(call) = self.raising(&from.table_columns()) {
            outputs.push(call);
        }
        outputs
    }

    /// Half of all outputs are columns as they are.
    fn output(&mut self, ty: Ty, leaves: &[Expr]) -> Expr {
        let depth = if self.draw.once_in(2) { 0 } else { 2 };
        self.varying(ty, depth, leaves)
    }

    fn numbered(&mut self, from: &From, types: &[Ty]) -> Vec<Expr> {
        let mut outputs = self.plain(from, types, false);
        outputs.extend(self.window(from));
        outputs
    }

    /// Groups by something or by nothing, and what is computed over them: of these types unless `free`.
    fn grouped(
        &mut self,
        from: &From,
        types: &[Ty],
        free: bool,
        compared: bool,
    ) -> (Vec<Expr>, Option<Grouping>) {
        let columns = from.columns();
        let by: Vec<_> = (0..self.draw.below(4)).map(|_| one_term(self.term(&columns))).collect();
        let aggregates: Vec<_> = (0..self.draw.within(1, 4)).map(|_| self.aggregate(&columns)).collect();
        let leaves = [by.clone(), aggregates].concat();
        let having = self.draw.once_in(5).then(|| self.varying(Ty::Bool, 2, &leaves));
        // By ordinals, the terms are the first outputs.
        if free && self.draw.once_in(2) {
            let mut outputs = leaves;
            outputs.retain(|leaf| !compared || leaf.ty != Ty::Jsonb);
            if !outputs.is_empty() {
                return (outputs, Some(Grouping { by, ordinals: true, having }));
            }
            return (vec![self.leaf(Ty::Bigint, &[])], Some(Grouping { by, ordinals: true, having }));
        }
        let outputs = types.iter().map(|ty| self.grouped_output(*ty, &leaves)).collect();
        let by = by.into_iter().filter(|term| !term.is_constant()).collect();
        (outputs, Some(Grouping { by, ordinals: false, having }))
    }

    fn term(&mut self, columns: &[Expr]) -> Expr {
        let ty = self.output_type(true, columns);
        let depth = if self.draw.once_in(3) { 2 } else { 0 };
        self.varying(ty, depth, columns)
    }

    fn grouped_output(&mut self, ty: Ty, leaves: &[Expr]) -> Expr {
        let alike = leaves.iter().any(|leaf| letter(leaf.ty) == letter(ty));
        let depth = if alike && self.draw.once_in(2) { 0 } else { 2 };
        self.expr(ty, depth, leaves)
    }
}

/// PostgreSQL reads `(a OR b) OR c` as `a OR b OR c`, in which it does not find `a OR b` again.
fn one_term(term: Expr) -> Expr {
    match &term.node {
        Node::Call { template, .. } if matches!(template.name, "AND" | "OR") => not_true(term),
        _ => term,
    }
}

fn not_true(condition: Expr) -> Expr {
    static NOT_TRUE: Template =
        Template { name: "IS TRUE", text: "{b} IS NOT TRUE", result: Result::Of(Ty::Bool) };
    let node = Node::Call { template: &NOT_TRUE, arguments: vec![condition], query: None };
    Expr { ty: Ty::Bool, node }
}

/// The columns of a union of `arms` that others can use: none whose value depends on the order of its rows. Nor a rank
/// that is made distinct: PostgreSQL 15 stops counting where a condition on it cannot hold any more, and takes what it has by
/// then for the next row of the query around, too.
fn columns(arms: &[Select], all: bool) -> Vec<(String, Ty)> {
    let width = arms[0].outputs.len();
    let is_cut =
        |arm: &Select, at: usize| (arm.distinct || !all) && matches!(arm.outputs[at].node, Node::Window(_));
    let column = |at: usize| {
        let ty = arms.iter().map(|arm| arm.outputs[at].ty).find(|ty| *ty != Ty::Integer);
        let exact = arms.iter().all(|arm| is_exact(&arm.outputs[at]) && !is_cut(arm, at));
        exact.then(|| (format!("c{}", at + 1), ty.unwrap_or(Ty::Integer)))
    };
    (0..width).filter_map(column).collect()
}

/// A mean of doubles is no multiple of a power of two, so that sums of means depend on their order. And whether what
/// can raise is computed at all is PostgreSQL's choice, when it is part of something larger.
fn is_exact(expr: &Expr) -> bool {
    match &expr.node {
        Node::Aggregate(aggregate) => !(aggregate.name == "avg" && expr.ty == Ty::Double),
        Node::Call { template, arguments, .. } => {
            !RAISING.contains(template) && arguments.iter().all(is_exact)
        }
        Node::Column { .. } | Node::Literal(_) | Node::Window(_) => true,
    }
}
