//! Every documented token through authorize, capture, void and refund.

use super::*;

/// The tokens that are declined, and why.
const DECLINED: [(&str, &str); 5] = [
    ("tok_declined", "card_declined"),
    ("tok_insufficient_funds", "insufficient_funds"),
    ("tok_expired_card", "expired_card"),
    ("tok_of_nobody", "unknown_token"),
    ("TOK_OK", "unknown_token"),
];

/// The ways to an end, and what the processor has done then.
const WAYS: [&[&str]; 3] =
    [&["authorize", "capture"], &["authorize", "void"], &["authorize", "capture", "refund"]];

#[tokio::test]
async fn with_tok_ok_everything_works() {
    let service = Service::start().await;
    for (i, way) in WAYS.into_iter().enumerate() {
        let id = format!("p-{i}");
        for operation in way {
            service.call(operation, &id).await.unwrap();
        }
        assert_eq!(ledger::approved(service.dir.path(), &id).await, way);
    }
    let entries = ledger::entries(service.dir.path()).await;
    assert!(entries.iter().all(|entry| entry.attempts == 1), "{entries:?}");
}

#[tokio::test]
async fn a_declined_payment_is_an_answer() {
    let service = Service::start().await;
    for (token, code) in DECLINED {
        let declined = service.authorize(authorize(token, token)).await.unwrap();
        assert_eq!((declined.state(), declined.decline_code.as_str()), (PaymentState::Declined, code));
        assert_eq!(service.authorize(authorize(token, token)).await.unwrap(), declined);
        assert_eq!(service.call("void", token).await.unwrap(), declined);
        for operation in ["capture", "refund"] {
            assert_eq!(cause(service.call(operation, token).await), "DECLINED", "{operation} by {token}");
        }
        assert_eq!(service.get(token).await.unwrap(), declined);
        assert_eq!(ledger::approved(service.dir.path(), token).await, [""; 0]);
    }
    let entries = ledger::entries(service.dir.path()).await;
    assert!(entries.iter().all(|entry| entry.attempts == 1), "asked once each: {entries:?}");
}

/// The first attempt at each operation is not answered, the second is; between them, this is what others
/// see and what the processor did.
async fn unanswered_at_first(token: &str, has_effect: bool) {
    let service = Service::start().await;
    for (i, way) in WAYS.into_iter().enumerate() {
        let id = format!("p-{i}");
        let mut done = Vec::new();
        let mut seen = PaymentState::Pending;
        for operation in way {
            let request_id = format!("{id}-{operation}");
            let call = || service.call_as(&request_id, operation, &id, token);
            let status = call().await.unwrap_err();
            assert_eq!((status.code(), Reason::of(&status)), UNKNOWN, "{operation} by {token}");
            assert_eq!(detail(&status, "operation").as_deref(), Some(*operation));
            assert_eq!(service.get(&id).await.unwrap().state(), seen, "an intent is no effect");
            if has_effect {
                done.push((*operation).to_owned());
            }
            assert_eq!(ledger::approved(service.dir.path(), &id).await, done);
            let answered = call().await.unwrap();
            if !has_effect {
                done.push((*operation).to_owned());
            }
            assert_eq!(ledger::approved(service.dir.path(), &id).await, done);
            assert_eq!(call().await.unwrap(), answered, "the reply is kept");
            seen = answered.state();
        }
    }
    let entries = ledger::entries(service.dir.path()).await;
    assert!(entries.len() == 7 && entries.iter().all(|entry| entry.attempts == 2), "{entries:?}");
}

#[tokio::test]
async fn with_tok_timeout_then_ok_the_first_attempt_has_no_effect() {
    unanswered_at_first("tok_timeout_then_ok", false).await;
}

#[tokio::test]
async fn with_tok_unknown_outcome_the_first_attempt_has_its_effect() {
    unanswered_at_first("tok_unknown_outcome", true).await;
}
