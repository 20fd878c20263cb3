//! Keeps programs running: starts them, sees when they are healthy, starts again what died.

mod restarts;

use std::{collections::BTreeMap, io, path::PathBuf, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    log::{self, Log},
    process::{Process, Program},
};
use restarts::Restarts;

/// How often a program that was just started is asked whether it is healthy.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// Answers of a healthy server on loopback take less than a millisecond.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Of the events that may wait to be told, so many are kept for others than lines of logs: whatever is
/// logged, and however slow the terminal, a death is dealt with at once.
const ROOM: usize = 64;
/// What a program wrote before it died is in the pipe already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program to keep running.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) channel: Channel,
    pub(crate) log: PathBuf,
    /// Started once these were healthy: not that it needs them, but its first minute is then without
    /// warnings that mean nothing. When it dies later, it is started again whatever they do.
    pub(crate) after: Vec<&'static str>,
}

/// What happened to a member.
#[derive(Debug)]
pub(crate) enum Event {
    Started { pid: u32 },
    Healthy,
    Said(String),
    Died { status: ExitStatus, again_in: Duration },
    CannotStart { error: io::Error, again_in: Duration },
    Stopped(ExitStatus),
}

/// All members. Dropping it kills them.
pub(crate) struct Supervisor {
    members: Vec<Kept>,
    now: CancellationToken,
    grace: Duration,
}

struct Kept {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What is the same for every member.
#[derive(Clone)]
struct Terms {
    /// Cancelled when the member of that name was healthy for the first time.
    was_healthy: Arc<BTreeMap<&'static str, CancellationToken>>,
    /// Ends without grace.
    now: CancellationToken,
    grace: Duration,
    verbose: bool,
    events: mpsc::Sender<(&'static str, Event)>,
}

impl Supervisor {
    /// Starts each as soon as those that it comes after are healthy. A member that was asked to end gets
    /// `grace` for it.
    pub(crate) fn start(
        members: Vec<Member>,
        grace: Duration,
        verbose: bool,
        events: mpsc::Sender<(&'static str, Event)>,
    ) -> Self {
        let was_healthy = members.iter().map(|member| (member.name, CancellationToken::new())).collect();
        let was_healthy = Arc::new(was_healthy);
        let terms = Terms { was_healthy, now: CancellationToken::new(), grace, verbose, events };
        let now = terms.now.clone();
        let members = members
            .into_iter()
            .map(|member| {
                let stop = CancellationToken::new();
                let task = tokio::spawn(keep(member, stop.clone(), terms.clone()));
                Kept { stop, task }
            })
            .collect();
        Self { members, now, grace }
    }

    /// From here on the members are ended by force.
    pub(crate) fn now(&self) -> CancellationToken {
        self.now.clone()
    }

    /// Ends the members one after another, the last first: who calls others is drained while they still
    /// answer.
    pub(crate) async fn drain(mut self) {
        while let Some(member) = self.members.pop() {
            member.stop.cancel();
            // It ends within its grace; a panic of the task has dropped, and so killed, the process.
            let _ = timeout(self.grace + PROBE_TIMEOUT, member.task).await;
        }
    }
}

/// Starts a program again and again, until it is stopped.
async fn keep(member: Member, stop: CancellationToken, terms: Terms) {
    for other in member.after.iter().filter_map(|name| terms.was_healthy.get(name)) {
        tokio::select! {
            () = other.cancelled() => {}
            () = stop.cancelled() => return,
        }
    }
    let mut restarts = Restarts::default();
    loop {
        let began = Instant::now();
        // Nobody listens any more only when `up` itself is about to end.
        let tell = async |event| drop(terms.events.send((member.name, event)).await);
        let again_in = match live(&member, &stop, &terms).await {
            Ok(status) if stop.is_cancelled() => return tell(Event::Stopped(status)).await,
            Ok(status) => {
                let again_in = restarts.after(began.elapsed());
                tell(Event::Died { status, again_in }).await;
                again_in
            }
            Err(error) => {
                let again_in = restarts.after(began.elapsed());
                tell(Event::CannotStart { error, again_in }).await;
                again_in
            }
        };
        tokio::select! {
            () = sleep(again_in) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One life of a program, from its start to its end.
async fn live(member: &Member, stop: &CancellationToken, terms: &Terms) -> io::Result<ExitStatus> {
    let log = Log::open(&member.log)?;
    let (mut process, output) = Process::start(&member.program)?;
    let (name, events) = (member.name, terms.events.clone());
    let show = move |line| events.capacity() > ROOM && events.try_send((name, Event::Said(line))).is_ok();
    let output = tokio::spawn(log::follow(output, log, terms.verbose, show));
    let tell = async |event| drop(terms.events.send((name, event)).await);
    tell(Event::Started { pid: process.id().unwrap_or_default() }).await;
    let status = {
        let healthy = async {
            until_healthy(member.channel.clone()).await;
            if let Some(was_healthy) = terms.was_healthy.get(member.name) {
                was_healthy.cancel();
            }
            tell(Event::Healthy).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            status = process.ended() => status,
            () = stop.cancelled() => end(&mut process, terms).await,
            () = healthy => process.ended().await,
        }
    };
    // Its last words come before the news of its death. A child of its own may still hold the pipe: that is
    // not waited for.
    let _ = timeout(LAST_WORDS, output).await;
    status
}

/// Asks the process to end; kills it when its grace is over, or at once when told so.
async fn end(process: &mut Process, terms: &Terms) -> io::Result<ExitStatus> {
    process.terminate()?;
    tokio::select! {
        status = process.ended() => return status,
        () = sleep(terms.grace) => {}
        () = terms.now.cancelled() => {}
    }
    process.kill()?;
    process.ended().await
}

/// Waits until the server says that it serves.
async fn until_healthy(channel: Channel) {
    let mut client = HealthClient::new(channel);
    loop {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.set_timeout(PROBE_TIMEOUT);
        let answer = timeout(PROBE_TIMEOUT, client.check(request)).await;
        if let Ok(Ok(reply)) = answer
            && reply.get_ref().status() == ServingStatus::Serving
        {
            return;
        }
        sleep(PROBE_INTERVAL).await;
    }
}
