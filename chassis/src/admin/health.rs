//! `grpc.health.v1.Health` of the admin port, for the probes of a cluster: from the moment that the port is
//! taken, so that a start that takes long is seen, to the last moment of the process.

use std::{future::ready, pin::Pin};

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

use crate::{
    fault::{Fault, Reason},
    readiness::{Readiness, Standing, State},
};

/// Says where the server stands.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) readiness: Readiness,
    /// The admin port closes.
    pub(super) closed: CancellationToken,
}

/// What can be asked after: the names of services in a probe.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// Whether calls are welcome.
    Readiness,
    /// Whether the process answers, which it does by that. Also while it drains: who ended it for that would
    /// cut off its calls.
    Liveness,
    /// Whether it has ever been ready.
    Startup,
}

impl Question {
    fn read(name: &str) -> Result<Self, Status> {
        match name {
            "" => Ok(Self::Readiness),
            "liveness" => Ok(Self::Liveness),
            "startup" => Ok(Self::Startup),
            _ => {
                let text = "ask for `liveness`, `startup`, or without a name whether the server is ready";
                Err(Fault::new(Reason::NotFound, text).into())
            }
        }
    }

    fn answer(self, Standing { state, served }: Standing) -> ServingStatus {
        let serving = match self {
            Self::Readiness => state == State::Serving,
            Self::Liveness => true,
            Self::Startup => served,
        };
        if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let question = Question::read(&request.get_ref().service)?;
        Ok(Response::new(reply(question.answer(self.readiness.standing()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let question = Question::read(&request.get_ref().service)?;
        let mut told = None;
        let answers = self
            .readiness
            .standings()
            .map(move |standing| question.answer(standing))
            .filter(move |answer| ready(told.replace(*answer) != Some(*answer)))
            .map(|answer| Ok(reply(answer)))
            .take_until(self.closed.clone().cancelled_owned());
        let end = stream::once(ready(Err(Fault::new(Reason::Draining, "the process ends").into())));
        Ok(Response::new(Box::pin(answers.chain(end))))
    }
}

fn reply(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
