//! The writer: takes what waits in the queue, up to a limit, decides it as one group, commits it with one
//! sync, and only then answers. Between two syncs callers queue up, so groups grow with the load.
//!
//! A group: begin and read -> decide -> apply -> sync -> publish the head -> answer. When the process dies
//! between any two of these, whoever was answered finds the effect, the change and the reply, and
//! whoever was not asks again under the same request id.
//!
//! - The store refuses the group (a statement fails): rolled back, and run again one command each, so that
//!   only the command at fault is told.
//! - The sync fails: a store that others run is asked what became of the group. Nobody else can tell: then everybody in
//!   the group is told that the outcome is unknown, a marker is left for the next start, and the writer stops. A sync is
//!   never tried again: the kernel may have dropped what it could not write, and would report success.
//! - The store cannot be reached: whoever waits is told so, and may try again.

use std::{
    io,
    ops::ControlFlow,
    sync::Arc,
    thread,
    time::{Instant, SystemTime},
};

use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    batch::{Batch, Rules},
    group::{Group, Job, wanted},
    hooks::{Crash, Hooks, Mutant, Step},
    metrics::Metrics,
    model::Published,
    open::Claim,
    progress::{Life, Progress, unavailable},
    spans::Commits,
    store::{Backend, BoxError, Failure, Replaced, Reply, Wanted, fault, is_unreachable, unreachable},
};
use crate::{
    fault::{Fault, Reason, causes},
    timestamp,
    trace::Tracer,
};

/// The writer of one store, with everything that it needs.
pub(super) struct Writer<M: Published, B> {
    pub(super) backend: B,
    pub(super) queue: mpsc::Receiver<Job<M>>,
    pub(super) rules: Rules,
    /// Most commands of a group.
    pub(super) group_limit: usize,
    pub(super) progress: Arc<Progress>,
    /// Of the last group: commit times never go back while the process runs.
    pub(super) now: OffsetDateTime,
    pub(super) hooks: Hooks,
    pub(super) tracer: Tracer,
    pub(super) metrics: Metrics,
    /// The data directory is ours as long as anybody uses it.
    pub(super) claim: Option<Arc<Claim>>,
}

/// Why a group did not come to its end.
enum End<M: Published> {
    /// The store refused it, and nothing of it is left.
    Refused(Vec<Job<M>>, BoxError),
    /// The writer must stop: it is not known whether the group is there.
    Unknown(Vec<Job<M>>, BoxError),
    /// A test lets the process die.
    Crashed,
}

impl<M: Published> From<Crash> for End<M> {
    fn from(_: Crash) -> Self {
        End::Crashed
    }
}

/// What a caller is told that failed.
const STORING: &str = "storing the command";

type Answers = Vec<Result<Reply, Fault>>;

impl<M: Published, B: Backend<M>> Writer<M, B> {
    /// Runs until the queue is closed and empty, on a thread of its own: a sync blocks, and nothing else
    /// should wait for it.
    pub(super) fn spawn(self, runtime: Handle) -> io::Result<()> {
        let name = format!("{}-outbox", self.rules.service);
        thread::Builder::new().name(name).spawn(move || {
            // Whatever ends this thread, a panic too, ends with nobody waiting for it.
            let ended = EndOnDrop(Arc::clone(&self.progress));
            runtime.block_on(self.run());
            drop(ended);
        })?;
        Ok(())
    }

    async fn run(mut self) {
        let mut jobs = Vec::new();
        while self.queue.recv_many(&mut jobs, self.group_limit).await > 0 {
            // Who has gone does not want it any more, and cannot be told.
            jobs.retain(|job| !job.answer.is_closed());
            let group = std::mem::take(&mut jobs);
            if let ControlFlow::Break(()) = self.run_or_split(group).await {
                return;
            }
        }
        self.progress.end(Life::Closed);
        if let Err(error) = self.backend.close().await {
            tracing::error!(error = causes(&*error), "closing the store");
        }
    }

    /// Runs a group, and when the store refuses it, each command of it as a group of its own.
    async fn run_or_split(&mut self, jobs: Vec<Job<M>>) -> ControlFlow<()> {
        let commands = jobs.len();
        let ran = match self.run_group(jobs).await {
            // That a connection was lost shows when it is used. Nothing of the group is left, and there may be another.
            Err(End::Refused(jobs, error)) if is_unreachable(&error) => {
                tracing::info!(error = causes(&*error), commands, "running a group again");
                self.run_group(jobs).await
            }
            ran => ran,
        };
        let jobs = match ran {
            Ok(()) => return ControlFlow::Continue(()),
            Err(End::Refused(jobs, error)) if is_unreachable(&error) => {
                tracing::warn!(error = causes(&*error), commands, "no group can be stored at the moment");
                answer_all(jobs, || unreachable(causes(&*error)));
                return ControlFlow::Continue(());
            }
            Err(End::Refused(jobs, error)) => {
                tracing::warn!(error = causes(&*error), commands, "group refused, running it one by one");
                jobs
            }
            Err(end) => return self.stop(end, Vec::new()),
        };
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            match self.run_group(vec![job]).await {
                Ok(()) => {}
                Err(End::Refused(jobs, error)) => {
                    let refused = vec![Err(fault(STORING, error))];
                    answer(jobs, refused);
                }
                Err(end) => return self.stop(end, jobs.collect()),
            }
        }
        ControlFlow::Continue(())
    }

    async fn run_group(&mut self, jobs: Vec<Job<M>>) -> Result<(), End<M>> {
        if jobs.is_empty() {
            return Ok(());
        }
        let began = SystemTime::now();
        let loaded = match self.backend.begin(&wanted(&jobs)).await {
            Ok(loaded) => loaded,
            Err(error) => return Err(self.refused(jobs, error).await),
        };
        self.hooks.reach(Step::Begun)?;
        // Committed by another process, and looked at by this group.
        self.progress.publish(loaded.head);
        self.now = self.now.max(timestamp::now()).max(loaded.head_time.unwrap_or(self.now));
        let admit = |writes: &[_]| self.backend.admit(writes);
        let mut group = Group::new(&self.rules, &self.hooks, &admit, self.now, loaded);
        let answers: Answers = jobs.iter().map(|job| group.decide(&job.task)).collect();
        let batch = group.finish();
        if batch.is_empty() {
            // What the answers stand on is durable since the group before.
            return match self.backend.rollback().await {
                Ok(()) => {
                    answer(jobs, answers);
                    Ok(())
                }
                Err(error) => Err(End::Unknown(jobs, error)),
            };
        }
        self.commit(began, jobs, answers, batch).await
    }

    async fn commit(
        &mut self,
        began: SystemTime,
        jobs: Vec<Job<M>>,
        answers: Answers,
        mut batch: Batch<M>,
    ) -> Result<(), End<M>> {
        let apart = self.apart(&mut batch);
        let jobs = self.apply(jobs, &batch).await?;
        if self.hooks.mutant(Mutant::FeedPastDurable) {
            self.progress.publish(batch.head);
        }
        let (jobs, answers) = match self.hooks.mutant(Mutant::ReplyBeforeSync) {
            true => {
                answer(jobs, answers);
                (Vec::new(), Vec::new())
            }
            false => (jobs, answers),
        };
        self.hooks.reach(Step::Applied)?;
        let jobs = self.sync(jobs).await?;
        self.hooks.reach(Step::Synced)?;
        if let Some(late) = apart {
            self.commit_apart(late).await?;
        }
        // In this order: who was let to see the group finds the head that covers it.
        self.progress.publish(batch.head);
        self.progress.settle();
        self.hooks.reach(Step::Published)?;
        let (commits, commands) = (Commits::of(&jobs, &answers), jobs.len());
        let took = began.elapsed().unwrap_or_default();
        answer(jobs, answers);
        self.backend.announce().await;
        self.metrics.committed(commands, took);
        commits.tell(&self.tracer, began, commands, batch.head.sequence);
        self.hooks.reach(Step::Answered)?;
        Ok(())
    }

    async fn apply(&mut self, jobs: Vec<Job<M>>, batch: &Batch<M>) -> Result<Vec<Job<M>>, End<M>> {
        if B::SHOWS_UNSYNCED {
            self.progress.expose();
        }
        let applied = match self.hooks.apply(jobs.len()) {
            Ok(()) => self.backend.apply(batch).await,
            Err(error) => Err(Failure::Refused(error)),
        };
        match applied {
            Ok(()) => Ok(jobs),
            Err(Failure::Refused(error)) => Err(self.refused(jobs, error).await),
            Err(Failure::Unknown(error)) => Err(End::Unknown(jobs, error)),
        }
    }

    async fn sync(&mut self, jobs: Vec<Job<M>>) -> Result<Vec<Job<M>>, End<M>> {
        if !B::SHOWS_UNSYNCED {
            self.progress.expose();
        }
        let began = Instant::now();
        let synced = match self.hooks.before_sync() {
            Ok(()) => self.backend.sync().await,
            Err(error) => Err(error),
        };
        let is_there = match synced.and_then(|()| self.hooks.after_sync()) {
            Ok(()) => Ok(true),
            Err(error) => self.backend.outcome(error).await,
        };
        match is_there {
            Ok(true) => {
                self.metrics.synced(began.elapsed());
                Ok(jobs)
            }
            Ok(false) => {
                // Nothing of it was seen.
                self.progress.settle();
                Err(End::Refused(jobs, "the transaction was lost on its way".into()))
            }
            Err(error) => Err(End::Unknown(jobs, error)),
        }
    }

    /// Rolls back what the store refused. A store that cannot even do that is not to be trusted, nor is another one.
    async fn refused(&mut self, jobs: Vec<Job<M>>, error: BoxError) -> End<M> {
        match self.backend.rollback().await {
            Ok(()) if error.is::<Replaced>() => End::Unknown(jobs, error),
            Ok(()) => {
                self.progress.settle();
                End::Refused(jobs, error)
            }
            Err(error) => End::Unknown(jobs, error),
        }
    }

    /// What a mutant takes out of the transaction.
    fn apart(&self, batch: &mut Batch<M>) -> Option<Batch<M>> {
        let mut late = Batch::empty(self.now, batch.head);
        if self.hooks.mutant(Mutant::RequestIdApart) {
            late.replies = std::mem::take(&mut batch.replies);
        }
        if self.hooks.mutant(Mutant::PositionApart) {
            late.followed = std::mem::take(&mut batch.followed);
        }
        (!late.is_empty()).then_some(late)
    }

    /// [`Mutant::RequestIdApart`] and [`Mutant::PositionApart`]: what an outbox does whose replies or followed
    /// positions are not part of the transaction.
    async fn commit_apart(&mut self, late: Batch<M>) -> Result<(), End<M>> {
        let nothing = Wanted { keys: Vec::new(), requests: Vec::new(), sources: Vec::new() };
        self.backend.begin(&nothing).await.map_err(|error| End::Unknown(Vec::new(), error))?;
        self.apply(Vec::new(), &late).await?;
        self.sync(Vec::new()).await?;
        Ok(())
    }

    /// Ends the writer: `untouched` commands were not begun.
    fn stop(&mut self, end: End<M>, untouched: Vec<Job<M>>) -> ControlFlow<()> {
        let (jobs, error) = match end {
            End::Refused(jobs, error) | End::Unknown(jobs, error) => (jobs, error),
            End::Crashed => return ControlFlow::Break(()),
        };
        tracing::error!(error = causes(&*error), "nobody knows whether the last group is durable: stopping");
        if let Some(Err(error)) = self.claim.as_ref().map(|claim| claim.marker.leave(&causes(&*error))) {
            tracing::error!(error = causes(&error), "leaving the marker for the next start");
        }
        self.progress.end(Life::Failed);
        answer_all(jobs, || {
            let text = "storing the command failed half way: ask again under the same request_id";
            Fault::new(Reason::OutcomeUnknown, text)
        });
        self.queue.close();
        let waiting = std::iter::from_fn(|| self.queue.try_recv().ok());
        answer_all(untouched.into_iter().chain(waiting).collect(), unavailable);
        ControlFlow::Break(())
    }
}

/// Tells everybody; who has gone in the meantime is not missed.
fn answer<M: Published>(jobs: Vec<Job<M>>, answers: Answers) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        let _gone = job.answer.send(answer);
    }
}

/// Tells everybody the same.
fn answer_all<M: Published>(jobs: Vec<Job<M>>, fault: impl Fn() -> Fault) {
    let answers = jobs.iter().map(|_| Err(fault())).collect();
    answer(jobs, answers);
}

struct EndOnDrop(Arc<Progress>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Life::Failed);
    }
}
