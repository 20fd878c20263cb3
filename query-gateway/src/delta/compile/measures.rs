//! Aggregates as what is kept of a group: sums that follow from changes alone, and values that are looked up again.

use crate::{
    delta::plan::{Column, Lookup, Measure, MeasureKind, ROWS},
    sql::{
        aggregates::AggregateFunction,
        functions,
        relational::{Aggregate, Comparison, Expr, ExprKind, Literal, SortKey, SourceId},
        types::Ty,
        walk,
    },
};

/// Everything that the aggregates of a SELECT need.
pub(super) struct Measures {
    id: SourceId,
    whole: bool,
    /// Over all rows of the group.
    pub(super) main: Measured,
    /// Over the different values of an argument: the first of the arguments, which is the only one.
    pub(super) distinct: Vec<Measured>,
    columns: Vec<Column>,
}

/// What is measured over some rows.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) arguments: Vec<Expr>,
    /// Each with the place of its argument.
    pub(super) sums: Vec<(Measure, usize)>,
    pub(super) lookups: Vec<Lookup>,
}

impl Measures {
    pub(super) fn new(id: SourceId, whole: bool) -> Self {
        let columns = vec![Column::new(ROWS, Ty::Bigint, false)];
        Self { id, whole, main: Measured::default(), distinct: Vec::new(), columns }
    }

    /// What is kept, the number of rows first.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    /// The value of an aggregate whose result is of type `ty`.
    pub(super) fn of(&mut self, aggregate: &Aggregate, ty: Ty) -> Expr {
        use AggregateFunction as F;
        let Some(argument) = aggregate.arguments.first() else { return self.count_rows(aggregate) };
        let argument = filtered(argument, aggregate.filter.as_ref());
        let feed = match aggregate.function {
            F::Count | F::Sum | F::Avg if aggregate.distinct => Some(self.distinct_values(&argument)),
            _ => None,
        };
        match (aggregate.function, argument.ty) {
            (F::Count, _) => self.count(feed, &argument),
            (F::Sum, Ty::Integer | Ty::Bigint | Ty::Whole) => {
                let sum = self.sum(feed, &argument, ty);
                self.unless_empty(feed, &argument, sum)
            }
            (F::Avg, Ty::Integer | Ty::Bigint | Ty::Whole) => {
                let sum = cast(self.sum(feed, &argument, Ty::Whole), Ty::Numeric);
                let count = cast(self.count(feed, &argument), Ty::Numeric);
                let mean = call("/", vec![sum, count]);
                self.unless_empty(feed, &argument, mean)
            }
            (F::Sum, Ty::Numeric) => {
                let sum = self.tally(feed, &argument);
                self.unless_empty(feed, &argument, sum)
            }
            (F::Avg, Ty::Numeric) => {
                let count = cast(self.count(feed, &argument), Ty::Numeric);
                let mean = call("/", vec![self.tally(feed, &argument), count]);
                self.unless_empty(feed, &argument, mean)
            }
            (F::BoolAnd | F::BoolOr, _) => self.truth(aggregate.function, &argument),
            _ => self.lookup(feed, aggregate, ty),
        }
    }

    fn count_rows(&mut self, aggregate: &Aggregate) -> Expr {
        match &aggregate.filter {
            None => self.columns[0].of(self.id),
            Some(_) => {
                let counted = filtered(&truth(true), aggregate.filter.as_ref());
                self.count(None, &counted)
            }
        }
    }

    fn count(&mut self, feed: Option<usize>, argument: &Expr) -> Expr {
        if feed.is_none() && !argument.nullable {
            return self.columns[0].of(self.id);
        }
        self.measure(feed, argument, MeasureKind::Count, Ty::Bigint)
    }

    fn sum(&mut self, feed: Option<usize>, argument: &Expr, ty: Ty) -> Expr {
        self.measure(feed, argument, MeasureKind::Sum, ty)
    }

    fn tally(&mut self, feed: Option<usize>, argument: &Expr) -> Expr {
        let tally = self.measure(feed, argument, MeasureKind::Tally, Ty::Text);
        call(functions::TALLY_SUM, vec![tally])
    }

    /// Every value true, or any: by how many are.
    fn truth(&mut self, function: AggregateFunction, argument: &Expr) -> Expr {
        let counted = filtered(&truth(true), Some(argument));
        let (trues, all) = (self.count(None, &counted), self.count(None, argument));
        let (operator, right) = match function {
            AggregateFunction::BoolAnd => (Comparison::Equal, all),
            _ => (Comparison::Greater, integer(0)),
        };
        let value = compare(operator, trues, right);
        self.unless_empty(None, argument, value)
    }

    /// NULL if there was no value.
    fn unless_empty(&mut self, feed: Option<usize>, argument: &Expr, value: Expr) -> Expr {
        if !self.whole && !argument.nullable {
            return value;
        }
        let count = self.count(feed, argument);
        let ty = value.ty;
        let some = compare(Comparison::Greater, count, integer(0));
        Expr::new(ExprKind::Case { branches: vec![(some, value)], otherwise: None }, ty, true)
    }

    fn lookup(&mut self, feed: Option<usize>, aggregate: &Aggregate, ty: Ty) -> Expr {
        let mut aggregate = aggregate.clone();
        // Among the different values each occurs once; a filter has been applied to them.
        if feed.is_some() {
            aggregate.filter = None;
        }
        aggregate.distinct = false;
        let measured = feed.map_or(&mut self.main, |feed| &mut self.distinct[feed]);
        if let Some(known) = measured.lookups.iter().find(|lookup| lookup.aggregate == aggregate) {
            return Column::new(known.label.clone(), known.ty, true).of(self.id);
        }
        let label = format!("a{}", self.columns.len());
        measured.lookups.push(Lookup { label: label.clone(), ty, aggregate });
        self.keep(Column::new(label, ty, true))
    }

    fn measure(&mut self, feed: Option<usize>, argument: &Expr, kind: MeasureKind, ty: Ty) -> Expr {
        let label = format!("a{}", self.columns.len());
        let measured = feed.map_or(&mut self.main, |feed| &mut self.distinct[feed]);
        let at = measured.argument(argument);
        let same = |(measure, of): &&(Measure, usize)| *of == at && measure.kind == kind && measure.ty == ty;
        if let Some((known, _)) = measured.sums.iter().find(same) {
            return Column::new(known.label.clone(), ty, false).of(self.id);
        }
        measured.sums.push((Measure { label: label.clone(), ty, kind }, at));
        self.keep(Column::new(label, ty, false))
    }

    fn keep(&mut self, column: Column) -> Expr {
        let expr = column.of(self.id);
        self.columns.push(column);
        expr
    }

    fn distinct_values(&mut self, argument: &Expr) -> usize {
        let known = self.distinct.iter().position(|measured| measured.arguments[0] == *argument);
        known.unwrap_or_else(|| {
            self.distinct.push(Measured { arguments: vec![argument.clone()], ..Measured::default() });
            self.distinct.len() - 1
        })
    }
}

impl Measured {
    fn argument(&mut self, argument: &Expr) -> usize {
        let known = self.arguments.iter().position(|known| known == argument);
        known.unwrap_or_else(|| {
            self.arguments.push(argument.clone());
            self.arguments.len() - 1
        })
    }
}

impl Lookup {
    /// What it takes in of a row.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Expr> {
        let sorts = self.aggregate.order_by.iter().filter_map(|sort| match &sort.by {
            SortKey::Expr(expr) => Some(expr),
            SortKey::Field(_) => None,
        });
        self.aggregate.arguments.iter().chain(&self.aggregate.filter).chain(sorts)
    }

    /// The same with other inputs.
    pub(super) fn over(&self, input: impl Fn(&Expr) -> Expr) -> Self {
        let aggregate = walk::rewrite_aggregate(&self.aggregate, &mut |expr| Some(input(expr)));
        Self { label: self.label.clone(), ty: self.ty, aggregate }
    }
}

/// NULL where the filter does not hold: aggregates leave NULLs out.
fn filtered(argument: &Expr, filter: Option<&Expr>) -> Expr {
    match filter {
        None => argument.clone(),
        Some(filter) => {
            let branches = vec![(filter.clone(), argument.clone())];
            Expr::new(ExprKind::Case { branches, otherwise: None }, argument.ty, true)
        }
    }
}

fn compare(operator: Comparison, left: Expr, right: Expr) -> Expr {
    let (left, right) = (Box::new(left), Box::new(right));
    Expr::new(ExprKind::Compare { operator, left, right }, Ty::Bool, false)
}

fn cast(operand: Expr, to: Ty) -> Expr {
    let nullable = operand.nullable;
    Expr::new(ExprKind::Cast(Box::new(operand)), to, nullable)
}

fn integer(value: i64) -> Expr {
    Expr::new(ExprKind::Literal(Literal::Integer(value)), Ty::Bigint, false)
}

fn truth(value: bool) -> Expr {
    Expr::new(ExprKind::Literal(Literal::Bool(value)), Ty::Bool, false)
}

/// A call of the operator over arguments of its own types.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let types: Vec<Ty> = arguments.iter().map(|argument| argument.ty).collect();
    let nullable = arguments.iter().any(|argument| argument.nullable);
    match functions::choose(name, &types) {
        Some(function) => Expr::new(ExprKind::Call { function, arguments }, function.result, nullable),
        // The table of functions has every operator that is asked for here; a test divides.
        None => Expr::null(Ty::Numeric),
    }
}
