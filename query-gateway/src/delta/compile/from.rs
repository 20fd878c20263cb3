//! FROM: joins of tables, views and sub-queries.

use std::collections::HashMap;

use super::{Compiler, Flow, column_label, is_plain};
use crate::{
    catalog,
    delta::plan::{Block, Column, Input, Leaf, LeafKind, sources},
    sql::{
        SqlError,
        relational::{Comparison, Expr, ExprKind, Field, From, JoinKind, SourceId},
        types::Ty,
        walk,
    },
};

/// One way in which a FROM makes rows, and what its columns are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    pub(super) leaves: Vec<Leaf>,
    pub(super) filter: Vec<Expr>,
    bound: HashMap<SourceId, Bound>,
}

/// What the columns of a row source of the statement stand for.
#[derive(Clone, Debug)]
enum Bound {
    /// By label.
    To(HashMap<String, Expr>),
    /// NULL: in this branch the source has no partner.
    Null,
}

/// The right side of an outer join.
struct Operand {
    leaf: Leaf,
    /// Conditions on its rows.
    filter: Vec<Expr>,
    bound: HashMap<SourceId, Bound>,
}

impl Branch {
    /// An expression of the statement, as it is in this branch.
    pub(super) fn express(&self, expr: &Expr) -> Expr {
        walk::rewrite(expr, &mut |expr| match &expr.kind {
            ExprKind::Column { source, label } => match self.bound.get(source)? {
                Bound::Null => Some(Expr::null(expr.ty)),
                Bound::To(columns) => {
                    // The statement knows of outer joins that came after the column.
                    let column = columns.get(label)?.clone();
                    let nullable = column.nullable || expr.nullable || self.is_outer(&column);
                    Some(Expr { nullable, ..column })
                }
            },
            _ => None,
        })
    }

    /// Whether it names a leaf of which there may be no row.
    fn is_outer(&self, expr: &Expr) -> bool {
        let mut outer = self.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Left);
        let named = sources(expr);
        outer.any(|leaf| named.contains(&leaf.id))
    }

    pub(super) fn express_all<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.express(expr)).collect()
    }

    /// The rows of the branch, with these expressions of the statement computed of each.
    pub(super) fn block<'e>(&self, projection: impl IntoIterator<Item = &'e Expr>) -> Block {
        let projection = self.express_all(projection);
        Block { leaves: self.leaves.clone(), filter: self.filter.clone(), projection }
    }

    /// Makes outer leaves inner ones where the filter lets no row without partner through: they change in fewer ways.
    pub(super) fn require_partners(&mut self) {
        while let Some(leaf) = self.leaves.iter_mut().find(|leaf| {
            leaf.kind == LeafKind::Left
                && self.filter.iter().any(|filter| is_unknown_of_nulls(filter, leaf.id))
        }) {
            leaf.kind = LeafKind::Inner;
            self.filter.append(&mut leaf.on);
        }
    }

    /// The rows of a block whose columns nothing names.
    pub(super) fn of(block: Block) -> Self {
        Self { leaves: block.leaves, filter: block.filter, bound: HashMap::new() }
    }

    /// Names alone: the columns of row sources, each with what it stands for.
    pub(super) fn naming(columns: impl Iterator<Item = (SourceId, String, Expr)>) -> Self {
        let mut bound: HashMap<SourceId, Bound> = HashMap::new();
        for (source, label, expr) in columns {
            let columns = bound.entry(source).or_insert_with(|| Bound::To(HashMap::new()));
            if let Bound::To(columns) = columns {
                columns.insert(label, expr);
            }
        }
        Self { bound, ..Self::default() }
    }

    fn of_block(id: SourceId, block: Block, fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| field.label.clone()).zip(block.projection).collect();
        let bound = HashMap::from([(id, Bound::To(columns))]);
        Self { leaves: block.leaves, filter: block.filter, bound }
    }

    fn joined(mut self, other: Self) -> Self {
        self.leaves.extend(other.leaves);
        self.filter.extend(other.filter);
        self.bound.extend(other.bound);
        self
    }
}

impl Compiler<'_> {
    pub(super) fn from(&mut self, from: &From) -> Result<Vec<Branch>, SqlError> {
        match from {
            From::Relation { id, name } => self.relation(*id, name),
            From::Query { id, query } => {
                let flow = self.query(query)?;
                Ok(branches(*id, flow))
            }
            From::Cte { id, label } => {
                let flow = self.ctes.get(label).cloned().ok_or_else(|| {
                    SqlError::wrong(format!("WITH \"{label}\""), "it is named before it is there")
                })?;
                let flow = self.renamed(&flow);
                Ok(branches(*id, flow))
            }
            From::Join { kind: JoinKind::Inner, left, right, on } => self.inner(left, right, on.as_ref()),
            From::Join { kind: JoinKind::Left, left, right, on } => self.outer(left, right, on.as_ref()),
            From::Join { kind: JoinKind::Right, left, right, on } => self.outer(right, left, on.as_ref()),
            From::Join { kind: JoinKind::Full, left, right, on } => self.full(left, right, on.as_ref()),
        }
    }

    fn relation(&mut self, id: SourceId, name: &str) -> Result<Vec<Branch>, SqlError> {
        let plain = self.context.catalog.get(name).is_some_and(|relation| is_plain(&relation.kind));
        if let Some(query) = self.context.plain.get(name).filter(|_| plain) {
            let query = query.clone();
            let flow = self.statement(&query)?;
            // The columns of a view go by the names that it gives them.
            let names = flow.fields.iter().map(|field| Field { label: field.name.clone(), ..field.clone() });
            let fields = names.collect();
            return Ok(branches(id, Flow { fields, ..flow }));
        }
        let leaf = self.new_leaf(Input::Relation(name.to_owned()));
        let relation = self.context.catalog.get(name);
        let columns = relation.iter().flat_map(|relation| relation.fields());
        let column = |(column, ty): (&catalog::Column, Ty)| {
            let column = Column::new(column.name.clone(), ty, column.nullable);
            (column.label.clone(), column.of(leaf.id))
        };
        let bound = HashMap::from([(id, Bound::To(columns.map(column).collect()))]);
        Ok(vec![Branch { leaves: vec![leaf], filter: Vec::new(), bound }])
    }

    /// An inner leaf under a name that nothing else has.
    pub(super) fn new_leaf(&mut self, input: Input) -> Leaf {
        Leaf { id: self.new_source(), input, kind: LeafKind::Inner, on: Vec::new() }
    }

    fn inner(&mut self, left: &From, right: &From, on: Option<&Expr>) -> Result<Vec<Branch>, SqlError> {
        let left = self.branches(left)?;
        let mut joined = self.branches(right)?;
        if left.len() > 1 && joined.len() > 1 {
            // Unions multiply where they are joined, and with them the ways in which they change.
            let Operand { leaf, filter, bound } = self.kept_operand(right, joined)?;
            joined = vec![Branch { leaves: vec![leaf], filter, bound }];
        }
        let mut branches = Vec::new();
        for left in left {
            for right in &joined {
                // The same right side in several blocks: each block has its own leaves.
                let mut branch = left.clone().joined(right.clone());
                if let Some(on) = on {
                    self.condition(&mut branch, on)?;
                }
                branches.push(branch);
            }
        }
        Ok(branches)
    }

    /// An operand of a join, kept if it has too many leaves.
    fn branches(&mut self, from: &From) -> Result<Vec<Branch>, SqlError> {
        let branches = self.from(from)?;
        if branches.iter().all(|branch| branch.leaves.len() <= self.most_leaves) {
            return Ok(branches);
        }
        let Operand { leaf, filter, bound } = self.kept_operand(from, branches)?;
        Ok(vec![Branch { leaves: vec![leaf], filter, bound }])
    }

    /// Every row of `kept`, with partners of `other` or NULLs.
    fn outer(&mut self, kept: &From, other: &From, on: Option<&Expr>) -> Result<Vec<Branch>, SqlError> {
        let branches = self.branches(kept)?;
        let operand = self.operand(other)?;
        let join = |mut branch: Branch| {
            branch.bound.extend(operand.bound.clone());
            let mut on = conjuncts(on).iter().map(|on| branch.express(on)).collect::<Vec<_>>();
            refuse_sub_queries(&on, "ON of an outer join")?;
            on.extend(operand.filter.iter().cloned());
            branch.leaves.push(Leaf { kind: LeafKind::Left, on, ..operand.leaf.clone() });
            Ok(branch)
        };
        branches.into_iter().map(join).collect()
    }

    /// Rows of the left with partners or NULLs, and rows of the right that have no partner.
    fn full(&mut self, left: &From, right: &From, on: Option<&Expr>) -> Result<Vec<Branch>, SqlError> {
        let (left, right) = (self.operand(left)?, self.operand(right)?);
        let mut bound = left.bound.clone();
        bound.extend(right.bound.clone());
        let matched = Branch { bound, ..Branch::default() };
        let on: Vec<Expr> = conjuncts(on).iter().map(|on| matched.express(on)).collect();
        refuse_sub_queries(&on, "ON of a FULL JOIN")?;
        let partner = |operand: &Operand, kind| Leaf {
            kind,
            on: on.iter().chain(&operand.filter).cloned().collect(),
            ..operand.leaf.clone()
        };
        let first = Branch {
            leaves: vec![left.leaf.clone(), partner(&right, LeafKind::Left)],
            filter: left.filter.clone(),
            bound: matched.bound.clone(),
        };
        let mut bound = right.bound.clone();
        bound.extend(left.bound.keys().map(|id| (*id, Bound::Null)));
        let second = Branch {
            leaves: vec![right.leaf.clone(), partner(&left, LeafKind::Anti)],
            filter: right.filter.clone(),
            bound,
        };
        Ok(vec![first, second])
    }

    /// One leaf for a FROM, over a node if need be.
    fn operand(&mut self, from: &From) -> Result<Operand, SqlError> {
        let mut branches = self.from(from)?;
        if let [branch] = branches.as_mut_slice()
            && let [leaf] = branch.leaves.as_slice()
            && branch.bound.values().all(|bound| is_of(bound, leaf.id))
        {
            let leaf = leaf.clone();
            let Branch { filter, bound, .. } = std::mem::take(branch);
            return Ok(Operand { leaf, filter, bound });
        }
        self.kept_operand(from, branches)
    }

    /// One leaf over a node of all rows of a FROM.
    fn kept_operand(&mut self, from: &From, branches: Vec<Branch>) -> Result<Operand, SqlError> {
        let ids = from.sources();
        let columns: Vec<(SourceId, Column)> = ids
            .iter()
            .flat_map(|id| self.used.get(id).into_iter().flatten().map(|column| (*id, column.clone())))
            .collect();
        let block = |branch: Branch| {
            let named = columns.iter().map(|(id, column)| branch.express(&column.of(*id)));
            let projection = named.collect();
            Block { leaves: branch.leaves, filter: branch.filter, projection }
        };
        let blocks: Vec<Block> = branches.into_iter().map(block).collect();
        let types: Vec<Ty> = columns.iter().map(|(_, column)| column.ty.unwrap_or(Ty::Text)).collect();
        let (node, kept) = self.rows(blocks, types)?;
        let leaf = self.new_leaf(Input::Node(node));
        let named = columns
            .iter()
            .zip(kept)
            .map(|((source, column), kept)| (*source, column.label.clone(), kept.of(leaf.id)));
        let bound = Branch::naming(named).bound;
        Ok(Operand { leaf, filter: Vec::new(), bound })
    }
}

fn branches(id: SourceId, flow: Flow) -> Vec<Branch> {
    flow.blocks.into_iter().map(|block| Branch::of_block(id, block, &flow.fields)).collect()
}

/// Whether all columns are plain ones of that leaf: others would be something else than NULL in a row without partner.
fn is_of(bound: &Bound, leaf: SourceId) -> bool {
    match bound {
        Bound::To(columns) => columns.values().all(|expr| column_label(expr, leaf).is_some()),
        Bound::Null => false,
    }
}

/// Whether a condition does not hold where all columns of a leaf are NULL.
fn is_unknown_of_nulls(condition: &Expr, leaf: SourceId) -> bool {
    let is_column = |expr: &Expr| column_label(expr, leaf).is_some();
    match &condition.kind {
        ExprKind::Compare { operator: Comparison::Distinct | Comparison::NotDistinct, .. } => false,
        ExprKind::Compare { left, right, .. } => is_column(left) || is_column(right),
        ExprKind::IsNull { operand, negated: true } => is_column(operand),
        _ => false,
    }
}

/// The conditions that hold where an expression holds.
pub(super) fn conjuncts(expr: Option<&Expr>) -> Vec<&Expr> {
    match expr.map(|expr| (&expr.kind, expr)) {
        None => Vec::new(),
        Some((ExprKind::And(all), _)) => all.iter().flat_map(|expr| conjuncts(Some(expr))).collect(),
        Some((_, expr)) => vec![expr],
    }
}

/// Sub-queries are followed as conditions of their own alone.
pub(super) fn refuse_sub_queries(exprs: &[Expr], place: &str) -> Result<(), SqlError> {
    let mut found = None;
    for expr in exprs {
        walk::visit(expr, &mut |expr| {
            if walk::sub_query(expr).is_some() {
                found = Some(matches!(expr.kind, ExprKind::Scalar(_)));
            }
        });
    }
    match found {
        None => Ok(()),
        Some(true) => Err(SqlError::refused(
            format!("scalar sub-query in {place}"),
            "its value could change for every row without a change of the row",
            "join with it: .. LEFT JOIN (SELECT key, max(x) AS x FROM .. GROUP BY key) AS s ON .., \
             or .. CROSS JOIN (SELECT max(x) AS x FROM ..) AS s",
        )),
        Some(false) => Err(SqlError::refused(
            format!("EXISTS or IN (SELECT ..) in {place}"),
            "it can be kept as a condition of WHERE, of HAVING or of an inner join that stands alone or between ANDs",
            "LEFT JOIN with SELECT DISTINCT of the sub-query and test for NULL, or split the query by UNION ALL",
        )),
    }
}
