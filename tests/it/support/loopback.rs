//! Addresses of this machine that nobody else uses.

use std::net::{Ipv4Addr, TcpListener};

/// An address on a loopback host of its own: nobody takes it while the server that had it is started again, as could be
/// with a port of 127.0.0.1.
pub fn own_address() -> String {
    let mut bytes = [0; 3];
    getrandom::fill(&mut bytes).unwrap();
    let [second, third, fourth] = bytes;
    // Neither 127.0.0.1, which everybody uses, nor an end of a network.
    let host = Ipv4Addr::new(127, second.max(1), third, fourth.clamp(1, 254));
    TcpListener::bind((host, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}
