//! The feed of a real store, through restarts, under writes and with history that is removed.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range, path::Path, sync::Arc, time::Duration};

use futures::future::join_all;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tributary_proto::feed::v1::Position;

use super::{
    Event, FeedOptions, FollowOptions, Follower, Patience, StopReason, follow,
    replica::Replica,
    served::{DEADLINE, Served, feed_of},
};
use crate::{
    backup,
    fault::Fault,
    lock::{self, LockError},
    outbox::{
        BoxError, Call, Entity, Model, OpenError, Outbox, OutboxOptions, Published, STORES, SledTables,
        States, Stored, Write,
    },
};

const NOTES: &str = "notes";
const KEYS: usize = 40;
const ROUNDS: usize = 4;
const WRITERS: usize = 4;
const COMMANDS: usize = 60;
/// Less than a round writes, so that a follower that was away may find its position gone.
const RETAIN: u64 = 100;

pub(crate) struct Notes;

/// Sets a note, or removes it.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) key: String,
    pub(crate) text: Option<String>,
}

impl Model for Notes {
    type Key = String;
    type State = String;
    type Command = Put;
    type Rejection = Fault;

    fn reads(command: &Put) -> Vec<String> {
        vec![command.key.clone()]
    }

    fn decide(command: &Put, states: &States<Self>, _: OffsetDateTime) -> Result<Vec<Write<Self>>, Fault> {
        let Put { key, text } = command;
        if text.is_none() && states.get(key).is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![Write { key: key.clone(), state: text.clone(), event: "Put" }])
    }
}

impl Published for Notes {
    const ENTITIES: &'static [&'static str] = &[NOTES];

    fn publish(key: &String, stored: Option<&Stored<String>>) -> Option<Entity> {
        let value = stored.map(|stored| stored.state.clone().into_bytes()).unwrap_or_default();
        let value = prost_types::Any { type_url: "type.googleapis.com/bank.v1.Note".to_owned(), value };
        Some(Entity { name: NOTES, key: key.clone(), value })
    }
}

impl SledTables for Notes {
    type Model = Self;

    fn place(key: &String) -> (&'static str, String) {
        (NOTES, key.clone())
    }

    fn key(_: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(state: &String) -> Vec<u8> {
        state.clone().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<String, BoxError> {
        Ok(String::from_utf8(bytes.to_vec())?)
    }
}

/// Waits for the predecessor to let go of the store.
pub(crate) async fn open(directory: &Path) -> Outbox<Notes> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let options = OutboxOptions { feed_retain: RETAIN, ..OutboxOptions::new("bank", directory) };
        match Outbox::open_sled::<Notes>(options).await {
            Err(OpenError::Lock(LockError::Held { .. })) if Instant::now() < deadline => {
                sleep(Duration::from_millis(5)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

async fn write(outbox: &Outbox<Notes>, round: usize) {
    let writers = (0..WRITERS).map(|writer| async move {
        for n in 0..COMMANDS {
            let key = format!("n{:02}", (writer * 31 + n * 17 + round) % KEYS);
            let text = (n % 5 != 0).then(|| format!("{round}.{writer}.{n}"));
            let call = Call::new("bank.v1.Bank/Put", "", &()).unwrap();
            outbox.execute(call, Put { key, text }, |_| ()).await.unwrap();
        }
    });
    join_all(writers).await;
}

fn follower(served: &Served) -> Follower {
    follower_at(served, None)
}

fn follower_at(served: &Served, position: Option<Position>) -> Follower {
    let (endpoint, consumer) = (served.uri(), "test".to_owned());
    let patience = Patience {
        backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(20),
        ..Patience::default()
    };
    follow(FollowOptions { endpoint, consumer, position, entities: Vec::new() }).with_patience(patience)
}

async fn serve(outbox: &Outbox<Notes>, at: Option<SocketAddr>) -> Served {
    let shutdown = CancellationToken::new();
    Served::start(feed_of(outbox.log(), FeedOptions::default(), &shutdown), shutdown, at).await
}

/// Closes the store and waits until it is.
async fn close(outbox: Outbox<Notes>, directory: &Path) {
    drop(outbox);
    let deadline = Instant::now() + DEADLINE;
    while lock::holder(directory).is_some() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
}

/// Until it has all that is durable now, and perhaps more.
async fn catch_up(follower: &mut Follower, replica: &mut Replica, outbox: &Outbox<Notes>) {
    let head = outbox.log().head().borrow().sequence;
    let follow = async {
        while replica.sequence() < Some(head) {
            replica.apply(follower.next().await);
        }
    };
    timeout(DEADLINE, follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_a_real_store_is_exact_after_every_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut replica, mut following, mut address) = (Replica::default(), None, None);
    for round in 0..ROUNDS {
        let outbox = Arc::new(open(directory.path()).await);
        // Missed by the follower, from the second round on by more than is kept.
        write(&outbox, round).await;
        let served = serve(&outbox, address).await;
        let follower = following.get_or_insert_with(|| follower(&served));
        let writing = tokio::spawn({
            let outbox = outbox.clone();
            async move { write(&outbox, round + ROUNDS).await }
        });
        catch_up(follower, &mut replica, &outbox).await;
        writing.await.unwrap();
        catch_up(follower, &mut replica, &outbox).await;

        let rows = outbox.list(NOTES, None, KEYS).await.unwrap();
        let expected: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(key, stored)| (key, (stored.sequence, stored.state.into_bytes())))
            .collect();
        let got: BTreeMap<_, _> = replica
            .rows
            .iter()
            .map(|((_, key), row)| (key.clone(), (row.sequence, row.value.clone().unwrap_or_default().value)))
            .collect();
        assert_eq!(got, expected, "in round {round}");
        address = Some(served.stop().await);
    }
    assert!(replica.snapshots > 1, "the position was gone at least once");
}

/// Whoever follows a store that was restored is told so, wherever it was: before the end of the backup, at it, and
/// behind it. By a snapshot it is exact, also when numbers that it knows have other changes since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_a_restored_store_is_told_and_exact_by_a_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("backup"));
    let put = async |numbers: Range<u64>| {
        let outbox = open(&data).await;
        for n in numbers {
            let call = Call::new("bank.v1.Bank/Put", "", &()).unwrap();
            let command = Put { key: format!("n{n}"), text: Some(n.to_string()) };
            outbox.execute(call, command, |_| ()).await.unwrap();
        }
        outbox
    };
    close(put(0..20).await, &data).await;
    backup::backup(&STORES, data.clone(), file.clone(), Arc::new(|_| {})).await.unwrap();
    let outbox = put(20..25).await;
    let mut known = Vec::new();
    for sequence in [5, 20, 25] {
        let (log, service) = (outbox.log(), "bank".to_owned());
        let digest = log.digest(sequence).await.unwrap().unwrap();
        known.push(Position { service, epoch: log.epoch().to_owned(), sequence, digest });
    }
    close(outbox, &data).await;
    backup::restore(&STORES, file, data.clone(), true, Arc::new(|_| {})).await.unwrap();
    let outbox = put(100..110).await;
    let served = serve(&outbox, None).await;
    let rows = outbox.list(NOTES, None, KEYS).await.unwrap();
    let expected: Vec<_> = rows.into_iter().map(|(key, stored)| (key, stored.sequence)).collect();
    for position in known {
        let mut follower = follower_at(&served, Some(position.clone()));
        match timeout(DEADLINE, follower.next()).await.unwrap() {
            Event::Stopped { reason: StopReason::ForeignEpoch, .. } => {}
            other => panic!("at {}: {other:?}", position.sequence),
        }
        follower.resnapshot();
        let mut replica = Replica::default();
        catch_up(&mut follower, &mut replica, &outbox).await;
        let got: Vec<_> = replica.rows.iter().map(|((_, key), row)| (key.clone(), row.sequence)).collect();
        assert_eq!(got, expected, "at {}", position.sequence);
    }
}
