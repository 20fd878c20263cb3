//! The same request again, and another one under the same id.

use super::*;

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let shop = Shop::start().await;
    let placement = PlaceOrderRequest { request_id: "r-1".to_owned(), ..place("") };
    let placed = shop.place(placement.clone()).await.unwrap();
    let id = placed.order_id.clone();
    let note = UpdateOrderRequest { request_id: "r-2".to_owned(), ..annotate(&id, "ring") };
    let annotated = shop.update(note.clone()).await.unwrap();
    let cancellation = CancelOrderRequest { request_id: "r-3".to_owned(), ..cancel(&id) };
    let cancelling = shop.cancel(cancellation.clone()).await.unwrap();
    shop.call_partners_back();
    shop.reaches(&id, OrderState::Cancelled).await;
    let deletion = DeleteOrderRequest { request_id: "r-4".to_owned(), ..delete(&id) };
    shop.delete(deletion.clone()).await.unwrap();

    // Whatever happened since.
    assert_eq!(shop.place(placement).await.unwrap(), placed);
    assert_eq!(shop.update(note).await.unwrap(), annotated);
    assert_eq!(shop.cancel(cancellation).await.unwrap(), cancelling);
    shop.delete(deletion).await.unwrap();
    assert_eq!(refusal(shop.get(&id).await).0, Code::NotFound);
}

#[tokio::test]
async fn another_request_under_the_same_id_is_refused() {
    let shop = Shop::start().await;
    let id = || "r-1".to_owned();
    shop.place(PlaceOrderRequest { request_id: id(), ..place("o-1") }).await.unwrap();
    let other = PlaceOrderRequest { request_id: id(), ..place("o-2") };
    assert_eq!(refusal(shop.place(other).await), REUSED);
    // Malformed as well: what counts is that the id was used.
    let other = PlaceOrderRequest { request_id: id(), ..PlaceOrderRequest::default() };
    assert_eq!(refusal(shop.place(other).await), REUSED);
    let other = UpdateOrderRequest { request_id: id(), ..annotate("o-1", "x") };
    assert_eq!(refusal(shop.update(other).await), REUSED);
    let other = CancelOrderRequest { request_id: id(), ..cancel("o-1") };
    assert_eq!(refusal(shop.cancel(other).await), REUSED);
    shop.cancelled("o-1").await;
    let other = DeleteOrderRequest { request_id: id(), ..delete("o-1") };
    assert_eq!(refusal(shop.delete(other).await), REUSED);
}

#[tokio::test]
async fn a_rejection_is_decided_anew() {
    let shop = Shop::start().await;
    let request =
        PlaceOrderRequest { request_id: "r-1".to_owned(), lines: lines(&[("sofa", 1)]), ..place("o-1") };
    assert_eq!(refusal(shop.place(request.clone()).await).0, Code::FailedPrecondition);
    shop.add_product("sofa", "EUR", 100).await;
    assert_eq!(shop.place(request).await.unwrap().lines.len(), 1);
}

/// Many callers repeat the same request at the same time: one order, one reply, one charge.
#[tokio::test]
async fn repetitions_at_the_same_time_are_one_order() {
    let shop = Shop::start().await;
    shop.call_partners_back();
    let request =
        PlaceOrderRequest { request_id: "r-1".to_owned(), payment_token: "tok_ok".to_owned(), ..place("") };
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let (mut orders, request) = (shop.orders.clone(), request.clone());
            tokio::spawn(async move { orders.place_order(request).await.unwrap().into_inner() })
        })
        .collect();
    let mut replies = Vec::new();
    for call in calls {
        replies.push(call.await.unwrap());
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    let id = &replies[0].order_id;
    shop.reaches(id, OrderState::Confirmed).await;
    let state = shop.partners.world.state();
    let paid: Vec<_> = state.money.payments.iter().map(|(id, paid)| (id, paid.captured)).collect();
    assert_eq!(paid, [(id, 2 * 2500 + 1999)]);
}
