//! Other workers of the group: requests to their REST servers, and the signatures between workers (KIP-507).

mod client;
mod signature;

pub use client::{PeerAnswer, PeerRequest, Peers};
pub use signature::{ALGORITHM_HEADER, SIGNATURE_HEADER, Signatures};
