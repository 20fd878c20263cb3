//! Writes images of entities into their tables.

use std::collections::{HashMap, HashSet};

use super::{
    maintained::Maintained,
    statements::{self, Place, Statements, Verb, chunks, own_types},
};
use crate::{
    catalog::Type,
    database::{self, Argument, Connection, Dialect, Row as Read, Rows},
    error::StoreError,
    schema::{Entity, Image, Row, Schema, Table, Value},
};

/// From so many rows on PostgreSQL takes them by COPY. Of 2,000 rows with nine columns each took it 1.6 µs, and 1.85 as arrays; but COPY is
/// one more call, and is not prepared: few rows are the faster for that.
const LEAST_COPIED: usize = 500;

/// How many rows a table gained, or lost.
pub(super) type Gains = HashMap<String, i64>;

/// Leaves each entity as its newest image says: a later one replaces an earlier one whole, so that only the
/// last of each key matters.
///
/// Table by table: `maintained`, who follows base tables alone, takes in what changed in one before the next is touched.
pub(super) async fn replace(
    tx: &mut Connection,
    statements: &mut Statements,
    place: Place,
    schema: &Schema,
    images: &[Image],
    mut maintained: Option<&mut Maintained>,
) -> Result<Gains, StoreError> {
    let mut gains = Gains::new();
    for (entity, images) in by_entity(schema, images) {
        let own = &entity.tables[0];
        let types: Vec<_> = own.key.iter().map(|&slot| own.columns()[slot].ty).collect();
        let mut tables = Writing { tx, statements, place, key: &own.relation.key, types: &types };
        let (images, replace) = match place {
            Place::Base => (images, true),
            Place::Staging => tables.newer(entity, images).await?,
        };
        for (place_of_table, table) in entity.tables.iter().enumerate() {
            let gain = gains.entry(table.name().to_owned()).or_default();
            if replace {
                *gain -= tables.delete(table, images.iter().map(|image| &image.key)).await?;
            }
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
    tx: &'a mut Connection,
    statements: &'a mut Statements,
    place: Place,
    /// Columns of the entity's key, with which the keys of its children begin.
    key: &'a [String],
    /// Their types.
    types: &'a [Type],
}

impl Writing<'_> {
    async fn delete(
        &mut self,
        table: &Table,
        keys: impl Iterator<Item = &Vec<Value>>,
    ) -> Result<i64, StoreError> {
        let dialect = self.tx.dialect();
        let mut keys = keys.collect::<Vec<_>>().into_iter();
        let mut deleted = 0;
        for count in chunks(dialect, keys.len(), self.key.len()) {
            let text = self.statements.get(dialect, Verb::Delete, self.place, table, self.key, count);
            let keys = keys.by_ref().take(count).flat_map(|key| key.iter().zip(self.types).map(argument));
            let delete = self.tx.composed(text).bind_all(shaped(dialect, self.types, keys));
            deleted += delete.execute().await.map_err(StoreError::sql("removing rows"))? as i64;
        }
        Ok(deleted)
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Full<'_>>) -> Result<(), StoreError> {
        let dialect = self.tx.dialect();
        let own = own_types(&table.relation);
        let types: Vec<_> =
            table.columns().iter().map(|column| column.ty).chain(own.iter().copied()).collect();
        if dialect == Dialect::Postgres && self.place == Place::Staging && rows.len() >= LEAST_COPIED {
            return self.copy(table, &types, rows).await;
        }
        let mut rows = rows.into_iter();
        for count in chunks(dialect, rows.len(), types.len()) {
            let text = self.statements.get(dialect, Verb::Insert, self.place, table, self.key, count);
            let values = rows.by_ref().take(count).flat_map(|row| full(row, &types));
            let insert = self.tx.composed(text).bind_all(shaped(dialect, &types, values));
            insert.execute().await.map_err(StoreError::sql("writing rows"))?;
        }
        Ok(())
    }

    async fn copy(&mut self, table: &Table, types: &[Type], rows: Vec<Full<'_>>) -> Result<(), StoreError> {
        let failed = StoreError::sql("copying rows");
        let mut copied = Rows::new(types.len()).map_err(&failed)?;
        for row in rows {
            copied.add(full(row, types)).map_err(&failed)?;
        }
        self.tx.copy(&statements::copy(self.place, table), copied).await.map(drop).map_err(&failed)
    }

    /// Without those that the table has as new or newer: rows of a snapshot may be newer than the changes
    /// that follow it. And whether the table has any of them.
    async fn newer<'i>(
        &mut self,
        entity: &Entity,
        images: Vec<&'i Image>,
    ) -> Result<(Vec<&'i Image>, bool), StoreError> {
        let failed = StoreError::sql("reading the rows of a snapshot");
        let dialect = self.tx.dialect();
        let table = &entity.tables[0];
        let sequences: HashMap<_, _> = images.iter().map(|image| (&image.key, image.sequence)).collect();
        let (mut outdated, mut any) = (HashSet::new(), false);
        let mut keys = images.iter().map(|image| &image.key);
        for count in chunks(dialect, images.len(), self.key.len()) {
            let text = self.statements.get(dialect, Verb::Sequences, self.place, table, self.key, count);
            let keys = keys.by_ref().take(count).flat_map(|key| key.iter().zip(self.types).map(argument));
            let stored = self.tx.composed(text).bind_all(shaped(dialect, self.types, keys));
            for row in stored.all::<Read>().await.map_err(&failed)? {
                any = true;
                let stored: i64 = row.get(self.types.len()).map_err(&failed)?;
                let key = read_key(&row, self.types.len()).map_err(&failed)?;
                if sequences.get(&key).is_some_and(|sequence| *sequence <= stored.cast_unsigned()) {
                    outdated.insert(key);
                }
            }
        }
        Ok((images.into_iter().filter(|image| !outdated.contains(&image.key)).collect(), any))
    }
}

/// The values of a row, and those of ours that its table has. `types` are of all its columns.
fn full<'v>((row, image): Full<'v>, types: &'v [Type]) -> impl Iterator<Item = Argument<'v>> {
    let of_change: [Argument<'_>; 4] = [
        image.sequence.cast_signed().into(),
        (&image.trace).into(),
        (&image.event).into(),
        image.commit_time.into(),
    ];
    let own = types.len() - row.len();
    row.iter().zip(types).map(argument).chain(of_change.into_iter().take(own))
}

/// The values of some rows as a statement takes them: one after another, or as an array for each column.
fn shaped<'v>(
    dialect: Dialect,
    types: &[Type],
    values: impl Iterator<Item = Argument<'v>>,
) -> Vec<Argument<'v>> {
    if dialect == Dialect::Sqlite {
        return values.collect();
    }
    let mut columns: Vec<_> = types.iter().map(|_| Vec::new()).collect();
    for (at, value) in values.enumerate() {
        columns[at % types.len()].push(value);
    }
    types.iter().zip(columns).map(|(ty, column)| Argument::Array(*ty, column)).collect()
}

/// A value of a column of that type.
fn argument<'v>((value, ty): (&'v Value, &Type)) -> Argument<'v> {
    match (value, ty) {
        (Value::Null, ty) => Argument::Null(*ty),
        (Value::Integer(value), Type::Bool) => Argument::Bool(*value != 0),
        (Value::Integer(value), Type::Timestamptz) => Argument::Timestamptz(*value),
        (Value::Integer(value), _) => Argument::Bigint(*value),
        (Value::Real(value), _) => Argument::Double(*value),
        (Value::Text(text), Type::Jsonb) => Argument::Jsonb(text.into()),
        (Value::Text(text), _) => Argument::Text(text.into()),
        (Value::Blob(bytes), _) => Argument::Bytea(bytes.into()),
    }
}

/// The key that a row begins with.
fn read_key(row: &Read, width: usize) -> Result<Vec<Value>, database::Error> {
    let value = |at| {
        Ok(match row.value(at)? {
            database::Value::Bool(value) => Value::Integer(value.into()),
            database::Value::Integer(value) | database::Value::Timestamptz(value) => Value::Integer(value),
            database::Value::Double(value) => Value::Real(value),
            database::Value::Bytes(bytes) => Value::Blob(bytes),
            database::Value::Text(text)
            | database::Value::Jsonb(text)
            | database::Value::Numeric(text)
            | database::Value::Interval(text)
            | database::Value::Other(text) => Value::Text(text),
            database::Value::Null => Value::Null,
        })
    };
    (0..width).map(value).collect()
}
