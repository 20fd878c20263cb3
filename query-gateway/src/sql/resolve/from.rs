//! FROM: row sources and joins.

use sqlparser::ast::{
    self, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins,
};

use super::{Place, Resolver, fold, single_name};
use crate::sql::{
    error::{Problem, SqlError, nearest},
    relational::{Comparison, Expr, ExprKind, Field, From, JoinKind, SourceId},
    scope::{Entry, Scope},
};

/// A field of a row source as an expression.
pub(super) fn column(source: SourceId, field: &Field) -> Expr {
    Expr::new(ExprKind::Column { source, label: field.label.clone() }, field.ty, field.nullable)
}

/// Gives columns the names of an alias list, `t (a, b)`; fewer names than columns are right.
pub(super) fn rename<'n>(
    table: &str,
    names: impl ExactSizeIterator<Item = &'n mut String>,
    columns: &[TableAliasColumnDef],
) -> Result<(), SqlError> {
    if columns.len() > names.len() {
        let reason = format!("it has {} columns, and {} names are given", names.len(), columns.len());
        return Err(SqlError::wrong(format!("\"{table}\""), reason));
    }
    for (name, column) in names.zip(columns) {
        *name = fold(&column.name);
    }
    Ok(())
}

impl Resolver<'_> {
    pub(super) fn from(&mut self, tables: &[TableWithJoins]) -> Result<(Option<From>, Scope), SqlError> {
        let mut result: Option<(From, Scope)> = None;
        for table in tables {
            let (from, scope) = self.joined(table)?;
            result = Some(match result {
                None => (from, scope),
                Some((left, mut scopes)) => {
                    refuse_repeated(&scopes, &scope)?;
                    scopes.extend(scope);
                    (join(JoinKind::Inner, left, from, None), scopes)
                }
            });
        }
        Ok(result.map_or((None, Scope::default()), |(from, scope)| (Some(from), scope)))
    }

    fn joined(&mut self, table: &TableWithJoins) -> Result<(From, Scope), SqlError> {
        let (mut from, mut scope) = self.factor(&table.relation)?;
        for next in &table.joins {
            let (kind, constraint) = join_kind(&next.join_operator)?;
            let (right, mut right_scope) = self.factor(&next.relation)?;
            refuse_repeated(&scope, &right_scope)?;
            let mut seen = scope.clone();
            seen.extend(right_scope.clone());
            let (on, using) = self.constraint(constraint, &scope, &right_scope, seen)?;
            if matches!(kind, JoinKind::Right | JoinKind::Full) {
                scope.make_nullable();
            }
            if matches!(kind, JoinKind::Left | JoinKind::Full) {
                right_scope.make_nullable();
            }
            let merged = merge(&using, kind, &mut scope, &mut right_scope)?;
            scope.entries.splice(0..0, merged);
            scope.extend(right_scope);
            from = join(kind, from, right, on);
        }
        Ok((from, scope))
    }

    fn constraint(
        &mut self,
        constraint: &JoinConstraint,
        left: &Scope,
        right: &Scope,
        both: Scope,
    ) -> Result<(Option<Expr>, Vec<String>), SqlError> {
        match constraint {
            JoinConstraint::None => Ok((None, Vec::new())),
            JoinConstraint::Natural => Err(SqlError::refused(
                "NATURAL JOIN",
                "a new column would silently change it",
                "name the columns in USING (..)",
            )),
            JoinConstraint::On(condition) => {
                self.scopes.push(both);
                let condition =
                    self.within(Place::plain("JOIN .. ON"), |this| this.condition(condition, "JOIN .. ON"));
                self.scopes.pop();
                Ok((Some(condition?), Vec::new()))
            }
            JoinConstraint::Using(names) => {
                let names = names.iter().map(single_name).collect::<Result<Vec<_>, _>>()?;
                let mut equalities = Vec::new();
                for name in &names {
                    let (left, right) = (side(left, name, "left")?, side(right, name, "right")?);
                    equalities.push(self.compare(Comparison::Equal, left, right, "USING")?);
                }
                Ok((Some(super::predicate::all_of(equalities)), names))
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<(From, Scope), SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref())
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let query = self.query(subquery)?;
                let id = self.new_source();
                let scope = named("", id, &query.fields, alias.as_ref())?;
                Ok((From::Query { id, query: Box::new(query) }, scope))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.deeper(|this| this.joined(table_with_joins))
            }
            TableFactor::Derived { lateral: true, .. } => Err(SqlError::refused(
                "LATERAL",
                "it is not supported",
                "join on the condition, or use a sub-query in SELECT",
            )),
            TableFactor::Table { args: Some(_), .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. } => Err(SqlError::refused(
                factor.to_string(),
                "functions in FROM are not supported",
                "use VALUES or WITH RECURSIVE",
            )),
            other => Err(SqlError::refused(
                other.to_string(),
                "this form of FROM is not supported",
                "use a sub-query",
            )),
        }
    }

    fn table(&mut self, object: &ObjectName, alias: Option<&TableAlias>) -> Result<(From, Scope), SqlError> {
        use sqlparser::ast::Spanned;
        let name = single_name(object).map_err(|error| error.at(object.span()))?;
        let id = self.new_source();
        if let Some(cte) = self.ctes.iter_mut().rev().find(|cte| cte.name == name) {
            cte.referenced = true;
            let scope = named(&name, id, &cte.fields, alias)?;
            return Ok((From::Cte { id, label: cte.label.clone() }, scope));
        }
        let Some(relation) = self.catalog.get(&name) else {
            let known = self.catalog.relations.keys().map(String::as_str);
            let suggestion = nearest(&name, known.chain(self.ctes.iter().map(|cte| cte.name.as_str())));
            return Err(SqlError::from(Problem::UnknownRelation { name, suggestion }).at(object.span()));
        };
        let columns = relation.fields().map(|(column, ty)| Field {
            name: column.name.clone(),
            label: column.name.clone(),
            ty,
            nullable: column.nullable,
        });
        let scope = named(&name, id, &columns.collect::<Vec<_>>(), alias)?;
        self.relations.insert(name.clone());
        Ok((From::Relation { id, name }, scope))
    }
}

fn join(kind: JoinKind, left: From, right: From, on: Option<Expr>) -> From {
    From::Join { kind, left: Box::new(left), right: Box::new(right), on }
}

/// The columns of a row source under its alias.
fn named(name: &str, id: SourceId, fields: &[Field], alias: Option<&TableAlias>) -> Result<Scope, SqlError> {
    let table = alias.map_or_else(|| name.to_owned(), |alias| fold(&alias.name));
    let mut names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
    rename(&table, names.iter_mut(), alias.map_or(&[], |alias| &alias.columns))?;
    let entries = fields.iter().zip(names);
    let entry = |(field, name): (&Field, String)| Entry {
        table: table.clone(),
        name,
        value: column(id, field),
        merged: false,
    };
    Ok(Scope { entries: entries.map(entry).collect() })
}

fn join_kind(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint), SqlError> {
    let (kind, constraint) = match operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => return Ok((JoinKind::Inner, &JoinConstraint::None)),
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (JoinKind::Inner, constraint),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
            (JoinKind::Right, constraint)
        }
        JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
        _ => {
            return Err(SqlError::refused(
                "JOIN",
                "this kind is not supported",
                "use INNER, LEFT, RIGHT, FULL or CROSS JOIN",
            ));
        }
    };
    if matches!(constraint, JoinConstraint::None) {
        return Err(SqlError::refused(
            "JOIN",
            "it needs a condition",
            "add ON .. or USING (..), or write CROSS JOIN",
        ));
    }
    Ok((kind, constraint))
}

fn refuse_repeated(left: &Scope, right: &Scope) -> Result<(), SqlError> {
    let named = right.entries.iter().filter(|entry| !entry.table.is_empty());
    match named.map(|entry| &entry.table).find(|table| left.has_table(table)) {
        None => Ok(()),
        Some(table) => {
            Err(SqlError::refused("FROM", format!("\"{table}\" occurs twice"), "give one of them an alias"))
        }
    }
}

/// The one column of that name on one side of a join.
fn side(scope: &Scope, name: &str, which: &str) -> Result<Expr, SqlError> {
    scope.find(None, name)?.cloned().ok_or_else(|| {
        SqlError::wrong("USING", format!("column \"{name}\" does not exist on the {which} side of the join"))
    })
}

/// USING makes one column of two: that of the side whose rows all stay, or the one that is there.
fn merge(
    names: &[String],
    kind: JoinKind,
    left: &mut Scope,
    right: &mut Scope,
) -> Result<Vec<Entry>, SqlError> {
    let mut merged = Vec::new();
    for name in names {
        let (left_value, right_value) = (side(left, name, "left")?, side(right, name, "right")?);
        let value = match kind {
            JoinKind::Inner | JoinKind::Left => left_value,
            JoinKind::Right => right_value,
            JoinKind::Full => {
                let ty = left_value.ty.common(right_value.ty).unwrap_or(left_value.ty);
                let cast = |value: Expr| match value.ty == ty {
                    true => value,
                    false => Expr { nullable: value.nullable, ty, kind: ExprKind::Cast(Box::new(value)) },
                };
                // In each row one side is there; only its own NULL could come through, and NULLs do not join.
                Expr::new(ExprKind::Coalesce(vec![cast(left_value), cast(right_value)]), ty, true)
            }
        };
        for entry in left.entries.iter_mut().chain(&mut right.entries).filter(|entry| &entry.name == name) {
            entry.merged = true;
        }
        merged.push(Entry { table: String::new(), name: name.clone(), value, merged: false });
    }
    Ok(merged)
}

/// What `*` and `t.*` stand for.
pub(super) fn expand(scope: &Scope, table: Option<&str>) -> Vec<(String, Expr)> {
    let wanted = |entry: &&Entry| table.map_or(!entry.merged, |table| entry.table == table);
    scope.entries.iter().filter(wanted).map(|entry| (entry.name.clone(), entry.value.clone())).collect()
}

/// Whether it is `*`.
pub(super) fn is_star(item: &ast::SelectItem) -> bool {
    matches!(item, ast::SelectItem::Wildcard(_))
}
