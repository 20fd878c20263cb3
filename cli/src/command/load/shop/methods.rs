//! The methods that a run calls, and the servers that have them.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use crate::{
    directory::{self, Found},
    failure::Failure,
    mesh::Mesh,
};

pub(super) const CREATE_CUSTOMER: &str = "shop.customers.v1.Customers/CreateCustomer";
pub(super) const UPDATE_CUSTOMER: &str = "shop.customers.v1.Customers/UpdateCustomer";
pub(super) const CREATE_PRODUCT: &str = "shop.catalog.v1.Catalog/CreateProduct";
pub(super) const UPDATE_PRODUCT: &str = "shop.catalog.v1.Catalog/UpdateProduct";
pub(super) const CREATE_STOCK_ITEM: &str = "shop.inventory.v1.Inventory/CreateStockItem";
pub(super) const RECEIVE_STOCK: &str = "shop.inventory.v1.Inventory/ReceiveStock";
pub(super) const PLACE_ORDER: &str = "shop.orders.v1.Orders/PlaceOrder";
pub(super) const WATCH_ORDER: &str = "shop.orders.v1.Orders/WatchOrder";
pub(super) const CANCEL_ORDER: &str = "shop.orders.v1.Orders/CancelOrder";
pub(super) const GET_SHIPMENT: &str = "shop.shipping.v1.Shipping/GetShipment";
pub(super) const DISPATCH_SHIPMENT: &str = "shop.shipping.v1.Shipping/DispatchShipment";
pub(super) const DELIVER_SHIPMENT: &str = "shop.shipping.v1.Shipping/DeliverShipment";
pub(super) const REVENUE: &str = "shop.insights.v1.Insights/RevenueByRegion";

/// A read of each service: its reply tells how far that service's history goes.
pub(super) const READS: [&str; 6] = [
    "shop.customers.v1.Customers/ListCustomers",
    "shop.catalog.v1.Catalog/ListProducts",
    "shop.inventory.v1.Inventory/ListStockItems",
    "shop.payments.v1.Payments/ListPayments",
    "shop.orders.v1.Orders/ListOrders",
    "shop.shipping.v1.Shipping/ListShipments",
];

const CALLS: [&str; 13] = [
    CREATE_CUSTOMER,
    UPDATE_CUSTOMER,
    CREATE_PRODUCT,
    UPDATE_PRODUCT,
    CREATE_STOCK_ITEM,
    RECEIVE_STOCK,
    PLACE_ORDER,
    WATCH_ORDER,
    CANCEL_ORDER,
    GET_SHIPMENT,
    DISPATCH_SHIPMENT,
    DELIVER_SHIPMENT,
    REVENUE,
];

/// Where each is served.
#[derive(Debug)]
pub(super) struct Methods(BTreeMap<&'static str, Found>);

impl Methods {
    /// Asks the servers of the mesh. This is done before anything is called, and is not repeated: whoever has not
    /// started the mesh is told at once.
    pub(super) async fn find(mesh: &Mesh) -> Result<Self, Failure> {
        let find = async |path| Ok::<_, Failure>((path, directory::find(mesh, None, path).await?));
        let found = try_join_all(CALLS.into_iter().chain(READS).map(find)).await?;
        Ok(Self(found.into_iter().collect()))
    }

    /// Those that have any of them; each may be named more than once.
    pub(super) fn servers(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|found| found.target.name.as_str())
    }

    /// One of the constants above.
    pub(super) fn of(&self, path: &'static str) -> Result<&Found, Failure> {
        self.0.get(path).ok_or_else(|| Failure::failed(format!("{path} was not asked for")))
    }
}
