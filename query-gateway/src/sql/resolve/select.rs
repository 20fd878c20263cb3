//! SELECT: its clauses in the order in which they are computed.

use sqlparser::ast::{
    self, Distinct, GroupByExpr, OrderByExpr, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind,
    WildcardAdditionalOptions,
};

use super::{
    Place, Resolver, fold,
    from::{expand, is_star},
    grouping, order,
    query::{Ordered, require_comparable},
    single_name,
};
use crate::sql::{
    error::SqlError,
    relational::{Body, Expr, Field, Select, SortKey},
    walk,
};

/// A result column before labels are given out.
struct Output {
    name: String,
    value: Expr,
}

impl Resolver<'_> {
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        sorts: &[OrderByExpr],
    ) -> Result<Ordered, SqlError> {
        refuse_clauses(select)?;
        let (from, scope) = self.from(&select.from)?;
        if from.is_none() && select.projection.iter().any(is_star) {
            return Err(SqlError::refused("SELECT *", "there is no FROM", "name a table"));
        }
        self.scopes.push(scope);
        let result = self.select_over(select, from, sorts);
        self.scopes.pop();
        result
    }

    fn select_over(
        &mut self,
        select: &ast::Select,
        from: Option<crate::sql::relational::From>,
        sorts: &[OrderByExpr],
    ) -> Result<Ordered, SqlError> {
        let filter = match &select.selection {
            Some(filter) => Some(self.within(Place::plain("WHERE"), |this| this.condition(filter, "WHERE"))?),
            None => None,
        };
        let outputs = self.projection(&select.projection)?;
        let groups = self.group_by(&select.group_by, &outputs)?;
        let having_place = Place { clause: "HAVING", aggregates: true, windows: false };
        let having = match &select.having {
            Some(having) => Some(self.within(having_place, |this| this.condition(having, "HAVING"))?),
            None => None,
        };
        let fields = label(&outputs);
        let projection: Vec<Expr> = outputs.into_iter().map(|output| output.value).collect();
        let order_by = self.order_by(sorts, &fields, &projection)?;

        let sort_keys = order_by.iter().filter_map(|sort| match &sort.by {
            SortKey::Expr(expr) => Some(expr),
            SortKey::Field(_) => None,
        });
        let computed: Vec<&Expr> = projection.iter().chain(&having).chain(sort_keys).collect();
        // HAVING alone makes all rows one group, too.
        let grouped =
            !groups.is_empty() || having.is_some() || computed.iter().any(|expr| walk::has_aggregate(expr));
        let group_by = grouped.then_some(groups);
        if let Some(groups) = &group_by {
            let sources = from.as_ref().map(crate::sql::relational::From::sources).unwrap_or_default();
            let whole = from.as_ref().map(|from| self.determined(from, groups)).unwrap_or_default();
            grouping::Grouping { groups, sources: &sources, determined: &whole }.check_all(&computed)?;
        }
        let distinct = distinct(select.distinct.as_ref())?;
        if distinct {
            require_comparable("SELECT DISTINCT", &fields)?;
            if order_by.iter().any(|sort| matches!(sort.by, SortKey::Expr(_))) {
                let reason = "with SELECT DISTINCT it can only name result columns";
                return Err(SqlError::refused("ORDER BY", reason, "add the expression to the SELECT list"));
            }
        }
        let select = Select { distinct, projection, from, filter, group_by, having };
        Ok(Ordered { body: Body::Select(Box::new(select)), fields, order_by })
    }

    fn projection(&mut self, items: &[SelectItem]) -> Result<Vec<Output>, SqlError> {
        let place = Place { clause: "SELECT", aggregates: true, windows: true };
        let mut outputs = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.within(place, |this| this.expr(expr))?;
                    outputs.push(Output { name: order::name_of(expr), value });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let value = self.within(place, |this| this.expr(expr))?;
                    outputs.push(Output { name: fold(alias), value });
                }
                SelectItem::Wildcard(options) => {
                    refuse_options(options)?;
                    outputs.extend(self.star(None)?);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(table),
                    options,
                ) => {
                    refuse_options(options)?;
                    outputs.extend(self.star(Some(&single_name(table)?))?);
                }
                other => {
                    return Err(SqlError::refused(
                        other.to_string(),
                        "this form is not supported",
                        "name the columns",
                    ));
                }
            }
        }
        if outputs.is_empty() {
            return Err(SqlError::wrong("SELECT", "it has no columns"));
        }
        Ok(outputs)
    }

    fn star(&mut self, table: Option<&str>) -> Result<Vec<Output>, SqlError> {
        let columns = self.scopes.last().map(|scope| expand(scope, table)).unwrap_or_default();
        if let (true, Some(table)) = (columns.is_empty(), table) {
            return Err(SqlError::wrong(format!("\"{table}.*\""), "no such table in FROM here"));
        }
        Ok(columns.into_iter().map(|(name, value)| Output { name, value }).collect())
    }

    /// Numbers name result columns; names mean columns of FROM first, then result columns, as in PostgreSQL.
    fn group_by(&mut self, group_by: &GroupByExpr, outputs: &[Output]) -> Result<Vec<Expr>, SqlError> {
        let GroupByExpr::Expressions(terms, modifiers) = group_by else {
            return Err(SqlError::refused("GROUP BY ALL", "it is no PostgreSQL", "name the columns"));
        };
        if !modifiers.is_empty() {
            return Err(SqlError::refused(
                "GROUP BY",
                "ROLLUP, CUBE and the like are not supported",
                "use UNION ALL",
            ));
        }
        let mut groups = Vec::new();
        for term in terms {
            let value = self.group_term(term, outputs)?;
            if walk::has_aggregate(&value) {
                return Err(SqlError::wrong(format!("GROUP BY {term}"), "aggregates cannot be grouped by"));
            }
            if !value.ty.is_comparable() {
                let alternative = "take a field out of it with ->>";
                return Err(SqlError::refused(
                    format!("GROUP BY {term}"),
                    format!("{} is not compared", value.ty),
                    alternative,
                ));
            }
            if !groups.contains(&value) {
                groups.push(value);
            }
        }
        Ok(groups)
    }

    fn group_term(&mut self, term: &ast::Expr, outputs: &[Output]) -> Result<Expr, SqlError> {
        if let Some(at) = order::ordinal(term) {
            let output = at.checked_sub(1).and_then(|at| outputs.get(at));
            let output = output
                .ok_or_else(|| SqlError::wrong(format!("GROUP BY {at}"), "there is no such result column"))?;
            return Ok(output.value.clone());
        }
        if let ast::Expr::Identifier(ident) = term {
            let name = fold(ident);
            let known = self
                .scopes
                .last()
                .map_or(Ok(None), |scope| scope.find(None, &name).map(|found| found.cloned()))?;
            if let Some(value) = known {
                return Ok(value);
            }
            if let Some(output) = outputs.iter().find(|output| output.name == name) {
                return Ok(output.value.clone());
            }
        }
        self.within(Place::plain("GROUP BY"), |this| this.expr(term))
    }
}

/// Unique labels for columns that may share a name; unique for stores, too, that do not tell capitals apart.
fn label(outputs: &[Output]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for Output { name, value } in outputs {
        let taken = |label: &String| fields.iter().any(|field| field.label.eq_ignore_ascii_case(label));
        let numbered = (2..).map(|number| format!("{name}:{number}"));
        let label =
            std::iter::once(name.clone()).chain(numbered).find(|label| !taken(label)).unwrap_or_default();
        fields.push(Field { name: name.clone(), label, ty: value.ty, nullable: value.nullable });
    }
    fields
}

fn distinct(distinct: Option<&Distinct>) -> Result<bool, SqlError> {
    match distinct {
        None | Some(Distinct::All) => Ok(false),
        Some(Distinct::Distinct) => Ok(true),
        Some(Distinct::On(_)) => Err(SqlError::refused(
            "DISTINCT ON",
            "it is not supported",
            "number the rows with row_number() OVER (PARTITION BY .. ORDER BY ..) and keep the first",
        )),
    }
}

fn refuse_options(options: &WildcardAdditionalOptions) -> Result<(), SqlError> {
    let plain =
        WildcardAdditionalOptions { wildcard_token: options.wildcard_token.clone(), ..Default::default() };
    if *options == plain {
        Ok(())
    } else {
        Err(SqlError::refused("SELECT *", "options are not supported", "name the columns"))
    }
}

fn refuse_clauses(select: &ast::Select) -> Result<(), SqlError> {
    let unsupported = [
        (select.top.is_some(), "TOP", "use LIMIT"),
        (select.into.is_some(), "SELECT INTO", "only SELECT is answered here"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW", "use a join"),
        (select.prewhere.is_some(), "PREWHERE", "use WHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY", "use WITH RECURSIVE"),
        (!select.cluster_by.is_empty(), "CLUSTER BY", "leave it out"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY", "leave it out"),
        (!select.sort_by.is_empty(), "SORT BY", "use ORDER BY"),
        (!select.named_window.is_empty(), "WINDOW", "write the window after OVER"),
        (select.qualify.is_some(), "QUALIFY", "filter in a query around this one"),
        (select.value_table_mode.is_some(), "SELECT AS", "leave it out"),
        (select.exclude.is_some(), "EXCLUDE", "name the columns"),
        (select.select_modifiers.is_some(), "SELECT modifiers", "leave them out"),
        (select.flavor != SelectFlavor::Standard, "FROM first", "start with SELECT"),
    ];
    match unsupported.iter().find(|(present, _, _)| *present) {
        None => Ok(()),
        Some((_, clause, alternative)) => {
            Err(SqlError::refused(*clause, "it is not supported", *alternative))
        }
    }
}
