//! `run`: the gateway on a file.

use std::path::PathBuf;
use std::sync::Arc;

use super::arguments::ConfigOptions;
use super::gateway::{Gateway, reread};
use super::{Exit, refuse};
use crate::control::LoadConfiguration;
use crate::settings;

pub(super) fn perform(options: &ConfigOptions) -> Exit {
    match settings::load(&options.config).and_then(Gateway::here) {
        Err(mistakes) => refuse(&mistakes.render()),
        Ok(gateway) => {
            // A working directory that changes must not change which file is read again.
            let path = std::path::absolute(&options.config).unwrap_or(options.config.clone());
            gateway.run(Some(&path), load(path.clone()), Box::new(|_| {}))
        }
    }
}

fn load(path: PathBuf) -> LoadConfiguration {
    Arc::new(move || reread(settings::load(&path), Some(&path)))
}
