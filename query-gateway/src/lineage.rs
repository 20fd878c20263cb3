//! From which changes a row follows: of a table, or of a view over any number of them.
//!
//! A view is known by its plan ([`crate::delta::Plan`]): of what is kept, the plan that keeps it; of what is computed when
//! it is read, the plan by which it could be kept, whose nodes are queries then. From the rows that are asked about,
//! [`trace`] goes node by node to the rows of base tables, as one statement of the store; [`statement`] makes of these
//! rows the changes that wrote them. Nothing is read but in that statement, so that the answer is of one commit.
//!
//! What is told is what there is: of a row that is there because something else is not (NOT EXISTS, the NULLs of an outer
//! join), no change can be named for that.

mod condition;
mod read;
mod statement;
mod trace;

pub(crate) use self::{
    condition::Part,
    read::{Change, Explained, read},
    trace::{COMPUTED, Graph, Root, trace},
};
#[cfg(test)]
pub(crate) use self::{read::text, trace::Trace};
