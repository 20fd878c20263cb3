//! Customers: does the customer exist?

use shop_proto::customers::v1::{GetCustomerRequest, customers_client::CustomersClient};
use tributary_chassis::{
    fault::Fault,
    outbound::{self, Outbound},
};

use super::{is_not_found, unanswered};

/// Asked before an order comes about.
#[derive(Clone, Debug)]
pub(crate) struct Customers(CustomersClient<Outbound>);

impl Customers {
    /// Connects when first asked.
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self(CustomersClient::new(outbound))
    }

    /// Whether customers knows this customer.
    pub(crate) async fn exists(&self, customer_id: &str) -> Result<bool, Fault> {
        let request = GetCustomerRequest { customer_id: customer_id.to_owned() };
        let ask = || async { self.0.clone().get_customer(request.clone()).await };
        match outbound::retry(ask).await {
            Ok(_) => Ok(true),
            Err(status) if is_not_found(&status) => Ok(false),
            Err(status) => Err(unanswered("customers", status)),
        }
    }
}
