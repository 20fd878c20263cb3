//! Orders on the wire: what the messages mean, and nothing else.

mod message;
mod watch;

use std::sync::Arc;

use shop_proto::orders::v1::{self as proto, orders_server};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tributary_chassis::{
    fault::Fault,
    outbox::{Call, Outbox},
    resource::{self, UpdateMask},
    timestamp,
    validate::Violations,
};

use self::{
    message::{basket, message},
    watch::{Watch, Watches},
};
use crate::{
    changes::Changes,
    domain::{Basket, Command, ORDER, Order, Orders, WRITABLE, check_note, check_reason},
    store::ORDERS,
    upstream::Upstream,
};

/// `shop.orders.v1.Orders`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Orders>,
    upstream: Upstream,
    watches: Watches,
}

impl Service {
    /// On top of the store, and of the services that are asked before an order comes about.
    pub(crate) fn new(
        outbox: Outbox<Orders>,
        upstream: Upstream,
        changes: Arc<Changes>,
        shutdown: CancellationToken,
    ) -> Self {
        let watches = Watches::new(outbox.clone(), changes, shutdown);
        Self { outbox, upstream, watches }
    }

    /// Writes the order down, if it can come about.
    async fn place(&self, call: Call, request: proto::PlaceOrderRequest) -> Result<proto::Order, Fault> {
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

    async fn write(&self, call: Call, command: Command) -> Result<proto::Order, Fault> {
        let id = command.order_id().clone();
        self.outbox.execute(call, command, move |states| message(&id, resource::left(states, &id))).await
    }

    /// What is agreed on now, if the customer and all products exist.
    async fn agree(&self, basket: Basket, now: OffsetDateTime) -> Result<Order, Fault> {
        let (customer_exists, quote) = tokio::try_join!(
            self.upstream.customers.exists(&basket.customer_id),
            self.upstream.catalog.quote(basket.skus()),
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
        let wait = request.wait;
        // Before anybody else is asked: what was promised once does not depend on who is there today.
        let placed = match self.outbox.replay(&call).await? {
            Some(order) => order,
            None => self.place(call, request).await?,
        };
        Ok(Response::new(if wait { self.watches.settled(placed).await? } else { placed }))
    }

    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let id = request.into_inner().order_id;
        let stored = ORDER.find(&self.outbox, "order_id", &id).await?;
        Ok(Response::new(message(&id, &stored)))
    }

    type WatchOrderStream = Watch;

    async fn watch_order(
        &self,
        request: Request<proto::WatchOrderRequest>,
    ) -> Result<Response<Watch>, Status> {
        Ok(Response::new(self.watches.watch(request.into_inner().order_id).await?))
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
        Ok(Response::new(self.write(call, Command::Annotate { order_id, etag, note }).await?))
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
        Ok(Response::new(self.write(call, Command::Cancel { order_id, etag, reason }).await?))
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
