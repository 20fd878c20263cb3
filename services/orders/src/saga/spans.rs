//! What traces tell of a saga: in the trace of whoever wrote the order last one span for a turn of work on it, and below
//! that one for each step. What a partner refuses is an error of the step.

use tracing::{Span, field::Empty};
use tributary_chassis::trace::Trace;

use crate::domain::saga::Step;

pub(super) fn turn(order_id: &str, trace: Option<Trace>) -> Span {
    let span = tracing::info_span!("saga", order_id);
    if let Some(trace) = trace {
        trace.continued_by(&span);
    }
    span
}

pub(super) fn step(turn: &Span, step: &Step) -> Span {
    let name = format!("saga {}", step.name());
    tracing::info_span!(parent: turn, "step", step = step.name(), otel.name = name, otel.status_description = Empty)
}

/// The step at hand ended with a refusal, if what is `next` is to give the order up.
pub(super) fn refused(next: &Step) {
    if let Step::GiveUp(cancellation) = next {
        Span::current().record("otel.status_description", cancellation.cause.name());
    }
}
