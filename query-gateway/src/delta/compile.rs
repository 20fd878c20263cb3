//! From the relational form of a view to its [`Plan`].
//!
//! A query becomes a *flow*: blocks that need not be kept, each ready to be joined on. What cannot be joined on without
//! keeping it becomes a node, and the flow one leaf over it: groups, windows, and the right side of an outer join or of
//! EXISTS unless it is a plain table.

mod condition;
mod from;
mod groups;
mod limits;
mod measures;
mod ranks;
mod rows;
mod select;

pub(super) use rows::equality;

use std::collections::{BTreeSet, HashMap};

use super::plan::{Block, Column, HIDDEN, Input, Leaf, LeafKind, Node, NodeId, Operator, Plan};
use crate::{
    catalog::{Catalog, Kind},
    sql::{
        SqlError,
        relational::{Body, Expr, ExprKind, Field, Query, SetOperator, SourceId},
        types::Ty,
        walk,
    },
};

/// Blocks of one statement: unions multiply where they are joined.
const MAX_BLOCKS: usize = 32;

/// Terms from which on it costs less to keep what is joined.
const MANY_TERMS: usize = 200;

/// Leaves of an operand that is not kept, in a view that would have many terms otherwise.
const KEPT_LEAVES: usize = 1;

/// What a view is compiled against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Tables and views.
    pub catalog: &'a Catalog,
    /// The queries of those views that are computed when read.
    pub plain: &'a HashMap<String, Query>,
}

/// The plan by which a view is kept. Refused is what cannot be kept by changes alone.
pub fn compile(query: &Query, context: Context<'_>) -> Result<Plan, SqlError> {
    // Joins that are not kept in between change in many ways where a table occurs often.
    let plan = plan(query, context, usize::MAX)?;
    if limits::most_terms(&plan, context).0 <= MANY_TERMS {
        return Ok(plan);
    }
    let plan = self::plan(query, context, KEPT_LEAVES)?;
    limits::refuse_too_many_terms(&plan, context).map(|()| plan)
}

fn plan(query: &Query, context: Context<'_>, most_leaves: usize) -> Result<Plan, SqlError> {
    let mut compiler = Compiler {
        context,
        nodes: Vec::new(),
        next_source: 0,
        ctes: HashMap::new(),
        used: HashMap::new(),
        most_leaves,
    };
    let flow = compiler.statement(query)?;
    compiler.finish(flow)
}

/// What has been compiled so far.
struct Compiler<'a> {
    context: Context<'a>,
    nodes: Vec<Node>,
    /// No leaf was called this so far.
    next_source: usize,
    /// The `WITH` queries in sight.
    ctes: HashMap<String, Flow>,
    /// Columns of each row source that the statement at hand names.
    used: HashMap<SourceId, Vec<Column>>,
    /// An operand of a join with more than these is kept.
    most_leaves: usize,
}

/// The rows of a query: those of all its blocks.
#[derive(Clone, Debug)]
struct Flow {
    blocks: Vec<Block>,
    fields: Vec<Field>,
}

impl Compiler<'_> {
    /// A statement with names of its own: the view itself, or a view that it reads.
    fn statement(&mut self, query: &Query) -> Result<Flow, SqlError> {
        // A condition of a sub-query is expressed in two steps: what the first one made must not be taken for a name.
        let highest = condition::own_sources(query).into_iter().map(|source| source.0).max();
        self.next_source = self.next_source.max(highest.unwrap_or_default() + 1);
        let mut used: HashMap<SourceId, Vec<Column>> = HashMap::new();
        walk::visit_query(query, &mut |expr| {
            if let ExprKind::Column { source, label } = &expr.kind {
                let columns = used.entry(*source).or_default();
                match columns.iter_mut().find(|column| column.label == *label) {
                    Some(column) => column.nullable |= expr.nullable,
                    None => columns.push(Column::new(label.clone(), expr.ty, expr.nullable)),
                }
            }
        });
        let around = (std::mem::replace(&mut self.used, used), std::mem::take(&mut self.ctes));
        let flow = self.query(query);
        (self.used, self.ctes) = around;
        flow
    }

    fn query(&mut self, query: &Query) -> Result<Flow, SqlError> {
        if query.limit.is_some() || query.offset.is_some() {
            return Err(SqlError::refused(
                if query.limit.is_some() { "LIMIT" } else { "OFFSET" },
                "a row that leaves would have to be replaced by one that was never kept",
                "leave it out and apply it when reading, or filter by ROW_NUMBER() OVER (PARTITION BY ..)",
            ));
        }
        if !query.order_by.is_empty() {
            let reason = "the rows of a materialized view have no order";
            return Err(SqlError::refused("ORDER BY", reason, "leave it out and apply it when reading"));
        }
        for cte in &query.ctes {
            if cte.recursive {
                return Err(SqlError::refused(
                    "WITH RECURSIVE",
                    "how far a change reaches cannot be told from the change",
                    "write CREATE VIEW, which is computed when read",
                ));
            }
            let flow = self.query(&cte.query)?;
            self.ctes.insert(cte.label.clone(), flow);
        }
        match &query.body {
            Body::Select(select) => self.select(select, &query.fields),
            Body::Values(rows) => {
                let block = |row: &Vec<Expr>| Block {
                    leaves: Vec::new(),
                    filter: Vec::new(),
                    projection: row.clone(),
                };
                bounded(rows.len())?;
                Ok(Flow { blocks: rows.iter().map(block).collect(), fields: query.fields.clone() })
            }
            Body::SetOperation { operator: SetOperator::Union, all, left, right } => {
                let mut flow = self.query(left)?;
                flow.blocks.extend(self.query(right)?.blocks);
                flow.fields.clone_from(&query.fields);
                bounded(flow.blocks.len())?;
                if *all { Ok(flow) } else { self.distinct(flow) }
            }
            Body::SetOperation { operator, .. } => Err(match operator {
                SetOperator::Except => set_operation(
                    "EXCEPT",
                    "write SELECT DISTINCT .. WHERE NOT EXISTS (SELECT .. WHERE a IS NOT DISTINCT FROM b)",
                ),
                _ => set_operation(
                    "INTERSECT",
                    "write SELECT DISTINCT .. WHERE EXISTS (SELECT .. WHERE a IS NOT DISTINCT FROM b)",
                ),
            }),
        }
    }

    fn new_source(&mut self) -> SourceId {
        self.next_source += 1;
        SourceId(self.next_source - 1)
    }

    /// The same flow under names that nothing else has, so that it can be joined with itself.
    fn renamed(&mut self, flow: &Flow) -> Flow {
        let blocks = flow.blocks.iter().map(|block| self.renamed_block(block)).collect();
        Flow { blocks, fields: flow.fields.clone() }
    }

    fn renamed_block(&mut self, block: &Block) -> Block {
        let names: HashMap<SourceId, SourceId> =
            block.leaves.iter().map(|leaf| (leaf.id, self.new_source())).collect();
        let mut rename = |expr: &Expr| match &expr.kind {
            ExprKind::Column { source, label } => {
                let source = *names.get(source)?;
                let kind = ExprKind::Column { source, label: label.clone() };
                Some(Expr::new(kind, expr.ty, expr.nullable))
            }
            _ => None,
        };
        let mut all =
            |exprs: &[Expr]| exprs.iter().map(|expr| walk::rewrite(expr, &mut rename)).collect::<Vec<_>>();
        let (filter, projection) = (all(&block.filter), all(&block.projection));
        let mut leaf = |leaf: &Leaf| {
            let id = names.get(&leaf.id).copied().unwrap_or(leaf.id);
            Leaf { id, input: leaf.input.clone(), kind: leaf.kind, on: all(&leaf.on) }
        };
        Block { leaves: block.leaves.iter().map(&mut leaf).collect(), filter, projection }
    }

    /// Keeps a node. Each of its blocks follows from the rows of some table: without any there is nothing to fill it from.
    fn push(&mut self, node: Node) -> Result<NodeId, SqlError> {
        let is_constant = |block: &Block| block.leaves.iter().all(|leaf| leaf.kind != LeafKind::Inner);
        if node.blocks().any(is_constant) {
            return Err(SqlError::refused(
                "SELECT without FROM",
                "constants follow from no table, so that there is no row by which they could be kept",
                "join them with a table first, put them into a CASE, or add them when reading",
            ));
        }
        self.nodes.push(node);
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// The columns that identify a row of an input.
    fn key(&self, input: &Input) -> Vec<Column> {
        match input {
            Input::Node(NodeId(at)) => self.nodes[*at].key_columns().cloned().collect(),
            Input::Relation(name) => {
                let relation = self.context.catalog.get(name);
                let key = relation.iter().flat_map(|relation| relation.key_columns());
                key.map(|(column, ty)| Column::named(column, ty)).collect()
            }
        }
    }

    /// Makes the last node hold exactly the rows of the view.
    fn finish(mut self, flow: Flow) -> Result<Plan, SqlError> {
        let names: Vec<String> = flow.fields.iter().map(|field| field.name.clone()).collect();
        let shown = names.len();
        if !self.folded(&flow) {
            self.rows(flow.blocks, flow.fields.iter().map(|field| field.ty))?;
        }
        let mut nodes = reached(self.nodes);
        for (at, column) in nodes.last_mut().into_iter().flat_map(|node| &mut node.columns).enumerate() {
            match names.get(at) {
                Some(name) => column.label.clone_from(name),
                // What a folded node has beside them could be called as one of them.
                None if column.label.starts_with(HIDDEN) => {}
                None => column.label.insert(0, HIDDEN),
            }
        }
        Ok(Plan { nodes, shown })
    }

    /// If a flow is just all the rows of the last node, makes the columns of the one those of the other.
    fn folded(&mut self, flow: &Flow) -> bool {
        let [Block { leaves, filter, projection }] = flow.blocks.as_slice() else { return false };
        let [Leaf { id, input: Input::Node(node), .. }] = leaves.as_slice() else { return false };
        if !filter.is_empty() || node.0 + 1 != self.nodes.len() {
            return false;
        }
        let node = &mut self.nodes[node.0];
        if let Operator::Groups(groups) = &mut node.operator {
            (node.columns, node.key) = groups::shown_as(groups, *id, projection, &flow.fields);
            return true;
        }
        let labels = projection.iter().map(|expr| column_label(expr, *id));
        let own = node.columns.iter().map(|column| Some(column.label.clone()));
        labels.eq(own.take(projection.len()))
    }
}

/// Without the nodes that the last one does not follow from, as of a WITH that nobody names.
fn reached(nodes: Vec<Node>) -> Vec<Node> {
    let mut needed = BTreeSet::from([nodes.len() - 1]);
    for (at, node) in nodes.iter().enumerate().rev() {
        if needed.contains(&at) {
            needed.extend(node.leaves().into_iter().filter_map(|leaf| match leaf.input {
                Input::Node(NodeId(at)) => Some(at),
                Input::Relation(_) => None,
            }));
        }
    }
    let places: Vec<usize> = needed.iter().copied().collect();
    let mut kept: Vec<Node> =
        nodes.into_iter().enumerate().filter(|(at, _)| needed.contains(at)).map(|(_, node)| node).collect();
    for leaf in kept.iter_mut().flat_map(Node::leaves_mut) {
        if let Input::Node(NodeId(at)) = &mut leaf.input {
            *at = places.binary_search(at).unwrap_or(*at);
        }
    }
    kept
}

/// The label, if the expression is a column of that source.
fn column_label(expr: &Expr, of: SourceId) -> Option<String> {
    match &expr.kind {
        ExprKind::Column { source, label } if *source == of => Some(label.clone()),
        _ => None,
    }
}

fn bounded(blocks: usize) -> Result<(), SqlError> {
    if blocks <= MAX_BLOCKS {
        return Ok(());
    }
    let reason = format!("it makes more than {MAX_BLOCKS} branches, each of which is followed by itself");
    Err(SqlError::refused("UNION ALL", reason, "put a part of it into a materialized view of its own"))
}

fn set_operation(clause: &str, alternative: &str) -> SqlError {
    let reason = "how often a row is on either side would have to be kept beside the view";
    SqlError::refused(clause, reason, alternative)
}

/// A relation that is computed when it is read.
fn is_plain(kind: &Kind) -> bool {
    matches!(kind, Kind::View { .. })
}

/// Columns are named in nodes as they come: what users call them is said by the view.
fn label(at: usize) -> String {
    format!("c{at}")
}

/// A type that a column can be kept in.
fn kept(ty: Ty) -> Ty {
    if ty == Ty::Unknown { Ty::Text } else { ty }
}
