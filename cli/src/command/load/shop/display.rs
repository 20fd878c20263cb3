//! How a run goes: moving lines on a terminal, a plain one every few seconds elsewhere.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Status, transport::Channel};
use tributary_proto::query::v1::{GetStatusRequest, Source, query_gateway_client::QueryGatewayClient};

use super::{board::Board, latency::Latencies};
use crate::{command::load::pace::Audience, failure::root_cause, gateway::within, terminal};

/// How often a plain line is said.
const PLAIN: Duration = Duration::from_secs(5);
/// How often the moving lines are written anew.
const DRAWN: Duration = Duration::from_secs(1);

/// In front of each moving line but the first.
const MARGIN: &str = "      ";

/// Counts, and shows.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) board: RefCell<Board>,
    total: u64,
    started: Instant,
    /// Of all, and since the last line.
    latencies: RefCell<(Latencies, Latencies)>,
    trouble: RefCell<Option<String>>,
    bar: Option<ProgressBar>,
}

impl Display {
    /// For a run of so many orders.
    pub(super) fn new(total: u64) -> Self {
        let bar = terminal::draws().then(|| {
            let bar = ProgressBar::new(total).with_style(style());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            board: RefCell::new(Board::new()),
            total,
            started: Instant::now(),
            latencies: RefCell::default(),
            trouble: RefCell::default(),
            bar,
        }
    }

    /// An order was placed, so long after it was due.
    pub(super) fn placed(&self, took: Duration) {
        self.latencies.borrow_mut().1.add(took);
        if let Some(bar) = &self.bar {
            bar.set_position(self.board.borrow().placed());
        }
    }

    /// Shows how it goes, until it is dropped.
    pub(super) async fn keep(&self, gateway: Channel) -> std::convert::Infallible {
        let mut ticks = interval(if self.bar.is_some() { DRAWN } else { PLAIN });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let lag = lag(gateway.clone()).await;
            let lines = self.lines(last.elapsed(), lag);
            last = Instant::now();
            match &self.bar {
                Some(bar) => bar.set_message(below_the_bar(&lines, console::Term::stderr().size().1.into())),
                None => {
                    let placed = HumanCount(self.board.borrow().placed());
                    terminal::say(&format!("{placed} of {}, {}", HumanCount(self.total), lines.join("; ")));
                }
            }
        }
    }

    /// How fast, what waits, how far the gateway is, and what is wrong.
    fn lines(&self, since: Duration, lag: String) -> Vec<String> {
        let recent = {
            let mut latencies = self.latencies.borrow_mut();
            let recent = std::mem::take(&mut latencies.1);
            latencies.0.add_all(&recent);
            recent
        };
        let board = self.board.borrow();
        let speed = if board.placed() < self.total {
            let rate = recent.count() as f64 / since.as_secs_f64();
            format!("{rate:.0}/s, PlaceOrder {}", percentiles(&recent))
        } else {
            "all placed".to_owned()
        };
        let mut states = format!("{} wait", HumanCount(board.open().len() as u64));
        if board.placed() > 0 {
            states.push_str(&format!("; {}", board.by_state()));
        }
        let trouble = self.trouble.borrow().clone();
        [speed, states, lag].into_iter().chain(trouble).collect()
    }

    /// What all of it came to.
    pub(super) fn summary(&self) -> String {
        let mut latencies = self.latencies.borrow_mut();
        let recent = std::mem::take(&mut latencies.1);
        latencies.0.add_all(&recent);
        let placed = self.board.borrow().placed();
        let seconds = self.started.elapsed().as_secs_f64();
        format!(
            "{} orders in {seconds:.1} s, PlaceOrder {}; {}",
            HumanCount(placed),
            percentiles(&latencies.0),
            self.board.borrow().by_state()
        )
    }

    /// The moving lines go; what was said stays.
    pub(super) fn clear(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl Audience for Display {
    fn waits_for(&self, server: &str, status: &Status) {
        let text = format!("waits for {server}: {}", terminal::printable(&root_cause(status)));
        *self.trouble.borrow_mut() = Some(text);
    }

    fn answered(&self) {
        *self.trouble.borrow_mut() = None;
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.clear();
    }
}

fn percentiles(latencies: &Latencies) -> String {
    let in_ms = |percent| {
        let took = latencies.percentile(percent)?.as_secs_f64() * 1_000.0;
        Some(if took < 10.0 {
            format!("p{percent} {took:.1} ms")
        } else {
            format!("p{percent} {took:.0} ms")
        })
    };
    match (in_ms(50), in_ms(99)) {
        (Some(half), Some(most)) => format!("{half}, {most}"),
        _ => "not answered".to_owned(),
    }
}

/// How far behind its sources the gateway is.
async fn lag(gateway: Channel) -> String {
    let status = match QueryGatewayClient::new(gateway).get_status(within(GetStatusRequest {})).await {
        Ok(status) => status.into_inner(),
        Err(_) => return "gateway does not answer".to_owned(),
    };
    behind(&status.sources)
}

fn behind(sources: &[Source]) -> String {
    let unknown = sources.iter().filter(|source| source.lag.is_none());
    let unknown: Vec<_> = unknown.map(|source| terminal::printable(&source.name)).collect();
    if !unknown.is_empty() {
        return format!("gateway lag unknown of {}", unknown.join(", "));
    }
    let lags = || sources.iter().filter_map(|source| Some((source.lag?, source.lag_ms)));
    match lags().map(|(changes, _)| changes).sum() {
        0 => "gateway 0 behind".to_owned(),
        changes => {
            let longest = lags().filter(|(changes, _)| *changes > 0).filter_map(|(_, ms)| ms).max();
            let longest = longest.map(|ms| format!(" ({ms} ms)")).unwrap_or_default();
            format!("gateway {} changes{longest} behind", HumanCount(changes))
        }
    }
}

/// One below the other. A line that is broken by the terminal is not wiped when it is drawn anew.
fn below_the_bar(lines: &[String], columns: usize) -> String {
    let lines =
        lines.iter().map(|line| console::truncate_str(line, columns.saturating_sub(MARGIN.len()), "…"));
    lines.collect::<Vec<_>>().join(&format!("\n{MARGIN}"))
}

fn style() -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    let template = "shop  {bar:30} {human_pos} of {human_len}  {elapsed}\n      {msg}";
    plain.clone().template(template).unwrap_or(plain).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_fast_how_many_wait_and_what_for() {
        let display = Display::new(10);
        display.placed(Duration::from_millis(20));
        display.placed(Duration::from_millis(20));
        display.waits_for("orders", &Status::unavailable("refused"));
        let lines = display.lines(Duration::from_secs(2), "gateway 0 behind".to_owned());
        let expected = [
            "1/s, PlaceOrder p50 20 ms, p99 20 ms",
            "0 wait",
            "gateway 0 behind",
            "waits for orders: refused",
        ];
        assert_eq!(lines, expected);
        assert_eq!(below_the_bar(&lines[2..], 21), "gateway 0 behi…\n      waits for orde…");
        display.answered();
        let lines = display.lines(Duration::from_secs(2), String::new());
        assert_eq!(lines, ["0/s, PlaceOrder not answered", "0 wait", ""]);
        assert!(display.summary().contains("p99 20 ms"), "{}", display.summary());
    }

    #[test]
    fn lag_is_that_of_all_sources_or_unknown() {
        let source = |name: &str, lag, lag_ms| Source { name: name.into(), lag, lag_ms, ..Source::default() };
        let live = source("orders", Some(0), Some(900));
        assert_eq!(behind(std::slice::from_ref(&live)), "gateway 0 behind");
        let late = source("payments", Some(1_200), Some(40));
        assert_eq!(behind(&[live.clone(), late.clone()]), "gateway 1,200 changes (40 ms) behind");
        assert_eq!(behind(&[source("a", Some(7), None)]), "gateway 7 changes behind");
        assert_eq!(behind(&[live, late, source("catalog", None, None)]), "gateway lag unknown of catalog");
    }
}
