//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::Operation;

use super::*;

#[tokio::test]
async fn every_effect_is_published_and_nothing_else() {
    let shop = Shop::start().await;
    let placement = PlaceOrderRequest { request_id: "r-1".to_owned(), ..place("o-1") };
    let placed = shop.place(placement.clone()).await.unwrap();
    // Neither a repetition, nor a rejection, nor an update that changes nothing.
    shop.place(placement).await.unwrap();
    refusal(shop.place(place("o-1")).await);
    refusal(shop.delete(delete("o-1")).await);
    shop.update(annotate("o-1", "")).await.unwrap();
    let annotated = shop.update(annotate("o-1", "ring")).await.unwrap();
    let cancelling = shop.cancel(cancel("o-1")).await.unwrap();
    shop.call_partners_back();
    let cancelled = shop.reaches("o-1", OrderState::Cancelled).await;
    shop.delete(delete("o-1")).await.unwrap();

    let changes = published(&shop.running[2], 5).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.operation(), c.event.as_str(), c.request_id.as_str()))
        .collect();
    let expected = [
        (1, Operation::Upsert, "OrderPlaced", "r-1"),
        (2, Operation::Upsert, "OrderAnnotated", ""),
        (3, Operation::Upsert, "OrderCancelling", ""),
        (4, Operation::Upsert, "OrderCancelled", ""),
        (5, Operation::Delete, "OrderDeleted", ""),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| (c.entity.as_str(), c.key.as_str()) == ("orders", "o-1")));
    let key_alone = Order { order_id: "o-1".to_owned(), ..Order::default() };
    assert_eq!(
        changes.iter().map(value::<Order>).collect::<Vec<_>>(),
        [placed, annotated, cancelling, cancelled, key_alone]
    );
}

/// Whoever has it can charge.
#[tokio::test]
async fn a_token_is_published_nowhere() {
    let shop = Shop::start().await;
    let token = "tok_ok";
    shop.place(PlaceOrderRequest { payment_token: token.to_owned(), ..place("o-1") }).await.unwrap();
    shop.call_partners_back();
    shop.reaches("o-1", OrderState::Confirmed).await;
    let changes = published(&shop.running[2], 2).await;
    let events: Vec<&str> = changes.iter().map(|change| change.event.as_str()).collect();
    assert_eq!(events, ["OrderPlaced", "OrderConfirmed"]);
    for change in changes {
        let bytes = prost::Message::encode_to_vec(&change);
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{change:?}");
    }
}
