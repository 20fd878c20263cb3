//! Rows that are wider than an answer may be.
//!
//! SQLite makes no value of more than 16 MiB. PostgreSQL makes those of a gigabyte, in each column of a row, and its driver
//! reads a row whole before anybody can look at it: so the statement itself leaves such values out, and says so.

use crate::{
    catalog::Type,
    sql::{Compiled, Dialect},
};

/// The statement with one more column at the end, which tells whether the row has room in `most` bytes: if it has not, what
/// is wide of it is NULL. `None` where rows are narrow as they are.
pub(super) fn limited(dialect: Dialect, compiled: &Compiled, most: usize) -> Option<String> {
    if dialect != Dialect::Postgres {
        return None;
    }
    let (mut names, mut sizes, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (at, column) in compiled.columns.iter().enumerate() {
        let name = format!("c{at}");
        let size = size(&name, column.ty);
        values.push(if size.is_some() { format!("CASE WHEN fits THEN {name} END") } else { name.clone() });
        names.push(name);
        sizes.extend(size);
    }
    if sizes.is_empty() {
        return None;
    }
    let (text, names, sizes, values) =
        (&compiled.text, names.join(", "), sizes.join(" + "), values.join(", "));
    // OFFSET 0 keeps what is computed from being computed again wherever it is named.
    Some(format!(
        "SELECT {values}, fits FROM (SELECT *, {sizes} <= {most} AS fits FROM (\
         SELECT * FROM ({text}) AS answer ({names}) OFFSET 0) AS answer OFFSET 0) AS answer"
    ))
}

/// How many bytes a value takes in an answer; `None` if they are always few.
fn size(name: &str, ty: Type) -> Option<String> {
    let text = match ty {
        Type::Bool | Type::Bigint | Type::Double | Type::Interval | Type::Timestamptz => return None,
        Type::Text | Type::Bytea => "",
        Type::Numeric | Type::Jsonb => "::text",
    };
    Some(format!("coalesce(octet_length({name}{text}), 0)::bigint"))
}
