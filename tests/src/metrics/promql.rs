//! Which names there are in an expression of PromQL.

use std::collections::BTreeSet;

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// An expression of PromQL, as far as names go.
#[derive(Debug, Default)]
pub struct Names<'a> {
    /// Each metric, with the labels that it is selected by.
    pub metrics: Vec<(&'a str, BTreeSet<&'a str>)>,
    /// What is grouped by.
    pub groups: BTreeSet<&'a str>,
    /// `$name`.
    pub variables: BTreeSet<&'a str>,
}

/// Words, texts and signs of PromQL.
fn tokens(expression: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), expression.trim_start());
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:$.".contains(c);
        let end = match first {
            '"' => rest[1..].find('"').expect("a text ends") + 2,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Finds them.
pub fn names(expression: &str) -> Names<'_> {
    let (tokens, mut names, mut at) = (tokens(expression), Names::default(), 0);
    // The names up to a sign, and where that is.
    let until = |from: usize, end: &str| {
        let length =
            tokens[from..].iter().position(|token| *token == end).expect("what was opened is closed");
        let inside = tokens[from..from + length].iter().copied().filter(|token| is_name(token)).collect();
        (inside, from + length)
    };
    while at < tokens.len() {
        let (token, next) = (tokens[at], tokens.get(at + 1).copied());
        match next {
            Some("(") if GROUPING.contains(&token) => {
                let (inside, end): (Vec<_>, _) = until(at + 2, ")");
                names.groups.extend(inside);
                at = end;
            }
            Some("{") => {
                let (inside, end): (Vec<_>, _) = until(at + 2, "}");
                names.metrics.push((token, inside.into_iter().collect()));
                at = end;
            }
            // A function, and what is grouped.
            Some("(") => {}
            Some(next) if GROUPING.contains(&next) => {}
            _ if is_name(token) => names.metrics.push((token, BTreeSet::new())),
            _ => {}
        }
        at += 1;
    }
    names.variables = expression.split('$').skip(1).map(word).collect();
    names
}

/// The word at the beginning, in braces or not.
pub fn word(text: &str) -> &str {
    let text = text.trim_start_matches('{');
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}
