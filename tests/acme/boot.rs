//! A boot file, its storage, and the watch that orders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair};
use shardgate::control::{AcmeState, AcmeWatch, TlsInForce};
use shardgate::model::{Acme, Model, Tls};
use shardgate::settings;
use shardgate::tls::{CertificateFacts, Clock};
use tokio::sync::mpsc;

use crate::front::Fronts;
use crate::pebble::Pebble;

pub(crate) struct Ordering {
    storage: tempfile::TempDir,
    keys: String,
    model: Model,
    issued: (mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<()>),
}

impl Ordering {
    /// One that orders at `pebble` a certificate for `names`; `keys` are more of `[acme]`.
    pub(crate) fn new(pebble: &Pebble, keys: &str, names: &str) -> Self {
        Self::at(pebble.directory_url(), &pebble.ca_file(), keys, names)
    }

    pub(crate) fn at(directory_url: &str, ca_file: &Path, keys: &str, names: &str) -> Self {
        let storage = tempfile::tempdir().expect("a folder");
        let keys = format!(
            "directory_url = {directory_url:?}\nca_file = {ca_file:?}\n\
             storage_folder = {:?}\nterms_agreed = true\n{keys}",
            storage.path()
        );
        let model = read(&keys, names);
        Self { storage, keys, model, issued: mpsc::unbounded_channel() }
    }

    pub(crate) fn change_names(&mut self, names: &str) {
        self.model = read(&self.keys, names);
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.model.tls
    }

    /// Begins to order, with answers at `fronts`.
    pub(crate) fn watch(&self, fronts: &Fronts) -> AcmeWatch {
        let issued = self.issued.0.clone();
        let watch = AcmeWatch::new(fronts.challenges(), Clock::system(), move || {
            issued.send(()).expect("the test waits");
        });
        watch.watch(self.tls());
        watch
    }

    /// Waits until a certificate is to be brought into force.
    pub(crate) async fn wait_issued(&mut self) {
        let issued = tokio::time::timeout(HANG_GUARD, self.issued.1.recv()).await;
        issued.expect("a certificate is issued").expect("the sender is ours");
    }

    /// How often that was said and not waited for.
    pub(crate) fn issued_count(&self) -> usize {
        self.issued.1.len()
    }

    /// What a load of the files of TLS brings into force.
    pub(crate) fn loaded_certificate(&self) -> Option<CertificateFacts> {
        let loaded = TlsInForce::load(&self.model, None, &Clock::system()).expect("no mistake");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let domain = loaded.value.server.select(Some("api.test"), Some(0)).cloned();
        Some(domain?.certificates.first()?.facts.clone())
    }

    pub(crate) fn storage(&self) -> &Path {
        self.storage.path()
    }

    pub(crate) fn certificate_file(&self, name: &str) -> PathBuf {
        Acme::certificate_file(&self.acme().folder, name)
    }

    pub(crate) fn account_file(&self) -> PathBuf {
        self.acme().account_file.clone()
    }

    fn acme(&self) -> &Acme {
        self.model.tls.acme.as_ref().expect("[acme] is there")
    }
}

fn read(keys: &str, names: &str) -> Model {
    let text = format!(
        "[acme]\n{keys}\n[[domain]]\nnames = {names}\nacme = true\n\
         [[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\ntls = true\n\
         [[api]]\nname = \"a\"\nroute = [{{ key = \"$default\", mock = {{}} }}]\n"
    );
    match settings::parse("gateway.toml", &text) {
        Ok(settings) => settings.model,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// Waits until the first order has failed.
pub(crate) async fn failed(watch: &AcmeWatch) -> AcmeState {
    wait(watch, |state| state.failed > 0).await.remove(0)
}

/// Waits until the task has looked at the storage.
pub(crate) async fn planned(watch: &AcmeWatch) -> Vec<AcmeState> {
    wait(watch, |state| state.next_order > 0).await
}

/// The task tells nobody of what is no certificate, so it is looked at after each of its turns.
async fn wait(watch: &AcmeWatch, is_so: impl Fn(&AcmeState) -> bool) -> Vec<AcmeState> {
    let looked = async {
        loop {
            let states = watch.states();
            if states.iter().all(&is_so) {
                return states;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANG_GUARD, looked).await.expect("the state comes")
}

/// A certificate with its key that is good for two days more.
pub(crate) fn near_its_end(name: &str) -> String {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let days = |days: i64| Duration::from_secs(days.unsigned_abs() * 86_400);
    params.not_before = (SystemTime::now() - days(88)).into();
    params.not_after = (SystemTime::now() + days(2)).into();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    key.serialize_pem() + &certificate.pem()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// As though written long ago.
pub(crate) fn write_secret(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the mode is set");
    let file = fs::File::options().write(true).open(path).expect("there");
    let long_ago = SystemTime::now() - Duration::from_secs(3_600);
    file.set_modified(long_ago).expect("the time is set");
}

pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end")
}

const HANG_GUARD: Duration = Duration::from_secs(60);
