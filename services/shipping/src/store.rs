//! The shipments in sled; nothing else in this service knows that.
//!
//! Key space: in the outbox's tree `state`, a shipment is kept under `shipments`, NUL and its id. What the
//! outbox keeps beside a state (sequence, version, times) is its own affair, and so is how far orders has
//! been followed. A value is a protobuf message, [`Value`], which is neither the API's nor the feed's:
//! fields may be added, and none may change its number or type.
//!
//! Atomicity: the outbox writes the shipments of a group of commands, with their changes, positions and
//! replies, in one transaction over its trees; what an order has given to do, in that of the position in
//! orders' feed.
//!
//! Crash: all of them are there afterwards, or none. Nothing is acknowledged or shown before it would
//! survive a loss of power.

use prost::Message as _;
use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{BoxError, SledTables},
    timestamp::{from_micros, micros},
};

use crate::domain::{Dispatch, Progress, Shipment, Shipping};

/// The one collection.
pub(crate) const SHIPMENTS: &str = "shipments";

/// How the outbox finds and writes shipments.
#[derive(Debug)]
pub(crate) struct Tables;

/// A shipment at rest. At its largest some 700 bytes, of the 16 KiB that sled can take at once.
#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    customer_id: String,
    #[prost(enumeration = "State", tag = "2")]
    state: i32,
    #[prost(string, tag = "3")]
    carrier: String,
    #[prost(string, tag = "4")]
    tracking_code: String,
    /// Microseconds since 1970, as all times here.
    #[prost(int64, optional, tag = "5")]
    dispatch_time: Option<i64>,
    #[prost(int64, optional, tag = "6")]
    deliver_time: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum State {
    Unknown = 0,
    Pending = 1,
    Dispatched = 2,
    Delivered = 3,
    Cancelled = 4,
}

impl SledTables for Tables {
    type Model = Shipping;

    fn place(shipment_id: &String) -> (&'static str, String) {
        (SHIPMENTS, shipment_id.clone())
    }

    fn key(_collection: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(shipment: &Shipment) -> Vec<u8> {
        let value = Value { customer_id: shipment.customer_id.clone(), ..Value::default() };
        let with = |state: State, dispatch: &Dispatch, deliver_time: Option<OffsetDateTime>| Value {
            state: state.into(),
            carrier: dispatch.carrier.clone(),
            tracking_code: dispatch.tracking_code.clone(),
            dispatch_time: Some(micros(dispatch.dispatch_time)),
            deliver_time: deliver_time.map(micros),
            ..value.clone()
        };
        let value = match &shipment.progress {
            Progress::Pending => Value { state: State::Pending.into(), ..value },
            Progress::Dispatched(dispatch) => with(State::Dispatched, dispatch, None),
            Progress::Delivered { dispatch, deliver_time } => {
                with(State::Delivered, dispatch, Some(*deliver_time))
            }
            Progress::Cancelled => Value { state: State::Cancelled.into(), ..value },
        };
        value.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Shipment, BoxError> {
        let value = Value::decode(bytes)?;
        let (state, deliver_time) = (value.state(), value.deliver_time);
        let Value { customer_id, carrier, tracking_code, dispatch_time, .. } = value;
        let time = |micros: Option<i64>| micros.map(from_micros).ok_or("a shipment lacks a time");
        let dispatch = || -> Result<Dispatch, BoxError> {
            Ok(Dispatch { carrier, tracking_code, dispatch_time: time(dispatch_time)? })
        };
        let progress = match state {
            State::Pending => Progress::Pending,
            State::Dispatched => Progress::Dispatched(dispatch()?),
            State::Delivered => {
                Progress::Delivered { dispatch: dispatch()?, deliver_time: time(deliver_time)? }
            }
            State::Cancelled => Progress::Cancelled,
            State::Unknown => return Err("a shipment has no state that is known".into()),
        };
        Ok(Shipment { customer_id, progress })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch(text: &str) -> Dispatch {
        Dispatch { carrier: text.to_owned(), tracking_code: text.to_owned(), dispatch_time: from_micros(1) }
    }

    fn shipment(progress: Progress) -> Shipment {
        Shipment { customer_id: "ada".to_owned(), progress }
    }

    /// What was written once must be read for ever.
    #[test]
    fn the_bytes_at_rest_stay_as_they_are() {
        let delivered = Progress::Delivered { dispatch: dispatch("DHL"), deliver_time: from_micros(2) };
        let all: [(Progress, &[u8]); 4] = [
            (Progress::Pending, b"\x0a\x03ada\x10\x01"),
            (Progress::Dispatched(dispatch("DHL")), b"\x0a\x03ada\x10\x02\x1a\x03DHL\x22\x03DHL\x28\x01"),
            (delivered, b"\x0a\x03ada\x10\x03\x1a\x03DHL\x22\x03DHL\x28\x01\x30\x02"),
            (Progress::Cancelled, b"\x0a\x03ada\x10\x04"),
        ];
        for (progress, bytes) in all {
            let shipment = shipment(progress);
            assert_eq!(Tables::encode(&shipment), bytes, "{shipment:?}");
            assert_eq!(Tables::decode(bytes).unwrap(), shipment);
        }
    }

    #[test]
    fn what_cannot_have_been_written_is_not_guessed() {
        for bytes in [&b"\x0a\x03ada"[..], b"\x10\x09", b"\x10\x02", b"\x10\x03\x28\x01", b"\xff"] {
            assert!(Tables::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_largest_shipment_is_far_below_the_limit() {
        let dispatch = dispatch(&"😀".repeat(64));
        let progress = Progress::Delivered { dispatch, deliver_time: from_micros(i64::MAX) };
        let shipment = Shipment { customer_id: "c".repeat(64), progress };
        assert!(Tables::encode(&shipment).len() < 700);
    }
}
