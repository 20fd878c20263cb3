//! When a program that died is started again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// Soon enough that a single crash is hardly seen.
const FIRST: Duration = Duration::from_millis(250);
/// Often enough that what was mended comes back while somebody watches.
const LONGEST: Duration = Duration::from_secs(10);
/// Who ran this long ran well: its next death is a first one.
const RAN_WELL: Duration = Duration::from_secs(10);

/// FIRST => twice as long with each early death => LONGEST; back to FIRST after a life that went well.
#[derive(Debug)]
pub(super) struct Restarts {
    delays: ExponentialBackoff,
}

impl Default for Restarts {
    fn default() -> Self {
        let delays = ExponentialBuilder::default().with_min_delay(FIRST).with_max_delay(LONGEST);
        Self { delays: delays.without_max_times().build() }
    }
}

impl Restarts {
    /// How long to wait after a life of this length.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= RAN_WELL {
            *self = Self::default();
        }
        self.delays.next().unwrap_or(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_deaths_wait_ever_longer_up_to_a_cap() {
        let mut restarts = Restarts::default();
        let delays: Vec<_> = (0..8).map(|_| restarts.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn a_life_that_went_well_starts_anew() {
        let mut restarts = Restarts::default();
        for _ in 0..5 {
            restarts.after(Duration::from_secs(1));
        }
        assert_eq!(restarts.after(RAN_WELL), FIRST);
        assert_eq!(restarts.after(Duration::ZERO), 2 * FIRST);
    }
}
