//! `backup` and `restore`: by the admin listener of a gateway that runs, or on the store's file of one
//! that does not.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::admin_call::{self, AdminAnswer};
use super::arguments::BackupOptions;
use super::{Exit, fail, print, refuse};
use crate::settings::{self, Settings};
use crate::store::Store;

pub(super) fn back_up(options: &BackupOptions) -> Exit {
    let settings = match settings::load(&options.file.config) {
        Ok(settings) => settings,
        Err(mistakes) => return refuse(&mistakes.render()),
    };
    let backup = match running(&settings, "GET", "/backup", b"") {
        Err(reason) => Err(reason),
        Ok(Some(backup)) => Ok(backup),
        Ok(None) => open(&settings).and_then(|store| {
            let mut backup = Vec::new();
            store.back_up(&mut backup).map_err(|error| error.to_string())?;
            Ok(backup)
        }),
    };
    let written = backup.and_then(|backup| {
        write_whole(&options.backup, &backup)
            .map_err(|error| format!("cannot write {}: {error}", options.backup.display()))
    });
    match written {
        Ok(()) => print(&format!("backed up to {}\n", options.backup.display())),
        Err(reason) => fail(&reason),
    }
}

pub(super) fn restore(options: &BackupOptions) -> Exit {
    let settings = match settings::load(&options.file.config) {
        Ok(settings) => settings,
        Err(mistakes) => return refuse(&mistakes.render()),
    };
    let path = options.backup.display();
    let backup = match fs::read(&options.backup) {
        Ok(backup) => backup,
        Err(error) => return fail(&format!("cannot read {path}: {error}")),
    };
    let restored = match running(&settings, "POST", "/restore", &backup) {
        Err(reason) => Err(reason),
        Ok(Some(_)) => Ok(()),
        Ok(None) => open(&settings).and_then(|store| {
            store.restore(&backup).map(|_| ()).map_err(|error| error.to_string())
        }),
    };
    match restored {
        Ok(()) => print(&format!("restored from {path}\n")),
        Err(reason) => fail(&reason),
    }
}

/// The answer of a gateway that runs; `None` if none does, as far as its admin listener tells.
fn running(
    settings: &Settings,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Option<Vec<u8>>, String> {
    let Some(admin) = &settings.admin else { return Ok(None) };
    match admin_call::ask(&admin.address, method, path, body) {
        Ok(None) => Ok(None),
        Ok(Some(AdminAnswer { status: 200, body })) => Ok(Some(body)),
        Ok(Some(AdminAnswer { status, body })) => {
            let reason = String::from_utf8_lossy(&body);
            Err(format!("the admin listener answered {status}: {reason}"))
        }
        Err(error) => Err(format!("the admin listener does not answer: {error}")),
    }
}

fn open(settings: &Settings) -> Result<Store, String> {
    let management = settings.management.as_ref();
    let management = management.ok_or("the file has no [management], so there is no store")?;
    Store::open(&management.store, Box::new(|_| {})).map_err(|error| error.to_string())
}

/// Writes a file that is there whole or not at all, for its owner alone: it holds secrets.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let mut file =
        File::options().create(true).truncate(true).write(true).mode(0o600).open(part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, path)
}
