//! Clients of a mesh, as a user's program has them.

use shop_proto::{
    catalog::v1::{CreateProductRequest, Product, catalog_client::CatalogClient},
    customers::v1::{CreateCustomerRequest, Customer, customers_client::CustomersClient},
    inventory::v1::inventory_client::InventoryClient,
    money::v1::Money,
    orders::v1::{
        GetOrderRequest, Order, OrderState, PlaceOrderRequest, orders_client::OrdersClient,
        place_order_request::Line,
    },
    payments::v1::payments_client::PaymentsClient,
    shipping::v1::shipping_client::ShippingClient,
};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tributary_chassis::position::{AFTER, AS_OF, POSITION, Positions};
use tributary_proto::{
    feed::v1::change_feed_client::ChangeFeedClient,
    query::v1::{
        GetStatusRequest, GetStatusResponse, ListViewsRequest, QueryRequest, View, ViewState,
        query_gateway_client::QueryGatewayClient, query_response::Part, value::Kind,
    },
};

use crate::{mesh::SERVICES, wait};

/// One client of each server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    /// `shop.customers.v1`.
    pub customers: CustomersClient<Channel>,
    /// `shop.catalog.v1`.
    pub catalog: CatalogClient<Channel>,
    /// `shop.inventory.v1`.
    pub inventory: InventoryClient<Channel>,
    /// `shop.payments.v1`.
    pub payments: PaymentsClient<Channel>,
    /// `shop.orders.v1`.
    pub orders: OrdersClient<Channel>,
    /// `shop.shipping.v1`.
    pub shipping: ShippingClient<Channel>,
    /// `tributary.query.v1`.
    pub gateway: QueryGatewayClient<Channel>,
    /// The feeds of all services, as [`SERVICES`] names them.
    pub feeds: [ChangeFeedClient<Channel>; SERVICES.len()],
}

/// An answer of the gateway, as texts: NULL is `NULL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// What the answer stands on.
    pub as_of: String,
    /// Whether a cap cut it short.
    pub truncated: bool,
}

impl Clients {
    /// Clients that connect at their first call; `url` gives that of each server.
    pub fn connect(url: impl Fn(&str) -> String) -> Self {
        let channel = |name: &str| Endpoint::from_shared(url(name)).expect("a URL").connect_lazy();
        Self::over(channel, channel)
    }

    /// Clients over channels of the caller's: to each server, and to the feed of each.
    pub fn over(channel: impl Fn(&str) -> Channel, feed: impl Fn(&str) -> Channel) -> Self {
        Self {
            customers: CustomersClient::new(channel("customers")),
            catalog: CatalogClient::new(channel("catalog")),
            inventory: InventoryClient::new(channel("inventory")),
            payments: PaymentsClient::new(channel("payments")),
            orders: OrdersClient::new(channel("orders")),
            shipping: ShippingClient::new(channel("shipping")),
            gateway: QueryGatewayClient::new(channel("query-gateway")),
            feeds: SERVICES.map(|name| ChangeFeedClient::new(feed(name)).max_decoding_message_size(8 << 20)),
        }
    }

    /// Creates a customer of `region`.
    pub async fn create_customer(&self, id: &str, region: &str) -> Result<Response<Customer>, Status> {
        let customer = Customer {
            display_name: format!("Name of {id}"),
            region: region.to_owned(),
            ..Customer::default()
        };
        let request = CreateCustomerRequest {
            request_id: format!("create-{id}"),
            customer_id: id.to_owned(),
            customer: Some(customer),
        };
        self.customers.clone().create_customer(request).await
    }

    /// Creates a product with a price in euro cents.
    pub async fn create_product(
        &self,
        sku: &str,
        category: &str,
        cents: i64,
    ) -> Result<Response<Product>, Status> {
        let product = Product {
            display_name: format!("Name of {sku}"),
            category: category.to_owned(),
            price: Some(Money { currency_code: "EUR".to_owned(), minor_units: cents }),
            ..Product::default()
        };
        let request = CreateProductRequest {
            request_id: format!("create-{sku}"),
            sku: sku.to_owned(),
            product: Some(product),
        };
        self.catalog.clone().create_product(request).await
    }

    /// Runs one SELECT behind `after`.
    pub async fn query_after(&self, sql: &str, after: &Positions) -> Result<Answer, Status> {
        let mut request = Request::new(QueryRequest { sql: sql.to_owned(), max_rows: 0 });
        if !after.is_empty() {
            request.metadata_mut().insert(AFTER, metadata(&after.to_string()));
        }
        let response = self.gateway.clone().query(request).await?;
        let as_of = header(&response, AS_OF);
        let mut answer = Answer { columns: Vec::new(), rows: Vec::new(), as_of, truncated: false };
        let mut parts = response.into_inner();
        while let Some(part) = parts.message().await? {
            match part.part.expect("a part") {
                Part::Header(header) => {
                    answer.columns = header.columns.into_iter().map(|column| column.name).collect()
                }
                Part::Rows(rows) => answer.rows.extend(
                    rows.rows
                        .into_iter()
                        .map(|row| row.values.into_iter().map(|value| text(value.kind)).collect::<Vec<_>>()),
                ),
                Part::Truncated(_) => answer.truncated = true,
            }
        }
        Ok(answer)
    }

    /// Runs one SELECT on what is applied now.
    pub async fn query(&self, sql: &str) -> Result<Answer, Status> {
        self.query_after(sql, &Positions::default()).await
    }

    /// What the gateway says of itself.
    pub async fn status(&self) -> Result<GetStatusResponse, Status> {
        Ok(self.gateway.clone().get_status(GetStatusRequest {}).await?.into_inner())
    }

    /// The heads of all feeds.
    pub async fn heads(&self) -> Result<Positions, Status> {
        let mut heads = Positions::default();
        for feed in &self.feeds {
            let description =
                feed.clone().describe(tributary_proto::feed::v1::DescribeRequest {}).await?.into_inner();
            heads.merge(description.head.as_ref().expect("a head").into());
        }
        Ok(heads)
    }

    /// Waits until the gateway answers with everything that the services have, by its views too.
    pub async fn wait_caught_up(&self) -> Positions {
        wait::until("the gateway has caught up", || async {
            let heads = self.heads().await.map_err(|status| status.to_string())?;
            let status = self.status().await.map_err(|status| status.to_string())?;
            if !status.complete {
                let sources: Vec<_> = status
                    .sources
                    .iter()
                    .map(|s| format!("{} {:?} {}", s.name, s.state(), s.reason))
                    .collect();
                return Err(sources.join("; "));
            }
            self.query_after("SELECT 1 AS one", &heads).await.map_err(|status| status.to_string())?;
            let views = self.gateway.clone().list_views(ListViewsRequest {}).await;
            let views = views.map_err(|status| status.to_string())?.into_inner().views;
            let coming = |view: &&View| matches!(view.state(), ViewState::Pending | ViewState::Building);
            match views.iter().find(coming) {
                Some(view) => Err(format!("{} {}", view.name, view.reason)),
                None => Ok(heads),
            }
        })
        .await
    }
}

impl Clients {
    /// Waits until nothing happens any more by itself, however long that takes as long as it gets on: every order was
    /// confirmed or cancelled, what was confirmed has its shipment, is where that is, and the gateway shows it.
    pub async fn wait_at_rest(&self) -> Positions {
        let mut open = u64::MAX;
        while open > 0 {
            open = wait::until("fewer orders are under way", || async {
                self.wait_caught_up().await;
                let now = self.under_way().await.map_err(|status| status.to_string())?;
                if now < open { Ok(now) } else { Err(format!("{now} are")) }
            })
            .await;
        }
        self.wait_caught_up().await
    }

    /// How many orders go on by themselves.
    async fn under_way(&self) -> Result<u64, Status> {
        let sql = "SELECT COUNT(*) AS n FROM orders AS o LEFT JOIN shipments AS s ON s.shipment_id = o.order_id \
                   WHERE o.state IN ('PLACED', 'CANCELLING') OR o.confirm_time IS NOT NULL AND s.state IS NULL \
                   OR s.state IN ('DISPATCHED', 'DELIVERED') AND s.state <> o.state";
        Ok(self.query(sql).await?.rows[0][0].parse().expect("a number"))
    }

    /// The order once it is no longer PLACED or CANCELLING, with what the reply stands on.
    pub async fn settled(&self, order_id: &str) -> Response<Order> {
        wait::until(&format!("order {order_id} is settled"), || async {
            let request = GetOrderRequest { order_id: order_id.to_owned() };
            let reply = self.orders.clone().get_order(request).await.map_err(|status| status.to_string())?;
            match reply.get_ref().state() {
                state @ (OrderState::Placed | OrderState::Cancelling) => Err(state.as_str_name().to_owned()),
                _ => Ok(reply),
            }
        })
        .await
    }
}

/// A request for `order_id` by `customer_id` of quantities of products.
pub fn place_order(
    request_id: &str,
    order_id: &str,
    customer_id: &str,
    lines: &[(&str, i64)],
) -> PlaceOrderRequest {
    let line = |&(sku, quantity): &(&str, i64)| Line { sku: sku.to_owned(), quantity };
    PlaceOrderRequest {
        request_id: request_id.to_owned(),
        order_id: order_id.to_owned(),
        customer_id: customer_id.to_owned(),
        lines: lines.iter().map(line).collect(),
        ..PlaceOrderRequest::default()
    }
}

/// The positions that a reply stands on.
pub fn positions<T>(response: &Response<T>) -> Positions {
    header(response, POSITION).parse().expect("positions")
}

/// Initial metadata as text; empty when there is none.
pub fn header<T>(response: &Response<T>, name: &str) -> String {
    response.metadata().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

/// Metadata that is known to be ASCII.
pub fn metadata(text: &str) -> MetadataValue<tonic::metadata::Ascii> {
    text.parse().expect("ASCII")
}

fn text(kind: Option<Kind>) -> String {
    match kind.expect("a value") {
        Kind::Null(_) => "NULL".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Int64(value) => value.to_string(),
        Kind::Double(value) => value.to_string(),
        Kind::Text(value) | Kind::Decimal(value) | Kind::Json(value) => value,
        Kind::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect(),
        Kind::Timestamp(value) => format!("{}.{:09}", value.seconds, value.nanos),
    }
}
