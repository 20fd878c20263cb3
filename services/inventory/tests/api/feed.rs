//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::{
    Operation, SnapshotStart, SubscribeRequest, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

use super::*;

#[tokio::test]
async fn every_effect_on_an_item_is_published_and_nothing_else() {
    let service = Service::start().await;
    let creation = CreateStockItemRequest { request_id: "r-1".to_owned(), ..create("saw", 5) };
    service.create(creation.clone()).await.unwrap();
    // Neither a repetition, nor a rejection, nor a reservation itself, nor what is not counted.
    service.create(creation).await.unwrap();
    refusal(service.create(create("saw", 5)).await);
    service.release(release("tombstone")).await.unwrap();
    service.reserve(reserve("not-managed", &[("book", 1)])).await.unwrap();
    service.receive(receive("saw", 2)).await.unwrap();
    service.adjust(adjust("saw", -1)).await.unwrap();
    for id in ["o-1", "o-2"] {
        let request = ReserveRequest { request_id: id.to_owned(), ..reserve(id, &[("saw", 2), ("saw", 1)]) };
        service.reserve(request).await.unwrap();
    }
    service.commit(commit("o-1")).await.unwrap();
    service.commit(commit("o-1")).await.unwrap();
    service.release(release("o-1")).await.unwrap();
    service.release(release("o-2")).await.unwrap();
    let last = service.get("saw").await.unwrap();
    service.delete(delete("saw", "")).await.unwrap();

    let changes = published(&service.running, 9).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|change| {
            let item: StockItem = value(change);
            (change.sequence, change.event.as_str(), change.request_id.as_str(), item.on_hand, item.reserved)
        })
        .collect();
    let expected = [
        (1, "StockItemCreated", "r-1", 5, 0),
        (2, "StockReceived", "", 7, 0),
        (3, "StockAdjusted", "", 6, 0),
        (4, "StockReserved", "o-1", 6, 3),
        (5, "StockReserved", "o-2", 6, 6),
        (6, "StockCommitted", "", 3, 3),
        (7, "StockReturned", "", 6, 3),
        (8, "StockReleased", "", 6, 0),
        (9, "StockItemDeleted", "", 0, 0),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| (c.entity.as_str(), c.key.as_str()) == ("stock_items", "saw")));
    assert_eq!(changes.iter().map(|c| c.version).collect::<Vec<_>>()[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    let operations: Vec<_> = changes.iter().map(|c| c.operation()).collect();
    assert_eq!(operations, [[Operation::Upsert; 8].as_slice(), &[Operation::Delete]].concat());
    assert_eq!(value::<StockItem>(&changes[7]), last);
    let key_alone = StockItem { sku: "saw".to_owned(), ..StockItem::default() };
    assert_eq!(value::<StockItem>(&changes[8]), key_alone);
}

/// All items of a reservation change together, for who follows as well.
#[tokio::test]
async fn a_reservation_is_one_command() {
    let service = Service::start().await;
    for sku in ["file", "saw"] {
        service.create(create(sku, 5)).await.unwrap();
    }
    service.reserve(reserve("o-1", &[("saw", 2), ("file", 1)])).await.unwrap();
    let changes = published(&service.running, 4).await;
    let brief: Vec<_> = changes.iter().map(|c| (c.key.as_str(), c.last_in_command)).collect();
    assert_eq!(brief, [("file", true), ("saw", true), ("file", false), ("saw", true)]);
}

#[tokio::test]
async fn an_expiry_is_published() {
    let service = Service::start_with("50ms").await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 2)])).await.unwrap();
    let changes = published(&service.running, 3).await;
    assert_eq!((changes[2].event.as_str(), value::<StockItem>(&changes[2]).reserved), ("StockExpired", 0));
}

/// Who begins now sees the items, each at the change that wrote it last, and no reservation.
#[tokio::test]
async fn a_snapshot_holds_the_items_alone() {
    let service = Service::start().await;
    for sku in ["file", "saw"] {
        service.create(create(sku, 5)).await.unwrap();
    }
    service.reserve(reserve("o-1", &[("file", 2)])).await.unwrap();
    service.release(release("o-2")).await.unwrap();
    let request = SubscribeRequest {
        start: Some(Start::Snapshot(SnapshotStart::default())),
        ..SubscribeRequest::default()
    };
    let mut client = ChangeFeedClient::new(service.running.channel());
    let mut frames = client.subscribe(request).await.unwrap().into_inner();
    let mut rows = Vec::new();
    loop {
        match frames.message().await.unwrap().unwrap().frame.unwrap() {
            Frame::SnapshotRows(frame) => rows.extend(frame.rows),
            Frame::SnapshotEnd(_) => break,
            _ => {}
        }
    }
    let brief: Vec<_> =
        rows.iter().map(|row| (row.entity.as_str(), row.key.as_str(), row.sequence)).collect();
    assert_eq!(brief, [("stock_items", "file", 3), ("stock_items", "saw", 2)]);
    assert_eq!(value::<StockItem>(&rows[0]), service.get("file").await.unwrap());
}
