//! Random callers, who repeat themselves, talk at the same time and go away, and a service that is
//! restarted under them: in the end it agrees with the books of the processor, and every reply was the same
//! whenever it was given.
//!
//! COUNT rounds (4), drawn from SEED (random).

use std::{collections::BTreeMap, env, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use shop_proto::payments::v1::ListPaymentsRequest;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::*;

const TOKENS: [&str; 5] =
    ["tok_ok", "tok_unknown_outcome", "tok_timeout_then_ok", "tok_declined", "tok_of_nobody"];

/// Payments, and different requests about them.
const PAYMENTS: usize = 12;
const REQUESTS: usize = 96;
/// Who asks at the same time.
const CALLERS: usize = 8;
/// Lives of the service in a round.
const LIVES: usize = 3;

/// A request, which may be sent any number of times.
#[derive(Clone, Debug)]
struct Asking {
    request_id: String,
    operation: &'static str,
    payment_id: String,
    token: &'static str,
}

impl Asking {
    fn draw(i: usize, rng: &mut StdRng) -> Self {
        let payment = rng.random_range(0..PAYMENTS);
        Self {
            request_id: format!("r-{i}"),
            operation: OPERATIONS[[0, 0, 1, 1, 2, 3][rng.random_range(0..6)]],
            payment_id: format!("p-{payment}"),
            token: TOKENS[payment % TOKENS.len()],
        }
    }
}

type Answer = (Asking, Result<Payment, Status>);

/// The first reply to each request, and how calls ended.
#[derive(Debug, Default)]
struct Seen {
    replies: BTreeMap<String, Payment>,
    endings: BTreeMap<String, usize>,
}

impl Seen {
    fn note(&mut self, (asking, answer): Answer) {
        let ending = match answer {
            Ok(reply) => {
                let first = self.replies.entry(asking.request_id.clone()).or_insert(reply.clone());
                assert_eq!(*first, reply, "{asking:?} gets the first reply");
                "OK"
            }
            Err(status) => match Reason::of(&status) {
                Some(reason @ (Reason::OutcomeUnknown | Reason::Unavailable)) => reason.name(),
                Some(reason @ (Reason::WrongState | Reason::NotFound)) => reason.name(),
                _ => panic!("{asking:?}: {status:?}"),
            },
        };
        *self.endings.entry(ending.to_owned()).or_default() += 1;
    }
}

/// Asks at random, until it is told to go away, in the middle of a call as a rule.
async fn caller(client: Client, requests: Vec<Asking>, mut rng: StdRng, answers: mpsc::Sender<Answer>) {
    while let Some(asking) = requests.choose(&mut rng).cloned() {
        let mut client = client.clone();
        let (request_id, payment_id) = (asking.request_id.clone(), asking.payment_id.clone());
        let answer = match asking.operation {
            "authorize" => {
                let request = AuthorizeRequest { request_id, ..authorize(&payment_id, asking.token) };
                client.authorize(request).await
            }
            "capture" => client.capture(CaptureRequest { request_id, payment_id }).await,
            "void" => client.void(VoidRequest { request_id, payment_id }).await,
            _ => client.refund(RefundRequest { request_id, payment_id }).await,
        };
        if answers.send((asking, answer.map(tonic::Response::into_inner))).await.is_err() {
            return;
        }
    }
}

/// One life of the service under callers, who go away after some answers.
async fn live(service: &Service, requests: &[Asking], rng: &mut StdRng, seen: &mut Seen) {
    let (sender, mut answers) = mpsc::channel(1);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, rng) = (Client::new(service.running.channel()), StdRng::from_rng(rng));
        callers.spawn(caller(client, requests.to_vec(), rng, sender.clone()));
    }
    for _ in 0..rng.random_range(20..120) {
        seen.note(answers.recv().await.unwrap());
    }
    callers.shutdown().await;
}

/// Whether the processor was asked for something and nobody knows yet what it said. Callers are not told
/// of a capture, void or refund under way; but intents and answers take turns, and the etag counts both.
fn is_unanswered(payment: &Payment) -> bool {
    let version: u64 = payment.etag.split('-').next().unwrap().parse().unwrap();
    payment.amount.is_some() && version % 2 == 1
}

/// What the processor must have done with a payment; `None` while that is not known here.
fn expected(payment: &Payment) -> Option<&'static [&'static str]> {
    match payment.state() {
        PaymentState::Authorized => Some(&["authorize"]),
        PaymentState::Declined => Some(&[]),
        PaymentState::Captured => Some(&["authorize", "capture"]),
        PaymentState::Voided if payment.amount.is_none() => Some(&[]),
        PaymentState::Voided => Some(&["authorize", "void"]),
        PaymentState::Refunded => Some(&["authorize", "capture", "refund"]),
        PaymentState::Pending | PaymentState::Unspecified => None,
    }
}

/// Where the service and the processor disagree, or something is not answered yet.
async fn disagreement(service: &Service) -> Option<String> {
    let page = service.client.clone().list_payments(ListPaymentsRequest::default()).await.unwrap();
    let payments = page.into_inner().payments;
    let entries = ledger::entries(service.dir.path()).await;
    for entry in &entries {
        if entry.answer.is_none() || payments.iter().all(|payment| payment.payment_id != entry.payment_id) {
            return Some(format!("{entry:?}"));
        }
    }
    for payment in payments {
        let done = ledger::approved(service.dir.path(), &payment.payment_id).await;
        if is_unanswered(&payment) || expected(&payment).is_none_or(|expected| done != expected) {
            return Some(format!("{payment:?}, but done is {done:?}"));
        }
    }
    None
}

async fn round(seed: u64) -> BTreeMap<String, usize> {
    let mut rng = StdRng::seed_from_u64(seed);
    let requests: Vec<Asking> = (0..REQUESTS).map(|i| Asking::draw(i, &mut rng)).collect();
    let mut seen = Seen::default();
    let mut service = Service::start_in(TempDir::new().unwrap(), "10ms").await;
    for _ in 0..LIVES {
        live(&service, &requests, &mut rng, &mut seen).await;
        service.running.stop().await;
        service = Service::start_in(service.dir, "10ms").await;
    }
    let end = Instant::now() + Duration::from_secs(30);
    while let Some(why) = disagreement(&service).await {
        assert!(Instant::now() < end, "SEED={seed}: {why}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for asking in &requests {
        let Some(first) = seen.replies.get(&asking.request_id) else { continue };
        let Asking { request_id, operation, payment_id, token } = asking;
        let again = service.call_as(request_id, operation, payment_id, token).await.unwrap();
        assert_eq!(again, *first, "SEED={seed}: {asking:?}");
    }
    assert_eq!(disagreement(&service).await, None, "SEED={seed}: a repetition has no effect");
    seen.endings
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test]
async fn the_service_agrees_with_the_books_of_the_processor() {
    let first = setting("SEED").unwrap_or_else(rand::random);
    let count = setting("COUNT").unwrap_or(4);
    for seed in (0..count).map(|i| first.wrapping_add(i)) {
        println!("SEED={seed}");
        println!("{:?}", round(seed).await);
    }
}
