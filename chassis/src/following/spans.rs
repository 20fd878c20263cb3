//! What traces tell of following: one span for what is taken over at once, and in the trace of each command that is
//! sampled one for what it has its effects by.

use std::time::SystemTime;

use opentelemetry::trace::SpanKind;
use tributary_proto::feed::v1::Change;

use crate::{
    timestamp,
    trace::{Live, Trace, Tracer},
};

/// Spans of some changes that are about to have their effects. Without a sampled command there are none.
pub(super) struct Applying {
    /// Of each sampled command, with the sequence of its last change, in order.
    commands: Vec<(u64, Live)>,
    /// Ends behind them.
    _batch: Option<Live>,
}

impl Applying {
    /// Begins them.
    pub(super) fn begin(tracer: &Tracer, source: &'static str, changes: &[Change]) -> Self {
        let now = SystemTime::now();
        let commands: Vec<(&Change, Trace)> = changes
            .iter()
            .filter(|change| change.last_in_command && crate::trace::is_sampled(&change.traceparent))
            .map(|change| (change, Trace::of(change)))
            .collect();
        if commands.is_empty() {
            return Self { commands: Vec::new(), _batch: None };
        }
        let batch = tracer
            .batch(format!("follow {source}"), now, commands.iter().map(|(_, trace)| trace))
            .with("tributary.source", source)
            .with("tributary.changes", changes.len() as i64);
        let begin = |(change, trace): (&Change, Trace)| {
            let name = format!("apply {source}");
            let span = tracer.within(&trace.context(), name, SpanKind::Consumer, now, Some(&batch));
            (change.sequence, about(span, source, change))
        };
        let commands = commands.into_iter().map(begin).collect();
        Self { commands, _batch: Some(batch) }
    }

    /// In which trace a change has its effects: within the span of its command, or as it is.
    pub(super) fn trace_of(&self, change: &Change) -> Trace {
        let at = self.commands.partition_point(|(last, _)| *last < change.sequence);
        match self.commands.get(at) {
            Some((_, span)) if crate::trace::is_sampled(&change.traceparent) => {
                Trace::within(&span.context())
            }
            _ => Trace::of(change),
        }
    }
}

/// With what leads to the change, and how old it is.
fn about(span: Live, source: &'static str, change: &Change) -> Live {
    let age = change.commit_time.as_ref().and_then(timestamp::from_proto).map(|time| timestamp::now() - time);
    span.with("tributary.source", source)
        .with("tributary.sequence", change.sequence.cast_signed())
        .with("tributary.event", change.event.clone())
        .with("tributary.since_commit_ms", age.map_or(0, |age| age.whole_milliseconds() as i64))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt as _;

    use super::*;
    use crate::trace::tests::{Ended, command};

    fn change(sequence: u64, trace: &Trace, last_in_command: bool) -> Change {
        let traceparent = trace.parent.clone();
        let commit_time = Some(timestamp::to_proto(timestamp::now()));
        Change { sequence, traceparent, last_in_command, commit_time, ..Change::default() }
    }

    /// Commands 1 and 3 are sampled, 2 is not; the first has two changes.
    #[test]
    fn effects_go_on_within_the_span_of_their_command() {
        let (ended, traces) = (Ended::default(), [command(1, true), command(2, false), command(3, true)]);
        let changes = [
            change(11, &traces[0], false),
            change(12, &traces[0], true),
            change(13, &traces[1], true),
            change(14, &traces[2], true),
        ];
        let applying = Applying::begin(&ended.tracer(), "loans", &changes);
        let effects = changes.each_ref().map(|change| applying.trace_of(change).context());
        let effects = effects.map(|context| context.span().span_context().clone());
        assert!(ended.spans().is_empty());
        drop(applying);
        let spans = ended.spans();
        let [first, third, batch] = spans.as_slice() else { panic!("{spans:?}") };
        let unsampled = traces[1].context().span().span_context().clone();
        let (first_id, third_id) = (first.span_context.span_id(), third.span_context.span_id());
        let ids = effects.each_ref().map(|effect| effect.span_id());
        assert_eq!(ids, [first_id, first_id, unsampled.span_id(), third_id]);
        assert_eq!((&*first.name, &*batch.name, batch.links.len()), ("apply loans", "follow loans", 2));
        for (span, trace) in [(first, &traces[0]), (third, &traces[2])] {
            assert_eq!(span.parent_span_id, trace.context().span().span_context().span_id());
            assert_eq!(span.links[0].span_context, batch.span_context);
        }
    }

    #[test]
    fn without_a_sampled_command_nothing_is_told() {
        let (ended, trace) = (Ended::default(), command(1, false));
        let changes = [change(1, &trace, true)];
        let applying = Applying::begin(&ended.tracer(), "loans", &changes);
        assert_eq!(applying.trace_of(&changes[0]), trace);
        drop(applying);
        assert!(ended.spans().is_empty());
    }
}
