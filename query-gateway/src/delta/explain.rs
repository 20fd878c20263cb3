//! A plan for people: what is kept, from what each of it follows, and in which order a change is joined. It knows no SQL
//! text; see [`super::statements`] for that.

mod expressions;

use std::fmt;

use self::expressions::{Shown, all, list};
use super::{
    plan::{Block, Column, Feed, Groups, Input, Leaf, LeafKind, Node, NodeId, Operator, Plan, Ranks},
    terms::{Term, terms},
};
use crate::sql::relational::SourceId;

/// A plan, and what identifies a row of each of its inputs.
#[derive(Clone, Copy)]
pub struct Explained<'p> {
    /// What is explained.
    pub plan: &'p Plan,
    /// Names of the columns that identify a row.
    pub key: &'p dyn Fn(&Input) -> Vec<String>,
}

/// One node of a plan.
#[derive(Clone, Copy)]
pub struct ExplainedNode<'p>(pub Explained<'p>, pub NodeId);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in 0..self.plan.nodes.len() {
            let node = ExplainedNode(*self, NodeId(at)).to_string();
            writeln!(f, "node {at}: {}", node.trim_end().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(node) = self.0.plan.nodes.get(self.1.0) else { return Ok(()) };
        writeln!(f, "{}", node.kind())?;
        match &node.operator {
            Operator::Rows(blocks) => blocks.iter().try_for_each(|block| {
                named(f, &node.columns, block)?;
                self.block(f, block)
            }),
            Operator::Groups(groups) => self.groups(f, node, groups),
            Operator::Ranks(ranks) => ranked(f, node, ranks),
        }?;
        writeln!(f, "identified by {}", labels(node.key_columns()))
    }
}

impl ExplainedNode<'_> {
    fn groups(&self, f: &mut fmt::Formatter<'_>, node: &Node, groups: &Groups) -> fmt::Result {
        if groups.whole {
            writeln!(f, "one group of all rows")?;
        } else {
            writeln!(f, "grouped by {}", labels(&groups.keys))?;
        }
        for feed in &groups.feeds {
            fed(f, groups, feed)?;
            feed.blocks.iter().try_for_each(|block| self.block(f, block))?;
        }
        for (column, output) in node.columns.iter().zip(&groups.outputs) {
            writeln!(f, "gives {} = {}", column.label, Shown(output))?;
        }
        if groups.having.is_empty() { Ok(()) } else { writeln!(f, "having {}", all(&groups.having)) }
    }

    /// What is joined, and in which order from what changed.
    fn block(&self, f: &mut fmt::Formatter<'_>, block: &Block) -> fmt::Result {
        for leaf in &block.leaves {
            writeln!(f, "{leaf}")?;
        }
        if !block.filter.is_empty() {
            writeln!(f, "where {}", all(&block.filter))?;
        }
        let mut inputs: Vec<&Input> = block.leaves.iter().map(|leaf| &leaf.input).collect();
        inputs.sort();
        inputs.dedup();
        for input in inputs {
            for term in terms(block, &|other| other == input, self.0.key) {
                writeln!(f, "a change of {input}: {}", Way(&term))?;
            }
        }
        Ok(())
    }
}

/// The columns of a node, as a block computes them.
fn named(f: &mut fmt::Formatter<'_>, columns: &[Column], block: &Block) -> fmt::Result {
    let columns = columns.iter().zip(&block.projection);
    columns.into_iter().try_for_each(|(column, expr)| writeln!(f, "{} = {}", column.label, Shown(expr)))
}

/// What is kept of each group, from one feed.
fn fed(f: &mut fmt::Formatter<'_>, groups: &Groups, feed: &Feed) -> fmt::Result {
    let Some(block) = feed.blocks.first() else { return Ok(()) };
    named(f, &groups.keys, block)?;
    for (sum, argument) in feed.sums.iter().zip(block.projection.iter().skip(groups.keys.len())) {
        let what = format!("{:?}", sum.kind).to_lowercase();
        writeln!(f, "adds up {} = {what}({})", sum.label, Shown(argument))?;
    }
    for lookup in &feed.lookups {
        writeln!(f, "looks up {} = {} over the group, again", lookup.label, lookup.aggregate)?;
    }
    Ok(())
}

fn ranked(f: &mut fmt::Formatter<'_>, node: &Node, ranks: &Ranks) -> fmt::Result {
    for (column, expr) in node.columns.iter().zip(&ranks.projection) {
        writeln!(f, "{} = {}", column.label, Shown(expr))?;
    }
    writeln!(f, "{}", ranks.leaf)?;
    if !ranks.filter.is_empty() {
        writeln!(f, "where {}", all(&ranks.filter))?;
    }
    let partition = list(&ranks.partition);
    writeln!(f, "a change of {}: its partitions by {partition} are computed again", ranks.leaf.input)
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.kind {
            LeafKind::Inner => "from",
            LeafKind::Left => "left join",
            LeafKind::Semi => "if there is one in",
            LeafKind::Anti => "if there is none in",
        };
        write!(f, "{how} {} {}", self.input, self.id)?;
        if self.on.is_empty() { Ok(()) } else { write!(f, " on {}", all(&self.on)) }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Relation(name) => f.write_str(name),
            Input::Node(NodeId(at)) => write!(f, "node {at}"),
        }
    }
}

/// The order in which a term is computed.
struct Way<'t>(&'t Term);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { negative, deltas, flips, order, .. } = self.0;
        let started = |id: &&SourceId| deltas.contains(id);
        let changed = order.iter().filter(started).map(|id| format!("changes of {id}"));
        let flipped = flips.iter().map(|id| format!("first and last partners in {id}"));
        let others = order.iter().filter(|id| !started(id)).map(ToString::to_string);
        let way: Vec<String> = changed.chain(flipped).chain(others).collect();
        write!(f, "{}{}", if *negative { "less " } else { "" }, way.join(", then "))
    }
}

impl Node {
    /// What it computes, in a word.
    pub fn kind(&self) -> &'static str {
        match &self.operator {
            Operator::Rows(_) => "rows",
            Operator::Groups(_) => "groups",
            Operator::Ranks(_) => "windows",
        }
    }
}

fn labels<'c>(columns: impl IntoIterator<Item = &'c Column>) -> String {
    columns.into_iter().map(|column| column.label.as_str()).collect::<Vec<_>>().join(", ")
}
