//! Shipments, and the rules for preparing, withdrawing, dispatching and delivering them. Pure: no clock, no
//! store, no wire.

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::Kind,
    validate::Violations,
};

use crate::error::Rejection;

/// As callers name it.
pub(crate) const SHIPMENT: Kind = Kind("shipment");

/// What is sent to a customer: all of one order, whose id it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    /// Who gets it.
    pub customer_id: String,
    /// How far it is.
    pub progress: Progress,
}

/// Pending => (Dispatched | Cancelled); Dispatched => Delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To be packed.
    Pending,
    /// It has left the house.
    Dispatched(Dispatch),
    /// It has arrived.
    Delivered {
        /// How it got there.
        dispatch: Dispatch,
        /// When.
        deliver_time: OffsetDateTime,
    },
    /// It never leaves the house.
    Cancelled,
}

/// How a shipment left the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    /// 1 to 64 characters.
    pub carrier: String,
    /// At most 64 characters; may be empty.
    pub tracking_code: String,
    /// When.
    pub dispatch_time: OffsetDateTime,
}

impl Progress {
    /// As callers know it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Progress::Pending => "PENDING",
            Progress::Dispatched(_) => "DISPATCHED",
            Progress::Delivered { .. } => "DELIVERED",
            Progress::Cancelled => "CANCELLED",
        }
    }
}

/// Notes what is out of bounds, by the path that it has in a request.
pub(crate) fn check_dispatch(carrier: &str, tracking_code: &str, violations: &mut Violations) {
    violations.text("carrier", carrier, 1, 64);
    violations.text("tracking_code", tracking_code, 0, 64);
}

/// What is wanted: by the state that an order is in, or by a caller. An empty etag stands for none.
///
/// Orders' states come again, and late: what they ask for and has been done or overtaken is accepted, and
/// changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// The order is confirmed: there shall be a shipment.
    Prepare {
        /// The order's id.
        shipment_id: String,
        /// Who ordered.
        customer_id: String,
    },
    /// The order was confirmed and is to be cancelled: the shipment shall not leave the house, if it has not
    /// yet. Where there is none, one is written down as cancelled, so that none comes to be any more.
    Withdraw {
        /// The order's id.
        shipment_id: String,
        /// Who ordered.
        customer_id: String,
    },
    /// It leaves the house.
    Dispatch {
        /// Which.
        shipment_id: String,
        /// Expected by the caller.
        etag: String,
        /// Within its bounds.
        carrier: String,
        /// Within its bounds.
        tracking_code: String,
    },
    /// It has arrived.
    Deliver {
        /// Which.
        shipment_id: String,
        /// Expected by the caller.
        etag: String,
    },
}

impl Command {
    /// The shipment that it is about.
    pub(crate) fn shipment_id(&self) -> &String {
        match self {
            Command::Prepare { shipment_id, .. }
            | Command::Withdraw { shipment_id, .. }
            | Command::Dispatch { shipment_id, .. }
            | Command::Deliver { shipment_id, .. } => shipment_id,
        }
    }
}

/// The shipments, by `shipment_id`.
#[derive(Debug)]
pub(crate) struct Shipping;

impl Model for Shipping {
    type Key = String;
    type State = Shipment;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        vec![command.shipment_id().clone()]
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        let id = command.shipment_id();
        let known = states.get(id).map(|stored| &stored.state);
        let write = |customer_id: &String, progress, event| {
            let state = Shipment { customer_id: customer_id.clone(), progress };
            vec![Write { key: id.clone(), state: Some(state), event }]
        };
        Ok(match command {
            // None => Pending; any other stays, cancelled ones above all.
            Command::Prepare { customer_id, .. } => match known {
                None => write(customer_id, Progress::Pending, "ShipmentPrepared"),
                Some(_) => vec![],
            },
            // (None | Pending) => Cancelled; any other stays.
            Command::Withdraw { customer_id, .. } => match known.map(|shipment| &shipment.progress) {
                None | Some(Progress::Pending) => {
                    write(customer_id, Progress::Cancelled, "ShipmentCancelled")
                }
                Some(Progress::Dispatched(_) | Progress::Delivered { .. } | Progress::Cancelled) => vec![],
            },
            // Pending => Dispatched
            Command::Dispatch { etag, carrier, tracking_code, .. } => {
                let shipment = &SHIPMENT.current(states, id, etag)?.state;
                let Progress::Pending = &shipment.progress else {
                    return Err(wrong_state(id, shipment, "PENDING", "dispatched"));
                };
                let (carrier, tracking_code) = (carrier.clone(), tracking_code.clone());
                let dispatch = Dispatch { carrier, tracking_code, dispatch_time: now };
                write(&shipment.customer_id, Progress::Dispatched(dispatch), "ShipmentDispatched")
            }
            // Dispatched => Delivered
            Command::Deliver { etag, .. } => {
                let shipment = &SHIPMENT.current(states, id, etag)?.state;
                let Progress::Dispatched(dispatch) = &shipment.progress else {
                    return Err(wrong_state(id, shipment, "DISPATCHED", "delivered"));
                };
                let delivered = Progress::Delivered { dispatch: dispatch.clone(), deliver_time: now };
                write(&shipment.customer_id, delivered, "ShipmentDelivered")
            }
        })
    }
}

fn wrong_state(id: &str, shipment: &Shipment, needed: &'static str, wanted: &'static str) -> Rejection {
    let (shipment_id, state) = (id.to_owned(), shipment.progress.name());
    Rejection::WrongState { shipment_id, state, needed, wanted }
}

#[cfg(test)]
mod tests;
