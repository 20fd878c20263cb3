//! A reservation from its making to its end.

use shop_proto::inventory::v1::ReservedLine;

use super::*;

fn line(sku: &str, quantity: i64, managed: bool) -> ReservedLine {
    ReservedLine { sku: sku.to_owned(), quantity, managed }
}

#[tokio::test]
async fn what_is_reserved_is_committed_and_put_back() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    let held = service.reserve(reserve("o-1", &[("saw", 2), ("book", 9), ("saw", 1)])).await.unwrap();
    assert_eq!(held.state(), ReservationState::Held);
    assert_eq!(held.lines, [line("saw", 2, true), line("book", 9, false), line("saw", 1, true)]);
    assert!(at(held.expire_time) > at(held.create_time) && held.create_time == held.update_time);
    assert_eq!(service.reservation("o-1").await.unwrap(), held);
    assert_eq!(service.stock("saw").await, (5, 3, 2));

    let committed = service.commit(commit("o-1")).await.unwrap();
    assert_eq!(committed.state(), ReservationState::Committed);
    assert_eq!((&committed.lines, committed.create_time), (&held.lines, held.create_time));
    assert_ne!(committed.etag, held.etag);
    assert_eq!(service.reservation("o-1").await.unwrap(), committed);
    assert_eq!(service.stock("saw").await, (2, 0, 2));
    assert_eq!(service.commit(commit("o-1")).await.unwrap(), committed);
    assert_eq!(
        service.reserve(reserve("o-1", &[("saw", 2), ("book", 9), ("saw", 1)])).await.unwrap(),
        committed
    );

    let released = service.release(release("o-1")).await.unwrap();
    assert_eq!(released.state(), ReservationState::Released);
    assert_eq!(service.stock("saw").await, (5, 0, 5));
    assert_eq!(service.release(release("o-1")).await.unwrap(), released);
    assert_eq!(refused(service.commit(commit("o-1")).await), cause("RELEASED"));
    let again = service.reserve(reserve("o-1", &[("saw", 2), ("book", 9), ("saw", 1)])).await;
    assert_eq!(refused(again), cause("RELEASED"));
    assert_eq!(service.reservation("o-1").await.unwrap(), released);
}

#[tokio::test]
async fn what_is_held_is_given_back() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 5)])).await.unwrap();
    assert_eq!(service.release(release("o-1")).await.unwrap().state(), ReservationState::Released);
    assert_eq!(service.stock("saw").await, (5, 0, 5));
    // It is there for others.
    service.reserve(reserve("o-2", &[("saw", 5)])).await.unwrap();
}

#[tokio::test]
async fn all_lines_are_held_or_none() {
    let service = Service::start().await;
    for (sku, on_hand) in [("file", 9), ("nail", 1), ("saw", 2)] {
        service.create(create(sku, on_hand)).await.unwrap();
    }
    let asked = [("saw", 2), ("file", 9), ("nail", 1), ("saw", 1), ("nail", 1)];
    assert_eq!(refused(service.reserve(reserve("o-1", &asked)).await), out_of_stock("nail,saw"));
    for (sku, on_hand) in [("file", 9), ("nail", 1), ("saw", 2)] {
        assert_eq!(service.stock(sku).await, (on_hand, 0, on_hand));
    }
    assert_eq!(refusal(service.reservation("o-1").await).0, Code::NotFound);
    // A refusal leaves nothing behind: the same id may be tried again.
    service.receive(receive("saw", 1)).await.unwrap();
    service.receive(receive("nail", 1)).await.unwrap();
    service.reserve(reserve("o-1", &asked)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_managed_is_committed_at_once() {
    let service = Service::start().await;
    let made = service.reserve(reserve("o-1", &[("book", 1_000_000)])).await.unwrap();
    assert_eq!((made.state(), made.expire_time), (ReservationState::Committed, None));
    assert_eq!(service.commit(commit("o-1")).await.unwrap(), made);
    // Whatever comes later, nothing was counted, and nothing is put back.
    service.create(create("book", 1)).await.unwrap();
    let released = service.release(release("o-1")).await.unwrap();
    assert_eq!(released.lines, [line("book", 1_000_000, false)]);
    assert_eq!(service.stock("book").await, (1, 0, 1));
}

#[tokio::test]
async fn other_lines_under_the_same_id_are_refused() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    service.reserve(reserve("o-1", &[("saw", 2)])).await.unwrap();
    let taken = (Code::AlreadyExists, Some(Reason::AlreadyExists));
    for lines in [&[("saw", 1)][..], &[("file", 2)], &[("saw", 1), ("saw", 1)]] {
        assert_eq!(refusal(service.reserve(reserve("o-1", lines)).await), taken);
    }
    assert_eq!(service.stock("saw").await, (5, 2, 3));
}

#[tokio::test]
async fn a_release_may_come_first() {
    let service = Service::start().await;
    service.create(create("saw", 5)).await.unwrap();
    let released = service.release(release("o-1")).await.unwrap();
    assert_eq!((released.state(), released.expire_time), (ReservationState::Released, None));
    assert!(released.lines.is_empty() && released.create_time.is_some());
    assert_eq!(service.reservation("o-1").await.unwrap(), released);
    assert_eq!(refused(service.reserve(reserve("o-1", &[("saw", 2)])).await), cause("RELEASED"));
    assert_eq!(refused(service.commit(commit("o-1")).await), cause("RELEASED"));
    assert_eq!(service.stock("saw").await, (5, 0, 5));
}

/// Whoever of the two is decided first, what is left is the same: nothing is held.
#[tokio::test]
async fn a_release_and_a_reservation_at_the_same_time_hold_nothing() {
    let service = Service::start().await;
    service.create(create("saw", 1_000)).await.unwrap();
    let calls: Vec<_> = (0..64)
        .map(|i| {
            let (client, id) = (service.client.clone(), format!("o-{i}"));
            tokio::spawn(async move {
                let (mut one, mut two) = (client.clone(), client);
                tokio::join!(one.reserve(reserve(&id, &[("saw", 1)])), two.release(release(&id)))
            })
        })
        .collect();
    for call in calls {
        let (reserved, released) = call.await.unwrap();
        assert_eq!(released.unwrap().into_inner().state(), ReservationState::Released);
        match reserved {
            Ok(reply) => assert_eq!(reply.into_inner().state(), ReservationState::Held),
            late => assert_eq!(refused(late), cause("RELEASED")),
        }
    }
    assert_eq!(service.stock("saw").await, (1_000, 0, 1_000));
}

/// More ask for the last pieces than there are.
#[tokio::test]
async fn no_piece_is_given_twice() {
    let service = Service::start().await;
    service.create(create("saw", 10)).await.unwrap();
    let calls: Vec<_> = (0..32)
        .map(|i| {
            let mut client = service.client.clone();
            tokio::spawn(async move { client.reserve(reserve(&format!("o-{i}"), &[("saw", 1)])).await })
        })
        .collect();
    let mut held = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => held += 1,
            late => assert_eq!(refused(late), out_of_stock("saw")),
        }
    }
    assert_eq!(held, 10);
    assert_eq!(service.stock("saw").await, (10, 10, 0));
}

#[tokio::test]
async fn what_was_never_reserved_is_named() {
    let service = Service::start().await;
    for result in [service.reservation("o-1").await, service.commit(commit("o-1")).await] {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "reservation `o-1` does not exist"));
    }
}

#[tokio::test]
async fn what_is_put_back_needs_its_item() {
    let service = Service::start().await;
    for sku in ["file", "saw"] {
        service.create(create(sku, 1)).await.unwrap();
    }
    service.reserve(reserve("o-1", &[("saw", 1), ("file", 1)])).await.unwrap();
    service.commit(commit("o-1")).await.unwrap();
    service.delete(delete("saw", "")).await.unwrap();
    service.release(release("o-1")).await.unwrap();
    assert_eq!(service.stock("file").await, (1, 0, 1));
    assert_eq!(refusal(service.get("saw").await).0, Code::NotFound);
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let service = Service::start().await;
    let item = service.create(create("saw", 9)).await.unwrap();
    let request = ReserveRequest { request_id: "r-1".to_owned(), ..reserve("held", &[("saw", 1)]) };
    let held = service.reserve(request.clone()).await.unwrap();
    service.reserve(reserve("committed", &[("saw", 2)])).await.unwrap();
    let committed = service.commit(commit("committed")).await.unwrap();
    let released = service.release(release("released")).await.unwrap();

    let service = service.restart().await;
    assert_eq!(service.get("saw").await.unwrap().create_time, item.create_time);
    assert_eq!(service.stock("saw").await, (7, 1, 6));
    for (id, reservation) in [("held", &held), ("committed", &committed), ("released", &released)] {
        assert_eq!(service.reservation(id).await.unwrap(), *reservation);
    }
    assert_eq!(service.reserve(request).await.unwrap(), held);
    assert_eq!(service.commit(commit("held")).await.unwrap().state(), ReservationState::Committed);
    assert_eq!(service.stock("saw").await, (6, 0, 6));
}
