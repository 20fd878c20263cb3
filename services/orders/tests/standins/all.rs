//! Stand-ins of inventory and payments: small and honest models of goods and money behind real gRPC, and in
//! front of them a place where anything that can happen to a call happens to it.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod faults;
mod inventory;
mod payments;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use shop_proto::{
    inventory::v1::inventory_server::InventoryServer, payments::v1::payments_server::PaymentsServer,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, transport::Server};
use tributary_chassis::fault::{Fault as Refusal, Reason};

pub(crate) use faults::{Action, Fault, Faults, Seen, When};
pub(crate) use inventory::Goods;
pub(crate) use payments::{Money, Paid};

/// Both services on one address, until the runtime ends.
pub(crate) struct Standins {
    pub(crate) address: SocketAddr,
    pub(crate) world: World,
}

/// What is on the shelf, what was paid, and what is to go wrong. Clones are the same world.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) faults: Faults,
    state: Arc<Mutex<State>>,
}

/// Both models under one lock: a look at them is a look at one moment.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) goods: Goods,
    pub(crate) money: Money,
    /// What each request id had for an effect, one entry for each time.
    pub(crate) effects: BTreeMap<String, Vec<String>>,
    /// A defect of ours, which the suite must find: an undo that is repeated undoes again.
    pub(crate) undo_not_idempotent: bool,
}

impl World {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn had_effect(&mut self, request_id: &str, effect: &str, order_id: &str) {
        self.effects.entry(request_id.to_owned()).or_default().push(format!("{effect} {order_id}"));
    }
}

impl Standins {
    pub(crate) async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let world = World::default();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .add_service(InventoryServer::new(world.clone()))
            .add_service(PaymentsServer::new(world.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { address, world }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A refusal that lies in the state of what is owned.
fn refused(cause: &str) -> Status {
    Refusal::new(Reason::WrongState, format!("refused: {cause}")).with("cause", cause).into()
}

/// Replies by request id: the same request again gets the same reply.
#[derive(Default)]
struct Replies<R>(BTreeMap<String, (String, R)>);

impl<R: Clone> Replies<R> {
    fn of(&self, request_id: &str, request: &impl std::fmt::Debug) -> Result<Option<R>, Status> {
        assert!(!request_id.is_empty(), "{request:?} has no request id");
        match self.0.get(request_id) {
            Some((known, reply)) if *known == format!("{request:?}") => Ok(Some(reply.clone())),
            Some(_) => Err(Refusal::new(Reason::RequestIdReused, "another request").into()),
            None => Ok(None),
        }
    }

    fn keep(&mut self, request_id: &str, request: &impl std::fmt::Debug, reply: R) -> R {
        self.0.insert(request_id.to_owned(), (format!("{request:?}"), reply.clone()));
        reply
    }
}
