//! Orders on the wire: what the messages mean, and nothing else.

use shop_proto::{
    money::v1::Money,
    orders::v1::{self as proto, orders_server},
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};
use tributary_chassis::{
    fault::Fault,
    outbox::{Call, Entity, Outbox, Published, Stored},
    resource::{self, UpdateMask},
    timestamp,
    validate::Violations,
};

use crate::{
    domain::{
        Basket, BasketLine, Command, ORDER, Order, OrderLine, OrderState, Orders, WRITABLE, check_note,
        check_reason,
    },
    upstream::Upstream,
};

/// The published entity, and the collection that is listed.
const ORDERS: &str = "orders";

/// `shop.orders.v1.Orders`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Orders>,
    upstream: Upstream,
}

impl Service {
    /// On top of the store, and of the services that are asked before an order comes about.
    pub(crate) fn new(outbox: Outbox<Orders>, upstream: Upstream) -> Self {
        Self { outbox, upstream }
    }

    async fn write(&self, call: Call, command: Command) -> Result<Response<proto::Order>, Status> {
        let id = command.order_id().clone();
        let respond = move |states: &_| message(&id, resource::left(states, &id));
        Ok(Response::new(self.outbox.execute(call, command, respond).await?))
    }

    /// What is agreed on now, if the customer and all products exist.
    async fn agree(&self, basket: Basket, now: OffsetDateTime) -> Result<Order, Fault> {
        let (customer_exists, quote) = tokio::try_join!(
            self.upstream.customer_exists(&basket.customer_id),
            self.upstream.quote(basket.skus()),
        )?;
        Ok(basket.agree(customer_exists, &quote, now)?)
    }
}

#[tonic::async_trait]
impl orders_server::Orders for Service {
    async fn place_order(
        &self,
        request: Request<proto::PlaceOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let request = request.into_inner();
        let call = Call::new("PlaceOrder", &request.request_id, &request)?;
        // Before anybody else is asked: what was promised once does not depend on who is there today.
        if let Some(order) = self.outbox.replay(&call).await? {
            return Ok(Response::new(order));
        }
        let now = timestamp::now();
        let mut violations = Violations::new();
        violations.optional_id("order_id", &request.order_id);
        let order_id = resource::id_or_new(request.order_id.clone());
        let basket = basket(request, &mut violations);
        basket.check(now, &mut violations);
        violations.finish()?;
        let order = self.agree(basket, now).await?;
        self.write(call, Command::Place { order_id, order }).await
    }

    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let id = request.into_inner().order_id;
        let stored = ORDER.find(&self.outbox, "order_id", &id).await?;
        Ok(Response::new(message(&id, &stored)))
    }

    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        let proto::ListOrdersRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, ORDERS, page_size, &page_token, message).await?;
        let next_page_token = page.next_page_token;
        Ok(Response::new(proto::ListOrdersResponse { orders: page.items, next_page_token }))
    }

    async fn update_order(
        &self,
        request: Request<proto::UpdateOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let request = request.into_inner();
        let call = Call::new("UpdateOrder", &request.request_id, &request)?;
        let proto::Order { order_id, etag, note, .. } = request.order.unwrap_or_default();
        let mut violations = Violations::new();
        violations.id("order.order_id", &order_id);
        // With a single field that can be written, every mask that can be read names it.
        violations.take(UpdateMask::read(request.update_mask.as_ref(), &WRITABLE));
        check_note("order.note", &note, &mut violations);
        violations.finish()?;
        self.write(call, Command::Annotate { order_id, etag, note }).await
    }

    async fn cancel_order(
        &self,
        request: Request<proto::CancelOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let request = request.into_inner();
        let call = Call::new("CancelOrder", &request.request_id, &request)?;
        let proto::CancelOrderRequest { order_id, reason, etag, .. } = request;
        let mut violations = Violations::new();
        violations.id("order_id", &order_id);
        check_reason(&reason, &mut violations);
        violations.finish()?;
        self.write(call, Command::Cancel { order_id, etag, reason }).await
    }

    async fn delete_order(
        &self,
        request: Request<proto::DeleteOrderRequest>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let call = Call::new("DeleteOrder", &request.request_id, &request)?;
        let proto::DeleteOrderRequest { order_id, etag, .. } = request;
        resource::check_id("order_id", &order_id)?;
        let command = Command::Delete { order_id, etag };
        Ok(Response::new(self.outbox.execute(call, command, |_| ()).await?))
    }
}

impl Published for Orders {
    const ENTITIES: &'static [&'static str] = &[ORDERS];

    fn publish(order_id: &String, stored: Option<&Stored<Order>>) -> Option<Entity> {
        let key_alone = || proto::Order { order_id: order_id.clone(), ..Default::default() };
        let order = stored.map_or_else(key_alone, |stored| message(order_id, stored));
        Some(resource::entity(ORDERS, order_id, &order))
    }
}

fn basket(request: proto::PlaceOrderRequest, violations: &mut Violations) -> Basket {
    let order_time = request.order_time.as_ref().map(timestamp::from_proto);
    violations.check(
        order_time != Some(None),
        "order_time",
        "malformed: give a time in the years 1 to 9999, with 0 to 999,999,999 nanoseconds",
    );
    let line = |line: proto::place_order_request::Line| BasketLine { sku: line.sku, quantity: line.quantity };
    Basket {
        customer_id: request.customer_id,
        lines: request.lines.into_iter().map(line).collect(),
        order_time: order_time.flatten(),
        note: request.note,
    }
}

fn message(order_id: &str, stored: &Stored<Order>) -> proto::Order {
    let order = stored.state.clone();
    let money = |minor_units| Money { currency_code: order.currency_code.clone(), minor_units };
    let (state, cancel_reason) = match order.state {
        OrderState::Placed => (proto::OrderState::Placed, String::new()),
        OrderState::Cancelled { reason } => (proto::OrderState::Cancelled, reason),
    };
    let line = |line: OrderLine| proto::OrderLine {
        sku: line.sku,
        display_name: line.display_name,
        category: line.category,
        quantity: line.quantity,
        unit_price: Some(money(line.unit_price_minor_units)),
    };
    proto::Order {
        order_id: order_id.to_owned(),
        customer_id: order.customer_id,
        state: state.into(),
        order_time: Some(timestamp::to_proto(order.order_time)),
        lines: order.lines.into_iter().map(line).collect(),
        total: Some(money(order.total_minor_units)),
        note: order.note,
        cancel_reason,
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    }
}
