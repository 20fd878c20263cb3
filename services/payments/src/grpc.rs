//! Payments on the wire: what the messages mean, and nothing else.

use shop_proto::{
    money::v1 as money,
    payments::v1::{self as proto, payments_server},
};
use tonic::{Request, Response, Status};
use tributary_chassis::{
    outbox::{Entity, Outbox, Published, Stored},
    resource, timestamp,
    validate::Violations,
};

use crate::{
    cashier::{Asked, Cashier},
    domain::{Charge, Money, PAYMENT, Payment, Payments, Stage, State, Token, Wish},
    store::{ALL, PAYMENTS},
};

/// `shop.payments.v1.Payments`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Payments>,
    cashier: Cashier,
}

impl Service {
    /// On top of the store, which is read here and written by the cashier.
    pub(crate) fn new(outbox: Outbox<Payments>, cashier: Cashier) -> Self {
        Self { outbox, cashier }
    }

    /// Has a wish come true for a payment that is named.
    async fn carry_out(
        &self,
        asked: Asked,
        payment_id: String,
        wish: Wish,
    ) -> Result<Response<proto::Payment>, Status> {
        resource::check_id("payment_id", &payment_id)?;
        Ok(Response::new(self.cashier.carry_out(asked, payment_id, wish, message).await?))
    }
}

#[tonic::async_trait]
impl payments_server::Payments for Service {
    async fn authorize(
        &self,
        request: Request<proto::AuthorizeRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let request = request.into_inner();
        let asked = Asked::new("Authorize", &request.request_id, &request)?;
        let proto::AuthorizeRequest { payment_id, order_id, customer_id, amount, token, .. } = request;
        // An amount that is left out is one without a currency, which is refused.
        let money::Money { currency_code, minor_units } = amount.unwrap_or_default();
        let amount = Money { currency_code, minor_units };
        let charge = Charge { order_id, customer_id, amount, token: Token(token) };
        let mut violations = Violations::new();
        violations.optional_id("payment_id", &payment_id);
        charge.check(&mut violations);
        violations.finish()?;
        self.carry_out(asked, resource::id_or_new(payment_id), Wish::Authorize(charge)).await
    }

    async fn capture(
        &self,
        request: Request<proto::CaptureRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let request = request.into_inner();
        let asked = Asked::new("Capture", &request.request_id, &request)?;
        self.carry_out(asked, request.payment_id, Wish::Capture).await
    }

    async fn void(&self, request: Request<proto::VoidRequest>) -> Result<Response<proto::Payment>, Status> {
        let request = request.into_inner();
        let asked = Asked::new("Void", &request.request_id, &request)?;
        self.carry_out(asked, request.payment_id, Wish::Void).await
    }

    async fn refund(
        &self,
        request: Request<proto::RefundRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let request = request.into_inner();
        let asked = Asked::new("Refund", &request.request_id, &request)?;
        self.carry_out(asked, request.payment_id, Wish::Refund).await
    }

    async fn get_payment(
        &self,
        request: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::Payment>, Status> {
        let id = request.into_inner().payment_id;
        let stored = PAYMENT.find(&self.outbox, "payment_id", &id).await?;
        Ok(Response::new(message(&id, &stored)))
    }

    async fn list_payments(
        &self,
        request: Request<proto::ListPaymentsRequest>,
    ) -> Result<Response<proto::ListPaymentsResponse>, Status> {
        let proto::ListPaymentsRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, ALL, page_size, &page_token, message).await?;
        Ok(Response::new(proto::ListPaymentsResponse {
            payments: page.items,
            next_page_token: page.next_page_token,
        }))
    }
}

impl Published for Payments {
    const ENTITIES: &'static [&'static str] = &[PAYMENTS];

    fn publish(payment_id: &String, stored: Option<&Stored<Payment>>) -> Option<Entity> {
        let payment = match stored {
            // Nothing was to be paid, so that there is nothing to tell.
            Some(Stored { state: Payment::Barred, .. }) => return None,
            Some(stored) => message(payment_id, stored),
            None => proto::Payment { payment_id: payment_id.clone(), ..Default::default() },
        };
        Some(resource::entity(PAYMENTS, payment_id, &payment))
    }
}

/// Without the token.
fn message(payment_id: &str, stored: &Stored<Payment>) -> proto::Payment {
    let payment = proto::Payment {
        payment_id: payment_id.to_owned(),
        state: state(stored.state.state()).into(),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
        ..Default::default()
    };
    let Payment::Asked { charge, stage } = stored.state.clone() else { return payment };
    let Charge { order_id, customer_id, amount, token: _ } = charge;
    let Money { currency_code, minor_units } = amount;
    let decline_code = if let Stage::Declined { code } = stage { code } else { String::new() };
    let amount = Some(money::Money { currency_code, minor_units });
    proto::Payment { order_id, customer_id, amount, decline_code, ..payment }
}

fn state(state: State) -> proto::PaymentState {
    match state {
        State::Pending => proto::PaymentState::Pending,
        State::Authorized => proto::PaymentState::Authorized,
        State::Declined => proto::PaymentState::Declined,
        State::Captured => proto::PaymentState::Captured,
        State::Voided => proto::PaymentState::Voided,
        State::Refunded => proto::PaymentState::Refunded,
    }
}
