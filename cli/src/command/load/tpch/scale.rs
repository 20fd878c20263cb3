//! How much of TPC-H there is: its scale factor.

use std::{fmt, str::FromStr};

/// A scale factor that makes sense here.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Scale(f64);

impl Scale {
    /// Below it the generator has no supplier, of whom every line has one.
    const SMALLEST: f64 = 0.0001;
    /// Beyond it the services of one machine are busy for half a day and more, and fill over 60 GB.
    const LARGEST: f64 = 10.0;

    /// As the generator takes it.
    pub(super) fn factor(self) -> f64 {
        self.0
    }
}

/// In the shortest form, so that `0.010` and `1e-2` are one scale.
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor: f64 = text.parse().map_err(|_| "write a number, as in 0.01".to_owned())?;
        if (Self::SMALLEST..=Self::LARGEST).contains(&factor) {
            Ok(Self(factor))
        } else {
            Err(format!("scales go from {} to {}", Self::SMALLEST, Self::LARGEST))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_factor_is_the_same_scale_however_it_is_written() {
        for text in ["0.01", "0.010", "1e-2", ".01"] {
            assert_eq!(text.parse::<Scale>().unwrap().to_string(), "0.01");
        }
        assert_eq!("1".parse::<Scale>().unwrap().to_string(), "1");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "x", "0", "-1", "0.00009", "10.1", "inf", "NaN", "0,01"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
        assert!("0.0001".parse::<Scale>().is_ok() && "10".parse::<Scale>().is_ok());
    }
}
