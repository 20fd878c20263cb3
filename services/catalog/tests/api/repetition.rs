//! The same request again, and another one under the same id.

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let service = Service::start().await;
    // Without an id, too: the repetition gets the one that was chosen at first.
    let creation = CreateProductRequest { request_id: "r-1".to_owned(), ..create("") };
    let created = service.create(creation.clone()).await.unwrap();
    assert_eq!(service.create(creation.clone()).await.unwrap(), created);

    let cheaper = Product { price: Some(euros(1999)), etag: created.etag.clone(), ..teapot() };
    let change = UpdateProductRequest { request_id: "r-2".to_owned(), ..update(&created.sku, cheaper) };
    let changed = service.update(change.clone()).await.unwrap();
    assert_eq!(service.update(change.clone()).await.unwrap(), changed);

    let deletion =
        DeleteProductRequest { request_id: "r-3".to_owned(), ..delete(&created.sku, &changed.etag) };
    service.delete(deletion.clone()).await.unwrap();
    service.delete(deletion).await.unwrap();
    // Whatever happened since.
    assert_eq!(service.create(creation).await.unwrap(), created);
    assert_eq!(service.update(change).await.unwrap(), changed);
    assert_eq!(refusal(service.get(&created.sku).await).0, Code::NotFound);
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let service = Service::start().await;
    let id = || "r-1".to_owned();
    service.create(CreateProductRequest { request_id: id(), ..create("teapot") }).await.unwrap();
    let other = CreateProductRequest { request_id: id(), ..create("saw") };
    assert_eq!(refusal(service.create(other).await), REUSED);
    let other = UpdateProductRequest { request_id: id(), ..update("teapot", teapot()) };
    assert_eq!(refusal(service.update(other).await), REUSED);
    let other = DeleteProductRequest { request_id: id(), ..delete("teapot", "") };
    assert_eq!(refusal(service.delete(other).await), REUSED);
    assert!(service.get("teapot").await.is_ok());
    assert_eq!(refusal(service.get("saw").await).0, Code::NotFound);
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let service = Service::start().await;
    let deletion = DeleteProductRequest { request_id: "r-1".to_owned(), ..delete("teapot", "") };
    assert_eq!(refusal(service.delete(deletion.clone()).await).0, Code::NotFound);
    service.create(create("teapot")).await.unwrap();
    service.delete(deletion).await.unwrap();
}

#[tokio::test]
async fn without_a_request_id_every_call_is_new() {
    let service = Service::start().await;
    service.create(create("teapot")).await.unwrap();
    assert_eq!(refusal(service.create(create("teapot")).await).0, Code::AlreadyExists);
    service.delete(delete("teapot", "")).await.unwrap();
    assert_eq!(refusal(service.delete(delete("teapot", "")).await).0, Code::NotFound);
}
