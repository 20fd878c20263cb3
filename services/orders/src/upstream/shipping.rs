//! Shipping: what its feed gives to do here. The shipment of an order has the order's id.

use shop_proto::shipping::v1::{Shipment as Message, ShipmentState};
use tributary_chassis::{following, outbox::BoxError};
use tributary_proto::feed::v1::{Change, Operation};

use crate::domain::{Command, Shipment};

/// What is to be done when a shipment is so far. A state that is not known may be one that an order must not
/// miss: it is an error, and never skipped.
pub(crate) fn react(change: &Change) -> Result<Vec<Command>, BoxError> {
    if change.operation() == Operation::Delete {
        // Its order is behind it: a shipment is forgotten only at its end.
        return Ok(vec![]);
    }
    let message: Message = following::value(change)?;
    let shipment = match message.state() {
        ShipmentState::Pending => return Ok(vec![]),
        ShipmentState::Cancelled => Shipment::Cancelled,
        ShipmentState::Dispatched => Shipment::Dispatched,
        ShipmentState::Delivered => Shipment::Delivered,
        ShipmentState::Unspecified => {
            let state = message.state;
            return Err(format!("shipment `{}` is in the unknown state {state}", message.shipment_id).into());
        }
    };
    Ok(vec![Command::Ship { order_id: message.shipment_id, shipment }])
}

#[cfg(test)]
mod tests {
    use prost::{Message as _, Name as _};
    use prost_types::Any;

    use super::*;

    fn change(operation: Operation, state: i32) -> Change {
        let message = Message { shipment_id: "o-1".to_owned(), state, ..Message::default() };
        let value = Any { type_url: Message::type_url(), value: message.encode_to_vec() };
        Change { operation: operation.into(), value: Some(value), ..Change::default() }
    }

    #[test]
    fn each_state_gives_its_command() {
        let ship = |shipment| vec![Command::Ship { order_id: "o-1".to_owned(), shipment }];
        for (state, expected) in [
            (ShipmentState::Pending, vec![]),
            (ShipmentState::Cancelled, ship(Shipment::Cancelled)),
            (ShipmentState::Dispatched, ship(Shipment::Dispatched)),
            (ShipmentState::Delivered, ship(Shipment::Delivered)),
        ] {
            assert_eq!(react(&change(Operation::Upsert, state.into())).unwrap(), expected, "{state:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_skipped() {
        for state in [0, 99] {
            assert!(react(&change(Operation::Upsert, state)).is_err(), "{state}");
        }
        let mut foreign = change(Operation::Upsert, 1);
        foreign.value.get_or_insert_default().type_url =
            "type.googleapis.com/shop.orders.v1.Order".to_owned();
        assert!(react(&foreign).is_err());
    }

    #[test]
    fn a_shipment_that_is_forgotten_gives_nothing_to_do() {
        assert_eq!(react(&change(Operation::Delete, 0)).unwrap(), []);
    }
}
