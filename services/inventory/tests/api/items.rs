//! A stock item from creation to deletion.

use tributary_chassis::position::POSITION;

use super::*;

#[tokio::test]
async fn an_item_is_created_counted_and_deleted() {
    let service = Service::start().await;
    let created = service.create(create("saw", 5)).await.unwrap();
    assert_eq!(
        StockItem { create_time: None, update_time: None, etag: String::new(), ..created.clone() },
        StockItem { sku: "saw".to_owned(), on_hand: 5, reserved: 0, available: 5, ..StockItem::default() }
    );
    assert!(created.create_time.is_some() && created.create_time == created.update_time);
    assert_eq!(service.get("saw").await.unwrap(), created);

    let received = service.receive(receive("saw", 3)).await.unwrap();
    assert_eq!((received.on_hand, received.create_time), (8, created.create_time));
    assert_ne!(received.etag, created.etag);
    let request = AdjustStockRequest { etag: received.etag, ..adjust("saw", -8) };
    let adjusted = service.adjust(request).await.unwrap();
    assert_eq!((adjusted.on_hand, adjusted.available), (0, 0));
    assert_eq!(service.get("saw").await.unwrap(), adjusted);

    service.delete(delete("saw", &adjusted.etag)).await.unwrap();
    let status = service.get("saw").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "stock item `saw` does not exist"));
    // The id is free again, and its etags never come back.
    assert_ne!(service.create(create("saw", 5)).await.unwrap().etag, created.etag);
}

#[tokio::test]
async fn a_product_becomes_managed_once() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    let taken = (Code::AlreadyExists, Some(Reason::AlreadyExists));
    assert_eq!(refusal(service.create(create("saw", 5)).await), taken);
}

#[tokio::test]
async fn at_most_so_much_is_on_hand() {
    let service = Service::start().await;
    service.create(create("saw", 1_000_000_000_000 - 1)).await.unwrap();
    assert_eq!(refused(service.receive(receive("saw", 2)).await), cause("TOO_MANY"));
    assert_eq!(refused(service.adjust(adjust("saw", 2)).await), cause("TOO_MANY"));
    assert_eq!(service.receive(receive("saw", 1)).await.unwrap().on_hand, 1_000_000_000_000);
    assert_eq!(refused(service.adjust(adjust("saw", 1)).await), cause("TOO_MANY"));
}

#[tokio::test]
async fn what_is_reserved_stays_on_hand() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 3)])).await.unwrap();
    assert_eq!(refused(service.adjust(adjust("saw", -3)).await), cause("RESERVED"));
    assert_eq!(refused(service.delete(delete("saw", "")).await), cause("RESERVED"));
    service.adjust(adjust("saw", -2)).await.unwrap();
    assert_eq!(service.stock("saw").await, (3, 3, 0));
    service.release(release("o-1")).await.unwrap();
    service.delete(delete("saw", "")).await.unwrap();
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let service = Service::start().await;
    let stale = service.create(create("saw", 5)).await.unwrap().etag;
    // A reservation is a write of the item too.
    service.reserve(reserve("o-1", &[("saw", 3)])).await.unwrap();
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    for etag in [stale.as_str(), "nonsense"] {
        let request = AdjustStockRequest { etag: etag.to_owned(), ..adjust("saw", 1) };
        assert_eq!(refusal(service.adjust(request).await), aborted);
        assert_eq!(refusal(service.delete(delete("saw", etag)).await), aborted);
    }
    assert_eq!(service.stock("saw").await, (5, 3, 2));
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let service = Service::start().await;
    let results = [
        service.get("sofa").await.map(drop),
        service.receive(receive("sofa", 1)).await.map(drop),
        service.adjust(adjust("sofa", 1)).await.map(drop),
        service.delete(delete("sofa", "")).await,
    ];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "stock item `sofa` does not exist"));
    }
}

#[tokio::test]
async fn every_reply_says_where_it_stands() {
    let service = Service::start().await;
    let mut client = service.client.clone();
    let of = |metadata: &tonic::metadata::MetadataMap| {
        metadata.get(POSITION).unwrap().to_str().unwrap().to_owned()
    };
    let created = client.create_stock_item(create("saw", 5)).await.unwrap();
    let position = of(created.metadata());
    assert!(position.starts_with("inventory/") && position.ends_with("/1"), "{position}");
    let reserved = client.reserve(reserve("o-1", &[("saw", 1)])).await.unwrap();
    let position = of(reserved.metadata());
    assert!(position.ends_with("/2"), "{position}");
    let read = client.get_reservation(GetReservationRequest { reservation_id: "o-1".to_owned() }).await;
    assert_eq!(of(read.unwrap().metadata()), position);
}

#[tokio::test]
async fn of_many_who_saw_the_same_etag_one_writes() {
    let service = Service::start().await;
    let etag = service.create(create("saw", 5)).await.unwrap().etag;
    let calls: Vec<_> = (1..=16)
        .map(|delta| {
            let request = AdjustStockRequest { etag: etag.clone(), ..adjust("saw", delta) };
            let mut client = service.client.clone();
            tokio::spawn(async move { client.adjust_stock(request).await.map(drop) })
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
