//! Text to syntax tree, bounded.

use sqlparser::{
    ast::{Query, Statement},
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::error::{Problem, SqlError};

/// Text longer than this is no question that a person asks.
const MAX_LENGTH: usize = 256 << 10;
/// Chains of operators become trees as deep as the chain is long: `1 + 1 + 1 ..` must not exhaust the stack.
const MAX_OPERATORS: usize = 1_000;
/// Parentheses and sub-queries within one another.
const MAX_NESTING: usize = 50;

/// Exactly one query.
pub(super) fn query(text: &str) -> Result<Query, SqlError> {
    let mut statements = statements(text)?;
    let Some(statement) = statements.pop() else {
        return Err(SqlError::wrong("empty statement", "there is nothing to answer"));
    };
    if !statements.is_empty() {
        return Err(SqlError::refused(
            "second statement",
            "one SELECT is answered at a time",
            "send them one by one",
        ));
    }
    match statement {
        Statement::Query(query) => Ok(*query),
        other => Err(SqlError::refused(
            verb(&other),
            "only SELECT is answered here",
            "data changes through the services that own it",
        )),
    }
}

/// The first words of a statement that is not supported.
pub(super) fn verb(statement: &Statement) -> String {
    let text = statement.to_string();
    let words = text.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_uppercase()));
    let verb: Vec<&str> = words.take(2).collect();
    if verb.is_empty() { "statement".to_owned() } else { verb.join(" ") }
}

/// All statements of a text.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, SqlError> {
    if text.len() > MAX_LENGTH {
        return Err(SqlError::wrong("statement", format!("it is longer than {MAX_LENGTH} bytes")));
    }
    if text.contains('\0') {
        return Err(SqlError::wrong("statement", "it holds the character 0"));
    }
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| syntax(&error.to_string()))?;
    bounded(&tokens)?;
    let parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING);
    parser.with_tokens_with_locations(tokens).parse_statements().map_err(|error| syntax(&error.to_string()))
}

fn syntax(message: &str) -> SqlError {
    let message = message.trim_start_matches("sql parser error: ");
    Problem::Syntax(format!("syntax error: {message}")).into()
}

fn bounded(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let operators = tokens.iter().filter(|token| is_operator(&token.token)).count();
    if operators > MAX_OPERATORS {
        return Err(SqlError::refused(
            "statement",
            format!("it has more than {MAX_OPERATORS} operators"),
            "use IN (..) for long lists of alternatives",
        ));
    }
    Ok(())
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(
                    word.value.to_ascii_uppercase().as_str(),
                    "AND" | "OR" | "NOT" | "IS" | "UNION" | "INTERSECT" | "EXCEPT" | "JOIN" | "CASE"
                )
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::DoubleColon => {
            true
        }
        Token::Arrow | Token::LongArrow => true,
        _ => false,
    }
}
