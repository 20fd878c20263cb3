//! Drawn changes, in batches of every size.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{
    draw::Draw,
    script::{Batch, Change, Delivery},
    tables::Entity,
};

/// What of an entity is there, by its key as text.
type Rows = BTreeMap<String, Map<String, Json>>;

/// Batches of changes to `entities`, each on what those before it left.
pub(super) fn batches(draw: &mut Draw, entities: &[Entity], count: usize) -> Vec<Batch> {
    let mut rows = vec![Rows::new(); entities.len()];
    let mut batches = Vec::new();
    for number in 0..count {
        let size = match draw.below(20) {
            // Mostly there is something to begin with.
            _ if number == 0 && !draw.once_in(4) => draw.within(10, 60),
            0..=5 => 1,
            6..=11 => draw.within(2, 5),
            12..=16 => draw.within(6, 30),
            17..=18 => draw.within(31, 100),
            _ => draw.within(100, 300),
        };
        let changes = (0..size).map(|_| change(draw, entities, &mut rows)).collect();
        let delivery = match draw.below(20) {
            0 => Delivery::Twice,
            1 => Delivery::Snapshot,
            2 => Delivery::Reopened,
            _ => Delivery::Once,
        };
        batches.push(Batch { changes, delivery });
    }
    batches
}

fn change(draw: &mut Draw, entities: &[Entity], rows: &mut [Rows]) -> Change {
    let at = draw.below(entities.len());
    let (entity, rows) = (&entities[at], &mut rows[at]);
    let key = entity.draw_key(draw);
    let name = Json::Object(key.clone()).to_string();
    let before = rows.remove(&name);
    let deleted = if before.is_some() { draw.once_in(4) } else { draw.once_in(20) };
    let fresh = before.is_none() || draw.once_in(4);
    let mut value = before.filter(|_| !fresh).unwrap_or_else(|| key.clone());
    if deleted {
        return Change { entity: entity.name.to_owned(), value: key.into(), deleted };
    }
    entity.draw_fields(draw, &mut value, fresh);
    rows.insert(name, value.clone());
    Change { entity: entity.name.to_owned(), value: value.into(), deleted }
}
