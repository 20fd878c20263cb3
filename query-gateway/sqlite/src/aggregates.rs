//! Aggregates that SQLite lacks.

use crate::{
    numeric::Numeric,
    tally::Tally,
    value::{Failure, Output, Value},
};

/// An aggregate function of one argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aggregate {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn Accumulator>,
}

/// The state of one group.
pub(crate) trait Accumulator {
    /// Takes a row in.
    fn step(&mut self, value: Value<'_>) -> Result<(), Failure>;
    /// Takes the oldest row out again, for moving window frames.
    fn inverse(&mut self, value: Value<'_>) -> Result<(), Failure>;
    /// The result over the rows at present.
    fn value(&self) -> Result<Output, Failure>;
}

pub(crate) const AGGREGATES: &[Aggregate] = &[
    Aggregate { name: "pg_sum_numeric", start: || Box::new(Sum::default()) },
    Aggregate { name: "tributary_tally_total", start: || Box::new(Total::default()) },
    Aggregate { name: "pg_single", start: || Box::new(Single::default()) },
    Aggregate { name: "pg_jsonb_agg", start: || Box::new(JsonArray::default()) },
];

/// SUM(numeric). The scale shown is the largest that was taken in.
#[derive(Default)]
struct Sum {
    sum: Option<Numeric>,
    rows: u64,
}

impl Accumulator for Sum {
    fn step(&mut self, value: Value<'_>) -> Result<(), Failure> {
        if value != Value::Null {
            let value = Numeric::from_value(value)?;
            self.sum = Some(match &self.sum {
                Some(sum) => sum.add(&value)?,
                None => value,
            });
            self.rows += 1;
        }
        Ok(())
    }

    fn inverse(&mut self, value: Value<'_>) -> Result<(), Failure> {
        if value != Value::Null {
            self.rows -= 1;
            let sum = self.sum.take().unwrap_or_else(|| Numeric::from(0));
            self.sum = if self.rows == 0 { None } else { Some(sum.sub(&Numeric::from_value(value)?)?) };
        }
        Ok(())
    }

    fn value(&self) -> Result<Output, Failure> {
        Ok(self.sum.as_ref().map_or(Output::Null, |sum| Output::Text(sum.to_string())))
    }
}

/// All tallies together.
#[derive(Default)]
struct Total(Tally);

impl Accumulator for Total {
    fn step(&mut self, value: Value<'_>) -> Result<(), Failure> {
        self.0.add(&Tally::parse(value.text()?)?)
    }

    fn inverse(&mut self, _: Value<'_>) -> Result<(), Failure> {
        Err(Failure("internal error: tributary_tally_total is no window function".to_owned()))
    }

    fn value(&self) -> Result<Output, Failure> {
        Ok(Output::from(&self.0))
    }
}

/// A sub-query used as a value: NULL of no row, an error of two. SQLite would take the first.
#[derive(Default)]
struct Single(Option<Output>);

impl Accumulator for Single {
    fn step(&mut self, value: Value<'_>) -> Result<(), Failure> {
        match self.0.replace(value.to_output()) {
            None => Ok(()),
            Some(_) => {
                Err(Failure("more than one row returned by a subquery used as an expression".to_owned()))
            }
        }
    }

    fn inverse(&mut self, _: Value<'_>) -> Result<(), Failure> {
        Err(Failure("internal error: pg_single is no window function".to_owned()))
    }

    fn value(&self) -> Result<Output, Failure> {
        Ok(self.0.clone().unwrap_or(Output::Null))
    }
}

/// jsonb_agg over documents as text; NULL of no row.
#[derive(Default)]
struct JsonArray {
    items: std::collections::VecDeque<String>,
}

impl Accumulator for JsonArray {
    fn step(&mut self, value: Value<'_>) -> Result<(), Failure> {
        self.items.push_back(value.text()?.to_owned());
        Ok(())
    }

    fn inverse(&mut self, _: Value<'_>) -> Result<(), Failure> {
        self.items.pop_front();
        Ok(())
    }

    fn value(&self) -> Result<Output, Failure> {
        if self.items.is_empty() {
            return Ok(Output::Null);
        }
        Ok(Output::Text(crate::json::encode_array(self.items.iter().cloned())))
    }
}
