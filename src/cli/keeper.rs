//! `shardgate function-keeper`: started by the gateway for each process of a function.

use std::time::Duration;

use super::arguments::KeeperOptions;
use crate::function::Keeper;

/// Keeps the program to its end; answers with the exit code.
pub(super) fn perform(options: KeeperOptions) -> u8 {
    let mut words = options.program.into_iter();
    let keeper = Keeper {
        parent: options.parent,
        grace: Duration::from_millis(options.grace_ms),
        directory: options.directory,
        user: options.uid.zip(options.gid),
        program: words.next().unwrap_or_default(),
        arguments: words.collect(),
    };
    keeper.keep()
}
