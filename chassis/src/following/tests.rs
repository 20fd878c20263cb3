//! Over real connections and on a real store; what waits, waits for a condition, and with a deadline.

mod heights;

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;
use prost_types::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use self::heights::{BREAKING, BROKEN, Heights, REJECTED, Raise, TRIED, account, react};
use super::*;
use crate::{
    feed::memory,
    lock::LockError,
    outbox::{OpenError, OutboxOptions},
    testing::{Role, StandIn},
};

const DEADLINE: Duration = Duration::from_secs(30);
const BANK: Role =
    Role { service: "bank", entities: &["accounts", "notes"], descriptors: memory::descriptors };

/// Who follows; ends when it is dropped, wherever it is.
struct Following {
    outbox: Outbox<Heights>,
    state: watch::Receiver<State>,
    _meters: SdkMeterProvider,
    registry: Registry,
    _task: AbortOnDropHandle<()>,
}

impl Following {
    async fn start(directory: &Path, source: &StandIn) -> Self {
        Self::start_with(directory, source, react).await
    }

    /// Of a source that is still empty: once its snapshot is over, everything comes as a change.
    async fn from_nothing(directory: &Path, source: &StandIn) -> Self {
        let following = Self::start(directory, source).await;
        eventually(async || following.outbox.followed("bank").await.unwrap().is_some()).await;
        following
    }

    async fn start_with(
        directory: &Path,
        source: &StandIn,
        react: impl Fn(&Change) -> Result<Vec<Raise>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let outbox = open(directory).await;
        let (meters, registry) = measured();
        let metrics = Metrics::new(&meters.meter("test"), "bank");
        let endpoint = source.url().parse().unwrap();
        let source = Source { service: "bank", endpoint, entities: &["accounts"] };
        let (told, state) = watch::channel(State::Disconnected);
        let task = Task::new("test", outbox.clone(), source, Box::new(react), told, metrics);
        let task = AbortOnDropHandle::new(tokio::spawn(task.run()));
        Self { outbox, state, _meters: meters, registry, _task: task }
    }

    async fn height(&self, key: &str) -> (i64, u64) {
        let stored = self.outbox.get(&key.to_owned()).await.unwrap();
        stored.map_or((0, 0), |stored| (stored.state.highest, stored.state.raised))
    }

    /// Once it has come as far, how high and how often.
    async fn through(&self, sequence: u64) -> (i64, u64) {
        eventually(async || self.position().await >= sequence).await;
        self.height("a").await
    }

    /// What /metrics shows under this name.
    fn metric(&self, name: &str) -> Option<f64> {
        let name = format!("tributary_following_{name}");
        let family = self.registry.gather().into_iter().find(|family| family.name() == name)?;
        let metric = &family.get_metric()[0];
        assert_eq!((metric.get_label()[0].name(), metric.get_label()[0].value()), ("source", "bank"));
        Some(metric.get_gauge().get_value() + metric.get_counter().get_value())
    }

    async fn position(&self) -> u64 {
        self.outbox.followed("bank").await.unwrap().map_or(0, |position| position.sequence)
    }

    async fn stopped(&mut self) -> String {
        let stopped = self.state.wait_for(|state| matches!(state, State::Stopped { .. }));
        match timeout(DEADLINE, stopped).await.unwrap().unwrap().clone() {
            State::Stopped { reason } => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn measured() -> (SdkMeterProvider, Registry) {
    let registry = Registry::new();
    let pull = opentelemetry_prometheus::exporter().with_registry(registry.clone());
    let pull = pull.scope_info_enabled(false).build().unwrap();
    (SdkMeterProvider::builder().with_reader(pull).build(), registry)
}

/// Waits for the predecessor to let go of the store.
async fn open(directory: &Path) -> Outbox<Heights> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match Outbox::open_sled::<Heights>(OutboxOptions::new("heights", directory)).await {
            Err(OpenError::Lock(LockError::Held { .. })) if Instant::now() < deadline => {
                sleep(Duration::from_millis(1)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    let search = async {
        while !condition().await {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, search).await.expect("in time");
}

#[tokio::test]
async fn every_change_has_its_effect_once() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    let following = Following::from_nothing(directory.path(), &bank).await;
    for height in 1..=200 {
        bank.put("accounts", "a", &account(height));
    }
    assert_eq!(following.through(200).await, (200, 200));
    drop(following);
    for height in 201..=300 {
        bank.put("accounts", "a", &account(height));
    }
    let following = Following::start(directory.path(), &bank).await;
    assert_eq!(following.through(300).await, (300, 300));
    // What is not followed moves the position alone.
    let through = bank.put("notes", "n", &account(1));
    assert_eq!(following.through(through).await, (300, 300));
}

/// Ended COUNT times, at moments chosen from SEED, while the bank goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_is_cut_off_every_change_has_its_effect_once() {
    let setting = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, seed) = (setting("COUNT", 20), setting("SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    drop(Following::from_nothing(directory.path(), &bank).await);
    let (mut height, mut cuts) = (0, 0);
    for _ in 0..count {
        let following = Following::start(directory.path(), &bank).await;
        let end = height + rng.random_range(1..40);
        let writing = async {
            while height < end {
                height += 1;
                bank.put("accounts", "a", &account(height));
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_micros(rng.random_range(0..20_000));
        tokio::join!(writing, sleep(patience));
        cuts += u64::from(following.position().await < height as u64);
    }
    let following = Following::start(directory.path(), &bank).await;
    assert_eq!(following.through(height as u64).await, (height, height as u64), "seed {seed}");
    println!("seed {seed}: {height} changes, {cuts} of {count} ends came before the last of them");
}

#[tokio::test]
async fn who_knows_nothing_or_too_little_takes_a_snapshot() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    for height in 1..=5 {
        bank.put("accounts", "a", &account(height));
        bank.put("accounts", &format!("b{height}"), &account(1));
    }
    // As it is now, not how it came to be.
    let following = Following::start(directory.path(), &bank).await;
    assert_eq!(following.through(10).await, (5, 1));
    assert_eq!(following.height("b3").await, (1, 1));
    let through = bank.put("accounts", "a", &account(6));
    assert_eq!(following.through(through).await, (6, 2));
    drop(following);

    bank.put("accounts", "a", &account(7));
    let through = bank.put("accounts", "a", &account(8));
    bank.forget();
    let following = Following::start(directory.path(), &bank).await;
    assert_eq!(following.through(through).await, (8, 3));
    assert_eq!(following.height("b3").await, (1, 1), "what is there already is not done again");
}

#[tokio::test]
async fn a_source_that_is_away_is_waited_for() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    let mut following = Following::from_nothing(directory.path(), &bank).await;
    let through = bank.put("accounts", "a", &account(1));
    assert_eq!(following.through(through).await, (1, 1));
    eventually(async || following.metric("lag_seconds").is_some()).await;
    let away = bank.stop().await;
    timeout(DEADLINE, following.state.wait_for(|state| *state == State::Disconnected))
        .await
        .unwrap()
        .unwrap();
    // Nothing more is heard, and what is here grows older all the same.
    let age = following.metric("lag_seconds").expect("the source has told its clock");
    eventually(async || following.metric("lag_seconds").unwrap() > age + 0.05).await;
    let bank = away.back().await;
    let through = bank.put("accounts", "a", &account(2));
    assert_eq!(following.through(through).await, (2, 2));
    assert_eq!(*following.state.borrow(), State::Connected);
    assert_eq!((following.metric("stopped"), following.metric("connected")), (Some(0.0), Some(1.0)));
    let told = async || (following.metric("lag"), following.metric("changes_total"));
    eventually(async || told().await == (Some(0.0), Some(2.0))).await;
    assert_eq!(following.metric("snapshots_total"), Some(1.0));
}

#[tokio::test]
async fn a_defect_does_not_look_like_silence() {
    let (directory, (meters, _)) = (TempDir::new().unwrap(), measured());
    let source = Source { service: "bank", endpoint: Uri::from_static("http://a:1"), entities: &[] };
    let (told, state) = watch::channel(State::Connected);
    let (outbox, metrics) = (open(directory.path()).await, Metrics::new(&meters.meter("test"), "bank"));
    let task = Task::new("test", outbox, source, Box::new(react), told, metrics);
    let defect = tokio::spawn(async move {
        let _task = task;
        panic!("as planned");
    });
    assert!(defect.await.unwrap_err().is_panic());
    assert!(matches!(&*state.borrow(), State::Stopped { .. }));
}

#[tokio::test]
async fn another_history_is_taken_by_a_snapshot() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    let following = Following::start(directory.path(), &bank).await;
    let through = bank.put("accounts", "a", &account(5));
    assert_eq!(following.through(through).await, (5, 1));
    let bank = bank.stop().await.back_with_another_history().await;
    bank.put("accounts", "a", &account(3));
    bank.put("accounts", "b", &account(4));
    eventually(async || following.height("b").await == (4, 1)).await;
    assert_eq!(following.height("a").await, (5, 1), "behind, so that nothing came of it");
    let through = bank.put("accounts", "a", &account(6));
    eventually(async || following.height("a").await == (6, 2)).await;
    let position = following.outbox.followed("bank").await.unwrap().unwrap();
    assert_eq!((position.epoch.as_str(), position.sequence), ("e1x", through));
}

/// Publishes one change; tells its position.
type Publish = fn(&StandIn) -> u64;

#[tokio::test]
async fn what_cannot_be_done_stops_it_and_is_not_skipped() {
    let cases: [(&str, &str, Publish); 3] = [
        ("rejected", "change 2 of `a` in `accounts`: too high", |bank| {
            bank.put("accounts", "a", &account(REJECTED))
        }),
        ("undecodable", "change 2 of `a` in `accounts`: it carries `/google.protobuf.Timestamp`", |bank| {
            bank.put("accounts", "a", &Timestamp::default())
        }),
        ("panics", "change 2 of `bad` in `accounts`: it makes the service panic", |bank| {
            bank.put("accounts", "bad", &account(1))
        }),
    ];
    for (name, expected, publish) in cases {
        let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
        let mut following = Following::from_nothing(directory.path(), &bank).await;
        let through = bank.put("accounts", "a", &account(1));
        assert_eq!(following.through(through).await, (1, 1), "{name}");
        let bad = publish(&bank);
        let through = bank.put("accounts", "a", &account(2));
        let reason = following.stopped().await;
        let reason = reason.replace("type.googleapis.com", "");
        assert!(reason.starts_with(expected), "{name}: {reason}");
        assert_eq!((following.position().await, following.height("a").await), (bad - 1, (1, 1)), "{name}");
        assert_eq!((following.metric("stopped"), following.metric("connected")), (Some(1.0), Some(0.0)));
        drop(following);

        // The next start tries again: for now in vain.
        let mut following = Following::start(directory.path(), &bank).await;
        following.stopped().await;
        assert_eq!(following.position().await, bad - 1, "{name}");
        drop(following);

        // A version that knows what to do goes on where it was.
        let lenient = move |change: &Change| if change.sequence == bad { Ok(vec![]) } else { react(change) };
        let following = Following::start_with(directory.path(), &bank, lenient).await;
        assert_eq!(following.through(through).await, (2, 2), "{name}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    let following = Following::from_nothing(directory.path(), &bank).await;
    let through = bank.put("accounts", "a", &account(1));
    assert_eq!(following.through(through).await, (1, 1));
    BROKEN.store(true, Ordering::SeqCst);
    bank.put("accounts", "a", &account(BREAKING));
    let through = bank.put("accounts", "a", &account(BREAKING + 1));
    eventually(async || TRIED.load(Ordering::SeqCst) > 2).await;
    assert_eq!(following.position().await, 1);
    assert_eq!(*following.state.borrow(), State::Connected);
    BROKEN.store(false, Ordering::SeqCst);
    assert_eq!(following.through(through).await, (BREAKING + 1, 3));
}

#[tokio::test]
async fn another_service_under_the_address_is_not_another_history() {
    let (bank, directory) = (StandIn::start(BANK).await, TempDir::new().unwrap());
    let mut following = Following::start(directory.path(), &bank).await;
    let through = bank.put("accounts", "a", &account(5));
    assert_eq!(following.through(through).await, (5, 1));
    let bank = bank.stop().await;
    let other = bank.meanwhile(Role { service: "other", ..BANK }).await;
    other.put("accounts", "a", &account(9));
    // An attempt may have failed before the other was there; the next one has met it.
    for _ in 0..2 {
        timeout(DEADLINE, following.state.changed()).await.unwrap().unwrap();
    }
    assert_eq!(*following.state.borrow(), State::Disconnected);
    assert_eq!((following.position().await, following.height("a").await), (through, (5, 1)));
    other.stop().await;
    let bank = bank.back().await;
    let through = bank.put("accounts", "a", &account(7));
    assert_eq!(following.through(through).await, (7, 2));
}

#[tokio::test]
async fn another_service_is_not_followed() {
    let (other, directory) =
        (StandIn::start(Role { service: "other", ..BANK }).await, TempDir::new().unwrap());
    other.put("accounts", "a", &account(1));
    let mut following = Following::start(directory.path(), &other).await;
    // Told when it begins, and again when the other has answered.
    for _ in 0..2 {
        timeout(DEADLINE, following.state.changed()).await.unwrap().unwrap();
    }
    assert_eq!(*following.state.borrow(), State::Disconnected);
    assert_eq!((following.position().await, following.height("a").await), (0, (0, 0)));
}
