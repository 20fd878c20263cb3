//! The gateway knows no service: it is given a source that none of the workspace's packages describes,
//! views and typed queries of its own, and answers.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{fs, net::SocketAddr, path::Path, pin::Pin};

use futures::{Stream, StreamExt as _, stream};
use mesh_tests::{mesh::own_loopback_address, process::Process, wait};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use prost_types::{Any, Timestamp};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use tributary_chassis::feed;
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, Change, Changes, DescribeRequest, DescribeResponse,
    EntityDescription, Operation, Position, Progress, SnapshotBegin, SnapshotCursor, SnapshotEnd,
    SnapshotRows, SubscribeRequest, SubscribeResponse,
    change_feed_server::{ChangeFeed, ChangeFeedServer},
    subscribe_request::Start,
    subscribe_response::Frame,
};

const ENTITIES: &str = r#"
syntax = "proto3";
package observatory.v1;
import "google/protobuf/timestamp.proto";
import "tributary/options/v1/options.proto";

enum Band { BAND_UNSPECIFIED = 0; RADIO = 1; OPTICAL = 2; }

message Telescope {
  option (tributary.options.v1.entity) = {table: "telescopes"};
  string telescope_id = 1 [(tributary.options.v1.field).key = true];
  Site site = 2;
  repeated Band bands = 3;
  map<string, int64> limits = 4;
  optional double aperture = 5;
}
message Site { string name = 1; Coordinates at = 2; }
message Coordinates { double latitude = 1; double longitude = 2; }

message Observation {
  option (tributary.options.v1.entity) = {table: "observations"};
  string observation_id = 1 [(tributary.options.v1.field).key = true];
  string telescope_id = 2;
  google.protobuf.Timestamp begin_time = 3;
  Band band = 4;
  bytes checksum = 5;
  oneof target { string star = 6; int64 catalogue_number = 7; }
  repeated Exposure exposures = 8;
  bool good = 9;
}
message Exposure {
  int32 number = 1 [(tributary.options.v1.field).key = true];
  int64 seconds = 2;
}
"#;

const API: &str = r#"
syntax = "proto3";
package observatory.api.v1;
import "google/protobuf/timestamp.proto";
import "tributary/options/v1/options.proto";

service Almanac {
  rpc Nights(NightsRequest) returns (NightsResponse) {
    option (tributary.options.v1.sql) =
      "SELECT site, night, seconds FROM nights WHERE :site = '' OR site = :site ORDER BY site, night";
  }
  rpc Watch(WatchRequest) returns (stream Sighting) {
    option (tributary.options.v1.sql) =
      "SELECT observation_id, star, catalogue_number, checksum, good, band FROM observations ORDER BY observation_id";
  }
}
message NightsRequest { string site = 1; }
message NightsResponse { repeated Night nights = 1; }
message Night { string site = 1; google.protobuf.Timestamp night = 2; int64 seconds = 3; }
message WatchRequest {}
message Sighting {
  string observation_id = 1;
  optional string star = 2;
  optional int64 catalogue_number = 3;
  bytes checksum = 4;
  bool good = 5;
  string band = 6;
}
"#;

const VIEWS: &str = "
-- Exposure time by site and night.
CREATE VIEW nights AS
SELECT t.site_name AS site, date_trunc('day', o.begin_time) AS night, SUM(e.seconds) AS seconds
FROM observations o
JOIN telescopes t ON t.telescope_id = o.telescope_id
JOIN observations_exposures e ON e.observation_id = o.observation_id
WHERE o.good
GROUP BY t.site_name, date_trunc('day', o.begin_time);
";

/// A service of another workspace, perhaps of another language: a fixed history behind the feed's contract.
#[derive(Clone)]
struct Observatory {
    changes: Vec<Change>,
    heads: Vec<Position>,
    descriptors: Vec<u8>,
}

type Frames = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ChangeFeed for Observatory {
    type SubscribeStream = Frames;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let entity =
            |name: &str, message: &str| EntityDescription { name: name.into(), message: message.into() };
        Ok(Response::new(DescribeResponse {
            service: "observatory".to_owned(),
            epoch: "e1".to_owned(),
            head: self.heads.last().cloned(),
            oldest: self.heads.first().cloned(),
            entities: vec![
                entity("telescopes", "observatory.v1.Telescope"),
                entity("observations", "observatory.v1.Observation"),
            ],
            file_descriptor_set: self.descriptors.clone(),
        }))
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<Frames>, Status> {
        let (low, head) = (self.heads[0].clone(), self.heads.last().cloned());
        let mut frames = Vec::new();
        let after = match request.into_inner().start {
            Some(Start::After(position)) => usize::try_from(position.sequence).unwrap(),
            Some(Start::Snapshot(_)) => {
                // A fuzzy snapshot at its oddest: low is the beginning, and the rows are newer.
                let rows: Vec<Change> = self.changes[..2].to_vec();
                let last = &rows[1];
                let cursor = SnapshotCursor {
                    id: "s".to_owned(),
                    low: Some(low.clone()),
                    entity: last.entity.clone(),
                    key: last.key.clone(),
                };
                frames.push(Frame::SnapshotBegin(SnapshotBegin { low: Some(low), id: "s".to_owned() }));
                frames.push(Frame::SnapshotRows(SnapshotRows { rows, cursor: Some(cursor) }));
                frames.push(Frame::SnapshotEnd(SnapshotEnd { high: head.clone() }));
                0
            }
            other => return Err(Status::invalid_argument(format!("{other:?}"))),
        };
        for (index, change) in self.changes.iter().enumerate().skip(after) {
            frames.push(Frame::Changes(Changes {
                after: Some(self.heads[index].clone()),
                through: Some(self.heads[index + 1].clone()),
                changes: vec![change.clone()],
            }));
        }
        frames.push(Frame::Progress(Progress {
            head: head.clone(),
            through: head,
            oldest: self.heads.first().cloned(),
            now: Some(Timestamp { seconds: 1_790_000_000, nanos: 0 }),
        }));
        let response = |frame| Ok(SubscribeResponse { frame: Some(frame) });
        Ok(Response::new(Box::pin(stream::iter(frames.into_iter().map(response)).chain(stream::pending()))))
    }

    async fn acknowledge(
        &self,
        _: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Ok(Response::new(AcknowledgeResponse::default()))
    }
}

impl Observatory {
    fn new(directory: &Path) -> Self {
        let options = directory.join(tributary_proto::options::v1::PROTO_PATH);
        fs::create_dir_all(options.parent().unwrap()).unwrap();
        fs::write(&options, tributary_proto::options::v1::PROTO).unwrap();
        fs::write(directory.join("entities.proto"), ENTITIES).unwrap();
        let mut compiler = protox::Compiler::new([directory]).unwrap();
        compiler.include_imports(true).open_files(["entities.proto"]).unwrap();
        let descriptors = compiler.encode_file_descriptor_set();
        let pool = DescriptorPool::decode(descriptors.as_slice()).unwrap();
        let at = |sequence, digest| Position {
            service: "observatory".to_owned(),
            epoch: "e1".to_owned(),
            sequence,
            digest,
        };
        let (mut changes, mut heads) = (Vec::new(), vec![at(0, 0)]);
        for (entity, message, key, json) in history() {
            let sequence = changes.len() as u64 + 1;
            let value = message_of(&pool, message, json);
            let operation = if json.contains("_deleted") { Operation::Delete } else { Operation::Upsert };
            let change = Change {
                sequence,
                entity: entity.to_owned(),
                key: key.to_owned(),
                operation: operation.into(),
                value: Some(Any { type_url: format!("type.googleapis.com/{message}"), value }),
                version: 1,
                commit_time: Some(Timestamp { seconds: 1_789_999_000, nanos: 0 }),
                last_in_command: true,
                ..Change::default()
            };
            let digest = feed::digest(heads.last().unwrap().digest, &change);
            heads.push(at(sequence, digest));
            changes.push(change);
        }
        Self { changes, heads, descriptors }
    }

    async fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind(format!("{}:0", own_loopback_address())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = ChangeFeedServer::new(self);
        tokio::spawn(
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
        );
        address
    }
}

/// Two telescopes; three observations, of which one is deleted and one is not good.
fn history() -> [(&'static str, &'static str, &'static str, &'static str); 6] {
    const T: (&str, &str) = ("telescopes", "observatory.v1.Telescope");
    const O: (&str, &str) = ("observations", "observatory.v1.Observation");
    [
        (
            T.0,
            T.1,
            "t1",
            r#"{"telescopeId":"t1","site":{"name":"Paranal","at":{"latitude":-24.6}},"bands":["RADIO","OPTICAL"],"limits":{"wind":70},"aperture":8.2}"#,
        ),
        (
            O.0,
            O.1,
            "a",
            r#"{"observationId":"a","telescopeId":"t1","beginTime":"2026-03-01T22:00:00Z","band":"OPTICAL","checksum":"3q0=","star":"Vega","good":true,"exposures":[{"number":7,"seconds":30},{"number":9,"seconds":90}]}"#,
        ),
        (T.0, T.1, "t2", r#"{"telescopeId":"t2","site":{"name":"Effelsberg"}}"#),
        (
            O.0,
            O.1,
            "b",
            r#"{"observationId":"b","telescopeId":"t2","beginTime":"2026-03-02T01:00:00.25Z","band":"RADIO","catalogueNumber":"3273","good":true,"exposures":[{"number":1,"seconds":600}]}"#,
        ),
        (
            O.0,
            O.1,
            "c",
            r#"{"observationId":"c","telescopeId":"t1","beginTime":"2026-03-02T02:00:00Z","good":false,"exposures":[{"number":1,"seconds":5}]}"#,
        ),
        (O.0, O.1, "a2_deleted", r#"{"observationId":"a2_deleted"}"#),
    ]
}

fn message_of(pool: &DescriptorPool, message: &str, json: &str) -> Vec<u8> {
    let descriptor = pool.get_message_by_name(message).unwrap();
    let mut json = serde_json::Deserializer::from_str(json);
    DynamicMessage::deserialize(descriptor, &mut json).unwrap().encode_to_vec()
}

async fn start() -> (tempfile::TempDir, Process) {
    let directory = tempfile::tempdir().unwrap();
    let observatory = Observatory::new(directory.path());
    fs::create_dir_all(directory.path().join("views")).unwrap();
    fs::write(directory.path().join("views/nights.sql"), VIEWS).unwrap();
    fs::create_dir_all(directory.path().join("observatory/api/v1")).unwrap();
    let api = directory.path().join("observatory/api/v1/almanac.proto");
    fs::write(&api, API).unwrap();
    let source = observatory.serve().await;
    let arguments = vec![
        format!("--source=sky=http://{source}"),
        format!("--views={}", directory.path().join("views").display()),
        format!("--api={}", api.display()),
    ];
    let gateway = Process::start_gateway(directory.path(), &own_loopback_address(), arguments).await;
    (directory, gateway)
}

/// Calls a method that is known only from its descriptor; gives each reply as JSON.
async fn call(
    gateway: &Process,
    method: &MethodDescriptor,
    request: &str,
) -> Result<Vec<serde_json::Value>, Status> {
    let mut json = serde_json::Deserializer::from_str(request);
    let request = DynamicMessage::deserialize(method.input(), &mut json).unwrap();
    let mut client = tonic::client::Grpc::new(gateway.channel());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name()).parse().unwrap();
    let codec = dynamic::Codec(method.output());
    let mut replies = client.server_streaming(Request::new(request), path, codec).await?.into_inner();
    let mut all = Vec::new();
    while let Some(reply) = replies.message().await? {
        all.push(serde_json::to_value(reply).unwrap());
    }
    Ok(all)
}

/// The codec of messages that are known by descriptor alone.
mod dynamic {
    use prost::Message as _;
    use prost_reflect::{DynamicMessage, MessageDescriptor};
    use tonic::{
        Status,
        codec::{DecodeBuf, Decoder, EncodeBuf, Encoder},
    };

    pub(crate) struct Codec(pub(crate) MessageDescriptor);
    pub(crate) struct Plain(MessageDescriptor);

    impl tonic::codec::Codec for Codec {
        type Encode = DynamicMessage;
        type Decode = DynamicMessage;
        type Encoder = Plain;
        type Decoder = Plain;

        fn encoder(&mut self) -> Plain {
            Plain(self.0.clone())
        }

        fn decoder(&mut self) -> Plain {
            Plain(self.0.clone())
        }
    }

    impl Encoder for Plain {
        type Item = DynamicMessage;
        type Error = Status;

        fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
            message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
        }
    }

    impl Decoder for Plain {
        type Item = DynamicMessage;
        type Error = Status;

        fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
            DynamicMessage::decode(self.0.clone(), buffer)
                .map(Some)
                .map_err(|error| Status::internal(error.to_string()))
        }
    }
}

fn almanac(directory: &Path) -> prost_reflect::ServiceDescriptor {
    let mut compiler = protox::Compiler::new([directory]).unwrap();
    compiler.include_imports(true).open_files(["observatory/api/v1/almanac.proto"]).unwrap();
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap();
    pool.get_service_by_name("observatory.api.v1.Almanac").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_source_with_its_own_views_and_queries_is_answered() {
    let (directory, gateway) = start().await;
    let almanac = almanac(directory.path());
    let method = |name: &str| almanac.methods().find(|method| method.name() == name).unwrap();
    let nights = wait::until("the source is filled", || async {
        let replies = call(&gateway, &method("Nights"), "{}").await.map_err(|status| status.to_string())?;
        let filled = replies[0]["nights"].as_array().is_some_and(|nights| nights.len() == 2);
        if filled { Ok(replies) } else { Err(format!("{replies:?}")) }
    })
    .await;
    let expected = serde_json::json!([{"nights": [
        {"site": "Effelsberg", "night": "2026-03-02T00:00:00Z", "seconds": "600"},
        {"site": "Paranal", "night": "2026-03-01T00:00:00Z", "seconds": "120"},
    ]}]);
    assert_eq!(serde_json::Value::from(nights), expected);

    let sightings = call(&gateway, &method("Watch"), "{}").await.unwrap();
    let expected = serde_json::json!([
        {"observationId": "a", "star": "Vega", "checksum": "3q0=", "good": true, "band": "OPTICAL"},
        {"observationId": "b", "catalogueNumber": "3273", "good": true, "band": "RADIO"},
        {"observationId": "c", "band": "BAND_UNSPECIFIED"},
    ]);
    assert_eq!(serde_json::Value::from(sightings), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn ad_hoc_sql_reaches_every_kind_of_field() {
    let (_directory, gateway) = start().await;
    let url = gateway.url();
    let clients = mesh_tests::clients::Clients::connect(|_| url.clone());
    let sql = "SELECT o.observation_id, o.star, o.catalogue_number, o.checksum, o.begin_time, o.good, o.band, \
               t.site_at_latitude, t.bands, t.limits, t.aperture, e.number, e.seconds \
               FROM observations o JOIN telescopes t ON t.telescope_id = o.telescope_id \
               JOIN observations_exposures e ON e.observation_id = o.observation_id ORDER BY o.observation_id, e.number";
    let answer = wait::until("the source is filled", || async {
        let answer = clients.query(sql).await.map_err(|status| status.to_string())?;
        if answer.rows.len() == 4 { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(
        answer.rows[0],
        [
            "a",
            "Vega",
            "NULL",
            "dead",
            "1772402400.000000000",
            "true",
            "OPTICAL",
            "-24.6",
            r#"["RADIO","OPTICAL"]"#,
            r#"{"wind":"70"}"#,
            "8.2",
            "7",
            "30"
        ]
    );
    assert_eq!(
        answer.rows[2],
        [
            "b",
            "NULL",
            "3273",
            "",
            "1772413200.250000000",
            "true",
            "RADIO",
            "NULL",
            "[]",
            "{}",
            "NULL",
            "1",
            "600"
        ]
    );
    assert!(answer.as_of.contains("observatory/e1/6;lag=0"), "{}", answer.as_of);
}
