//! What an order is, and the words for how far it is.

use std::fmt;

use time::OffsetDateTime;
use tributary_chassis::validate::Violations;

/// How many lines an order has at most.
pub(crate) const MAX_LINES: usize = 256;

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Who bought it.
    pub customer_id: String,
    /// How far it is.
    pub state: OrderState,
    /// How it is paid.
    pub payment: Payment,
    /// When goods and payment were there; `None` if they never were.
    pub confirm_time: Option<OffsetDateTime>,
    /// When it was ordered, to the microsecond.
    pub order_time: OffsetDateTime,
    /// Of all prices in it.
    pub currency_code: String,
    /// Sum over the lines of quantity * unit price.
    pub total_minor_units: i64,
    /// 1 to 256, as agreed.
    pub lines: Vec<OrderLine>,
    /// At most 1,000 characters.
    pub note: String,
}

/// Placed => (Confirmed | Cancelling); Confirmed => (Cancelling | Dispatched | Delivered); Cancelling =>
/// (Cancelled | Dispatched | Delivered); Dispatched => Delivered. To Delivered also past Dispatched, since
/// whoever follows the shipment may see only where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// Goods and payment are being arranged.
    Placed,
    /// Goods and payment are there; to be shipped.
    Confirmed,
    /// What was done is being undone.
    Cancelling {
        /// Why.
        cancellation: Cancellation,
        /// Nothing will leave the house any more. Of an order that was never confirmed nothing ever would.
        shipment_cancelled: bool,
    },
    /// Nothing is reserved, nothing is charged.
    Cancelled(Cancellation),
    /// The shipment has left the house.
    Dispatched,
    /// The shipment has arrived.
    Delivered,
}

impl OrderState {
    /// As callers and the store know it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            OrderState::Placed => "PLACED",
            OrderState::Confirmed => "CONFIRMED",
            OrderState::Cancelling { .. } => "CANCELLING",
            OrderState::Cancelled(_) => "CANCELLED",
            OrderState::Dispatched => "DISPATCHED",
            OrderState::Delivered => "DELIVERED",
        }
    }

    /// Why it is or was to be cancelled.
    pub(crate) fn cancellation(&self) -> Option<&Cancellation> {
        match self {
            OrderState::Cancelling { cancellation, .. } | OrderState::Cancelled(cancellation) => {
                Some(cancellation)
            }
            OrderState::Placed | OrderState::Confirmed | OrderState::Dispatched | OrderState::Delivered => {
                None
            }
        }
    }

    /// Whether nothing happens to it any more, but that it is forgotten.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, OrderState::Cancelled(_) | OrderState::Delivered)
    }
}

/// Why an order is or was to be cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cancellation {
    /// For machines.
    pub cause: CancelCause,
    /// For people: at most 200 characters, may be empty.
    pub reason: String,
}

/// Why, for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelCause {
    /// A caller wanted it.
    Requested,
    /// There was not enough of a product.
    OutOfStock,
    /// The processor said no.
    PaymentDeclined,
    /// The id had been used before, for an order that was deleted.
    IdUsedBefore,
}

impl CancelCause {
    /// As it is stored, and known elsewhere.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CancelCause::Requested => "REQUESTED",
            CancelCause::OutOfStock => "OUT_OF_STOCK",
            CancelCause::PaymentDeclined => "PAYMENT_DECLINED",
            CancelCause::IdUsedBefore => "ID_USED_BEFORE",
        }
    }
}

/// How an order is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// The customer gets an invoice; nothing is charged here.
    Invoice,
    /// By what the token stands for.
    Card(Token),
}

/// Whoever has it can charge: it is kept and handed to payments, and shown to nobody, not even in a log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// As agreed when the order was placed; what happens to the product later does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderLine {
    /// Of the product.
    pub sku: String,
    /// Of the product.
    pub display_name: String,
    /// Of the product.
    pub category: String,
    /// 1 to 1,000,000.
    pub quantity: i64,
    /// In the currency of the order.
    pub unit_price_minor_units: i64,
}

/// Notes whether a note is out of bounds, by the path that it has in a request.
pub(crate) fn check_note(field: &str, note: &str, violations: &mut Violations) {
    violations.text(field, note, 0, 1_000);
}

/// Notes whether the reason of a cancellation is out of bounds.
pub(crate) fn check_reason(reason: &str, violations: &mut Violations) {
    violations.text("reason", reason, 0, 200);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let payment = Payment::Card(Token("tok_ok".to_owned()));
        assert_eq!(format!("{payment:?}"), "Card(Token(..))");
    }
}
