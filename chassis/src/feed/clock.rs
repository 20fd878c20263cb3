//! How old what a follower has may be, by the clock of its source.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// What a source told of its clock, and of its head at that time. Clocks are never compared with each other: only
/// how long ago something was told is measured here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    told: Option<Told>,
    /// The last telling of which everything had been applied before the next.
    covered: Option<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    /// By the source's clock.
    now: OffsetDateTime,
    /// Its durable head then.
    head: u64,
    /// When we were told, by the clock that never jumps.
    heard: Instant,
}

impl Clock {
    /// The source told its clock and its head, when everything through `applied` was applied here.
    pub fn tell(&mut self, now: OffsetDateTime, head: u64, applied: u64) {
        if self.told.is_some_and(|told| applied >= told.head) {
            self.covered = self.told;
        }
        self.told = Some(Told { now, head, heard: Instant::now() });
    }

    /// What was told was told of another history.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// For how long the state at `sequence` may have been outdated; `commit_time` is that of the change there, in
    /// microseconds, where it is known. Grows while the source is silent. `None` as long as the source has not told its clock,
    /// or nothing is known of the age of that state.
    pub fn lag(&self, sequence: u64, commit_time: Option<i64>) -> Option<Duration> {
        let told = self.told?;
        let now = told.now + told.heard.elapsed();
        // The head at `told.now` is contained: then so is all that had happened by then.
        let seen = [Some(told), self.covered].into_iter().flatten().find(|told| sequence >= told.head);
        let seen = seen.map(|told| told.now.unix_timestamp_nanos());
        let fresh = seen.max(commit_time.map(|micros| i128::from(micros) * 1_000))?;
        let nanos = u64::try_from(now.unix_timestamp_nanos() - fresh).unwrap_or(0);
        Some(Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A clock that is years off ours.
    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn micros(time: OffsetDateTime) -> Option<i64> {
        i64::try_from(time.unix_timestamp_nanos() / 1_000).ok()
    }

    fn millis(clock: Clock, sequence: u64, commit_time: Option<i64>) -> Option<u128> {
        clock.lag(sequence, commit_time).map(|lag| lag.as_millis())
    }

    #[test]
    fn lag_is_by_the_sources_clock_and_grows_in_silence() {
        let mut clock = Clock::default();
        assert_eq!(millis(clock, 0, None), None);
        clock.tell(START, 5, 0);
        // Behind, and nothing known of its age.
        assert_eq!(millis(clock, 3, None), None);
        // Behind: as old as the last change that is contained.
        let lag = millis(clock, 3, micros(START - Duration::from_secs(9))).unwrap();
        assert!((9_000..9_900).contains(&lag), "{lag}");
        // Nothing was missing when the clock was told.
        let lag = millis(clock, 5, micros(START - Duration::from_secs(9))).unwrap();
        assert!(lag < 900, "{lag}");
        clock.told.as_mut().unwrap().heard -= Duration::from_secs(5);
        assert!(millis(clock, 5, None).unwrap() >= lag + 5_000);
        clock.forget();
        assert_eq!(millis(clock, 5, None), None);
    }

    #[test]
    fn a_change_on_its_way_does_not_make_all_before_it_old() {
        let hour = Duration::from_secs(3_600);
        let mut clock = Clock::default();
        clock.tell(START, 5, 5);
        // An hour of nothing, then one change that is not applied yet.
        clock.tell(START + hour, 5, 5);
        clock.tell(START + hour + Duration::from_secs(1), 6, 5);
        let lag = millis(clock, 5, micros(START - 9 * hour)).unwrap();
        assert!((1_000..1_900).contains(&lag), "{lag}");
    }
}
