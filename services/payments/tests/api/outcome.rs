//! What is not known whether it happened: over restarts, with nobody who asks again, and with other
//! operations in the meantime.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

const TOKENS: [&str; 2] = ["tok_unknown_outcome", "tok_timeout_then_ok"];

/// Waits until a payment is in a state without being asked for.
async fn until(service: &Service, payment_id: &str, state: PaymentState) -> Payment {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let payment = service.get(payment_id).await.unwrap();
        if payment.state() == state {
            return payment;
        }
        assert!(Instant::now() < end, "{payment_id} does not become {state:?}: {payment:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Not answered, unless the service itself has asked again already.
fn once(result: Result<Payment, Status>) {
    if result.is_err() {
        assert_eq!(refusal(result), UNKNOWN);
    }
}

#[tokio::test]
async fn who_asks_again_behind_a_restart_is_answered() {
    for token in TOKENS {
        let mut service = Service::start().await;
        for (operation, state) in [
            ("authorize", PaymentState::Authorized),
            ("capture", PaymentState::Captured),
            ("refund", PaymentState::Refunded),
        ] {
            let ask = service.call_as(operation, operation, "p-1", token).await;
            assert_eq!(refusal(ask), UNKNOWN, "{operation} by {token}");
            service = service.restart().await;
            let payment = service.call_as(operation, operation, "p-1", token).await.unwrap();
            assert_eq!(payment.state(), state, "{operation} by {token}");
        }
        assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "capture", "refund"]);
    }
}

#[tokio::test]
async fn a_start_resolves_what_nobody_asks_for_again() {
    for token in TOKENS {
        let service = Service::start().await;
        assert_eq!(refusal(service.call_as("r-1", "authorize", "p-1", token).await), UNKNOWN);
        let service = service.restart().await;
        let resolved = until(&service, "p-1", PaymentState::Authorized).await;
        assert_eq!(service.call_as("r-1", "authorize", "p-1", token).await.unwrap(), resolved);
        let entries = ledger::entries(service.dir.path()).await;
        assert_eq!((entries.len(), entries[0].attempts), (1, 2), "{entries:?}");
    }
}

#[tokio::test]
async fn every_intent_is_resolved_in_time() {
    let service = Service::start_in(TempDir::new().unwrap(), "10ms").await;
    // More than a page of them.
    for i in 0..80 {
        let token = TOKENS[i % 2];
        once(service.call_as("", "authorize", &format!("p-{i}"), token).await);
    }
    for i in 0..80 {
        until(&service, &format!("p-{i}"), PaymentState::Authorized).await;
    }
    once(service.call("capture", "p-0").await);
    until(&service, "p-0", PaymentState::Captured).await;
    once(service.call("void", "p-1").await);
    until(&service, "p-1", PaymentState::Voided).await;
    let entries = ledger::entries(service.dir.path()).await;
    assert_eq!(entries.len(), 82);
    assert!(entries.iter().all(|entry| entry.answer.as_deref() == Some("approved")), "{entries:?}");
}

#[tokio::test]
async fn a_void_of_a_pending_payment_resolves_it_first() {
    for token in TOKENS {
        let service = Service::start().await;
        assert_eq!(refusal(service.call_as("r-1", "authorize", "p-1", token).await), UNKNOWN);
        let voided = service.insist("void", "p-1", token).await;
        assert_eq!(voided.state(), PaymentState::Voided);
        assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "void"]);
        // The authorization that comes late is told what became of it.
        assert_eq!(service.call_as("r-1", "authorize", "p-1", token).await.unwrap(), voided);
        assert_eq!(cause(service.call("capture", "p-1").await), "VOIDED");
    }
}

#[tokio::test]
async fn a_void_learns_that_it_comes_too_late() {
    for token in TOKENS {
        let service = Service::start().await;
        service.insist("authorize", "p-1", token).await;
        assert_eq!(refusal(service.call_as("r-1", "capture", "p-1", token).await), UNKNOWN);
        // Resolves the capture, and is refused by it.
        assert_eq!(cause(service.call("void", "p-1").await), "CAPTURED");
        assert_eq!(service.insist("refund", "p-1", token).await.state(), PaymentState::Refunded);
        assert_eq!(cause(service.call("void", "p-1").await), "REFUNDED");
        assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "capture", "refund"]);
    }
}

#[tokio::test]
async fn a_refund_resolves_the_capture_first() {
    for token in TOKENS {
        let service = Service::start().await;
        service.insist("authorize", "p-1", token).await;
        assert_eq!(refusal(service.call("capture", "p-1").await), UNKNOWN);
        assert_eq!(service.insist("refund", "p-1", token).await.state(), PaymentState::Refunded);
        assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "capture", "refund"]);
    }
}
