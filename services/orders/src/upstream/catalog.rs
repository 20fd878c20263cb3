//! Catalog: what do the products cost?

use std::collections::HashMap;

use shop_proto::catalog::v1::{BatchGetProductsRequest, Product, catalog_client::CatalogClient};
use tonic::Status;
use tonic_types::StatusExt as _;
use tributary_chassis::{
    fault::Fault,
    outbound::{self, Outbound},
};

use super::{is_not_found, unanswered};
use crate::domain::{Offer, Quote};

/// Asked before an order comes about.
#[derive(Clone, Debug)]
pub(crate) struct Catalog(CatalogClient<Outbound>);

impl Catalog {
    /// Connects when first asked.
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self(CatalogClient::new(outbound))
    }

    /// What catalog offers for these skus.
    pub(crate) async fn quote(&self, skus: Vec<String>) -> Result<Quote, Fault> {
        let request = BatchGetProductsRequest { skus };
        let ask = || async { self.0.clone().batch_get_products(request.clone()).await };
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tributary_chassis::fault::Reason;

    use super::*;

    #[test]
    fn unknown_skus_are_those_named() {
        let fault = Fault::new(Reason::NotFound, "").with("skus", "a,b");
        let skus: BTreeSet<String> = unknown(&fault.into()).unwrap();
        assert_eq!(Vec::from_iter(skus), ["a", "b"]);
        for fault in [Fault::new(Reason::NotFound, ""), Fault::new(Reason::NotFound, "").with("skus", "")] {
            assert_eq!(unknown::<Vec<_>>(&fault.into()).unwrap_err().reason(), Reason::Internal);
        }
    }
}
