//! The payments service as its callers see it: real gRPC, a real store and a real ledger of the processor
//! in a temporary directory or, in the program of that name, on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod agreement;
mod feed;
mod fields;
mod ledger;
mod life;
mod outcome;
mod pages;
mod repetition;
mod tokens;

use clap::Parser as _;
use payments::Config;
use shop_proto::{
    money::v1::Money,
    payments::v1::{
        AuthorizeRequest, CaptureRequest, GetPaymentRequest, Payment, PaymentState, RefundRequest,
        VoidRequest, payments_client::PaymentsClient,
    },
};
use tempfile::TempDir;
use test_prerequisites::postgres::store_flags;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tributary_chassis::{
    fault::Reason,
    testing::{Running, refusal},
};

type Client = PaymentsClient<Channel>;

const UNKNOWN: (Code, Option<Reason>) = (Code::Unknown, Some(Reason::OutcomeUnknown));

/// What moves money, or gives up moving it.
const OPERATIONS: [&str; 4] = ["authorize", "capture", "void", "refund"];

/// A running service on a store and a ledger of its own.
struct Service {
    client: Client,
    running: Running,
    dir: TempDir,
}

impl Service {
    /// Whose intents nobody resolves but callers.
    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "1h").await
    }

    async fn restart(self) -> Self {
        self.running.stop().await;
        Self::start_in(self.dir, "1h").await
    }

    async fn start_in(dir: TempDir, resolve_interval: &str) -> Self {
        let flags = ["payments", "--resolve-interval", resolve_interval].map(str::to_owned).into_iter();
        let config = Config::parse_from(flags.chain(store_flags(env!("CARGO_CRATE_NAME"), dir.path()).await));
        let running = Running::start("payments", dir.path(), |server| payments::start(config, server)).await;
        Self { client: Client::new(running.channel()), running, dir }
    }

    async fn authorize(&self, request: AuthorizeRequest) -> Result<Payment, Status> {
        Ok(self.client.clone().authorize(request).await?.into_inner())
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Payment, Status> {
        Ok(self.client.clone().capture(request).await?.into_inner())
    }

    async fn void(&self, request: VoidRequest) -> Result<Payment, Status> {
        Ok(self.client.clone().void(request).await?.into_inner())
    }

    async fn refund(&self, request: RefundRequest) -> Result<Payment, Status> {
        Ok(self.client.clone().refund(request).await?.into_inner())
    }

    async fn get(&self, payment_id: &str) -> Result<Payment, Status> {
        let request = GetPaymentRequest { payment_id: payment_id.to_owned() };
        Ok(self.client.clone().get_payment(request).await?.into_inner())
    }

    /// An operation by name, on a payment by `tok_ok`.
    async fn call(&self, operation: &str, payment_id: &str) -> Result<Payment, Status> {
        self.call_as("", operation, payment_id, "tok_ok").await
    }

    /// An operation by name, under a request id, on a payment by this token.
    async fn call_as(
        &self,
        request_id: &str,
        operation: &str,
        payment_id: &str,
        token: &str,
    ) -> Result<Payment, Status> {
        let (request_id, id) = (request_id.to_owned(), payment_id.to_owned());
        match operation {
            "authorize" => {
                self.authorize(AuthorizeRequest { request_id, ..authorize(payment_id, token) }).await
            }
            "capture" => self.capture(CaptureRequest { request_id, payment_id: id }).await,
            "void" => self.void(VoidRequest { request_id, payment_id: id }).await,
            "refund" => self.refund(RefundRequest { request_id, payment_id: id }).await,
            other => panic!("{other} is no operation"),
        }
    }

    /// Asks under the same request id until it is known what happened, as a caller has to.
    async fn insist(&self, operation: &str, payment_id: &str, token: &str) -> Payment {
        let request_id = format!("{payment_id}-{operation}");
        for _ in 0..3 {
            match self.call_as(&request_id, operation, payment_id, token).await {
                Err(status) if status.code() == Code::Unknown => (),
                answer => return answer.unwrap(),
            }
        }
        panic!("{operation} of {payment_id} stays unknown")
    }
}

fn euros(minor_units: i64) -> Money {
    Money { currency_code: "EUR".to_owned(), minor_units }
}

fn authorize(payment_id: &str, token: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        request_id: String::new(),
        payment_id: payment_id.to_owned(),
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        amount: Some(euros(2500)),
        token: token.to_owned(),
    }
}

/// A machine-readable detail of an error.
fn detail(status: &Status, key: &str) -> Option<String> {
    status.get_error_details().error_info()?.metadata.get(key).cloned()
}

/// `cause` of a call that the state does not allow.
#[track_caller]
fn cause(result: Result<Payment, Status>) -> String {
    let status = result.unwrap_err();
    assert_eq!((status.code(), Reason::of(&status)), (Code::FailedPrecondition, Some(Reason::WrongState)));
    detail(&status, "cause").unwrap_or_default()
}
