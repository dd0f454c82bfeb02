//! Attempts at a directory that nobody answers for, under a clock that stands still.

use std::net::TcpListener;

use super::*;
use crate::tls::ServerRoots;

const NOW: Seconds = 1_800_000_000;

/// A task of one domain, and the folder that its storage is in.
fn running() -> (Running, tempfile::TempDir) {
    let storage = tempfile::tempdir().expect("a folder");
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    let folder = storage.path().join("directory");
    let acme = Acme {
        directory_url: format!("https://{address}/dir"),
        contacts: Vec::new(),
        account_file: folder.join("account.json"),
        folder: folder.clone(),
        roots: ServerRoots::Mozilla,
        renew_before_days: 30,
        challenge: AcmeChallenge::Http01,
    };
    let states = Arc::new(AcmeStates::default());
    states.keep(&["a.example".to_owned()]);
    let worker = Worker {
        acme,
        domains: vec![Ordered {
            names: vec!["a.example".to_owned()],
            file: folder.join("a.example.pem"),
        }],
        challenges: Arc::new(AcmeChallenges::new()),
        states,
        clock: Clock::fixed(NOW.unsigned_abs()),
        on_issued: Arc::new(|| panic!("nothing is issued")),
    };
    let plans = vec![Plan::default()];
    let chance = Chance::default();
    (Running { worker, plans, https: None, account: None, chance }, storage)
}

#[tokio::test]
async fn each_failure_in_a_row_is_waited_for_longer() {
    let (mut running, _storage) = running();
    for (failures, wait) in [(1, 300), (2, 600), (3, 1_200)] {
        running.attend(0).await;
        let (_, due) = running.next().expect("one domain");
        let waits = due - NOW;
        assert!((wait..=wait * 6 / 5).contains(&waits), "{waits} s after {failures} failures");
        let [state] = running.worker.states.get().try_into().expect("one domain");
        assert_eq!((state.failed_in_row, state.next_order), (failures, due));
        let error = state.last_error.expect("a reason");
        assert!(error.contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_storage_that_another_process_works_on_is_waited_for_and_no_failure() {
    let (mut running, _storage) = running();
    let held = StoreLock::try_take(&running.worker.acme.folder).expect("a folder").expect("free");
    running.attend(0).await;
    assert_eq!(running.next(), Some((0, NOW + LOCK_PERIOD)));
    assert_eq!(running.worker.states.get()[0].failed, 0);
    drop(held);
    running.attend(0).await;
    assert_eq!(running.worker.states.get()[0].failed, 1);
}
