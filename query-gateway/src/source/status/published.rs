//! How a source is doing, as the gateway that follows it tells those that do not.

use std::time::Duration;

use prost::Message;
use time::OffsetDateTime;
use tributary_chassis::feed::{Clock, ClockReading};

use super::{Replaced, SourceState, SourceStatus};

/// Numbers only grow: gateways of two versions may share a store while they are upgraded.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishedSource {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    endpoint: String,
    #[prost(string, tag = "3")]
    service: String,
    #[prost(string, tag = "4")]
    epoch: String,
    #[prost(uint64, tag = "5")]
    applied: u64,
    #[prost(int64, optional, tag = "6")]
    commit_time: Option<i64>,
    #[prost(uint64, tag = "7")]
    head: u64,
    #[prost(enumeration = "SourceState", tag = "8")]
    state: i32,
    #[prost(string, tag = "9")]
    reason: String,
    #[prost(message, optional, tag = "10")]
    last_heard: Option<Time>,
    #[prost(bool, tag = "11")]
    filling: bool,
    #[prost(message, optional, tag = "12")]
    replaced: Option<PublishedReplaced>,
    #[prost(message, optional, tag = "13")]
    clock: Option<PublishedClock>,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedReplaced {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(bool, tag = "2")]
    begun: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedClock {
    #[prost(message, optional, tag = "1")]
    shows: Option<Time>,
    #[prost(message, optional, tag = "2")]
    told: Option<PublishedTold>,
    #[prost(message, optional, tag = "3")]
    covered: Option<PublishedTold>,
}

#[derive(Clone, PartialEq, Message)]
struct PublishedTold {
    #[prost(message, optional, tag = "1")]
    now: Option<Time>,
    #[prost(uint64, tag = "2")]
    head: u64,
}

/// A moment, to the nanosecond: clocks of sources are compared with what they told themselves.
#[derive(Clone, Copy, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(uint32, tag = "2")]
    nanos: u32,
}

impl SourceStatus {
    /// As it is told.
    pub(crate) fn published(&self) -> PublishedSource {
        let told = |told: Option<(OffsetDateTime, u64)>| {
            told.map(|(now, head)| PublishedTold { now: Some(Time::of(now)), head })
        };
        PublishedSource {
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            service: self.service.clone(),
            epoch: self.epoch.clone(),
            applied: self.applied,
            commit_time: self.commit_time,
            head: self.head,
            state: self.state.into(),
            reason: self.reason.clone(),
            last_heard: self.last_heard.map(Time::of),
            filling: self.filling,
            replaced: self
                .replaced
                .as_ref()
                .map(|replaced| PublishedReplaced { reason: replaced.reason.clone(), begun: replaced.begun }),
            clock: self.clock.read().map(|ClockReading { shows, told: [latest, covered] }| PublishedClock {
                shows: Some(Time::of(shows)),
                told: told(latest),
                covered: told(covered),
            }),
        }
    }

    /// From what was told so long ago.
    pub(crate) fn of_published(published: PublishedSource, age: Duration) -> Self {
        let told = |told: Option<PublishedTold>| told.and_then(|told| Some((told.now?.read()?, told.head)));
        let state = published.state();
        let reading = published.clock.and_then(|clock| {
            let shows = clock.shows?.read()?;
            Some(ClockReading { shows, told: [told(clock.told), told(clock.covered)] })
        });
        Self {
            state,
            name: published.name,
            endpoint: published.endpoint,
            service: published.service,
            epoch: published.epoch,
            applied: published.applied,
            commit_time: published.commit_time,
            head: published.head,
            reason: published.reason,
            last_heard: published.last_heard.and_then(Time::read),
            filling: published.filling,
            replaced: published
                .replaced
                .map(|PublishedReplaced { reason, begun }| Replaced { reason, begun }),
            goal: published.head,
            clock: reading.map(|reading| Clock::of(&reading, age)).unwrap_or_default(),
        }
    }

    /// Nobody who follows it tells how it is doing.
    pub(crate) fn unknown(&mut self, reason: &str) {
        self.state = SourceState::Disconnected;
        reason.clone_into(&mut self.reason);
    }
}

impl Time {
    fn of(time: OffsetDateTime) -> Self {
        Self { seconds: time.unix_timestamp(), nanos: time.nanosecond() }
    }

    fn read(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.seconds).ok()?.replace_nanosecond(self.nanos).ok()
    }
}

#[cfg(test)]
mod tests {
    use tributary_chassis::position::Position;

    use super::*;

    #[test]
    fn a_status_is_read_as_it_was_told_and_its_lag_grows_on() {
        let mut status = SourceStatus::new("library", "http://nowhere");
        let told = |status: &SourceStatus, age| {
            let bytes = status.published().encode_to_vec();
            SourceStatus::of_published(PublishedSource::decode(bytes.as_slice()).unwrap(), age)
        };
        let read = told(&status, Duration::ZERO);
        assert_eq!((read.state, read.lag(0), read.lag_ms(0, None)), (SourceState::Connecting, None, None));
        status.described("library", 9);
        status.applied(&Position { service: "library".to_owned(), epoch: "e1".to_owned(), sequence: 7 });
        status.commit_time = Some(5);
        status.tell(OffsetDateTime::UNIX_EPOCH + Duration::from_nanos(1_500_000_001), 9);
        let read = told(&status, Duration::from_secs(2));
        assert_eq!(
            format!("{:?}", read.published().last_heard),
            format!("{:?}", status.published().last_heard)
        );
        assert_eq!((read.state, read.applied, read.commit_time), (SourceState::CatchingUp, 7, Some(5)));
        assert_eq!(
            (read.lag(7), read.is_replaced(), read.has("e1"), read.has("e2")),
            (Some(2), false, true, false)
        );
        assert!((2_000..3_000).contains(&read.lag_ms(9, None).unwrap()), "{:?}", read.lag_ms(9, None));
        assert!((3_499..4_499).contains(&read.lag_ms(7, Some(5)).unwrap()));

        status.replaced("restored".to_owned());
        let read = told(&status, Duration::ZERO);
        assert_eq!((read.state, &*read.reason, read.lag(7)), (SourceState::Snapshot, "restored", None));
        assert!(read.is_replaced() && !read.has("e1"));
    }
}
