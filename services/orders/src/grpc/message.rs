//! Requests into what is asked for, and orders into messages.

use shop_proto::{money::v1::Money, orders::v1 as proto};
use tributary_chassis::{
    outbox::{Entity, Published, Stored},
    resource, timestamp,
    validate::Violations,
};

use crate::{
    domain::{Basket, BasketLine, CancelCause, Order, OrderLine, OrderState, Orders, Payment},
    store::ORDERS,
};

impl Published for Orders {
    const ENTITIES: &'static [&'static str] = &[ORDERS];

    fn publish(order_id: &String, stored: Option<&Stored<Order>>) -> Option<Entity> {
        let key_alone = || proto::Order { order_id: order_id.clone(), ..Default::default() };
        let order = stored.map_or_else(key_alone, |stored| message(order_id, stored));
        Some(resource::entity(ORDERS, order_id, &order))
    }
}

/// What is asked for; notes what cannot be read.
pub(super) fn basket(request: proto::PlaceOrderRequest, violations: &mut Violations) -> Basket {
    let order_time = request.order_time.as_ref().map(timestamp::from_proto);
    violations.check(
        order_time != Some(None),
        "order_time",
        "malformed: give a time in the years 1 to 9999, with 0 to 999,999,999 nanoseconds",
    );
    let line = |line: proto::place_order_request::Line| BasketLine { sku: line.sku, quantity: line.quantity };
    Basket {
        customer_id: request.customer_id,
        lines: request.lines.into_iter().map(line).collect(),
        order_time: order_time.flatten(),
        note: request.note,
        payment_token: request.payment_token,
    }
}

/// As callers and followers see it: not the token.
pub(super) fn message(order_id: &str, stored: &Stored<Order>) -> proto::Order {
    let order = &stored.state;
    let money = |minor_units| Money { currency_code: order.currency_code.clone(), minor_units };
    let cancellation = order.state.cancellation();
    let payment_method = match order.payment {
        Payment::Invoice => proto::PaymentMethod::Invoice,
        Payment::Card(_) => proto::PaymentMethod::Card,
    };
    let line = |line: OrderLine| proto::OrderLine {
        sku: line.sku,
        display_name: line.display_name,
        category: line.category,
        quantity: line.quantity,
        unit_price: Some(money(line.unit_price_minor_units)),
    };
    proto::Order {
        order_id: order_id.to_owned(),
        customer_id: order.customer_id.clone(),
        state: state(&order.state).into(),
        order_time: Some(timestamp::to_proto(order.order_time)),
        lines: order.lines.iter().cloned().map(line).collect(),
        total: Some(money(order.total_minor_units)),
        note: order.note.clone(),
        cancel_reason: cancellation.map(|cancellation| cancellation.reason.clone()).unwrap_or_default(),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
        payment_method: payment_method.into(),
        cancel_cause: cancellation
            .map_or(proto::CancelCause::Unspecified, |cancellation| cause(cancellation.cause))
            .into(),
        confirm_time: order.confirm_time.map(timestamp::to_proto),
    }
}

fn state(state: &OrderState) -> proto::OrderState {
    match state {
        OrderState::Placed => proto::OrderState::Placed,
        OrderState::Confirmed => proto::OrderState::Confirmed,
        OrderState::Cancelling { .. } => proto::OrderState::Cancelling,
        OrderState::Cancelled(_) => proto::OrderState::Cancelled,
        OrderState::Dispatched => proto::OrderState::Dispatched,
        OrderState::Delivered => proto::OrderState::Delivered,
    }
}

fn cause(cause: CancelCause) -> proto::CancelCause {
    match cause {
        CancelCause::Requested => proto::CancelCause::Requested,
        CancelCause::OutOfStock => proto::CancelCause::OutOfStock,
        CancelCause::PaymentDeclined => proto::CancelCause::PaymentDeclined,
        CancelCause::IdUsedBefore => proto::CancelCause::IdUsedBefore,
    }
}
