//! Random sequences of commands against a model that only keeps books: nothing is ever below zero, nothing
//! comes from nowhere or gets lost, and whatever is repeated or comes late has no second effect.
//!
//! COUNT sequences, from SEED; one that fails is made as short as it can be.

mod books;
mod world;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::*;
use books::Books;
use world::{Act, World};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn runner() -> TestRunner {
    let (count, seed) = (setting("COUNT", 300), setting("SEED", 1));
    println!("COUNT={count} SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = ProptestConfig { cases: count as u32, failure_persistence: None, ..Default::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Few skus and ids and small amounts, so that they meet, and that there is often too little.
fn act() -> impl Strategy<Value = Act> {
    let sku = || prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    let id = || prop::sample::select(vec!["r1", "r2", "r3", "r4"]).prop_map(str::to_owned);
    let line = (sku(), 1..5_i64).prop_map(|(sku, quantity)| Line { sku, quantity });
    prop_oneof![
        2 => (sku(), 0..12_i64).prop_map(|(sku, on_hand)| Act::Create { sku, on_hand }),
        2 => (sku(), 1..6_i64).prop_map(|(sku, quantity)| Act::Receive { sku, quantity }),
        2 => (sku(), -6..6_i64).prop_map(|(sku, delta)| Act::Adjust { sku, delta }),
        1 => sku().prop_map(|sku| Act::Delete { sku }),
        6 => (id(), prop::collection::vec(line, 1..4)).prop_map(|(id, lines)| Act::Reserve { id, lines }),
        3 => id().prop_map(|id| Act::Commit { id }),
        3 => id().prop_map(|id| Act::Release { id }),
        2 => (0..30_i64).prop_map(|minutes| Act::Pass { minutes }),
        2 => id().prop_map(|id| Act::Expire { id }),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 0..60)
}

#[test]
fn stock_is_conserved_and_never_below_zero() {
    let held = |acts: Vec<Act>| {
        let (mut world, mut books) = (World::default(), Books::default());
        for act in &acts {
            let before = world.reservations();
            let accepted = world.act(act).is_ok();
            books.note(act, accepted, &before, &world);
            books.audit(&world).map_err(TestCaseError::fail)?;
        }
        Ok(())
    };
    runner().run(&acts(), held).unwrap();
}

/// Whatever is done, done at once again, leaves everything as it is.
#[test]
fn reservations_are_idempotent() {
    let held = |acts: Vec<Act>| {
        let mut world = World::default();
        for act in &acts {
            let first = world.act(act);
            let after = world.clone();
            if matches!(
                act,
                Act::Reserve { .. } | Act::Commit { .. } | Act::Release { .. } | Act::Expire { .. }
            ) {
                prop_assert_eq!(&world.act(act), &first, "{:?}", act);
                prop_assert_eq!(&world, &after, "{:?}", act);
            }
        }
        Ok(())
    };
    runner().run(&acts(), held).unwrap();
}

/// From its release on, whether or not it was made before, a reservation holds nothing and stays as it is.
#[test]
fn what_is_released_stays_released() {
    let held = |acts: Vec<Act>| {
        let mut world = World::default();
        for act in &acts {
            let before = world.reservations();
            let result = world.act(act);
            if let (Act::Release { .. }, Err(refused)) = (act, &result) {
                return Err(TestCaseError::fail(format!("a release is refused: {refused}")));
            }
            let after = world.reservations();
            for (id, reservation) in before {
                // Nothing is forgotten, and of what is there only the state moves.
                let now = &after[&id];
                prop_assert_eq!(&now.lines, &reservation.lines);
                prop_assert_eq!(now.expire_time, reservation.expire_time);
                if reservation.state == ReservationState::Released {
                    prop_assert_eq!(now.state, ReservationState::Released, "{:?}", act);
                }
                if reservation.state == ReservationState::Committed {
                    prop_assert!(now.state != ReservationState::Expired, "{:?}", act);
                }
            }
        }
        Ok(())
    };
    runner().run(&acts(), held).unwrap();
}
