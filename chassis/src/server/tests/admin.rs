//! Health at the admin port, as the probes of a cluster ask for it.

use tonic::Streaming;
use tonic_health::pb::HealthCheckResponse;

use super::*;

fn admin(server: &Server) -> Channel {
    Channel::from_shared(format!("http://{}", server.admin_address())).unwrap().connect_lazy()
}

async fn watch(channel: &Channel, service: &str) -> Result<Streaming<HealthCheckResponse>, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    Ok(HealthClient::new(channel.clone()).watch(request).await?.into_inner())
}

async fn next(watch: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    watch.message().await.unwrap().expect("an answer").status()
}

/// Readiness, liveness and whether it has started.
async fn answers(channel: &Channel) -> [ServingStatus; 3] {
    let answer = async |service| health(channel, service).await.expect("an answer");
    [answer("").await, answer("liveness").await, answer("startup").await]
}

#[tokio::test]
async fn the_admin_port_tells_of_the_whole_life() {
    use ServingStatus::{NotServing, Serving};
    let (_directory, server) = bind(|args| args.drain_delay = Duration::from_secs(3600));
    let (channel, address) = (admin(&server), server.admin_address());
    // Before anything is served, so that a start that takes long is seen.
    assert_eq!(answers(&channel).await, [NotServing, Serving, NotServing]);
    let mut ready = watch(&channel, "").await.unwrap();
    let mut alive = watch(&channel, "liveness").await.unwrap();
    let mut started = watch(&channel, "startup").await.unwrap();
    assert_eq!(next(&mut ready).await, NotServing);
    assert_eq!(next(&mut alive).await, Serving);
    assert_eq!(next(&mut started).await, NotServing);

    let (handle, leaving, readiness) = (server.ready_handle(), server.leaving(), server.readiness.clone());
    let (_grpc, shutdown, running) = serve(server);
    drop(handle);
    assert_eq!(next(&mut ready).await, Serving);
    assert_eq!(next(&mut started).await, Serving);
    assert_eq!(answers(&channel).await, [Serving; 3]);

    // Not ready once more: it has started nevertheless.
    let again = readiness.handle();
    assert_eq!(next(&mut ready).await, NotServing);
    assert_eq!(answers(&channel).await, [NotServing, Serving, Serving]);
    drop(again);
    assert_eq!(next(&mut ready).await, Serving);

    leaving.cancel();
    assert_eq!(next(&mut ready).await, NotServing);
    assert_eq!(answers(&channel).await, [NotServing, Serving, Serving]);
    // HTTP/1 at the same port.
    assert!(get(address, "/live").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/ready").await.starts_with("HTTP/1.1 503"));

    shutdown.cancel();
    running.await.unwrap().unwrap();
    // Nothing was told twice in between, and the watches do not outlive the server.
    for mut watch in [ready, alive, started] {
        let status = watch.message().await.unwrap_err();
        assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Draining)));
    }
}

#[tokio::test]
async fn what_the_admin_port_does_not_know_is_not_found() {
    let (_directory, server) = bind(|_| {});
    let channel = admin(&server);
    for service in [FEED, "readiness", "Liveness"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = HealthClient::new(channel.clone()).check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{service}");
        assert_eq!(watch(&channel, service).await.unwrap_err().code(), Code::NotFound, "{service}");
    }
    // Nothing but health.
    let status = ChangeFeedClient::new(channel).describe(tell("hang")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
