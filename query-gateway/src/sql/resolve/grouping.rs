//! With GROUP BY, a result is made of groups, aggregates and constants alone.

use super::Resolver;
use crate::sql::{
    error::SqlError,
    relational::{Expr, ExprKind, From, SourceId},
    walk,
};

/// The groups of a SELECT.
pub(super) struct Grouping<'g> {
    pub(super) groups: &'g [Expr],
    /// Row sources of this SELECT; columns of others are constants to it.
    pub(super) sources: &'g [SourceId],
    /// Row sources whose whole key is grouped by: all their columns are the same within a group.
    pub(super) determined: &'g [SourceId],
}

impl Grouping<'_> {
    pub(super) fn check_all(&self, exprs: &[&Expr]) -> Result<(), SqlError> {
        exprs.iter().try_for_each(|expr| self.check(expr))
    }

    fn check(&self, expr: &Expr) -> Result<(), SqlError> {
        if self.groups.contains(expr) || matches!(expr.kind, ExprKind::Aggregate(_)) {
            return Ok(());
        }
        self.check_column(expr)?;
        if let Some(query) = walk::sub_query(expr) {
            let mut result = Ok(());
            walk::visit_query(query, &mut |inner| {
                if result.is_ok() && !self.groups.contains(inner) {
                    result = self.check_column(inner);
                }
            });
            result?;
        }
        walk::children(expr).into_iter().try_for_each(|child| self.check(child))
    }

    fn check_column(&self, expr: &Expr) -> Result<(), SqlError> {
        let ExprKind::Column { source, label } = &expr.kind else { return Ok(()) };
        if !self.sources.contains(source) || self.determined.contains(source) {
            return Ok(());
        }
        Err(SqlError::refused(
            format!("column \"{label}\""),
            "it is neither in GROUP BY nor in an aggregate",
            "add it to GROUP BY, or take min(..) or max(..) of it",
        ))
    }
}

impl Resolver<'_> {
    /// The tables of a FROM whose whole key is among the groups.
    pub(super) fn determined(&self, from: &From, groups: &[Expr]) -> Vec<SourceId> {
        match from {
            From::Query { .. } | From::Cte { .. } => Vec::new(),
            From::Join { left, right, .. } => {
                let mut determined = self.determined(left, groups);
                determined.extend(self.determined(right, groups));
                determined
            }
            From::Relation { id, name } => {
                let key = self.catalog.get(name).map(|relation| relation.key.as_slice()).unwrap_or_default();
                let grouped = |key: &String| {
                    groups.iter().any(|group| {
                        matches!(&group.kind, ExprKind::Column { source, label } if source == id && label == key)
                    })
                };
                if !key.is_empty() && key.iter().all(grouped) { vec![*id] } else { Vec::new() }
            }
        }
    }
}
