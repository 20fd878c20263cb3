//! Text: PostgreSQL counts characters, matches case and fails on negative lengths.

use super::{Scalar, strict};
use crate::value::{Failure, Output, Value};

pub(super) const FUNCTIONS: &[Scalar] = &[
    strict("pg_like", 3, |args| matches(args[0].text()?, args[1].text()?, args[2].text()?)),
    strict("pg_ilike", 3, |args| matches(&fold(args[0].text()?), &fold(args[1].text()?), args[2].text()?)),
    strict("pg_upper", 1, |args| Ok(Output::Text(args[0].text()?.chars().map(upper).collect()))),
    strict("pg_lower", 1, |args| Ok(Output::Text(fold(args[0].text()?)))),
    strict("pg_substring", 2, |args| substring(args[0].text()?, args[1].integer()?, None)),
    strict("pg_substring", 3, |args| {
        substring(args[0].text()?, args[1].integer()?, Some(args[2].integer()?))
    }),
    strict("pg_left", 2, |args| Ok(Output::Text(left(args[0].text()?, args[1].integer()?)))),
    strict("pg_right", 2, |args| Ok(Output::Text(right(args[0].text()?, args[1].integer()?)))),
    strict("pg_strpos", 2, |args| Ok(Output::Integer(strpos(args[0].text()?, args[1].text()?)))),
    strict("pg_starts_with", 2, |args| Ok(args[0].text()?.starts_with(args[1].text()?).into())),
    strict("pg_split_part", 3, |args| split_part(args[0].text()?, args[1].text()?, args[2].integer()?)),
    strict("pg_lpad", 3, |args| pad(args, |padding, text| format!("{padding}{text}"))),
    strict("pg_rpad", 3, |args| pad(args, |padding, text| format!("{text}{padding}"))),
    strict("pg_repeat", 2, |args| repeat(args[0].text()?, args[1].integer()?)),
    strict("pg_reverse", 1, |args| Ok(Output::Text(args[0].text()?.chars().rev().collect()))),
    Scalar { name: "pg_concat", arguments: None, strict: false, body: |args| join(args, "") },
    Scalar {
        name: "pg_concat_ws",
        arguments: None,
        strict: false,
        body: |args| match args {
            [Value::Text(separator), values @ ..] => join(values, separator),
            _ => Ok(Output::Null),
        },
    },
];

/// A result that is built up is bounded: the guard bounds what is read, not what a function makes of it.
const MAX_LENGTH: usize = 8 << 20;

/// One character to one, as the C library maps them (`ß` has no single capital and stays).
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

fn fold(text: &str) -> String {
    let lower = |c: char| {
        let mut mapped = c.to_lowercase();
        match (mapped.next(), mapped.next()) {
            (Some(single), None) => single,
            _ => c,
        }
    };
    text.chars().map(lower).collect()
}

fn matches(text: &str, pattern: &str, escape: &str) -> Result<Output, Failure> {
    let mut escapes = escape.chars();
    match (escapes.next(), escapes.next()) {
        (escape, None) => like(text, pattern, escape).map(Output::from),
        _ => Err(Failure("invalid escape string: it must be empty or one character".to_owned())),
    }
}

/// One character of a LIKE pattern.
enum Token {
    Literal(char),
    One,
    Any,
}

fn tokens(pattern: &str, escape: Option<char>) -> Result<Vec<Token>, Failure> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            c if Some(c) == escape => {
                let dangling = || Failure("LIKE pattern must not end with escape character".to_owned());
                Token::Literal(chars.next().ok_or_else(dangling)?)
            }
            '_' => Token::One,
            '%' => Token::Any,
            c => Token::Literal(c),
        });
    }
    Ok(tokens)
}

/// SQL's LIKE. Goes back to the last `%` only, so that its time is bounded by text times pattern.
pub fn like(text: &str, pattern: &str, escape: Option<char>) -> Result<bool, Failure> {
    let tokens = tokens(pattern, escape)?;
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut token) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        let step = match tokens.get(token) {
            Some(Token::Any) => {
                retry = Some((at, token));
                token += 1;
                continue;
            }
            Some(Token::One) => true,
            Some(Token::Literal(c)) => *c == text[at],
            None => false,
        };
        if step {
            (at, token) = (at + 1, token + 1);
        } else if let Some((start, any)) = retry {
            (at, token) = (start + 1, any + 1);
            retry = Some((start + 1, any));
        } else {
            return Ok(false);
        }
    }
    Ok(tokens[token..].iter().all(|token| matches!(token, Token::Any)))
}

/// Positions count from 1; what lies before the text counts too.
fn substring(text: &str, from: i64, length: Option<i64>) -> Result<Output, Failure> {
    let end = match length {
        Some(length) if length < 0 => {
            return Err(Failure("negative substring length not allowed".to_owned()));
        }
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let skip = usize::try_from(from.saturating_sub(1).max(0)).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(from.max(1)).max(0)).unwrap_or(usize::MAX);
    Ok(Output::Text(text.chars().skip(skip).take(take).collect()))
}

/// Of a negative count: all but the last so many.
fn left(text: &str, count: i64) -> String {
    text.chars().take(wanted(text, count)).collect()
}

/// Of a negative count: all but the first so many.
fn right(text: &str, count: i64) -> String {
    let length = text.chars().count();
    text.chars().skip(length - wanted(text, count)).collect()
}

fn wanted(text: &str, count: i64) -> usize {
    let length = text.chars().count();
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 { length.saturating_sub(size) } else { size.min(length) }
}

fn strpos(text: &str, part: &str) -> i64 {
    text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1)
}

/// Fields count from 1, or from the end when negative.
fn split_part(text: &str, separator: &str, field: i64) -> Result<Output, Failure> {
    if field == 0 {
        return Err(Failure("field position must not be zero".to_owned()));
    }
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let at = if field > 0 { Some(field - 1) } else { (parts.len() as i64).checked_add(field) };
    let part = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| parts.get(at));
    Ok(Output::Text(part.map(|part| (*part).to_owned()).unwrap_or_default()))
}

fn pad(args: &[Value<'_>], arrange: fn(String, &str) -> String) -> Result<Output, Failure> {
    let (text, length, fill) = (args[0].text()?, args[1].integer()?.max(0), args[2].text()?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let present = text.chars().count();
    if length <= present {
        return Ok(Output::Text(text.chars().take(length).collect()));
    }
    bounded(length)?;
    let padding = fill.chars().cycle().take(length - present).collect();
    Ok(Output::Text(arrange(padding, text)))
}

fn repeat(text: &str, count: i64) -> Result<Output, Failure> {
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    bounded(text.len().saturating_mul(count))?;
    Ok(Output::Text(text.repeat(count)))
}

fn bounded(length: usize) -> Result<(), Failure> {
    if length > MAX_LENGTH { Err(Failure("requested length too large".to_owned())) } else { Ok(()) }
}

/// The arguments are text by their static types; NULLs are left out.
fn join(values: &[Value<'_>], separator: &str) -> Result<Output, Failure> {
    let present = values.iter().filter(|value| **value != Value::Null);
    let parts = present.map(|value| value.text()).collect::<Result<Vec<_>, _>>()?;
    Ok(Output::Text(parts.join(separator)))
}
