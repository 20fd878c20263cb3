//! Payments: the money. The payment of an order has the order's id.

use std::time::Duration;

use shop_proto::{
    money::v1::Money,
    payments::v1::{
        AuthorizeRequest, CaptureRequest, Payment, PaymentState, RefundRequest, VoidRequest,
        payments_client::PaymentsClient,
    },
};
use tonic::{Response, Status};
use tributary_chassis::outbound::Outbound;

use super::{refusal, timed};
use crate::domain::{Order, Token, saga::Answer};

/// Asked by the saga. An error says nothing about what was done.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    client: PaymentsClient<Outbound>,
    timeout: Duration,
}

impl Payments {
    /// Connects when first asked; an answer that takes longer than `timeout` is none.
    pub(crate) fn new(outbound: Outbound, timeout: Duration) -> Self {
        Self { client: PaymentsClient::new(outbound), timeout }
    }

    /// Sets the total aside.
    pub(crate) async fn authorize(
        &self,
        request_id: String,
        order_id: &str,
        order: &Order,
        Token(token): &Token,
    ) -> Result<Answer, Status> {
        let request = AuthorizeRequest {
            request_id,
            payment_id: order_id.to_owned(),
            order_id: order_id.to_owned(),
            customer_id: order.customer_id.clone(),
            amount: Some(Money {
                currency_code: order.currency_code.clone(),
                minor_units: order.total_minor_units,
            }),
            token: token.clone(),
        };
        answer(self.client.clone().authorize(timed(request, self.timeout)).await)
    }

    /// Takes it.
    pub(crate) async fn capture(&self, request_id: String, order_id: &str) -> Result<Answer, Status> {
        let request = CaptureRequest { request_id, payment_id: order_id.to_owned() };
        answer(self.client.clone().capture(timed(request, self.timeout)).await)
    }

    /// Gives up what was set aside.
    pub(crate) async fn void(&self, request_id: String, order_id: &str) -> Result<Answer, Status> {
        let request = VoidRequest { request_id, payment_id: order_id.to_owned() };
        answer(self.client.clone().void(timed(request, self.timeout)).await)
    }

    /// Gives back what was taken.
    pub(crate) async fn refund(&self, request_id: String, order_id: &str) -> Result<Answer, Status> {
        let request = RefundRequest { request_id, payment_id: order_id.to_owned() };
        answer(self.client.clone().refund(timed(request, self.timeout)).await)
    }
}

fn answer(result: Result<Response<Payment>, Status>) -> Result<Answer, Status> {
    match result {
        Ok(response) => {
            let payment = response.into_inner();
            match payment.state() {
                PaymentState::Authorized => Ok(Answer::Authorized),
                PaymentState::Declined => Ok(Answer::Declined { code: payment.decline_code }),
                PaymentState::Captured => Ok(Answer::Captured),
                PaymentState::Voided => Ok(Answer::Voided),
                PaymentState::Refunded => Ok(Answer::Refunded),
                PaymentState::Pending => Err(Status::unknown("the processor has not answered yet")),
                PaymentState::Unspecified => Err(Status::internal("the payment has no state")),
            }
        }
        Err(status) => match refusal(&status).as_deref() {
            Some("CAPTURED") => Ok(Answer::Captured),
            Some("VOIDED") => Ok(Answer::Voided),
            Some("REFUNDED") => Ok(Answer::Refunded),
            _ => Err(status),
        },
    }
}

#[cfg(test)]
mod tests {
    use tributary_chassis::fault::{Fault, Reason};

    use super::*;

    #[test]
    fn a_reply_tells_the_state() {
        for (state, expected) in [
            (PaymentState::Unspecified, None),
            (PaymentState::Pending, None),
            (PaymentState::Authorized, Some(Answer::Authorized)),
            (PaymentState::Declined, Some(Answer::Declined { code: "card_declined".to_owned() })),
            (PaymentState::Captured, Some(Answer::Captured)),
            (PaymentState::Voided, Some(Answer::Voided)),
            (PaymentState::Refunded, Some(Answer::Refunded)),
        ] {
            let decline_code = "card_declined".to_owned();
            let payment = Payment { state: state.into(), decline_code, ..Payment::default() };
            assert_eq!(answer(Ok(Response::new(payment))).ok(), expected, "{state:?}");
        }
        let unheard_of = Payment { state: 99, ..Payment::default() };
        assert!(answer(Ok(Response::new(unheard_of))).is_err());
    }

    #[test]
    fn a_refusal_tells_the_state_only_by_its_cause() {
        let refused = |cause| Err(Fault::new(Reason::WrongState, "").with("cause", cause).into());
        assert_eq!(answer(refused("CAPTURED")).ok(), Some(Answer::Captured));
        assert_eq!(answer(refused("VOIDED")).ok(), Some(Answer::Voided));
        assert_eq!(answer(refused("REFUNDED")).ok(), Some(Answer::Refunded));
        for cause in ["PENDING", "AUTHORIZED", "DECLINED"] {
            assert!(answer(refused(cause)).is_err(), "{cause}");
        }
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::WrongState) {
            assert!(answer(Err(Fault::new(reason, "").with("cause", "CAPTURED").into())).is_err());
        }
    }
}
