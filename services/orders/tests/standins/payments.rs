//! Payments: money set aside, taken and given back.

use std::collections::BTreeMap;

use shop_proto::payments::v1::{self as proto, PaymentState, payments_server};
use tonic::{Request, Response, Status};
use tributary_chassis::fault::{Fault as Refusal, Reason};

use super::{Replies, World, refused};

/// Payments by id.
#[derive(Default)]
pub(crate) struct Money {
    pub(crate) payments: BTreeMap<String, Paid>,
    replies: Replies<proto::Payment>,
}

/// One payment, and what has moved.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) state: PaymentState,
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// As it was asked for, without the request id.
    asked: String,
}

impl Money {
    fn message(&self, id: &str) -> proto::Payment {
        let paid = &self.payments[id];
        let declined = paid.state == PaymentState::Declined;
        proto::Payment {
            payment_id: id.to_owned(),
            state: paid.state.into(),
            decline_code: if declined { "card_declined".to_owned() } else { String::new() },
            ..Default::default()
        }
    }
}

impl super::State {
    fn authorize(&mut self, request: &proto::AuthorizeRequest) -> Result<proto::Payment, Status> {
        if let Some(reply) = self.money.replies.of(&request.request_id, request)? {
            return Ok(reply);
        }
        let id = &request.payment_id;
        let asked = format!("{:?}", proto::AuthorizeRequest { request_id: String::new(), ..request.clone() });
        match self.money.payments.get(id) {
            Some(paid) if paid.asked.is_empty() => return Err(refused("VOIDED")),
            Some(paid) if paid.asked != asked => {
                return Err(Refusal::new(Reason::AlreadyExists, "another payment").into());
            }
            Some(_) => {}
            None => {
                let approved = request.token == "tok_ok";
                let state = if approved { PaymentState::Authorized } else { PaymentState::Declined };
                let amount = request.amount.as_ref().unwrap().minor_units;
                let paid = Paid { state, amount, captured: 0, refunded: 0, asked };
                self.money.payments.insert(id.clone(), paid);
                self.had_effect(&request.request_id, "authorize", id);
            }
        }
        let reply = self.money.message(id);
        Ok(self.money.replies.keep(&request.request_id, request, reply))
    }

    fn capture(&mut self, request: &proto::CaptureRequest) -> Result<proto::Payment, Status> {
        if let Some(reply) = self.money.replies.of(&request.request_id, request)? {
            return Ok(reply);
        }
        let id = &request.payment_id;
        let paid = self.money.payments.get_mut(id).ok_or_else(no_payment)?;
        match paid.state {
            PaymentState::Captured => {}
            PaymentState::Authorized => {
                paid.state = PaymentState::Captured;
                paid.captured += paid.amount;
                self.had_effect(&request.request_id, "capture", id);
            }
            state => return Err(refused(state.as_str_name())),
        }
        let reply = self.money.message(id);
        Ok(self.money.replies.keep(&request.request_id, request, reply))
    }

    fn void(&mut self, request: &proto::VoidRequest) -> Result<proto::Payment, Status> {
        if let Some(reply) = self.money.replies.of(&request.request_id, request)? {
            return Ok(reply);
        }
        let id = &request.payment_id;
        let nothing = || Paid {
            state: PaymentState::Pending,
            amount: 0,
            captured: 0,
            refunded: 0,
            asked: String::new(),
        };
        let paid = self.money.payments.entry(id.clone()).or_insert_with(nothing);
        match paid.state {
            PaymentState::Declined | PaymentState::Voided => {}
            PaymentState::Pending | PaymentState::Authorized => {
                paid.state = PaymentState::Voided;
                self.had_effect(&request.request_id, "void", id);
            }
            state => return Err(refused(state.as_str_name())),
        }
        let reply = self.money.message(id);
        Ok(self.money.replies.keep(&request.request_id, request, reply))
    }

    fn refund(&mut self, request: &proto::RefundRequest) -> Result<proto::Payment, Status> {
        let defect = self.undo_not_idempotent;
        if let (Some(reply), false) = (self.money.replies.of(&request.request_id, request)?, defect) {
            return Ok(reply);
        }
        let id = &request.payment_id;
        let paid = self.money.payments.get_mut(id).ok_or_else(no_payment)?;
        match paid.state {
            PaymentState::Refunded if !defect => {}
            PaymentState::Captured | PaymentState::Refunded => {
                paid.state = PaymentState::Refunded;
                paid.refunded += paid.amount;
                self.had_effect(&request.request_id, "refund", id);
            }
            state => return Err(refused(state.as_str_name())),
        }
        let reply = self.money.message(id);
        Ok(self.money.replies.keep(&request.request_id, request, reply))
    }
}

fn no_payment() -> Status {
    Refusal::new(Reason::NotFound, "no such payment").into()
}

#[tonic::async_trait]
impl payments_server::Payments for World {
    async fn authorize(
        &self,
        request: Request<proto::AuthorizeRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.payment_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("authorize", id, request_id, move || world.state().authorize(&r)).await
    }

    async fn capture(
        &self,
        request: Request<proto::CaptureRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.payment_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("capture", id, request_id, move || world.state().capture(&r)).await
    }

    async fn void(&self, request: Request<proto::VoidRequest>) -> Result<Response<proto::Payment>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.payment_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("void", id, request_id, move || world.state().void(&r)).await
    }

    async fn refund(
        &self,
        request: Request<proto::RefundRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.payment_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("refund", id, request_id, move || world.state().refund(&r)).await
    }

    async fn get_payment(
        &self,
        _: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        Err(Status::unimplemented("orders has no business here"))
    }

    async fn list_payments(
        &self,
        _: Request<proto::ListPaymentsRequest>,
    ) -> Result<Response<proto::ListPaymentsResponse>, Status> {
        Err(Status::unimplemented("orders has no business here"))
    }
}
