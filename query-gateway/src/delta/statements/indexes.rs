//! Indexes that users ask for: on the table that keeps the rows of a view, or on a base table.

use super::{Version, list, quoted, stored};
use crate::{
    catalog::Relation,
    sql::{Dialect, IndexColumn, IndexDefinition, types::Ty},
};

/// What creates an index, under which name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexStatement {
    /// In the store.
    pub name: String,
    /// The table that it is on.
    pub table: String,
    /// As the store lists it once it is there.
    pub text: String,
}

/// An index on a base table, which has its columns.
pub fn base_index(dialect: Dialect, index: &IndexDefinition, relation: &Relation) -> IndexStatement {
    let columns = list(&index.columns, |column| {
        let ty = relation.column(&column.name).map(|column| column.ty.into());
        part(dialect, &column.name, ty, column)
    });
    statement(dialect.name(&format!("_x_{}", index.name)), &relation.name, &columns)
}

impl Version {
    /// An index on the rows of the view, which has its columns; or else the column that is not kept.
    pub fn index<'i>(&self, index: &'i IndexDefinition) -> Result<IndexStatement, &'i str> {
        let last = self.node(self.plan.last());
        let mut columns = Vec::new();
        for column in &index.columns {
            let kept = last.stored_as(&column.name).ok_or(column.name.as_str())?;
            let known = last.columns.iter().find(|known| known.label == column.name);
            columns.push(part(self.dialect, &kept, known.and_then(|known| known.ty), column));
        }
        let table = stored(self.number, self.plan.last().0);
        let name = self.dialect.name(&format!("_v{}_x_{}", self.number, index.name));
        Ok(statement(name, &table, &columns.join(", ")))
    }
}

fn part(dialect: Dialect, kept: &str, ty: Option<Ty>, column: &IndexColumn) -> String {
    format!("{}{}{}", quoted(kept), dialect.collate(ty), if column.descending { " DESC" } else { "" })
}

fn statement(name: String, table: &str, columns: &str) -> IndexStatement {
    let text = format!("CREATE INDEX {} ON {} ({columns})", quoted(&name), quoted(table));
    IndexStatement { name, table: table.to_owned(), text }
}
