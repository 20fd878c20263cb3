//! One typed query: its SQL, compiled against the tables there are.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};
use tributary_chassis::fault::Fault;

use super::{ApiError, files::path, request::Argument, response::Shape};
use crate::{
    catalog::Catalog,
    query::cell::Cell,
    sql::{self, Compiled, Parameter, Problem},
};

/// A method that is answered by SQL.
#[derive(Debug)]
pub struct Method {
    name: String,
    descriptor: MethodDescriptor,
    sql: String,
    /// One for each `:name` in the SQL.
    arguments: Vec<Argument>,
    /// Against the catalog of the last call; another one compiles it anew.
    compiled: ArcSwapOption<(Arc<Catalog>, State)>,
}

/// Whether a method can be answered.
#[derive(Clone, Debug)]
pub enum State {
    /// It can.
    Ready(Arc<Ready>),
    /// A relation of this name has to come first.
    Waiting(String),
    /// Its SQL does not fit the tables, or its columns do not fit the response: why, and what to change.
    Failed(String),
}

/// A method whose SQL fits the tables, and whose columns fit the response.
#[derive(Debug)]
pub struct Ready {
    /// The SQL.
    pub compiled: Arc<Compiled>,
    /// How rows become responses.
    pub(super) shape: Shape,
}

impl Method {
    pub(super) fn new(descriptor: MethodDescriptor, sql: String) -> Result<Self, ApiError> {
        let wrong = |reason| ApiError::method(&descriptor, reason);
        let names = parameters(&sql).map_err(wrong)?;
        let request = descriptor.input();
        let arguments: Vec<_> = names
            .iter()
            .map(|name| Argument::find(&request, name))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        let method =
            Self { name: path(&descriptor), sql, arguments, compiled: ArcSwapOption::empty(), descriptor };
        // Without any table the SQL can fail for want of one, or because it can never be right.
        match method.compile(&Catalog::default()) {
            State::Failed(reason) => Err(ApiError::method(&method.descriptor, reason)),
            State::Ready(_) | State::Waiting(_) => Ok(method),
        }
    }

    /// `package.Service/Method`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `package.Service`.
    pub fn service(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(service, _)| service)
    }

    /// As it stands in its file.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether it can be answered with these relations.
    pub fn state(&self, catalog: &Arc<Catalog>) -> State {
        if let Some(known) = self.compiled.load().as_deref().filter(|known| Arc::ptr_eq(&known.0, catalog)) {
            return known.1.clone();
        }
        let state = self.compile(catalog);
        if let State::Failed(reason) = &state {
            tracing::error!(method = self.name, reason, "a typed query cannot be answered");
        }
        self.compiled.store(Some(Arc::new((catalog.clone(), state.clone()))));
        state
    }

    /// Whether it could be answered with these relations.
    pub(crate) fn is_answered_with(&self, catalog: &Catalog) -> bool {
        matches!(self.compile(catalog), State::Ready(_))
    }

    #[cfg(test)]
    pub(super) fn is_compiled_for(&self, catalog: &Arc<Catalog>) -> bool {
        self.compiled.load().as_deref().is_some_and(|known| Arc::ptr_eq(&known.0, catalog))
    }

    fn compile(&self, catalog: &Catalog) -> State {
        let parameters: Vec<_> =
            self.arguments.iter().map(|a| Parameter { name: a.name.clone(), ty: a.ty }).collect();
        let compiled = match sql::compile(&self.sql, catalog, &parameters) {
            Ok(compiled) => compiled,
            Err(error) => {
                return match &error.problem {
                    Problem::UnknownRelation { name, .. } => State::Waiting(name.clone()),
                    _ => State::Failed(error.to_string()),
                };
            }
        };
        match Shape::of(&self.descriptor, &compiled.columns) {
            Ok(shape) => State::Ready(Arc::new(Ready { compiled: Arc::new(compiled), shape })),
            Err(reason) => State::Failed(reason),
        }
    }

    /// The values of the parameters of `compiled`, in its order.
    pub(super) fn arguments(
        &self,
        compiled: &Compiled,
        request: &DynamicMessage,
    ) -> Result<Vec<Cell>, Fault> {
        let find = |name: &str| self.arguments.iter().find(|argument| argument.name == name);
        let value = |Parameter { name, .. }: &Parameter| match find(name) {
            Some(argument) => argument.read(request),
            None => Err(Fault::internal("binding a typed query", format!("`:{name}` has no argument"))),
        };
        compiled.parameters.iter().map(value).collect()
    }

    pub(super) fn request(&self) -> MessageDescriptor {
        self.descriptor.input()
    }

    pub(super) fn response(&self) -> MessageDescriptor {
        self.descriptor.output()
    }

    pub(super) fn streams(&self) -> bool {
        self.descriptor.is_server_streaming()
    }
}

/// Each `:name` of a text once, in order.
fn parameters(sql: &str) -> Result<Vec<String>, String> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for pair in tokens.windows(2) {
        if let [Token::Colon, Token::Word(word)] = pair
            && !names.contains(&word.value)
        {
            names.push(word.value.clone());
        }
    }
    Ok(names)
}
