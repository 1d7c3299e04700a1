//! What asks: requests over connections that stay, and sockets on which replies are followed.

pub mod calls;
pub mod sockets;
