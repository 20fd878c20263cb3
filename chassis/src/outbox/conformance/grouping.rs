//! Whether commands share a group makes no difference to anybody: decided all at once, one by one, or cut
//! anywhere in between, they have the same answers, changes, digests and states.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::{
    bank::{Account, Bank, Command, respond},
    hooks::Hooks,
};
use crate::{
    fault::Reason,
    feed::{Mark, Record},
    outbox::{
        Call, Model as _, Stored,
        batch::Rules,
        group::{Group, Job},
        store::{Loaded, Reply},
    },
    position::Positions,
};

/// A store in memory, and all that came of it.
#[derive(Debug, Default, PartialEq)]
struct World {
    head: Mark,
    states: HashMap<String, Stored<Account>>,
    replies: HashMap<String, Reply>,
    records: Vec<Record>,
    answers: Vec<Result<Reply, Reason>>,
}

impl World {
    fn run(&mut self, commands: &[(String, Command)]) {
        let rules = Rules {
            service: "bank".to_owned(),
            epoch: "e".to_owned(),
            feed_retain: u64::MAX,
            request_retention: Duration::MAX,
        };
        let loaded = Loaded {
            head: self.head,
            oldest: Mark::default(),
            states: self.states.clone().into_iter().collect(),
            replies: self.replies.clone().into_iter().collect(),
        };
        let hooks = Hooks::none();
        let mut group = Group::new(&rules, &hooks, &|_| Ok(()), OffsetDateTime::UNIX_EPOCH, loaded);
        for (id, command) in commands {
            let answer = group.decide(&job(id, command));
            self.answers.push(answer.map_err(|fault| fault.reason()));
        }
        let batch = group.finish();
        self.head = batch.head;
        self.records.extend(batch.records);
        self.replies.extend(batch.replies);
        for (key, stored) in batch.writes {
            match stored {
                Some(stored) => self.states.insert(key, stored),
                None => self.states.remove(&key),
            };
        }
    }
}

fn job(id: &str, command: &Command) -> Job<Bank> {
    let respond = respond(command);
    Job {
        call: Call::new("m", id, &command.request()).unwrap(),
        positions: Positions::default(),
        reads: Bank::reads(command),
        command: command.clone(),
        respond: Box::new(move |states| prost::Message::encode_to_vec(&respond(states))),
        answer: oneshot::channel().0,
    }
}

fn commands() -> impl Strategy<Value = Vec<(String, Command)>> {
    let id = || prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    let command = prop_oneof![
        (id(), 0..3_i64).prop_map(|(id, balance)| Command::Open { id, balance }),
        (id(), 0..3_i64).prop_map(|(id, amount)| Command::Deposit { id, amount }),
        (id(), id(), 0..3_i64).prop_map(|(from, to, amount)| Command::Transfer { from, to, amount }),
        id().prop_map(|id| Command::Close { id }),
        id().prop_map(|id| Command::Look { id }),
        prop::collection::vec(id(), 0..4).prop_map(|ids| Command::Touch {
            ids,
            memo: String::new(),
            padding: 1
        }),
    ];
    // Few request ids, so that many are used again, by the same request and by others.
    let request = prop::sample::select(vec!["", "", "r1", "r2", "r3"]).prop_map(str::to_owned);
    prop::collection::vec((request, command), 0..24)
}

proptest! {
    #[test]
    fn how_commands_are_grouped_makes_no_difference(commands in commands(), sizes in prop::collection::vec(1..6_usize, 24)) {
        let (mut together, mut apart, mut mixed) = (World::default(), World::default(), World::default());
        together.run(&commands);
        commands.chunks(1).for_each(|one| apart.run(one));
        let mut rest = commands.as_slice();
        for size in sizes {
            let (group, behind) = rest.split_at(size.min(rest.len()));
            mixed.run(group);
            rest = behind;
        }
        prop_assert_eq!(&together, &apart);
        prop_assert_eq!(&together, &mixed);
    }
}
