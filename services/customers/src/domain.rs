//! Customers, and the rules for creating, changing and deleting them. Pure: no clock, no store, no wire.

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::{self, Events, Kind},
    validate::Violations,
};

use crate::error::Rejection;

/// As callers name it.
pub(crate) const CUSTOMER: Kind = Kind("customer");

/// The fields that a caller writes; all others are output only.
pub(crate) const WRITABLE: [&str; 4] = ["display_name", "email", "region", "segment"];

/// Who buys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Customer {
    /// 1 to 200 characters.
    pub display_name: String,
    /// Empty, or an address with one `@`, of at most 254 characters.
    pub email: String,
    /// 1 to 64 characters.
    pub region: String,
    /// At most 64 characters.
    pub segment: String,
}

/// What a caller writes: a field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// See [`Customer::display_name`].
    pub display_name: Option<String>,
    /// See [`Customer::email`].
    pub email: Option<String>,
    /// See [`Customer::region`].
    pub region: Option<String>,
    /// See [`Customer::segment`].
    pub segment: Option<String>,
}

impl Changes {
    /// Notes what is out of bounds, by the path that the field has in a request.
    pub(crate) fn check(&self, violations: &mut Violations) {
        if let Some(name) = &self.display_name {
            violations.text("customer.display_name", name, 1, 200);
        }
        if let Some(email) = &self.email {
            violations.text("customer.email", email, 0, 254);
            violations.check(
                email.is_empty() || is_address(email),
                "customer.email",
                "must have one @, with something on both sides of it",
            );
        }
        if let Some(region) = &self.region {
            violations.text("customer.region", region, 1, 64);
        }
        if let Some(segment) = &self.segment {
            violations.text("customer.segment", segment, 0, 64);
        }
    }
}

impl resource::Changes<Customer> for Changes {
    fn apply(self, to: Customer) -> Customer {
        Customer {
            display_name: self.display_name.unwrap_or(to.display_name),
            email: self.email.unwrap_or(to.email),
            region: self.region.unwrap_or(to.region),
            segment: self.segment.unwrap_or(to.segment),
        }
    }
}

fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// What a caller wants done.
pub(crate) type Command = resource::Command<Customer, Changes>;

/// What has happened.
const EVENTS: Events =
    Events { created: "CustomerCreated", updated: "CustomerUpdated", deleted: "CustomerDeleted" };

/// The customers, by `customer_id`.
#[derive(Debug)]
pub(crate) struct Customers;

impl Model for Customers {
    type Key = String;
    type State = Customer;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        vec![command.id().clone()]
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        _now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        CUSTOMER.decide(EVENTS, command, states)
    }
}

#[cfg(test)]
mod tests;
