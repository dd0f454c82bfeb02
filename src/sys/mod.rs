//! The only `unsafe` of the crate, each block with its reason behind a safe function.
#![allow(unsafe_code)]

mod clock;
mod descriptor;
mod socket;
mod split_cell;

pub use clock::monotonic_us;
pub use descriptor::{StartDescriptors, inheritable, raise_descriptors_max};
pub use socket::{
    duplicate, has_input, reset_on_close, shutdown_both, shutdown_read, shutdown_write,
};
pub use split_cell::SplitCell;
