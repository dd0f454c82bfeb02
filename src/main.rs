//! The thin binary; everything is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: jemallocator::Jemalloc = jemallocator::Jemalloc;

fn main() -> ExitCode {
    shardgate::cli::main()
}
