//! Between the first signal and the end.

use tonic_health::pb::HealthCheckResponse;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

async fn connect(uri: &str) -> Channel {
    Channel::from_shared(uri.to_owned()).unwrap().connect().await.unwrap()
}

async fn describe(channel: &Channel) -> Result<(), Status> {
    ChangeFeedClient::new(channel.clone()).describe(tell("answer")).await.map(drop)
}

#[tokio::test]
async fn within_the_drain_delay_it_is_not_ready_and_takes_calls() {
    let (_directory, server) = bind(|args| args.drain_delay = HOUR);
    let (uri, admin) = (format!("http://{}", server.address()), server.admin_address());
    let (leaving, work) = (server.leaving(), server.shutdown());
    let (channel, shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    let request = HealthCheckRequest { service: FEED.to_owned() };
    let mut watch = HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner();
    let told = |message: Option<HealthCheckResponse>| message.expect("an answer").status();
    assert_eq!(told(watch.message().await.unwrap()), ServingStatus::Serving);
    let mut stream =
        ChangeFeedClient::new(channel.clone()).subscribe(tell_stream("ticks")).await.unwrap().into_inner();

    leaving.cancel();
    assert_eq!(told(watch.message().await.unwrap()), ServingStatus::NotServing);
    assert!(get(admin, "/ready").await.starts_with("HTTP/1.1 503"));
    assert_eq!(health(&channel, "").await, Some(ServingStatus::NotServing));
    // On a connection that is open and on a new one; what works beside the calls is not told to end.
    describe(&channel).await.unwrap();
    describe(&connect(&uri).await).await.unwrap();
    stream.message().await.unwrap().expect("a stream that goes on");
    assert!(!work.is_cancelled() && !running.is_finished());

    // As when the delay is over: connections are refused, and what watches is ended.
    drop(stream);
    shutdown.cancel();
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(uri.strip_prefix("http://").unwrap()).await.is_err());
}

#[tokio::test]
async fn the_drain_delay_ends_by_itself_and_is_none_by_default() {
    for delay in [Duration::ZERO, Duration::from_millis(200)] {
        let (_directory, server) = bind(|args| args.drain_delay = delay);
        let leaving = server.leaving();
        let (channel, shutdown, running) = serve(server);
        eventually("serving", async || health(&channel, "").await).await;
        let begin = Instant::now();
        leaving.cancel();
        shutdown.cancelled().await;
        assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
        running.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_failure_does_not_wait_for_the_drain_delay() {
    let (_directory, mut server) = bind(|args| args.drain_delay = HOUR);
    let (fail, failing) = tokio::sync::oneshot::channel::<()>();
    server.fail_on(async {
        failing.await.unwrap();
        StartError::message("the disk is gone")
    });
    let (leaving, readiness) = (server.leaving(), server.readiness.clone());
    let (channel, _shutdown, running) = serve(server);
    eventually("serving", async || health(&channel, "").await).await;
    leaving.cancel();
    eventually("leaving", async || (readiness.state() == crate::readiness::State::Draining).then_some(()))
        .await;
    fail.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap_err().to_string(), "the disk is gone");
}
