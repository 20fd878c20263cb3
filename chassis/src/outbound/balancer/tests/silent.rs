//! Addresses that swallow what is sent to them.

use super::*;
use crate::callee::FullQueue;

#[tokio::test]
async fn a_callee_that_swallows_packets_is_missed() {
    let (callees, names) = three().await;
    let caller = Caller::of(&names, "callee");
    caller.ask_often(30).await.unwrap();
    let silent = &callees[0];
    silent.freeze();
    let start = Instant::now();
    let missed = caller.until_health(silent.address(), Health::Lost).await;
    assert!(missed < NOTICED, "{missed:?}");
    assert!(start.elapsed() < NOTICED);
    // It takes connections, and answers on none of them: there is no need to find that out again.
    for _ in 0..100 {
        let start = Instant::now();
        caller.call("").await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_call_to_who_swallows_packets_ends_and_so_does_its_successor_elsewhere() {
    let (old, new) = (Callee::start().await, Callee::start().await);
    let names = Names::of(&[old.address()]);
    let caller = Caller::of(&names, "callee");
    caller.ask().await.unwrap();
    old.freeze();
    names.stand_for(&[new.address()]);
    let start = Instant::now();
    caller.ask().await.unwrap();
    assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    assert_eq!(new.puppet.calls(), 1);
}

#[tokio::test]
async fn an_address_at_which_connecting_hangs_holds_no_call() {
    let (callee, hangs) = (Callee::start().await, FullQueue::new().await);
    let caller = Caller::of(&Names::of(&[callee.address(), hangs.address]), "callee");
    for _ in 0..20 {
        let start = Instant::now();
        caller.call("").await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    let missed = caller.until_health(hangs.address, Health::Lost).await;
    assert!(missed < NOTICED, "{missed:?}");
}
