//! Questions that say the word in parameters, keys and literals, and answers that hold it.

use http::uri::PathAndQuery;
use mesh_tests::{clients::Clients, mesh::Mesh, wait};
use shop_proto::insights::v1::{
    Customer360Request, OrderDetailsRequest, RevenueByRegionRequest, insights_client::InsightsClient,
};
use tonic::{Code, Request, Response, Status, transport::Channel};
use tonic_prost::ProstCodec;
use tributary_chassis::position::AFTER;
use tributary_proto::{
    feed::v1::{
        DescribeRequest, Position, SnapshotCursor, SnapshotStart, SubscribeRequest, subscribe_request::Start,
        subscribe_response::Frame,
    },
    query::v1::{
        CreateViewRequest, DropViewRequest, ExplainRowRequest, KeyPart, ListViewsRequest, QueryRequest,
        ViewState,
    },
};

use super::{CANARY, canary, refused, told};

/// A typed query whose rows do not fit its messages, which shows with the first row.
pub(crate) const API: &str = r#"
syntax = "proto3";
package misfit.v1;
import "tributary/options/v1/options.proto";

service Misfit {
  rpc Regions(RegionsRequest) returns (RegionsResponse) {
    option (tributary.options.v1.sql) = "SELECT region FROM customers WHERE region <> :but";
  }
}
message RegionsRequest { string but = 1; }
message RegionsResponse { repeated Row rows = 1; }
message Row { Region region = 1; }
enum Region { REGION_UNSPECIFIED = 0; EUROPE = 1; }
"#;

async fn query(clients: &Clients, sql: &str) -> Result<Vec<String>, Status> {
    let request = told(QueryRequest { sql: sql.to_owned(), max_rows: 0 });
    let mut parts = clients.gateway.clone().query(request).await?.into_inner();
    let mut answer = Vec::new();
    while let Some(part) = parts.message().await? {
        answer.push(format!("{part:?}"));
    }
    Ok(answer)
}

fn explain(name: &str, key: &[(&str, &str)]) -> ExplainRowRequest {
    let part = |&(column, value): &(&str, &str)| KeyPart {
        column: column.to_owned(),
        value: Some(value.to_owned()),
    };
    ExplainRowRequest { name: name.to_owned(), key: key.iter().map(part).collect(), limit: 0 }
}

async fn create_view(clients: &Clients, sql: &str) -> Result<(), Status> {
    let request = told(CreateViewRequest { sql: sql.to_owned(), replace: false });
    clients.gateway.clone().create_view(request).await.map(drop)
}

/// Waits until the view is that far, and gives the reason if it has failed.
async fn view_is(clients: &Clients, name: &str, state: ViewState) -> String {
    wait::until(&format!("{name} is {}", state.as_str_name()), || async {
        let views = clients.gateway.clone().list_views(ListViewsRequest {}).await;
        let views = views.map_err(|status| status.to_string())?.into_inner().views;
        let view = views.into_iter().find(|view| view.name == name).ok_or("it is not listed")?;
        if view.state() == state { Ok(view.reason) } else { Err(format!("it is {view:?}")) }
    })
    .await
}

/// Everything that was written has come to the read model, and is given to whoever asks.
pub(crate) async fn succeed(clients: &Clients, mesh: &Mesh) {
    for (column, table) in [
        ("display_name", "customers"),
        ("email", "customers"),
        ("display_name", "products"),
        ("note", "orders"),
        ("cancel_reason", "orders"),
        ("carrier", "shipments"),
        ("tracking_code", "shipments"),
        ("region", "revenue_by_region"),
    ] {
        let sql = format!(
            "SELECT {column} FROM {table} WHERE {column} LIKE '{CANARY}%' AND {column} <> '{}'",
            canary("literal")
        );
        assert!(query(clients, &sql).await.unwrap().concat().contains(CANARY), "{table} has no {column}");
    }
    let mut insights = InsightsClient::new(mesh.gateway.channel());
    let (region, category) = (canary("region"), canary("category"));
    let request = told(RevenueByRegionRequest { region: region.clone(), category });
    assert_eq!(insights.revenue_by_region(request).await.unwrap().into_inner().rows[0].region, region);
    let request = told(Customer360Request { customer_id: "ada".to_owned(), limit: 0 });
    let all = format!("{:?}", insights.customer360(request).await.unwrap().into_inner());
    assert!(all.contains(&canary("name")) && all.contains(&canary("email")), "{all}");
    let sql = format!(
        "CREATE MATERIALIZED VIEW by_name AS SELECT display_name, COUNT(*) AS n FROM customers \
         WHERE display_name <> '{}' GROUP BY display_name",
        canary("view")
    );
    create_view(clients, &sql).await.unwrap();
    view_is(clients, "by_name", ViewState::Ready).await;
    let request = told(explain("by_name", &[("display_name", &canary("name"))]));
    assert_eq!(clients.gateway.clone().explain_row(request).await.unwrap().into_inner().total, 1);
}

/// Questions that cannot be answered, some of them for the rows that they meet.
pub(crate) async fn fail(clients: &Clients, mesh: &Mesh) {
    for sql in [
        format!("SELECT '{CANARY}' FORM customers"),
        format!("SELECT {CANARY}_column FROM customers"),
        format!("SELECT 1 AS n FROM {CANARY}_table"),
        format!("SELECT CAST('{CANARY}' AS bigint) AS n FROM customers"),
        "SELECT CAST(display_name AS bigint) AS n FROM customers".to_owned(),
        "SELECT CAST(email AS timestamptz) AS t FROM customers".to_owned(),
        format!("SELECT {CANARY}(display_name) AS n FROM customers"),
    ] {
        refused(query(clients, &sql).await.map(Response::new), Code::InvalidArgument);
    }
    // The row's own text is in what the caller is told, and in what the view is said to fail by.
    let sql = "SELECT CAST(display_name AS bigint) AS n FROM customers";
    let message = refused(query(clients, sql).await.map(Response::new), Code::InvalidArgument);
    assert!(message.contains(CANARY), "{message}");
    let sql =
        "CREATE MATERIALIZED VIEW numbers AS SELECT customer_id, CAST(segment AS bigint) AS n FROM customers";
    create_view(clients, sql).await.unwrap();
    let reason = view_is(clients, "numbers", ViewState::Failed).await;
    assert!(reason.contains(&canary("segment")), "{reason}");
    let waits = format!("CREATE VIEW waiting AS SELECT CAST('{CANARY}' AS bigint) AS n FROM absent");
    create_view(clients, &waits).await.unwrap();
    view_is(clients, "waiting", ViewState::Pending).await;
    let wrong = format!("CREATE VIEW wrong AS SELECT '{CANARY}' + 1 AS n FROM customers");
    create_view(clients, &wrong).await.unwrap_err();
    let request = told(DropViewRequest { name: canary("view"), missing_ok: false });
    refused(clients.gateway.clone().drop_view(request).await, Code::NotFound);

    let mut insights = InsightsClient::new(mesh.gateway.channel());
    let request = told(Customer360Request { customer_id: canary("nobody"), limit: 0 });
    refused(insights.customer360(request).await, Code::NotFound);
    let request = told(OrderDetailsRequest { order_id: canary("no-order") });
    refused(insights.order_details(request).await, Code::NotFound);
    for metadata in [AFTER, "tributary-max-staleness", "grpc-timeout"] {
        let mut request = told(RevenueByRegionRequest::default());
        request.metadata_mut().insert(metadata, canary("metadata").parse().unwrap());
        refused(insights.revenue_by_region(request).await, Code::InvalidArgument);
    }
    // What cannot be a trace is none.
    let mut request = told(RevenueByRegionRequest::default());
    request.metadata_mut().insert("traceparent", canary("traceparent").parse().unwrap());
    insights.revenue_by_region(request).await.unwrap();
    for request in [
        explain("by_name", &[("display_name", &canary("no-name"))]),
        explain("by_name", &[(&canary("column"), &canary("key"))]),
        explain("daily_sales", &[("day", &canary("day"))]),
        explain(&canary("no-view"), &[("", &canary("key"))]),
    ] {
        clients.gateway.clone().explain_row(told(request)).await.unwrap_err();
    }
    misfit(mesh).await;
    subscribe(clients).await;
    for channel in [mesh.gateway.channel(), mesh.customers.channel()] {
        let path = format!("/{CANARY}.v1.Service/Method").parse().unwrap();
        refused(unary(channel, path, told(())).await, Code::Unimplemented);
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RegionsRequest {
    #[prost(string, tag = "1")]
    but: String,
}

async fn unary<T: prost::Message + 'static>(
    channel: Channel,
    path: PathAndQuery,
    request: Request<T>,
) -> Result<Response<()>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    client.unary(request, path, ProstCodec::<T, ()>::default()).await
}

/// A row that does not fit the message that it is to be told in.
async fn misfit(mesh: &Mesh) {
    let request = told(RegionsRequest { but: canary("but") });
    let path = "/misfit.v1.Misfit/Regions".parse().unwrap();
    let message = refused(unary(mesh.gateway.channel(), path, request).await, Code::Internal);
    assert!(message.contains(&canary("region")), "{message}");
}

/// Subscribers say where they are in their own words, too.
async fn subscribe(clients: &Clients) {
    let mut feed = clients.feeds[0].clone();
    let head = feed.describe(told(DescribeRequest {})).await.unwrap().into_inner().head.unwrap();
    let from = |start: Start, entity: &str| SubscribeRequest {
        start: Some(start),
        entities: vec![entity.to_owned()],
        consumer: "test".to_owned(),
        ..SubscribeRequest::default()
    };
    for position in [
        Position { service: canary("service"), ..head.clone() },
        Position { epoch: canary("epoch"), ..head.clone() },
    ] {
        feed.subscribe(told(from(Start::After(position), "customer"))).await.unwrap_err();
    }
    let description = feed.describe(DescribeRequest {}).await.unwrap().into_inner();
    let entity = &description.entities[0].name;
    let mut frames = feed.subscribe(told(from(Start::Snapshot(SnapshotStart {}), entity))).await.unwrap();
    let begin = match frames.get_mut().message().await.unwrap().unwrap().frame {
        Some(Frame::SnapshotBegin(begin)) => begin,
        other => panic!("{other:?}"),
    };
    let cursor = |id: &str, entity: &str| {
        let (id, entity, key) = (id.to_owned(), entity.to_owned(), canary("cursor"));
        Start::ResumeSnapshot(SnapshotCursor { id, low: begin.low.clone(), entity, key })
    };
    feed.subscribe(told(from(cursor(&canary("snapshot"), entity), entity))).await.unwrap_err();
    feed.subscribe(told(from(cursor(&begin.id, &canary("entity")), &canary("entity")))).await.unwrap_err();
    let mut frames =
        feed.subscribe(told(from(cursor(&begin.id, entity), entity))).await.unwrap().into_inner();
    frames.message().await.unwrap().unwrap();
}
