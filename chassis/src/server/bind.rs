//! Taking ports, and saying who has them when they are taken.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::{occupant, run::StartError};

/// Takes an address without listening: connections are refused until somebody does.
pub(super) fn reserve(address: SocketAddr) -> Result<(TcpSocket, SocketAddr), StartError> {
    let failed = |error| failed(address, error);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    // Connections of a server that just ended must not keep its successor out.
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    let real = socket.local_addr().map_err(failed)?;
    Ok((socket, real))
}

/// Takes an address and listens.
pub(super) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let (socket, real) = reserve(address)?;
    Ok((socket.listen(1024).map_err(|error| failed(address, error))?, real))
}

pub(super) fn failed(address: SocketAddr, error: io::Error) -> StartError {
    match (error.kind(), occupant::of_port(address)) {
        (io::ErrorKind::AddrInUse, Some(process)) => {
            StartError::message(format!("address {address} is in use by {process}"))
        }
        (io::ErrorKind::AddrInUse, None) => StartError::message(format!("address {address} is in use")),
        _ => StartError::new(format!("listening on {address}"), error),
    }
}
