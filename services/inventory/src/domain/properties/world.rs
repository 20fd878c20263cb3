//! All states in memory, and how commands come to them: read first, then decided.

use std::collections::{BTreeMap, HashMap};

use time::Duration;
use tributary_chassis::{outbox::Stored, testing::NOW};

use super::*;

/// How long a reservation is held.
const TTL: Duration = Duration::minutes(15);

/// What a caller, or the time, does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Create {
        sku: String,
        on_hand: i64,
    },
    Receive {
        sku: String,
        quantity: i64,
    },
    Adjust {
        sku: String,
        delta: i64,
    },
    Delete {
        sku: String,
    },
    Reserve {
        id: String,
        lines: Vec<Line>,
    },
    Commit {
        id: String,
    },
    Release {
        id: String,
    },
    /// Whether or not its time is over.
    Expire {
        id: String,
    },
    Pass {
        minutes: i64,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    states: HashMap<Key, Stored<State>>,
    passed: Duration,
}

impl World {
    pub(super) fn act(&mut self, act: &Act) -> Result<(), Rejection> {
        let command = match act.clone() {
            Act::Create { sku, on_hand } => Command::Create { sku, on_hand },
            Act::Receive { sku, quantity } => Command::Receive { sku, quantity },
            Act::Adjust { sku, delta } => Command::Adjust { sku, delta, etag: String::new() },
            Act::Delete { sku } => Command::Delete { sku, etag: String::new() },
            Act::Reserve { id, lines } => {
                Command::Reserve { reservation_id: id, lines, expire_time: self.now() + TTL }
            }
            Act::Commit { id } => Command::Commit { claim: self.claim(&id), reservation_id: id },
            Act::Release { id } => Command::Release { claim: self.claim(&id), reservation_id: id },
            Act::Expire { id } => Command::Expire { claim: self.claim(&id), reservation_id: id },
            Act::Pass { minutes } => {
                self.passed += Duration::minutes(minutes);
                return Ok(());
            }
        };
        self.run(&command)
    }

    fn run(&mut self, command: &Command) -> Result<(), Rejection> {
        let reads = Inventory::reads(command);
        let known = reads.iter().filter_map(|key| Some((key.clone(), self.states.get(key)?.clone())));
        for write in Inventory::decide(command, &States::new(known), self.now())? {
            assert!(reads.contains(&write.key), "{command:?} writes {:?} and does not read it", write.key);
            let version = self.states.get(&write.key).map_or(0, |stored| stored.version) + 1;
            let (create_time, update_time) = (NOW, NOW);
            match write.state {
                Some(state) => {
                    let stored = Stored { state, sequence: 1, version, create_time, update_time };
                    self.states.insert(write.key, stored);
                }
                None => assert!(self.states.remove(&write.key).is_some(), "{:?} was not there", write.key),
            }
        }
        Ok(())
    }

    fn now(&self) -> OffsetDateTime {
        NOW + self.passed
    }

    fn claim(&self, id: &str) -> Claim {
        self.reservations().get(id).map(Reservation::claim).unwrap_or_default()
    }

    pub(super) fn reservations(&self) -> BTreeMap<String, Reservation> {
        let all = States::new(self.states.clone());
        let ids = self.states.keys().filter_map(|key| match key {
            Key::Reservation(id) => Some(id.clone()),
            _ => None,
        });
        ids.map(|id| (id.clone(), find(&all, &id).unwrap())).collect()
    }

    pub(super) fn items(&self) -> BTreeMap<String, StockItem> {
        let items = self.states.iter().filter_map(|(key, stored)| match (key, &stored.state) {
            (Key::Item(sku), State::Item(item)) => Some((sku.clone(), item.clone())),
            _ => None,
        });
        items.collect()
    }

    /// The ids of what is marked as held.
    pub(super) fn held(&self) -> BTreeSet<String> {
        let held = self.states.values().filter_map(|stored| match &stored.state {
            State::Held(held) => Some(held.reservation_id.clone()),
            _ => None,
        });
        held.collect()
    }
}
