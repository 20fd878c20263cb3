//! Who holds a port: what makes "address in use" a message that helps. Linux tells it in /proc; elsewhere,
//! and for processes of other users, nobody is named.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

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
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: Vec<String> = tables.iter().flat_map(|table| listeners(table, address)).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        holds_one_of(&entry.path(), &inodes).then(|| Process { pid, program: program(&entry.path()) })
    })
}

/// Inodes of the sockets that listen on `address`, or on its port of every address, in a table as
/// /proc/net/tcp is one.
fn listeners(table: &str, address: SocketAddr) -> Vec<String> {
    /// `TCP_LISTEN` of the kernel.
    const LISTEN: &str = "0A";
    let (ip, port) = (hexadecimal(address.ip()), format!("{:04X}", address.port()));
    let in_the_way = |local: &str| {
        // An IPv4 address may stand at the end of an IPv6 one.
        local.split_once(':').is_some_and(|(at, on)| {
            on == port && (at.ends_with(&ip) || at.bytes().all(|digit| digit == b'0'))
        })
    };
    let columns = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns
        .filter(|c| c.len() > 9 && in_the_way(c[1]) && c[3] == LISTEN)
        .map(|c| format!("socket:[{}]", c[9]))
        .collect()
}

/// As the kernel prints it: 32 bits at a time, each in the order of the machine.
fn hexadecimal(ip: IpAddr) -> String {
    let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
    match ip {
        IpAddr::V4(ip) => word(ip.octets()),
        IpAddr::V6(ip) => {
            ip.octets().chunks_exact(4).map(|four| word([four[0], four[1], four[2], four[3]])).collect()
        }
    }
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
        for ip in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            // A machine may be without IPv6.
            let Ok(listener) = std::net::TcpListener::bind((ip, 0)) else { continue };
            let address = listener.local_addr().unwrap();
            assert_eq!(of_port(address), Some(Process::current()), "{ip}");
            drop(listener);
            assert_eq!(of_port(address), None, "{ip}");
        }
    }

    #[test]
    fn a_port_of_another_address_is_not_in_the_way() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(of_port(SocketAddr::from(([127, 99, 0, 1], port))), None);
    }

    #[test]
    fn the_tables_of_the_kernel_are_understood() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0200007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
            1: 00000000:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
            2: 0100007F:C383 0100007F:9000 01 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        let address = SocketAddr::from(([127, 0, 0, 2], 50051));
        if cfg!(target_endian = "little") {
            assert_eq!(listeners(table, address), ["socket:[4711]", "socket:[4712]"]);
        }
    }
}
