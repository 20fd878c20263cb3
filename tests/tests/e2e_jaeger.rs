//! Traces as Jaeger shows them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use mesh_tests::{jaeger::Jaeger, mesh::own_loopback_address, process::Process};
use shop_proto::customers::v1::{ListCustomersRequest, customers_client::CustomersClient};
use tonic::Request;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_found_in_jaeger_under_the_trace_of_its_caller() {
    let Some(jaeger) = Jaeger::start("a_call_is_found_in_jaeger_under_the_trace_of_its_caller").await else {
        return;
    };
    assert!(jaeger.trace(TRACE).await.is_empty(), "nothing was sent yet");
    let root = tempfile::tempdir().unwrap();
    let endpoint = jaeger.otlp_endpoint();
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let host = own_loopback_address();
    let customers =
        Process::start_with("customers", "customers", root.path(), &host, Vec::new(), &environment).await;
    let mut request = Request::new(ListCustomersRequest::default());
    let parent = format!("00-{TRACE}-{CALLER}-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    CustomersClient::new(customers.channel()).list_customers(request).await.unwrap();

    let some = |spans: &[_]| if spans.is_empty() { Err("no span".to_owned()) } else { Ok(()) };
    let spans = jaeger.trace_when(TRACE, some).await;
    let served = spans.iter().find(|span| span.parent_id.as_deref() == Some(CALLER)).expect("a child");
    assert_eq!((served.service.as_str(), served.trace_id.as_str()), ("customers", TRACE));
    assert!(served.operation.ends_with("ListCustomers") && !served.is_error(), "{served:?}");
    assert_eq!(served.tag("span.kind"), Some("server"));
    assert!(jaeger.services().await.contains(&"customers".to_owned()));
}
