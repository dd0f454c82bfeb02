//! The only `unsafe` of the crate, each block with its reason behind a safe function.
#![allow(unsafe_code)]

mod chunk_pool;
mod clock;
mod descriptor;
mod file_system;
mod socket;
mod split_cell;
mod uring;
mod waker;

pub use chunk_pool::Chunk;
pub use clock::monotonic_us;
pub use descriptor::{StartDescriptors, inheritable, raise_descriptors_max};
pub use file_system::sync_file_system;
pub use socket::{
    duplicate, has_input, has_waiting_connection, receive_now, reset_on_close, send_now,
    shutdown_both, shutdown_read, shutdown_write,
};
pub use split_cell::SplitCell;
pub use uring::{Completion, Interest, OperationId, SEND_BYTES_MAX, Uring};
pub use waker::{next_woken, numbered_waker, wake_numbered, woken_count};
