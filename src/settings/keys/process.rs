//! The keys of the process and of the admin listener.

use crate::base::limits::SHARDS_COUNT_MAX;
use crate::model::ListenerAddress;
use crate::rt::DriverChoice;
use crate::settings::names::{FilePath, Name};
use crate::settings::process::{LogFormat, LogLevel, RingEntries, Shards};
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::values::choice;

table! {
    /// How the process runs.
    struct RawProcess as "[process]" {
        /// One shard runs on each core: "auto" for every core that the process may use, a number
        /// for the first so many of them, or a list of core numbers.
        shards: Shards ["auto"];
        /// "auto" is io_uring where the kernel allows it, else epoll; "io_uring" refuses to start
        /// without it.
        io_driver: DriverChoice ["auto"];
        /// Entries of a shard's submission queue, a power of two. Up to 512 chunks of 20 KiB,
        /// and no more than entries, take in what comes in one turn of its loop.
        ring_entries: RingEntries [4_096];
        /// Unused buffers that a shard keeps; each takes 20 KiB.
        buffers_spare_count: u32 [1_024] in 0..=1_048_576;
        /// How long requests may take to end when the process is told to stop; 0 does not wait.
        drain_timeout_ms: u64 [30_000] in 0..=3_600_000;
        /// Read the file again when it changes, or a file of TLS that it names. SIGHUP does so in
        /// any case.
        watch: bool [false];
        /// Least severe level of the process log.
        log_level: LogLevel ["info"];
        /// How lines of the process log look.
        log_format: LogFormat ["text"];
        /// A file that holds the process id while the gateway runs.
        pid_file: FilePath [optional] eg "/run/shardgate.pid";
        /// Hand new connections from shards with many connections to shards with few.
        rebalance_connections: bool [true];
        /// Exceptions for single cores.
        core: Vec<Field<RawCore>> [[]];
    }
}

table! {
    /// An absent key means what holds for all cores.
    struct RawCore as "[[process.core]]" {
        /// The number of the core.
        core: u16 [required] eg 0 in 0..=SHARDS_COUNT_MAX as u64 - 1;
        /// Entries of its submission queue; a power of two.
        ring_entries: RingEntries [optional] eg 8_192;
        /// Unused buffers that it keeps.
        buffers_spare_count: u32 [optional] eg 2_048 in 0..=1_048_576;
        /// Connections that it takes.
        connections_per_shard_max: u32 [optional] eg 50_000 in 1..=10_000_000;
        /// Its share of the cache, in percent. Has no effect yet: there is no cache.
        cache_share_percent: u32 [optional] eg 50 in 0..=100;
        /// The listeners that it serves, by name.
        listeners: Vec<Field<Name>> [optional] eg ["public"];
    }
}

table! {
    /// Without this table there is none.
    struct RawAdmin as "[admin]" {
        /// Where it listens.
        address: ListenerAddress ["127.0.0.1:9901"];
        /// Allow an address that other machines reach. Nothing asks them who they are.
        allow_remote: bool [false];
    }
}

choice!(DriverChoice {
    "auto" => DriverChoice::Auto,
    "io_uring" => DriverChoice::IoUring,
    "epoll" => DriverChoice::Epoll,
});
