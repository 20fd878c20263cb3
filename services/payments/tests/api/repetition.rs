//! The same request again, at the same time, and another one under the same id.

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

/// How many clients ask at the same time.
const AT_ONCE: usize = 32;

/// The answers to one request that many clients send at the same time.
async fn all_at_once(service: &Service, request: &AuthorizeRequest) -> Vec<Result<Payment, Status>> {
    let calls: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            // Each over a connection of its own.
            let (mut client, request) = (Client::new(service.running.channel()), request.clone());
            tokio::spawn(async move { Ok(client.authorize(request).await?.into_inner()) })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let service = Service::start().await;
    let mut first = Vec::new();
    for operation in ["authorize", "capture", "refund"] {
        let reply = service.call_as(operation, operation, "p-1", "tok_ok").await.unwrap();
        assert_eq!(service.call_as(operation, operation, "p-1", "tok_ok").await.unwrap(), reply);
        first.push((operation, reply));
    }
    let voided = service.call_as("v-1", "void", "p-2", "").await.unwrap();
    assert_eq!(service.call_as("v-1", "void", "p-2", "").await.unwrap(), voided);
    // Whatever happened since, and to whomever.
    let service = service.restart().await;
    for (operation, reply) in first {
        assert_eq!(service.call_as(operation, operation, "p-1", "tok_ok").await.unwrap(), reply);
    }
    let entries = ledger::entries(service.dir.path()).await;
    assert!(entries.iter().all(|entry| entry.attempts == 1), "{entries:?}");
}

#[tokio::test]
async fn of_many_clients_with_one_request_one_charges() {
    let service = Service::start().await;
    // With an id, and without one: then the first chooses for all of them.
    for (i, id) in ["p-1", ""].into_iter().enumerate() {
        let request = AuthorizeRequest { request_id: format!("r-{i}"), ..authorize(id, "tok_ok") };
        let answers = all_at_once(&service, &request).await;
        let first = answers[0].as_ref().unwrap().clone();
        assert_eq!(first.state(), PaymentState::Authorized);
        for answer in answers {
            assert_eq!(answer.unwrap(), first);
        }
        assert_eq!(ledger::approved(service.dir.path(), &first.payment_id).await, ["authorize"]);
        let entries = ledger::entries(service.dir.path()).await;
        assert_eq!(entries.len(), i + 1, "one charge each: {entries:?}");
        // The intent and the answer, and nothing beside them.
        assert_eq!(first.etag, format!("2-{}", 2 * (i + 1)));
    }
}

#[tokio::test]
async fn of_many_clients_that_are_not_answered_one_charges() {
    let service = Service::start().await;
    for token in ["tok_unknown_outcome", "tok_timeout_then_ok"] {
        let request = AuthorizeRequest { request_id: token.to_owned(), ..authorize(token, token) };
        let mut replies = Vec::new();
        for answer in all_at_once(&service, &request).await {
            match answer {
                Ok(reply) => replies.push(reply),
                refused => assert_eq!(refusal(refused), UNKNOWN),
            }
        }
        replies.push(service.authorize(request).await.unwrap());
        replies.dedup();
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(ledger::approved(service.dir.path(), token).await, ["authorize"]);
    }
}

#[tokio::test]
async fn of_many_clients_with_requests_of_their_own_one_captures() {
    let service = Service::start().await;
    service.call("authorize", "p-1").await.unwrap();
    for operation in ["capture", "refund"] {
        let calls: Vec<_> = (0..AT_ONCE)
            .map(|i| {
                let (client, request_id) = (service.client.clone(), format!("{operation}-{i}"));
                let payment_id = "p-1".to_owned();
                tokio::spawn(async move {
                    let mut client = client;
                    if operation == "capture" {
                        client.capture(CaptureRequest { request_id, payment_id }).await
                    } else {
                        client.refund(RefundRequest { request_id, payment_id }).await
                    }
                })
            })
            .collect();
        let mut replies = Vec::new();
        for call in calls {
            replies.push(call.await.unwrap().unwrap().into_inner());
        }
        replies.dedup();
        assert_eq!(replies.len(), 1, "{replies:?}");
    }
    assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize", "capture", "refund"]);
    // Two changes each, and none for those who came second.
    assert_eq!(service.get("p-1").await.unwrap().etag, "6-6");
}

#[tokio::test]
async fn of_capture_and_void_at_once_one_wins() {
    let service = Service::start().await;
    for i in 0..16 {
        let id = format!("p-{i}");
        service.call("authorize", &id).await.unwrap();
        let (captured, voided) = tokio::join!(service.call("capture", &id), service.call("void", &id));
        let (won, lost) = if captured.is_ok() { (captured, voided) } else { (voided, captured) };
        let (won, lost) = (won.unwrap(), lost.unwrap_err());
        // Refused by what the other has done, or held up by what the other waits for.
        assert!(matches!(lost.code(), Code::FailedPrecondition | Code::Unavailable), "{lost}");
        assert_eq!(service.get(&id).await.unwrap(), won);
        let done = if won.state() == PaymentState::Captured { "capture" } else { "void" };
        assert_eq!(ledger::approved(service.dir.path(), &id).await, ["authorize", done]);
    }
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let service = Service::start().await;
    service.call_as("r-1", "authorize", "p-1", "tok_ok").await.unwrap();
    assert_eq!(refusal(service.call_as("r-1", "authorize", "p-2", "tok_ok").await), REUSED);
    for operation in ["capture", "void", "refund"] {
        assert_eq!(refusal(service.call_as("r-1", operation, "p-1", "").await), REUSED);
    }
    assert_eq!(refusal(service.get("p-2").await).0, Code::NotFound);
    assert_eq!(ledger::approved(service.dir.path(), "p-1").await, ["authorize"]);
}

#[tokio::test]
async fn a_request_id_is_taken_before_its_request_is_answered() {
    let service = Service::start().await;
    let token = "tok_timeout_then_ok";
    assert_eq!(refusal(service.call_as("r-1", "authorize", "p-1", token).await), UNKNOWN);
    let status = service.call_as("r-1", "authorize", "p-2", "tok_ok").await.unwrap_err();
    assert_eq!((status.code(), Reason::of(&status)), REUSED);
    assert_eq!(detail(&status, "request_id").as_deref(), Some("r-1"), "as the caller knows it");
    assert!(status.message().contains("`r-1`"), "{status}");
    assert_eq!(ledger::approved(service.dir.path(), "p-2").await, [""; 0]);
    service.call_as("r-1", "authorize", "p-1", token).await.unwrap();
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let service = Service::start().await;
    assert_eq!(refusal(service.call_as("r-1", "capture", "p-1", "").await).0, Code::NotFound);
    service.call("authorize", "p-1").await.unwrap();
    service.call_as("r-1", "capture", "p-1", "").await.unwrap();
    assert_eq!(cause(service.call_as("r-2", "void", "p-1", "").await), "CAPTURED");
    service.call("refund", "p-1").await.unwrap();
    assert_eq!(cause(service.call_as("r-2", "void", "p-1", "").await), "REFUNDED");
}

#[tokio::test]
async fn an_id_that_was_chosen_stays_chosen() {
    let service = Service::start().await;
    for token in ["tok_unknown_outcome", "tok_timeout_then_ok"] {
        let request = AuthorizeRequest { request_id: token.to_owned(), ..authorize("", token) };
        assert_eq!(refusal(service.authorize(request.clone()).await), UNKNOWN);
        let id = service.authorize(request.clone()).await.unwrap().payment_id;
        assert_eq!(ledger::approved(service.dir.path(), &id).await, ["authorize"]);
        assert_eq!(service.authorize(request).await.unwrap().payment_id, id);
    }
    assert_eq!(ledger::entries(service.dir.path()).await.len(), 2);
}
