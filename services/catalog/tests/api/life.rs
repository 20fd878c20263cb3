//! A product from creation to deletion.

use prost_types::{FieldMask, Timestamp};
use tributary_chassis::position::POSITION;

use super::*;

#[tokio::test]
async fn a_customer_is_created_read_changed_and_deleted() {
    let service = Service::start().await;
    let created = service.create(create("teapot")).await.unwrap();
    assert_eq!(
        Product { create_time: None, update_time: None, etag: String::new(), ..created.clone() },
        Product { sku: "teapot".to_owned(), ..teapot() }
    );
    assert!(created.create_time.is_some() && created.create_time == created.update_time);
    assert_eq!(service.get("teapot").await.unwrap(), created);

    let cheaper = Product { price: Some(euros(1999)), ..teapot() };
    let changed = service.update(update("teapot", cheaper)).await.unwrap();
    assert_eq!((changed.price.as_ref(), changed.create_time), (Some(&euros(1999)), created.create_time));
    assert_ne!(changed.etag, created.etag);
    assert_eq!(service.get("teapot").await.unwrap(), changed);

    service.delete(delete("teapot", &changed.etag)).await.unwrap();
    let status = service.get("teapot").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "product `teapot` does not exist"));
    // The id is free again, and its etags never come back.
    assert_ne!(service.create(create("teapot")).await.unwrap().etag, created.etag);
}

#[tokio::test]
async fn an_id_is_chosen_where_none_is_given() {
    let service = Service::start().await;
    let (one, two) = (service.create(create("")).await.unwrap(), service.create(create("")).await.unwrap());
    assert_ne!(one.sku, two.sku);
    assert_eq!(service.get(&one.sku).await.unwrap(), one);
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let service = Service::start().await;
    service.create(create("teapot")).await.unwrap();
    let taken = (Code::AlreadyExists, Some(Reason::AlreadyExists));
    assert_eq!(refusal(service.create(create("teapot")).await), taken);
}

#[tokio::test]
async fn output_only_fields_are_ignored() {
    let service = Service::start().await;
    let epoch = Some(Timestamp::default());
    let forged = Product { create_time: epoch, update_time: epoch, etag: "9-9".to_owned(), ..teapot() };
    let created =
        service.create(CreateProductRequest { product: Some(forged), ..create("teapot") }).await.unwrap();
    assert!(created.create_time != epoch && created.update_time != epoch && created.etag != "9-9");

    let forged = Product { create_time: epoch, update_time: epoch, category: "TOOLS".to_owned(), ..teapot() };
    let changed = service.update(update("teapot", forged)).await.unwrap();
    assert!(changed.create_time == created.create_time && changed.update_time != epoch);
}

#[tokio::test]
async fn an_update_writes_what_its_mask_names() {
    let service = Service::start().await;
    service.create(create("teapot")).await.unwrap();
    let other =
        Product { display_name: "Saw".to_owned(), category: "TOOLS".to_owned(), ..Product::default() };
    let masked = |paths: &[&str], price| UpdateProductRequest {
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..update("teapot", Product { price, ..other.clone() })
    };
    let brief = |p: Product| (p.display_name, p.category, p.price);
    let expected = ("Teapot".to_owned(), "TOOLS".to_owned(), Some(euros(2500)));
    assert_eq!(brief(service.update(masked(&["category"], None)).await.unwrap()), expected);
    let expected = ("Saw".to_owned(), "TOOLS".to_owned(), Some(euros(1)));
    assert_eq!(brief(service.update(masked(&["*"], Some(euros(1)))).await.unwrap()), expected);
}

#[tokio::test]
async fn an_update_that_changes_nothing_keeps_the_etag() {
    let service = Service::start().await;
    let created = service.create(create("teapot")).await.unwrap();
    assert_eq!(service.update(update("teapot", teapot())).await.unwrap(), created);
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let service = Service::start().await;
    let stale = service.create(create("teapot")).await.unwrap();
    let cheaper = Product { price: Some(euros(1999)), etag: stale.etag.clone(), ..teapot() };
    let current = service.update(update("teapot", cheaper.clone())).await.unwrap();
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    assert_eq!(refusal(service.update(update("teapot", cheaper)).await), aborted);
    assert_eq!(refusal(service.delete(delete("teapot", &stale.etag)).await), aborted);
    assert_eq!(refusal(service.delete(delete("teapot", "nonsense")).await), aborted);
    assert_eq!(service.get("teapot").await.unwrap(), current);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let service = Service::start().await;
    let results = [
        service.get("sofa").await.map(drop),
        service.update(update("sofa", teapot())).await.map(drop),
        service.delete(delete("sofa", "")).await,
    ];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "product `sofa` does not exist"));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let service = Service::start().await;
    let request = CreateProductRequest { request_id: "r-1".to_owned(), ..create("teapot") };
    let created = service.create(request.clone()).await.unwrap();
    let service = service.restart().await;
    assert_eq!(service.get("teapot").await.unwrap(), created);
    assert_eq!(service.create(request).await.unwrap(), created);
    assert_eq!(refusal(service.create(create("teapot")).await).0, Code::AlreadyExists);
}

#[tokio::test]
async fn every_reply_says_where_it_stands() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let created = client.create_product(create("teapot")).await.unwrap();
    let read = client.get_product(GetProductRequest { sku: "teapot".to_owned() }).await.unwrap();
    let of = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get(POSITION).unwrap().to_str().unwrap().to_owned()
    };
    let position = of(created.metadata());
    assert!(position.starts_with("catalog/") && position.ends_with("/1"), "{position}");
    assert_eq!(of(read.metadata()), position);
}

#[tokio::test]
async fn of_many_who_saw_the_same_etag_one_writes() {
    let service = Service::start().await;
    let etag = service.create(create("teapot")).await.unwrap().etag;
    let calls: Vec<_> = (0..16)
        .map(|i| {
            let product = Product { display_name: format!("Name {i}"), etag: etag.clone(), ..teapot() };
            let (mut client, request) = (service.client.clone(), update("teapot", product));
            tokio::spawn(async move { client.update_product(request).await.map(drop) })
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
