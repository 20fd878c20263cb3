//! What only the gateway knows that applies, told to those that do not through a row of the store: how sources and views are
//! doing. It comes after the changes and not with them, since it is about what is not there; it is not worth a disk's time,
//! and gone with a crash of the server.

use std::time::Duration;

use prost::Message;
use tokio::{select, time::sleep};
use tributary_chassis::fault::causes;

use crate::{
    database::Connection,
    error::StoreError,
    gateway::Gateway,
    source::PublishedSource,
    view::{PublishedViews, Views},
};

/// From one telling to the next, while something changes and while nothing does.
const SOON: Duration = Duration::from_millis(250);
const REGULARLY: Duration = Duration::from_secs(1);

/// Of an earlier gateway that does not know that it was overtaken, nothing is taken.
const TELL: &str = "
    INSERT INTO _published (one, generation, number, told, state) VALUES (1, $1, 1, clock_timestamp(), $2)
    ON CONFLICT (one) DO UPDATE SET generation = excluded.generation, number = _published.number + 1,
        told = excluded.told, state = excluded.state
    WHERE _published.generation <= excluded.generation";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Published {
    #[prost(message, repeated, tag = "1")]
    pub(super) sources: Vec<PublishedSource>,
    #[prost(message, optional, tag = "2")]
    pub(super) views: Option<PublishedViews>,
}

/// Tells of sources and views for as long as it is polled. What cannot be told is told later: nothing waits for it.
pub(super) async fn publish(gateway: &Gateway, views: &Views, generation: i64) -> ! {
    let (mut changes, mut connection) = (gateway.source_changes(), None);
    loop {
        changes.mark_unchanged();
        if let Err(error) = tell(gateway, views, generation, &mut connection).await {
            tracing::warn!(error = causes(&error), "how sources are doing is not told to other gateways");
            connection = None;
        }
        sleep(SOON).await;
        select! {
            _ = changes.changed() => {}
            () = sleep(REGULARLY - SOON) => {}
        }
    }
}

async fn tell(
    gateway: &Gateway,
    views: &Views,
    generation: i64,
    connection: &mut Option<Connection>,
) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(gateway.store().another().await?),
    };
    let sources = gateway.sources().iter().map(|source| source.published()).collect();
    let state = Published { sources, views: Some(views.published()) }.encode_to_vec();
    let tell = connection.query(TELL).bind(generation).bind(state.as_slice());
    tell.execute().await.map(drop).map_err(StoreError::sql("telling other gateways"))
}
