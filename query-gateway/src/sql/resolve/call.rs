//! Calls of functions of one row, and the calls that have a syntax of their own.

use sqlparser::ast::{
    self, CeilFloorKind, DateTimeField, Expr as E, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, TrimWhereField,
};

use super::{Resolver, cast, literal, single_name};
use crate::sql::{
    aggregates::{AggregateFunction, RANKINGS},
    error::{SqlError, nearest},
    functions,
    relational::{Comparison, Expr, ExprKind},
    types::Ty,
};

/// Fields that are whole numbers in every timestamp.
const WHOLE_FIELDS: &[&str] = &[
    "microsecond",
    "microseconds",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "dow",
    "isodow",
    "doy",
    "week",
    "weeks",
    "isoyear",
    "month",
    "months",
    "quarter",
    "year",
    "years",
    "decade",
    "decades",
    "century",
    "centuries",
    "millennium",
    "millennia",
];

impl Resolver<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Result<Expr, SqlError> {
        let name = single_name(&function.name)?;
        for (names, reason, alternative) in functions::REFUSED {
            if names.contains(&name.as_str()) {
                return Err(SqlError::refused(format!("{name}()"), *reason, *alternative));
            }
        }
        if !matches!(function.parameters, FunctionArguments::None) || function.null_treatment.is_some() {
            return Err(SqlError::refused(format!("{name}()"), "this form of call is not supported", ""));
        }
        if !function.within_group.is_empty() {
            return Err(SqlError::refused("WITHIN GROUP", "ordered-set aggregates are not supported", ""));
        }
        if let Some(window) = &function.over {
            return self.window(&name, function, window);
        }
        if let Some(aggregate) = AggregateFunction::named(&name) {
            return self.aggregate_expr(aggregate, function);
        }
        if RANKINGS.iter().any(|(ranking, _, _)| *ranking == name) {
            return Err(SqlError::refused(
                format!("{name}()"),
                "it needs a window",
                "add OVER (ORDER BY ..)",
            ));
        }
        if function.filter.is_some() {
            return Err(SqlError::wrong("FILTER", format!("{name}() is no aggregate")));
        }
        let list = arguments(&name, &function.args)?;
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(SqlError::wrong(format!("{name}()"), "DISTINCT and ORDER BY are for aggregates"));
        }
        let mut values = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            values.push(self.expr(plain(&name, argument)?)?);
        }
        self.scalar_call(&name, values)
    }

    fn scalar_call(&mut self, name: &str, mut values: Vec<Expr>) -> Result<Expr, SqlError> {
        match name {
            "coalesce" => self.coalesce(values),
            "nullif" => self.nullif(values),
            "greatest" | "least" => {
                let (values, _) = self.common_type(name, values)?;
                self.non_empty(name, values)
            }
            "concat" | "concat_ws" => {
                let texts = values.into_iter().map(|value| self.as_output(value, name));
                let texts = texts.collect::<Result<_, _>>()?;
                self.non_empty(name, texts)
            }
            "jsonb_build_object" => self.build_object(values),
            "jsonb_build_array" => {
                let items = values.into_iter().map(|value| self.as_jsonb(value)).collect::<Result<_, _>>()?;
                self.non_empty(name, items)
            }
            "lpad" | "rpad" if values.len() == 2 => {
                values.push(literal::text(" "));
                self.call_overload(name, values)
            }
            "date_part" => {
                let [field, value] = <[Expr; 2]>::try_from(values)
                    .map_err(|_| SqlError::wrong("date_part()", "it takes a field and a time"))?;
                let ExprKind::Literal(crate::sql::relational::Literal::Text(field)) = field.kind else {
                    return Err(SqlError::refused(
                        "date_part()",
                        "the field must be a literal",
                        "write date_part('year', x)",
                    ));
                };
                cast::convert(self.extract(&field, value)?, Ty::Double)
            }
            // The conversions of the table are not for users.
            _ if name.contains(' ') || functions::overloads(name).next().is_none() || is_operator(name) => {
                Err(unknown(name))
            }
            _ => self.call_overload(name, values),
        }
    }

    fn non_empty(&mut self, name: &str, values: Vec<Expr>) -> Result<Expr, SqlError> {
        if values.is_empty() {
            return Err(SqlError::wrong(format!("{name}()"), "it takes at least one argument"));
        }
        self.call_overload(name, values)
    }

    fn coalesce(&mut self, values: Vec<Expr>) -> Result<Expr, SqlError> {
        if values.is_empty() {
            return Err(SqlError::wrong("coalesce()", "it takes at least one argument"));
        }
        let (mut values, ty) = self.common_type("COALESCE", values)?;
        if values.len() == 1 {
            return Ok(values.remove(0));
        }
        let nullable = values.iter().all(|value| value.nullable);
        Ok(Expr::new(ExprKind::Coalesce(values), ty, nullable))
    }

    /// NULL where both are equal, else the first.
    fn nullif(&mut self, values: Vec<Expr>) -> Result<Expr, SqlError> {
        let [first, second] = <[Expr; 2]>::try_from(values)
            .map_err(|_| SqlError::wrong("nullif()", "it takes two arguments"))?;
        // PostgreSQL compares these as they are.
        let own = matches!((first.ty, second.ty), (Ty::Integer, Ty::Bigint) | (Ty::Date, Ty::Timestamptz));
        let unconverted = own.then(|| first.clone());
        let equal = self.compare(Comparison::Equal, first, second, "NULLIF")?;
        // Otherwise, what is returned is the operand of the comparison, converted as it was for that.
        let ExprKind::Compare { left, .. } = &equal.kind else { return Ok(equal) };
        let first = unconverted.unwrap_or_else(|| left.as_ref().clone());
        let ty = first.ty;
        let branches = vec![(equal, Expr::null(ty))];
        Ok(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(first)) }, ty, true))
    }

    fn build_object(&mut self, values: Vec<Expr>) -> Result<Expr, SqlError> {
        if !values.len().is_multiple_of(2) {
            return Err(SqlError::wrong("jsonb_build_object()", "it takes keys and values in turn"));
        }
        let mut pairs = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            // A key becomes text within the call, so that all arguments are of one type in the table.
            let value =
                if at % 2 == 0 { self.as_text(value, "jsonb_build_object")? } else { self.as_jsonb(value)? };
            pairs.push(Expr { ty: Ty::Jsonb, ..value });
        }
        let function =
            functions::overloads("jsonb_build_object").next().ok_or_else(|| unknown("jsonb_build_object"))?;
        Ok(Expr::new(ExprKind::Call { function, arguments: pairs }, Ty::Jsonb, false))
    }

    fn extract(&mut self, field: &str, value: Expr) -> Result<Expr, SqlError> {
        let field = field.to_lowercase();
        let value = match value.ty {
            Ty::Interval => value,
            _ => self.coerce(value, Ty::Timestamptz, "EXTRACT")?,
        };
        let whole = value.ty == Ty::Timestamptz && WHOLE_FIELDS.contains(&field.as_str());
        // The field is checked now: a typing error should not wait for the first row.
        tributary_sqlite::timestamp::extract(&field, 0)
            .map_err(|failure| SqlError::wrong("EXTRACT", failure.to_string()))?;
        self.call_overload(
            if whole { "extract whole" } else { "extract" },
            vec![literal::text(&field), value],
        )
    }

    /// Calls with words between their arguments.
    pub(super) fn special_call(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        match expr {
            E::Extract { field, expr, .. } => {
                let value = self.expr(expr)?;
                self.extract(&field.to_string(), value)
            }
            E::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call_on("ceil", &[expr])
            }
            E::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call_on("floor", &[expr])
            }
            E::Position { expr, r#in } => self.call_on("strpos", &[r#in, expr]),
            E::Substring { expr, substring_from, substring_for, .. } => {
                let from = substring_from.as_deref();
                match (from, substring_for.as_deref()) {
                    (Some(from), None) => self.call_on("substring", &[expr, from]),
                    (Some(from), Some(length)) => self.call_on("substring", &[expr, from, length]),
                    (None, Some(length)) => {
                        let arguments = vec![self.expr(expr)?, literal::bigint(1), self.expr(length)?];
                        self.call_overload("substring", arguments)
                    }
                    (None, None) => Err(SqlError::wrong("SUBSTRING", "it needs FROM or FOR")),
                }
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                match (trim_what.as_deref(), trim_characters.as_deref()) {
                    (None, None) => self.call_on(name, &[expr]),
                    (Some(what), None) => self.call_on(name, &[expr, what]),
                    (None, Some([what])) => self.call_on(name, &[expr, what]),
                    _ => Err(SqlError::refused(
                        "TRIM",
                        "this form is not supported",
                        "write trim(both 'x' from y)",
                    )),
                }
            }
            other => Err(SqlError::refused(other.to_string(), "this form is not supported", "")),
        }
    }

    fn call_on(&mut self, name: &str, operands: &[&ast::Expr]) -> Result<Expr, SqlError> {
        let arguments = operands.iter().map(|operand| self.expr(operand)).collect::<Result<_, _>>()?;
        self.call_overload(name, arguments)
    }
}

fn is_operator(name: &str) -> bool {
    matches!(name, "negate" | "like" | "ilike" | "extract")
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn unknown(name: &str) -> SqlError {
    let known = functions::FUNCTIONS.iter().map(|function| function.name);
    let known =
        known.chain(["count", "sum", "avg", "min", "max", "string_agg", "jsonb_agg", "coalesce", "nullif"]);
    let near = nearest(name, known.filter(|known| !known.contains(' ') && !is_operator(known)));
    let alternative = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
    SqlError::refused(format!("{name}()"), "there is no such function here", alternative)
}

/// The arguments in parentheses.
pub(super) fn arguments<'f>(
    name: &str,
    arguments: &'f FunctionArguments,
) -> Result<&'f FunctionArgumentList, SqlError> {
    match arguments {
        FunctionArguments::List(list) => Ok(list),
        _ => Err(SqlError::wrong(format!("{name}()"), "it needs arguments in parentheses")),
    }
}

/// An argument that is an expression and nothing else.
pub(super) fn plain<'f>(name: &str, argument: &'f FunctionArg) -> Result<&'f ast::Expr, SqlError> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(SqlError::wrong(format!("{name}()"), "this form of argument is not supported")),
    }
}
