//! How a source is doing.

use std::time::Instant;

use time::OffsetDateTime;
use tributary_chassis::position::Position;
pub use tributary_proto::query::v1::SourceState;

/// What is known of a source, apart from what is applied of it.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// As given by `--source`.
    pub name: String,
    /// Where it is reached.
    pub endpoint: String,
    /// What it calls itself; empty until it was reached once.
    pub service: String,
    /// Its history; empty until it was filled once.
    pub epoch: String,
    /// Everything up to here is applied.
    pub applied: u64,
    /// Of the change there, in microseconds; `None` if that is not known.
    pub commit_time: Option<i64>,
    /// Its last position that was heard of.
    pub head: u64,
    /// What it is doing.
    pub state: SourceState,
    /// Why it is CONNECTING, DISCONNECTED or STOPPED, and what to do; empty otherwise.
    pub reason: String,
    /// When anything was heard of it, by our clock.
    pub last_heard: Option<OffsetDateTime>,
    /// Whether a snapshot of it is on its way.
    filling: bool,
    /// Its head when catching up began. What is published meanwhile is lag: of a source that is written to without a
    /// pause, the head itself is never reached.
    goal: u64,
    /// Its clock and head when it last told them.
    pub(super) told: Option<Told>,
    /// The last such telling of which everything is applied.
    pub(super) covered: Option<Told>,
}

/// The clock and head of a source at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// By the source's clock.
    pub(super) now: OffsetDateTime,
    /// Its durable head then.
    pub(super) head: u64,
    /// When we were told, by the clock that never jumps.
    pub(super) heard: Instant,
}

impl SourceStatus {
    /// A source that was not reached yet.
    pub fn new(name: &str, endpoint: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            service: String::new(),
            epoch: String::new(),
            applied: 0,
            commit_time: None,
            head: 0,
            state: SourceState::Connecting,
            reason: "not reached yet; tried again by itself".to_owned(),
            last_heard: None,
            filling: false,
            goal: 0,
            told: None,
            covered: None,
        }
    }

    /// Changes that are published and not contained in the state at `sequence`.
    pub fn lag(&self, sequence: u64) -> u64 {
        self.head.saturating_sub(sequence)
    }

    /// For how many milliseconds, by the source's clock, the state at `sequence` may have been outdated;
    /// `commit_time` is that of the change there, in microseconds. Grows while the source is silent.
    /// `None` as long as the source has not told its clock.
    pub fn lag_ms(&self, sequence: u64, commit_time: Option<i64>) -> Option<u64> {
        let told = self.told?;
        let now = told.now + told.heard.elapsed();
        // The head at `told.now` is contained: then so is all that had happened by then.
        let seen = [Some(told), self.covered].into_iter().flatten().find(|told| sequence >= told.head);
        let seen = seen.map(|told| told.now.unix_timestamp_nanos());
        let fresh = seen.max(commit_time.map(|micros| i128::from(micros) * 1_000))?;
        Some(u64::try_from((now.unix_timestamp_nanos() - fresh) / 1_000_000).unwrap_or(0))
    }

    /// With what is stored of it.
    pub(crate) fn with(mut self, position: &Position) -> Self {
        self.applied(position);
        self.head = position.sequence;
        self
    }

    /// Everything up to `position` is applied.
    pub(crate) fn applied(&mut self, position: &Position) {
        if self.epoch != position.epoch {
            // What was told was told of other positions.
            (self.told, self.covered) = (None, None);
        }
        self.service.clone_from(&position.service);
        self.epoch.clone_from(&position.epoch);
        self.applied = position.sequence;
        self.settle();
    }

    /// The service is reached, and its history goes up to `head`.
    pub(crate) fn described(&mut self, service: &str, head: u64) {
        self.service = service.to_owned();
        (self.head, self.goal) = (head, head);
        self.last_heard = Some(OffsetDateTime::now_utc());
        self.state = if self.filling { SourceState::Snapshot } else { SourceState::CatchingUp };
        self.reason.clear();
    }

    /// A snapshot of it began, or ended.
    pub(crate) fn filling(&mut self, filling: bool) {
        self.filling = filling;
        self.goal = self.head;
        self.state = match self.state {
            SourceState::CatchingUp | SourceState::Live if filling => SourceState::Snapshot,
            SourceState::Snapshot if !filling => SourceState::CatchingUp,
            other => other,
        };
        self.settle();
    }

    /// Changes up to `through` were received.
    pub(crate) fn received(&mut self, through: u64) {
        self.head = self.head.max(through);
        self.last_heard = Some(OffsetDateTime::now_utc());
    }

    /// The connection is gone, or never was.
    pub(crate) fn disconnected(&mut self, reason: String) {
        let reached = self.last_heard.is_some();
        self.state = if reached { SourceState::Disconnected } else { SourceState::Connecting };
        self.reason = format!("{reason}; tried again by itself");
    }

    /// Nothing more of it is applied.
    pub(crate) fn stopped(&mut self, reason: String) {
        self.state = SourceState::Stopped;
        self.reason = reason;
    }

    /// CATCHING_UP => LIVE. Once live, a source is so until its connection ends,
    /// however much is on its way.
    fn settle(&mut self) {
        if self.state == SourceState::CatchingUp && self.applied >= self.goal {
            self.state = SourceState::Live;
        }
    }

    /// The source told its clock and its head.
    pub(crate) fn tell(&mut self, now: OffsetDateTime, head: u64) {
        if self.told.is_some_and(|told| self.applied >= told.head) {
            self.covered = self.told;
        }
        self.told = Some(Told { now, head, heard: Instant::now() });
        self.head = self.head.max(head);
        self.last_heard = Some(OffsetDateTime::now_utc());
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    fn position(sequence: u64) -> Position {
        Position { service: "library".to_owned(), epoch: "e1".to_owned(), sequence }
    }

    fn micros(time: OffsetDateTime) -> Option<i64> {
        i64::try_from(time.unix_timestamp_nanos() / 1_000).ok()
    }

    #[test]
    fn lag_is_by_the_sources_clock_and_grows_in_silence() {
        // A clock that is years off ours.
        let clock = OffsetDateTime::UNIX_EPOCH;
        let mut status = SourceStatus::new("library", "http://nowhere");
        assert_eq!((status.lag(0), status.lag_ms(0, None)), (0, None));
        status.tell(clock, 5);
        assert_eq!(status.lag(3), 2);
        // Behind: as old as the last change that is contained.
        let lag = status.lag_ms(3, micros(clock - Duration::seconds(9))).unwrap();
        assert!((9_000..9_900).contains(&lag), "{lag}");
        // Nothing was missing when the clock was told.
        let lag = status.lag_ms(5, micros(clock - Duration::seconds(9))).unwrap();
        assert!(lag < 900, "{lag}");
        status.told.as_mut().unwrap().heard -= std::time::Duration::from_secs(5);
        assert!(status.lag_ms(5, None).unwrap() >= lag + 5_000);
    }

    #[test]
    fn a_change_on_its_way_does_not_make_all_before_it_old() {
        let clock = OffsetDateTime::UNIX_EPOCH;
        let mut status = SourceStatus::new("library", "http://nowhere");
        status.tell(clock, 5);
        status.applied(&position(5));
        // An hour of nothing, then one change that is not applied yet.
        status.tell(clock + Duration::hours(1), 5);
        status.tell(clock + Duration::hours(1) + Duration::seconds(1), 6);
        let lag = status.lag_ms(5, micros(clock - Duration::hours(9))).unwrap();
        assert!((1_000..1_900).contains(&lag), "{lag}");
    }

    #[test]
    fn a_source_that_is_written_to_without_a_pause_gets_live() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        status.described("library", 100);
        for sequence in (10..=100).step_by(10) {
            assert_eq!(status.state, SourceState::CatchingUp);
            status.received(sequence + 50);
            status.applied(&position(sequence));
        }
        assert_eq!((status.state, status.lag(100)), (SourceState::Live, 50));
    }

    #[test]
    fn once_live_a_source_is_live_until_its_connection_ends() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        status.disconnected("refused".to_owned());
        assert_eq!(status.state, SourceState::Connecting);
        status.described("library", 2);
        assert_eq!((status.state, &*status.reason), (SourceState::CatchingUp, ""));
        status.filling(true);
        assert_eq!(status.state, SourceState::Snapshot);
        status.applied(&position(1));
        status.filling(false);
        assert_eq!(status.state, SourceState::CatchingUp);
        status.applied(&position(2));
        assert_eq!(status.state, SourceState::Live);
        status.received(9);
        assert_eq!((status.state, status.lag(2)), (SourceState::Live, 7));
        status.disconnected("gone".to_owned());
        assert_eq!(
            (status.state, &*status.reason),
            (SourceState::Disconnected, "gone; tried again by itself")
        );
        status.stopped("enough".to_owned());
        status.applied(&position(9));
        assert_eq!(status.state, SourceState::Stopped);
    }
}
