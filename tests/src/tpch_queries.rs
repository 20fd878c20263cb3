//! Queries of TPC-H in their official text, with the parameters of its validation run.

use tpchgen::q_and_a::queries;

/// A query as a view, and how it is read.
#[derive(Clone, Debug)]
pub struct TpchQuery {
    /// `q1`, ..
    pub name: &'static str,
    /// The text of the specification as far as `order by`.
    pub select: String,
    /// What comes behind `order by`; empty if there is nothing to sort.
    pub order_by: String,
    /// How many rows the specification wants.
    pub limit: Option<usize>,
}

/// Name, official text, values of `:1`, `:2`, .., and how many rows are wanted.
type Official = (&'static str, &'static str, &'static [&'static str], Option<usize>);

const OFFICIAL: [Official; 8] = [
    ("q1", queries::Q1, &["90"], None),
    ("q3", queries::Q3, &["BUILDING", "1995-03-15"], Some(10)),
    ("q5", queries::Q5, &["ASIA", "1994-01-01"], None),
    ("q6", queries::Q6, &["1994-01-01", "0.06", "24"], None),
    ("q10", queries::Q10, &["1993-10-01"], Some(20)),
    ("q12", queries::Q12, &["MAIL", "SHIP", "1994-01-01"], None),
    ("q14", queries::Q14, &["1995-09-01"], None),
    ("q18", queries::Q18, &["300"], Some(100)),
];

/// Queries 1, 3, 5, 6, 10, 12, 14 and 18.
pub fn tpch_queries() -> Vec<TpchQuery> {
    let of = |(name, text, parameters, limit): Official| {
        let mut text = text.trim().trim_end_matches(';').to_owned();
        for (number, value) in (1..).zip(parameters) {
            text = text.replace(&format!(":{number}"), value);
        }
        // A precision of days, which the specification has and PostgreSQL does not.
        let text = text.replace("day (3)", "day");
        let (select, order_by) = match text.rsplit_once("order by") {
            Some((select, order_by)) => (select.trim().to_owned(), order_by.trim().to_owned()),
            None => (text, String::new()),
        };
        TpchQuery { name, select, order_by, limit }
    };
    OFFICIAL.into_iter().map(of).collect()
}

impl TpchQuery {
    /// Reads the view as the specification wants it. Rows that it leaves unordered are ordered by all their columns.
    pub fn read(&self, columns: usize) -> String {
        let all = (1..=columns).map(|at| at.to_string());
        let order_by = [self.order_by.clone()].into_iter().filter(|keys| !keys.is_empty()).chain(all);
        let limit = self.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        format!("SELECT * FROM {} ORDER BY {}{limit}", self.name, order_by.collect::<Vec<_>>().join(", "))
    }
}
