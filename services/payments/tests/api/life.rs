//! What becomes of payments: every operation in every state.

use tributary_chassis::position::POSITION;

use super::*;

/// The operations that lead to a state.
const STATES: [(&str, &[&str]); 5] = [
    ("AUTHORIZED", &["authorize"]),
    ("CAPTURED", &["authorize", "capture"]),
    ("VOIDED", &["authorize", "void"]),
    ("REFUNDED", &["authorize", "capture", "refund"]),
    // Voided before it was authorized.
    ("VOIDED", &["void"]),
];

/// What an operation comes to in a state.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The payment is in this state.
    To(&'static str),
    /// It is answered as it is.
    Same,
    /// FAILED_PRECONDITION, with the state as `cause`.
    Refused,
}

#[tokio::test]
async fn every_operation_in_every_state() {
    use Then::{Refused, Same, To};
    let service = Service::start().await;
    let table = [
        [Same, To("CAPTURED"), To("VOIDED"), Refused],
        [Same, Same, Refused, To("REFUNDED")],
        [Same, Refused, Same, Refused],
        [Same, Refused, Refused, Same],
        [Refused, Refused, Same, Refused],
    ];
    for (i, ((state, way), expected)) in STATES.into_iter().zip(table).enumerate() {
        for (operation, expected) in OPERATIONS.into_iter().zip(expected) {
            let id = format!("p-{i}-{operation}");
            for step in way {
                service.call(step, &id).await.unwrap();
            }
            let before = service.get(&id).await.unwrap();
            assert_eq!(before.state().as_str_name(), state);
            let what = format!("{operation} in {state} ({i})");
            match expected {
                To(next) => {
                    let after = service.call(operation, &id).await.unwrap();
                    assert_eq!(after.state().as_str_name(), next, "{what}");
                    assert_eq!(service.get(&id).await.unwrap(), after, "{what}");
                }
                Same => assert_eq!(service.call(operation, &id).await.unwrap(), before, "{what}"),
                Refused => {
                    assert_eq!(cause(service.call(operation, &id).await), state, "{what}");
                    assert_eq!(service.get(&id).await.unwrap(), before, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_authorized_payment_is_what_was_asked_for() {
    let service = Service::start().await;
    let payment = service.authorize(authorize("p-1", "tok_ok")).await.unwrap();
    let expected = Payment {
        payment_id: "p-1".to_owned(),
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        state: PaymentState::Authorized.into(),
        amount: Some(euros(2500)),
        create_time: payment.create_time,
        update_time: payment.update_time,
        etag: payment.etag.clone(),
        ..Payment::default()
    };
    assert_eq!(payment, expected);
    assert!(payment.create_time.is_some() && payment.update_time.is_some() && !payment.etag.is_empty());
    let captured = service.call("capture", "p-1").await.unwrap();
    assert!(captured.etag != payment.etag && captured.create_time == payment.create_time);
}

#[tokio::test]
async fn an_id_is_chosen_where_none_is_given() {
    let service = Service::start().await;
    let first = service.authorize(authorize("", "tok_ok")).await.unwrap();
    let second = service.authorize(authorize("", "tok_ok")).await.unwrap();
    assert!(first.payment_id.len() == 36 && first.payment_id < second.payment_id);
}

#[tokio::test]
async fn an_id_is_for_one_charge() {
    let service = Service::start().await;
    let first = service.authorize(authorize("p-1", "tok_ok")).await.unwrap();
    let others = [
        AuthorizeRequest { order_id: "o-2".to_owned(), ..authorize("p-1", "tok_ok") },
        AuthorizeRequest { customer_id: "bob".to_owned(), ..authorize("p-1", "tok_ok") },
        AuthorizeRequest { amount: Some(euros(2501)), ..authorize("p-1", "tok_ok") },
        authorize("p-1", "tok_declined"),
    ];
    for other in others {
        let status = service.authorize(other).await.unwrap_err();
        assert_eq!((status.code(), Reason::of(&status)), (Code::AlreadyExists, Some(Reason::AlreadyExists)));
        assert!(!format!("{status:?}").contains("tok_"), "{status:?}");
    }
    assert_eq!(service.authorize(authorize("p-1", "tok_ok")).await.unwrap(), first);
}

#[tokio::test]
async fn voided_before_it_is_authorized_it_stays_voided() {
    let service = Service::start().await;
    let voided = service.call("void", "p-1").await.unwrap();
    let expected = Payment {
        payment_id: "p-1".to_owned(),
        state: PaymentState::Voided.into(),
        create_time: voided.create_time,
        update_time: voided.update_time,
        etag: voided.etag.clone(),
        ..Payment::default()
    };
    assert_eq!(voided, expected);
    assert_eq!(cause(service.call("authorize", "p-1").await), "VOIDED");
    let service = service.restart().await;
    assert_eq!(cause(service.call("authorize", "p-1").await), "VOIDED");
    assert_eq!(service.get("p-1").await.unwrap(), voided);
    assert_eq!(ledger::entries(service.dir.path()).await, [], "nobody was asked for anything");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let service = Service::start().await;
    let results =
        [service.get("p-0").await, service.call("capture", "p-0").await, service.call("refund", "p-0").await];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "payment `p-0` does not exist"));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let service = Service::start().await;
    let captured = {
        service.call_as("r-1", "authorize", "p-1", "tok_ok").await.unwrap();
        service.call_as("r-2", "capture", "p-1", "").await.unwrap()
    };
    let service = service.restart().await;
    assert_eq!(service.get("p-1").await.unwrap(), captured);
    assert_eq!(service.call_as("r-2", "capture", "p-1", "").await.unwrap(), captured);
    assert_eq!(service.call("refund", "p-1").await.unwrap().state(), PaymentState::Refunded);
    assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "capture", "refund"]);
}

#[tokio::test]
async fn every_reply_says_where_it_stands() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let authorized = client.authorize(authorize("p-1", "tok_ok")).await.unwrap();
    let read = client.get_payment(GetPaymentRequest { payment_id: "p-1".to_owned() }).await.unwrap();
    let of = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get(POSITION).unwrap().to_str().unwrap().to_owned()
    };
    let position = of(authorized.metadata());
    // The intent, and the answer.
    assert!(position.starts_with("payments/") && position.ends_with("/2"), "{position}");
    assert_eq!(of(read.metadata()), position);
}
