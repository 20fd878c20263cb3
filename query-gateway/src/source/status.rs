//! How a source is doing.

mod published;

use time::OffsetDateTime;
use tributary_chassis::{feed::Clock, position::Position};
use tributary_proto::feed;
pub use tributary_proto::query::v1::SourceState;

pub(crate) use self::published::PublishedSource;

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
    /// Why it is CONNECTING, DISCONNECTED or STOPPED, and what to do; of which history it takes a SNAPSHOT, if that is
    /// another than the one that is applied; empty otherwise.
    pub reason: String,
    /// When anything was heard of it, by our clock.
    pub last_heard: Option<OffsetDateTime>,
    /// Whether a snapshot of it is on its way.
    filling: bool,
    /// Set while what is applied is not of the history that it has now.
    replaced: Option<Replaced>,
    /// Its head when catching up began. What is published meanwhile is lag: of a source that is written to without a
    /// pause, the head itself is never reached.
    goal: u64,
    /// What it told of its clock.
    clock: Clock,
}

/// That a source has another history than the one that is applied.
#[derive(Clone, Debug)]
struct Replaced {
    reason: String,
    /// Whether a snapshot of the other one began: the end of one that began before is not its end.
    begun: bool,
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
            replaced: None,
            goal: 0,
            clock: Clock::default(),
        }
    }

    /// Changes that are published and not contained in the state at `sequence`. `None` before the source was reached:
    /// where it was when the gateway last ran says nothing of where it is. Nor does a sequence of another history.
    pub fn lag(&self, sequence: u64) -> Option<u64> {
        self.last_heard.filter(|_| !self.is_replaced()).map(|_| self.head.saturating_sub(sequence))
    }

    /// For how many milliseconds, by the source's clock, the state at `sequence` may have been outdated;
    /// `commit_time` is that of the change there, in microseconds. Grows while the source is silent.
    /// `None` as long as the source has not told its clock, and while it has another history.
    pub fn lag_ms(&self, sequence: u64, commit_time: Option<i64>) -> Option<u64> {
        let lag = self.clock.lag(sequence, commit_time).filter(|_| !self.is_replaced())?;
        Some(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX))
    }

    /// Everything through here is applied; none before it was filled once, and none that the source would know while it
    /// has another history.
    pub(crate) fn position(&self) -> Option<feed::v1::Position> {
        let Self { service, epoch, applied, .. } = self;
        let (service, epoch, sequence) = (service.clone(), epoch.clone(), *applied);
        let position = feed::v1::Position { service, epoch, sequence, ..feed::v1::Position::default() };
        (self.is_filled() && !self.is_replaced()).then_some(position)
    }

    /// Whether what is applied of this epoch is of the history that the source has, as far as is known.
    pub(super) fn has(&self, epoch: &str) -> bool {
        !self.is_replaced() && (!self.is_filled() || self.epoch == epoch)
    }

    /// Whether anything of it is there.
    pub(super) fn is_filled(&self) -> bool {
        !self.epoch.is_empty()
    }

    /// With what is stored of it, and the commit time of the change there.
    pub(crate) fn with(mut self, position: &Position, commit_time: Option<i64>) -> Self {
        self.applied(position);
        self.commit_time = commit_time;
        self.head = position.sequence;
        self
    }

    /// Everything up to `position` is applied.
    pub(crate) fn applied(&mut self, position: &Position) {
        if self.epoch != position.epoch {
            self.clock.forget();
        }
        self.service.clone_from(&position.service);
        self.epoch.clone_from(&position.epoch);
        self.applied = position.sequence;
        self.clock.applied(position.sequence);
        self.settle();
    }

    /// The service is reached, and its history goes up to `head`.
    pub(crate) fn described(&mut self, service: &str, head: u64) {
        self.service = service.to_owned();
        self.clock.connected();
        (self.head, self.goal) = (head, head);
        self.last_heard = Some(OffsetDateTime::now_utc());
        let snapshot = self.filling || self.is_replaced();
        self.state = if snapshot { SourceState::Snapshot } else { SourceState::CatchingUp };
        self.reason = self.replaced.as_ref().map_or_else(String::new, |replaced| replaced.reason.clone());
    }

    /// It has another history than the one that is applied, and a snapshot of that is taken.
    pub(crate) fn replaced(&mut self, reason: String) {
        self.clock.forget();
        self.state = SourceState::Snapshot;
        self.reason.clone_from(&reason);
        self.replaced = Some(Replaced { reason, begun: false });
    }

    /// Whether it has another history than the one that is applied.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.is_some()
    }

    /// A snapshot of it began, or ended.
    pub(crate) fn filling(&mut self, filling: bool) {
        self.filling = filling;
        self.goal = self.head;
        if filling {
            self.replaced.iter_mut().for_each(|replaced| replaced.begun = true);
        } else if self.replaced.take_if(|replaced| replaced.begun).is_some() {
            // What it told meanwhile was taken for progress of the other one.
            self.clock.forget();
            if self.state == SourceState::Snapshot {
                self.reason.clear();
            }
        }
        self.state = match self.state {
            SourceState::CatchingUp | SourceState::Live if filling => SourceState::Snapshot,
            SourceState::Snapshot if !filling && !self.is_replaced() => SourceState::CatchingUp,
            other => other,
        };
        self.settle();
    }

    /// Changes behind `after` up to `through` were received; when the first was committed, in microseconds.
    pub(crate) fn received(&mut self, after: u64, through: u64, commit_time: Option<i64>) {
        if let Some(commit_time) = commit_time {
            self.clock.received(after, commit_time);
        }
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
        self.clock.tell(now, head, self.applied);
        self.head = self.head.max(head);
        self.last_heard = Some(OffsetDateTime::now_utc());
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(sequence: u64) -> Position {
        Position { service: "library".to_owned(), epoch: "e1".to_owned(), sequence }
    }

    #[test]
    fn lag_is_of_the_history_that_is_followed() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        assert_eq!((status.lag(0), status.lag_ms(0, None)), (None, None));
        status.applied(&position(5));
        status.tell(OffsetDateTime::UNIX_EPOCH, 7);
        assert_eq!((status.lag(5), status.lag_ms(5, None)), (Some(2), None));
        assert!(status.lag_ms(7, None).unwrap() < 900);
        status.applied(&Position { epoch: "e2".to_owned(), ..position(7) });
        assert_eq!(status.lag_ms(7, None), None);
    }

    #[test]
    fn a_history_that_was_replaced_is_said_until_the_other_one_is_there() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        status.described("library", 7);
        status.applied(&position(7));
        let told = |status: &mut SourceStatus| {
            status.tell(OffsetDateTime::UNIX_EPOCH, 9);
            (status.lag(7).is_some(), status.lag_ms(7, None).is_some(), status.position().is_some())
        };
        assert_eq!(told(&mut status), (true, false, true));
        assert!(status.has("e1") && !status.has("e2"));
        status.replaced("restored".to_owned());
        // An earlier snapshot ends: it is not the one that is needed.
        status.filling(false);
        for _ in 0..2 {
            assert_eq!((status.state, &*status.reason), (SourceState::Snapshot, "restored"));
            assert_eq!(told(&mut status), (false, false, false));
            assert!(!status.has("e1") && !status.has("e2"));
            status.disconnected("gone".to_owned());
            assert_eq!(status.state, SourceState::Disconnected);
            status.described("library", 3);
        }
        status.filling(true);
        status.applied(&Position { epoch: "e2".to_owned(), ..position(3) });
        assert!(!status.has("e1"));
        status.filling(false);
        assert_eq!((status.state, &*status.reason, status.lag(3)), (SourceState::Live, "", Some(0)));
        assert!(!status.has("e1") && status.has("e2") && status.position().is_some());
    }

    #[test]
    fn a_source_that_is_written_to_without_a_pause_gets_live() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        status.described("library", 100);
        for sequence in (10..=100).step_by(10) {
            assert_eq!(status.state, SourceState::CatchingUp);
            status.received(sequence, sequence + 50, None);
            status.applied(&position(sequence));
        }
        assert_eq!((status.state, status.lag(100)), (SourceState::Live, Some(50)));
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
        status.received(2, 9, None);
        assert_eq!((status.state, status.lag(2)), (SourceState::Live, Some(7)));
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
