//! What is kept between starts: certificates with their keys, and the account. Every file is a
//! secret (mode 0600) and is replaced whole or not at all.
//!
//! Certificate and key are one file, so that no crash leaves the one of before beside the other of
//! after.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::UnixTime;

use super::error::AcmeError;
use crate::tls::{Certificate, CertificateFacts, CertificateFiles, TlsProblem};

/// Makes a folder that nobody else may look into, with those above it.
pub(super) fn make_folder(folder: &Path) -> Result<(), AcmeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(AcmeError::of_file(folder))
}

/// Keeps a second process with the same storage from ordering at the same time: a predecessor or a
/// successor, or another machine. Let go when dropped, or when the process ends.
#[derive(Debug)]
pub(super) struct StoreLock(#[expect(dead_code, reason = "it is held")] File);

impl StoreLock {
    /// `None` while another process has it.
    pub(super) fn try_take(folder: &Path) -> Result<Option<Self>, AcmeError> {
        make_folder(folder)?;
        let path = folder.join("lock");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(AcmeError::of_file(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(AcmeError::of_file(&path)(error)),
        }
    }
}

/// Replaces the file at `path`: what is there afterwards, whatever happens, is the old bytes or the
/// new ones.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
    let new = write_beside(path, bytes).map_err(AcmeError::of_file(path))?;
    put_in_place(&new, path).map_err(AcmeError::of_file(path))
}

/// Keeps a certificate that was issued, if clients of all `names` can accept it; what is there
/// stays if not.
pub(super) fn keep_certificate(
    path: &Path,
    pem: &[u8],
    names: &[String],
    now: UnixTime,
) -> Result<CertificateFacts, AcmeError> {
    let new = write_beside(path, pem).map_err(AcmeError::of_file(path))?;
    match check_certificate(&new, names, now) {
        Ok(facts) => {
            put_in_place(&new, path).map_err(AcmeError::of_file(path))?;
            Ok(facts)
        }
        Err(problem) => {
            // It is overwritten by the next one if it stays.
            let _ = fs::remove_file(&new);
            Err(AcmeError::Tls(TlsProblem { file: None, ..problem }))
        }
    }
}

fn check_certificate(
    path: &Path,
    names: &[String],
    now: UnixTime,
) -> Result<CertificateFacts, TlsProblem> {
    let facts = Certificate::load(&CertificateFiles::of_one(path), now)?.value.facts;
    if let Some(name) = names.iter().find(|name| !facts.covers(name)) {
        return Err(TlsProblem::new(format!("the certificate that was issued is not for {name}")));
    }
    if facts.seconds_left(now) <= 0 {
        return Err(TlsProblem::new("the certificate that was issued has expired already"));
    }
    Ok(facts)
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Never through a link that somebody left there, and never readable for a moment.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(new)
}

fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    fs::rename(new, path)?;
    // The name is on the disk only once its folder is.
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    fn issued(names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let issued = rcgen::generate_simple_self_signed(names).expect("a certificate");
        issued.signing_key.serialize_pem() + &issued.cert.pem()
    }

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000))
    }

    #[test]
    fn files_are_secret_and_replaced_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        make_folder(&inner).expect("made");
        make_folder(&inner).expect("made again");
        assert_eq!(mode(&inner), 0o700);
        let path = inner.join("account.json");
        replace(&path, b"one").expect("written");
        fs::write(inner.join(".account.json.new"), "left by a crash").expect("written");
        replace(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(&inner).expect("a folder").count(), 1, "nothing is left");
    }

    #[test]
    fn a_link_is_not_written_through() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, victim) = (folder.path().join("key"), folder.path().join("victim"));
        fs::write(&victim, "mine").expect("written");
        std::os::unix::fs::symlink(&victim, folder.path().join(".key.new")).expect("linked");
        replace(&path, b"secret").expect("written");
        assert_eq!(fs::read(&victim).expect("there"), b"mine");
        assert_eq!(fs::read(&path).expect("there"), b"secret");
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = StoreLock::try_take(folder.path()).expect("a folder").expect("free");
        assert!(StoreLock::try_take(folder.path()).expect("a folder").is_none());
        drop(first);
        assert!(StoreLock::try_take(folder.path()).expect("a folder").is_some());
    }

    #[test]
    fn a_certificate_that_is_no_good_does_not_take_the_place_of_one_that_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.example.pem");
        let names = ["a.example".to_owned(), "b.example".to_owned()];
        let good = issued(&["a.example", "b.example"]);
        let facts = keep_certificate(&path, good.as_bytes(), &names, now()).expect("good");
        assert_eq!(facts.names, names);
        assert_eq!(mode(&path), 0o600);
        let (other, key) = (issued(&["a.example", "b.example"]), issued(&["c.example"]));
        let other_key = key.split("-----BEGIN CERTIFICATE").next().expect("a key");
        let certificate = other.split_once("-----END PRIVATE KEY-----\n").expect("a key").1;
        let late = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799));
        for (bad, now, reason) in [
            (issued(&["a.example"]), now(), "not for b.example"),
            (format!("{other_key}{certificate}"), now(), "not that of the first certificate"),
            (certificate.to_owned(), now(), "no private key"),
            (String::new(), now(), "no certificate"),
            (issued(&["a.example", "b.example"]), late, "expired already"),
        ] {
            let error = keep_certificate(&path, bad.as_bytes(), &names, now).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("there"), good, "{reason}");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
