//! A drawn case: what makes it, as trees that can be made smaller.

use super::{
    draw::Draw,
    grammar::Grammar,
    history::batches,
    query::Query,
    script::{Batch, Script, View},
    tables::{ENUM, Entity, entities},
};

/// Whether the views of a case are maintained incrementally, or computed when they are read.
pub(super) const MATERIALIZED: bool = true;

const SOURCES: [&str; 2] = ["library", "archive"];

/// Everything of a case that was drawn.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) entities: Vec<Entity>,
    pub(super) views: Vec<DrawnView>,
    pub(super) views_after: usize,
    pub(super) batches: Vec<Batch>,
}

#[derive(Clone, Debug)]
pub(super) struct DrawnView {
    pub(super) name: String,
    pub(super) materialized: bool,
    pub(super) query: Query,
}

impl Case {
    /// The same seed, the same case.
    pub(super) fn draw(seed: u64) -> Self {
        let draw = &mut Draw::seeded(seed);
        let sources = draw.within(1, SOURCES.len());
        let entities = entities(draw, sources);
        let count = draw.within(4, 7);
        // Views that are there before the first row, and views that begin with rows.
        let views_after = if draw.once_in(2) { 0 } else { draw.within(1, 3) };
        let length = draw.within(5, 9);
        let batches = batches(draw, &entities, length);
        let plain: Vec<_> = (0..count).map(|_| draw.once_in(6)).collect();
        let mut grammar = Grammar::new(draw, entities.iter().flat_map(Entity::tables).collect());
        let views = (1..).zip(plain).map(|(number, plain)| {
            let name = format!("v{number}");
            let query = grammar.view(&name);
            DrawnView { name, materialized: MATERIALIZED && !plain, query }
        });
        Self { views: views.collect(), entities, views_after, batches }
    }

    /// As it is run.
    pub(super) fn script(&self) -> Script {
        let messages = |source: usize| {
            let own = self.entities.iter().filter(|entity| entity.source == source);
            let messages: String = own.map(Entity::proto).collect();
            (SOURCES[source].to_owned(), format!("{ENUM}{messages}"))
        };
        let sources = (0..SOURCES.len()).filter(|at| self.entities.iter().any(|entity| entity.source == *at));
        let views = self.views.iter().map(|view| View {
            name: view.name.clone(),
            materialized: view.materialized,
            select: view.query.to_string(),
        });
        Script {
            sources: sources.map(messages).collect(),
            views: views.collect(),
            views_after: self.views_after,
            batches: self.batches.clone(),
        }
    }
}
