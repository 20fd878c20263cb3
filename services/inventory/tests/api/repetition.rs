//! The same request again, and another one under the same id.

use std::{fmt::Debug, future::Future};

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

fn id() -> String {
    "r-1".to_owned()
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let service = Service::start().await;
    let creation = CreateStockItemRequest { request_id: "r-1".to_owned(), ..create("saw", 5) };
    let created = service.create(creation.clone()).await.unwrap();
    let receipt = ReceiveStockRequest { request_id: "r-2".to_owned(), ..receive("saw", 3) };
    let received = service.receive(receipt.clone()).await.unwrap();
    let adjustment =
        AdjustStockRequest { request_id: "r-3".to_owned(), etag: received.etag.clone(), ..adjust("saw", -1) };
    let adjusted = service.adjust(adjustment.clone()).await.unwrap();
    let reservation = ReserveRequest { request_id: "r-4".to_owned(), ..reserve("o-1", &[("saw", 2)]) };
    let reserved = service.reserve(reservation.clone()).await.unwrap();
    let commitment = CommitRequest { request_id: "r-5".to_owned(), ..commit("o-1") };
    let committed = service.commit(commitment.clone()).await.unwrap();
    let giving_back = ReleaseRequest { request_id: "r-6".to_owned(), ..release("o-1") };
    let released = service.release(giving_back.clone()).await.unwrap();
    let deletion = DeleteStockItemRequest { request_id: "r-7".to_owned(), ..delete("saw", "") };
    service.delete(deletion.clone()).await.unwrap();

    // Whatever happened since.
    assert_eq!(service.create(creation).await.unwrap(), created);
    assert_eq!(service.receive(receipt).await.unwrap(), received);
    assert_eq!(service.adjust(adjustment).await.unwrap(), adjusted);
    assert_eq!(service.reserve(reservation).await.unwrap(), reserved);
    assert_eq!(service.commit(commitment).await.unwrap(), committed);
    assert_eq!(service.release(giving_back).await.unwrap(), released);
    service.delete(deletion).await.unwrap();
    assert_eq!(refusal(service.get("saw").await).0, Code::NotFound);
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let service = Service::start().await;
    service.create(CreateStockItemRequest { request_id: id(), ..create("saw", 5) }).await.unwrap();
    let refusals = [
        refusal(service.create(CreateStockItemRequest { request_id: id(), ..create("file", 5) }).await),
        refusal(service.receive(ReceiveStockRequest { request_id: id(), ..receive("saw", 1) }).await),
        refusal(service.adjust(AdjustStockRequest { request_id: id(), ..adjust("saw", 1) }).await),
        refusal(service.delete(DeleteStockItemRequest { request_id: id(), ..delete("saw", "") }).await),
        refusal(service.reserve(ReserveRequest { request_id: id(), ..reserve("o-1", &[("saw", 1)]) }).await),
        refusal(service.commit(CommitRequest { request_id: id(), ..commit("o-1") }).await),
        refusal(service.release(ReleaseRequest { request_id: id(), ..release("o-1") }).await),
    ];
    assert_eq!(refusals, [REUSED; 7]);
    assert_eq!(service.stock("saw").await, (5, 0, 5));
    for result in [service.get("file").await.map(drop), service.reservation("o-1").await.map(drop)] {
        assert_eq!(refusal(result).0, Code::NotFound);
    }
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let service = Service::start().await;
    service.create(create("saw", 0)).await.unwrap();
    let request = ReserveRequest { request_id: id(), ..reserve("o-1", &[("saw", 1)]) };
    assert_eq!(refused(service.reserve(request.clone()).await), out_of_stock("saw"));
    service.receive(receive("saw", 1)).await.unwrap();
    assert_eq!(service.reserve(request).await.unwrap().state(), ReservationState::Held);
}

#[tokio::test]
async fn without_a_request_id_every_call_is_new() {
    let service = Service::start().await;
    service.create(create("saw", 1)).await.unwrap();
    for expected in [2, 3] {
        assert_eq!(service.receive(receive("saw", 1)).await.unwrap().on_hand, expected);
    }
    // What is about a reservation can be repeated all the same.
    for _ in 0..2 {
        service.reserve(reserve("o-1", &[("saw", 1)])).await.unwrap();
        assert_eq!(service.stock("saw").await, (3, 1, 2));
    }
}

/// 32 callers of their own connections make the same call at the same time: all get the one reply.
async fn at_once<T, F>(service: &Service, call: impl Fn(Client) -> F) -> T
where
    T: Debug + PartialEq + Send + 'static,
    F: Future<Output = Result<T, Status>> + Send + 'static,
{
    let calls: Vec<_> = (0..32).map(|_| tokio::spawn(call(Client::new(service.running.channel())))).collect();
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap().unwrap());
    }
    let first = replies.remove(0);
    assert!(replies.iter().all(|reply| *reply == first), "{first:?} and {replies:?}");
    first
}

#[tokio::test]
async fn repetitions_at_the_same_time_have_one_effect() {
    let service = Service::start().await;
    let item = at_once(&service, |mut client| async move {
        let request = CreateStockItemRequest { request_id: "r-1".to_owned(), ..create("saw", 5) };
        Ok(client.create_stock_item(request).await?.into_inner())
    });
    assert_eq!(item.await.on_hand, 5);
    let item = at_once(&service, |mut client| async move {
        let request = ReceiveStockRequest { request_id: "r-2".to_owned(), ..receive("saw", 3) };
        Ok(client.receive_stock(request).await?.into_inner())
    });
    assert_eq!(item.await.on_hand, 8);
    let item = at_once(&service, |mut client| async move {
        let request = AdjustStockRequest { request_id: "r-3".to_owned(), ..adjust("saw", -1) };
        Ok(client.adjust_stock(request).await?.into_inner())
    });
    assert_eq!(item.await.on_hand, 7);
    let held = at_once(&service, |mut client| async move {
        let request = ReserveRequest { request_id: "r-4".to_owned(), ..reserve("o-1", &[("saw", 2)]) };
        Ok(client.reserve(request).await?.into_inner())
    });
    assert_eq!(held.await.state(), ReservationState::Held);
    assert_eq!(service.stock("saw").await, (7, 2, 5));
    let committed = at_once(&service, |mut client| async move {
        let request = CommitRequest { request_id: "r-5".to_owned(), ..commit("o-1") };
        Ok(client.commit(request).await?.into_inner())
    });
    assert_eq!(committed.await.state(), ReservationState::Committed);
    assert_eq!(service.stock("saw").await, (5, 0, 5));
    let released = at_once(&service, |mut client| async move {
        let request = ReleaseRequest { request_id: "r-6".to_owned(), ..release("o-1") };
        Ok(client.release(request).await?.into_inner())
    });
    assert_eq!(released.await.state(), ReservationState::Released);
    assert_eq!(service.stock("saw").await, (7, 0, 7));
    at_once(&service, |mut client| async move {
        let request = DeleteStockItemRequest { request_id: "r-7".to_owned(), ..delete("saw", "") };
        client.delete_stock_item(request).await.map(drop)
    })
    .await;
    assert_eq!(refusal(service.get("saw").await).0, Code::NotFound);
}

/// Each under a request id of its own, or none: what is reserved, committed and released is so once.
#[tokio::test]
async fn many_who_mean_the_same_reservation_have_one_effect() {
    let service = Service::start().await;
    service.create(create("saw", 9)).await.unwrap();
    let held = at_once(&service, |mut client| async move {
        Ok(client.reserve(reserve("o-1", &[("saw", 2)])).await?.into_inner())
    });
    assert_eq!(held.await.state(), ReservationState::Held);
    assert_eq!(service.stock("saw").await, (9, 2, 7));
    at_once(&service, |mut client| async move { Ok(client.commit(commit("o-1")).await?.into_inner()) }).await;
    assert_eq!(service.stock("saw").await, (7, 0, 7));
    at_once(&service, |mut client| async move { Ok(client.release(release("o-1")).await?.into_inner()) })
        .await;
    assert_eq!(service.stock("saw").await, (9, 0, 9));
}
