//! The inventory service as its callers see it: real gRPC, a real store in a temporary directory.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod expiry;
mod feed;
mod fields;
mod items;
mod limits;
mod pages;
mod repetition;
mod reservations;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clap::Parser as _;
use inventory::Config;
use prost_types::Timestamp;
use shop_proto::inventory::v1::{
    AdjustStockRequest, CommitRequest, CreateStockItemRequest, DeleteStockItemRequest, GetReservationRequest,
    GetStockItemRequest, ReceiveStockRequest, ReleaseRequest, Reservation, ReservationState, ReserveRequest,
    StockItem, inventory_client::InventoryClient, reserve_request::Line,
};
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tributary_chassis::{
    fault::Reason,
    testing::{Running, refusal},
};

type Client = InventoryClient<Channel>;

/// Longer than any test.
const LONG: &str = "1h";
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service on a store of its own.
struct Service {
    client: Client,
    running: Running,
    dir: TempDir,
}

impl Service {
    async fn start() -> Self {
        Self::start_with(LONG).await
    }

    /// What is reserved is held for `ttl`.
    async fn start_with(ttl: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), ttl).await
    }

    async fn restart(self) -> Self {
        self.restart_with(LONG).await
    }

    async fn restart_with(self, ttl: &str) -> Self {
        self.running.stop().await;
        Self::start_in(self.dir, ttl).await
    }

    async fn start_in(dir: TempDir, ttl: &str) -> Self {
        let running = run(dir.path(), ttl).await;
        Self { client: Client::new(running.channel()), running, dir }
    }

    async fn create(&self, request: CreateStockItemRequest) -> Result<StockItem, Status> {
        Ok(self.client.clone().create_stock_item(request).await?.into_inner())
    }

    async fn get(&self, sku: &str) -> Result<StockItem, Status> {
        let request = GetStockItemRequest { sku: sku.to_owned() };
        Ok(self.client.clone().get_stock_item(request).await?.into_inner())
    }

    async fn receive(&self, request: ReceiveStockRequest) -> Result<StockItem, Status> {
        Ok(self.client.clone().receive_stock(request).await?.into_inner())
    }

    async fn adjust(&self, request: AdjustStockRequest) -> Result<StockItem, Status> {
        Ok(self.client.clone().adjust_stock(request).await?.into_inner())
    }

    async fn delete(&self, request: DeleteStockItemRequest) -> Result<(), Status> {
        self.client.clone().delete_stock_item(request).await?;
        Ok(())
    }

    async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, Status> {
        Ok(self.client.clone().reserve(request).await?.into_inner())
    }

    async fn commit(&self, request: CommitRequest) -> Result<Reservation, Status> {
        Ok(self.client.clone().commit(request).await?.into_inner())
    }

    async fn release(&self, request: ReleaseRequest) -> Result<Reservation, Status> {
        Ok(self.client.clone().release(request).await?.into_inner())
    }

    async fn reservation(&self, id: &str) -> Result<Reservation, Status> {
        let request = GetReservationRequest { reservation_id: id.to_owned() };
        Ok(self.client.clone().get_reservation(request).await?.into_inner())
    }

    /// On hand, reserved and available.
    async fn stock(&self, sku: &str) -> (i64, i64, i64) {
        let item = self.get(sku).await.unwrap();
        (item.on_hand, item.reserved, item.available)
    }

    /// Waits until the reservation has expired.
    async fn expired(&self, id: &str) -> Reservation {
        let begin = Instant::now();
        loop {
            let reservation = self.reservation(id).await.unwrap();
            match reservation.state() {
                ReservationState::Expired => return reservation,
                state => assert_eq!(state, ReservationState::Held, "{id}"),
            }
            assert!(begin.elapsed() < PATIENCE, "{id} does not expire");
        }
    }
}

async fn run(dir: &Path, ttl: &str) -> Running {
    let config = Config::parse_from(["inventory", "--reservation-ttl", ttl]);
    Running::start("inventory", dir, |server| inventory::start(config, server)).await
}

fn create(sku: &str, on_hand: i64) -> CreateStockItemRequest {
    CreateStockItemRequest { sku: sku.to_owned(), on_hand, ..CreateStockItemRequest::default() }
}

fn receive(sku: &str, quantity: i64) -> ReceiveStockRequest {
    ReceiveStockRequest { sku: sku.to_owned(), quantity, ..ReceiveStockRequest::default() }
}

fn adjust(sku: &str, delta: i64) -> AdjustStockRequest {
    let reason = "counted again".to_owned();
    AdjustStockRequest { sku: sku.to_owned(), delta, reason, ..AdjustStockRequest::default() }
}

fn delete(sku: &str, etag: &str) -> DeleteStockItemRequest {
    DeleteStockItemRequest { sku: sku.to_owned(), etag: etag.to_owned(), ..DeleteStockItemRequest::default() }
}

fn reserve(id: &str, lines: &[(&str, i64)]) -> ReserveRequest {
    let line = |(sku, quantity): &(&str, i64)| Line { sku: (*sku).to_owned(), quantity: *quantity };
    let lines = lines.iter().map(line).collect();
    ReserveRequest { reservation_id: id.to_owned(), lines, ..ReserveRequest::default() }
}

fn commit(id: &str) -> CommitRequest {
    CommitRequest { reservation_id: id.to_owned(), ..CommitRequest::default() }
}

fn release(id: &str) -> ReleaseRequest {
    ReleaseRequest { reservation_id: id.to_owned(), ..ReleaseRequest::default() }
}

/// A time that must be set, so that it can be compared.
fn at(time: Option<Timestamp>) -> (i64, i32) {
    let time = time.unwrap();
    (time.seconds, time.nanos)
}

/// What must be refused with a cause: the cause, and the skus named beside it.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (String, String) {
    let status = result.unwrap_err();
    let expected = (Code::FailedPrecondition, Some(Reason::WrongState));
    assert_eq!((status.code(), Reason::of(&status)), expected, "{status}");
    let details = status.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    let text = |key| metadata.get(key).cloned().unwrap_or_default();
    (text("cause"), text("skus"))
}

fn cause(name: &str) -> (String, String) {
    (name.to_owned(), String::new())
}

fn out_of_stock(skus: &str) -> (String, String) {
    ("OUT_OF_STOCK".to_owned(), skus.to_owned())
}
