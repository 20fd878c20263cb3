//! Why a statement is refused: where, what, the reason and what to write instead.

use std::fmt;

use sqlparser::tokenizer::{Location, Span};

/// Where in the text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in it.
    pub column: u64,
}

impl Position {
    /// The parser knows no place for some nodes and says line 0.
    pub(super) fn of(span: Span) -> Option<Self> {
        let Location { line, column } = span.start;
        (line > 0).then_some(Self { line, column })
    }
}

/// A statement that is not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Where, if that is known.
    pub position: Option<Position>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The text does not parse.
    Syntax(String),
    /// No such table or view, for now: a view that names it may wait for it.
    UnknownRelation {
        /// As written, in lower case unless quoted.
        name: String,
        /// One that is spelled nearly alike.
        suggestion: Option<String>,
    },
    /// No such column in what the clause can see.
    UnknownColumn {
        /// As written.
        name: String,
        /// One that is spelled nearly alike.
        suggestion: Option<String>,
    },
    /// Understood and not supported, or not right.
    Refused {
        /// The clause or construct, as a user would name it.
        clause: String,
        /// Why.
        reason: String,
        /// What to write instead, where there is something.
        alternative: Option<String>,
    },
}

impl SqlError {
    pub(crate) fn refused(
        clause: impl Into<String>,
        reason: impl Into<String>,
        alternative: impl Into<String>,
    ) -> Self {
        let alternative = Some(alternative.into()).filter(|text| !text.is_empty());
        Problem::Refused { clause: clause.into(), reason: reason.into(), alternative }.into()
    }

    /// Something that is wrong in itself, so that there is nothing to write instead.
    pub(crate) fn wrong(clause: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::refused(clause, reason, "")
    }

    /// Names the place, unless a narrower one is known.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.position = self.position.or_else(|| Position::of(span));
        self
    }
}

impl From<Problem> for SqlError {
    fn from(problem: Problem) -> Self {
        Self { position: None, problem }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        match &self.problem {
            Problem::Syntax(message) => write!(f, "{message}"),
            Problem::UnknownRelation { name, suggestion } => unknown(f, "table or view", name, suggestion),
            Problem::UnknownColumn { name, suggestion } => unknown(f, "column", name, suggestion),
            Problem::Refused { clause, reason, alternative } => {
                write!(f, "{clause}: {reason}")?;
                alternative.as_ref().map_or(Ok(()), |alternative| write!(f, "; {alternative}"))
            }
        }
    }
}

fn unknown(f: &mut fmt::Formatter<'_>, kind: &str, name: &str, suggestion: &Option<String>) -> fmt::Result {
    write!(f, "{kind} \"{name}\" does not exist")?;
    match suggestion {
        Some(suggestion) => write!(f, "; did you mean \"{suggestion}\"?"),
        None => Ok(()),
    }
}

impl std::error::Error for SqlError {}

/// The candidate that is spelled most alike, if any is alike enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let best = scored.filter(|(score, _)| *score > 0.8).max_by(|left, right| left.0.total_cmp(&right.0));
    best.map(|(_, candidate)| candidate.to_owned())
}
