//! An order from its placing to its end.

use prost_types::{FieldMask, Timestamp};
use shop_proto::orders::v1::{CancelCause, PaymentMethod};

use super::*;

const WRONG_STATE: (Code, Option<Reason>) = (Code::FailedPrecondition, Some(Reason::WrongState));

#[tokio::test]
async fn an_order_is_placed_annotated_cancelled_and_deleted() {
    let shop = Shop::start().await;
    let placed = shop.place(place("o-1")).await.unwrap();
    assert_eq!((placed.order_id.as_str(), placed.customer_id.as_str()), ("o-1", "ada"));
    assert_eq!((placed.state(), placed.cancel_reason.as_str()), (OrderState::Placed, ""));
    assert_eq!((placed.cancel_cause(), placed.confirm_time), (CancelCause::Unspecified, None));
    assert_eq!(placed.payment_method(), PaymentMethod::Invoice);
    assert!(placed.create_time.is_some() && placed.create_time == placed.update_time);
    assert_eq!(shop.get("o-1").await.unwrap(), placed);

    let annotated = shop.update(annotate("o-1", "ring twice")).await.unwrap();
    assert_eq!((annotated.note.as_str(), &annotated.lines), ("ring twice", &placed.lines));
    assert_ne!(annotated.etag, placed.etag);

    let cancelling = shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!((cancelling.state(), cancelling.cancel_reason.as_str()), (OrderState::Cancelling, "too late"));
    assert_eq!(cancelling.cancel_cause(), CancelCause::Requested);
    assert_eq!(shop.get("o-1").await.unwrap(), cancelling);
    shop.call_partners_back();
    let cancelled = shop.reaches("o-1", OrderState::Cancelled).await;
    assert_eq!((cancelled.cancel_cause(), cancelled.confirm_time), (CancelCause::Requested, None));
    assert_eq!(cancelled.cancel_reason, "too late");

    shop.delete(delete("o-1")).await.unwrap();
    let status = shop.get("o-1").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "order `o-1` does not exist"));
}

#[tokio::test]
async fn an_order_is_confirmed_by_itself() {
    let shop = Shop::start().await;
    shop.call_partners_back();
    let by_card = PlaceOrderRequest { payment_token: "tok_ok".to_owned(), ..place("o-1") };
    let placed = shop.place(by_card).await.unwrap();
    assert_eq!(placed.payment_method(), PaymentMethod::Card);
    let confirmed = shop.reaches("o-1", OrderState::Confirmed).await;
    assert!(confirmed.confirm_time.is_some_and(|time| Some(time) == confirmed.update_time));
    let expected = Order {
        state: OrderState::Confirmed.into(),
        confirm_time: confirmed.confirm_time,
        update_time: confirmed.update_time,
        etag: confirmed.etag.clone(),
        ..placed
    };
    assert_eq!(confirmed, expected);
}

#[tokio::test]
async fn an_order_that_cannot_be_paid_or_had_says_why() {
    let shop = Shop::start().await;
    shop.partners.world.state().goods.receive("saw", 0);
    shop.call_partners_back();
    let declined = PlaceOrderRequest {
        payment_token: "tok_declined".to_owned(),
        lines: lines(&[("teapot", 1)]),
        ..place("o-1")
    };
    shop.place(declined).await.unwrap();
    shop.place(place("o-2")).await.unwrap();
    for (id, cause, reason) in [
        ("o-1", CancelCause::PaymentDeclined, "card_declined"),
        ("o-2", CancelCause::OutOfStock, "not enough of saw"),
    ] {
        let order = shop.reaches(id, OrderState::Cancelled).await;
        assert_eq!((order.cancel_cause(), order.cancel_reason.as_str()), (cause, reason));
    }
}

#[tokio::test]
async fn an_order_is_cancelled_once() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(refusal(shop.cancel(cancel("o-1")).await), WRONG_STATE);
    shop.call_partners_back();
    shop.reaches("o-1", OrderState::Cancelled).await;
    assert_eq!(refusal(shop.cancel(cancel("o-1")).await), WRONG_STATE);
}

#[tokio::test]
async fn only_an_order_that_is_cancelled_can_be_deleted() {
    let shop = Shop::start().await;
    shop.place(place("o-1")).await.unwrap();
    assert_eq!(refusal(shop.delete(delete("o-1")).await), WRONG_STATE);
    shop.cancel(cancel("o-1")).await.unwrap();
    assert_eq!(refusal(shop.delete(delete("o-1")).await), WRONG_STATE);
    shop.call_partners_back();
    shop.reaches("o-1", OrderState::Cancelled).await;
    shop.delete(delete("o-1")).await.unwrap();
    shop.place(place("o-2")).await.unwrap();
    shop.reaches("o-2", OrderState::Confirmed).await;
    assert_eq!(refusal(shop.delete(delete("o-2")).await), WRONG_STATE);
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
        payment_method: PaymentMethod::Card.into(),
        cancel_cause: CancelCause::Requested.into(),
        confirm_time: Some(Timestamp::default()),
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
    shop.cancelled("o-1").await;
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
    let cancelling = shop.cancel(cancel("o-2")).await.unwrap();
    let shop = shop.restart().await;
    assert_eq!(shop.get("o-1").await.unwrap(), placed);
    assert_eq!(shop.get("o-2").await.unwrap(), cancelling);
    assert_eq!(shop.place(placement).await.unwrap(), placed);
    // And goes on with it.
    shop.call_partners_back();
    shop.reaches("o-1", OrderState::Confirmed).await;
    shop.reaches("o-2", OrderState::Cancelled).await;
}
