//! What std does not say about file systems.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Waits until everything of the file system that `file` is on is on disk: thousands of files at the
/// price of one.
pub fn sync_file_system(file: &File) -> io::Result<()> {
    // SAFETY: syncfs takes no pointers, and `file` is open for as long as it is borrowed.
    let result = unsafe { libc::syncfs(file.as_raw_fd()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_file_system() {
        let folder = tempfile::tempdir().expect("a folder");
        sync_file_system(&File::open(folder.path()).expect("opened")).expect("on disk");
    }
}
