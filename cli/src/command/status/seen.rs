//! How the mesh was at one time.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use futures::future::join_all;
use tonic::{Request, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    endpoint::Target,
    failure::{Failure, root_cause},
    gateway::{Gateway, words},
    mesh::{GATEWAY, Mesh},
    sagas::{self, Saga},
};

/// A server that takes longer than this to say how it is, is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks every server. Connections are kept from one look to the next.
pub(super) struct Observer<'a> {
    mesh: &'a Mesh,
    servers: Vec<Target>,
    gateway: Channel,
}

/// What all of them said.
pub(super) struct Seen {
    pub(super) at: SystemTime,
    pub(super) servers: Vec<Server>,
    pub(super) gateway: Result<Gateway, Status>,
}

/// One of them.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) health: String,
    pub(super) well: bool,
    /// By kind; or why they are not known.
    pub(super) sagas: Result<BTreeMap<String, Saga>, String>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(mesh: &'a Mesh) -> Result<Self, Failure> {
        Ok(Self { mesh, servers: Target::all(mesh)?, gateway: Target::parse(mesh, GATEWAY)?.channel })
    }

    /// Takes as long as the slowest, at most [`TIMEOUT`] or so.
    pub(super) async fn look(&self) -> Seen {
        let servers = join_all(self.servers.iter().map(|target| self.ask(target)));
        let (servers, gateway) = tokio::join!(servers, Gateway::ask(self.gateway.clone()));
        Seen { at: SystemTime::now(), servers, gateway }
    }

    async fn ask(&self, target: &Target) -> Server {
        let server = self.mesh.server(&target.name);
        let address = server.map(|server| self.mesh.address(server.port)).unwrap_or_default();
        let admin = server.map(|server| self.mesh.address(server.admin_port())).unwrap_or_default();
        let (health, sagas) = tokio::join!(health(target.channel.clone()), sagas::ask(&admin));
        let (health, well) = match health {
            Ok(ServingStatus::Serving) => ("serving".to_owned(), true),
            Ok(other) => (words(other.as_str_name()), false),
            Err(status) if std::error::Error::source(&status).is_some() => {
                ("does not answer".to_owned(), false)
            }
            Err(status) => (status.message().to_owned(), false),
        };
        Server { name: target.name.clone(), address, health, well, sagas }
    }
}

async fn health(channel: Channel) -> Result<ServingStatus, Status> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(TIMEOUT);
    Ok(HealthClient::new(channel).check(request).await?.get_ref().status())
}

impl Seen {
    /// What is not well, apart from servers whose health says so and a gateway that does not answer.
    pub(super) fn problems(&self) -> Vec<String> {
        let pending = self.gateway.as_ref().map(Gateway::pending).unwrap_or_default();
        let pending = pending.into_iter().map(|problem| format!("{GATEWAY} {problem}"));
        pending.chain(self.servers.iter().flat_map(Server::problems)).collect()
    }

    /// All that is not well.
    pub(super) fn all_problems(&self) -> Vec<String> {
        let refusal = self.gateway.as_ref().err();
        let ill = self.servers.iter().filter(|s| !s.well && (s.name != GATEWAY || refusal.is_none()));
        let ill = ill.map(|server| format!("{}: {}", server.name, server.health));
        let refusal = refusal.map(|why| format!("{GATEWAY} does not say how it is: {}", root_cause(why)));
        refusal.into_iter().chain(ill).chain(self.problems()).collect()
    }

    /// Whether there is no problem at all.
    pub(super) fn is_well(&self) -> bool {
        self.all_problems().is_empty()
    }
}

impl Server {
    /// What does not mend itself, or cannot be seen.
    fn problems(&self) -> Vec<String> {
        match &self.sagas {
            Ok(sagas) => (sagas.iter().filter(|(_, saga)| saga.stuck > 0))
                .map(|(kind, saga)| format!("{} has {} of saga {kind} stuck", self.name, saga.stuck))
                .collect(),
            // Of a server that is not well, that has been said.
            Err(why) if self.well => vec![format!("{} gives {why}", self.name)],
            Err(_) => Vec::new(),
        }
    }
}
