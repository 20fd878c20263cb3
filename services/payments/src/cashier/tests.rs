//! The cashier, at a processor that does what a test tells it to.

use std::{collections::VecDeque, sync::Mutex};

use tempfile::TempDir;
use tokio::sync::Notify;
use tributary_chassis::outbox::OutboxOptions;

use super::*;
use crate::{
    domain::{Money, Stage, Token},
    store::Tables,
};

/// What the processor does when it is asked next.
#[derive(Debug)]
enum Script {
    /// It answers.
    Says(Answer),
    /// It did something or nothing, and does not say.
    IsSilent,
    /// It cannot be asked.
    IsAway,
    /// It lets wait for ever.
    Hangs,
}

use Script::{Hangs, IsAway, IsSilent, Says};

/// Notes the keys that it is asked under, and what was durable then.
#[derive(Debug)]
struct Fake {
    outbox: Outbox<Payments>,
    script: Mutex<VecDeque<Script>>,
    asked: Mutex<Vec<(String, Option<Payment>)>>,
    was_asked: Notify,
}

impl Fake {
    async fn answer(&self, key: &IdempotencyKey, payment_id: &str) -> Result<Answer, NoAnswer> {
        let seen = self.outbox.get(&payment_id.to_owned()).await.unwrap().map(|stored| stored.state);
        self.asked.lock().unwrap().push((key.to_string(), seen));
        self.was_asked.notify_one();
        let next = self.script.lock().unwrap().pop_front();
        match next {
            Some(Says(answer)) => Ok(answer),
            Some(IsSilent) => Err(NoAnswer::Unknown(key.clone())),
            Some(IsAway) => Err(NoAnswer::Unavailable(key.clone(), "away".into())),
            Some(Hangs) => std::future::pending().await,
            None => panic!("asked for {key}, which the test does not expect"),
        }
    }
}

#[tonic::async_trait]
impl PaymentProcessor for Fake {
    async fn authorize(&self, key: &IdempotencyKey, id: &str, _: &Charge) -> Result<Answer, NoAnswer> {
        self.answer(key, id).await
    }

    async fn capture(&self, key: &IdempotencyKey, id: &str) -> Result<Answer, NoAnswer> {
        self.answer(key, id).await
    }

    async fn void(&self, key: &IdempotencyKey, id: &str) -> Result<Answer, NoAnswer> {
        self.answer(key, id).await
    }

    async fn refund(&self, key: &IdempotencyKey, id: &str) -> Result<Answer, NoAnswer> {
        self.answer(key, id).await
    }
}

/// A cashier on a store of its own, at a processor with this script.
struct Desk {
    cashier: Cashier,
    processor: Arc<Fake>,
    _directory: TempDir,
}

impl Desk {
    async fn new(script: impl IntoIterator<Item = Script>) -> Self {
        let directory = TempDir::new().unwrap();
        let options = OutboxOptions::new("payments", directory.path());
        let outbox = Outbox::open_sql::<Tables>(options).await.unwrap();
        let processor = Arc::new(Fake {
            outbox: outbox.clone(),
            script: Mutex::new(script.into_iter().collect()),
            asked: Mutex::default(),
            was_asked: Notify::new(),
        });
        let cashier = Cashier::new(outbox, Arc::clone(&processor) as _);
        Self { cashier, processor, _directory: directory }
    }

    /// Has a wish come true for `p`, under a request id; replies with the state.
    async fn ask(&self, request_id: &str, wish: Wish) -> Result<String, Fault> {
        let asked = Asked::new("Test", request_id, &format!("{:?}", wish.operation())).unwrap();
        let show = |_: &str, stored: &Stored<Payment>| stored.state.state().name().to_owned();
        self.cashier.carry_out(asked, "p".to_owned(), wish, show).await
    }

    async fn stage(&self) -> Stage {
        match self.cashier.outbox.get(&"p".to_owned()).await.unwrap().unwrap().state {
            Payment::Asked { stage, .. } => stage,
            Payment::Barred => panic!("barred"),
        }
    }

    /// The keys that the processor was asked under, in order.
    fn keys(&self) -> Vec<String> {
        self.processor.asked.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }
}

fn charge() -> Charge {
    Charge {
        order_id: "o".to_owned(),
        customer_id: "c".to_owned(),
        amount: Money { currency_code: "EUR".to_owned(), minor_units: 1 },
        token: Token("t".to_owned()),
    }
}

fn authorize() -> Wish {
    Wish::Authorize(charge())
}

fn approves() -> Script {
    Says(Answer::Approved)
}

fn declines() -> Script {
    Says(Answer::Declined { code: "no".to_owned() })
}

#[tokio::test]
async fn the_processor_is_asked_for_what_is_durable_already() {
    let desk = Desk::new([approves(), approves(), approves()]).await;
    for (wish, state) in
        [(authorize(), "AUTHORIZED"), (Wish::Capture, "CAPTURED"), (Wish::Refund, "REFUNDED")]
    {
        assert_eq!(desk.ask("", wish).await.unwrap(), state);
    }
    let asked = desk.processor.asked.lock().unwrap();
    let expected = [Operation::Authorize, Operation::Capture, Operation::Refund].map(|operation| {
        let intent = Payment::Asked { charge: charge(), stage: operation.asked() };
        (format!("p:{operation}"), Some(intent))
    });
    assert_eq!(*asked, expected);
}

#[tokio::test]
async fn who_is_not_answered_asks_again_under_the_same_key() {
    let desk = Desk::new([IsSilent, IsAway, approves()]).await;
    for reason in [Reason::OutcomeUnknown, Reason::Unavailable] {
        assert_eq!(desk.ask("r", authorize()).await.unwrap_err().reason(), reason);
        assert_eq!(desk.stage().await, Stage::Pending);
    }
    assert_eq!(desk.ask("r", authorize()).await.unwrap(), "AUTHORIZED");
    assert_eq!(desk.ask("r", authorize()).await.unwrap(), "AUTHORIZED");
    assert_eq!(desk.keys(), ["p:authorize"; 3]);
}

#[tokio::test]
async fn a_processor_that_lets_wait_has_an_unknown_outcome() {
    let mut desk = Desk::new([Hangs, approves()]).await;
    desk.cashier.patience = Duration::from_millis(20);
    assert_eq!(desk.ask("r", authorize()).await.unwrap_err().reason(), Reason::OutcomeUnknown);
    assert_eq!(desk.ask("r", authorize()).await.unwrap(), "AUTHORIZED");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_intent() {
    let desk = Desk::new([Hangs, approves()]).await;
    tokio::select! {
        answer = desk.ask("r", authorize()) => panic!("answered: {answer:?}"),
        () = desk.processor.was_asked.notified() => (),
    }
    assert_eq!(desk.stage().await, Stage::Pending);
    assert_eq!(desk.ask("r", authorize()).await.unwrap(), "AUTHORIZED");
    assert_eq!(desk.keys(), ["p:authorize"; 2]);
}

#[tokio::test]
async fn another_operation_waits_for_what_is_not_answered() {
    for (script, why) in [(IsSilent, "unknown"), (IsAway, "unavailable")] {
        let desk = Desk::new([IsSilent, script, approves(), approves()]).await;
        desk.ask("r-1", authorize()).await.unwrap_err();
        // Nothing of the void has happened, so that nothing of it is unknown.
        assert_eq!(desk.ask("r-2", Wish::Void).await.unwrap_err().reason(), Reason::Unavailable, "{why}");
        assert_eq!(desk.ask("r-2", Wish::Void).await.unwrap(), "VOIDED", "{why}");
        assert_eq!(desk.keys(), ["p:authorize", "p:authorize", "p:authorize", "p:void"], "{why}");
    }
}

#[tokio::test]
async fn what_the_processor_declines_stays_as_it_was() {
    let desk = Desk::new([approves(), declines(), declines(), approves()]).await;
    desk.ask("r-1", authorize()).await.unwrap();
    for (request_id, wish) in [("r-2", Wish::Capture), ("r-3", Wish::Void)] {
        let operation = wish.operation();
        let fault = desk.ask(request_id, wish.clone()).await.unwrap_err();
        let text = format!("the processor declines to {operation} payment `p`, which stays AUTHORIZED: no");
        assert_eq!((fault.reason(), fault.message()), (Reason::WrongState, text.as_str()));
        assert_eq!(desk.stage().await, Stage::Authorized);
        // It was said, and is not asked for again under this request id.
        assert_eq!(desk.ask(request_id, wish).await.unwrap_err().reason(), Reason::WrongState);
    }
    assert_eq!(desk.ask("r-4", Wish::Capture).await.unwrap(), "CAPTURED");
}

#[tokio::test]
async fn what_was_settled_meanwhile_is_told_as_it_is() {
    let desk = Desk::new([IsSilent, approves(), approves()]).await;
    desk.ask("r-1", authorize()).await.unwrap_err();
    desk.cashier.resolve("p", &charge(), Operation::Authorize).await.unwrap();
    assert_eq!(desk.ask("r-2", Wish::Capture).await.unwrap(), "CAPTURED");
    // Late, and again: neither goes back.
    desk.cashier.settle("p", Operation::Authorize, Answer::Approved).await.unwrap();
    assert_eq!(desk.ask("r-1", authorize()).await.unwrap(), "CAPTURED");
    assert_eq!(desk.keys(), ["p:authorize", "p:authorize", "p:capture"]);
}

#[test]
fn a_claim_is_a_request_id_of_its_own() {
    for id in ["r", &"r".repeat(64)] {
        let claim = claim_id(id);
        assert!(claim.len() == 38 && claim != id, "{claim}");
    }
    assert_ne!(claim_id("a"), claim_id("b"));
}
