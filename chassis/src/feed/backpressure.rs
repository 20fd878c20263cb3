//! What subscribers cost that do not read, over real connections.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Endpoint};
use tonic_types::StatusExt as _;
use tributary_proto::feed::v1::{
    SubscribeRequest, SubscribeResponse, change_feed_client::ChangeFeedClient, subscribe_request::Start,
    subscribe_response::Frame,
};

use super::{
    FeedOptions,
    memory::MemoryLog,
    served::{DEADLINE, Served, feed},
};
use crate::fault::Reason;

const STALLED: usize = 20;
const COMMAND_BYTES: usize = 256 << 10;

/// So small that what was read from the log is with the server, and nowhere else.
const WINDOW_BYTES: u32 = 64 << 10;

/// A frame in the slot, one on its way through tonic and h2, and what little is with the client.
const COST_BYTES: usize = (2 << 20) + (256 << 10);

async fn subscribe(served: &Served, start: Start) -> Streaming<SubscribeResponse> {
    let endpoint = Endpoint::from(served.uri())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let mut client = ChangeFeedClient::new(endpoint.connect().await.unwrap());
    let request = SubscribeRequest { start: Some(start), ..Default::default() };
    client.subscribe(request).await.unwrap().into_inner()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn subscribers_that_do_not_read_cost_little_and_are_cut_off() {
    let log = MemoryLog::new("e1");
    for _ in 0..64 {
        log.write(&[("accounts", "a", Some(&"x".repeat(COMMAND_BYTES)))]);
    }
    let options = FeedOptions {
        stall_timeout: Duration::from_millis(500),
        max_subscribers: STALLED,
        ..Default::default()
    };
    let shutdown = CancellationToken::new();
    let service = feed(&log, options, &shutdown);
    let places = service.places();
    let served = Served::start(service, shutdown, None).await;

    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(subscribe(&served, Start::After(log.at(0))).await);
    }
    until("all are cut off", || places.available_permits() == STALLED).await;
    let read = log.bytes_read.load(Ordering::Relaxed) / STALLED;
    println!("{read} bytes were read for each");
    assert!(read <= COST_BYTES, "{read} bytes were read for a subscriber that reads nothing");

    // Others take their places, and who reads again learns where it is.
    let mut live = subscribe(&served, Start::After(log.at(64))).await;
    log.write(&[("notes", "n", Some("1"))]);
    assert!(timeout(DEADLINE, live.message()).await.unwrap().is_ok());
    for stream in &mut stalled {
        cut_off_where_it_is(&log, stream).await;
    }
}

async fn cut_off_where_it_is(log: &Arc<MemoryLog>, stream: &mut Streaming<SubscribeResponse>) {
    let mut through = log.at(0);
    let status = loop {
        match timeout(DEADLINE, stream.message()).await.unwrap() {
            Ok(frame) => {
                if let Some(Frame::Changes(changes)) = frame.unwrap().frame {
                    assert_eq!(changes.after, Some(through));
                    through = changes.through.unwrap();
                }
            }
            Err(status) => break status,
        }
    };
    assert_eq!(Reason::of(&status), Some(Reason::SubscriberStalled), "{status:?}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["position"], format!("bank/e1/{}", through.sequence));
}
