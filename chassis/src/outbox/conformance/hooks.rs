//! The test build's [`Hooks`]: defects that can be switched on, crashes and failures between steps, and an
//! image of what the disk surely has.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use opentelemetry::{global, metrics::Meter};

use crate::outbox::{
    hooks::{Crash, Mutant, Step},
    store::BoxError,
};

/// Handles of one set of hooks; all clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::outbox) struct Hooks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    mutant: Option<Mutant>,
    meter: Option<Meter>,
    /// Of [`Mutant::SequenceBeforeTransaction`].
    drawn: AtomicU64,
    plan: Mutex<Plan>,
    held: Condvar,
}

/// What is to happen to the writer.
#[derive(Debug, Default)]
struct Plan {
    crash: Option<Step>,
    hold: Option<Step>,
    /// Whether the writer stands at the step where it is held.
    holding: bool,
    sync_fails: Option<Sync>,
    /// Groups of more commands than this are refused.
    refuse_above: Option<usize>,
    refused: usize,
    image: Option<Image>,
}

/// When a sync fails: nobody can tell the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Nothing was made durable.
    Before,
    /// Everything was.
    After,
}

#[derive(Clone, Debug)]
struct Image {
    of: PathBuf,
    at: PathBuf,
}

/// What tests plan.
impl Hooks {
    pub(super) fn with(mutant: Option<Mutant>) -> Self {
        Self(Arc::new(Inner { mutant, ..Inner::default() }))
    }

    /// What is measured is told to this meter.
    pub(super) fn measured(meter: Meter) -> Self {
        Self(Arc::new(Inner { meter: Some(meter), ..Inner::default() }))
    }

    /// The writer dies the next time it comes to this step.
    pub(super) fn crash_at(&self, step: Step) {
        self.plan().crash = Some(step);
    }

    /// The writer waits at this step until [`Hooks::release`].
    pub(super) fn hold_at(&self, step: Step) {
        self.plan().hold = Some(step);
    }

    /// Returns once the writer stands where it is held.
    pub(super) async fn held(&self) {
        super::eventually("the writer is held", || self.plan().holding).await;
    }

    pub(super) fn release(&self) {
        self.plan().hold = None;
        self.0.held.notify_all();
    }

    /// The next sync fails.
    pub(super) fn fail_sync(&self, when: Sync) {
        self.plan().sync_fails = Some(when);
    }

    /// The store refuses groups of more commands than this.
    pub(super) fn refuse_above(&self, commands: usize) {
        self.plan().refuse_above = Some(commands);
    }

    /// How many groups were refused.
    pub(super) fn refused(&self) -> usize {
        self.plan().refused
    }

    /// From now on `at` is what a loss of power would leave of the directory: a copy made after each sync,
    /// and so without anything that was written since.
    pub(super) fn image(&self, of: &Path, at: &Path) {
        self.plan().image = Some(Image { of: of.to_owned(), at: at.to_owned() });
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer asks.
impl Hooks {
    pub(in crate::outbox) fn none() -> Self {
        Self::default()
    }

    pub(in crate::outbox) fn meter(&self) -> Meter {
        self.0.meter.clone().unwrap_or_else(|| global::meter("test"))
    }

    pub(in crate::outbox) fn mutant(&self, mutant: Mutant) -> bool {
        self.0.mutant == Some(mutant)
    }

    pub(in crate::outbox) fn sequence(&self, head: u64) -> u64 {
        if self.mutant(Mutant::SequenceBeforeTransaction) {
            let drawn = self.0.drawn.fetch_max(head, Ordering::SeqCst).max(head);
            self.0.drawn.fetch_add(1, Ordering::SeqCst);
            return drawn;
        }
        head
    }

    pub(in crate::outbox) fn reach(&self, step: Step) -> Result<(), Crash> {
        let mut plan = self.plan();
        while plan.hold == Some(step) {
            plan.holding = true;
            plan = self.0.held.wait(plan).unwrap_or_else(PoisonError::into_inner);
        }
        plan.holding = false;
        match plan.crash.take_if(|crash| *crash == step) {
            Some(_) => Err(Crash),
            None => Ok(()),
        }
    }

    pub(in crate::outbox) fn apply(&self, commands: usize) -> Result<(), BoxError> {
        let mut plan = self.plan();
        if plan.refuse_above.is_some_and(|most| commands > most) {
            plan.refused += 1;
            return Err("the statement failed, as planned".into());
        }
        Ok(())
    }

    pub(in crate::outbox) fn before_sync(&self) -> Result<(), BoxError> {
        self.fail(Sync::Before)
    }

    pub(in crate::outbox) fn after_sync(&self) -> Result<(), BoxError> {
        self.opened()?;
        self.fail(Sync::After)
    }

    /// All that is there now is durable.
    pub(in crate::outbox) fn opened(&self) -> Result<(), BoxError> {
        let image = self.plan().image.clone();
        Ok(image.map_or(Ok(()), |image| copy(&image.of, &image.at))?)
    }

    /// sled writes nothing by itself while images are made of it.
    pub(in crate::outbox) fn background_flush(&self) -> bool {
        self.plan().image.is_none()
    }

    fn fail(&self, when: Sync) -> Result<(), BoxError> {
        match self.plan().sync_fails.take_if(|planned| *planned == when) {
            Some(_) => Err("the sync failed, as planned".into()),
            None => Ok(()),
        }
    }
}

/// Makes a directory the copy of another.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
