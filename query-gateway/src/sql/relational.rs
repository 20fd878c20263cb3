//! The relational form: a statement with every name resolved and every expression typed. It knows no store and no SQL
//! text; plans are made from it, and `sqlite` writes it down for SQLite.

use std::fmt;

use super::{aggregates::AggregateFunction, functions::Function, types::Ty};

/// A row source of a FROM clause, unique in the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub usize);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// A column of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name that users see; it may occur twice.
    pub name: String,
    /// Unique in the query: by it the columns are referred to.
    pub label: String,
    /// Its type.
    pub ty: Ty,
    /// Whether it can be NULL.
    pub nullable: bool,
}

/// A query: rows, their order, and how many of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// `WITH`, each visible in those after it.
    pub ctes: Vec<Cte>,
    /// Where the rows come from.
    pub body: Body,
    /// The columns, in order.
    pub fields: Vec<Field>,
    /// `ORDER BY`.
    pub order_by: Vec<Sort>,
    /// `LIMIT`.
    pub limit: Option<Expr>,
    /// `OFFSET`.
    pub offset: Option<Expr>,
}

/// `name AS (query)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Unique in the statement.
    pub label: String,
    /// What it stands for. A recursive one is a UNION that refers to itself on the right.
    pub query: Query,
    /// Whether it refers to itself.
    pub recursive: bool,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `SELECT`.
    Select(Box<Select>),
    /// `UNION` and its kin; the operands have the same number and types of columns.
    SetOperation {
        /// Which.
        operator: SetOperator,
        /// Whether duplicates stay.
        all: bool,
        /// Left operand.
        left: Box<Query>,
        /// Right operand.
        right: Box<Query>,
    },
    /// `VALUES`: rows of equal length.
    Values(Vec<Vec<Expr>>),
}

/// How two queries are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// Rows of either.
    Union,
    /// Rows of both.
    Intersect,
    /// Rows of the left that are not of the right.
    Except,
}

/// A `SELECT` without its ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `DISTINCT`.
    pub distinct: bool,
    /// What is computed per row or group; one for each field of the query.
    pub projection: Vec<Expr>,
    /// `FROM`; without it there is one row without columns.
    pub from: Option<From>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `None`: rows are not grouped. An empty list: all rows are one group, even if there are none.
    pub group_by: Option<Vec<Expr>>,
    /// `HAVING`.
    pub having: Option<Expr>,
}

/// A FROM clause.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A table or view of the catalog.
    Relation {
        /// In this statement.
        id: SourceId,
        /// In the catalog.
        name: String,
    },
    /// A sub-query.
    Query {
        /// In this statement.
        id: SourceId,
        /// What it computes.
        query: Box<Query>,
    },
    /// A reference to a `WITH` query.
    Cte {
        /// In this statement.
        id: SourceId,
        /// Of the [`Cte`].
        label: String,
    },
    /// A join.
    Join {
        /// Which kind.
        kind: JoinKind,
        /// Left operand.
        left: Box<From>,
        /// Right operand.
        right: Box<From>,
        /// `None` for a cross join. USING has become equalities.
        on: Option<Expr>,
    },
}

/// Whose rows without a partner stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Nobody's.
    Inner,
    /// The left operand's.
    Left,
    /// The right operand's.
    Right,
    /// Both operands'.
    Full,
}

/// A term of ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// By what.
    pub by: SortKey,
    /// Descending.
    pub descending: bool,
    /// Where NULLs go; PostgreSQL's default is last ascending, first descending.
    pub nulls_first: bool,
}

/// By what rows are sorted.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// A field of the result, counted from 0.
    Field(usize),
    /// An expression over what the SELECT sees.
    Expr(Expr),
}

/// A typed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Of which type.
    pub ty: Ty,
    /// Whether it can be NULL. Conservative: false is a promise, true is none.
    pub nullable: bool,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A parameter of the statement, counted from 0 in the order of [`super::Compiled::parameters`].
    Parameter(usize),
    /// A column of a row source, by the label that is unique in it.
    Column {
        /// Of this query or of one around it.
        source: SourceId,
        /// In that source.
        label: String,
    },
    /// A function or operator of the table in [`super::functions`].
    Call {
        /// Which overload.
        function: &'static Function,
        /// Of the overload's types.
        arguments: Vec<Expr>,
    },
    /// A conversion to the type of this expression.
    Cast(Box<Expr>),
    /// `NOT`.
    Not(Box<Expr>),
    /// All of them; never fewer than two.
    And(Vec<Expr>),
    /// One of them; never fewer than two.
    Or(Vec<Expr>),
    /// Both sides are of one type.
    Compare {
        /// How.
        operator: Comparison,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `IS [NOT] NULL`.
    IsNull {
        /// What is tested.
        operand: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `IS [NOT] TRUE`, `IS [NOT] FALSE`.
    IsTruth {
        /// What is tested.
        operand: Box<Expr>,
        /// For which value.
        value: bool,
        /// `NOT`.
        negated: bool,
    },
    /// `CASE`, with a condition in each branch.
    Case {
        /// Condition and result.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// The first that is not NULL.
    Coalesce(Vec<Expr>),
    /// `IN (list)`: all of one type.
    InList {
        /// What is looked for.
        operand: Box<Expr>,
        /// Among what.
        list: Vec<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `IN (query)`: the query has one column, of the operand's type.
    InQuery {
        /// What is looked for.
        operand: Box<Expr>,
        /// Among what.
        query: Box<Query>,
        /// `NOT`.
        negated: bool,
    },
    /// `EXISTS (query)`.
    Exists {
        /// Of which a row is looked for.
        query: Box<Query>,
        /// `NOT`.
        negated: bool,
    },
    /// A query of one column as a value: NULL of no row, an error of two.
    Scalar(Box<Query>),
    /// An aggregate over the group.
    Aggregate(Box<Aggregate>),
    /// A window function.
    Window(Box<Window>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// NULL, of the type of its expression.
    Null,
    /// boolean.
    Bool(bool),
    /// bigint, or timestamptz and date as microseconds since 1970.
    Integer(i64),
    /// double precision.
    Double(f64),
    /// text, or numeric, interval and jsonb in PostgreSQL's spelling.
    Text(String),
    /// bytea.
    Bytes(Vec<u8>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IS DISTINCT FROM`: NULL is a value like any other.
    Distinct,
    /// `IS NOT DISTINCT FROM`.
    NotDistinct,
}

/// A call of an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// None for `count(*)`.
    pub arguments: Vec<Expr>,
    /// `DISTINCT`.
    pub distinct: bool,
    /// `FILTER (WHERE ..)`.
    pub filter: Option<Expr>,
    /// In which order rows are taken in, where that matters.
    pub order_by: Vec<Sort>,
}

/// A call of a window function.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Which.
    pub function: WindowFunction,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<Sort>,
    /// `ROWS BETWEEN ..`, as it is written in every store.
    pub frame: Option<Frame>,
}

/// What is computed over a window.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowFunction {
    /// An aggregate over the frame.
    Aggregate(Aggregate),
    /// `row_number`, `rank`, `lag` and the like, by name.
    Ranking {
        /// In lower case.
        name: &'static str,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
}

/// The rows around the current one.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// How distances are counted.
    pub units: FrameUnits,
    /// First row.
    pub start: Bound,
    /// Last row.
    pub end: Bound,
}

/// How the distances of a frame are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnits {
    /// In rows.
    Rows,
    /// In peers; with unbounded ends and the current row alone.
    Range,
    /// In groups of peers.
    Groups,
}

/// An end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// From the first row.
    UnboundedPreceding,
    /// So many before.
    Preceding(u64),
    /// The row itself.
    CurrentRow,
    /// So many after.
    Following(u64),
    /// To the last row.
    UnboundedFollowing,
}

impl Expr {
    /// An expression.
    pub fn new(kind: ExprKind, ty: Ty, nullable: bool) -> Self {
        Self { kind, ty, nullable }
    }

    /// NULL of a type.
    pub fn null(ty: Ty) -> Self {
        Self::new(ExprKind::Literal(Literal::Null), ty, true)
    }

    /// Whether it is a constant.
    pub fn is_literal(&self) -> bool {
        matches!(self.kind, ExprKind::Literal(_))
    }
}

impl From {
    /// The row sources in it.
    pub fn sources(&self) -> Vec<SourceId> {
        match self {
            From::Relation { id, .. } | From::Query { id, .. } | From::Cte { id, .. } => vec![*id],
            From::Join { left, right, .. } => {
                let mut sources = left.sources();
                sources.extend(right.sources());
                sources
            }
        }
    }
}
