//! What services answer, as far as it is of use here.

use prost_reflect::{DynamicMessage, ReflectMessage as _, SerializeOptions};
use serde::{Deserialize, de::DeserializeOwned};
use tonic::Status;

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Money {
    pub(super) currency_code: String,
    pub(super) minor_units: i64,
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OrderState {
    Placed,
    Confirmed,
    Dispatched,
    Delivered,
    Cancelling,
    Cancelled,
}

impl OrderState {
    /// As it is written on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            OrderState::Placed => "PLACED",
            OrderState::Confirmed => "CONFIRMED",
            OrderState::Dispatched => "DISPATCHED",
            OrderState::Delivered => "DELIVERED",
            OrderState::Cancelling => "CANCELLING",
            OrderState::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing follows.
    pub(super) fn is_final(self) -> bool {
        matches!(self, OrderState::Delivered | OrderState::Cancelled)
    }
}

/// An order as orders tells it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Order {
    pub(super) order_id: String,
    pub(super) customer_id: String,
    pub(super) state: OrderState,
    pub(super) lines: Vec<Line>,
    pub(super) total: Money,
    /// INVOICE or CARD.
    pub(super) payment_method: String,
    pub(super) cancel_cause: String,
    #[serde(default)]
    pub(super) confirm_time: Option<String>,
}

/// What was agreed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) unit_price: Money,
}

/// A customer, as far as it counts.
#[derive(Debug, Deserialize)]
pub(super) struct Customer {
    pub(super) customer_id: String,
    pub(super) region: String,
}

/// A stock item when it was made.
#[derive(Debug, Deserialize)]
pub(super) struct StockItem {
    pub(super) sku: String,
    pub(super) on_hand: i64,
}

/// A shipment.
#[derive(Debug, Deserialize)]
pub(super) struct Shipment {
    pub(super) state: String,
}

/// Answer of the gateway to what was earned.
#[derive(Debug, Deserialize)]
pub(super) struct Revenue {
    pub(super) rows: Vec<RevenueRow>,
}

/// A region, category, day and currency.
#[derive(Debug, Deserialize)]
pub(super) struct RevenueRow {
    pub(super) region: String,
    pub(super) currency_code: String,
    pub(super) units: i64,
    pub(super) revenue_minor: i64,
}

/// Reads a message by the names of its fields.
pub(super) fn read<T: DeserializeOwned>(message: &DynamicMessage) -> Result<T, Status> {
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .and_then(serde_json::from_value)
        .map_err(|error| {
            Status::internal(format!("the reply is another {}: {error}", message.descriptor().full_name()))
        })
}
