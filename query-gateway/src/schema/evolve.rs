//! What may change in a schema while its source goes on.
//!
//! A schema takes effect together with a snapshot taken under it, so that a new column is never seen
//! without its values. Taken over live: new entities, tables and columns, and a column that can now be
//! NULL. Everything else would change what existing queries mean.

use super::{Entity, Schema, SchemaError, Table};

/// What a newly described schema means for the rows that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The same rows.
    None,
    /// More, or other values: a snapshot is needed.
    Additive,
}

impl Schema {
    /// Whether the rows of `self` can be carried over to `new`.
    pub fn change(&self, new: &Schema) -> Result<Change, SchemaError> {
        for entity in &self.entities {
            let what = match new.entity(&entity.name) {
                None => Some("it is no longer published".to_owned()),
                Some((_, new)) => entity.conflict(new),
            };
            if let Some(what) = what {
                let (source_name, entity) = (self.source.clone(), entity.name.clone());
                return Err(SchemaError::Incompatible { source_name, entity, what });
            }
        }
        let same = self.entities.len() == new.entities.len()
            && self.entities.iter().zip(&new.entities).all(|(old, new)| old.same(new));
        Ok(if same { Change::None } else { Change::Additive })
    }
}

impl Entity {
    fn conflict(&self, new: &Entity) -> Option<String> {
        self.tables.iter().find_map(|table| match new.tables.iter().find(|new| new.name() == table.name()) {
            None => Some(format!("table `{}` is gone", table.name())),
            Some(new) => table.conflict(new),
        })
    }

    fn same(&self, new: &Entity) -> bool {
        self.message == new.message
            && self.tables.len() == new.tables.len()
            && self.tables.iter().zip(&new.tables).all(|(old, new)| old.same(new))
    }
}

impl Table {
    fn conflict(&self, new: &Table) -> Option<String> {
        for (column, origin) in self.columns().iter().zip(&self.origins) {
            let field = &origin.field;
            let Some(new) = new.relation.column(&column.name) else {
                return Some(format!("field `{field}` (column `{}.{}`) is gone", self.name(), column.name));
            };
            if new.ty != column.ty {
                return Some(format!("field `{field}` was {} and is {}", column.ty, new.ty));
            }
            if column.nullable && !new.nullable {
                return Some(format!("field `{field}` could be absent and no longer can"));
            }
        }
        (self.relation.key != new.relation.key).then(|| {
            let (old, new) = (self.relation.key.join(", "), new.relation.key.join(", "));
            format!("the key of table `{}` was ({old}) and is ({new})", self.name())
        })
    }

    /// Whether every row is the same under both.
    fn same(&self, new: &Table) -> bool {
        self.relation == new.relation && self.parent == new.parent && self.origins == new.origins
    }
}
