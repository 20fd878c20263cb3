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
    pub(crate) fn read(process: &Process) -> Self {
        let pid = process.pid();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // Behind the name, which may hold anything: state is field 3, the times are 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        // What was given to the system: what reaches the disk depends on when that writes it back.
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
        Self { at: Instant::now(), cpu_seconds: ticks / TICKS, written: written.parse().unwrap() }
    }

    pub(crate) fn until(self, later: Self) -> Used {
        Used {
            seconds: (later.at - self.at).as_secs_f64(),
            cpu_seconds: later.cpu_seconds - self.cpu_seconds,
            written: later.written - self.written,
        }
    }
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
