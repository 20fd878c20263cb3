//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::Operation;

use super::*;

#[tokio::test]
async fn every_effect_is_published_and_nothing_else() {
    let service = Service::start().await;
    let creation = CreateCustomerRequest { request_id: "r-1".to_owned(), ..create("ada") };
    let created = service.create(creation.clone()).await.unwrap();
    // Neither a repetition, nor a rejection, nor an update that changes nothing.
    service.create(creation).await.unwrap();
    refusal(service.create(create("ada")).await);
    service.update(update("ada", ada())).await.unwrap();
    let changed =
        service.update(update("ada", Customer { region: "ASIA".to_owned(), ..ada() })).await.unwrap();
    service.delete(delete("ada", "")).await.unwrap();

    let changes = published(&service.running, 3).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.operation(), c.event.as_str(), c.request_id.as_str()))
        .collect();
    let expected = [
        (1, Operation::Upsert, "CustomerCreated", "r-1"),
        (2, Operation::Upsert, "CustomerUpdated", ""),
        (3, Operation::Delete, "CustomerDeleted", ""),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| (c.entity.as_str(), c.key.as_str()) == ("customers", "ada")));
    let key_alone = Customer { customer_id: "ada".to_owned(), ..Customer::default() };
    assert_eq!(changes.iter().map(value::<Customer>).collect::<Vec<_>>(), [created, changed, key_alone]);
}
