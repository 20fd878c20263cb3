//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::Operation;

use super::*;

#[tokio::test]
async fn every_effect_is_published_and_nothing_else() {
    let service = Service::start().await;
    let creation = CreateProductRequest { request_id: "r-1".to_owned(), ..create("teapot") };
    let created = service.create(creation.clone()).await.unwrap();
    // Neither a repetition, nor a rejection, nor an update that changes nothing.
    service.create(creation).await.unwrap();
    refusal(service.create(create("teapot")).await);
    service.update(update("teapot", teapot())).await.unwrap();
    let changed =
        service.update(update("teapot", Product { category: "TOOLS".to_owned(), ..teapot() })).await.unwrap();
    service.delete(delete("teapot", "")).await.unwrap();

    let changes = published(&service.running, 3).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.operation(), c.event.as_str(), c.request_id.as_str()))
        .collect();
    let expected = [
        (1, Operation::Upsert, "ProductCreated", "r-1"),
        (2, Operation::Upsert, "ProductUpdated", ""),
        (3, Operation::Delete, "ProductDeleted", ""),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| (c.entity.as_str(), c.key.as_str()) == ("products", "teapot")));
    let key_alone = Product { sku: "teapot".to_owned(), ..Product::default() };
    assert_eq!(changes.iter().map(value::<Product>).collect::<Vec<_>>(), [created, changed, key_alone]);
}
