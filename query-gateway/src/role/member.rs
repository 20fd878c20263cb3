//! The life of a gateway beside others: it stands by, applies, and stands by again.

use std::{convert::Infallible, time::Duration};

use tokio::{pin, select, time::sleep};
use tokio_util::sync::CancellationToken;
use tributary_chassis::{StartError, fault::causes};

use super::{Role, published::publish, standby::Standby};
use crate::{
    config::Config,
    database::Dialect,
    error::StoreError,
    gateway::Gateway,
    source::Sources,
    store::Store,
    view::{ViewFiles, Views},
};

/// From one attempt to come to lead to the next: often enough for the server to keep the session that tries.
const CANDIDACY: Duration = Duration::from_millis(500);
/// From one word of who leads to the next.
const CONFIRMATION: Duration = Duration::from_secs(1);
/// So often in a row a session may be busy until it is looked whether there is a server.
const BUSY: u32 = 5;
/// Before who was overtaken tries again. Where locks of sessions do not hold, two would overtake each other without a pause.
const OVERTAKEN: Duration = Duration::from_secs(5);

/// One of the gateways on a store, which may be the only one.
pub(crate) struct Member {
    pub(crate) gateway: Gateway,
    pub(crate) views: Views,
    pub(crate) config: Config,
    /// As they were at first.
    pub(crate) files: ViewFiles,
}

impl Member {
    /// Until `shutdown`, and then until what was handed over is applied. Ends earlier when something is wrong that trying
    /// again does not mend.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), StartError> {
        loop {
            let Some(leads) = shutdown.run_until_cancelled(Box::pin(self.stand_by())).await else {
                return Ok(());
            };
            leads?;
            tracing::info!("applying changes");
            let error = match Box::pin(self.apply(&shutdown)).await {
                Err(error) if self.is_one_of_several() && error.ends_writing() => error,
                ended => return ended.map_err(|error| StartError::new("applying changes", error)),
            };
            tracing::warn!(error = causes(&error), "changes are not applied here any more: standing by");
            self.gateway.store().resign().await;
            // That was asked of this start, and is not of the next time that it applies.
            self.config.resnapshot.clear();
            self.gateway.set_role(Role::Standby);
            if matches!(error, StoreError::Overtaken) && self.idle(&shutdown, OVERTAKEN).await? {
                return Ok(());
            }
        }
    }

    fn is_one_of_several(&self) -> bool {
        self.gateway.store().dialect() == Dialect::Postgres
    }

    /// Answers until it leads.
    async fn stand_by(&self) -> Result<(), StoreError> {
        let store = self.gateway.store();
        // Who is alone need not look at what others do.
        if store.lead().await.is_ok_and(|leads| leads) {
            return Ok(());
        }
        select! {
            led = candidacy(store) => led,
            Err(error) = Standby::new(&self.gateway, &self.views, &self.config).run() => Err(error),
        }
    }

    /// Answers for a while; whether it is to end.
    async fn idle(&self, shutdown: &CancellationToken, time: Duration) -> Result<bool, StoreError> {
        select! {
            () = shutdown.cancelled() => Ok(true),
            () = sleep(time) => Ok(false),
            Err(error) = Standby::new(&self.gateway, &self.views, &self.config).run() => Err(error),
        }
    }

    /// Applies until `shutdown`, or for as long as it leads.
    async fn apply(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let store = self.gateway.store().clone();
        select! {
            ended = self.follow(shutdown) => ended,
            Err(error) = confirm(&store) => Err(error),
        }
    }

    async fn follow(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let (gateway, generation) = (&self.gateway, self.gateway.store().generation().await);
        let sources = Sources::take_over(gateway.clone(), &self.config).await?;
        // They may have changed while another one had an eye on them.
        if let Ok(files) = ViewFiles::load(self.config.views.as_deref()) {
            self.files = files;
        }
        let follower = self.views.take_over(self.files.clone()).await?.watching(self.config.views.clone());
        gateway.set_role(Role::Applying);
        let told = async {
            match generation {
                Some(generation) => publish(gateway, &self.views, generation).await,
                None => std::future::pending().await,
            }
        };
        let applied = sources.run(shutdown.clone());
        pin!(applied, told);
        select! {
            ended = applied => ended,
            Err(error) = follower.run() => Err(error),
            never = told => match never {},
        }
    }
}

/// Tries to come to lead until it does.
async fn candidacy(store: &Store) -> Result<(), StoreError> {
    let mut told = String::new();
    loop {
        let tried = match store.lead().await {
            Err(error) if error.ends_writing() => store.reconnect().await.map(|()| false),
            tried => tried,
        };
        match tried {
            Ok(true) => return Ok(()),
            Ok(false) => told.clear(),
            Err(error) if error.ends_writing() => {
                let error = causes(&error);
                if error != told {
                    tracing::warn!(error, "no session to apply changes with; tried again by itself");
                    told = error;
                }
            }
            Err(error) => return Err(error),
        }
        sleep(CANDIDACY).await;
    }
}

/// Says that it leads for as long as it does. A session that is always busy may also be one whose server is gone without a
/// word: then others are let in by another server, or nobody is.
async fn confirm(store: &Store) -> Result<Infallible, StoreError> {
    let mut busy = 0;
    loop {
        sleep(CONFIRMATION).await;
        busy = if store.confirm_lead().await? { 0 } else { busy + 1 };
        if busy == BUSY {
            store.reach().await?;
            busy = 0;
        }
    }
}
