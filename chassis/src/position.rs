//! Positions as callers see them: a place in one service's history, and lists of such places.

use std::{collections::BTreeMap, fmt, str::FromStr};

use tributary_proto::feed::v1 as proto;

/// Metadata of every reply: the positions that its content stands on.
pub const POSITION: &str = "tributary-position";
/// Metadata of a query: the positions that its answer must contain.
pub const AFTER: &str = "tributary-after";
/// Metadata of an answer: the positions that it stands on, with the lag of each source.
pub const AS_OF: &str = "tributary-as-of";

/// A place in one service's history. As text: `service/epoch/sequence`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Whose history.
    pub service: String,
    /// Which history: random, new with every store.
    pub epoch: String,
    /// Gapless from 1; 0 is before the first change.
    pub sequence: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.service, self.epoch, self.sequence)
    }
}

/// A text that is not `service/epoch/sequence`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a position: write service/epoch/sequence, as received in {POSITION}")]
pub struct BadPosition {
    text: String,
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let bad = || BadPosition { text: text.to_owned() };
        let mut parts = text.split('/');
        let (Some(service), Some(epoch), Some(sequence), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let plain =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !plain(service) || !plain(epoch) || !sequence.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let sequence = sequence.parse().map_err(|_| bad())?;
        Ok(Self { service: service.to_owned(), epoch: epoch.to_owned(), sequence })
    }
}

impl From<&proto::Position> for Position {
    fn from(p: &proto::Position) -> Self {
        Self { service: p.service.clone(), epoch: p.epoch.clone(), sequence: p.sequence }
    }
}

/// At most one position per service. As text: a comma list, in order of service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, Position>);

impl Positions {
    /// Takes over a position where it is further on; another epoch replaces the one before, since only
    /// the newer history can still be waited for.
    pub fn merge(&mut self, position: Position) {
        match self.0.get_mut(&position.service) {
            Some(known) if known.epoch == position.epoch => {
                known.sequence = known.sequence.max(position.sequence)
            }
            Some(known) => *known = position,
            None => {
                self.0.insert(position.service.clone(), position);
            }
        }
    }

    /// [`Positions::merge`] for each.
    pub fn merge_all(&mut self, others: &Positions) {
        others.iter().for_each(|position| self.merge(position.clone()));
    }

    /// In order of service.
    pub fn iter(&self) -> impl Iterator<Item = &Position> {
        self.0.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, position) in self.iter().enumerate() {
            write!(f, "{}{position}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let mut positions = Positions::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            positions.merge(part.parse()?);
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let text = "loans/0af3/18446744073709551615,readers/e1/7";
        assert_eq!(text.parse::<Positions>().unwrap().to_string(), text);
    }

    #[test]
    fn merging_keeps_the_furthest_and_the_newest_epoch() {
        let mut positions: Positions = "loans/a/7,loans/a/5".parse().unwrap();
        assert_eq!(positions.to_string(), "loans/a/7");
        positions.merge("loans/b/1".parse().unwrap());
        assert_eq!(positions.to_string(), "loans/b/1");
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in [
            "loans",
            "loans/a",
            "loans/a/x",
            "loans/a/-1",
            "loans//1",
            "o r/a/1",
            "a/b/1/2",
            "a/b/+1",
            "a/b/18446744073709551616",
        ] {
            assert!(text.parse::<Positions>().is_err(), "{text}");
        }
    }
}
