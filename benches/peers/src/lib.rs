//! What the contenders, the generator and the driver share.

pub mod client;
pub mod listen;
pub mod meter;
pub mod micro;
pub mod process;
pub mod uring;
