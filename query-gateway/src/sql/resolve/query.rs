//! Queries: WITH, set operations, VALUES, LIMIT.

use sqlparser::ast::{
    self, Cte as CteAst, LimitClause, OrderByExpr, OrderByKind, SetExpr, SetOperator as SetOperatorAst,
    SetQuantifier, With,
};

use super::{Place, Resolver, VisibleCte, fold};
use crate::sql::{
    error::{Problem, SqlError},
    relational::{Body, Cte, Expr, Field, From, Query, Select, SetOperator, Sort},
    scope::Scope,
    types::Ty,
};

/// A body with the order that was asked for.
pub(super) struct Ordered {
    pub(super) body: Body,
    pub(super) fields: Vec<Field>,
    pub(super) order_by: Vec<Sort>,
}

impl Resolver<'_> {
    /// A query of its own; quoted literals in its result are text.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Query, SqlError> {
        let mut resolved = self.deeper(|this| this.open_query(query))?;
        let types: Vec<Ty> = resolved.fields.iter().map(|field| settled(field.ty)).collect();
        self.retype(&mut resolved, &types)?;
        Ok(resolved)
    }

    /// A query whose quoted literals may still take the types of another operand.
    fn open_query(&mut self, query: &ast::Query) -> Result<Query, SqlError> {
        refuse_clauses(query)?;
        let visible = self.ctes.len();
        let ctes = match &query.with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let sorts = order_terms(query)?;
        let Ordered { body, fields, order_by } = self.body(&query.body, sorts)?;
        let (limit, offset) = self.bounds(query)?;
        self.ctes.truncate(visible);
        Ok(Query { ctes, body, fields, order_by, limit, offset })
    }

    fn body(&mut self, body: &SetExpr, sorts: &[OrderByExpr]) -> Result<Ordered, SqlError> {
        let (body, fields) = match body {
            SetExpr::Select(select) => return self.select(select, sorts),
            SetExpr::Query(query) => self.parenthesized(query)?,
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                self.set_operation(left, *op, *set_quantifier, right)?
            }
            SetExpr::Values(values) => {
                self.values(&values.rows.iter().map(|row| row.as_slice()).collect::<Vec<_>>())?
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return Err(SqlError::refused(
                    "data change",
                    "only SELECT is answered here",
                    "write through the services",
                ));
            }
            SetExpr::Table(table) => {
                return Err(SqlError::refused(
                    table.to_string(),
                    "TABLE is not supported",
                    "write SELECT * FROM ..",
                ));
            }
        };
        let order_by = self.order_by_fields(sorts, &fields)?;
        Ok(Ordered { body, fields, order_by })
    }

    /// `(query)` as a row source: its own order and limit stay inside.
    fn parenthesized(&mut self, query: &ast::Query) -> Result<(Body, Vec<Field>), SqlError> {
        let query = self.deeper(|this| this.open_query(query))?;
        let id = self.new_source();
        let fields = query.fields.clone();
        let projection = fields.iter().map(|field| super::from::column(id, field)).collect();
        let from = Some(From::Query { id, query: Box::new(query) });
        let select = Select { distinct: false, projection, from, filter: None, group_by: None, having: None };
        Ok((Body::Select(Box::new(select)), fields))
    }

    fn set_operation(
        &mut self,
        left: &SetExpr,
        operator: SetOperatorAst,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Result<(Body, Vec<Field>), SqlError> {
        let clause = format!("{operator} {quantifier}");
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            _ => {
                return Err(SqlError::refused(
                    clause,
                    "columns are matched by position alone",
                    "leave BY NAME out",
                ));
            }
        };
        let operator = match operator {
            SetOperatorAst::Union => SetOperator::Union,
            SetOperatorAst::Intersect => SetOperator::Intersect,
            SetOperatorAst::Except => SetOperator::Except,
            SetOperatorAst::Minus => {
                return Err(SqlError::refused("MINUS", "it is no PostgreSQL", "write EXCEPT"));
            }
        };
        if all && operator != SetOperator::Union {
            return Err(SqlError::refused(
                clause.trim(),
                "ALL goes with UNION alone",
                "leave ALL out, or count with GROUP BY",
            ));
        }
        let mut left = self.operand(left)?;
        let mut right = self.operand(right)?;
        let fields = self.unify(&clause, &mut left, &mut right)?;
        if !all {
            require_comparable(&clause, &fields)?;
        }
        Ok((Body::SetOperation { operator, all, left: Box::new(left), right: Box::new(right) }, fields))
    }

    fn operand(&mut self, operand: &SetExpr) -> Result<Query, SqlError> {
        let ordered = self.deeper(|this| this.body(operand, &[]))?;
        let Ordered { body, fields, order_by } = ordered;
        Ok(Query { ctes: Vec::new(), body, fields, order_by, limit: None, offset: None })
    }

    /// Converts the columns of both operands to their common types.
    fn unify(&mut self, clause: &str, left: &mut Query, right: &mut Query) -> Result<Vec<Field>, SqlError> {
        let clause = clause.trim();
        if left.fields.len() != right.fields.len() {
            let reason =
                format!("the left side has {} columns, the right {}", left.fields.len(), right.fields.len());
            return Err(SqlError::wrong(clause, reason));
        }
        let mut types = Vec::new();
        for (left, right) in left.fields.iter().zip(&right.fields) {
            let common = left.ty.common(right.ty).ok_or_else(|| {
                let reason = format!(
                    "column \"{}\" is {} on the left and {} on the right",
                    left.name, left.ty, right.ty
                );
                SqlError::refused(clause, reason, "cast one of them")
            })?;
            types.push(common);
        }
        self.retype(left, &types)?;
        self.retype(right, &types)?;
        let fields = left.fields.iter().zip(&right.fields);
        Ok(fields
            .map(|(left, right)| Field { nullable: left.nullable || right.nullable, ..left.clone() })
            .collect())
    }

    /// Converts the result of a query, column by column.
    pub(super) fn retype(&mut self, query: &mut Query, types: &[Ty]) -> Result<(), SqlError> {
        let rows: Vec<&mut Vec<Expr>> = match &mut query.body {
            Body::Select(select) => vec![&mut select.projection],
            Body::Values(rows) => rows.iter_mut().collect(),
            Body::SetOperation { left, right, .. } => {
                self.retype(left, types)?;
                self.retype(right, types)?;
                Vec::new()
            }
        };
        for row in rows {
            for (value, ty) in row.iter_mut().zip(types) {
                if value.ty != *ty {
                    let original = std::mem::replace(value, Expr::null(*ty));
                    *value = self.coerce(original, *ty, "result column")?;
                }
            }
        }
        for (field, ty) in query.fields.iter_mut().zip(types) {
            field.ty = *ty;
        }
        Ok(())
    }

    fn values(&mut self, rows: &[&[ast::Expr]]) -> Result<(Body, Vec<Field>), SqlError> {
        let resolve_row =
            |this: &mut Self, row: &[ast::Expr]| row.iter().map(|value| this.expr(value)).collect();
        let resolved: Result<Vec<Vec<Expr>>, _> = self
            .within(Place::plain("VALUES"), |this| rows.iter().map(|row| resolve_row(this, row)).collect());
        let mut resolved = resolved?;
        let width = resolved.first().map_or(0, Vec::len);
        if resolved.iter().any(|row| row.len() != width) {
            return Err(SqlError::wrong("VALUES", "all rows must have the same number of values"));
        }
        let mut fields = Vec::new();
        for at in 0..width {
            let column: Vec<Expr> = resolved.iter().map(|row| row[at].clone()).collect();
            let (column, ty) = self.common_type("VALUES", column)?;
            let nullable = column.iter().any(|value| value.nullable);
            for (row, value) in resolved.iter_mut().zip(column) {
                row[at] = value;
            }
            let name = format!("column{}", at + 1);
            fields.push(Field { label: name.clone(), name, ty, nullable });
        }
        Ok((Body::Values(resolved), fields))
    }

    fn with(&mut self, with: &With) -> Result<Vec<Cte>, SqlError> {
        let mut ctes: Vec<Cte> = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            let label = format!("{name}#{}", self.next_cte);
            self.next_cte += 1;
            let (query, recursive) = match (with.recursive, &*cte.query.body) {
                (true, SetExpr::SetOperation { left, op: SetOperatorAst::Union, set_quantifier, right }) => {
                    self.recursive(cte, &label, (left, *set_quantifier, right))?
                }
                _ => (self.query(&cte.query)?, false),
            };
            let mut fields = query.fields.clone();
            super::from::rename(&name, fields.iter_mut().map(|field| &mut field.name), &cte.alias.columns)?;
            self.ctes.push(VisibleCte { name, label: label.clone(), fields, referenced: false });
            ctes.push(Cte { label, query, recursive });
        }
        Ok(ctes)
    }

    /// The left operand is resolved first: its columns are what the right one refers to.
    fn recursive(
        &mut self,
        cte: &CteAst,
        label: &str,
        (left, quantifier, right): (&SetExpr, SetQuantifier, &SetExpr),
    ) -> Result<(Query, bool), SqlError> {
        refuse_clauses(&cte.query)?;
        if cte.query.order_by.is_some() || cte.query.limit_clause.is_some() {
            return Err(SqlError::refused(
                "WITH RECURSIVE",
                "ORDER BY and LIMIT do not go inside",
                "put them after it",
            ));
        }
        let mut start = self.operand(left)?;
        // What starts as a small literal goes on as sums with it.
        let widened = |ty| if ty == Ty::Integer { Ty::Bigint } else { settled(ty) };
        let types: Vec<Ty> = start.fields.iter().map(|field| widened(field.ty)).collect();
        self.retype(&mut start, &types)?;
        let mut fields = start.fields.clone();
        fields.iter_mut().for_each(|field| field.nullable = true);
        let mut visible = fields.clone();
        let name = fold(&cte.alias.name);
        super::from::rename(&name, visible.iter_mut().map(|field| &mut field.name), &cte.alias.columns)?;
        self.ctes.push(VisibleCte { name, label: label.to_owned(), fields: visible, referenced: false });
        let mut step = self.operand(right)?;
        let recursive = self.ctes.pop().is_some_and(|cte| cte.referenced);
        if step.fields.len() != types.len() {
            return Err(SqlError::wrong(
                "WITH RECURSIVE",
                "both sides of the UNION must have the same columns",
            ));
        }
        for (from, to) in step.fields.iter().zip(&types) {
            if from.ty.implicit_cost(*to).is_none() {
                let reason = format!("column \"{}\" starts as {to} and goes on as {}", from.name, from.ty);
                return Err(SqlError::refused("WITH RECURSIVE", reason, "cast one of them"));
            }
        }
        self.retype(&mut step, &types)?;
        let all = quantifier == SetQuantifier::All;
        let operator = SetOperator::Union;
        let body = Body::SetOperation { operator, all, left: Box::new(start), right: Box::new(step) };
        let query = Query { ctes: Vec::new(), body, fields, order_by: Vec::new(), limit: None, offset: None };
        Ok((query, recursive))
    }

    fn bounds(&mut self, query: &ast::Query) -> Result<(Option<Expr>, Option<Expr>), SqlError> {
        let (limit, offset) = match (&query.limit_clause, &query.fetch) {
            (None, None) => (None, None),
            (Some(LimitClause::LimitOffset { limit, offset, limit_by }), None) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            (None, Some(fetch)) if !fetch.with_ties && !fetch.percent => (fetch.quantity.as_ref(), None),
            _ => {
                return Err(SqlError::refused(
                    "LIMIT",
                    "this form is not supported",
                    "write LIMIT .. OFFSET ..",
                ));
            }
        };
        let mut bound = |clause, value: Option<&ast::Expr>| match value {
            None => Ok(None),
            Some(value) => self.bound(clause, value).map(Some),
        };
        Ok((bound("LIMIT", limit)?, bound("OFFSET", offset)?))
    }

    /// A number of rows: no column is in sight.
    fn bound(&mut self, clause: &'static str, value: &ast::Expr) -> Result<Expr, SqlError> {
        let scopes = std::mem::replace(&mut self.scopes, vec![Scope::default()]);
        let resolved = self.within(Place::plain(clause), |this| {
            let value = this.expr(value)?;
            this.coerce(value, Ty::Bigint, clause)
        });
        self.scopes = scopes;
        resolved.map_err(|error| match error.problem {
            Problem::UnknownColumn { .. } => SqlError::wrong(clause, "it cannot depend on a row"),
            _ => error,
        })
    }
}

/// A type that does not wait for its place any more.
pub(super) fn settled(ty: Ty) -> Ty {
    if ty == Ty::Unknown { Ty::Text } else { ty }
}

/// Duplicates can be found among values of these types.
pub(super) fn require_comparable(clause: &str, fields: &[Field]) -> Result<(), SqlError> {
    match fields.iter().find(|field| !field.ty.is_comparable()) {
        None => Ok(()),
        Some(field) => Err(SqlError::refused(
            clause.trim(),
            format!("column \"{}\" is {}, which is not compared", field.name, field.ty),
            "take a field out of it with ->>",
        )),
    }
}

fn refuse_clauses(query: &ast::Query) -> Result<(), SqlError> {
    let locks = (!query.locks.is_empty(), "FOR UPDATE", "there is nothing to lock: answers are snapshots");
    let unsupported = [
        locks,
        (query.for_clause.is_some(), "FOR", "this form is not supported"),
        (query.settings.is_some(), "SETTINGS", "it is no PostgreSQL"),
        (query.format_clause.is_some(), "FORMAT", "it is no PostgreSQL"),
        (!query.pipe_operators.is_empty(), "|>", "it is no PostgreSQL"),
    ];
    match unsupported.iter().find(|(present, _, _)| *present) {
        None => Ok(()),
        Some((_, clause, reason)) => Err(SqlError::refused(*clause, *reason, "leave it out")),
    }
}

fn order_terms(query: &ast::Query) -> Result<&[OrderByExpr], SqlError> {
    match query.order_by.as_ref().map(|order| (&order.kind, &order.interpolate)) {
        None => Ok(&[]),
        Some((OrderByKind::Expressions(terms), None)) => Ok(terms),
        Some(_) => Err(SqlError::refused("ORDER BY", "this form is not supported", "name the columns")),
    }
}
