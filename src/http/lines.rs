//! How the kernel carries what is written to a connection.

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::telemetry::causes::causes;

/// What the kernel may hold of a connection, in bytes, beyond what it has put on the wire: two full pieces, so that it
/// always has something to send. The rest is better kept here, where a slow reader's pieces become one.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_MAX: u32 = 32 * 1024;

/// Prepares a connection for streams. What the kernel refuses costs time or memory only, so it is logged.
pub(super) fn tune(connection: &TcpStream) {
    // Else the kernel holds a piece back until the client has acknowledged the one before, up to 40 ms.
    if let Err(error) = connection.set_nodelay(true) {
        tracing::warn!(error = %causes(&error), "a connection will hold small pieces back");
    }
    // Else it takes megabytes for whoever reads nothing, and what it has taken can be merged no more.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = SockRef::from(connection).set_tcp_notsent_lowat(UNSENT_MAX) {
        tracing::warn!(error = %causes(&error), "the kernel will keep much for a slow reader");
    }
}
