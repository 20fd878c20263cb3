//! WHERE: conditions on rows, and sub-queries of which a row is looked for.

use super::{
    Compiler,
    from::{Branch, conjuncts, refuse_sub_queries},
    groups::renamed,
    select::all_of,
};
use crate::{
    delta::mutant::Mutant,
    delta::plan::{Block, Column, Input, Leaf, LeafKind},
    sql::{
        SqlError,
        relational::{Body, Comparison, Expr, ExprKind, From, Query, SourceId},
        types::Ty,
        walk,
    },
};

/// A sub-query as a condition.
struct Sought<'q> {
    query: &'q Query,
    /// For IN: what is to be equal to its column.
    operand: Option<&'q Expr>,
    negated: bool,
}

impl Compiler<'_> {
    /// Adds a condition of the statement to a branch.
    pub(super) fn condition(&mut self, branch: &mut Branch, condition: &Expr) -> Result<(), SqlError> {
        for conjunct in conjuncts(Some(condition)) {
            match sought(conjunct, false) {
                Some(sought) => {
                    let leaves = self.seek(branch, &sought)?;
                    branch.leaves.extend(leaves);
                }
                None => {
                    let conjunct = branch.express(conjunct);
                    refuse_sub_queries(std::slice::from_ref(&conjunct), "a condition")?;
                    branch.filter.push(conjunct);
                }
            }
        }
        branch.require_partners();
        Ok(())
    }

    /// The leaves of which a row is looked for.
    fn seek(&mut self, branch: &Branch, sought: &Sought<'_>) -> Result<Vec<Leaf>, SqlError> {
        let own = own_sources(sought.query);
        let (query, correlated) = decorrelated(sought.query, &own)?;
        let columns = columns_of(&correlated, &own);
        let inner = self.sought(&query, &columns, sought.operand.is_some())?;
        // Columns of the sub-query are named first: those that are left are of the query around it.
        let named = correlated.iter().map(|condition| branch.express(&inner.columns.express(condition)));
        let mut on: Vec<Expr> = named.collect();
        on.extend(inner.filter);
        let kind = if sought.negated { LeafKind::Anti } else { LeafKind::Semi };
        let leaf = Leaf { kind, on, ..inner.leaf };
        let (Some(operand), Some(first)) = (sought.operand, inner.first) else { return Ok(vec![leaf]) };
        let operand = branch.express(operand);
        refuse_sub_queries(std::slice::from_ref(&operand), "the operand of IN")?;
        let matches = matches(operand, first, sought.negated, &leaf.on);
        // Each way to match is looked for by itself: together they could not be looked up.
        let leaves = matches.into_iter().map(|condition| {
            let id = self.new_source();
            let on = leaf.on.iter().chain([&condition]).map(|on| renamed(on, leaf.id, id)).collect();
            Leaf { id, on, ..leaf.clone() }
        });
        Ok(leaves.collect())
    }

    /// A sub-query as one leaf, over a node if need be, with those of its row sources' columns that conditions name.
    fn sought(
        &mut self,
        query: &Query,
        columns: &[(SourceId, Column)],
        wants_first: bool,
    ) -> Result<SoughtLeaf, SqlError> {
        let (mut branches, firsts) = match &query.body {
            Body::Select(select) if !columns.is_empty() => {
                let branches = self.filtered(select)?;
                let firsts = branches.iter().map(|branch| branch.express(&select.projection[0])).collect();
                (branches, firsts)
            }
            _ => {
                let flow = self.query(query)?;
                let firsts: Vec<Expr> = flow.blocks.iter().map(|block| block.projection[0].clone()).collect();
                (flow.blocks.into_iter().map(Branch::of).collect::<Vec<_>>(), firsts)
            }
        };
        if wants_first {
            refuse_sub_queries(&firsts, "the column of IN (SELECT ..)")?;
        }
        if let [branch] = branches.as_mut_slice()
            && let [leaf] = branch.leaves.as_slice()
        {
            let (leaf, mut columns) = (leaf.clone(), std::mem::take(branch));
            let filter = std::mem::take(&mut columns.filter);
            return Ok(SoughtLeaf { leaf, filter, first: firsts.into_iter().next(), columns });
        }
        self.kept_sought(branches, firsts, columns)
    }

    fn kept_sought(
        &mut self,
        branches: Vec<Branch>,
        firsts: Vec<Expr>,
        columns: &[(SourceId, Column)],
    ) -> Result<SoughtLeaf, SqlError> {
        let first = firsts[0].clone();
        let blocks = branches.into_iter().zip(firsts).map(|(branch, first)| {
            let named = columns.iter().map(|(source, column)| branch.express(&column.of(*source)));
            let projection = std::iter::once(first).chain(named).collect();
            Block { leaves: branch.leaves, filter: branch.filter, projection }
        });
        let types = columns.iter().map(|(_, column)| column.ty.unwrap_or(Ty::Text));
        let types: Vec<Ty> = std::iter::once(first.ty).chain(types).collect();
        let (node, kept) = self.rows(blocks.collect(), types)?;
        let leaf = self.new_leaf(Input::Node(node));
        let named = columns.iter().zip(&kept[1..]);
        let bound = named.map(|((source, column), kept)| (*source, column.label.clone(), kept.of(leaf.id)));
        let columns = Branch::naming(bound);
        let first = kept[0].of(leaf.id);
        Ok(SoughtLeaf { leaf, filter: Vec::new(), first: Some(first), columns })
    }
}

/// A sub-query without those of its conditions that name columns of the query around it, and these.
fn decorrelated<'q>(query: &'q Query, own: &[SourceId]) -> Result<(Query, Vec<&'q Expr>), SqlError> {
    let mut correlated = Vec::new();
    let mut inner = query.clone();
    if let (Body::Select(select), Body::Select(inner)) = (&query.body, &mut inner.body)
        && select.group_by.is_none()
        && !select.distinct
    {
        let all = conjuncts(select.filter.as_ref()).into_iter();
        let (bound, free): (Vec<_>, Vec<_>) = all.partition(|conjunct| names_others(conjunct, own));
        correlated = bound;
        inner.filter = all_of(free.into_iter().cloned().collect());
    }
    let mut still = false;
    walk::visit_query(&inner, &mut |expr| still |= is_other(expr, own));
    if still || correlated.iter().any(|conjunct| walk::sub_query(conjunct).is_some()) {
        return Err(SqlError::refused(
            "correlated sub-query",
            "it names columns of the query around it elsewhere than in conditions of its own WHERE",
            "write those as .. WHERE inner.column = outer.column AND .., or join with the sub-query",
        ));
    }
    Ok((inner, correlated))
}

/// The columns of a sub-query's own row sources that conditions name.
fn columns_of(conditions: &[&Expr], own: &[SourceId]) -> Vec<(SourceId, Column)> {
    let mut columns: Vec<(SourceId, Column)> = Vec::new();
    for condition in conditions {
        walk::visit(condition, &mut |expr| {
            if let ExprKind::Column { source, label } = &expr.kind
                && own.contains(source)
                && !columns.iter().any(|(known, column)| known == source && column.label == *label)
            {
                columns.push((*source, Column::new(label.clone(), expr.ty, expr.nullable)));
            }
        });
    }
    columns
}

/// How a row of a sub-query can match: by being equal; what is not known is no match, but hinders NOT IN.
fn matches(operand: Expr, column: Expr, negated: bool, on: &[Expr]) -> Vec<Expr> {
    let is_null = |side: &Expr, negated| {
        let kind = ExprKind::IsNull { operand: Box::new(side.clone()), negated };
        Expr::new(kind, Ty::Bool, false)
    };
    let is_known = |side: &Expr| !side.nullable || on.contains(&is_null(side, true));
    let unknown: Vec<Expr> = [&operand, &column]
        .into_iter()
        .filter(|side| negated && !is_known(side) && !Mutant::NotInKnowsNulls.is_on())
        .map(|side| is_null(side, false))
        .collect();
    let nullable = operand.nullable || column.nullable;
    let (left, right) = (Box::new(operand), Box::new(column));
    let equal = ExprKind::Compare { operator: Comparison::Equal, left, right };
    std::iter::once(Expr::new(equal, Ty::Bool, nullable)).chain(unknown).collect()
}

fn sought(expr: &Expr, not: bool) -> Option<Sought<'_>> {
    match &expr.kind {
        ExprKind::Not(operand) => sought(operand, !not),
        ExprKind::Exists { query, negated } => {
            Some(Sought { query, operand: None, negated: *negated != not })
        }
        ExprKind::InQuery { operand, query, negated } => {
            Some(Sought { query, operand: Some(operand), negated: *negated != not })
        }
        _ => None,
    }
}

/// A sub-query as one leaf.
struct SoughtLeaf {
    leaf: Leaf,
    /// Conditions on its rows.
    filter: Vec<Expr>,
    /// What its first column is.
    first: Option<Expr>,
    /// What the columns are that correlated conditions name.
    columns: Branch,
}

/// Every row source within a query, at any depth.
pub(super) fn own_sources(query: &Query) -> Vec<SourceId> {
    let mut own = Vec::new();
    collect_sources(query, &mut own);
    own
}

fn collect_sources(query: &Query, own: &mut Vec<SourceId>) {
    fn of_from(from: &From, own: &mut Vec<SourceId>) {
        own.extend(from.sources());
        match from {
            From::Query { query, .. } => collect_sources(query, own),
            From::Join { left, right, .. } => {
                of_from(left, own);
                of_from(right, own);
            }
            From::Relation { .. } | From::Cte { .. } => {}
        }
    }
    query.ctes.iter().for_each(|cte| collect_sources(&cte.query, own));
    match &query.body {
        Body::Select(select) => select.from.iter().for_each(|from| of_from(from, own)),
        Body::SetOperation { left, right, .. } => {
            collect_sources(left, own);
            collect_sources(right, own);
        }
        Body::Values(_) => {}
    }
    walk::visit_query(query, &mut |expr| {
        if let Some(query) = walk::sub_query(expr) {
            collect_sources(query, own);
        }
    });
}

fn names_others(expr: &Expr, own: &[SourceId]) -> bool {
    let mut others = false;
    walk::visit(expr, &mut |expr| others |= is_other(expr, own));
    others
}

fn is_other(expr: &Expr, own: &[SourceId]) -> bool {
    matches!(&expr.kind, ExprKind::Column { source, .. } if !own.contains(source))
}
