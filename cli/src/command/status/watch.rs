//! `tributary status --watch`: looks again and again, whatever is away.

use std::{
    io::{self, Write as _},
    time::{Duration, SystemTime},
};

use console::Style;
use prost_types::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    json, report,
    seen::{Observer, Seen},
};
use crate::{failure::Failure, mesh::GATEWAY, render::Output, screen::Screen, terminal};

/// Goes on until it is dropped, or until nobody reads any more.
pub(super) async fn run(observer: &Observer<'_>, every: Duration, output: Output) -> Result<(), Failure> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = (output == Output::Table).then(Screen::of_stdout).flatten();
    // The last time that the gateway said how it is.
    let mut told: Option<Seen> = None;
    loop {
        ticks.tick().await;
        let seen = observer.look().await;
        match (output, &mut screen) {
            (Output::Json, _) => write(&format!("{}\n", json::object(&seen)))?,
            (Output::Table, Some(screen)) => screen.draw(&block(&seen, told.as_ref(), every)?)?,
            (Output::Table, None) => write(&format!("{}\n", block(&seen, told.as_ref(), every)?))?,
        }
        if seen.gateway.is_ok() {
            told = Some(seen);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// When, what is not well, and the tables. Of a gateway that is away, those that it told last.
fn block(seen: &Seen, told: Option<&Seen>, every: Duration) -> io::Result<String> {
    let problems = seen.all_problems();
    let verdict = match problems.len() {
        0 => Style::new().green().apply_to("all is well".to_owned()),
        1 => Style::new().yellow().apply_to("1 problem".to_owned()),
        n => Style::new().yellow().apply_to(format!("{n} problems")),
    };
    let mut text = format!("{}  {verdict}; looked at every {every:?}\n", second(seen.at));
    for problem in &problems {
        let mark = Style::new().yellow().apply_to("not well:");
        text.push_str(&format!("{mark} {}\n", terminal::printable(problem)));
    }
    let gateway = seen.gateway.as_ref().ok();
    let before = told.filter(|_| gateway.is_none());
    if let Some(before) = before {
        let ago = seen.at.duration_since(before.at).unwrap_or_default().as_secs();
        let line = format!("what {GATEWAY} tells below is of {}, {ago} s ago", second(before.at));
        text.push_str(&format!("{}\n", Style::new().yellow().apply_to(line)));
    }
    let gateway = gateway.or_else(|| before?.gateway.as_ref().ok());
    text.push('\n');
    text.push_str(&report::brief(&seen.servers, gateway)?);
    Ok(text)
}

/// RFC 3339, without fractions.
fn second(at: SystemTime) -> String {
    Timestamp { nanos: 0, ..Timestamp::from(at) }.to_string()
}
