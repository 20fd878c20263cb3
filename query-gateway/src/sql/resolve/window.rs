//! Window functions.

use sqlparser::ast::{self, Function, Value, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType};

use super::{
    Place, Resolver,
    aggregate::is_nullable,
    call::{arguments, plain},
};
use crate::sql::{
    aggregates::{AggregateFunction, RANKINGS},
    error::SqlError,
    relational::{Bound, Expr, ExprKind, Frame, FrameUnits, Window, WindowFunction},
    types::Ty,
};

impl Resolver<'_> {
    pub(super) fn window(
        &mut self,
        name: &str,
        call: &Function,
        over: &WindowType,
    ) -> Result<Expr, SqlError> {
        if !self.place.windows {
            let reason = format!("a window function cannot stand in {}", self.place.clause);
            return Err(SqlError::refused(
                format!("{name}() OVER"),
                reason,
                "compute it in a sub-query and use its column",
            ));
        }
        let WindowType::WindowSpec(spec) = over else {
            return Err(SqlError::refused(
                "OVER",
                "named windows are not supported",
                "write the window after OVER",
            ));
        };
        // Aggregates may stand within: windows are computed over the groups.
        let place = Place { clause: "OVER", aggregates: true, windows: false };
        self.within(place, |this| this.window_over(name, call, spec))
    }

    fn window_over(&mut self, name: &str, call: &Function, spec: &WindowSpec) -> Result<Expr, SqlError> {
        if spec.window_name.is_some() {
            return Err(SqlError::refused(
                "OVER",
                "named windows are not supported",
                "write the window after OVER",
            ));
        }
        let (function, ty, nullable) = match AggregateFunction::named(name) {
            Some(aggregate) => {
                let (aggregate, ty) = self.window_aggregate(aggregate, call)?;
                let nullable = is_nullable(&aggregate);
                (WindowFunction::Aggregate(aggregate), ty, nullable)
            }
            None => self.ranking(name, call)?,
        };
        let mut partition_by = Vec::new();
        for term in &spec.partition_by {
            let value = self.expr(term)?;
            if !value.ty.is_comparable() {
                return Err(SqlError::wrong("PARTITION BY", format!("{} is not compared", value.ty)));
            }
            partition_by.push(value);
        }
        let order_by = self.sort_expressions(&spec.order_by)?;
        let frame = spec.window_frame.as_ref().map(frame).transpose()?;
        let window = Window { function, partition_by, order_by, frame };
        Ok(Expr::new(ExprKind::Window(Box::new(window)), ty, nullable))
    }

    fn window_aggregate(
        &mut self,
        function: AggregateFunction,
        call: &Function,
    ) -> Result<(crate::sql::relational::Aggregate, Ty), SqlError> {
        let place = Place { clause: "a window function", aggregates: true, windows: false };
        let (aggregate, ty) = self.aggregate(function, call, place)?;
        if aggregate.distinct || !aggregate.order_by.is_empty() {
            return Err(SqlError::refused(
                "OVER",
                "DISTINCT and ORDER BY do not go inside the call",
                "use a sub-query",
            ));
        }
        Ok((aggregate, ty))
    }

    fn ranking(&mut self, name: &str, call: &Function) -> Result<(WindowFunction, Ty, bool), SqlError> {
        let Some((name, fewest, most)) = RANKINGS.iter().find(|(ranking, _, _)| *ranking == name) else {
            let alternative = "aggregates, row_number, rank, dense_rank, ntile, lag, lead, first_value, last_value and nth_value are";
            return Err(SqlError::refused(
                format!("{name}() OVER"),
                "it is no window function here",
                alternative,
            ));
        };
        if call.filter.is_some() {
            return Err(SqlError::wrong("FILTER", format!("{name}() is no aggregate")));
        }
        let list = arguments(name, &call.args)?;
        if !(*fewest..=*most).contains(&list.args.len()) {
            return Err(SqlError::wrong(
                format!("{name}()"),
                format!("it takes {fewest} to {most} arguments"),
            ));
        }
        let mut values = Vec::new();
        for argument in &list.args {
            values.push(self.expr(plain(name, argument)?)?);
        }
        // The second argument counts rows; a third stands in for the first.
        if values.len() == 3 {
            let default = values.remove(2);
            let (pair, _) = self.common_type(name, vec![values.remove(0), default])?;
            let mut pair = pair.into_iter();
            values = pair.next().into_iter().chain(values).chain(pair).collect();
        }
        for (at, value) in values.iter_mut().enumerate() {
            let counts = at == 1 || *name == "ntile";
            let ty = if counts { Ty::Bigint } else { super::query::settled(value.ty) };
            let original = std::mem::replace(value, Expr::null(ty));
            *value = self.coerce(original, ty, name)?;
        }
        let (ty, nullable) = match values.first() {
            Some(value) if *name != "ntile" => (value.ty, true),
            _ => (Ty::Bigint, false),
        };
        Ok((WindowFunction::Ranking { name, arguments: values }, ty, nullable))
    }
}

fn frame(frame: &ast::WindowFrame) -> Result<Frame, SqlError> {
    let units = match frame.units {
        WindowFrameUnits::Rows => FrameUnits::Rows,
        WindowFrameUnits::Range => FrameUnits::Range,
        WindowFrameUnits::Groups => FrameUnits::Groups,
    };
    let start = bound(&frame.start_bound, Bound::UnboundedPreceding)?;
    let end = match &frame.end_bound {
        Some(end) => bound(end, Bound::UnboundedFollowing)?,
        None => Bound::CurrentRow,
    };
    let distance = |bound: &Bound| matches!(bound, Bound::Preceding(_) | Bound::Following(_));
    if units == FrameUnits::Range && (distance(&start) || distance(&end)) {
        return Err(SqlError::refused("RANGE", "distances are not supported", "use ROWS or GROUPS"));
    }
    Ok(Frame { units, start, end })
}

fn bound(bound: &WindowFrameBound, unbounded: Bound) -> Result<Bound, SqlError> {
    match bound {
        WindowFrameBound::CurrentRow => Ok(Bound::CurrentRow),
        WindowFrameBound::Preceding(None) if unbounded == Bound::UnboundedPreceding => Ok(unbounded),
        WindowFrameBound::Following(None) if unbounded == Bound::UnboundedFollowing => Ok(unbounded),
        WindowFrameBound::Preceding(Some(distance)) => rows(distance).map(Bound::Preceding),
        WindowFrameBound::Following(Some(distance)) => rows(distance).map(Bound::Following),
        _ => Err(SqlError::wrong("OVER", "the frame cannot start at its end or end at its start")),
    }
}

fn rows(distance: &ast::Expr) -> Result<u64, SqlError> {
    let number = match distance {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    number.ok_or_else(|| SqlError::wrong("OVER", "a distance must be a whole number"))
}
