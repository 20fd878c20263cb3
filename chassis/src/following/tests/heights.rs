//! What is followed in these tests, and what comes of it: a bank whose accounts grow, and who keeps how high
//! each one ever was.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prost::{Message, Name};
use prost_types::Timestamp;
use time::OffsetDateTime;
use tributary_proto::feed::v1::Change;

use crate::{
    fault::{Fault, Reason},
    following::value,
    outbox::{BoxError, Entity, Model, Published, SledTables, States, Stored, Write},
};

/// What the bank publishes. How high it is stands in its time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Account {
    #[prost(string, tag = "1")]
    account_id: String,
    #[prost(message, optional, tag = "2")]
    create_time: Option<Timestamp>,
}

impl Name for Account {
    const NAME: &'static str = "Account";
    const PACKAGE: &'static str = "bank.v1";
}

pub(super) fn account(height: i64) -> Account {
    Account { account_id: "a".to_owned(), create_time: Some(Timestamp { seconds: height, nanos: 0 }) }
}

/// Keeps how high each account ever was, and counts how often it was told something new.
pub(super) struct Heights;

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Height {
    #[prost(int64, tag = "1")]
    pub(super) highest: i64,
    #[prost(uint64, tag = "2")]
    pub(super) raised: u64,
}

#[derive(Debug)]
pub(super) struct Raise {
    key: String,
    to: i64,
}

/// Cannot be.
pub(super) const REJECTED: i64 = 666;
/// Cannot be as long as [`BROKEN`] is set.
pub(super) const BREAKING: i64 = 777;
pub(super) static BROKEN: AtomicBool = AtomicBool::new(false);
/// How often that was tried.
pub(super) static TRIED: AtomicU64 = AtomicU64::new(0);

impl Model for Heights {
    type Key = String;
    type State = Height;
    type Command = Raise;
    type Rejection = Fault;

    fn reads(command: &Raise) -> Vec<String> {
        vec![command.key.clone()]
    }

    fn decide(command: &Raise, states: &States<Self>, _: OffsetDateTime) -> Result<Vec<Write<Self>>, Fault> {
        let Raise { key, to } = command;
        if *to == BREAKING {
            TRIED.fetch_add(1, Ordering::SeqCst);
            assert!(!BROKEN.load(Ordering::SeqCst), "as planned");
        }
        if *to == REJECTED {
            return Err(Fault::new(Reason::WrongState, "too high"));
        }
        let Height { highest, raised } = states.get(key).map(|stored| stored.state).unwrap_or_default();
        let state = Height { highest: *to, raised: raised + 1 };
        let write = Write { key: key.clone(), state: Some(state), event: "Raised" };
        Ok((*to > highest).then_some(write).into_iter().collect())
    }
}

impl Published for Heights {
    const ENTITIES: &'static [&'static str] = &["heights"];

    fn publish(_: &String, _: Option<&Stored<Height>>) -> Option<Entity> {
        None
    }
}

impl SledTables for Heights {
    type Model = Self;

    fn place(key: &String) -> (&'static str, String) {
        ("heights", key.clone())
    }

    fn key(_: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(state: &Height) -> Vec<u8> {
        state.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Height, BoxError> {
        Ok(Height::decode(bytes)?)
    }
}

pub(super) fn react(change: &Change) -> Result<Vec<Raise>, BoxError> {
    let account: Account = value(change)?;
    assert_ne!(change.key, "bad", "as planned");
    let height = account.create_time.unwrap_or_default().seconds;
    Ok((height > 0).then(|| Raise { key: change.key.clone(), to: height }).into_iter().collect())
}
