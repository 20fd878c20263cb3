//! What `up` says while the mesh runs, and how it finds out that the mesh is ready.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{Up, jaeger::Jaeger, plan, ready};
use crate::{
    endpoint::Target,
    failure::Failure,
    gateway::{CaughtUp, Gateway},
    mesh::{GATEWAY, Mesh},
    process::in_words,
    progress::Progress,
    supervisor::Event,
    terminal,
};

/// How often the gateway is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(100);
/// Deaths before it was ever healthy, after which a server will not get well by being started again.
const HOPELESS: u32 = 5;
/// The exit code of a server for a command line that cannot be right: it will not be right the next time.
const USAGE: i32 = 64;

/// What the members report, each with its name.
pub(super) type Reports = mpsc::Receiver<(&'static str, Event)>;

/// What is known of the mesh.
pub(super) struct Watch<'a> {
    mesh: &'a Mesh,
    up: &'a Up,
    jaeger: Option<&'a Jaeger>,
    deadline: Instant,
    progress: Progress,
    members: BTreeMap<&'static str, Member>,
    waits_for: String,
    ready: bool,
}

#[derive(Default)]
struct Member {
    pid: u32,
    healthy: bool,
    was_healthy: bool,
    deaths: u32,
    last_words: String,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        mesh: &'a Mesh,
        up: &'a Up,
        jaeger: Option<&'a Jaeger>,
        names: &[&'static str],
    ) -> Self {
        Self {
            mesh,
            up,
            jaeger,
            deadline: Instant::now() + up.start_timeout,
            progress: Progress::new(names),
            members: names.iter().map(|name| (*name, Member::default())).collect(),
            waits_for: String::new(),
            ready: false,
        }
    }

    /// Follows the mesh until it fails to get ready; once it is ready, for ever.
    pub(super) async fn run(&mut self, events: &mut Reports) -> Failure {
        let gateway = match Target::parse(self.mesh, GATEWAY) {
            Ok(target) => target.channel,
            Err(failure) => return failure,
        };
        let mut caught_up = CaughtUp::default();
        loop {
            let outcome = tokio::select! {
                Some((name, event)) = events.recv() => self.take(name, event),
                () = sleep_until(self.deadline), if !self.ready => Err(self.late()),
                asked = ask(gateway.clone()), if self.all_healthy() && !self.ready => {
                    self.consider(&mut caught_up, &asked).await
                }
            };
            if let Err(failure) = outcome {
                return failure;
            }
        }
    }

    /// Goes on telling what happens while the mesh is drained.
    pub(super) async fn narrate(&self, events: &mut Reports) {
        while let Some((name, event)) = events.recv().await {
            self.tell_end(name, &event);
        }
    }

    /// The last of it.
    pub(super) fn conclude(&self, events: &mut Reports) {
        while let Ok((name, event)) = events.try_recv() {
            self.tell_end(name, &event);
        }
    }

    fn tell_end(&self, name: &str, event: &Event) {
        if let Event::Stopped(status) = event {
            self.progress.say_of(name, &format!("ended with {}", in_words(*status)));
        }
    }

    /// The mesh is about to end.
    pub(super) fn end(&mut self) {
        self.progress.finish();
        if let Some(Err(error)) = self.up.ready_file.as_ref().filter(|_| self.ready).map(std::fs::remove_file)
        {
            terminal::say(&format!("the ready file cannot be removed: {error}"));
        }
    }

    fn take(&mut self, name: &'static str, event: Event) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(name) else { return Ok(()) };
        match event {
            Event::Started { pid } => {
                member.pid = pid;
                self.progress.set(name, &format!("starting (pid {pid})"));
            }
            Event::Healthy => {
                (member.healthy, member.was_healthy) = (true, true);
                self.progress.set(name, &terminal::green(format!("healthy (pid {})", member.pid)));
            }
            Event::Said(line) => {
                self.progress.say_of(name, &format!("| {}", terminal::printable(&line)));
                member.last_words = line;
            }
            Event::Died { status, again_in } => {
                let end = format!("ended with {}", in_words(status));
                return self.died(name, &end, status.code() == Some(USAGE), again_in);
            }
            Event::CannotStart { error, again_in } => {
                return self.died(name, &format!("cannot be started: {error}"), false, again_in);
            }
            Event::Stopped(_) => self.tell_end(name, &event),
        }
        Ok(())
    }

    fn died(
        &mut self,
        name: &'static str,
        end: &str,
        wrong: bool,
        again_in: Duration,
    ) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(name) else { return Ok(()) };
        member.healthy = false;
        member.deaths += 1;
        if !self.ready && !member.was_healthy && (wrong || member.deaths >= HOPELESS) {
            let said = if member.last_words.is_empty() { "" } else { "; its last words are above" };
            return Err(Failure::failed(format!(
                "{name} {end}{said}; its log: {}",
                self.log(name).display()
            )));
        }
        let pid = member.pid;
        self.progress.say_of(
            name,
            &terminal::red(format!("(pid {pid}) {end}; it is started again in {} ms", again_in.as_millis())),
        );
        Ok(())
    }

    fn all_healthy(&self) -> bool {
        self.members.values().all(|member| member.healthy)
    }

    async fn consider(
        &mut self,
        caught_up: &mut CaughtUp,
        asked: &Result<Gateway, String>,
    ) -> Result<(), Failure> {
        let sources = self.mesh.services().count();
        let waits_for = match asked {
            Ok(gateway) => match gateway.broken() {
                broken if broken.is_empty() => caught_up.waits_for(gateway, sources),
                broken => return Err(Failure::failed(format!("{GATEWAY}: {}", broken.join("\n  ")))),
            },
            Err(refusal) => Some(format!("does not say how it is: {refusal}")),
        };
        match waits_for {
            Some(text) => {
                self.progress.set(GATEWAY, &terminal::printable(&text));
                self.waits_for = text;
                Ok(())
            }
            None => self.announce().await,
        }
    }

    async fn announce(&mut self) -> Result<(), Failure> {
        let traces = match self.jaeger {
            Some(jaeger) => Some(jaeger.in_words().await),
            None => None,
        };
        self.ready = true;
        self.progress.set(GATEWAY, &terminal::green("healthy, and caught up with every source"));
        self.progress.finish();
        if let Some(path) = &self.up.ready_file {
            ready::write_file(self.mesh, path)
                .map_err(|error| Failure::failed(format!("--ready-file {}: {error}", path.display())))?;
        }
        Ok(ready::print(self.mesh, &self.up.data_dir, traces.as_deref())?)
    }

    fn late(&self) -> Failure {
        let ill: Vec<_> = self
            .members
            .iter()
            // The others wait for these.
            .filter(|(_, member)| !member.healthy && (member.pid != 0 || member.deaths > 0))
            .map(|(name, _)| format!("{name} is not healthy; its log: {}", self.log(name).display()))
            .collect();
        let why = if ill.is_empty() { format!("{GATEWAY} {}", self.waits_for) } else { ill.join("\n  ") };
        Failure::failed(format!(
            "the mesh did not get ready within {:?} (--start-timeout)\n  {why}",
            self.up.start_timeout
        ))
    }

    fn log(&self, name: &str) -> PathBuf {
        plan::log(&self.up.data_dir, name)
    }
}

async fn ask(channel: tonic::transport::Channel) -> Result<Gateway, String> {
    sleep(INTERVAL).await;
    Gateway::ask(channel).await.map_err(|status| status.message().to_owned())
}
