//! Queries, SELECTs, FROM and ORDER BY.

use super::{Dialect, Writer, literal, sqlite::collate_clause};
use crate::sql::{
    relational::{Body, Cte, Expr, From, JoinKind, Literal, Query, Select, SetOperator, Sort, SortKey},
    walk,
};

impl Writer {
    pub(super) fn query(&mut self, query: &Query) {
        self.ctes(&query.ctes);
        self.body(query);
        if !query.order_by.is_empty() {
            self.push(" ORDER BY ");
            self.list(&query.order_by, |this, sort| this.sort(sort, Some(query)));
        }
        // SQLite has no OFFSET without LIMIT.
        let needed = self.dialect == Dialect::Sqlite && query.offset.is_some();
        if query.limit.is_some() || needed {
            self.push(" LIMIT ");
            self.bound("pg_limit", query.limit.as_ref(), "-1");
        }
        if query.offset.is_some() {
            self.push(" OFFSET ");
            self.bound("pg_offset", query.offset.as_ref(), "0");
        }
    }

    fn ctes(&mut self, ctes: &[Cte]) {
        if ctes.is_empty() {
            return;
        }
        self.push(if ctes.iter().any(|cte| cte.recursive) { "WITH RECURSIVE " } else { "WITH " });
        self.list(ctes, |this, cte| {
            this.identifier(&cte.label);
            this.push("(");
            this.list(&cte.query.fields, |this, field| this.identifier(&field.label));
            this.push(") AS (");
            this.query(&cte.query);
            this.push(")");
        });
        self.push(" ");
    }

    /// PostgreSQL itself refuses a negative one.
    fn bound(&mut self, function: &str, value: Option<&Expr>, none: &str) {
        match (value, value.and_then(literal)) {
            (None, _) => self.push(none),
            (_, Some(Literal::Integer(count))) if *count >= 0 => self.push(&count.to_string()),
            (Some(value), _) if self.dialect == Dialect::Postgres => self.expr(value),
            (Some(value), _) => {
                self.push(function);
                self.push("(");
                self.expr(value);
                self.push(")");
            }
        }
    }

    fn body(&mut self, query: &Query) {
        match &query.body {
            Body::Select(select) => self.select(select, query),
            Body::SetOperation { operator, all, left, right } => {
                // SQLite works a chain off from the left, as PostgreSQL does with operators of one rank.
                self.operand(left, matches!(left.body, Body::Values(_)));
                self.push(match (operator, all) {
                    (SetOperator::Union, true) => " UNION ALL ",
                    (SetOperator::Union, false) => " UNION ",
                    (SetOperator::Intersect, _) => " INTERSECT ",
                    (SetOperator::Except, _) => " EXCEPT ",
                });
                self.operand(right, !matches!(right.body, Body::Select(_)));
            }
            Body::Values(rows) => {
                self.push("VALUES ");
                self.list(rows, |this, row| {
                    this.push("(");
                    match this.dialect {
                        Dialect::Sqlite => this.list(row, Self::expr),
                        Dialect::Postgres => this.list(row, Self::ordered),
                    }
                    this.push(")");
                });
            }
        }
    }

    /// SQLite has no parentheses around operands: a sub-query takes their place.
    fn operand(&mut self, query: &Query, wrapped: bool) {
        if self.dialect == Dialect::Postgres {
            self.push("(");
            self.query(query);
            return self.push(")");
        }
        let plain = query.order_by.is_empty()
            && query.limit.is_none()
            && query.offset.is_none()
            && query.ctes.is_empty();
        // When the rows of a set operation are read one by one, SQLite (3.51) finds rows in a FULL JOIN of empty tables.
        let full =
            matches!(&query.body, Body::Select(select) if select.from.as_ref().is_some_and(has_full_join));
        if plain && !wrapped && !full {
            return self.body(query);
        }
        self.push("SELECT * FROM (");
        self.query(query);
        self.push(")");
    }

    fn select(&mut self, select: &Select, query: &Query) {
        self.push(if select.distinct { "SELECT DISTINCT " } else { "SELECT " });
        let columns: Vec<_> = select.projection.iter().zip(&query.fields).collect();
        let one_group = select.group_by.as_ref().is_some_and(Vec::is_empty)
            && !select.projection.iter().any(walk::has_aggregate);
        // SQLite takes a query for one of aggregates by its columns alone, whatever HAVING says.
        let mut unmarked = one_group && self.dialect == Dialect::Sqlite;
        self.list(&columns, |this, (value, field)| {
            let marked = std::mem::take(&mut unmarked);
            this.push(if marked { "CASE WHEN count(*) >= 0 THEN " } else { "" });
            if marked {
                this.expr(value);
                this.push(" END");
                this.collate(value);
            } else {
                // DISTINCT, set operations and a query around go by the collation of the column.
                this.ordered(value);
            }
            this.push(" AS ");
            this.identifier(&field.label);
        });
        if let Some(from) = &select.from {
            self.push(" FROM ");
            self.from(from);
        }
        if let Some(filter) = &select.filter {
            self.push(" WHERE ");
            self.condition(filter);
        }
        if let Some(groups) = select.group_by.as_ref().filter(|groups| !groups.is_empty()) {
            self.push(" GROUP BY ");
            self.list(groups, Self::key);
        }
        if one_group && self.dialect == Dialect::Postgres {
            self.push(" GROUP BY ()");
        }
        if let Some(having) = &select.having {
            self.push(" HAVING ");
            self.condition(having);
        }
    }

    fn from(&mut self, from: &From) {
        match from {
            From::Relation { id, name } | From::Cte { id, label: name } => {
                self.identifier(name);
                self.push(&format!(" AS {id}"));
            }
            From::Query { id, query } => {
                self.push("(");
                self.query(query);
                self.push(&format!(") AS {id}"));
            }
            From::Join { kind, left, right, on } => {
                // A RIGHT JOIN is a LEFT JOIN read backwards, of which SQLite makes better plans, and fewer mistakes.
                let (left, right) = if *kind == JoinKind::Right { (right, left) } else { (left, right) };
                let nested = matches!(left.as_ref(), From::Join { .. }) && *kind == JoinKind::Right;
                self.push(if nested { "(" } else { "" });
                self.from(left);
                self.push(if nested { ")" } else { "" });
                self.push(match kind {
                    JoinKind::Inner => " JOIN ",
                    JoinKind::Left | JoinKind::Right => " LEFT JOIN ",
                    JoinKind::Full => " FULL JOIN ",
                });
                let nested = matches!(right.as_ref(), From::Join { .. });
                self.push(if nested { "(" } else { "" });
                self.from(right);
                self.push(if nested { ")" } else { "" });
                match on {
                    Some(on) => {
                        self.push(" ON ");
                        self.condition(on);
                    }
                    // SQLite takes a join without a condition.
                    None if self.dialect == Dialect::Postgres => self.push(" ON TRUE"),
                    None => {}
                }
            }
        }
    }

    /// Where NULLs go is said only where there can be some: an index in order stays usable.
    pub(super) fn sort(&mut self, sort: &Sort, query: Option<&Query>) {
        let nullable = match &sort.by {
            SortKey::Expr(value) => {
                self.sort_key(value);
                value.nullable
            }
            SortKey::Field(at) => {
                self.push(&(at + 1).to_string());
                let field = query.and_then(|query| query.fields.get(*at));
                let collation = field.and_then(|field| self.dialect.collation(field.ty));
                self.push(&collate_clause(collation));
                field.is_none_or(|field| field.nullable)
            }
        };
        self.push(if sort.descending { " DESC" } else { "" });
        if nullable {
            self.push(if sort.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
    }

    /// What is sorted by.
    fn sort_key(&mut self, value: &Expr) {
        match self.dialect {
            Dialect::Sqlite => self.key(value),
            Dialect::Postgres if value.is_literal() => self.key(value),
            Dialect::Postgres => self.ordered(value),
        }
    }

    /// What is grouped by. A bare number would be taken for a result column.
    pub(super) fn key(&mut self, value: &Expr) {
        match self.dialect {
            Dialect::Sqlite if value.is_literal() => {
                self.push("ifnull(");
                self.expr(value);
                self.push(", NULL)");
            }
            Dialect::Postgres if value.is_literal() => self.postgres_constant(value),
            _ => self.expr(value),
        }
        self.collate(value);
    }

    /// An expression that tells by what it is ordered.
    pub(super) fn ordered(&mut self, value: &Expr) {
        match self.dialect {
            Dialect::Sqlite => {
                self.expr(value);
                self.sqlite_collate(value);
            }
            Dialect::Postgres => self.postgres_ordered(value),
        }
    }

    /// By what the expression is compared, behind it.
    pub(super) fn collate(&mut self, value: &Expr) {
        if self.dialect == Dialect::Sqlite {
            self.sqlite_collate(value);
        }
    }
}

fn has_full_join(from: &From) -> bool {
    match from {
        From::Relation { .. } | From::Query { .. } | From::Cte { .. } => false,
        From::Join { kind, left, right, .. } => {
            *kind == JoinKind::Full || has_full_join(left) || has_full_join(right)
        }
    }
}
