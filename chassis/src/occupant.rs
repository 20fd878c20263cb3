//! Who holds a port: what makes "address in use" a message that helps. Linux tells it in /proc; elsewhere,
//! and for processes of other users, nobody is named.

use std::{fmt, fs, net::SocketAddr, path::Path};

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Name of its program.
    pub program: String,
}

impl Process {
    /// This one.
    pub fn current() -> Self {
        let program = std::env::current_exe()
            .ok()
            .as_deref()
            .and_then(Path::file_name)
            .map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
        Self { pid: std::process::id(), program }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.program, self.pid)
    }
}

/// The process that listens on `address`, if it can be told.
pub fn of_port(address: SocketAddr) -> Option<Process> {
    let inodes: Vec<String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|path| listeners(path, address.port())).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds_one_of(&entry.path(), &inodes).then(|| Process { pid, program: program(&entry.path()) })
    })
}

/// Inodes of the sockets that listen on `port`, of a table like /proc/net/tcp.
fn listeners(table: &str, port: u16) -> Vec<String> {
    /// `TCP_LISTEN` of the kernel.
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let text = fs::read_to_string(table).unwrap_or_default();
    let columns = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns
        .filter(|c| c.len() > 9 && c[1].ends_with(&end) && c[3] == LISTEN)
        .map(|c| format!("socket:[{}]", c[9]))
        .collect()
}

fn holds_one_of(process: &Path, inodes: &[String]) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else { return false };
    files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        inodes.iter().any(|inode| *inode == target)
    })
}

fn program(process: &Path) -> String {
    // The kernel cuts `comm` at 15 bytes; the link to the executable is whole where it can be read.
    let exe = fs::read_link(process.join("exe")).ok();
    let name = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| fs::read_to_string(process.join("comm")).ok().map(|comm| comm.trim().to_owned()))
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(of_port(address), Some(Process::current()));
        drop(listener);
        assert_eq!(of_port(address), None);
    }
}
