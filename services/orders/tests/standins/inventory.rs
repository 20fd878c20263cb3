//! Inventory: stock, and reservations of it.

use std::collections::BTreeMap;

use shop_proto::inventory::v1::{self as proto, ReservationState as State, inventory_server};
use tonic::{Request, Response, Status};
use tributary_chassis::fault::{Fault as Refusal, Reason};

use super::{Replies, World, refused};

/// Stock by sku, and reservations by id.
#[derive(Default)]
pub(crate) struct Goods {
    pub(crate) stock: BTreeMap<String, Stock>,
    pub(crate) reservations: BTreeMap<String, (State, Vec<Line>)>,
    replies: Replies<proto::Reservation>,
}

/// Of one product. A product without is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) initial: i64,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
}

/// Sku and quantity.
pub(crate) type Line = (String, i64);

impl Goods {
    pub(crate) fn receive(&mut self, sku: &str, quantity: i64) {
        self.stock.insert(sku.to_owned(), Stock { initial: quantity, on_hand: quantity, reserved: 0 });
    }

    /// As inventory does by itself when a reservation was held for too long.
    pub(crate) fn expire(&mut self, id: &str) {
        if let Some((state @ State::Held, lines)) = self.reservations.get_mut(id) {
            *state = State::Expired;
            let lines = lines.clone();
            self.change(&lines, |stock, quantity| stock.reserved -= quantity);
        }
    }

    fn change(&mut self, lines: &[Line], change: impl Fn(&mut Stock, i64)) {
        for (sku, quantity) in lines {
            if let Some(stock) = self.stock.get_mut(sku) {
                change(stock, *quantity);
            }
        }
    }

    /// Refused for those skus of which there is not enough.
    fn available(&self, lines: &[Line]) -> Result<(), Status> {
        let mut wanted: BTreeMap<&String, i64> = BTreeMap::new();
        for (sku, quantity) in lines {
            *wanted.entry(sku).or_default() += quantity;
        }
        let short = |(sku, quantity): &(&String, i64)| {
            self.stock.get(*sku).is_some_and(|stock| stock.on_hand - stock.reserved < *quantity)
        };
        let short: Vec<&str> = wanted.into_iter().filter(short).map(|(sku, _)| sku.as_str()).collect();
        if short.is_empty() {
            return Ok(());
        }
        let refusal = Refusal::new(Reason::WrongState, "not enough").with("cause", "OUT_OF_STOCK");
        Err(refusal.with("skus", short.join(",")).into())
    }

    fn message(&self, id: &str) -> proto::Reservation {
        let (state, _) = self.reservations[id];
        proto::Reservation { reservation_id: id.to_owned(), state: state.into(), ..Default::default() }
    }
}

impl super::State {
    fn reserve(&mut self, request: &proto::ReserveRequest) -> Result<proto::Reservation, Status> {
        let goods = &mut self.goods;
        if let Some(reply) = goods.replies.of(&request.request_id, request)? {
            return Ok(reply);
        }
        let id = &request.reservation_id;
        let lines: Vec<Line> = request.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect();
        match goods.reservations.get(id) {
            Some((State::Released, _)) => return Err(refused("RELEASED")),
            Some((_, known)) if *known != lines => {
                return Err(Refusal::new(Reason::AlreadyExists, "other lines").into());
            }
            Some(_) => {}
            None => {
                goods.available(&lines)?;
                goods.change(&lines, |stock, quantity| stock.reserved += quantity);
                let managed = lines.iter().any(|(sku, _)| goods.stock.contains_key(sku));
                let state = if managed { State::Held } else { State::Committed };
                goods.reservations.insert(id.clone(), (state, lines));
                self.had_effect(&request.request_id, "reserve", id);
            }
        }
        let reply = self.goods.message(id);
        Ok(self.goods.replies.keep(&request.request_id, request, reply))
    }

    fn commit(&mut self, request: &proto::CommitRequest) -> Result<proto::Reservation, Status> {
        let goods = &mut self.goods;
        if let Some(reply) = goods.replies.of(&request.request_id, request)? {
            return Ok(reply);
        }
        let id = &request.reservation_id;
        let Some((state, lines)) = goods.reservations.get(id).cloned() else {
            return Err(Refusal::new(Reason::NotFound, "no such reservation").into());
        };
        match state {
            State::Committed => {}
            State::Held | State::Expired => {
                if state == State::Expired {
                    goods.available(&lines)?;
                    goods.change(&lines, |stock, quantity| stock.reserved += quantity);
                }
                goods.change(&lines, |stock, quantity| {
                    stock.reserved -= quantity;
                    stock.on_hand -= quantity;
                });
                goods.reservations.insert(id.clone(), (State::Committed, lines));
                self.had_effect(&request.request_id, "commit", id);
            }
            State::Released | State::Unspecified => return Err(refused("RELEASED")),
        }
        let reply = self.goods.message(id);
        Ok(self.goods.replies.keep(&request.request_id, request, reply))
    }

    fn release(&mut self, request: &proto::ReleaseRequest) -> Result<proto::Reservation, Status> {
        let (goods, defect) = (&mut self.goods, self.undo_not_idempotent);
        if let (Some(reply), false) = (goods.replies.of(&request.request_id, request)?, defect) {
            return Ok(reply);
        }
        let id = &request.reservation_id;
        let (state, lines) = goods.reservations.get(id).cloned().unwrap_or((State::Released, vec![]));
        match state {
            State::Held => goods.change(&lines, |stock, quantity| stock.reserved -= quantity),
            State::Committed => goods.change(&lines, |stock, quantity| stock.on_hand += quantity),
            State::Released if defect => goods.change(&lines, |stock, quantity| stock.on_hand += quantity),
            State::Expired | State::Released | State::Unspecified => {}
        }
        let known = goods.reservations.insert(id.clone(), (State::Released, lines));
        if defect || known.is_none_or(|(state, _)| state != State::Released) {
            self.had_effect(&request.request_id, "release", id);
        }
        let reply = self.goods.message(id);
        Ok(self.goods.replies.keep(&request.request_id, request, reply))
    }
}

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("orders has no business here"))
}

#[tonic::async_trait]
impl inventory_server::Inventory for World {
    async fn reserve(
        &self,
        request: Request<proto::ReserveRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.reservation_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("reserve", id, request_id, move || world.state().reserve(&r)).await
    }

    async fn commit(
        &self,
        request: Request<proto::CommitRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.reservation_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("commit", id, request_id, move || world.state().commit(&r)).await
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        let r = request.into_inner();
        let (id, request_id, world) = (r.reservation_id.clone(), r.request_id.clone(), self.clone());
        self.faults.around("release", id, request_id, move || world.state().release(&r)).await
    }

    async fn create_stock_item(
        &self,
        _: Request<proto::CreateStockItemRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        unused()
    }

    async fn get_stock_item(
        &self,
        _: Request<proto::GetStockItemRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        unused()
    }

    async fn list_stock_items(
        &self,
        _: Request<proto::ListStockItemsRequest>,
    ) -> Result<Response<proto::ListStockItemsResponse>, Status> {
        unused()
    }

    async fn receive_stock(
        &self,
        _: Request<proto::ReceiveStockRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        unused()
    }

    async fn adjust_stock(
        &self,
        _: Request<proto::AdjustStockRequest>,
    ) -> Result<Response<proto::StockItem>, Status> {
        unused()
    }

    async fn delete_stock_item(
        &self,
        _: Request<proto::DeleteStockItemRequest>,
    ) -> Result<Response<()>, Status> {
        unused()
    }

    async fn get_reservation(
        &self,
        _: Request<proto::GetReservationRequest>,
    ) -> Result<Response<proto::Reservation>, Status> {
        unused()
    }
}
