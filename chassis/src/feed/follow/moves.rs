//! Sources that come, go, move and fall silent; what waits, waits for a condition.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::{
    callee::{FullQueue, Relay, nobody, until},
    feed::{
        memory::MemoryLog,
        replica::Replica,
        served::{DEADLINE, Served},
    },
    resolve::names::Names,
};

/// By when a source that is somewhere else must have been noticed.
const NOTICED: Duration = Duration::from_secs(5);

fn follow_by(names: &Names, log: &MemoryLog) -> (Follower, Replica) {
    let options = FollowOptions {
        endpoint: Uri::from_static("http://source.test:52051"),
        consumer: "test".to_owned(),
        position: Some(log.at(0)),
        entities: Vec::new(),
    };
    (follow(options).resolved_by(names.resolver()), Replica::from(log.at(0)))
}

/// A source that can fall silent.
async fn relayed(log: &Arc<MemoryLog>) -> (Served, Relay) {
    let served = Served::log(log).await;
    let relay = Relay::to(served.address(), ([127, 0, 0, 1], 0).into()).await;
    (served, relay)
}

/// Reads until the follower has everything, and what it said of connections on the way.
async fn until_at(follower: &mut Follower, replica: &mut Replica, sequence: u64) -> Vec<String> {
    let mut lost = Vec::new();
    let reading = async {
        while replica.sequence() != Some(sequence) {
            let event = follower.next().await;
            if let Event::Disconnected { reason } = &event {
                lost.push(reason.clone());
            }
            replica.apply(event);
        }
    };
    timeout(DEADLINE, reading).await.unwrap();
    lost
}

fn written(log: &MemoryLog, times: usize) -> u64 {
    for _ in 0..times {
        log.write(&[("notes", "n", Some("1"))]);
    }
    log.durable().sequence
}

#[tokio::test]
async fn a_follower_goes_where_its_source_went() {
    let log = MemoryLog::new("e1");
    let (_old, relay) = relayed(&log).await;
    let new = Served::log(&log).await;
    let names = Names::of(&[relay.address()]);
    let (mut follower, mut replica) = follow_by(&names, &log);
    until_at(&mut follower, &mut replica, written(&log, 3)).await;
    // It is somewhere else, and says no word at its old address.
    relay.freeze();
    names.stand_for(&[new.address()]);
    let start = Instant::now();
    let lost = until_at(&mut follower, &mut replica, written(&log, 3)).await;
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    assert_eq!(lost, [format!("the service is not at {} any more", relay.address())]);
    assert_eq!(replica.changes.len(), 6, "each change once");
}

#[tokio::test]
async fn a_follower_stays_while_its_address_does() {
    let log = MemoryLog::new("e1");
    let (served, other) = (Served::log(&log).await, Served::log(&log).await);
    let names = Names::of(&[served.address()]);
    let (mut follower, mut replica) = follow_by(&names, &log);
    until_at(&mut follower, &mut replica, written(&log, 3)).await;
    let changes: [&dyn Fn(); 4] = [&|| {}, &|| names.fail(), &|| names.stand_for(&[]), &|| {
        names.stand_for(&[other.address(), served.address()])
    }];
    for change in changes {
        change();
        let before = names.lookups();
        until("a look-up, and what follows from it", async || {
            follower.source.as_ref().unwrap().look_again();
            names.lookups() > before + 1
        })
        .await;
        let lost = until_at(&mut follower, &mut replica, written(&log, 3)).await;
        assert!(lost.is_empty(), "{lost:?}");
    }
}

#[tokio::test]
async fn dead_addresses_do_not_keep_a_follower_from_its_source() {
    let log = MemoryLog::new("e1");
    let served = Served::log(&log).await;
    let hangs = FullQueue::new().await;
    // Whoever's turn it is first.
    for _ in 0..6 {
        let names = Names::of(&[nobody().await, hangs.address, served.address()]);
        let (mut follower, mut replica) = follow_by(&names, &log);
        let start = Instant::now();
        let lost = until_at(&mut follower, &mut replica, written(&log, 1)).await;
        assert!(lost.is_empty(), "{lost:?}");
        assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_follower_leaves_who_does_not_answer_for_another() {
    let log = MemoryLog::new("e1");
    let (_silent, relay) = relayed(&log).await;
    relay.freeze();
    let served = Served::log(&log).await;
    let patience = Patience { connect: Duration::from_millis(200), ..Patience::default() };
    for _ in 0..6 {
        let names = Names::of(&[relay.address(), served.address()]);
        let (follower, mut replica) = follow_by(&names, &log);
        let mut follower = follower.with_patience(patience.clone());
        let lost = until_at(&mut follower, &mut replica, written(&log, 1)).await;
        assert!(lost.len() <= 1, "{lost:?}");
    }
}
