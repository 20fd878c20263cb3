//! The same request again, and another one under the same id.

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let service = Service::start().await;
    // Without an id, too: the repetition gets the one that was chosen at first.
    let creation = CreateCustomerRequest { request_id: "r-1".to_owned(), ..create("") };
    let created = service.create(creation.clone()).await.unwrap();
    assert_eq!(service.create(creation.clone()).await.unwrap(), created);

    let moved = Customer { region: "ASIA".to_owned(), etag: created.etag.clone(), ..ada() };
    let change =
        UpdateCustomerRequest { request_id: "r-2".to_owned(), ..update(&created.customer_id, moved) };
    let changed = service.update(change.clone()).await.unwrap();
    assert_eq!(service.update(change.clone()).await.unwrap(), changed);

    let deletion =
        DeleteCustomerRequest { request_id: "r-3".to_owned(), ..delete(&created.customer_id, &changed.etag) };
    service.delete(deletion.clone()).await.unwrap();
    service.delete(deletion).await.unwrap();
    // Whatever happened since.
    assert_eq!(service.create(creation).await.unwrap(), created);
    assert_eq!(service.update(change).await.unwrap(), changed);
    assert_eq!(refusal(service.get(&created.customer_id).await).0, Code::NotFound);
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let service = Service::start().await;
    let id = || "r-1".to_owned();
    service.create(CreateCustomerRequest { request_id: id(), ..create("ada") }).await.unwrap();
    let other = CreateCustomerRequest { request_id: id(), ..create("bob") };
    assert_eq!(refusal(service.create(other).await), REUSED);
    let other = UpdateCustomerRequest { request_id: id(), ..update("ada", ada()) };
    assert_eq!(refusal(service.update(other).await), REUSED);
    let other = DeleteCustomerRequest { request_id: id(), ..delete("ada", "") };
    assert_eq!(refusal(service.delete(other).await), REUSED);
    assert!(service.get("ada").await.is_ok());
    assert_eq!(refusal(service.get("bob").await).0, Code::NotFound);
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let service = Service::start().await;
    let deletion = DeleteCustomerRequest { request_id: "r-1".to_owned(), ..delete("ada", "") };
    assert_eq!(refusal(service.delete(deletion.clone()).await).0, Code::NotFound);
    service.create(create("ada")).await.unwrap();
    service.delete(deletion).await.unwrap();
}

#[tokio::test]
async fn without_a_request_id_every_call_is_new() {
    let service = Service::start().await;
    service.create(create("ada")).await.unwrap();
    assert_eq!(refusal(service.create(create("ada")).await).0, Code::AlreadyExists);
    service.delete(delete("ada", "")).await.unwrap();
    assert_eq!(refusal(service.delete(delete("ada", "")).await).0, Code::NotFound);
}
