//! What the services list of themselves, every page of it.

use std::collections::BTreeMap;

use shop_proto::{
    catalog::v1::{ListProductsRequest, Product},
    customers::v1::{Customer, ListCustomersRequest},
    inventory::v1::{ListStockItemsRequest, StockItem},
    orders::v1::{ListOrdersRequest, Order},
    payments::v1::{ListPaymentsRequest, Payment},
    shipping::v1::{ListShipmentsRequest, Shipment},
};
use tonic::Status;

use crate::clients::Clients;

/// Largest page that services give.
const PAGE_SIZE: i32 = 1000;

macro_rules! list {
    ($name:ident, $item:ty, $id:ident, $client:ident, $method:ident, $request:ident) => {
        /// By id.
        pub async fn $name(clients: &Clients) -> Result<BTreeMap<String, $item>, Status> {
            let (mut all, mut page_token) = (BTreeMap::new(), String::new());
            loop {
                let request = $request { page_size: PAGE_SIZE, page_token };
                let page = clients.$client.clone().$method(request).await?.into_inner();
                all.extend(page.$name.into_iter().map(|item| (item.$id.clone(), item)));
                if page.next_page_token.is_empty() {
                    return Ok(all);
                }
                page_token = page.next_page_token;
            }
        }
    };
}

list!(customers, Customer, customer_id, customers, list_customers, ListCustomersRequest);
list!(products, Product, sku, catalog, list_products, ListProductsRequest);
list!(stock_items, StockItem, sku, inventory, list_stock_items, ListStockItemsRequest);
list!(orders, Order, order_id, orders, list_orders, ListOrdersRequest);
list!(payments, Payment, payment_id, payments, list_payments, ListPaymentsRequest);
list!(shipments, Shipment, shipment_id, shipping, list_shipments, ListShipmentsRequest);
