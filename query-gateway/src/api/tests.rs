use std::fs;

use futures::TryStreamExt as _;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, client::Grpc};
use tributary_chassis::position::{AFTER, AS_OF};

use super::{service::DynamicCodec, *};
use crate::store::tests::place::{Engine, in_each_store};
use crate::{
    query::{Caps, Queries, library::Library},
    view::{ViewFiles, Views},
};

in_each_store! {
    rows_fill_the_repeated_field,
    parameters_are_typed_and_null_when_unset,
    what_was_sent_comes_back,
    values_that_the_store_cannot_hold_are_the_callers_mistake,
    a_single_answer_is_one_row,
    a_stream_is_one_message_for_each_row,
    json_becomes_messages_within_messages,
    rows_that_do_not_fit_name_the_column,
    a_typed_answer_that_a_cap_cuts_short_is_an_error,
    an_answer_says_what_it_stands_on_and_waits_for_a_token,
    until_its_tables_are_known_a_method_says_what_is_missing,
    a_method_whose_columns_do_not_fit_fails_alone,
    methods_are_compiled_before_anybody_calls,
    a_path_that_nobody_serves_is_unimplemented,
}

const DESK: &str = include_str!("tests/desk.proto");

fn api(text: &str) -> Api {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("desk.proto");
    fs::write(&file, text).unwrap();
    Api::load(&[file], None).unwrap()
}

/// A library whose desk answers calls as a server would.
struct Desk {
    house: Library,
    api: Api,
    pool: DescriptorPool,
    service: TypedQueries,
}

impl Desk {
    async fn open(library: Library, text: &str, caps: Caps) -> Self {
        let api = api(text);
        let pool = DescriptorPool::decode(api.descriptors()).unwrap();
        let gateway = library.gateway.clone();
        let (views, _) = Views::open(gateway.clone(), ViewFiles::default()).await.unwrap();
        let service = TypedQueries::new(&api, Queries::new(gateway, caps), views);
        Self { house: library, api, pool, service }
    }

    async fn stocked(engine: Engine) -> Self {
        Self::open(Library::stocked(engine).await, DESK, Caps::default()).await
    }

    fn request(
        &self,
        method: &str,
        request: Value,
    ) -> (PathAndQuery, Request<DynamicMessage>, MessageDescriptor) {
        let service = self.pool.get_service_by_name("library.v1.Desk").unwrap();
        let descriptor = service.methods().find(|known| known.name() == method).unwrap();
        let path = format!("/library.v1.Desk/{method}").parse().unwrap();
        let request = DynamicMessage::deserialize(descriptor.input(), request).unwrap();
        (path, Request::new(request), descriptor.output())
    }

    async fn send(
        &self,
        method: &str,
        request: Value,
        after: &str,
    ) -> Result<Response<DynamicMessage>, Status> {
        let (path, mut request, response) = self.request(method, request);
        request.metadata_mut().insert(AFTER, after.parse().unwrap());
        let mut client = Grpc::new(self.service.clone());
        client.ready().await.unwrap();
        client.unary(request, path, DynamicCodec(response)).await
    }

    async fn call(&self, method: &str, request: Value) -> Result<Value, Status> {
        self.send(method, request, "").await.map(|response| to_json(&response.into_inner()))
    }

    async fn stream(&self, method: &str) -> Result<Vec<Value>, Status> {
        let (path, request, response) = self.request(method, json!({}));
        let mut client = Grpc::new(self.service.clone());
        client.ready().await.unwrap();
        let responses = client.server_streaming(request, path, DynamicCodec(response)).await?.into_inner();
        responses.map_ok(|message| to_json(&message)).try_collect().await
    }
}

fn to_json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

async fn rows_fill_the_repeated_field(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    assert_eq!(
        desk.call("ListBooks", json!({ "pages": { "min": 400 } })).await.unwrap(),
        json!({ "books": [
            { "book_id": "b1", "title": "Emma", "genre": "NOVEL", "pages": 474, "weight": 0.5,
              "added": "2023-11-14T22:13:20.123456Z", "cover": "Af8=", "tags": ["classic"] },
            { "book_id": "b2", "title": "Dune", "genre": "SCIENCE_FICTION", "pages": 612, "rare": true },
        ] })
    );
    assert_eq!(desk.call("ListBooks", json!({ "pages": { "min": 9999 } })).await.unwrap(), json!({}));
}

async fn parameters_are_typed_and_null_when_unset(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let titles = async |request: Value| {
        let books = desk.call("ListBooks", request).await.unwrap();
        let books = books["books"].as_array().cloned().unwrap_or_default();
        books.iter().map(|book| book["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(titles(json!({})).await, "Emma Dune Atlas");
    assert_eq!(titles(json!({ "genre": "NOVEL" })).await, "Emma");
    assert_eq!(titles(json!({ "rare": true })).await, "Dune");
    assert_eq!(titles(json!({ "rare": false })).await, "Emma Atlas");
    assert_eq!(titles(json!({ "added_since": "2022-01-01T00:00:00Z" })).await, "Emma");
}

async fn what_was_sent_comes_back(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let sent = json!({ "flag": true, "whole": 9_007_199_254_740_993_u64, "real": -0.5, "word": "it's; --",
        "raw": "AP8=", "moment": "1969-12-31T23:59:59.999999Z", "limit": 0, "inner": { "name": "" },
        "words": ["a", "b"], "genre": "NOVEL", "labels": { "one": 1, "two": 9_007_199_254_740_993_u64 } });
    let mut expected = sent.clone();
    expected["name"] = "".into();
    assert_eq!(desk.call("Echo", sent).await.unwrap(), expected);
    assert_eq!(desk.call("Echo", json!({})).await.unwrap(), json!({}));
}

async fn values_that_the_store_cannot_hold_are_the_callers_mistake(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    for (request, field) in [(json!({ "whole": u64::MAX }), "whole"), (json!({ "genre": 77 }), "genre")] {
        let status = desk.call("Echo", request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().starts_with(&format!("{field}: ")), "{status:?}");
    }
}

async fn a_single_answer_is_one_row(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let book = desk.call("GetBook", json!({ "book_id": "b2" })).await.unwrap();
    assert_eq!(book, json!({ "title": "Dune", "pages": 612 }));
    let none = desk.call("GetBook", json!({ "book_id": "b9" })).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound, "{none:?}");
    let two = desk.call("GetBook", json!({ "book_id": "b1", "title": "Dune" })).await.unwrap_err();
    assert_eq!(two.code(), Code::Internal, "{two:?}");
    assert!(two.message().contains("library.v1.Desk/GetBook gives more than one row"), "{two:?}");
}

async fn a_stream_is_one_message_for_each_row(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    assert_eq!(
        desk.stream("StreamLoans").await.unwrap(),
        [
            json!({ "loan_id": "l1", "days": 14, "title": "Emma" }),
            json!({ "loan_id": "l2", "days": 7, "title": "Dune" }),
            json!({ "loan_id": "l3", "days": 21, "title": "Emma" }),
        ]
    );
}

async fn json_becomes_messages_within_messages(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    assert_eq!(
        desk.call("ListReaders", json!({})).await.unwrap(),
        json!({ "readers": [
            { "reader_id": "r1", "town": "Oslo", "total": { "loan_id": "l2", "days": 21 },
              "loans": [{ "loan_id": "l1", "days": 14 }, { "loan_id": "l2", "days": 7 }] },
            { "reader_id": "r2", "total": { "loan_id": "l3", "days": 21 }, "loans": [{ "loan_id": "l3", "days": 21 }] },
        ] })
    );
}

async fn rows_that_do_not_fit_name_the_column(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let status = desk.call("Small", json!({ "book_id": "b1" })).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    assert!(status.message().contains("column pages: 4740000000 does not fit"), "{status:?}");
    let status = desk.stream("Genres").await.unwrap_err();
    assert!(
        status.message().contains("column genre: `REFERENCE` is no value of library.v1.Genre"),
        "{status:?}"
    );
}

async fn a_typed_answer_that_a_cap_cuts_short_is_an_error(engine: Engine) {
    let caps = Caps { rows: 2, ..Caps::default() };
    let desk = Desk::open(Library::stocked(engine).await, DESK, caps).await;
    let status = desk.call("ListBooks", json!({})).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let status = desk.stream("StreamLoans").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

async fn an_answer_says_what_it_stands_on_and_waits_for_a_token(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let sql = "UPDATE books SET pages = 1 WHERE book_id = 'b1'";
    let asked = desk.send("GetBook", json!({ "book_id": "b1" }), "library/e1/7");
    let (response, ()) = tokio::join!(asked, desk.house.apply("library", 7, sql));
    let response = response.unwrap();
    assert_eq!(to_json(response.get_ref())["pages"], 1);
    let as_of = response.metadata().get(AS_OF).unwrap().to_str().unwrap();
    assert!(as_of.starts_with("query/") && as_of.contains("library/e1/7"), "{as_of}");
}

async fn until_its_tables_are_known_a_method_says_what_is_missing(engine: Engine) {
    let desk = Desk::open(Library::closed(engine).await, DESK, Caps::default()).await;
    let status = desk.call("GetBook", json!({})).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    for part in ["table books", "library at http://127.0.0.1:1"] {
        assert!(status.message().contains(part), "{status:?}");
    }
    desk.house.shelve().await;
    desk.call("GetBook", json!({ "book_id": "b1" })).await.unwrap();
}

async fn a_method_whose_columns_do_not_fit_fails_alone(engine: Engine) {
    let text = "syntax = \"proto3\"; package library.v1; import \"tributary/options/v1/options.proto\";
        message Q {} message A { int64 n = 1; string title = 2; repeated Book books = 3; } message Book { bool pages = 1; }
        service Desk {
            rpc Right(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS n FROM books\"; }
            rpc Nameless(Q) returns (stream A) { option (tributary.options.v1.sql) = \"SELECT count(*) AS m FROM books\"; }
            rpc Mistyped(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT title AS n FROM books\"; }
            rpc Inside(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT pages FROM books\"; }
            rpc Misspelt(Q) returns (A) { option (tributary.options.v1.sql) = \"SELECT titel AS n FROM books\"; }
        }";
    let desk = Desk::open(Library::stocked(engine).await, text, Caps::default()).await;
    assert_eq!(desk.call("Right", json!({})).await.unwrap(), json!({ "n": 3 }));
    for (method, why) in [
        ("Mistyped", "column n is text, but the field of library.v1.A is int64"),
        ("Inside", "column pages is bigint, but the field of library.v1.Book is bool"),
        ("Misspelt", "titel"),
    ] {
        let status = desk.call(method, json!({})).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(status.message().contains(method) && status.message().contains(why), "{status:?}");
    }
    let status = desk.stream("Nameless").await.unwrap_err();
    assert!(
        status.message().contains("column m has no field in library.v1.A, which has n, title, books"),
        "{status:?}"
    );
}

async fn methods_are_compiled_before_anybody_calls(engine: Engine) {
    let desk = Desk::open(Library::closed(engine).await, DESK, Caps::default()).await;
    let (method, shutdown) = (desk.api.methods()[0].clone(), CancellationToken::new());
    let following = tokio::spawn(desk.service.clone().follow(shutdown.clone()));
    desk.house.shelve().await;
    let catalog = desk.house.gateway.catalog();
    while !method.is_compiled_for(&catalog) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    following.await.unwrap();
}

async fn a_path_that_nobody_serves_is_unimplemented(engine: Engine) {
    let desk = Desk::stocked(engine).await;
    let (_, request, response) = desk.request("Echo", json!({}));
    let mut client = Grpc::new(desk.service.clone());
    client.ready().await.unwrap();
    let path = "/library.v1.Desk/Burn".parse().unwrap();
    let status =
        client.unary::<_, DynamicMessage, _>(request, path, DynamicCodec(response)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    assert!(status.message().contains("library.v1.Desk/Burn"), "{status:?}");
}
