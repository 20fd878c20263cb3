//! How old what a follower has may be, by the clock of its source.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use time::OffsetDateTime;

/// A clock that is told anew is believed to have run slower than ours by this part at most. What seems slower was on
/// its way for long: a follower that stood still finds what it was told meanwhile.
const DRIFT: u32 = 1_000;

/// What a source told of its clock, and of its changes. Its clock is never compared with ours: only how long ago
/// something was told is measured here.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// What the source's clock showed, and when, by the one here that never jumps.
    shown: Option<(OffsetDateTime, Instant)>,
    /// Whether the source may have set its clock since.
    is_old: bool,
    told: Option<Told>,
    /// The last telling of which everything had been applied before the next.
    covered: Option<Told>,
    /// What was received and is not applied yet, in order.
    coming: VecDeque<Coming>,
}

/// What is known of a source's clock, for others who do not hear the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// What the source's clock shows now.
    pub shows: OffsetDateTime,
    /// All that had happened by a time, by the source's clock, is contained at a position; the latest first.
    pub told: [Option<(OffsetDateTime, u64)>; 2],
}

/// All that had happened at `now`, by the source's clock, is contained at `head`.
#[derive(Clone, Copy, Debug)]
struct Told {
    now: OffsetDateTime,
    head: u64,
}

/// Nothing happened between `after` and this time, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Coming {
    after: u64,
    commit_time: i64,
}

impl Clock {
    /// It is a new connection: the source may have been started anew, or be on another machine.
    pub fn connected(&mut self) {
        self.is_old = true;
    }

    /// The source told its clock and its head, when everything through `applied` was applied here. What was told before,
    /// and took longer to arrive, is known better already.
    pub fn tell(&mut self, now: OffsetDateTime, head: u64, applied: u64) {
        if !self.is_old && self.told.is_some_and(|told| now < told.now) {
            return;
        }
        if self.told.is_some_and(|told| applied >= told.head) {
            self.covered = self.told;
        }
        self.told = Some(Told { now, head });
        let runs_on = |(shown, at): (OffsetDateTime, Instant)| {
            let elapsed = at.elapsed();
            now >= shown + (elapsed - elapsed / DRIFT)
        };
        if self.is_old || self.shown.is_none_or(runs_on) {
            (self.shown, self.is_old) = (Some((now, Instant::now())), false);
        }
    }

    /// The first change behind `after` was received; when it was committed, in microseconds.
    pub fn received(&mut self, after: u64, commit_time: i64) {
        self.coming.push_back(Coming { after, commit_time });
    }

    /// Everything through `applied` is.
    pub fn applied(&mut self, applied: u64) {
        self.coming.retain(|coming| coming.after >= applied);
    }

    /// What it shows now, and what was told with it; `None` as long as the source has not told its clock.
    pub fn read(&self) -> Option<ClockReading> {
        let (shown, at) = self.shown?;
        let told = [self.told, self.covered].map(|told| told.map(|told| (told.now, told.head)));
        Some(ClockReading { shows: shown + at.elapsed(), told })
    }

    /// One that was read so long ago. What is on its way is not known to it, so that it may tell a longer time.
    pub fn of(reading: &ClockReading, age: Duration) -> Self {
        let [told, covered] = reading.told.map(|told| told.map(|(now, head)| Told { now, head }));
        let shown = Some((reading.shows + age, Instant::now()));
        Self { shown, told, covered, ..Self::default() }
    }

    /// What was told was told of another history.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// For how long the state at `sequence` may have been outdated; `commit_time` is that of the change there, in
    /// microseconds, where it is known. Grows while the source is silent. `None` as long as the source has not told its
    /// clock, or nothing is known of the age of that state.
    pub fn lag(&self, sequence: u64, commit_time: Option<i64>) -> Option<Duration> {
        let (shown, at) = self.shown?;
        let now = (shown + at.elapsed()).unix_timestamp_nanos();
        let told = [self.told, self.covered].into_iter().flatten().find(|told| sequence >= told.head);
        let told = told.map(|told| told.now.unix_timestamp_nanos());
        let next =
            self.coming.iter().find(|coming| coming.after >= sequence).map(|coming| coming.commit_time);
        let fresh = told.max(next.max(commit_time).map(|micros| i128::from(micros) * 1_000))?;
        Some(Duration::from_nanos(u64::try_from(now - fresh).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A clock that is years off ours.
    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn micros(time: OffsetDateTime) -> i64 {
        i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap()
    }

    impl Clock {
        /// So much time goes by.
        fn pass(&mut self, time: Duration) {
            self.shown.as_mut().unwrap().1 -= time;
        }

        #[track_caller]
        fn assert_lag(&self, sequence: u64, commit_time: Option<OffsetDateTime>, expected: Duration) {
            let lag = self.lag(sequence, commit_time.map(micros)).unwrap();
            assert!((expected..expected + SECOND).contains(&lag), "{lag:?}, not {expected:?}");
        }
    }

    #[test]
    fn lag_is_by_the_sources_clock_and_grows_in_silence() {
        let mut clock = Clock::default();
        assert_eq!(clock.lag(0, Some(0)), None);
        clock.tell(START, 5, 0);
        // Behind, and nothing known of its age.
        assert_eq!(clock.lag(3, None), None);
        // Behind: as old as the last change that is contained.
        clock.assert_lag(3, Some(START - 9 * SECOND), 9 * SECOND);
        // Nothing was missing when the clock was told.
        clock.assert_lag(5, Some(START - 9 * SECOND), Duration::ZERO);
        clock.pass(5 * SECOND);
        clock.assert_lag(5, None, 5 * SECOND);
        clock.forget();
        assert_eq!(clock.lag(5, None), None);
    }

    #[test]
    fn a_clock_that_was_read_tells_the_same_when_time_has_passed() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(), None);
        clock.tell(START, 5, 5);
        clock.tell(START + HOUR, 9, 5);
        let read = |clock: &Clock, age| Clock::of(&clock.read().unwrap(), age);
        for age in [Duration::ZERO, 3 * SECOND] {
            let other = read(&clock, age);
            other.assert_lag(9, None, age);
            other.assert_lag(5, None, HOUR + age);
            other.assert_lag(3, Some(START - SECOND), HOUR + SECOND + age);
            assert_eq!(other.lag(3, None), None);
        }
        let mut other = read(&clock, Duration::ZERO);
        other.pass(7 * SECOND);
        read(&other, SECOND).assert_lag(9, None, 8 * SECOND);
    }

    #[test]
    fn a_change_on_its_way_does_not_make_all_before_it_old() {
        let mut clock = Clock::default();
        clock.tell(START, 5, 5);
        // An hour of nothing, then one change that is not applied yet.
        clock.tell(START + HOUR, 5, 5);
        clock.tell(START + HOUR + SECOND, 6, 5);
        clock.assert_lag(5, Some(START - 9 * HOUR), SECOND);
    }

    #[test]
    fn what_is_missing_is_as_old_as_the_first_change_of_it() {
        let mut clock = Clock::default();
        clock.received(5, micros(START - 2 * SECOND));
        clock.received(7, micros(START - SECOND));
        clock.tell(START, 9, 0);
        clock.assert_lag(5, Some(START - HOUR), 2 * SECOND);
        // Nothing of interest was between.
        clock.assert_lag(6, Some(START - HOUR), SECOND);
        clock.applied(7);
        clock.assert_lag(7, Some(START - HOUR), SECOND);
        clock.applied(9);
        clock.assert_lag(8, Some(START - HOUR), HOUR);
    }

    #[test]
    fn what_was_told_while_nobody_listened_does_not_turn_the_clock_back() {
        let mut clock = Clock::default();
        clock.tell(START, 5, 5);
        // For ten seconds nobody reads what is told in each.
        clock.pass(10 * SECOND);
        for second in 1..10 {
            clock.tell(START + second * SECOND, 5, 5);
            clock.assert_lag(5, None, (10 - second) * SECOND);
        }
        clock.tell(START + 10 * SECOND, 5, 5);
        clock.assert_lag(5, None, Duration::ZERO);
        // Clocks run differently.
        clock.pass(HOUR);
        clock.tell(START + 10 * SECOND + HOUR - SECOND, 5, 5);
        clock.assert_lag(5, None, Duration::ZERO);
    }

    #[test]
    fn a_clock_may_be_set_between_connections() {
        let mut clock = Clock::default();
        clock.tell(START, 5, 5);
        clock.pass(SECOND);
        // Was on its way for long.
        clock.tell(START - HOUR, 3, 5);
        clock.assert_lag(5, None, SECOND);
        clock.connected();
        clock.tell(START - HOUR, 5, 5);
        clock.assert_lag(5, None, Duration::ZERO);
    }
}
