//! Calls of aggregates.

use sqlparser::ast::{DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause};

use super::{
    Place, Resolver,
    call::{arguments, plain},
};
use crate::sql::{
    aggregates::AggregateFunction,
    error::SqlError,
    relational::{Aggregate, Expr, ExprKind, Sort},
    scope::Scope,
    types::Ty,
    walk,
};

impl Resolver<'_> {
    pub(super) fn aggregate_expr(
        &mut self,
        function: AggregateFunction,
        call: &Function,
    ) -> Result<Expr, SqlError> {
        let name = call.name.to_string().to_lowercase();
        if !self.place.aggregates {
            let reason = format!("an aggregate cannot stand in {}", self.place.clause);
            return Err(SqlError::refused(format!("{name}()"), reason, "use HAVING, or a sub-query"));
        }
        let (aggregate, ty) = self.aggregate(function, call, Place::plain("an aggregate"))?;
        let nullable = is_nullable(&aggregate);
        let expr = Expr::new(ExprKind::Aggregate(Box::new(aggregate)), ty, nullable);
        self.refuse_outer(&name, &expr)?;
        Ok(expr)
    }

    /// The aggregate and the type of its result; `place` says what may stand in its arguments.
    pub(super) fn aggregate(
        &mut self,
        function: AggregateFunction,
        call: &Function,
        place: Place,
    ) -> Result<(Aggregate, Ty), SqlError> {
        let name = call.name.to_string().to_lowercase();
        let list = arguments(&name, &call.args)?;
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        let filter = match &call.filter {
            Some(filter) => Some(self.within(place, |this| this.condition(filter, "FILTER"))?),
            None => None,
        };
        let order_by = self.aggregate_order(&name, &list.clauses, place)?;
        if let (AggregateFunction::Count, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]) =
            (function, list.args.as_slice())
        {
            let function = AggregateFunction::CountRows;
            let aggregate =
                Aggregate { function, arguments: Vec::new(), distinct: false, filter, order_by: Vec::new() };
            return Ok((aggregate, Ty::Bigint));
        }
        let mut values = Vec::new();
        for argument in &list.args {
            let argument = plain(&name, argument)?;
            values.push(self.within(place, |this| this.expr(argument))?);
        }
        let (values, ty) = self.aggregate_arguments(&name, function, values)?;
        if distinct {
            refuse_distinct(&name, function, &values)?;
        }
        // The order in which rows are taken in shows in two results alone.
        let ordered = matches!(function, AggregateFunction::StringAgg | AggregateFunction::JsonbAgg);
        let order_by = if ordered { order_by } else { Vec::new() };
        Ok((Aggregate { function, arguments: values, distinct, filter, order_by }, ty))
    }

    fn aggregate_order(
        &mut self,
        name: &str,
        clauses: &[FunctionArgumentClause],
        place: Place,
    ) -> Result<Vec<Sort>, SqlError> {
        match clauses {
            [] => Ok(Vec::new()),
            [FunctionArgumentClause::OrderBy(terms)] => {
                self.within(place, |this| this.sort_expressions(terms))
            }
            _ => Err(SqlError::wrong(format!("{name}()"), "this clause is not supported in an aggregate")),
        }
    }

    fn aggregate_arguments(
        &mut self,
        name: &str,
        function: AggregateFunction,
        mut values: Vec<Expr>,
    ) -> Result<(Vec<Expr>, Ty), SqlError> {
        let wanted = if function == AggregateFunction::StringAgg { 2 } else { 1 };
        if values.len() != wanted {
            let reason = format!("it takes {wanted} argument{}", if wanted == 1 { "" } else { "s" });
            return Err(SqlError::wrong(format!("{name}()"), reason));
        }
        let separator = if wanted == 2 { values.pop() } else { None };
        let value = values.remove(0);
        let Some((taken, result)) = function.types(value.ty) else {
            let alternative = match (function, value.ty) {
                (AggregateFunction::Min | AggregateFunction::Max, Ty::Bool) => "use bool_and or bool_or",
                (AggregateFunction::StringAgg, _) => "cast it to text",
                (AggregateFunction::Sum | AggregateFunction::Avg, Ty::Interval) => {
                    "sum extract(epoch from ..)"
                }
                _ => "",
            };
            return Err(SqlError::refused(
                format!("{name}()"),
                format!("it does not take {}", value.ty),
                alternative,
            ));
        };
        let value = match function {
            AggregateFunction::JsonbAgg => self.as_jsonb(value)?,
            _ => self.coerce(value, taken, name)?,
        };
        let mut arguments = vec![value];
        if let Some(separator) = separator {
            arguments.push(self.coerce(separator, Ty::Text, name)?);
        }
        Ok((arguments, result))
    }

    /// In PostgreSQL an aggregate over columns of an outer query alone belongs to that query.
    fn refuse_outer(&self, name: &str, aggregate: &Expr) -> Result<(), SqlError> {
        let sources = |scopes: &[Scope]| -> Vec<_> {
            let entries = scopes.iter().flat_map(|scope| &scope.entries);
            entries.filter_map(|entry| Scope::source_of(&entry.value)).collect()
        };
        let Some((own, around)) = self.scopes.split_last() else { return Ok(()) };
        let (own, around) = (sources(std::slice::from_ref(own)), sources(around));
        let (mut inner, mut outer) = (false, false);
        walk::visit(aggregate, &mut |expr| {
            if let Some(source) = Scope::source_of(expr) {
                inner |= own.contains(&source);
                outer |= around.contains(&source);
            }
        });
        if outer && !inner {
            let reason = "all its columns are of a query around this one";
            return Err(SqlError::refused(format!("{name}()"), reason, "compute it there"));
        }
        Ok(())
    }
}

/// Whether the result can be NULL; over no rows all but the counts are.
pub(super) fn is_nullable(aggregate: &Aggregate) -> bool {
    !matches!(aggregate.function, AggregateFunction::Count | AggregateFunction::CountRows)
}

fn refuse_distinct(name: &str, function: AggregateFunction, values: &[Expr]) -> Result<(), SqlError> {
    let alternative = "take the values from (SELECT DISTINCT ..)";
    if matches!(function, AggregateFunction::StringAgg | AggregateFunction::JsonbAgg) {
        return Err(SqlError::refused(format!("{name}(DISTINCT ..)"), "it is not supported", alternative));
    }
    match values.iter().find(|value| !value.ty.is_comparable()) {
        None => Ok(()),
        Some(value) => Err(SqlError::refused(
            format!("{name}(DISTINCT ..)"),
            format!("{} is not compared", value.ty),
            alternative,
        )),
    }
}
