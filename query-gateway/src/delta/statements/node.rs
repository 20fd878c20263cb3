//! What is run for a change of a table: node by node, each behind those that it reads.

use std::collections::BTreeSet;

use super::{
    Version,
    routine::{Routine, Step},
    rows::Select,
    term::{Filling, Terms},
};
use crate::{
    delta::{
        mutant::Mutant,
        plan::{Block, Column, Feed, Input, Node, NodeId, Operator},
        terms::{Term, terms},
    },
    sql::relational::SourceId,
};

/// How far a node is filled. Empty => (Filling | Filled), Filling => (Filling | Filled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is in it, and changes pass it by.
    Empty,
    /// It holds what follows from the blocks in front of this one, and from the rows of one leaf of this one through
    /// the frontier.
    Filling {
        /// Place among all blocks of the node.
        block: usize,
        /// The leaf whose rows it is filled from.
        leaf: SourceId,
    },
    /// It holds everything.
    Filled,
}

impl Version {
    /// What follows from the changes of `table`, which are in its delta while the table is as it is now. `moved` names
    /// the views that changed in the same step, and `watched` says whether others read the last node.
    pub fn program(
        &self,
        table: &str,
        moved: &dyn Fn(&str) -> bool,
        progress: &[Progress],
        watched: bool,
    ) -> Vec<String> {
        let steps = self.steps(table, moved, progress, watched).into_iter();
        steps.map(|step| step.text(self.dialect)).collect()
    }

    /// The same as a function, in which PostgreSQL plans each statement once; none if there is nothing to be run.
    pub fn program_routine(
        &self,
        table: &str,
        moved: &dyn Fn(&str) -> bool,
        progress: &[Progress],
        watched: bool,
    ) -> Option<Routine> {
        let steps = self.steps(table, moved, progress, watched);
        (!steps.is_empty()).then(|| self.routine(table, &steps))
    }

    fn steps(
        &self,
        table: &str,
        moved: &dyn Fn(&str) -> bool,
        progress: &[Progress],
        watched: bool,
    ) -> Vec<Step> {
        let mut changed: BTreeSet<NodeId> = BTreeSet::new();
        let mut statements = Vec::new();
        for (at, progress) in progress.iter().enumerate() {
            let id = NodeId(at);
            let node = self.node(id);
            let has_changed = |input: &Input| match input {
                Input::Node(id) => changed.contains(id),
                Input::Relation(name) if self.view(name).is_some() => moved(name),
                Input::Relation(name) => name == table,
            };
            let filling = matches!(progress, Progress::Filling { .. });
            if *progress == Progress::Empty
                || filling && Mutant::StaleSwap.is_on()
                || !node.leaves().iter().any(|leaf| has_changed(&leaf.input))
            {
                continue;
            }
            let read = watched && id == self.plan.last() || self.is_read(id);
            statements.extend(self.step(id, *progress, read, &has_changed));
            changed.insert(id);
        }
        statements
    }

    /// Whether a node behind it reads this one.
    fn is_read(&self, id: NodeId) -> bool {
        let later = self.plan.nodes.iter().skip(id.0 + 1).flat_map(Node::leaves);
        later.into_iter().any(|leaf| leaf.input == Input::Node(id))
    }

    fn step(
        &self,
        id: NodeId,
        progress: Progress,
        read: bool,
        changed: &dyn Fn(&Input) -> bool,
    ) -> Vec<Step> {
        let frontier = self.temporary('f', id);
        let key = |input: &Input| self.key_labels(input);
        let select = |at: usize, block: &Block, columns: &[Column], weightless: bool| {
            let filling = match progress {
                Progress::Filled => None,
                Progress::Filling { block, .. } if at < block => None,
                Progress::Filling { block, leaf } if at == block => {
                    Some(Filling { leaf, frontier: &frontier, chunk: None, weightless })
                }
                Progress::Filling { .. } | Progress::Empty => return Vec::new(),
            };
            let writer = Terms::new(self, block, columns, filling);
            let all = terms(block, changed, &key);
            let select = |term: &Term| Select { text: writer.select(term), once: writer.is_once(term) };
            all.iter().map(select).collect::<Vec<_>>()
        };
        match &self.node(id).operator {
            Operator::Rows(blocks) => {
                let columns = &self.node(id).columns;
                let selects =
                    blocks.iter().enumerate().flat_map(|(at, block)| select(at, block, columns, false));
                self.step_rows(id, &selects.collect::<Vec<_>>())
            }
            Operator::Groups(groups) => {
                let mut at = 0;
                let of_feed = |feed: &Feed| {
                    let mut selects = Vec::new();
                    for block in &feed.blocks {
                        let terms = select(at, block, &groups.keys, !feed.lookups.is_empty());
                        selects.extend(terms.into_iter().map(|select| select.text));
                        at += 1;
                    }
                    selects
                };
                let selects: Vec<Vec<String>> = groups.feeds.iter().map(of_feed).collect();
                self.step_groups(id, groups, &selects, read)
            }
            Operator::Ranks(ranks) => {
                let changes = self.changed_partitions(id, ranks, progress);
                self.step_ranks(id, ranks, &changes)
            }
        }
    }
}
