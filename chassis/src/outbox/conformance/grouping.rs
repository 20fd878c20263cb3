//! Whether commands and followers' steps share a group makes no difference to anybody: decided all at once, one
//! by one, or cut anywhere in between, they have the same answers, changes, digests, states and positions.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use time::OffsetDateTime;
use tributary_proto::feed::v1::Position;

use super::{
    bank::{Account, Bank, Command, respond},
    followed::{at, step},
    hooks::Hooks,
};
use crate::{
    fault::Reason,
    feed::{Mark, Record},
    outbox::{
        Call, Stored,
        batch::Rules,
        group::{Asked, Group, Task},
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
    followed: HashMap<String, Position>,
    records: Vec<Record>,
    answers: Vec<Result<Reply, Reason>>,
}

impl World {
    fn run(&mut self, work: &[Work]) {
        let rules = Rules {
            service: "bank".to_owned(),
            epoch: "e".to_owned(),
            feed_retain: u64::MAX,
            request_retention: Duration::MAX,
        };
        let loaded = Loaded {
            head_time: None,
            head: self.head,
            oldest: Mark::default(),
            states: self.states.clone().into_iter().collect(),
            replies: self.replies.clone().into_iter().collect(),
            followed: self.followed.clone().into_iter().collect(),
        };
        let hooks = Hooks::none();
        let mut group = Group::new(&rules, &hooks, &|_| Ok(()), OffsetDateTime::UNIX_EPOCH, loaded);
        for work in work {
            let answer = group.decide(&task(work));
            self.answers.push(answer.map_err(|fault| fault.reason()));
        }
        let batch = group.finish();
        self.head = batch.head;
        self.records.extend(batch.records);
        self.replies.extend(batch.replies);
        self.followed.extend(batch.followed);
        for (key, stored) in batch.writes {
            match stored {
                Some(stored) => self.states.insert(key, stored),
                None => self.states.remove(&key),
            };
        }
    }
}

/// What one of many asks for.
#[derive(Clone, Debug)]
enum Work {
    /// Under a request id, or none.
    Call(String, Command),
    /// From a position to a position.
    Step(u64, u64, Vec<Command>),
}

fn task(work: &Work) -> Task<Bank> {
    let (id, command) = match work {
        Work::Call(id, command) => (id, command),
        Work::Step(before, after, commands) => return Task::Step(step(at(*before), *after, commands)),
    };
    let respond = respond(command);
    let call = Call::new("m", id, &command.request()).unwrap();
    Task::Call {
        asked: Asked::new(call, command.clone()),
        positions: Positions::default(),
        respond: Box::new(move |states| prost::Message::encode_to_vec(&respond(states))),
    }
}

fn work() -> impl Strategy<Value = Vec<Work>> {
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
    let call = (request, command.clone()).prop_map(|(id, command)| Work::Call(id, command));
    // Few positions, so that many steps are from where the follower is.
    let step = (0..3_u64, 1..3_u64, prop::collection::vec(command, 0..4))
        .prop_map(|(before, after, commands)| Work::Step(before, after, commands));
    prop::collection::vec(prop_oneof![3 => call, 1 => step], 0..24)
}

proptest! {
    #[test]
    fn how_commands_are_grouped_makes_no_difference(work in work(), sizes in prop::collection::vec(1..6_usize, 24)) {
        let (mut together, mut apart, mut mixed) = (World::default(), World::default(), World::default());
        together.run(&work);
        work.chunks(1).for_each(|one| apart.run(one));
        let mut rest = work.as_slice();
        for size in sizes {
            let (group, behind) = rest.split_at(size.min(rest.len()));
            mixed.run(group);
            rest = behind;
        }
        prop_assert_eq!(&together, &apart);
        prop_assert_eq!(&together, &mixed);
    }
}
