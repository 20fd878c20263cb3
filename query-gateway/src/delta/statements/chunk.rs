//! Filling a node chunk by chunk, while changes go on.
//!
//! At each moment the node is exactly what it would be if one leaf, the driver, had the rows through the frontier and no
//! others: changes of rows behind the frontier pass the node by, and the chunk that comes to them takes them in as they
//! are then. A chunk, the frontier behind it, and what follows from both are one transaction; so are changes with what
//! follows from them. After a crash the node is filled from the start.

use super::{
    Version, WEIGHT, list,
    routine::empty,
    rows::Select,
    term::{Filling, Terms},
};
use crate::{
    delta::{
        plan::{Block, Column, Groups, Input, LeafKind, NodeId, Operator, Ranks},
        terms::Term,
    },
    sql::{Dialect, relational::SourceId, text::quoted},
};

/// The leaf whose rows a block is filled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Which leaf.
    pub leaf: SourceId,
    /// What it reads, as the store names it.
    pub table: String,
}

/// Takes a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// To be run one after another.
    pub statements: Vec<String>,
    /// Which of them affects as many rows as the chunk has; none of none that are left.
    pub counted: usize,
}

impl Version {
    /// How many blocks a node is filled from, one after another.
    pub fn blocks(&self, id: NodeId) -> usize {
        match &self.node(id).operator {
            Operator::Rows(blocks) => blocks.len(),
            Operator::Groups(groups) => groups.feeds.iter().map(|feed| feed.blocks.len()).sum(),
            Operator::Ranks(_) => 1,
        }
    }

    /// The leaves that a block can be filled from.
    pub fn drivers(&self, id: NodeId, block: usize) -> Vec<Driver> {
        let leaves = match &self.node(id).operator {
            Operator::Ranks(ranks) => vec![&ranks.leaf],
            _ => self.block(id, block).map(|(block, _)| block.leaves.iter().collect()).unwrap_or_default(),
        };
        let inner = leaves.into_iter().filter(|leaf| leaf.kind == LeafKind::Inner);
        inner.map(|leaf| Driver { leaf: leaf.id, table: self.storage(&leaf.input) }).collect()
    }

    /// A block of a node, and whether its groups are looked up again.
    fn block(&self, id: NodeId, place: usize) -> Option<(&Block, bool)> {
        match &self.node(id).operator {
            Operator::Rows(blocks) => blocks.get(place).map(|block| (block, false)),
            Operator::Groups(groups) => groups
                .feeds
                .iter()
                .flat_map(|feed| feed.blocks.iter().map(move |block| (block, !feed.lookups.is_empty())))
                .nth(place),
            Operator::Ranks(_) => None,
        }
    }

    /// What a block is filled with, empty at first.
    pub fn begin_block(&self, id: NodeId, block: usize, driver: SourceId) -> Vec<String> {
        let (chunk, frontier) = (self.temporary('c', id), self.temporary('f', id));
        let mut statements =
            vec![format!("DROP TABLE IF EXISTS {chunk}"), format!("DROP TABLE IF EXISTS {frontier}")];
        match self.dialect {
            Dialect::Sqlite => statements.extend(self.begin_untyped(id, block, driver)),
            Dialect::Postgres => statements.extend(self.begin_typed(id, block, driver)),
        }
        statements
    }

    fn begin_untyped(&self, id: NodeId, block: usize, driver: SourceId) -> Vec<String> {
        let (chunk, frontier) = (self.temporary('c', id), self.temporary('f', id));
        if let Operator::Ranks(_) = &self.node(id).operator {
            return vec![format!("CREATE TABLE {frontier} (f0 ANY) STRICT")];
        }
        let Some((columns, key)) = self.driven(id, block, driver) else { return Vec::new() };
        let names = list(&columns, |label| format!("{} ANY", quoted(label)));
        let parts = list(0..key.len(), |at| format!("f{at} ANY"));
        vec![
            format!("CREATE TABLE {chunk} ({names}, {WEIGHT} INTEGER NOT NULL) STRICT"),
            format!("CREATE TABLE {frontier} ({parts}) STRICT"),
        ]
    }

    /// PostgreSQL takes the types from what the columns are taken from.
    fn begin_typed(&self, id: NodeId, block: usize, driver: SourceId) -> Vec<String> {
        let (chunk, frontier) = (self.temporary('c', id), self.temporary('f', id));
        if let Operator::Ranks(ranks) = &self.node(id).operator {
            let (table, part) = (self.relation(&ranks.leaf.input), self.first_partition(ranks));
            let leaf = ranks.leaf.id;
            return vec![format!(
                "CREATE TABLE {frontier} AS SELECT {part} AS f0 FROM {table} AS {leaf} WITH NO DATA"
            )];
        }
        let Some((columns, key)) = self.driven(id, block, driver) else { return Vec::new() };
        let Some(leaf) = self.block(id, block).and_then(|(block, _)| block.leaf(driver)) else {
            return Vec::new();
        };
        let table = self.relation(&leaf.input);
        let names = list(&columns, |label| quoted(label));
        let parts = self.key_parts(&key);
        let parts = list(parts.iter().enumerate(), |(at, part)| format!("{part} AS f{at}"));
        vec![
            format!(
                "CREATE TABLE {chunk} AS SELECT {names}, 1::bigint AS {WEIGHT} FROM {table} WITH NO DATA"
            ),
            format!("CREATE TABLE {frontier} AS SELECT {parts} FROM {table} WITH NO DATA"),
        ]
    }

    /// Columns of the driver that a chunk holds, and its key.
    fn driven(&self, id: NodeId, block: usize, driver: SourceId) -> Option<(Vec<String>, Vec<Column>)> {
        let (block, _) = self.block(id, block)?;
        let leaf = block.leaf(driver)?;
        let key = self.key(&leaf.input);
        let mut columns: Vec<String> = block.used(driver).into_iter().map(str::to_owned).collect();
        columns.extend(key.iter().map(|column| column.label.clone()));
        columns.sort();
        columns.dedup();
        Some((columns, key))
    }

    /// By what rows with a key are taken one after another.
    fn key_parts(&self, key: &[Column]) -> Vec<String> {
        let key: Vec<&Column> = key.iter().collect();
        self.dialect.ordered_parts(&key, &|column| quoted(&column.label))
    }

    /// Removes what a node was filled with.
    pub fn end_blocks(&self, id: NodeId) -> [String; 2] {
        ['c', 'f'].map(|kind| format!("DROP TABLE IF EXISTS {}", self.temporary(kind, id)))
    }

    /// Takes the next `size` rows of the driver, or partitions with so many, and moves the frontier behind them.
    pub fn take_chunk(&self, id: NodeId, block: usize, driver: SourceId, first: bool, size: usize) -> Take {
        let frontier = self.temporary('f', id);
        if let Operator::Ranks(ranks) = &self.node(id).operator {
            return self.take_partitions(id, ranks, first, size);
        }
        let nothing = Take { statements: Vec::new(), counted: 0 };
        let Some((columns, key)) = self.driven(id, block, driver) else { return nothing };
        let Some(leaf) = self.block(id, block).and_then(|(block, _)| block.leaf(driver)) else {
            return nothing;
        };
        let (dialect, chunk) = (self.dialect, self.temporary('c', id));
        let key = self.key_parts(&key);
        let parts = key.join(", ");
        let names = list(&columns, |label| quoted(label));
        let table = self.relation(&leaf.input);
        let descending = list(&key, |part| format!("{part} DESC"));
        let next = |behind: &str| format!("FROM {table}{behind} ORDER BY {parts} LIMIT {size}");
        let rows = match dialect {
            _ if first => format!("SELECT {names}, 1 {}", next("")),
            Dialect::Sqlite => {
                format!(
                    "SELECT {names}, 1 {}",
                    next(&format!(" WHERE ({parts}) > (SELECT * FROM {frontier})"))
                )
            }
            // What is joined is found by an index, what is asked for in between is not.
            Dialect::Postgres => {
                let reached = list(0..key.len(), |at| format!("f.f{at}"));
                let taken = list(&columns, |label| format!("t.{}", quoted(label)));
                format!(
                    "SELECT {taken}, 1 FROM {frontier} AS f CROSS JOIN LATERAL (SELECT {names} {}) AS t",
                    next(&format!(" WHERE ({parts}) > ({reached})"))
                )
            }
        };
        let statements = vec![
            empty(dialect, &chunk),
            format!("INSERT INTO {chunk} {rows}"),
            format!("DELETE FROM {frontier} WHERE EXISTS (SELECT 1 FROM {chunk})"),
            format!("INSERT INTO {frontier} SELECT {parts} FROM {chunk} ORDER BY {descending} LIMIT 1"),
        ];
        Take { statements, counted: 1 }
    }

    fn take_partitions(&self, id: NodeId, ranks: &Ranks, first: bool, size: usize) -> Take {
        let (listed, frontier) = (self.temporary('p', id), self.temporary('f', id));
        let table = self.relation(&ranks.leaf.input);
        let (dialect, part) = (self.dialect, self.first_partition(ranks));
        let behind = if first { "TRUE".to_owned() } else { format!("{part} > (SELECT f0 FROM {frontier})") };
        // As many rows as fit, and the rest of the last partition among them.
        let next = format!(
            "SELECT part FROM {} ORDER BY part DESC LIMIT 1",
            dialect.unnamed(&format!(
                "SELECT {part} AS part FROM {table} AS {} WHERE {behind} ORDER BY {part} LIMIT {size}",
                ranks.leaf.id
            ))
        );
        let mut conditions = self.filter(ranks);
        conditions.push(behind);
        conditions.push(format!("{part} <= ({next})"));
        let statements = vec![
            empty(dialect, &listed),
            self.partitions(id, ranks, &table, &conditions),
            format!("INSERT INTO {frontier} {next}"),
            match dialect {
                Dialect::Sqlite => {
                    format!("DELETE FROM {frontier} WHERE rowid < (SELECT MAX(rowid) FROM {frontier})")
                }
                Dialect::Postgres => {
                    format!("DELETE FROM {frontier} AS a USING {frontier} AS b WHERE a.f0 < b.f0")
                }
            },
        ];
        Take { statements, counted: 2 }
    }

    /// What follows from the chunk that was taken.
    pub fn fill_chunk(&self, id: NodeId, block: usize, driver: SourceId) -> Vec<String> {
        let steps = match &self.node(id).operator {
            Operator::Rows(_) => self.step_rows(id, &self.chunk_selects(id, block, driver)),
            Operator::Groups(groups) => {
                let selects = self.chunk_selects(id, block, driver).into_iter().map(|select| select.text);
                let selects = feed_selects(groups, block, selects.collect());
                self.step_groups(id, groups, &selects, false)
            }
            // The partitions are listed already.
            Operator::Ranks(ranks) => {
                let mut statements = self.step_ranks(id, ranks, "SELECT 1");
                statements.remove(0);
                statements
            }
        };
        steps.into_iter().map(|step| step.text(self.dialect)).collect()
    }

    fn chunk_selects(&self, id: NodeId, place: usize, driver: SourceId) -> Vec<Select> {
        let Some((block, weightless)) = self.block(id, place) else { return Vec::new() };
        let (chunk, frontier) = (self.temporary('c', id), self.temporary('f', id));
        let filling = Filling { leaf: driver, frontier: &frontier, chunk: Some(&chunk), weightless };
        let key = |input: &Input| self.key_labels(input);
        let term = Term::of_rows(block, driver, &key);
        let columns = match &self.node(id).operator {
            Operator::Groups(groups) => &groups.keys,
            _ => &self.node(id).columns,
        };
        let writer = Terms::new(self, block, columns, Some(filling));
        vec![Select { text: writer.select(&term), once: writer.is_once(&term) }]
    }
}

/// The SELECTs of one block among those of all feeds.
fn feed_selects(groups: &Groups, place: usize, selects: Vec<String>) -> Vec<Vec<String>> {
    let mut before = 0;
    let mut all = Vec::new();
    for feed in &groups.feeds {
        let within = place >= before && place < before + feed.blocks.len();
        all.push(if within { selects.clone() } else { Vec::new() });
        before += feed.blocks.len();
    }
    all
}
