//! Orders of every kind, with whatever may happen to them drawn at random, all at the same time.
//!
//! COUNT orders (100), drawn from SEED (random). `make soak-saga COUNT=10000` is the large form.

use std::{collections::BTreeMap, sync::Arc};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use shop_proto::{
    orders::v1::{CancelCause, OrderState},
    shipping::v1::ShipmentState,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    audit::{End, Expected, audit},
    matrix::{OF_CALLS, OF_WRITES},
    setting,
    shop::Shop,
    standins::{Fault, When},
};

/// Orders that are under way at the same time.
const AT_ONCE: usize = 24;

/// Where the service runs, and so what can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its own writes can fail.
    Inside,
    /// It can be killed.
    Process,
}

/// An order with its fate.
#[derive(Clone, Debug)]
struct Fate {
    expected: Expected,
    token: &'static str,
    planned: Vec<(&'static str, Fault)>,
    /// A caller cancels it when it is confirmed; then the shipment goes this way.
    after_all: Option<ShipmentState>,
}

fn draw(seed: u64, place: Place) -> Fate {
    let rng = &mut StdRng::seed_from_u64(seed);
    let sku = *["teapot", "saw", "gift-card", "rare"]
        .choose_weighted(rng, |sku| if *sku == "rare" { 1 } else { 3 })
        .unwrap();
    let token = *["tok_ok", "tok_ok", "tok_ok", "", "", "tok_declined"].choose(rng).unwrap();
    let mut fate = Fate {
        expected: Expected {
            order_id: format!("o-{seed}"),
            sku,
            quantity: rng.random_range(1..=9),
            by_card: !token.is_empty(),
            end: End::Confirmed,
            or: None,
        },
        token,
        planned: Vec::new(),
        after_all: None,
    };
    let turned = rng.random_bool(0.3);
    let forward = forward(sku, token);
    let turn = if turned { Some(rng.random_range(0..forward.len())) } else { None };
    let mut captured = false;
    for (i, step) in forward.iter().enumerate() {
        if turn == Some(i) {
            captured = turn_back(&mut fate, rng, step);
            fate.expected.end = End::Cancelled(CancelCause::Requested);
            fate.expected.or = refused(sku, token).map(End::Cancelled);
            break;
        }
        fate.happen(rng, step, place, 2);
    }
    if turn.is_none() {
        captured = end_of_the_way(&mut fate, rng, place);
    }
    if matches!(fate.expected.end, End::Cancelled(_)) {
        let backward: &[&str] = match (fate.expected.by_card, captured) {
            (true, true) => &["void", "refund", "release"],
            (true, false) => &["void", "release"],
            (false, _) => &["release"],
        };
        backward.iter().for_each(|step| fate.happen(rng, step, place, 2));
        fate.happen_to_write(rng, "finish", place);
    }
    fate
}

/// The calls on the way forward, as long as nobody turns the order back.
fn forward(sku: &str, token: &str) -> Vec<&'static str> {
    match (sku, token) {
        ("rare", _) => vec!["reserve"],
        (_, "tok_declined") => vec!["reserve", "authorize"],
        ("gift-card", "") => vec!["reserve"],
        ("gift-card", _) => vec!["reserve", "authorize", "capture"],
        (_, "") => vec!["reserve", "commit"],
        _ => vec!["reserve", "authorize", "commit", "capture"],
    }
}

/// Why the order is given up, if nobody turns it back before.
fn refused(sku: &str, token: &str) -> Option<CancelCause> {
    match (sku, token) {
        ("rare", _) => Some(CancelCause::OutOfStock),
        (_, "tok_declined") => Some(CancelCause::PaymentDeclined),
        _ => None,
    }
}

/// A caller turns the order back in the middle of a step; gives whether money was taken for sure. A step that
/// waits for that may be given up by who asked, and come behind its undo.
fn turn_back(fate: &mut Fate, rng: &mut StdRng, step: &'static str) -> bool {
    if rng.random_bool(0.5) {
        fate.planned.push((step, Fault::Cancel(When::After)));
        return step == "capture";
    }
    fate.planned.push((step, Fault::Cancel(When::Before)));
    fate.planned.extend(OF_CALLS.choose(rng).filter(|_| rng.random_bool(0.5)).map(|fault| (step, *fault)));
    false
}

/// The order is given up, or confirmed and perhaps cancelled after all; gives whether money was taken.
fn end_of_the_way(fate: &mut Fate, rng: &mut StdRng, place: Place) -> bool {
    if let Some(cause) = refused(fate.expected.sku, fate.token) {
        fate.happen_to_write(rng, "give-up", place);
        fate.expected.end = End::Cancelled(cause);
        return false;
    }
    fate.happen_to_write(rng, "confirm", place);
    (fate.after_all, fate.expected.end) = match rng.random_range(0..6) {
        0 => (Some(ShipmentState::Cancelled), End::Cancelled(CancelCause::Requested)),
        1 => (Some(ShipmentState::Dispatched), End::Dispatched),
        _ => (None, End::Confirmed),
    };
    true
}

impl Fate {
    fn happen(&mut self, rng: &mut StdRng, step: &'static str, place: Place, most: usize) {
        for _ in 0..most {
            if self.planned.last() == Some(&(step, Fault::Twice)) {
                // It is answered: there is no call behind it.
                return;
            }
            if place == Place::Process && rng.random_bool(0.02) {
                let when = if rng.random() { When::Before } else { When::After };
                self.planned.push((step, Fault::Kill(when)));
            } else if rng.random_bool(0.2) {
                self.planned.extend(OF_CALLS.choose(rng).map(|fault| (step, *fault)));
            }
        }
    }

    fn happen_to_write(&mut self, rng: &mut StdRng, step: &'static str, place: Place) {
        if place == Place::Inside && rng.random_bool(0.4) {
            self.planned.extend(OF_WRITES.choose(rng).map(|fault| (step, *fault)));
        }
    }

    async fn run(&self, shop: &Shop) {
        let Expected { order_id, sku, quantity, .. } = &self.expected;
        for (step, fault) in &self.planned {
            shop.world.faults.plan(order_id, step, *fault);
        }
        shop.place(order_id, sku, *quantity, self.token).await;
        if let Some(shipment) = self.after_all
            && shop.reaches(order_id, &[OrderState::Confirmed]).await.is_some()
        {
            shop.cancel(order_id).await.unwrap();
            shop.ship(order_id, shipment);
        }
    }
}

async fn random(place: Place) {
    let count = setting("COUNT").unwrap_or(100);
    let seed = setting("SEED").unwrap_or_else(|| rand::random_range(0..1 << 40));
    eprintln!("COUNT={count} SEED={seed} {place:?}");
    let shop = match place {
        Place::Inside => Shop::inside(None).await,
        Place::Process => Shop::process().await,
    };
    let fates: Vec<Fate> = (0..count).map(|i| draw(seed + i, place)).collect();
    let (shop, places) = (Arc::new(shop), Arc::new(Semaphore::new(AT_ONCE)));
    let mut running = JoinSet::new();
    for fate in fates.clone() {
        let (shop, place) = (shop.clone(), places.clone().acquire_owned().await.unwrap());
        running.spawn(async move {
            fate.run(&shop).await;
            drop(place);
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    let expected: Vec<Expected> = fates.iter().map(|fate| fate.expected.clone()).collect();
    let findings = audit(&shop, &expected).await;
    let is_named = |fate: &&Fate| findings.iter().any(|finding| finding.contains(&fate.expected.order_id));
    let named: Vec<&Fate> = fates.iter().filter(is_named).collect();
    assert_eq!(findings, Vec::<String>::new(), "COUNT={count} SEED={seed} {place:?}: {named:#?}");

    let mut happened: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fault) in fates.iter().flat_map(|fate| &fate.planned) {
        *happened.entry(format!("{fault:?}")).or_default() += 1;
    }
    let kills =
        fates.iter().flat_map(|fate| &fate.planned).filter(|(_, fault)| matches!(fault, Fault::Kill(_)));
    assert_eq!(shop.service.lock().await.kills, kills.count(), "every kill hit a living process");
    eprintln!("{count} orders, {} calls: {happened:?}", shop.world.faults.seen().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_every_order_ends_well() {
    random(Place::Inside).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_every_order_ends_well() {
    random(Place::Process).await;
}
