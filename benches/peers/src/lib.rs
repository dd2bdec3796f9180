//! What the contenders, the generator and the driver share.

pub mod client;
pub mod hold;
pub mod listen;
pub mod meter;
pub mod micro;
pub mod process;
pub mod tls;
pub mod uring;
