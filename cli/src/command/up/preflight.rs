//! Before anything is started: is every port free, and does nobody else use the data directory? If not, by
//! whom.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tributary_chassis::{
    lock::{self, Lock, LockError},
    occupant,
};

use crate::{failure::Failure, mesh::Mesh};

/// The servers of a mesh whose `up` was killed this moment are still about to end.
const PATIENCE: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_millis(50);

/// Takes the data directory, if nothing is in the way; else names all that is.
pub(super) async fn check(mesh: &Mesh, data_dir: &Path) -> Result<Lock, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let obstacles = match lock::acquire(data_dir) {
            Ok(lock) => match obstacles(mesh, data_dir) {
                obstacles if obstacles.is_empty() => return Ok(lock),
                obstacles => obstacles,
            },
            // Another `up`: that does not go away by itself.
            Err(error) => return Err(Failure::failed(in_words(&error))),
        };
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!(
                "{}\n  end what is in the way, or run beside it with --host 127.0.0.2 and --data-dir ./.tributary-2",
                obstacles.join("\n  ")
            )));
        }
        sleep(INTERVAL).await;
    }
}

fn obstacles(mesh: &Mesh, data_dir: &Path) -> Vec<String> {
    let mut obstacles = Vec::new();
    for server in mesh.servers() {
        for port in [server.port, server.admin_port()] {
            let address = SocketAddr::new(mesh.host(), port);
            if let Err(error) = TcpListener::bind(address) {
                obstacles.push(port_in_words(server.name, address, &error));
            }
        }
        let directory = data_dir.join(server.name);
        if let Some(process) = lock::holder(&directory) {
            obstacles.push(in_words(&LockError::Held { directory, holder: Some(process) }));
        }
    }
    obstacles
}

fn port_in_words(server: &str, address: SocketAddr, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::AddrInUse {
        return format!("{address}, where {server} is to listen, cannot be bound: {error}");
    }
    let who = occupant::of_port(address)
        .map_or_else(|| "a process that cannot be seen from here".to_owned(), |process| process.to_string());
    format!("{address}, where {server} is to listen, is in use by {who}")
}

fn in_words(error: &LockError) -> String {
    match error {
        LockError::Held { .. } => format!("{error}; end it, or choose another with --data-dir"),
        LockError::Io { source, .. } => format!("{error}: {source}"),
    }
}
