//! The services that are asked before an order comes about: does the customer exist, and what do the
//! products cost.

use std::collections::HashMap;

use shop_proto::{
    catalog::v1::{BatchGetProductsRequest, Product, catalog_client::CatalogClient},
    customers::v1::{GetCustomerRequest, customers_client::CustomersClient},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tributary_chassis::{
    fault::{Fault, Reason},
    outbound::{self, Outbound},
};

use crate::domain::{Offer, Quote};

/// Customers and catalog, as seen from here.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    customers: CustomersClient<Outbound>,
    catalog: CatalogClient<Outbound>,
}

impl Upstream {
    /// Connects when first asked.
    pub(crate) fn new(customers: Outbound, catalog: Outbound) -> Self {
        Self { customers: CustomersClient::new(customers), catalog: CatalogClient::new(catalog) }
    }

    /// Whether customers knows this customer.
    pub(crate) async fn customer_exists(&self, customer_id: &str) -> Result<bool, Fault> {
        let request = GetCustomerRequest { customer_id: customer_id.to_owned() };
        let ask = || async { self.customers.clone().get_customer(request.clone()).await };
        match outbound::retry(ask).await {
            Ok(_) => Ok(true),
            Err(status) if is_not_found(&status) => Ok(false),
            Err(status) => Err(unanswered("customers", status)),
        }
    }

    /// What catalog offers for these skus.
    pub(crate) async fn quote(&self, skus: Vec<String>) -> Result<Quote, Fault> {
        let request = BatchGetProductsRequest { skus };
        let ask = || async { self.catalog.clone().batch_get_products(request.clone()).await };
        match outbound::retry(ask).await {
            Ok(response) => {
                let products = response.into_inner().products.into_iter();
                Ok(Quote::Offers(products.map(offer).collect::<Result<HashMap<_, _>, _>>()?))
            }
            Err(status) if is_not_found(&status) => Ok(Quote::Unknown(unknown(&status)?)),
            Err(status) => Err(unanswered("catalog", status)),
        }
    }
}

/// Said by the service, and not by something in between that does not know the service.
fn is_not_found(status: &Status) -> bool {
    Reason::of(status) == Some(Reason::NotFound)
}

/// The skus that catalog names as unknown.
fn unknown<C: FromIterator<String>>(status: &Status) -> Result<C, Fault> {
    let details = status.get_error_details();
    match details.error_info().and_then(|info| info.metadata.get("skus")) {
        Some(skus) if !skus.is_empty() => Ok(skus.split(',').map(str::to_owned).collect()),
        _ => Err(Fault::internal("asking catalog", "NOT_FOUND does not name the skus")),
    }
}

fn offer(product: Product) -> Result<(String, Offer), Fault> {
    let Product { sku, display_name, category, price, .. } = product;
    let Some(price) = price else {
        return Err(Fault::internal("asking catalog", format!("product `{sku}` has no price")));
    };
    let offer = Offer {
        display_name,
        category,
        currency_code: price.currency_code,
        unit_price_minor_units: price.minor_units,
    };
    Ok((sku, offer))
}

/// Nothing is known about what was asked; nothing was written either, so that trying again is safe.
fn unanswered(service: &'static str, status: Status) -> Fault {
    let reason = match status.code() {
        Code::Unavailable | Code::Cancelled => Reason::Unavailable,
        Code::ResourceExhausted => Reason::Overloaded,
        Code::DeadlineExceeded => Reason::DeadlineExceeded,
        _ => return Fault::internal(&format!("asking {service}"), status),
    };
    let message = format!("{service} does not answer: {}; nothing was ordered, try again", status.message());
    Fault::new(reason, message).with("service", service).with_source(status)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_the_service_itself_can_say_not_found() {
        assert!(!is_not_found(&Status::not_found("no such route")));
        assert!(is_not_found(&Fault::new(Reason::NotFound, "no such customer").into()));
    }

    #[test]
    fn unknown_skus_are_those_named() {
        let fault = Fault::new(Reason::NotFound, "").with("skus", "a,b");
        let skus: BTreeSet<String> = unknown(&fault.into()).unwrap();
        assert_eq!(Vec::from_iter(skus), ["a", "b"]);
        for fault in [Fault::new(Reason::NotFound, ""), Fault::new(Reason::NotFound, "").with("skus", "")] {
            assert_eq!(unknown::<Vec<_>>(&fault.into()).unwrap_err().reason(), Reason::Internal);
        }
    }

    #[test]
    fn who_does_not_answer_is_named() {
        for (code, reason) in [
            (Code::Unavailable, Reason::Unavailable),
            (Code::ResourceExhausted, Reason::Overloaded),
            (Code::DeadlineExceeded, Reason::DeadlineExceeded),
            (Code::Internal, Reason::Internal),
            (Code::InvalidArgument, Reason::Internal),
        ] {
            let fault = unanswered("catalog", Status::new(code, "why"));
            assert_eq!(fault.reason(), reason);
            assert!(fault.message().contains("catalog"), "{fault}");
        }
    }
}
