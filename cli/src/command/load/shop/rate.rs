//! How many orders arrive in a second.

use std::{str::FromStr, time::Duration};

use tokio::time::Instant;

/// Orders per second; none is as many as the calls under way allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(Option<f64>);

impl Rate {
    /// When the order of that number is due; `None` is at once.
    pub(super) fn due(self, started: Instant, order: u64) -> Option<Instant> {
        let rate = self.0?;
        // A rate that is too slow for the clock is as good as one that never comes.
        let after = Duration::try_from_secs_f64((order - 1) as f64 / rate).unwrap_or(Duration::MAX);
        Some(started.checked_add(after).unwrap_or(started + Duration::from_secs(u32::MAX.into())))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self(None)),
            Ok(0.0) => Ok(Self(None)),
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Self(Some(rate))),
            _ => Err("write a number of orders per second, or max".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_due_one_after_another_whatever_else_happens() {
        let started = Instant::now();
        let rate: Rate = "50".parse().unwrap();
        assert_eq!(rate.due(started, 1), Some(started));
        assert_eq!(rate.due(started, 51), Some(started + Duration::from_secs(1)));
        assert!("1e-300".parse::<Rate>().unwrap().due(started, 2).is_some());
        for text in ["0", "max"] {
            assert_eq!(text.parse::<Rate>().unwrap().due(started, 7), None);
        }
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        for text in ["", "-1", "inf", "NaN", "fast", "50/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
