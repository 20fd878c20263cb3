//! What PostgreSQL runs for a change, as a function of the session: one call for each version and table, whose statements
//! are planned once, and of which those are left out that have nothing to do.

use super::Version;
use crate::{
    delta::plan::{Input, NodeId},
    sql::{Dialect, text::quoted},
};

/// A statement of what is run for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Whatever came before.
    Always(String),
    /// Without an effect unless the last one that is always run had some. It may be left out then.
    IfChanged(String),
}

impl Step {
    pub(super) fn text(self) -> String {
        match self {
            Step::Always(text) | Step::IfChanged(text) => text,
        }
    }
}

/// A function of the session, to be created again whenever what it runs is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Creates it, or puts it in the place of the one of its name.
    pub create: String,
    /// Runs it.
    pub call: String,
    /// Removes it.
    pub drop: String,
}

impl Version {
    /// A function that runs steps for a change of `table`.
    pub(super) fn routine(&self, table: &str, steps: &[Step]) -> Routine {
        let name = quoted(&self.dialect.name(&format!("_r{}_{table}", self.number)));
        let (schema, mut text) = (self.dialect.temporary(), String::new());
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            let (Step::Always(statement) | Step::IfChanged(statement)) = step;
            let follows = matches!(steps.peek(), Some(Step::IfChanged(_)));
            text += &match (step, follows) {
                (Step::Always(_), true) => format!("{statement};\nIF FOUND THEN\n"),
                (Step::IfChanged(_), false) => format!("{statement};\nEND IF;\n"),
                _ => format!("{statement};\n"),
            };
        }
        // A name is a column's if there is one of it.
        let body = body(&format!("#variable_conflict use_column\nBEGIN\n{text}END"));
        Routine {
            create: format!(
                "CREATE OR REPLACE FUNCTION {schema}.{name}() RETURNS void LANGUAGE plpgsql AS {body}"
            ),
            call: format!("SELECT {schema}.{name}()"),
            drop: format!("DROP FUNCTION IF EXISTS {schema}.{name}()"),
        }
    }

    /// Gives the space back that rows took in what is there for the time of a transaction. PostgreSQL does so for no table of
    /// a session by itself; each is emptied at the start of what uses it, and its rows stay until then. It takes about a
    /// millisecond for each table: to be run after thousands of changes.
    pub fn reclaim(&self) -> Vec<String> {
        match self.dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => {
                let nodes = (0..self.plan.nodes.len()).map(NodeId);
                nodes.flat_map(|id| self.noted(id)).map(|table| format!("TRUNCATE {table}")).collect()
            }
        }
    }

    /// The tables of [`Version::create_temporary`].
    pub(super) fn noted(&self, id: NodeId) -> Vec<String> {
        use crate::delta::plan::Operator;
        let own = match &self.node(id).operator {
            Operator::Rows(_) => None,
            Operator::Groups(_) => Some('g'),
            Operator::Ranks(_) => Some('p'),
        };
        let delta = self.delta(&Input::Node(id));
        [delta].into_iter().chain(own.map(|kind| self.temporary(kind, id))).collect()
    }
}

/// The body of a function, quoted by something that does not occur in it.
pub(super) fn body(text: &str) -> String {
    let mut tag = "$b$".to_owned();
    while text.contains(&tag) {
        tag.insert(1, 'b');
    }
    format!("{tag}{text}{tag}")
}
