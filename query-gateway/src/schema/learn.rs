//! From descriptors to tables.

use std::sync::Arc;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use tributary_proto::{feed::v1::DescribeResponse, options::v1 as proto};

use super::{
    Entity, Origin, SchemaError, Value,
    draft::{Draft, ORDINAL, is_name},
    options::Options,
    shape::{Field, Scalar, Shape, Target},
    signature,
};
use crate::catalog::{Column, Type};

/// An entity has at most this many tables, so that a few nested messages cannot become millions.
const MAX_TABLES: usize = 100;

/// Every entity of a source, in order of name.
pub(super) fn entities(source: &str, described: &DescribeResponse) -> Result<Vec<Arc<Entity>>, SchemaError> {
    let unusable = |why: String| SchemaError::Descriptors { source_name: source.to_owned(), why };
    let pool = DescriptorPool::decode(described.file_descriptor_set.as_slice())
        .map_err(|error| unusable(error.to_string()))?;
    let options = Options::of(&pool);
    let mut entities = Vec::new();
    for entity in &described.entities {
        let message = pool.get_message_by_name(&entity.message).ok_or_else(|| {
            unusable(format!("message `{}` of entity `{}` is not among them", entity.message, entity.name))
        })?;
        entities.push(Arc::new(learn(source, &entity.name, &message, &options)?));
    }
    entities.sort_by(|a, b| a.name.cmp(&b.name));
    match entities.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(unusable(format!("entity `{}` is described twice", pair[0].name))),
        None => Ok(entities),
    }
}

fn learn(
    source: &str,
    entity: &str,
    message: &MessageDescriptor,
    options: &Options,
) -> Result<Entity, SchemaError> {
    let mut learner = Learner { entity, options, tables: Vec::new(), around: Vec::new() };
    let named = options.entity(message).ok_or_else(|| {
        learner.error(
            message.full_name(),
            "it has no option (tributary.options.v1.entity), which names its table",
        )
    })?;
    let (_, _, shape) = learner.table(message, named.table, None, "")?;
    let names: Vec<_> = learner.tables.iter().map(|draft| draft.name.clone()).collect();
    let tables = learner.tables.into_iter().map(|draft| draft.finish(source, entity, &names)).collect();
    Ok(Entity { name: entity.to_owned(), message: message.full_name().to_owned(), tables, shape })
}

struct Learner<'a> {
    entity: &'a str,
    options: &'a Options,
    tables: Vec<Draft>,
    /// Full names of the messages around the one at hand.
    around: Vec<String>,
}

/// Where the columns of a message go.
struct Place<'a> {
    table: usize,
    /// In front of the names of its columns.
    prefix: &'a str,
    /// Of the message, from the entity's message down.
    path: &'a str,
    /// Whether the message itself can be absent while the row is there.
    nullable: bool,
}

impl Learner<'_> {
    fn error(&self, what: &str, why: impl Into<String>) -> SchemaError {
        SchemaError::Entity { entity: self.entity.to_owned(), what: format!("`{what}`"), why: why.into() }
    }

    /// Makes a table of a message: its place, the place of its ordinal, and how it is filled.
    fn table(
        &mut self,
        message: &MessageDescriptor,
        name: String,
        parent: Option<usize>,
        path: &str,
    ) -> Result<(usize, Option<usize>, Shape), SchemaError> {
        let what = if path.is_empty() { message.full_name() } else { path };
        if !is_name(&name) || name.starts_with("sqlite_") {
            return Err(self
                .error(what, format!("`{name}` cannot be the name of a table: use [a-z][a-z0-9_]{{0,62}}")));
        }
        if self.tables.len() == MAX_TABLES {
            return Err(
                self.error(what, format!("it needs more than {MAX_TABLES} tables; skip some of its fields"))
            );
        }
        let mut key = parent.map(|parent| self.tables[parent].inherited_key()).unwrap_or_default();
        let mut draft = Draft::new(name, parent, path);
        for (column, origin) in &key {
            draft.push(column.clone(), origin.clone()).map_err(|why| self.error(what, why))?;
        }
        let own = self.own_key(message, path)?;
        let mut ordinal = None;
        if own.is_empty() && parent.is_none() {
            return Err(self.error(
                what,
                "no field is its key; mark at least one with (tributary.options.v1.field).key",
            ));
        } else if own.is_empty() {
            let column = Column { name: ORDINAL.to_owned(), ty: Type::Bigint, nullable: false };
            let origin = Origin { field: format!("{path}, its ordinal"), signature: ORDINAL.to_owned() };
            key.push((column.clone(), origin.clone()));
            ordinal = Some(draft.push(column, origin).map_err(|why| self.error(what, why))?);
        }
        key.extend(own);
        draft.key = key;
        let table = self.tables.len();
        self.tables.push(draft);
        let shape = self.fields(message, &Place { table, prefix: "", path, nullable: false })?;
        Ok((table, ordinal, shape))
    }

    /// The columns of the fields that are marked as key, before any column is made: children need them.
    fn own_key(&self, message: &MessageDescriptor, path: &str) -> Result<Vec<(Column, Origin)>, SchemaError> {
        let mut key = Vec::new();
        for field in declared(message) {
            let option = self.options.field(&field);
            if !option.key {
                continue;
            }
            let path = join(path, field.name(), ".");
            let scalar =
                Scalar::of(&field.kind()).filter(|scalar| scalar.ty() != Type::Double && !field.is_list());
            match scalar {
                _ if option.skip => return Err(self.error(&path, "it is a key and cannot be skipped")),
                Some(scalar) if !field.supports_presence() => {
                    let name = column_name(&option, "", &field);
                    let column = Column { name, ty: scalar.ty(), nullable: false };
                    key.push((column, Origin { field: path, signature: signature::of(&field) }));
                }
                Some(_) => {
                    return Err(
                        self.error(&path, "a key is never absent: it cannot be `optional` or in a oneof")
                    );
                }
                None => {
                    return Err(self.error(&path, "a key is an integer, a bool, an enum, a string or bytes"));
                }
            }
        }
        Ok(key)
    }

    /// Makes columns of the fields of a message.
    fn fields(&mut self, message: &MessageDescriptor, place: &Place<'_>) -> Result<Shape, SchemaError> {
        self.around.push(message.full_name().to_owned());
        let oneofs: Vec<_> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        let mut shape = Shape {
            message: message.clone(),
            defaults: Vec::new(),
            fields: Vec::new(),
            oneofs: oneofs.len(),
        };
        for field in declared(message) {
            let option = self.options.field(&field);
            let path = join(place.path, field.name(), ".");
            if option.key && !place.prefix.is_empty() {
                return Err(
                    self.error(&path, "a key is a field of the entity or of a repeated message itself")
                );
            }
            if option.skip {
                continue;
            }
            let target = self.target(&field, &option, place, &path, &mut shape.defaults)?;
            let oneof = field.containing_oneof().and_then(|of| oneofs.iter().position(|oneof| *oneof == of));
            shape.fields.push(Field { number: field.number(), path, oneof, target });
        }
        shape.fields.sort_by_key(|field| field.number);
        self.around.pop();
        Ok(shape)
    }

    fn target(
        &mut self,
        field: &FieldDescriptor,
        option: &proto::Field,
        place: &Place<'_>,
        path: &str,
        defaults: &mut Vec<(usize, Value)>,
    ) -> Result<Target, SchemaError> {
        let name = column_name(option, place.prefix, field);
        if let Kind::Message(message) = field.kind()
            && self.has_columns(field, &message)
        {
            if field.is_list() {
                let around = &self.tables[place.table].name;
                let name =
                    if option.name.is_empty() { format!("{around}_{name}") } else { option.name.clone() };
                let (table, ordinal, shape) = self.table(&message, name, Some(place.table), path)?;
                return Ok(Target::Rows { table, ordinal, shape });
            }
            let inner = Place { table: place.table, prefix: &name, path, nullable: true };
            return Ok(Target::Flat(self.fields(&message, &inner)?));
        }
        let absent = field.supports_presence();
        let single = field.kind().as_message().cloned().filter(|_| !field.is_list());
        let mut column = |ty, nullable| {
            let column = Column { name: name.clone(), ty, nullable };
            let origin = Origin { field: path.to_owned(), signature: signature::of(field) };
            self.tables[place.table].push(column, origin)
        };
        let made = if let Some(scalar) = Scalar::of(&field.kind())
            && !field.is_list()
        {
            column(scalar.ty(), place.nullable || absent).map(|slot| {
                defaults.extend((!absent).then(|| (slot, scalar.default())));
                Target::Scalar { slot, scalar }
            })
        } else if let Some(message) = &single
            && message.full_name() == TIMESTAMP
        {
            column(Type::Timestamptz, true).map(|slot| Target::Time { slot })
        } else if let Some(message) = &single
            && let Some(scalar) = wrapped(message)
        {
            column(scalar.ty(), true).map(|slot| Target::Flat(wrapper(message.clone(), slot, scalar, path)))
        } else {
            column(Type::Jsonb, place.nullable || absent).map(|slot| {
                let empty = if field.is_map() { "{}" } else { "[]" };
                defaults.extend((!absent).then(|| (slot, Value::Text(empty.to_owned()))));
                Target::Json { slot, name: field.json_name().to_owned() }
            })
        };
        made.map_err(|why| self.error(path, why))
    }

    /// Whether a message has columns of its own, and is not kept as JSON.
    fn has_columns(&self, field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
        !field.is_map()
            && !field.is_group()
            && !message.full_name().starts_with("google.protobuf.")
            && !self.around.iter().any(|around| around == message.full_name())
            && message.fields().len() > 0
    }
}

const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The scalar in a wrapper like `google.protobuf.Int64Value`.
fn wrapped(message: &MessageDescriptor) -> Option<Scalar> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    let is_wrapper = matches!(
        name,
        "BoolValue"
            | "Int32Value"
            | "Int64Value"
            | "UInt32Value"
            | "UInt64Value"
            | "FloatValue"
            | "DoubleValue"
            | "StringValue"
            | "BytesValue"
    );
    Scalar::of(&message.get_field(1)?.kind()).filter(|_| is_wrapper)
}

/// A wrapper is a message with one field: NULL if it is absent, its default if it is empty.
fn wrapper(message: MessageDescriptor, slot: usize, scalar: Scalar, path: &str) -> Shape {
    let defaults = vec![(slot, scalar.default())];
    let target = Target::Scalar { slot, scalar };
    let fields = vec![Field { number: 1, path: path.to_owned(), oneof: None, target }];
    Shape { message, defaults, fields, oneofs: 0 }
}

/// The fields in the order in which they are declared.
fn declared(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let fields = message.descriptor_proto().field.iter();
    fields.filter_map(|field| message.get_field(u32::try_from(field.number()).ok()?)).collect()
}

/// As SQL folds a name that is not quoted.
fn column_name(option: &proto::Field, prefix: &str, field: &FieldDescriptor) -> String {
    let path = || join(prefix, field.name(), "_");
    let given = (!option.name.is_empty()).then(|| option.name.clone());
    given.unwrap_or_else(path).to_ascii_lowercase()
}

fn join(prefix: &str, name: &str, by: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{by}{name}") }
}
