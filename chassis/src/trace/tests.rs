use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};

use super::*;

/// Keeps the spans that have ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, mut spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().append(&mut spans);
        Ok(())
    }
}

impl Ended {
    /// What has ended so far, in order.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }

    /// Tells its spans here.
    pub(crate) fn tracer(&self) -> Tracer {
        Tracer(BoxedTracer::new(Box::new(self.provider().tracer("test"))))
    }

    /// Whose spans end here.
    pub(crate) fn provider(&self) -> SdkTracerProvider {
        SdkTracerProvider::builder().with_simple_exporter(self.clone()).build()
    }
}

/// A command with this number, sampled or not.
pub(crate) fn command(number: u8, sampled: bool) -> Trace {
    let parent = format!("00-{number:032x}-{number:016x}-{:02x}", u8::from(sampled));
    Trace { parent, state: String::new() }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn the_flag_says_what_is_sampled() {
    for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
        let trace = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        assert_eq!(is_sampled(&trace), sampled, "{trace}");
    }
    for broken in ["", "01", "-", "00-1-1-", "00-1-1-xy"] {
        assert!(!is_sampled(broken), "{broken}");
    }
}

#[test]
fn a_context_is_what_it_was_read_from() {
    let trace = Trace { state: "vendor=1".to_owned(), ..command(7, true) };
    assert_eq!(Trace::within(&trace.context()), trace);
    assert_eq!(Trace::within(&Trace::default().context()), Trace::default());
}

#[test]
fn a_batch_is_linked_to_its_commands_within_bounds() {
    let ended = Ended::default();
    let commands: Vec<_> = (1..=100).map(|number| command(number, number % 2 == 0)).collect();
    ended.tracer().batch("batch", at(5), &commands).end(at(7));
    let span = &ended.spans()[0];
    assert_eq!(span.parent_span_id, opentelemetry::trace::SpanId::INVALID);
    assert_eq!(span.links.len(), MOST_LINKS);
    assert!(span.links.iter().all(|link| link.span_context.is_sampled()));
    assert!(span.attributes.contains(&KeyValue::new("tributary.sampled_commands", 50)));
    assert_eq!((span.start_time, span.end_time), (at(5), at(7)));
}

#[test]
fn what_happens_to_a_command_is_part_of_its_trace() {
    let ended = Ended::default();
    let (tracer, command) = (ended.tracer(), command(9, true));
    let batch = tracer.batch("batch", at(1), [&command]);
    let one = tracer.within(&command.context(), "one", SpanKind::Consumer, at(2), Some(&batch));
    let below = tracer.within(&one.context(), "below", SpanKind::Internal, at(3), None);
    drop((below, one.failed("declined"), batch));
    let spans = ended.spans();
    let [below, one, batch] = spans.as_slice() else { panic!("{spans:?}") };
    let parent = command.context().span().span_context().clone();
    assert_eq!(one.span_context.trace_id(), parent.trace_id());
    assert_eq!(one.parent_span_id, parent.span_id());
    assert_eq!(one.links[0].span_context, batch.span_context);
    assert_eq!(one.status, Status::error("declined"));
    assert_eq!(batch.links[0].span_context, parent);
    assert_eq!(below.parent_span_id, one.span_context.span_id());
}
