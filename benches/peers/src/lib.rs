//! What the contenders, the generator and the driver share.

pub mod listen;
pub mod meter;
pub mod process;
pub mod uring;
