//! `tributary.query.v1.QueryGateway`: ad-hoc SQL, the views, and how the gateway is doing.

mod row;
mod status;
mod views;

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status};
use tributary_chassis::fault::{Fault, Reason};
use tributary_proto::query::v1::{
    self as proto, QueryRequest, QueryResponse,
    query_gateway_server::{QueryGateway, QueryGatewayServer},
    query_response,
};

use crate::{
    api::{Api, Method, State},
    catalog::Catalog,
    query::{Answer, Asker, Freshness, Part, Queries, Statement, columns, stand_on},
    sql::{self, Compiled, Problem, SqlError},
    view::Views,
};

/// A statement and what surrounds it; longer texts are no questions.
const MAX_SQL_BYTES: usize = 64 << 10;

/// Answers the gateway's own methods.
#[derive(Clone, Debug)]
pub struct QueryService {
    queries: Queries,
    views: Views,
    api: Api,
}

impl QueryService {
    /// The service, to be added to the server. The methods of `api` are listed beside the views.
    pub fn server(queries: Queries, views: Views, api: Api) -> QueryGatewayServer<Self> {
        QueryGatewayServer::new(Self { queries, views, api })
    }

    /// What a text means, with the relations by which it does.
    async fn compile(&self, sql: &str) -> Result<(Compiled, Arc<Catalog>), Fault> {
        let mut catalog = self.queries.gateway().catalog();
        let mut compiled = sql::compile(sql, &catalog, &[]);
        if let Some(name) = unknown(&compiled) {
            self.views.awaited(name).await;
            catalog = self.queries.gateway().catalog();
            compiled = sql::compile(sql, &catalog, &[]);
        }
        if let Some(name) = unknown(&compiled).filter(|name| self.views.may_come(name)) {
            return Err(self.views.absent(name));
        }
        let compiled = compiled.map_err(|error| Fault::field("sql", error.to_string()))?;
        Ok((compiled, catalog))
    }
}

fn unknown(compiled: &Result<Compiled, SqlError>) -> Option<&str> {
    match &compiled.as_ref().err()?.problem {
        Problem::UnknownRelation { name, .. } => Some(name),
        _ => None,
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<QueryResponse, Status>> + Send>>;

#[tonic::async_trait]
impl QueryGateway for QueryService {
    type QueryStream = Responses;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Responses>, Status> {
        let freshness = Freshness::of(request.metadata())?;
        let QueryRequest { sql, max_rows } = request.into_inner();
        let max_rows = validate(&sql, max_rows, self.queries.caps().rows)?;
        // First, because what is waited for may bring the tables.
        self.queries.reach(&freshness).await?;
        let (compiled, answer) = loop {
            let (compiled, catalog) = self.compile(&sql).await?;
            let compiled = Arc::new(compiled);
            let statement =
                Statement { compiled: compiled.clone(), catalog, arguments: Vec::new(), max_rows };
            if let Some(answer) = self.queries.start(Asker::AdHoc, statement).await? {
                break (compiled, answer);
            }
        };
        let as_of = answer.as_of.clone();
        let header = proto::Header { columns: columns(&compiled.columns), as_of: as_of.to_string() };
        Ok(stand_on(Response::new(responses(header, answer)), &as_of)?)
    }

    async fn list_views(
        &self,
        _: Request<proto::ListViewsRequest>,
    ) -> Result<Response<proto::ListViewsResponse>, Status> {
        let views: Vec<_> = self.views.list().iter().map(|view| views::message(view, &self.views)).collect();
        let views = views.into_iter().chain(self.typed_queries()).collect();
        Ok(Response::new(proto::ListViewsResponse { views }))
    }

    async fn create_view(
        &self,
        request: Request<proto::CreateViewRequest>,
    ) -> Result<Response<proto::CreateViewResponse>, Status> {
        let proto::CreateViewRequest { sql, replace } = request.into_inner();
        validate(&sql, 0, self.queries.caps().rows)?;
        let created = self.views.create(&sql, replace, &|catalog| self.broken(catalog)).await?;
        let views = created.iter().map(|view| views::message(view, &self.views)).collect();
        Ok(Response::new(proto::CreateViewResponse { views }))
    }

    async fn drop_view(
        &self,
        request: Request<proto::DropViewRequest>,
    ) -> Result<Response<proto::DropViewResponse>, Status> {
        let proto::DropViewRequest { name, missing_ok } = request.into_inner();
        self.views.drop(&named(name)?, missing_ok, &|catalog| self.broken(catalog)).await?;
        Ok(Response::new(proto::DropViewResponse {}))
    }

    async fn explain_view(
        &self,
        request: Request<proto::ExplainViewRequest>,
    ) -> Result<Response<proto::ExplainViewResponse>, Status> {
        let name = named(request.into_inner().name)?;
        if let Some(method) = self.api.methods().iter().find(|method| method.name() == name) {
            return Ok(Response::new(self.explain_method(method).await?));
        }
        let explained = self.views.explain(&name).await?;
        Ok(Response::new(views::explained(explained, &self.views)))
    }

    async fn explain_row(
        &self,
        request: Request<proto::ExplainRowRequest>,
    ) -> Result<Response<proto::ExplainRowResponse>, Status> {
        let freshness = Freshness::of(request.metadata())?;
        let rows = row::rows(request.into_inner())?;
        if self.api.methods().iter().any(|method| method.name() == rows.name) {
            let text = format!("{} is a typed query: explain rows of what it reads", rows.name);
            return Err(Fault::new(Reason::Unimplemented, text).into());
        }
        self.queries.reach(&freshness).await?;
        if self.queries.gateway().catalog().get(&rows.name).is_none() {
            self.views.awaited(&rows.name).await;
        }
        let origins = self.queries.explain(&self.views, rows).await?;
        let as_of = origins.as_of.clone();
        Ok(stand_on(Response::new(row::response(origins)), &as_of)?)
    }

    async fn get_status(
        &self,
        _: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        let (mut status, as_of) = status::status(self.queries.gateway()).await.map_err(Fault::from)?;
        status.views_problem = self.views.problem().map(|problem| problem.to_string()).unwrap_or_default();
        Ok(stand_on(Response::new(status), &as_of)?)
    }
}

impl QueryService {
    fn typed_queries(&self) -> Vec<proto::View> {
        let catalog = self.queries.gateway().catalog();
        self.api.methods().iter().map(|method| self.typed_query(method, &catalog)).collect()
    }

    fn typed_query(&self, method: &Method, catalog: &Arc<Catalog>) -> proto::View {
        let (state, reason, columns) = match method.state(catalog) {
            State::Ready(ready) => (proto::ViewState::Ready, String::new(), columns(&ready.compiled.columns)),
            State::Waiting(name) => {
                let absent = self.views.absent(&name);
                let comes = absent.reason() == Reason::Unavailable;
                let state = if comes { proto::ViewState::Pending } else { proto::ViewState::Failed };
                (state, absent.message().to_owned(), Vec::new())
            }
            State::Failed(reason) => (proto::ViewState::Failed, reason, Vec::new()),
        };
        let (name, sql) = (method.name().to_owned(), method.sql().to_owned());
        let kind = proto::ViewKind::TypedQuery.into();
        proto::View { name, state: state.into(), reason, columns, sql, kind, ..proto::View::default() }
    }

    /// What is run when a typed query is asked, and how the store goes about it.
    async fn explain_method(&self, method: &Method) -> Result<proto::ExplainViewResponse, Fault> {
        let catalog = self.queries.gateway().catalog();
        let view = self.typed_query(method, &catalog);
        let (reads, steps) = match method.state(&catalog) {
            State::Ready(ready) => {
                let Compiled { text, parameters, .. } = &*ready.compiled;
                (text.clone(), self.views.steps(text, parameters.len()).await?)
            }
            State::Waiting(_) | State::Failed(_) => (String::new(), Vec::new()),
        };
        let text = views::explained_method(&view, &reads, &steps);
        Ok(proto::ExplainViewResponse {
            view: Some(view),
            text,
            reads,
            ..proto::ExplainViewResponse::default()
        })
    }

    /// Typed queries that can be answered now, and no more with these relations.
    fn broken(&self, relations: &Catalog) -> Vec<String> {
        let now = self.queries.gateway().catalog();
        let methods = self.api.methods().iter();
        let broken = methods.filter(|method| {
            matches!(method.state(&now), State::Ready(_)) && !method.is_answered_with(relations)
        });
        broken.map(|method| format!("the typed query {}", method.name())).collect()
    }
}

fn named(name: String) -> Result<String, Fault> {
    if name.is_empty() { Err(Fault::field("name", "is empty: name a view")) } else { Ok(name) }
}

fn validate(sql: &str, max_rows: u32, most: usize) -> Result<usize, Fault> {
    let mut violations = Vec::new();
    if sql.trim().is_empty() {
        violations.push(("sql".to_owned(), "is empty: write a statement".to_owned()));
    }
    if sql.len() > MAX_SQL_BYTES {
        violations.push(("sql".to_owned(), format!("has {} bytes: at most {MAX_SQL_BYTES}", sql.len())));
    }
    let rows = usize::try_from(max_rows).unwrap_or(usize::MAX);
    if rows > most {
        violations.push(("max_rows".to_owned(), format!("is {rows}: at most {most}, and 0 stands for that")));
    }
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    Ok(if rows == 0 { most } else { rows })
}

fn responses(header: proto::Header, answer: Answer) -> Responses {
    let header = stream::once(async { Ok(response(query_response::Part::Header(header))) });
    let parts = stream::unfold(answer, async |mut answer| answer.next().await.map(|part| (part, answer)));
    let parts = parts.map(|part| {
        Ok(response(match part? {
            Part::Truncated(reason) => query_response::Part::Truncated(proto::Truncated { reason }),
            Part::Rows(rows) => query_response::Part::Rows(proto::Rows {
                rows: rows
                    .into_iter()
                    .map(|cells| proto::Row { values: cells.into_iter().map(Into::into).collect() })
                    .collect(),
            }),
        }))
    });
    Box::pin(header.chain(parts))
}

fn response(part: query_response::Part) -> QueryResponse {
    QueryResponse { part: Some(part) }
}

#[cfg(test)]
mod tests;
