//! Names that tests give to addresses, and take from them.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::Resolver;

/// What every name stands for. Clones are the same.
#[derive(Clone)]
pub(crate) struct Names {
    answer: Arc<Mutex<Result<Vec<SocketAddr>, ErrorKind>>>,
    lookups: Arc<AtomicUsize>,
}

impl Names {
    pub(crate) fn of(addresses: &[SocketAddr]) -> Self {
        Self { answer: Arc::new(Mutex::new(Ok(addresses.to_vec()))), lookups: Arc::default() }
    }

    pub(crate) fn stand_for(&self, addresses: &[SocketAddr]) {
        *self.answer.lock().unwrap() = Ok(addresses.to_vec());
    }

    /// Nobody answers.
    pub(crate) fn fail(&self) {
        *self.answer.lock().unwrap() = Err(ErrorKind::TimedOut);
    }

    /// How many were answered.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    pub(crate) fn resolver(&self) -> Resolver {
        let names = self.clone();
        Arc::new(move |_, _| {
            let answer = names.answer.lock().unwrap().clone().map_err(Into::into);
            names.lookups.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { answer })
        })
    }
}
