//! The life of one order, from its placing until nothing more is expected of it. Whatever state it is found in,
//! its life goes on from there: so a run that was interrupted is resumed.

use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{
    calls::Calls,
    methods::{CANCEL_ORDER, DELIVER_SHIPMENT, DISPATCH_SHIPMENT, GET_SHIPMENT, PLACE_ORDER},
    names::Names,
    reply::{self, Order, OrderState, Shipment},
    traffic::{self, Fate},
};
use crate::failure::Failure;

/// An order, and who calls for it.
pub(super) struct Life<'a> {
    calls: &'a Calls<'a>,
    names: &'a Names,
    id: String,
    order: &'a traffic::Order,
}

impl<'a> Life<'a> {
    /// Of an order that is not placed yet.
    pub(super) fn new(calls: &'a Calls<'a>, names: &'a Names, order: &'a traffic::Order) -> Self {
        Self { calls, names, id: names.order(order.number), order }
    }

    /// All of it from there; `None` if patience ended before it was settled.
    pub(super) async fn live(&self, order: Order) -> Result<Option<Order>, Failure> {
        if self.order.fate == Fate::CancelAtOnce && order.state == OrderState::Placed {
            self.cancel().await?;
            // Also CONFIRMED is left then, unless the cancellation was refused.
            return self.calls.watch(&self.id, |order| order.state.is_final()).await;
        }
        // CANCELLING is passed through by what cannot be confirmed, and by what was cancelled in an earlier run.
        let arranged = |order: &Order| !matches!(order.state, OrderState::Placed | OrderState::Cancelling);
        match self.calls.watch(&self.id, arranged).await? {
            Some(order) if !order.state.is_final() => self.fulfil(order).await,
            settled => Ok(settled),
        }
    }

    /// Places it, as soon as everything is there that it names. `due` is when it was to be placed.
    pub(super) async fn place(&self, due: Instant) -> Result<Order, Failure> {
        let customer = self.names.customer(self.order.customer);
        self.calls.wait_for(&customer).await;
        for (product, _) in &self.order.lines {
            self.calls.wait_for(&self.names.sku(*product)).await;
        }
        let order: Order = self.calls.must(PLACE_ORDER, &self.request(&customer)).await?;
        self.calls.display.board.borrow_mut().note(&order);
        self.calls.display.placed(due.elapsed());
        Ok(order)
    }

    fn request(&self, customer: &str) -> Value {
        let line = |(product, quantity): &(usize, i64)| json!({ "sku": self.names.sku(*product), "quantity": quantity });
        json!({
            "request_id": format!("{}-place", self.id),
            "order_id": self.id,
            "customer_id": customer,
            "lines": self.order.lines.iter().map(line).collect::<Vec<_>>(),
            "payment_token": self.order.token.unwrap_or_default(),
        })
    }

    /// Goods and payment are there, or were.
    async fn fulfil(&self, order: Order) -> Result<Option<Order>, Failure> {
        match self.order.fate {
            Fate::Rest => {
                let shipment =
                    self.calls.once_there(GET_SHIPMENT, &json!({ "shipment_id": self.id })).await?;
                return Ok(shipment.map(|_| order));
            }
            Fate::Deliver => self.send().await?,
            // The second is of a run that was interrupted between the two calls.
            Fate::CancelConfirmed | Fate::CancelAtOnce => self.cancel().await?,
            Fate::CancelAgainstDispatch => {
                tokio::try_join!(self.cancel(), self.send())?;
            }
        }
        self.calls.watch(&self.id, |order| order.state.is_final()).await
    }

    /// A refusal is an answer: something else came first.
    async fn cancel(&self) -> Result<(), Failure> {
        let request = json!({
            "request_id": format!("{}-cancel", self.id), "order_id": self.id, "reason": "changed my mind",
        });
        match self.calls.ask(CANCEL_ORDER, &request).await? {
            Ok(message) => {
                let order = reply::read(&message).map_err(|status| self.refused(CANCEL_ORDER, &status))?;
                self.calls.display.board.borrow_mut().note(&order);
                Ok(())
            }
            Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
            Err(status) => Err(self.refused(CANCEL_ORDER, &status)),
        }
    }

    /// Dispatches the shipment as soon as there is one, and delivers it; unless it was cancelled.
    async fn send(&self) -> Result<(), Failure> {
        let request = json!({
            "request_id": format!("{}-dispatch", self.id), "shipment_id": self.id,
            "carrier": "Snail & Sons", "tracking_code": self.id,
        });
        match self.calls.once_there(DISPATCH_SHIPMENT, &request).await? {
            // There is none: patience ended, as it will for the order.
            None => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(status)) if status.code() == Code::FailedPrecondition => {
                let shipment: Shipment =
                    self.calls.must(GET_SHIPMENT, &json!({ "shipment_id": self.id })).await?;
                if shipment.state != "DISPATCHED" {
                    return Ok(());
                }
            }
            Some(Err(status)) => return Err(self.refused(DISPATCH_SHIPMENT, &status)),
        }
        let request = json!({ "request_id": format!("{}-deliver", self.id), "shipment_id": self.id });
        match self.calls.ask(DELIVER_SHIPMENT, &request).await? {
            Err(status) if status.code() != Code::FailedPrecondition => {
                Err(self.refused(DELIVER_SHIPMENT, &status))
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, path: &str, status: &Status) -> Failure {
        Failure::call(path, status).with_advice(&format!("this was about order {}", self.id))
    }
}
