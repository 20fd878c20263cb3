//! What the orders give to do: their states, as the feed of orders tells them, as commands. Pure.
//!
//! | order | shipment |
//! | --- | --- |
//! | CONFIRMED | there shall be one |
//! | CANCELLING or CANCELLED, and was confirmed | it shall not leave the house |
//! | CANCELLING or CANCELLED, and never was | nobody waits for one |
//! | PLACED | too early |
//! | DISPATCHED, DELIVERED | orders has learned that from here |
//! | deleted | it was cancelled before, and so was its shipment |
//!
//! A CANCELLED order that was confirmed has passed CANCELLING, which asked for the same; that state can be
//! missed where this store is older than the orders are, as after it was restored.

use http::Uri;
use shop_proto::orders::v1::{Order, OrderState};
use tributary_chassis::{
    following::{self, Source},
    outbox::BoxError,
    validate::is_id,
};
use tributary_proto::feed::v1::{Change, Operation};

use crate::domain::Command;

/// Who is followed.
pub(crate) fn orders(endpoint: Uri) -> Source {
    Source { service: "orders", endpoint, entities: &["orders"] }
}

/// What an order as it is now gives to do.
pub(crate) fn react(change: &Change) -> Result<Vec<Command>, BoxError> {
    let order: Order = following::value(change)?;
    if change.operation() == Operation::Delete {
        return Ok(vec![]);
    }
    let state = OrderState::try_from(order.state)?;
    let confirmed = order.confirm_time.is_some();
    let Order { order_id: shipment_id, customer_id, .. } = order;
    if !is_id(&shipment_id) || !is_id(&customer_id) {
        return Err("its order_id or its customer_id is not an id".into());
    }
    match state {
        OrderState::Confirmed => Ok(vec![Command::Prepare { shipment_id, customer_id }]),
        OrderState::Cancelling | OrderState::Cancelled if confirmed => {
            Ok(vec![Command::Withdraw { shipment_id, customer_id }])
        }
        OrderState::Cancelling
        | OrderState::Cancelled
        | OrderState::Placed
        | OrderState::Dispatched
        | OrderState::Delivered => Ok(vec![]),
        OrderState::Unspecified => Err("its state is not given".into()),
    }
}

#[cfg(test)]
mod tests {
    use prost::{Message as _, Name as _};
    use prost_types::{Any, Timestamp};

    use super::*;

    fn order(state: OrderState, confirmed: bool) -> Order {
        Order {
            order_id: "o-1".to_owned(),
            customer_id: "ada".to_owned(),
            state: state.into(),
            confirm_time: confirmed.then(Timestamp::default),
            ..Order::default()
        }
    }

    fn change(order: &Order) -> Change {
        let value = Any { type_url: Order::type_url(), value: order.encode_to_vec() };
        Change { operation: Operation::Upsert.into(), value: Some(value), ..Change::default() }
    }

    #[test]
    fn every_state_has_its_meaning() {
        let prepare = Command::Prepare { shipment_id: "o-1".to_owned(), customer_id: "ada".to_owned() };
        let withdraw = Command::Withdraw { shipment_id: "o-1".to_owned(), customer_id: "ada".to_owned() };
        for (state, confirmed, expected) in [
            (OrderState::Placed, false, None),
            (OrderState::Confirmed, true, Some(&prepare)),
            (OrderState::Cancelling, false, None),
            (OrderState::Cancelling, true, Some(&withdraw)),
            (OrderState::Cancelled, false, None),
            (OrderState::Cancelled, true, Some(&withdraw)),
            (OrderState::Dispatched, true, None),
            (OrderState::Delivered, true, None),
        ] {
            let commands = react(&change(&order(state, confirmed))).unwrap();
            assert_eq!(commands.first(), expected, "{state:?} {confirmed}");
            assert!(commands.len() <= 1);
        }
    }

    /// Whatever it was, it was cancelled before.
    #[test]
    fn a_deleted_order_gives_nothing_to_do() {
        let key_alone = Order { order_id: "o-1".to_owned(), ..Order::default() };
        let deleted = Change { operation: Operation::Delete.into(), ..change(&key_alone) };
        assert_eq!(react(&deleted).unwrap(), []);
    }

    /// Nothing is guessed, and nothing skipped in silence.
    #[test]
    fn what_is_not_an_order_as_it_is_known_is_told() {
        let confirmed = order(OrderState::Confirmed, true);
        let strange = [
            Order { state: 99, ..confirmed.clone() },
            Order { state: 0, ..confirmed.clone() },
            Order { order_id: String::new(), ..confirmed.clone() },
            Order { order_id: "a/b".to_owned(), ..confirmed.clone() },
            Order { customer_id: String::new(), ..confirmed.clone() },
        ];
        for order in strange {
            assert!(react(&change(&order)).is_err(), "{order:?}");
        }
        let mut other = change(&confirmed);
        other.value =
            Some(Any { type_url: "type.googleapis.com/shop.orders.v2.Order".to_owned(), ..Any::default() });
        assert!(react(&other).is_err());
        assert!(react(&Change { value: None, ..change(&confirmed) }).is_err());
    }
}
