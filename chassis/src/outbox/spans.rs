//! What traces tell of group commits: one span of the group, and in the trace of each of its commands the time from
//! the queue to the disk.

use std::time::SystemTime;

use opentelemetry::trace::SpanKind;

use super::{
    group::{Job, Task},
    model::Model,
    store::Reply,
};
use crate::{
    fault::Fault,
    trace::{Trace, Tracer},
};

/// The sampled commands of a group, each with when it was queued.
pub(super) struct Commits(Vec<(SystemTime, Trace)>);

impl Commits {
    /// Of those that were accepted.
    pub(super) fn of<M: Model>(jobs: &[Job<M>], answers: &[Result<Reply, Fault>]) -> Self {
        let accepted = jobs.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
        let traces = accepted.flat_map(|(job, _)| {
            let sampled = traces(job).filter(|trace| trace.is_sampled());
            sampled.map(|trace| (job.queued, trace.clone()))
        });
        Self(traces.collect())
    }

    /// The group began at `began` and is durable now, through `sequence`.
    pub(super) fn tell(self, tracer: &Tracer, began: SystemTime, commands: usize, sequence: u64) {
        if self.0.is_empty() {
            return;
        }
        let now = SystemTime::now();
        let group = tracer
            .batch("group commit", began, self.0.iter().map(|(_, trace)| trace))
            .with("tributary.commands", commands as i64)
            .with("tributary.sequence", sequence.cast_signed());
        for (queued, trace) in self.0 {
            let context = trace.context();
            tracer.within(&context, "commit", SpanKind::Internal, queued, Some(&group)).end(now);
        }
        group.end(now);
    }
}

fn traces<M: Model>(job: &Job<M>) -> impl Iterator<Item = &Trace> {
    let (call, step) = match &job.task {
        Task::Call { asked, .. } => (Some(&asked.call.trace), None),
        Task::Step(step) => (None, Some(step.traces())),
    };
    call.into_iter().chain(step.into_iter().flatten())
}
