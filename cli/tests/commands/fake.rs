//! A mesh of fakes on a loopback address of its own: a query gateway on its well-known port, and a server
//! with a change feed alone on those of the services.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Server};
use tributary_chassis::fault::{Fault, Reason};
use tributary_proto::{
    FILE_DESCRIPTOR_SET,
    feed::v1::{
        AcknowledgeRequest, AcknowledgeResponse, DescribeRequest, DescribeResponse, SubscribeRequest,
        SubscribeResponse,
        change_feed_server::{ChangeFeed, ChangeFeedServer},
    },
    query::v1::{
        Column, CreateViewRequest, CreateViewResponse, DropViewRequest, DropViewResponse, ExplainRowRequest,
        ExplainRowResponse, ExplainViewRequest, ExplainViewResponse, Filling, GetStatusRequest,
        GetStatusResponse, Header, KeyPart, ListViewsRequest, ListViewsResponse, QueryRequest, QueryResponse,
        Row, RowChange, Rows, Source, SourceState, TableRows, Truncated, Value, View, ViewKind, ViewState,
        query_gateway_server::{QueryGateway, QueryGatewayServer},
        query_response::Part,
        value::Kind,
    },
};

pub(crate) const AS_OF: &str = "query/9f/41, customers/c1/7;lag=0;lag_ms=2;state=live;complete=1";

/// Serves until the test ends; gives its address.
pub(crate) async fn mesh(gateway: Gateway) -> Ipv4Addr {
    let host = services(gateway.sagas).await;
    open_gateway(host, gateway).await.stay();
    host
}

/// The services alone, with what they publish as metrics.
pub(crate) async fn services(sagas: &'static str) -> Ipv4Addr {
    let host = own_address();
    for port in [50051, 50052, 50053, 50054, 50055, 50056] {
        let listener = TcpListener::bind(SocketAddr::from((host, port))).await.unwrap();
        tokio::spawn(serve(listener, None, CancellationToken::new()));
        let admin = TcpListener::bind(SocketAddr::from((host, port + 1000))).await.unwrap();
        tokio::spawn(publish(admin, sagas));
    }
    let admin = TcpListener::bind(SocketAddr::from((host, 51050))).await.unwrap();
    tokio::spawn(publish(admin, ""));
    host
}

/// A gateway beside the services that listens.
pub(crate) async fn open_gateway(host: Ipv4Addr, gateway: Gateway) -> OpenGateway {
    let listener = TcpListener::bind(SocketAddr::from((host, 50050))).await.unwrap();
    let close = CancellationToken::new();
    OpenGateway { task: tokio::spawn(serve(listener, Some(gateway), close.clone())), close }
}

pub(crate) struct OpenGateway {
    task: JoinHandle<()>,
    close: CancellationToken,
}

impl OpenGateway {
    /// Until the test ends.
    fn stay(self) {}

    /// Its port is free when this returns.
    pub(crate) async fn close(self) {
        self.close.cancel();
        self.task.await.unwrap();
    }
}

/// An admin port with such metrics, whatever it is asked.
async fn publish(listener: TcpListener, metrics: &'static str) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.split();
        let mut lines = BufReader::new(reader).lines();
        // Who goes away in between is no concern of the test.
        while let Ok(Some(line)) = lines.next_line().await
            && !line.is_empty()
        {}
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", metrics.len());
        let _ = writer.write_all(format!("{head}{metrics}").as_bytes()).await;
    }
}

/// Tests run beside each other, also those of other test binaries.
pub(crate) fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(2);
    let [_, high, low] = std::process::id().to_be_bytes()[1..] else { unreachable!("three of four bytes") };
    Ipv4Addr::new(127, 64 + high % 64, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn serve(listener: TcpListener, gateway: Option<Gateway>, close: CancellationToken) {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .with_service_name(match gateway {
            Some(_) => "tributary.query.v1.QueryGateway",
            None => "tributary.feed.v1.ChangeFeed",
        })
        // Listed and not described, as servers do with what is not theirs.
        .with_service_name("grpc.health.v1.Health")
        .build_v1()
        .unwrap();
    let (_health, health) = tonic_health::server::health_reporter();
    Server::builder()
        .add_service(reflection)
        .add_service(health)
        .add_optional_service(gateway.map(QueryGatewayServer::new))
        .add_service(ChangeFeedServer::new(Feed))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), close.cancelled())
        .await
        .unwrap();
}

struct Feed;

#[tonic::async_trait]
impl ChangeFeed for Feed {
    type SubscribeStream = std::pin::Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse { service: "fake".into(), ..DescribeResponse::default() }))
    }

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::pending())))
    }

    async fn acknowledge(
        &self,
        _: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Ok(Response::new(AcknowledgeResponse::default()))
    }
}

/// Answers by the text of the SQL.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) source: SourceState,
    pub(crate) view: ViewState,
    /// What the services publish as metrics.
    pub(crate) sagas: &'static str,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { source: SourceState::Live, view: ViewState::Ready, sagas: "" }
    }
}

#[tonic::async_trait]
impl QueryGateway for Gateway {
    type QueryStream = std::pin::Pin<Box<dyn Stream<Item = Result<QueryResponse, Status>> + Send>>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let after = request.metadata().get("tributary-after").map(|after| after.to_str().unwrap().to_owned());
        let sql = request.into_inner().sql;
        if sql == "SELEC" {
            return Err(Fault::field("sql", "expected SELECT at line 1, column 1").into());
        }
        let fault = || Status::from(Fault::new(Reason::DeadlineExceeded, "time was up after 1 row"));
        let parts = match sql.as_str() {
            "forever" => {
                let endless = header().chain(tokio_stream::pending());
                return Ok(Response::new(Box::pin(endless)));
            }
            "breaks" => vec![Ok(row("a", 1)), Err(fault())],
            "cut" => {
                let cut = Truncated { reason: "10,000 rows; ask for fewer".into() };
                vec![Ok(row("a", 1)), Ok(QueryResponse { part: Some(Part::Truncated(cut)) })]
            }
            "after" => vec![Ok(row(&after.unwrap_or_default(), 0))],
            _ => vec![Ok(row("EUROPE", 5000)), Ok(row("ASIA", i64::MAX))],
        };
        let mut reply =
            Response::new(Box::pin(header().chain(tokio_stream::iter(parts))) as Self::QueryStream);
        reply.metadata_mut().insert("tributary-as-of", AS_OF.parse().unwrap());
        Ok(reply)
    }

    async fn list_views(&self, _: Request<ListViewsRequest>) -> Result<Response<ListViewsResponse>, Status> {
        let kind = ViewKind::Materialized.into();
        let view = View { name: "revenue".into(), state: self.view.into(), kind, ..View::default() };
        Ok(Response::new(ListViewsResponse { views: vec![view] }))
    }

    async fn create_view(
        &self,
        request: Request<CreateViewRequest>,
    ) -> Result<Response<CreateViewResponse>, Status> {
        let CreateViewRequest { sql, replace } = request.into_inner();
        if !replace {
            return Err(Fault::new(Reason::AlreadyExists, "revenue exists: replace it").into());
        }
        if sql != "CREATE VIEW revenue" {
            return Err(Fault::field("sql", format!("not as it was sent: {sql}")).into());
        }
        let filling = Some(Filling { rows: 3, total: 7 });
        let view = View { name: "revenue".into(), state: self.view.into(), filling, ..View::default() };
        Ok(Response::new(CreateViewResponse { views: vec![view] }))
    }

    async fn drop_view(
        &self,
        request: Request<DropViewRequest>,
    ) -> Result<Response<DropViewResponse>, Status> {
        let DropViewRequest { name, missing_ok } = request.into_inner();
        if name == "revenue" || missing_ok {
            return Ok(Response::new(DropViewResponse {}));
        }
        Err(Fault::new(Reason::NotFound, format!("there is no view \"{name}\"; did you mean \"revenue\"?"))
            .into())
    }

    async fn explain_view(
        &self,
        request: Request<ExplainViewRequest>,
    ) -> Result<Response<ExplainViewResponse>, Status> {
        let view = View { name: request.into_inner().name, ..View::default() };
        let text = "view revenue\n  \u{1b}[2Jnode 0\n".to_owned();
        Ok(Response::new(ExplainViewResponse { view: Some(view), text, ..ExplainViewResponse::default() }))
    }

    async fn explain_row(
        &self,
        request: Request<ExplainRowRequest>,
    ) -> Result<Response<ExplainRowResponse>, Status> {
        let ExplainRowRequest { name, key, limit } = request.into_inner();
        let part = |part: &KeyPart| format!("{}={}", part.column, part.value.as_deref().unwrap_or("NULL"));
        let asked = key.iter().map(part).collect::<Vec<_>>().join(" ");
        if name != "revenue" {
            return Err(Fault::new(Reason::NotFound, format!("no row of {name} has that key")).into());
        }
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        let change = RowChange {
            position: "customers/c1/7".to_owned(),
            entity: "customers".to_owned(),
            // What was asked, for the test to see, with what must not reach a terminal.
            key: format!("{asked} {limit}\u{1b}[2J"),
            event: "CustomerMoved".to_owned(),
            commit_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            traceparent: format!("00-{trace_id}-00f067aa0ba902b7-01"),
            trace_id,
            rows: vec![TableRows { table: "customers".to_owned(), rows: 1 }],
        };
        let unknown = RowChange { position: "customers/c1/3".to_owned(), ..RowChange::default() };
        let tables = vec![TableRows { table: "customers".to_owned(), rows: 5 }];
        let explained = ExplainRowResponse { rows: 1, total: 5, changes: vec![change, unknown], tables };
        let mut reply = Response::new(explained);
        reply.metadata_mut().insert("tributary-as-of", AS_OF.parse().unwrap());
        Ok(reply)
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let reached = self.source != SourceState::Connecting;
        let source = Source {
            name: "orders".into(),
            state: self.source.into(),
            applied: 7,
            head: 7,
            lag: reached.then_some(0),
            lag_ms: reached.then_some(2),
            ..Source::default()
        };
        let complete = self.source == SourceState::Live;
        Ok(Response::new(GetStatusResponse {
            sources: vec![source],
            complete,
            ..GetStatusResponse::default()
        }))
    }
}

fn header() -> impl Stream<Item = Result<QueryResponse, Status>> + Send {
    let column = |name: &str, ty: &str| Column { name: name.into(), r#type: ty.into() };
    let columns = vec![column("region", "text"), column("revenue", "bigint")];
    let header = Header { columns, as_of: AS_OF.into() };
    tokio_stream::once(Ok(QueryResponse { part: Some(Part::Header(header)) }))
}

fn row(text: &str, number: i64) -> QueryResponse {
    let value = |kind| Value { kind: Some(kind) };
    let values = vec![value(Kind::Text(text.into())), value(Kind::Int64(number))];
    QueryResponse { part: Some(Part::Rows(Rows { rows: vec![Row { values }] })) }
}

/// Waits for a condition, with a deadline.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
