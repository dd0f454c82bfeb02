//! A management API without its listener, for tests that run its operations.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{Call, Realm};
use super::changes::{DeployedStage, DeployedStore};
use super::error::ApiError;
use super::lambda::{CodeFolders, UploadedCode};
use super::operations::perform;
use super::options::Quotas;
use super::resource::Context;
use super::service::route;
use crate::store::{Document, Key, Store};

/// Operations on a store in memory.
pub(super) struct TestApi {
    store: Store,
    folder: tempfile::TempDir,
    folders: Arc<CodeFolders>,
}

impl TestApi {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Arc::new(CodeFolders::beside(&folder.path().join("state")));
        Self { store: Store::in_memory(Box::new(|_| {})).expect("a store"), folder, folders }
    }

    /// Runs the operation of a request.
    pub(super) fn try_run(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Document, ApiError> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: Vec<_> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let routed = route(method, path, &query).expect("an operation");
        let realm = Realm { region: "us-east-1".into(), account_id: "111111111111".into() };
        let mut call = Call::parse(routed, realm, query, body.to_string().as_bytes())?;
        let code = UploadedCode::take(&mut call, &self.folders, true)?;
        let quotas = Quotas::default();
        let answer = self.store.transact(|transaction| {
            let (call, quotas, code) = (&call, &quotas, code.as_ref());
            perform(&mut Context { transaction, call, now: 1, order: 1, quotas, code })
        })?;
        Ok(match answer {
            Answer::Document(document) => document,
            Answer::Empty | Answer::Invocation(_) | Answer::Call(_) => Document::new(),
        })
    }

    /// Runs it, which must succeed.
    #[track_caller]
    pub(super) fn run(&self, method: &str, path: &str, body: Value) -> Document {
        let answer = self.try_run(method, path, &body);
        answer.unwrap_or_else(|error| panic!("{method} {path} {body}: {error:?}"))
    }

    /// Runs it, which must be refused and change nothing.
    #[track_caller]
    pub(super) fn refused(&self, method: &str, path: &str, body: Value) -> ApiError {
        let before = self.documents();
        let answer = self.try_run(method, path, &body);
        assert_eq!(self.documents(), before, "{method} {path} {body} changed something");
        answer.err().unwrap_or_else(|| panic!("{method} {path} {body} was done"))
    }

    /// Runs it, and returns the text under `name` in its answer.
    #[track_caller]
    pub(super) fn make(&self, path: &str, name: &str, body: Value) -> String {
        let made = self.run("POST", path, body);
        made.get(name).and_then(Value::as_str).expect("a text").to_owned()
    }

    #[track_caller]
    pub(super) fn patch(&self, path: &str, operations: &[(&str, &str, &str)]) {
        self.run("PATCH", path, patch_body(operations));
    }

    /// What the only stage there is serves.
    #[track_caller]
    pub(super) fn deployed(&self) -> DeployedStage {
        let mut all = self.all_deployed();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// The store itself.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Where code is unpacked.
    pub(super) fn folders(&self) -> &Arc<CodeFolders> {
        &self.folders
    }

    /// A folder of this test.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What every stage serves.
    pub(super) fn all_deployed(&self) -> Vec<DeployedStage> {
        let deployed = DeployedStore::new(self.store.clone());
        let stages = deployed.stages().expect("read");
        let load = |stage| deployed.load(stage).expect("read").expect("it is there");
        stages.iter().map(load).collect()
    }

    /// All that is stored.
    fn documents(&self) -> Vec<(Key, Option<Document>)> {
        let snapshot = self.store.snapshot().expect("a snapshot");
        let keys = snapshot.keys().expect("read").into_iter();
        keys.map(|key| (key.clone(), snapshot.get(&key).expect("read"))).collect()
    }
}

/// The body of a request that patches: operation, path and value of each.
pub(super) fn patch_body(operations: &[(&str, &str, &str)]) -> Value {
    let operation =
        |(op, path, value): &(&str, &str, &str)| json!({"op": op, "path": path, "value": value});
    json!({ "patchOperations": operations.iter().map(operation).collect::<Vec<_>>() })
}
