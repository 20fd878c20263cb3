//! Inventory: the goods. The reservation of an order has the order's id.

use std::time::Duration;

use shop_proto::inventory::v1::{
    CommitRequest, ReleaseRequest, Reservation, ReservationState, ReserveRequest,
    inventory_client::InventoryClient, reserve_request::Line,
};
use tonic::{Response, Status};
use tonic_types::StatusExt as _;
use tributary_chassis::outbound::Outbound;

use super::{refusal, timed};
use crate::domain::{OrderLine, saga::Answer};

/// Asked by the saga. An error says nothing about what was done.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    client: InventoryClient<Outbound>,
    timeout: Duration,
}

impl Inventory {
    /// Connects when first asked; an answer that takes longer than `timeout` is none.
    pub(crate) fn new(outbound: Outbound, timeout: Duration) -> Self {
        Self { client: InventoryClient::new(outbound), timeout }
    }

    /// Holds the goods.
    pub(crate) async fn reserve(
        &self,
        request_id: String,
        order_id: &str,
        lines: &[OrderLine],
    ) -> Result<Answer, Status> {
        let line = |line: &OrderLine| Line { sku: line.sku.clone(), quantity: line.quantity };
        let lines = lines.iter().map(line).collect();
        let request = ReserveRequest { request_id, reservation_id: order_id.to_owned(), lines };
        answer(self.client.clone().reserve(timed(request, self.timeout)).await)
    }

    /// Takes them off the shelf.
    pub(crate) async fn commit(&self, request_id: String, order_id: &str) -> Result<Answer, Status> {
        let request = CommitRequest { request_id, reservation_id: order_id.to_owned() };
        answer(self.client.clone().commit(timed(request, self.timeout)).await)
    }

    /// Gives them back.
    pub(crate) async fn release(&self, request_id: String, order_id: &str) -> Result<Answer, Status> {
        let request = ReleaseRequest { request_id, reservation_id: order_id.to_owned() };
        answer(self.client.clone().release(timed(request, self.timeout)).await)
    }
}

fn answer(result: Result<Response<Reservation>, Status>) -> Result<Answer, Status> {
    match result {
        Ok(response) => match response.into_inner().state() {
            // Expired: Commit holds it again, if there is still enough.
            ReservationState::Held | ReservationState::Expired => Ok(Answer::Held),
            ReservationState::Committed => Ok(Answer::Committed),
            ReservationState::Released => Ok(Answer::Released),
            ReservationState::Unspecified => Err(Status::internal("the reservation has no state")),
        },
        Err(status) => match refusal(&status).as_deref() {
            Some("OUT_OF_STOCK") => Ok(Answer::OutOfStock { skus: skus(&status) }),
            Some("RELEASED") => Ok(Answer::Released),
            _ => Err(status),
        },
    }
}

/// Those of which there is not enough, as far as the refusal names them.
fn skus(status: &Status) -> String {
    let details = status.get_error_details();
    let skus = details.error_info().and_then(|info| info.metadata.get("skus"));
    skus.map(|skus| skus.replace(',', ", ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tributary_chassis::fault::{Fault, Reason};

    use super::*;

    #[test]
    fn a_reply_tells_the_state() {
        for (state, expected) in [
            (ReservationState::Unspecified, None),
            (ReservationState::Held, Some(Answer::Held)),
            (ReservationState::Expired, Some(Answer::Held)),
            (ReservationState::Committed, Some(Answer::Committed)),
            (ReservationState::Released, Some(Answer::Released)),
        ] {
            let reservation = Reservation { state: state.into(), ..Reservation::default() };
            assert_eq!(answer(Ok(Response::new(reservation))).ok(), expected, "{state:?}");
        }
        let unheard_of = Reservation { state: 99, ..Reservation::default() };
        assert!(answer(Ok(Response::new(unheard_of))).is_err());
    }

    #[test]
    fn a_refusal_tells_the_state_only_by_its_cause() {
        let refused = |cause| Err(Fault::new(Reason::WrongState, "").with("cause", cause).into());
        let out_of_stock = |skus: &str| Some(Answer::OutOfStock { skus: skus.to_owned() });
        assert_eq!(answer(refused("OUT_OF_STOCK")).ok(), out_of_stock(""));
        let fault = Fault::new(Reason::WrongState, "").with("cause", "OUT_OF_STOCK").with("skus", "saw,pot");
        assert_eq!(answer(Err(fault.into())).ok(), out_of_stock("saw, pot"));
        assert_eq!(answer(refused("RELEASED")).ok(), Some(Answer::Released));
        assert!(answer(refused("TOO_MANY")).is_err());
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::WrongState) {
            assert!(answer(Err(Fault::new(reason, "").with("cause", "RELEASED").into())).is_err());
        }
    }
}
