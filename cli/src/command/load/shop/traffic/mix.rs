//! How often what happens. A test holds what `--help` says of it against what is thrown.

use crate::command::load::shop::dice::Dice;

/// There before the first order.
pub(super) const FIRST_CUSTOMERS: usize = 40;
/// There before the first order.
pub(super) const FIRST_PRODUCTS: usize = 72;
/// As many products as an answer of the gateway surely has rows for, in each currency.
pub(super) const MOST_PRODUCTS: usize = 2_000;

pub(super) const REGIONS: &[&str] = &["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
pub(super) const CURRENCIES: &[&str] = &["EUR", "GBP", "USD"];
/// Of each run its own, by these words.
pub(in crate::command::load::shop) const CATEGORIES: &[&str] =
    &["GARDEN", "HOUSEHOLD", "KITCHEN", "OFFICE", "TOYS"];

/// With how many of a hundred orders something else happens.
pub(super) struct Shares {
    pub(super) customer: usize,
    pub(super) product: usize,
    pub(super) price: usize,
    pub(super) receive: usize,
    pub(super) moves: usize,
}

pub(super) const SHARES: Shares = Shares { customer: 5, product: 2, price: 5, receive: 12, moves: 3 };

/// How many lines an order has.
pub(super) const LINES: &[(usize, usize)] = &[(35, 1), (30, 2), (20, 3), (10, 4), (5, 8)];

/// How an order is paid: what the embedded processor makes of these tokens is said in payments.proto.
pub(super) const TOKENS: &[(usize, Option<&str>)] = &[
    (20, None),
    (58, Some("tok_ok")),
    (5, Some("tok_declined")),
    (3, Some("tok_insufficient_funds")),
    (2, Some("tok_expired_card")),
    (1, Some("tok_of_nobody")),
    (5, Some("tok_timeout_then_ok")),
    (6, Some("tok_unknown_outcome")),
];

/// What is to become of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::command::load::shop) enum Fate {
    /// Confirmed, and nothing more is asked of it.
    Rest,
    /// Dispatched and delivered.
    Deliver,
    /// Cancelled as soon as it is placed.
    CancelAtOnce,
    /// Cancelled once it is confirmed.
    CancelConfirmed,
    /// Cancelled and dispatched at the same time: one of the two comes too late.
    CancelAgainstDispatch,
}

pub(super) const FATES: &[(usize, Fate)] = &[
    (35, Fate::Rest),
    (40, Fate::Deliver),
    (8, Fate::CancelAtOnce),
    (10, Fate::CancelConfirmed),
    (7, Fate::CancelAgainstDispatch),
];

/// How a product is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without a stock item: there is always enough.
    Unmanaged,
    /// More is received than is sold.
    Plenty,
    /// Soon there is none left.
    Scarce,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Unmanaged, Kind::Plenty, Kind::Scarce];
    /// Of a hundred lines.
    pub(super) const DEMAND: &'static [(usize, Kind)] =
        &[(30, Kind::Unmanaged), (66, Kind::Plenty), (4, Kind::Scarce)];

    /// What is on hand at first.
    pub(super) fn stock(self, dice: &mut Dice) -> Option<i64> {
        match self {
            Kind::Unmanaged => None,
            Kind::Plenty => Some(dice.between(500, 2_000)),
            Kind::Scarce => Some(dice.between(0, 4)),
        }
    }

    /// How much arrives at once.
    pub(super) fn delivery(self, dice: &mut Dice) -> Option<i64> {
        match self {
            Kind::Unmanaged => None,
            Kind::Plenty => Some(dice.between(100, 500)),
            Kind::Scarce => Some(dice.between(1, 2)),
        }
    }
}
