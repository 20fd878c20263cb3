//! What a suite or a benchmark is told by its environment.

use std::str::FromStr;

/// The value of a variable, or what is taken where it is not set, or empty, as make passes what nobody gave.
pub fn setting<T: FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { default } else { text.parse().unwrap_or_else(|_| panic!("{name}={text}")) }
}
