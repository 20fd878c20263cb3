//! The eight tables of TPC-H as a service would publish them: what its decimals are is sent as hundredths, in integers,
//! and its dates as times.

use std::{fmt::Write as _, sync::LazyLock};

use tpchgen::{
    dates::TPCHDate,
    decimal::TPCHDecimal,
    distribution::Distributions,
    generators::{
        CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
        PartSuppGenerator, RegionGenerator, SupplierGenerator,
    },
    text::TextPool,
};

use crate::rows::{Datum, RowChange};

/// The names of the tables begin with this: the plain names are those of [`decimals`].
pub const PREFIX: &str = "tpch_";

/// Ends the name of a column that holds hundredths.
const HUNDREDTHS: &str = "_hundredths";

/// A table: its name, how many columns its key has, and its columns. `.` behind a name: a decimal; `@`: a date; `#`: an
/// integer; else a text.
type Definition = (&'static str, usize, &'static [&'static str]);

const TABLES: [Definition; 8] = [
    ("region", 1, &["r_regionkey#", "r_name", "r_comment"]),
    ("nation", 1, &["n_nationkey#", "n_name", "n_regionkey#", "n_comment"]),
    (
        "part",
        1,
        &[
            "p_partkey#",
            "p_name",
            "p_mfgr",
            "p_brand",
            "p_type",
            "p_size#",
            "p_container",
            "p_retailprice.",
            "p_comment",
        ],
    ),
    (
        "supplier",
        1,
        &["s_suppkey#", "s_name", "s_address", "s_nationkey#", "s_phone", "s_acctbal.", "s_comment"],
    ),
    ("partsupp", 2, &["ps_partkey#", "ps_suppkey#", "ps_availqty#", "ps_supplycost.", "ps_comment"]),
    (
        "customer",
        1,
        &[
            "c_custkey#",
            "c_name",
            "c_address",
            "c_nationkey#",
            "c_phone",
            "c_acctbal.",
            "c_mktsegment",
            "c_comment",
        ],
    ),
    (
        "orders",
        1,
        &[
            "o_orderkey#",
            "o_custkey#",
            "o_orderstatus",
            "o_totalprice.",
            "o_orderdate@",
            "o_orderpriority",
            "o_clerk",
            "o_shippriority#",
            "o_comment",
        ],
    ),
    (
        "lineitem",
        2,
        &[
            "l_orderkey#",
            "l_linenumber#",
            "l_partkey#",
            "l_suppkey#",
            "l_quantity.",
            "l_extendedprice.",
            "l_discount.",
            "l_tax.",
            "l_returnflag",
            "l_linestatus",
            "l_shipdate@",
            "l_commitdate@",
            "l_receiptdate@",
            "l_shipinstruct",
            "l_shipmode",
            "l_comment",
        ],
    ),
];

/// The name of a column without its mark, and the mark.
fn split(column: &str) -> (&str, char) {
    match column.chars().last() {
        Some(mark @ ('#' | '.' | '@')) => (&column[..column.len() - 1], mark),
        _ => (column, ' '),
    }
}

/// How a service declares the tables.
pub fn messages() -> String {
    let mut text = String::new();
    for (table, key, columns) in TABLES {
        let message = table[..1].to_uppercase() + &table[1..];
        let option = format!("option (tributary.options.v1.entity) = {{table: \"{PREFIX}{table}\"}};");
        writeln!(text, "message {message} {{\n  {option}").expect("a string grows");
        for (number, column) in (1..).zip(columns) {
            let (name, mark) = split(column);
            let (ty, suffix) = match mark {
                '#' => ("int64", ""),
                '.' => ("int64", HUNDREDTHS),
                '@' => ("google.protobuf.Timestamp", ""),
                _ => ("string", ""),
            };
            let option = if number <= key { " [(tributary.options.v1.field).key = true]" } else { "" };
            writeln!(text, "  {ty} {name}{suffix} = {number}{option};").expect("a string grows");
        }
        text.push_str("}\n");
    }
    text
}

/// Views that have the names of the specification, and decimals where it has them.
pub fn decimals() -> Vec<(&'static str, String)> {
    let of = |(table, _, columns): &Definition| {
        let column = |column: &&str| match split(column) {
            (name, '.') => format!("{name}{HUNDREDTHS} * 0.01 AS {name}"),
            (name, _) => name.to_owned(),
        };
        let columns: Vec<String> = columns.iter().map(column).collect();
        (*table, format!("SELECT {} FROM {PREFIX}{table}", columns.join(", ")))
    };
    TABLES.iter().map(of).collect()
}

/// How many columns the key of a table has.
pub fn key_width(table: &str) -> usize {
    let plain = table.strip_prefix(PREFIX).unwrap_or(table);
    TABLES.iter().find(|(name, ..)| *name == plain).expect("a table of TPC-H").1
}

/// The place of a column in a table.
pub fn place(table: &str, column: &str) -> usize {
    let (.., columns) = TABLES.iter().find(|(name, ..)| *name == table).expect("a table of TPC-H");
    columns.iter().position(|known| split(known).0 == column).expect("a column of the table")
}

/// Comments are cut from a text that is 300 MB in the benchmark; this one has the same words.
static COMMENTS: LazyLock<TextPool> =
    LazyLock::new(|| TextPool::new(1 << 20, Distributions::static_default()));

fn row(table: &str, values: impl IntoIterator<Item = Datum>) -> RowChange {
    RowChange::upsert(&format!("{PREFIX}{table}"), key_width(table), values.into_iter().collect())
}

fn decimal(value: TPCHDecimal) -> Datum {
    Datum::Integer(value.into_inner())
}

fn date(value: TPCHDate) -> Datum {
    Datum::Time(i64::from(value.to_unix_epoch()) * 86_400)
}

/// An order with its lines.
#[derive(Clone, Debug)]
pub struct Order {
    /// The row of the order, then those of its lines.
    pub rows: Vec<RowChange>,
}

/// Everything that orders refer to.
pub fn references(scale: f64) -> Vec<RowChange> {
    let (words, text) = (Distributions::static_default(), &*COMMENTS);
    let mut rows = Vec::new();
    for r in RegionGenerator::new_with_distributions_and_text_pool(words, text).iter() {
        rows.push(row("region", [r.r_regionkey.into(), r.r_name.into(), r.r_comment.into()]));
    }
    for n in NationGenerator::new_with_distributions_and_text_pool(words, text).iter() {
        let values = [n.n_nationkey.into(), n.n_name.into(), n.n_regionkey.into(), n.n_comment.into()];
        rows.push(row("nation", values));
    }
    for p in PartGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text).iter() {
        let values: [Datum; 9] = [
            p.p_partkey.into(),
            p.p_name.to_string().into(),
            p.p_mfgr.to_string().into(),
            p.p_brand.to_string().into(),
            p.p_type.into(),
            p.p_size.into(),
            p.p_container.into(),
            decimal(p.p_retailprice),
            p.p_comment.into(),
        ];
        rows.push(row("part", values));
    }
    for s in SupplierGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text).iter() {
        let values: [Datum; 7] = [
            s.s_suppkey.into(),
            s.s_name.to_string().into(),
            s.s_address.to_string().into(),
            s.s_nationkey.into(),
            s.s_phone.to_string().into(),
            decimal(s.s_acctbal),
            s.s_comment.into(),
        ];
        rows.push(row("supplier", values));
    }
    for ps in PartSuppGenerator::new_with_text_pool(scale, 1, 1, text).iter() {
        let values: [Datum; 5] = [
            ps.ps_partkey.into(),
            ps.ps_suppkey.into(),
            ps.ps_availqty.into(),
            decimal(ps.ps_supplycost),
            ps.ps_comment.into(),
        ];
        rows.push(row("partsupp", values));
    }
    for c in CustomerGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text).iter() {
        let values: [Datum; 8] = [
            c.c_custkey.into(),
            c.c_name.to_string().into(),
            c.c_address.to_string().into(),
            c.c_nationkey.into(),
            c.c_phone.to_string().into(),
            decimal(c.c_acctbal),
            c.c_mktsegment.into(),
            c.c_comment.into(),
        ];
        rows.push(row("customer", values));
    }
    rows
}

/// All orders of a scale.
pub fn orders(scale: f64) -> Vec<Order> {
    let (words, text) = (Distributions::static_default(), &*COMMENTS);
    let lines = LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    let mut lines = lines.iter().peekable();
    let orders = OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, text);
    orders
        .iter()
        .map(|o| {
            let values: [Datum; 9] = [
                o.o_orderkey.into(),
                o.o_custkey.into(),
                o.o_orderstatus.to_string().into(),
                decimal(o.o_totalprice),
                date(o.o_orderdate),
                o.o_orderpriority.into(),
                o.o_clerk.to_string().into(),
                o.o_shippriority.into(),
                o.o_comment.into(),
            ];
            let mut rows = vec![row("orders", values)];
            while let Some(l) = lines.next_if(|line| line.l_orderkey == o.o_orderkey) {
                let values: [Datum; 16] = [
                    l.l_orderkey.into(),
                    l.l_linenumber.into(),
                    l.l_partkey.into(),
                    l.l_suppkey.into(),
                    Datum::Integer(l.l_quantity * 100),
                    decimal(l.l_extendedprice),
                    decimal(l.l_discount),
                    decimal(l.l_tax),
                    l.l_returnflag.into(),
                    l.l_linestatus.into(),
                    date(l.l_shipdate),
                    date(l.l_commitdate),
                    date(l.l_receiptdate),
                    l.l_shipinstruct.into(),
                    l.l_shipmode.into(),
                    l.l_comment.into(),
                ];
                rows.push(row("lineitem", values));
            }
            Order { rows }
        })
        .collect()
}
