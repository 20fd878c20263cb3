//! Stock items and reservations on the wire: what the messages mean, and nothing else.

mod message;

use std::time::Duration;

use shop_proto::inventory::v1::{self as proto, inventory_server};
use tonic::{Request, Response, Status};
use tributary_chassis::{
    fault::Fault,
    outbox::{Call, Outbox, States},
    resource, timestamp,
    validate::Violations,
};

use crate::{
    domain::{
        Claim, Command, Inventory, Key, Line, RESERVATION, STOCK_ITEM, check_delta, check_lines,
        check_on_hand, check_quantity, check_reason,
    },
    reservations,
    store::STOCK_ITEMS,
};
use message::{left, reservation, stock_item};

/// `shop.inventory.v1.Inventory`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Inventory>,
    reservation_ttl: Duration,
}

impl Service {
    /// On top of the store; what is reserved is held for so long.
    pub(crate) fn new(outbox: Outbox<Inventory>, reservation_ttl: Duration) -> Self {
        Self { outbox, reservation_ttl }
    }

    /// A command that leaves a stock item.
    async fn write(&self, call: Call, sku: String, command: Command) -> Result<proto::StockItem, Status> {
        let key = Key::Item(sku);
        let respond =
            move |states: &States<Inventory>| stock_item(&key.to_string(), resource::left(states, &key));
        Ok(self.outbox.execute(call, command, respond).await?)
    }

    /// A command that leaves a reservation that may be there already.
    async fn step(
        &self,
        call: Call,
        id: String,
        command: fn(String, Claim) -> Command,
    ) -> Result<Response<proto::Reservation>, Status> {
        resource::check_id("reservation_id", &id)?;
        let respond = {
            let id = id.clone();
            move |states: &_| left(states, &id)
        };
        let command = |claim| command(id.clone(), claim);
        Ok(Response::new(reservations::execute(&self.outbox, call, &id, command, respond).await?))
    }
}

#[tonic::async_trait]
impl inventory_server::Inventory for Service {
    async fn create_stock_item(
        &self,
        request: Request<proto::CreateStockItemRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        let request = request.into_inner();
        let call = Call::new("CreateStockItem", &request.request_id, &request)?;
        let proto::CreateStockItemRequest { sku, on_hand, .. } = request;
        let mut violations = Violations::new();
        violations.id("sku", &sku);
        check_on_hand(on_hand, &mut violations);
        violations.finish()?;
        let command = Command::Create { sku: sku.clone(), on_hand };
        Ok(Response::new(self.write(call, sku, command).await?))
    }

    async fn get_stock_item(
        &self,
        request: Request<proto::GetStockItemRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        let sku = request.into_inner().sku;
        resource::check_id("sku", &sku)?;
        match self.outbox.get(&Key::Item(sku.clone())).await? {
            Some(stored) => Ok(Response::new(stock_item(&sku, &stored))),
            None => Err(Fault::from(STOCK_ITEM.not_found(sku)).into()),
        }
    }

    async fn list_stock_items(
        &self,
        request: Request<proto::ListStockItemsRequest>,
    ) -> Result<Response<proto::ListStockItemsResponse>, Status> {
        let proto::ListStockItemsRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, STOCK_ITEMS, page_size, &page_token, stock_item).await?;
        Ok(Response::new(proto::ListStockItemsResponse {
            stock_items: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn receive_stock(
        &self,
        request: Request<proto::ReceiveStockRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        let request = request.into_inner();
        let call = Call::new("ReceiveStock", &request.request_id, &request)?;
        let proto::ReceiveStockRequest { sku, quantity, .. } = request;
        let mut violations = Violations::new();
        violations.id("sku", &sku);
        check_quantity(quantity, &mut violations);
        violations.finish()?;
        let command = Command::Receive { sku: sku.clone(), quantity };
        Ok(Response::new(self.write(call, sku, command).await?))
    }

    async fn adjust_stock(
        &self,
        request: Request<proto::AdjustStockRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        let request = request.into_inner();
        let call = Call::new("AdjustStock", &request.request_id, &request)?;
        let proto::AdjustStockRequest { sku, delta, reason, etag, .. } = request;
        let mut violations = Violations::new();
        violations.id("sku", &sku);
        check_delta(delta, &mut violations);
        check_reason(&reason, &mut violations);
        violations.finish()?;
        let command = Command::Adjust { sku: sku.clone(), delta, etag };
        let item = self.write(call, sku, command).await?;
        // Without the reason, which may name people.
        tracing::info!(sku = item.sku, delta, on_hand = item.on_hand, "stock adjusted");
        Ok(Response::new(item))
    }

    async fn delete_stock_item(
        &self,
        request: Request<proto::DeleteStockItemRequest>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let call = Call::new("DeleteStockItem", &request.request_id, &request)?;
        resource::check_id("sku", &request.sku)?;
        let command = Command::Delete { sku: request.sku, etag: request.etag };
        Ok(Response::new(self.outbox.execute(call, command, |_| ()).await?))
    }

    async fn reserve(
        &self,
        request: Request<proto::ReserveRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let request = request.into_inner();
        let call = Call::new("Reserve", &request.request_id, &request)?;
        let proto::ReserveRequest { reservation_id: id, lines, .. } = request;
        let line = |line: proto::reserve_request::Line| Line { sku: line.sku, quantity: line.quantity };
        let lines: Vec<Line> = lines.into_iter().map(line).collect();
        let mut violations = Violations::new();
        violations.id("reservation_id", &id);
        check_lines(&lines, &mut violations);
        violations.finish()?;
        let expire_time = timestamp::now() + self.reservation_ttl;
        let command = Command::Reserve { reservation_id: id.clone(), lines, expire_time };
        let reply = self.outbox.execute(call, command, move |states| left(states, &id)).await?;
        Ok(Response::new(reply))
    }

    async fn commit(
        &self,
        request: Request<proto::CommitRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let request = request.into_inner();
        let call = Call::new("Commit", &request.request_id, &request)?;
        let id = request.reservation_id;
        self.step(call, id, |reservation_id, claim| Command::Commit { reservation_id, claim }).await
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let request = request.into_inner();
        let call = Call::new("Release", &request.request_id, &request)?;
        let id = request.reservation_id;
        self.step(call, id, |reservation_id, claim| Command::Release { reservation_id, claim }).await
    }

    async fn get_reservation(
        &self,
        request: Request<proto::GetReservationRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let id = request.into_inner().reservation_id;
        resource::check_id("reservation_id", &id)?;
        let states = reservations::read(&self.outbox, &id).await?;
        match reservation(&states, &id) {
            Some(message) => Ok(Response::new(message)),
            None => Err(Fault::from(RESERVATION.not_found(id)).into()),
        }
    }
}
