//! Writes images of entities into their tables.

use std::collections::{HashMap, HashSet};

use sqlx::{
    AssertSqlSafe, Row as _, Sqlite, SqliteConnection, ValueRef as _,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    maintained::Maintained,
    statements::{Place, Statements, Verb, chunks, width},
};
use crate::{
    catalog::Type,
    error::StoreError,
    schema::{Entity, Image, Row, Schema, Table, Value},
};

/// How many rows a table gained, or lost.
pub(super) type Gains = HashMap<String, i64>;

/// Leaves each entity as its newest image says: a later one replaces an earlier one whole, so that only the
/// last of each key matters.
///
/// Table by table: `maintained`, who follows base tables alone, takes in what changed in one before the next is touched.
pub(super) async fn replace(
    tx: &mut SqliteConnection,
    statements: &mut Statements,
    place: Place,
    schema: &Schema,
    images: &[Image],
    mut maintained: Option<&mut Maintained>,
) -> Result<Gains, StoreError> {
    let mut gains = Gains::new();
    for (entity, images) in by_entity(schema, images) {
        let mut tables = Writing { tx, statements, place, key: &entity.tables[0].relation.key };
        let images = match place {
            Place::Base => images,
            Place::Staging => tables.newer(entity, images).await?,
        };
        for (place_of_table, table) in entity.tables.iter().enumerate() {
            let gain = gains.entry(table.name().to_owned()).or_default();
            *gain -= tables.delete(table, images.iter().map(|image| &image.key)).await?;
            let rows: Vec<Full<'_>> = images
                .iter()
                .filter_map(|image| Some((image, image.rows.as_ref()?.get(place_of_table)?)))
                .flat_map(|(image, rows)| rows.iter().map(move |row| (row, *image)))
                .collect();
            *gain += rows.len() as i64;
            tables.insert(table, rows).await?;
            if let Some(maintained) = &mut maintained {
                maintained.propagate(tables.tx, table.name()).await?;
            }
        }
    }
    Ok(gains)
}

/// A row, and the image that it is of.
type Full<'a> = (&'a Row, &'a Image);

/// The newest image per key, per entity.
fn by_entity<'a>(schema: &'a Schema, images: &'a [Image]) -> Vec<(&'a Entity, Vec<&'a Image>)> {
    let mut newest: Vec<HashMap<&[Value], &Image>> = schema.entities.iter().map(|_| HashMap::new()).collect();
    for image in images {
        let known = newest[image.entity].entry(&image.key).or_insert(image);
        if known.sequence < image.sequence {
            *known = image;
        }
    }
    let entities = schema.entities.iter().map(|entity| &**entity);
    entities
        .zip(newest)
        .filter(|(_, images)| !images.is_empty())
        .map(|(e, i)| (e, i.into_values().collect()))
        .collect()
}

struct Writing<'a> {
    tx: &'a mut SqliteConnection,
    statements: &'a mut Statements,
    place: Place,
    /// Columns of the entity's key, with which the keys of its children begin.
    key: &'a [String],
}

impl Writing<'_> {
    async fn delete(
        &mut self,
        table: &Table,
        keys: impl Iterator<Item = &Vec<Value>>,
    ) -> Result<i64, StoreError> {
        let mut keys = keys.collect::<Vec<_>>().into_iter();
        let mut deleted = 0;
        for count in chunks(keys.len(), self.key.len()) {
            let text = self.statements.get(Verb::Delete, self.place, table, self.key, count);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for value in keys.by_ref().take(count).flatten() {
                query = bind(query, value);
            }
            let done = query.execute(&mut *self.tx).await.map_err(StoreError::sql("removing rows"))?;
            deleted += done.rows_affected() as i64;
        }
        Ok(deleted)
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Full<'_>>) -> Result<(), StoreError> {
        let mut rows = rows.into_iter();
        let is_own = table.parent.is_none();
        for count in chunks(rows.len(), width(table)) {
            let text = self.statements.get(Verb::Insert, self.place, table, self.key, count);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (row, image) in rows.by_ref().take(count) {
                query = row.iter().fold(query, bind);
                query = query.bind(image.sequence.cast_signed()).bind(&image.trace);
                if is_own {
                    query = query.bind(&image.event).bind(image.commit_time);
                }
            }
            query.execute(&mut *self.tx).await.map_err(StoreError::sql("writing rows"))?;
        }
        Ok(())
    }

    /// Without those that the table has as new or newer: rows of a snapshot may be newer than the changes
    /// that follow it.
    async fn newer<'i>(
        &mut self,
        entity: &Entity,
        images: Vec<&'i Image>,
    ) -> Result<Vec<&'i Image>, StoreError> {
        let failed = StoreError::sql("reading the rows of a snapshot");
        let table = &entity.tables[0];
        let types: Vec<_> = table.key.iter().map(|&slot| table.columns()[slot].ty).collect();
        let sequences: HashMap<_, _> = images.iter().map(|image| (&image.key, image.sequence)).collect();
        let mut outdated = HashSet::new();
        let mut keys = images.iter().map(|image| &image.key);
        for count in chunks(images.len(), self.key.len()) {
            let text = self.statements.get(Verb::Sequences, self.place, table, self.key, count);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for value in keys.by_ref().take(count).flatten() {
                query = bind(query, value);
            }
            for row in query.fetch_all(&mut *self.tx).await.map_err(&failed)? {
                let stored: i64 = row.try_get(types.len()).map_err(&failed)?;
                let key = read_key(&row, &types).map_err(&failed)?;
                if sequences.get(&key).is_some_and(|sequence| *sequence <= stored.cast_unsigned()) {
                    outdated.insert(key);
                }
            }
        }
        Ok(images.into_iter().filter(|image| !outdated.contains(&image.key)).collect())
    }
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: &'q Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    }
}

fn read_key(row: &SqliteRow, types: &[Type]) -> Result<Vec<Value>, sqlx::Error> {
    let value = |(place, ty): (usize, &Type)| {
        Ok(match ty {
            _ if row.try_get_raw(place)?.is_null() => Value::Null,
            Type::Text => Value::Text(row.try_get(place)?),
            Type::Bytea => Value::Blob(row.try_get(place)?),
            _ => Value::Integer(row.try_get(place)?),
        })
    };
    types.iter().enumerate().map(value).collect()
}
