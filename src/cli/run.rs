//! `run` and `check`.

use std::path::PathBuf;
use std::sync::Arc;

use super::arguments::ConfigOptions;
use super::gateway::{Gateway, reread};
use super::{Exit, print, refuse};
use crate::model::Api;
use crate::settings;

/// Runs the gateway on a file.
pub(super) fn run(options: &ConfigOptions) -> Exit {
    match settings::load(&options.config).and_then(Gateway::check) {
        Err(mistakes) => refuse(&mistakes),
        Ok(gateway) => {
            // A working directory that changes must not change which file is read again.
            let path = std::path::absolute(&options.config).unwrap_or(options.config.clone());
            gateway.run(Some(&path), load(path.clone()), Box::new(|_| {}))
        }
    }
}

fn load(path: PathBuf) -> crate::control::LoadConfiguration {
    Arc::new(move || reread(settings::load(&path), Some(&path)))
}

/// Says whether `run` would take a file.
pub(super) fn check(options: &ConfigOptions) -> Exit {
    match settings::load(&options.config).and_then(Gateway::check) {
        Err(mistakes) => refuse(&mistakes),
        Ok(gateway) => {
            let model = &gateway.settings.model;
            let routes: usize = model.apis.iter().map(|api: &Api| api.stage.routes.len()).sum();
            print(&format!(
                "{}: good: {}, {}, {}, {}, {}\n",
                options.config.display(),
                count(gateway.cores.len(), "shard"),
                count(model.listeners.len(), "listener"),
                count(model.apis.len(), "API"),
                count(routes, "route"),
                count(model.target_groups.len(), "upstream"),
            ))
        }
    }
}

fn count(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
