//! A customer from creation to deletion.

use prost_types::{FieldMask, Timestamp};
use tributary_chassis::position::POSITION;

use super::*;

#[tokio::test]
async fn a_customer_is_created_read_changed_and_deleted() {
    let service = Service::start().await;
    let created = service.create(create("ada")).await.unwrap();
    assert_eq!(
        Customer { create_time: None, update_time: None, etag: String::new(), ..created.clone() },
        Customer { customer_id: "ada".to_owned(), ..ada() }
    );
    assert!(created.create_time.is_some() && created.create_time == created.update_time);
    assert_eq!(service.get("ada").await.unwrap(), created);

    let moved = Customer { region: "ASIA".to_owned(), ..ada() };
    let changed = service.update(update("ada", moved)).await.unwrap();
    assert_eq!((changed.region.as_str(), changed.create_time), ("ASIA", created.create_time));
    assert_ne!(changed.etag, created.etag);
    assert_eq!(service.get("ada").await.unwrap(), changed);

    service.delete(delete("ada", &changed.etag)).await.unwrap();
    let status = service.get("ada").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "customer `ada` does not exist"));
    // The id is free again, and its etags never come back.
    assert_ne!(service.create(create("ada")).await.unwrap().etag, created.etag);
}

#[tokio::test]
async fn an_id_is_chosen_where_none_is_given() {
    let service = Service::start().await;
    let (one, two) = (service.create(create("")).await.unwrap(), service.create(create("")).await.unwrap());
    assert_ne!(one.customer_id, two.customer_id);
    assert_eq!(service.get(&one.customer_id).await.unwrap(), one);
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let service = Service::start().await;
    service.create(create("ada")).await.unwrap();
    let taken = (Code::AlreadyExists, Some(Reason::AlreadyExists));
    assert_eq!(refusal(service.create(create("ada")).await), taken);
}

#[tokio::test]
async fn output_only_fields_are_ignored() {
    let service = Service::start().await;
    let epoch = Some(Timestamp::default());
    let forged = Customer { create_time: epoch, update_time: epoch, etag: "9-9".to_owned(), ..ada() };
    let created =
        service.create(CreateCustomerRequest { customer: Some(forged), ..create("ada") }).await.unwrap();
    assert!(created.create_time != epoch && created.update_time != epoch && created.etag != "9-9");

    let forged = Customer { create_time: epoch, update_time: epoch, region: "ASIA".to_owned(), ..ada() };
    let changed = service.update(update("ada", forged)).await.unwrap();
    assert!(changed.create_time == created.create_time && changed.update_time != epoch);
}

#[tokio::test]
async fn an_update_writes_what_its_mask_names() {
    let service = Service::start().await;
    service.create(create("ada")).await.unwrap();
    let other = Customer { display_name: "Bea".to_owned(), region: "ASIA".to_owned(), ..Customer::default() };
    let masked = |paths: &[&str]| UpdateCustomerRequest {
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..update("ada", other.clone())
    };
    let changed = service.update(masked(&["region", "segment"])).await.unwrap();
    let brief = |c: Customer| [c.display_name, c.email, c.region, c.segment];
    assert_eq!(brief(changed), ["Ada", "ada@example.com", "ASIA", ""]);
    let changed = service.update(masked(&["*"])).await.unwrap();
    assert_eq!(brief(changed), ["Bea", "", "ASIA", ""]);
}

#[tokio::test]
async fn an_update_that_changes_nothing_keeps_the_etag() {
    let service = Service::start().await;
    let created = service.create(create("ada")).await.unwrap();
    assert_eq!(service.update(update("ada", ada())).await.unwrap(), created);
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let service = Service::start().await;
    let stale = service.create(create("ada")).await.unwrap();
    let moved = Customer { region: "ASIA".to_owned(), etag: stale.etag.clone(), ..ada() };
    let current = service.update(update("ada", moved.clone())).await.unwrap();
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    assert_eq!(refusal(service.update(update("ada", moved)).await), aborted);
    assert_eq!(refusal(service.delete(delete("ada", &stale.etag)).await), aborted);
    assert_eq!(refusal(service.delete(delete("ada", "nonsense")).await), aborted);
    assert_eq!(service.get("ada").await.unwrap(), current);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let service = Service::start().await;
    let results = [
        service.get("eve").await.map(drop),
        service.update(update("eve", ada())).await.map(drop),
        service.delete(delete("eve", "")).await,
    ];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "customer `eve` does not exist"));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let service = Service::start().await;
    let request = CreateCustomerRequest { request_id: "r-1".to_owned(), ..create("ada") };
    let created = service.create(request.clone()).await.unwrap();
    let service = service.restart().await;
    assert_eq!(service.get("ada").await.unwrap(), created);
    assert_eq!(service.create(request).await.unwrap(), created);
    assert_eq!(refusal(service.create(create("ada")).await).0, Code::AlreadyExists);
}

#[tokio::test]
async fn texts_come_back_as_they_were() {
    let service = Service::start().await;
    let awkward = r#"'; DROP TABLE customers; -- "quoted" \u0041 {} %s 😀 é ﷽ \\ \"#;
    let customer =
        Customer { display_name: awkward.to_owned(), segment: "\u{2028}\u{feff}x".to_owned(), ..ada() };
    let request = CreateCustomerRequest { customer: Some(customer.clone()), ..create("ada") };
    let created = service.create(request).await.unwrap();
    assert_eq!((created.display_name, created.segment), (customer.display_name, customer.segment));
    let read = service.get("ada").await.unwrap();
    assert_eq!((read.display_name.as_str(), read.segment.as_str()), (awkward, "\u{2028}\u{feff}x"));
}

#[tokio::test]
async fn every_reply_says_where_it_stands() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let created = client.create_customer(create("ada")).await.unwrap();
    let read = client.get_customer(GetCustomerRequest { customer_id: "ada".to_owned() }).await.unwrap();
    let of = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get(POSITION).unwrap().to_str().unwrap().to_owned()
    };
    let position = of(created.metadata());
    assert!(position.starts_with("customers/") && position.ends_with("/1"), "{position}");
    assert_eq!(of(read.metadata()), position);
}

#[tokio::test]
async fn of_many_who_saw_the_same_etag_one_writes() {
    let service = Service::start().await;
    let etag = service.create(create("ada")).await.unwrap().etag;
    let calls: Vec<_> = (0..16)
        .map(|i| {
            let customer = Customer { display_name: format!("Name {i}"), etag: etag.clone(), ..ada() };
            let (mut client, request) = (service.client.clone(), update("ada", customer));
            tokio::spawn(async move { client.update_customer(request).await.map(drop) })
        })
        .collect();
    let mut written = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(()) => written += 1,
            refused => assert_eq!(refusal(refused), (Code::Aborted, Some(Reason::EtagMismatch))),
        }
    }
    assert_eq!(written, 1);
}
