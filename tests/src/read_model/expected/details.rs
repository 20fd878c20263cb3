//! One customer, and one order.

use std::cmp::Reverse;

use shop_proto::{
    customers::v1::Customer,
    insights::v1::{
        Customer360Request, Customer360Response, CustomerOrder, CustomerOrderLine, FailedPayment,
        OpenShipment, OrderDetailsLine, OrderDetailsRequest, OrderDetailsResponse, PaymentDetails, Profile,
        ShipmentDetails,
    },
    orders::v1::Order,
    payments::v1::{Payment, PaymentState},
    shipping::v1::{Shipment, ShipmentState},
};

use super::{currency, customer_overview, micros, minor};
use crate::read_model::Entities;

/// What the insight of that name must answer.
pub fn customer_360(shop: &Entities, request: &Customer360Request) -> Option<Customer360Response> {
    let id = &request.customer_id;
    let customer = shop.customers.get(id)?;
    let limit = if request.limit == 0 { 10 } else { usize::try_from(request.limit).expect("a limit") };
    let mut orders: Vec<_> = shop.orders.values().filter(|order| order.customer_id == *id).collect();
    orders.sort_by_key(|order| (Reverse(micros(order.order_time)), &order.order_id));
    let open =
        |shipment: &&Shipment| matches!(shipment.state(), ShipmentState::Pending | ShipmentState::Dispatched);
    let mut shipments: Vec<_> =
        shop.shipments.values().filter(|shipment| shipment.customer_id == *id).filter(open).collect();
    shipments.sort_by_key(|shipment| (Reverse(micros(shipment.create_time)), &shipment.shipment_id));
    let failed = |payment: &&Payment| payment.customer_id == *id && payment.state() == PaymentState::Declined;
    let mut payments: Vec<_> = shop.payments.values().filter(failed).collect();
    payments.sort_by_key(|payment| (Reverse(micros(payment.create_time)), &payment.payment_id));
    let overview = customer_overview(shop, id).rows.pop().expect("a customer has a row");
    Some(Customer360Response {
        profile: Some(profile(customer)),
        orders: overview.orders,
        lifetime_value: overview.revenue,
        last_order_time: overview.last_order_time,
        last_orders: orders.into_iter().take(limit).map(customer_order).collect(),
        open_shipments: shipments.into_iter().take(limit).map(open_shipment).collect(),
        failed_payments: payments.into_iter().take(limit).map(failed_payment).collect(),
    })
}

fn profile(customer: &Customer) -> Profile {
    Profile {
        customer_id: customer.customer_id.clone(),
        display_name: customer.display_name.clone(),
        email: customer.email.clone(),
        region: customer.region.clone(),
        segment: customer.segment.clone(),
        create_time: customer.create_time,
    }
}

fn customer_order(order: &Order) -> CustomerOrder {
    let lines = order.lines.iter().map(|line| CustomerOrderLine {
        sku: line.sku.clone(),
        display_name: line.display_name.clone(),
        category: line.category.clone(),
        quantity: line.quantity,
        unit_price_minor: minor(&line.unit_price),
    });
    CustomerOrder {
        order_id: order.order_id.clone(),
        state: order.state().as_str_name().to_owned(),
        order_time: order.order_time,
        currency_code: currency(&order.total),
        total_minor: minor(&order.total),
        lines: lines.collect(),
    }
}

fn open_shipment(shipment: &Shipment) -> OpenShipment {
    OpenShipment {
        shipment_id: shipment.shipment_id.clone(),
        order_id: shipment.order_id.clone(),
        state: shipment.state().as_str_name().to_owned(),
        carrier: shipment.carrier.clone(),
        tracking_code: shipment.tracking_code.clone(),
        create_time: shipment.create_time,
        dispatch_time: shipment.dispatch_time,
    }
}

fn failed_payment(payment: &Payment) -> FailedPayment {
    FailedPayment {
        payment_id: payment.payment_id.clone(),
        order_id: payment.order_id.clone(),
        decline_code: payment.decline_code.clone(),
        currency_code: currency(&payment.amount),
        amount_minor: minor(&payment.amount),
        create_time: payment.create_time,
    }
}

/// What the insight of that name must answer.
pub fn order_details(shop: &Entities, request: &OrderDetailsRequest) -> Option<OrderDetailsResponse> {
    let order = shop.orders.get(&request.order_id)?;
    let lines = order.lines.iter().map(|line| OrderDetailsLine {
        sku: line.sku.clone(),
        display_name: line.display_name.clone(),
        category: line.category.clone(),
        quantity: line.quantity,
        unit_price_minor: minor(&line.unit_price),
        product_name: shop.products.get(&line.sku).map(|now| now.display_name.clone()).unwrap_or_default(),
    });
    Some(OrderDetailsResponse {
        order_id: order.order_id.clone(),
        state: order.state().as_str_name().to_owned(),
        order_time: order.order_time,
        confirm_time: order.confirm_time,
        customer_id: order.customer_id.clone(),
        customer: shop.customers.get(&order.customer_id).map(profile),
        lines: lines.collect(),
        currency_code: currency(&order.total),
        total_minor: minor(&order.total),
        payment_method: order.payment_method().as_str_name().to_owned(),
        note: order.note.clone(),
        cancel_cause: order.cancel_cause().as_str_name().to_owned(),
        cancel_reason: order.cancel_reason.clone(),
        payment: shop.payments.get(&order.order_id).map(payment_details),
        shipment: shop.shipments.get(&order.order_id).map(shipment_details),
    })
}

fn payment_details(payment: &Payment) -> PaymentDetails {
    PaymentDetails {
        payment_id: payment.payment_id.clone(),
        state: payment.state().as_str_name().to_owned(),
        currency_code: currency(&payment.amount),
        amount_minor: minor(&payment.amount),
        decline_code: payment.decline_code.clone(),
        update_time: payment.update_time,
    }
}

fn shipment_details(shipment: &Shipment) -> ShipmentDetails {
    ShipmentDetails {
        shipment_id: shipment.shipment_id.clone(),
        state: shipment.state().as_str_name().to_owned(),
        carrier: shipment.carrier.clone(),
        tracking_code: shipment.tracking_code.clone(),
        dispatch_time: shipment.dispatch_time,
        deliver_time: shipment.deliver_time,
    }
}
