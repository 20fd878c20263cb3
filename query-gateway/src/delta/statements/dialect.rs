//! The words in which the statements of stores differ.

use super::{list, of};
use crate::{
    delta::plan::Column,
    sql::{
        Dialect,
        relational::{Expr, ExprKind},
        text::{quoted, type_name},
        types::Ty,
    },
};

/// What a table is looked up by, behind what is joined so far.
pub(super) struct Probe<'p> {
    pub(super) table: &'p str,
    /// By which it is named.
    pub(super) alias: &'p str,
    /// The columns that are wanted of it.
    pub(super) columns: &'p str,
    pub(super) conditions: &'p [String],
}

impl Dialect {
    /// The schema of what is there for one session.
    pub(super) fn temporary(self) -> &'static str {
        match self {
            Dialect::Sqlite => "temp",
            Dialect::Postgres => "pg_temp",
        }
    }

    /// How a table of rows by columns is created: of the right types, and no others.
    pub(super) fn strict(self) -> &'static str {
        match self {
            Dialect::Sqlite => " STRICT",
            Dialect::Postgres => "",
        }
    }

    /// The type of a column of weights.
    pub(super) fn weight(self) -> &'static str {
        match self {
            Dialect::Sqlite => "INTEGER NOT NULL",
            Dialect::Postgres => "bigint NOT NULL",
        }
    }

    /// The type of a column; none: it holds values of different types.
    pub(super) fn storage(self, ty: Option<Ty>) -> &'static str {
        match (self, ty) {
            (Dialect::Sqlite, Some(Ty::Bool | Ty::Integer | Ty::Bigint | Ty::Whole))
            | (Dialect::Sqlite, Some(Ty::Timestamptz | Ty::Date)) => "INTEGER",
            (Dialect::Sqlite, Some(Ty::Double)) => "REAL",
            (Dialect::Sqlite, Some(Ty::Bytea)) => "BLOB",
            (Dialect::Sqlite, Some(Ty::Text | Ty::Jsonb | Ty::Numeric | Ty::Interval | Ty::Unknown)) => {
                "TEXT"
            }
            (Dialect::Sqlite, None) => "ANY",
            // Values of different types are kept as their text.
            (Dialect::Postgres, None | Some(Ty::Text | Ty::Unknown)) => "text COLLATE \"C\"",
            (Dialect::Postgres, Some(ty)) => type_name(ty),
        }
    }

    /// The collation of what has to say by what it is compared.
    pub(super) fn collate(self, ty: Option<Ty>) -> String {
        ty.and_then(|ty| self.collation(ty)).map(|name| format!(" COLLATE {name}")).unwrap_or_default()
    }

    /// A value of a column by which rows are the same: NULL is the same as NULL. An index over it is used.
    pub(super) fn not_null(self, value: &str, column: &Column) -> String {
        match (self, column.nullable, column.ty) {
            (_, false, _) => value.to_owned(),
            // Lists are the same if they have NULL in the same places.
            (Dialect::Postgres, true, _) => format!("ARRAY[{value}]"),
            // An empty blob is nothing that another type has; of bytes, the digits stand for them.
            (Dialect::Sqlite, true, Some(Ty::Bytea)) => format!("iif({value} IS NULL, x'', hex({value}))"),
            (Dialect::Sqlite, true, ty) => format!("ifnull({value}, x''){}", self.collate(ty)),
        }
    }

    /// The same, with the collation by which such values are ordered wherever they are kept.
    pub(super) fn ordered(self, value: &str, column: &Column) -> String {
        let value = self.not_null(value, column);
        if column.nullable { value } else { value + &self.collate(column.ty) }
    }

    /// The same as a part of an index, or of what conflicts with one.
    pub(super) fn indexed(self, value: &str) -> String {
        // Whatever is no name needs parentheses, and nothing else is as a list is.
        if value.starts_with("ARRAY[") { format!("({value})") } else { value.to_owned() }
    }

    /// What identifies rows of these columns, in order. In PostgreSQL, whose indexes have 32 columns at most, those that are
    /// kept as text and can be NULL are one list where they follow each other.
    pub(super) fn parts(self, columns: &[&Column], value: &dyn Fn(&Column) -> String) -> Vec<String> {
        let listed = |column: &Column| {
            self == Dialect::Postgres && column.nullable && matches!(column.ty, None | Some(Ty::Text))
        };
        let of_run = |run: &[&Column]| match run {
            [column] => self.not_null(&value(column), column),
            columns => format!("ARRAY[{}]", list(columns, |column| value(column))),
        };
        columns.chunk_by(|one, next| listed(one) && listed(next)).map(of_run).collect()
    }

    /// The same with collations by which such values are ordered wherever they are kept.
    pub(super) fn ordered_parts(self, columns: &[&Column], value: &dyn Fn(&Column) -> String) -> Vec<String> {
        match self {
            Dialect::Sqlite => columns.iter().map(|column| self.ordered(&value(column), column)).collect(),
            Dialect::Postgres => self.parts(columns, value),
        }
    }

    /// The same as an index over columns has it, or what conflicts with one.
    pub(super) fn indexed_parts(self, columns: &[&Column]) -> String {
        list(self.parts(columns, &|column| quoted(&column.label)), |part| self.indexed(&part))
    }

    /// Whether two rows have the same key.
    pub(super) fn same(self, left: &str, right: &str, columns: &[(&Column, &Column)]) -> String {
        let side = |source: &str, columns: Vec<Column>| {
            let columns: Vec<&Column> = columns.iter().collect();
            self.parts(&columns, &|column| of(source, column))
        };
        let both = |pick: &dyn Fn(&(&Column, &Column)) -> Column| -> Vec<Column> {
            let nullable = |pair: &(&Column, &Column)| pair.0.nullable || pair.1.nullable;
            columns.iter().map(|pair| Column { nullable: nullable(pair), ..pick(pair) }).collect()
        };
        let left = side(left, both(&|(one, _)| (*one).clone()));
        // What is listed is so on both sides.
        let right = side(
            right,
            both(&|(one, other)| match self {
                Dialect::Sqlite => (*other).clone(),
                Dialect::Postgres => Column { ty: one.ty, ..(*other).clone() },
            }),
        );
        let parts: Vec<String> =
            left.iter().zip(&right).map(|(left, right)| format!("{left} = {right}")).collect();
        parts.join(" AND ")
    }

    /// Whether an expression has the value of a key, of which NULL is the same as NULL. An index over the expression is used:
    /// in PostgreSQL as [`Dialect::not_null`] has it if it can be NULL.
    pub(super) fn is_key(self, expr: &Expr, key: &Column, value: &str) -> String {
        match self {
            Dialect::Sqlite => {
                let equal = if key.nullable { "IS" } else { "=" };
                format!("{} {equal} {value}", self.key_expression(expr))
            }
            Dialect::Postgres => {
                let column = Column { nullable: key.nullable || expr.nullable, ..key.clone() };
                let own = self.not_null(&self.expression(expr), &column);
                format!("{own} = {}", self.not_null(value, &column))
            }
        }
    }

    /// By what values are grouped that are the same if they also look the same: 1.0 is no 1.00.
    pub(super) fn exactly<'c>(self, values: impl IntoIterator<Item = (&'c str, Option<Ty>)>) -> String {
        list(values, |(value, ty)| match (self, ty) {
            // As text without a collation everything is what it looks like.
            (Dialect::Sqlite, _) => value.to_owned(),
            (Dialect::Postgres, Some(Ty::Numeric)) => format!("{value}, scale({value})"),
            (Dialect::Postgres, ty) if self.varies(ty) => format!("{value}, {value}::text"),
            (Dialect::Postgres, _) => value.to_owned(),
        })
    }

    /// An expression as a column of that type, which is compared byte by byte: a collation from within the expression would be
    /// that of its result too.
    pub(super) fn exact(self, expr: &Expr, ty: Option<Ty>) -> String {
        match (self, ty) {
            (Dialect::Sqlite, _) => format!("{} COLLATE BINARY", self.expression(expr)),
            (Dialect::Postgres, None) if expr.ty != Ty::Text => {
                let text = ExprKind::Cast(Box::new(expr.clone()));
                self.result(&Expr::new(text, Ty::Text, expr.nullable))
            }
            (Dialect::Postgres, _) => self.result(expr),
        }
    }

    /// A condition as the number 1, or 0 where it is not known to hold.
    pub(super) fn one_if(self, condition: &str) -> String {
        match self {
            Dialect::Sqlite => format!("ifnull({condition}, 0)"),
            Dialect::Postgres => format!("coalesce({condition}, FALSE)::integer"),
        }
    }

    /// The same of what is known.
    pub(super) fn number(self, condition: &str) -> String {
        match self {
            Dialect::Sqlite => format!("({condition})"),
            Dialect::Postgres => format!("({condition})::integer"),
        }
    }

    /// A value, or `none` for NULL.
    pub(super) fn or(self, value: &str, none: &str) -> String {
        match self {
            Dialect::Sqlite => format!("ifnull({value}, {none})"),
            Dialect::Postgres => format!("coalesce({value}, {none})"),
        }
    }

    /// A sub-query in FROM that nothing names.
    pub(crate) fn unnamed(self, query: &str) -> String {
        match self {
            Dialect::Sqlite => format!("({query})"),
            Dialect::Postgres => format!("({query}) AS s"),
        }
    }

    /// How many rows there are, of their weights, as a number like those.
    pub(super) fn sum(self, weight: &str) -> String {
        match self {
            Dialect::Sqlite => format!("SUM({weight})"),
            Dialect::Postgres => format!("SUM({weight})::bigint"),
        }
    }

    /// A SELECT that is computed for each row around it, by an index if there is one.
    pub(super) fn pinned(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " OFFSET 0",
        }
    }

    /// A table joined to what stands in front of it, by conditions that all hold. In SQLite they are behind it.
    pub(super) fn probed(self, probe: &Probe<'_>) -> String {
        let Probe { table, alias, columns, conditions } = probe;
        let on = super::and(conditions);
        match self {
            Dialect::Sqlite => format!(" CROSS JOIN {table} AS {alias} ON {on}"),
            Dialect::Postgres => {
                format!(
                    " CROSS JOIN LATERAL (SELECT {columns} FROM {table} AS {alias} WHERE {on} OFFSET 0) AS {alias}"
                )
            }
        }
    }

    /// The same of an outer join.
    pub(super) fn probed_or_not(self, probe: &Probe<'_>) -> String {
        let Probe { table, alias, columns, conditions } = probe;
        let on = super::and(conditions);
        match self {
            Dialect::Sqlite => format!(" LEFT JOIN {table} AS {alias} ON {on}"),
            Dialect::Postgres => format!(
                " LEFT JOIN LATERAL (SELECT {columns} FROM {table} AS {alias} WHERE {on} OFFSET 0) AS {alias} ON TRUE"
            ),
        }
    }

    /// The column by which the store itself knows a row.
    pub(super) fn row(self) -> &'static str {
        match self {
            Dialect::Sqlite => "rowid",
            Dialect::Postgres => "ctid",
        }
    }

    /// Whether a row is among those of a query of [`Dialect::row`]. As a list they are found without joining.
    pub(super) fn row_among(self, rows: &str) -> String {
        match self {
            Dialect::Sqlite => format!("rowid IN ({rows})"),
            Dialect::Postgres => format!("ctid = ANY(ARRAY({rows}))"),
        }
    }

    /// Whether equal values of a type may look different.
    pub(super) fn varies(self, ty: Option<Ty>) -> bool {
        match self {
            Dialect::Sqlite => !self.collate(ty).is_empty(),
            Dialect::Postgres => matches!(ty, Some(Ty::Numeric | Ty::Double | Ty::Interval | Ty::Jsonb)),
        }
    }

    /// A function that is true of a group without rows, and fails for one that lost more than it had.
    pub(super) fn emptied(self) -> &'static str {
        match self {
            Dialect::Sqlite => "tributary_emptied",
            Dialect::Postgres => "pg_temp._emptied",
        }
    }

    /// Creates that function, if it is not there anyway.
    pub(super) fn create_emptied(self) -> Option<String> {
        let body = super::routine::body(
            "BEGIN IF rows < 0 THEN RAISE EXCEPTION 'internal error: a group lost more rows than it had'; END IF; \
             RETURN TRUE; END",
        );
        (self == Dialect::Postgres).then(|| {
            format!(
                "CREATE OR REPLACE FUNCTION {}(rows bigint) RETURNS boolean LANGUAGE plpgsql AS {body}",
                self.emptied()
            )
        })
    }

    /// The value that the row in conflict has now.
    pub(super) fn current(self, label: &str) -> String {
        match self {
            Dialect::Sqlite => label.to_owned(),
            Dialect::Postgres => format!("t.{label}"),
        }
    }

    /// The target of an INSERT whose conflicts look at the row that is there.
    pub(super) fn target(self, table: &str) -> String {
        match self {
            Dialect::Sqlite => table.to_owned(),
            Dialect::Postgres => format!("{table} AS t"),
        }
    }

    /// A name that the store takes as it is: PostgreSQL would cut off what is behind the 63rd byte.
    pub(super) fn name(self, name: &str) -> String {
        const LONGEST: usize = 63;
        if self == Dialect::Sqlite || name.len() <= LONGEST {
            return name.to_owned();
        }
        let mut end = LONGEST - 17;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}_{:016x}", &name[..end], digest(name))
    }
}

/// The same for the same name, in every process.
fn digest(name: &str) -> u64 {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Names of columns.
pub(super) fn names(labels: &[String]) -> String {
    list(labels, |label| quoted(label))
}
