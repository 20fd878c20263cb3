//! An order from its placing to its end.

use prost_types::{FieldMask, Timestamp};

use super::*;

const WRONG_STATE: (Code, Option<Reason>) = (Code::FailedPrecondition, Some(Reason::WrongState));

#[tokio::test]
async fn an_order_is_placed_annotated_cancelled_and_deleted() {
    let shop = Shop::start().await;
    let placed = shop.place(place("o-1")).await.unwrap();
    assert_eq!((placed.order_id.as_str(), placed.customer_id.as_str()), ("o-1", "ada"));
    assert_eq!((placed.state(), placed.cancel_reason.as_str()), (OrderState::Placed, ""));
    assert!(placed.create_time.is_some() && placed.create_time == placed.update_time);
    assert_eq!(shop.get("o-1").await.unwrap(), placed);

    let annotated = shop.update(annotate("o-1", "ring twice")).await.unwrap();
    assert_eq!((annotated.note.as_str(), &annotated.lines), ("ring twice", &placed.lines));
    assert_ne!(annotated.etag, placed.etag);

    let cancelled = shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!((cancelled.state(), cancelled.cancel_reason.as_str()), (OrderState::Cancelled, "too late"));
    assert_eq!(shop.get("o-1").await.unwrap(), cancelled);

    shop.delete(delete("o-1")).await.unwrap();
    let status = shop.get("o-1").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "order `o-1` does not exist"));
}

#[tokio::test]
async fn an_order_is_cancelled_once() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(refusal(shop.cancel(cancel("o-1")).await), WRONG_STATE);
}

#[tokio::test]
async fn an_order_that_is_to_be_fulfilled_cannot_be_deleted() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    assert_eq!(refusal(shop.delete(delete("o-1")).await), WRONG_STATE);
    assert!(shop.get("o-1").await.is_ok());
}

#[tokio::test]
async fn an_id_is_taken_once_and_chosen_where_none_is_given() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    assert_eq!(refusal(shop.place(place("o-1")).await), (Code::AlreadyExists, Some(Reason::AlreadyExists)));
    let order = shop.place(place("")).await.unwrap();
    assert_eq!(shop.get(&order.order_id).await.unwrap(), order);
}

#[tokio::test]
async fn only_the_note_is_written_by_an_update() {
    let shop = Shop::start().await;
    let placed = shop.place(place("o-1")).await.unwrap();
    let forged = Order {
        order_id: "o-1".to_owned(),
        customer_id: "eve".to_owned(),
        state: OrderState::Cancelled.into(),
        order_time: Some(Timestamp::default()),
        lines: vec![],
        total: None,
        note: "ring twice".to_owned(),
        cancel_reason: "none".to_owned(),
        create_time: Some(Timestamp::default()),
        update_time: Some(Timestamp::default()),
        etag: placed.etag.clone(),
    };
    for paths in [vec![], vec!["*".to_owned()], vec!["note".to_owned()]] {
        let update_mask = Some(FieldMask { paths });
        let etag = shop.get("o-1").await.unwrap().etag;
        let order = Some(Order { etag, ..forged.clone() });
        let request = UpdateOrderRequest { order, update_mask, ..UpdateOrderRequest::default() };
        let updated = shop.update(request).await.unwrap();
        let expected = Order {
            note: "ring twice".to_owned(),
            update_time: updated.update_time,
            etag: updated.etag.clone(),
            ..placed.clone()
        };
        assert_eq!(updated, expected);
    }
    // The second and the third changed nothing.
    assert!(shop.get("o-1").await.unwrap().etag.starts_with("2-"));
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let shop = Shop::start().await;
    let etag = shop.place(place("o-1")).await.unwrap().etag;
    shop.update(annotate("o-1", "ring twice")).await.unwrap();
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    let mut update = annotate("o-1", "ring once");
    update.order.get_or_insert_default().etag = etag.clone();
    assert_eq!(refusal(shop.update(update).await), aborted);
    let request = CancelOrderRequest { etag: etag.clone(), ..cancel("o-1") };
    assert_eq!(refusal(shop.cancel(request).await), aborted);
    shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(refusal(shop.delete(DeleteOrderRequest { etag, ..delete("o-1") }).await), aborted);
    // However long it is, the refusal arrives.
    let request = DeleteOrderRequest { etag: "e".repeat(100_000), ..delete("o-1") };
    assert_eq!(refusal(shop.delete(request).await), aborted);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let shop = Shop::start().await;
    let results = [
        shop.get("o-9").await.map(drop),
        shop.update(annotate("o-9", "x")).await.map(drop),
        shop.cancel(cancel("o-9")).await.map(drop),
        shop.delete(delete("o-9")).await,
    ];
    for result in results {
        let status = result.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "order `o-9` does not exist"));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let shop = Shop::start().await;
    let placement =
        PlaceOrderRequest { request_id: "r-1".to_owned(), note: "ring".to_owned(), ..place("o-1") };
    let placed = shop.place(placement.clone()).await.unwrap();
    shop.place(place("o-2")).await.unwrap();
    let cancelled = shop.cancel(cancel("o-2")).await.unwrap();
    let shop = shop.restart().await;
    assert_eq!(shop.get("o-1").await.unwrap(), placed);
    assert_eq!(shop.get("o-2").await.unwrap(), cancelled);
    assert_eq!(shop.place(placement).await.unwrap(), placed);
}
