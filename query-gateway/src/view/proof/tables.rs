//! Drawn sources: entities with keys, columns of every type, and repeated messages.

mod form;

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

pub(super) use self::form::ENUM;
use self::form::{FORMS, Form};
use super::draw::Draw;
use crate::sql::types::Ty;

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// What a source publishes as one entity.
#[derive(Clone, Debug)]
pub(super) struct Entity {
    pub(super) name: &'static str,
    /// Its place among the names of the sources.
    pub(super) source: usize,
    pub(super) key: Vec<Field>,
    pub(super) fields: Vec<Field>,
    pub(super) child: Option<Child>,
    /// How many values each field of the key takes.
    pub(super) keys: usize,
}

/// The repeated message of an entity.
#[derive(Clone, Debug)]
pub(super) struct Child {
    /// Marked as key, rather than numbered.
    pub(super) keyed: bool,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) optional: bool,
}

/// A relation as queries see it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Ty)>,
    /// Names of the columns that tell rows apart; empty if none do.
    pub(super) key: Vec<String>,
    /// About how many rows it has.
    pub(super) rows: usize,
    /// About how many rows are looked at to compute it.
    pub(super) cost: usize,
}

/// Some entities of `sources` sources.
pub(super) fn entities(draw: &mut Draw, sources: usize) -> Vec<Entity> {
    let count = draw.within(2, NAMES.len());
    let keys = *draw.pick(&[4, 8, 12, 24]);
    NAMES[..count].iter().enumerate().map(|(at, name)| entity(draw, name, at % sources, keys)).collect()
}

fn entity(draw: &mut Draw, name: &'static str, source: usize, keys: usize) -> Entity {
    let width = draw.within(1, 2);
    let form = |draw: &mut Draw| *draw.pick(&[Form::String, Form::Int64]);
    let key = (1..=width).map(|n| Field { name: format!("k{n}"), form: form(draw), optional: false });
    let key: Vec<_> = key.collect();
    // Two columns of the key together take about as many values as one alone.
    let keys = if width == 2 { (2..).find(|side| side * side >= keys).unwrap() } else { keys };
    let count = draw.within(2, 6);
    let fields = fields(draw, "f", count);
    let child = draw.once_in(3).then(|| {
        let count = draw.within(1, 3);
        Child { keyed: draw.once_in(2), fields: self::fields(draw, "g", count) }
    });
    Entity { name, source, key, fields, child, keys }
}

fn fields(draw: &mut Draw, letter: &str, count: usize) -> Vec<Field> {
    let field = |draw: &mut Draw, n| {
        let form = *draw.pick(FORMS);
        let optional = !matches!(form, Form::Timestamp | Form::Strings) && !draw.once_in(3);
        Field { name: format!("{letter}{n}"), form, optional }
    };
    (1..=count).map(|n| field(draw, n)).collect()
}

impl Entity {
    /// Its table, and that of its repeated message.
    pub(super) fn tables(&self) -> Vec<Table> {
        let typed = |field: &Field| (field.name.clone(), field.form.ty());
        let key: Vec<_> = self.key.iter().map(typed).collect();
        let names =
            |columns: &[(String, Ty)]| columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let rows = self.keys.pow(u32::try_from(self.key.len()).unwrap());
        let columns = key.iter().cloned().chain(self.fields.iter().map(typed)).collect();
        let mut tables =
            vec![Table { name: self.name.to_owned(), columns, key: names(&key), rows, cost: rows }];
        if let Some(child) = &self.child {
            let own = if child.keyed { "line" } else { "ordinal" };
            let key: Vec<_> = key.into_iter().chain([(own.to_owned(), Ty::Bigint)]).collect();
            let columns = key.iter().cloned().chain(child.fields.iter().map(typed)).collect();
            let name = format!("{}_items", self.name);
            tables.push(Table { name, columns, key: names(&key), rows: rows * 3 / 2, cost: rows * 3 / 2 });
        }
        tables
    }

    /// The messages that make it.
    pub(super) fn proto(&self) -> String {
        let message = capitalized(self.name);
        let mut text = format!(
            "message {message} {{\n  option (tributary.options.v1.entity) = {{table: \"{}\"}};\n",
            self.name
        );
        let declare = |text: &mut String, field: &Field, number: usize, key: bool| {
            let optional = if field.optional { "optional " } else { "" };
            let key = if key { " [(tributary.options.v1.field).key = true]" } else { "" };
            writeln!(text, "  {optional}{} {} = {number}{key};", field.form.proto(), field.name).unwrap();
        };
        for (number, field) in (1..).zip(&self.key) {
            declare(&mut text, field, number, true);
        }
        for (number, field) in (10..).zip(&self.fields) {
            declare(&mut text, field, number, false);
        }
        if self.child.is_some() {
            writeln!(text, "  repeated {message}Item items = 30;").unwrap();
        }
        text.push_str("}\n");
        if let Some(child) = &self.child {
            writeln!(text, "message {message}Item {{").unwrap();
            if child.keyed {
                text.push_str("  int64 line = 1 [(tributary.options.v1.field).key = true];\n");
            }
            for (number, field) in (10..).zip(&child.fields) {
                declare(&mut text, field, number, false);
            }
            text.push_str("}\n");
        }
        text
    }

    /// A key: few, so that they meet again.
    pub(super) fn draw_key(&self, draw: &mut Draw) -> Map<String, Json> {
        let mut key = Map::new();
        for field in &self.key {
            let number = draw.below(self.keys);
            let value = if field.form == Form::String { json!(format!("k{number}")) } else { json!(number) };
            key.insert(field.name.clone(), value);
        }
        key
    }

    /// Values for some of the other fields, at random all of them.
    pub(super) fn draw_fields(&self, draw: &mut Draw, value: &mut Map<String, Json>, all: bool) {
        for field in self.fields.iter() {
            if all || draw.once_in(3) {
                fill(draw, field, value);
            }
        }
        if let Some(child) = &self.child
            && (all || draw.once_in(3))
        {
            let count = draw.below(4);
            let items: Vec<_> = (0..count).map(|n| child.item(draw, n)).collect();
            value.insert("items".to_owned(), items.into());
        }
    }
}

impl Child {
    fn item(&self, draw: &mut Draw, n: usize) -> Json {
        let mut item = Map::new();
        if self.keyed {
            item.insert("line".to_owned(), json!(n * 2));
        }
        for field in &self.fields {
            fill(draw, field, &mut item);
        }
        item.into()
    }
}

/// Absent once in three times, if it can be.
fn fill(draw: &mut Draw, field: &Field, value: &mut Map<String, Json>) {
    if (field.optional || field.form == Form::Timestamp) && draw.once_in(3) {
        value.remove(&field.name);
    } else {
        value.insert(field.name.clone(), field.form.value(draw));
    }
}

fn capitalized(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}
