//! What a process has used so far, as Linux counts it.

use std::{fs, time::Instant};

use mesh_tests::process::Process;

/// Clock ticks of `/proc/PID/stat`, of which Linux has this many a second for whoever reads it.
const TICKS: f64 = 100.0;

/// A reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    at: Instant,
    cpu_seconds: f64,
    written: u64,
}

/// What was used between two readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) written: u64,
}

impl Gauge {
    /// Of a gateway, and of the server that has its store if it is in one.
    pub(crate) fn read(process: &Process, server: Option<u32>) -> Self {
        let gateway = [process.pid().as_raw().unsigned_abs()].into_iter();
        let processes: Vec<u32> = gateway.chain(server.into_iter().flat_map(family)).collect();
        let cpu_seconds = processes.iter().filter_map(|pid| ticks(*pid)).sum::<f64>() / TICKS;
        Self { at: Instant::now(), cpu_seconds, written: processes.into_iter().filter_map(written).sum() }
    }

    pub(crate) fn until(self, later: Self) -> Used {
        Used {
            seconds: (later.at - self.at).as_secs_f64(),
            cpu_seconds: later.cpu_seconds - self.cpu_seconds,
            written: later.written - self.written,
        }
    }
}

/// A process and its children.
fn family(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| stat(*pid).is_some_and(|fields| fields[1] == parent.to_string());
    [parent].into_iter().chain(processes.filter(is_child)).collect()
}

/// The fields behind the name, which may hold anything: from the state on. None of a process that has ended.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn ticks(pid: u32) -> Option<f64> {
    stat(pid)?[11..13].iter().map(|field| field.parse::<f64>().ok()).sum()
}

/// What was given to the system: what reaches the disk depends on when that writes it back.
fn written(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// Bytes in memory at most so far.
pub(crate) fn peak(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}
