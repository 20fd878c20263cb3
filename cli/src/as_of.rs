//! What an answer says about its freshness (`tributary-as-of`), in words.

use std::fmt::Write as _;

/// From `query/<epoch>/<commit>, orders/<epoch>/<seq>;lag=3;lag_ms=120;state=live, ...;complete=1` to
/// `customers 7 live, orders 12 catching up, 3 changes behind (120 ms); complete`. A text of another form is
/// given as it is.
pub(crate) fn in_words(as_of: &str) -> String {
    let mut sources = Vec::new();
    let mut complete = None;
    for part in as_of.split(',').map(str::trim) {
        let mut attributes = part.split(';');
        let position = attributes.next().unwrap_or_default();
        let mut source = Source::default();
        for (key, value) in attributes.filter_map(|attribute| attribute.split_once('=')) {
            match key {
                "lag" => source.lag = value,
                "lag_ms" => source.lag_ms = value,
                "state" => source.state = value,
                "complete" => complete = Some(value == "1"),
                _ => {}
            }
        }
        if let ([name, epoch, sequence], false) =
            (position.split('/').collect::<Vec<_>>().as_slice(), source.state.is_empty())
        {
            sources.push(source.in_words(name, (*epoch != "-").then_some(*sequence)));
        }
    }
    if sources.is_empty() && complete.is_none() {
        return as_of.to_owned();
    }
    let verdict = match complete {
        Some(true) => "complete",
        Some(false) => "INCOMPLETE: something may be missing, see `tributary status`",
        None => "completeness unknown",
    };
    if sources.is_empty() { verdict.to_owned() } else { format!("{}; {verdict}", sources.join(", ")) }
}

#[derive(Default)]
struct Source<'a> {
    lag: &'a str,
    lag_ms: &'a str,
    state: &'a str,
}

impl Source<'_> {
    /// Without a sequence it was never filled.
    fn in_words(&self, name: &str, sequence: Option<&str>) -> String {
        let state = self.state.replace('_', " ").to_lowercase();
        let Some(sequence) = sequence else { return format!("{name} not filled yet, {state}") };
        let mut text = format!("{name} {sequence} {state}");
        match self.lag {
            "0" => {}
            "" => text.push_str(", lag unknown"),
            changes => {
                let _ = write!(text, ", {changes} changes behind");
                if !self.lag_ms.is_empty() {
                    let _ = write!(text, " ({} ms)", self.lag_ms);
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_told_by_source() {
        let text = "query/9f/41, customers/c1/7;lag=0;lag_ms=2;state=live, \
                    orders/0a/12;lag=3;lag_ms=120;state=catching_up;complete=1";
        assert_eq!(
            in_words(text),
            "customers 7 live, orders 12 catching up, 3 changes behind (120 ms); complete"
        );
    }

    #[test]
    fn what_is_not_told_is_not_known() {
        let text = "query/9f/41, customers/c1/7;state=connecting, orders/-/0;state=snapshot;complete=0";
        assert!(
            in_words(text).starts_with(
                "customers 7 connecting, lag unknown, orders not filled yet, snapshot; INCOMPLETE"
            ),
            "{}",
            in_words(text)
        );
    }

    #[test]
    fn an_incomplete_answer_says_so() {
        assert!(in_words("query/9f/41;complete=0").starts_with("INCOMPLETE"));
    }

    #[test]
    fn another_form_is_shown_as_it_is() {
        assert_eq!(in_words("whatever"), "whatever");
    }
}
