//! What happens in the shop besides orders: customers come and move, products appear, change their price and
//! arrive.

use serde_json::{Value, json};

use super::{
    calls::Calls,
    methods::{
        CREATE_CUSTOMER, CREATE_PRODUCT, CREATE_STOCK_ITEM, RECEIVE_STOCK, UPDATE_CUSTOMER, UPDATE_PRODUCT,
    },
    names::Names,
    reply::{Customer, StockItem},
    traffic::Product,
};
use crate::failure::Failure;

/// A new customer, who may order from then on.
pub(super) async fn customer(
    calls: &Calls<'_>,
    names: &Names,
    number: usize,
    region: &str,
) -> Result<Customer, Failure> {
    let id = names.customer(number);
    let request = json!({
        "request_id": format!("{id}-create"), "customer_id": id,
        "customer": { "display_name": format!("Customer {number}"), "region": region, "segment": "SHOP" },
    });
    let customer = calls.must(CREATE_CUSTOMER, &request).await?;
    calls.made(&id)?;
    Ok(customer)
}

/// A customer moves to another region.
pub(super) async fn moves(
    calls: &Calls<'_>,
    names: &Names,
    number: usize,
    region: &str,
) -> Result<Customer, Failure> {
    let id = names.customer(number);
    calls.wait_for(&id).await;
    let request = json!({
        "request_id": format!("{id}-move"), "update_mask": "region",
        "customer": { "customer_id": id, "region": region },
    });
    calls.must(UPDATE_CUSTOMER, &request).await
}

/// A new product. It may be ordered only once it is stock-managed, if it is to be: else the first would be sold
/// off no shelf.
pub(super) async fn product(
    calls: &Calls<'_>,
    names: &Names,
    product: &Product,
) -> Result<Option<StockItem>, Failure> {
    let sku = names.sku(product.product);
    let request = json!({
        "request_id": format!("{sku}-create"), "sku": sku,
        "product": {
            "display_name": format!("Product {}", product.product),
            "category": names.category(product.category),
            "price": price(product.currency, product.minor_units),
        },
    });
    calls.must::<Value>(CREATE_PRODUCT, &request).await?;
    let item = match product.stock {
        None => None,
        Some(on_hand) => {
            let request = json!({ "request_id": format!("{sku}-stock"), "sku": sku, "on_hand": on_hand });
            Some(calls.must(CREATE_STOCK_ITEM, &request).await?)
        }
    };
    calls.made(&sku)?;
    Ok(item)
}

/// A product costs something else from now on.
pub(super) async fn reprice(
    calls: &Calls<'_>,
    names: &Names,
    product: usize,
    number: u64,
    price: Value,
) -> Result<(), Failure> {
    let sku = names.sku(product);
    calls.wait_for(&sku).await;
    let request = json!({
        "request_id": names.request("price", number), "update_mask": "price",
        "product": { "sku": sku, "price": price },
    });
    calls.must::<Value>(UPDATE_PRODUCT, &request).await?;
    Ok(())
}

/// Goods of that sku have arrived.
pub(super) async fn receive(
    calls: &Calls<'_>,
    names: &Names,
    product: usize,
    number: u64,
    quantity: i64,
) -> Result<String, Failure> {
    let sku = names.sku(product);
    calls.wait_for(&sku).await;
    let request = json!({ "request_id": names.request("receive", number), "sku": sku, "quantity": quantity });
    calls.must::<Value>(RECEIVE_STOCK, &request).await?;
    Ok(sku)
}

/// An amount as a request has it.
pub(super) fn price(currency: &str, minor_units: i64) -> Value {
    json!({ "currency_code": currency, "minor_units": minor_units })
}
