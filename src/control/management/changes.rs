//! What the data plane must know of: stages whose deployment or settings changed, and custom
//! domain names.
//!
//! The seam to whoever compiles plans: commits become [`Change`]s by the keys that they wrote, so no
//! operation can forget to tell. An answer waits until what it changed is in force
//! ([`Progress::all_in_force`]), so that a client may call at once what it has deployed.
//! [`DeployedStore::load`] reads what a stage serves now,
//! [`DeployedStore::load_domain`] where a domain leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::lambda::{FoundFunction, find_function};
use super::rest::TEST_STAGE;
use super::service::Service;
use super::stored_domain::{StoredDomain, load_client_certificate};
use crate::model::FunctionName;
use crate::store::{Document, Key, Store, StoreError};
use crate::tls::CertificateText;

/// Something that may be another now, or gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// What a stage serves.
    Stage(StageChange),
    /// A REST API itself: where it may be reached from, which no deployment freezes.
    Api(ApiChange),
    /// A domain: itself, its mappings or its rules.
    Domain(DomainChange),
    /// A function: itself, a version, an alias or a policy of it.
    Function(FunctionChange),
}

/// A stage that may serve something else now, or is gone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct StageChange {
    pub(crate) region: String,
    /// Which generation its API is of.
    pub(super) service: Service,
    pub(crate) api_id: String,
    pub(crate) stage_name: String,
}

/// A REST API whose endpoint may be another now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiChange {
    pub(crate) region: String,
    pub(crate) api_id: String,
}

/// A custom domain name that may lead elsewhere now, or is gone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct DomainChange {
    pub(crate) region: String,
    pub(crate) name: String,
}

/// A function that may be another now, or gone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct FunctionChange {
    pub(crate) region: String,
    pub(crate) name: String,
}

/// What a stage serves: all that a plan is compiled from.
#[derive(Clone, Debug)]
pub(crate) struct DeployedStage {
    pub(crate) stage: Document,
    /// The API as it is now.
    pub(crate) api: Option<Document>,
    /// The frozen copy that its deployment made, if it has one.
    pub(crate) snapshot: Option<Document>,
    /// The frozen copy of its canary, if it has one.
    pub(crate) canary_snapshot: Option<Document>,
}

/// Tells of changes, for [`Changes`].
#[derive(Debug)]
pub(super) struct ChangeTeller {
    outbox: mpsc::UnboundedSender<Change>,
    progress: Arc<Progress>,
}

/// Changes in the order of their commits.
#[derive(Debug)]
pub(crate) struct Changes {
    inbox: mpsc::UnboundedReceiver<Change>,
    taken_count: u64,
    progress: Arc<Progress>,
}

/// How far the data plane has come with what it was told.
#[derive(Debug, Default)]
pub(super) struct Progress {
    told_count: AtomicU64,
    in_force_count: watch::Sender<u64>,
}

/// Both ends of a line of changes.
pub(super) fn changes() -> (ChangeTeller, Changes) {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let progress = Arc::new(Progress::default());
    let teller = ChangeTeller { outbox, progress: Arc::clone(&progress) };
    (teller, Changes { inbox, taken_count: 0, progress })
}

impl ChangeTeller {
    /// Tells what a commit changed by the keys that it wrote.
    pub(super) fn tell(&self, keys: &[Key]) {
        let changes = changes_of(keys);
        self.progress.told_count.fetch_add(changes.len() as u64, Ordering::Release);
        for change in changes {
            // Nobody listens any more once the process ends.
            let _ = self.outbox.send(change);
        }
    }

    /// What tells how far its changes have come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Changes {
    /// The next change with all that have come by then, each once; `None` once the store is gone. To
    /// be asked when those of the last call are in force.
    pub(crate) async fn next(&mut self) -> Option<Vec<Change>> {
        self.progress.in_force_count.send_replace(self.taken_count);
        let mut changes = vec![self.inbox.recv().await?];
        self.taken_count += 1;
        while let Ok(change) = self.inbox.try_recv() {
            self.taken_count += 1;
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        Some(changes)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // Nothing will come into force any more that somebody could wait for.
        self.progress.in_force_count.send_replace(u64::MAX);
    }
}

impl Progress {
    /// Waits until all that was told by now is in force, or was refused; not for ever, as a shard may
    /// be busy or a reload under way.
    pub(super) async fn all_in_force(&self) {
        let told_count = self.told_count.load(Ordering::Acquire);
        let mut in_force_count = self.in_force_count.subscribe();
        let reached = in_force_count.wait_for(|count| *count >= told_count);
        // Its sender is in `self`, so that it only ends as it should, or late.
        let _ = tokio::time::timeout(IN_FORCE_PATIENCE, reached).await;
    }
}

/// How long an answer may wait for what it changed.
const IN_FORCE_PATIENCE: Duration = Duration::from_secs(5);

/// What is deployed, as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct DeployedStore(Store);

impl DeployedStore {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    /// All stages that there are, for the start: as if each had just changed.
    pub(crate) fn stages(&self) -> Result<Vec<StageChange>, StoreError> {
        let keys = self.0.snapshot()?.keys()?;
        Ok(keys.iter().filter_map(stage_change).collect())
    }

    /// All domains that there are, for the start: as if each had just changed.
    pub(crate) fn domains(&self) -> Result<Vec<DomainChange>, StoreError> {
        let keys = self.0.snapshot()?.keys()?;
        let mut changes: Vec<_> = keys.iter().filter_map(domain_change).collect();
        changes.dedup();
        Ok(changes)
    }

    /// Where the domain leads to now; `None` if it is gone.
    pub(crate) fn load_domain(
        &self,
        change: &DomainChange,
    ) -> Result<Option<StoredDomain>, StoreError> {
        StoredDomain::load(&self.0.snapshot()?, &change.region, &change.name)
    }

    /// What the gateway shows to targets of stages that name this client certificate; `None` if it
    /// is gone.
    pub(crate) fn load_client_certificate(
        &self,
        region: &str,
        id: &str,
    ) -> Result<Option<CertificateText>, StoreError> {
        load_client_certificate(&self.0.snapshot()?, region, id)
    }

    /// The function of the account that `name` stands for in a region, if it is stored.
    pub(crate) fn find_function(
        &self,
        region: &str,
        account_id: &str,
        name: &FunctionName,
    ) -> Result<Option<FoundFunction>, StoreError> {
        let snapshot = self.0.snapshot()?;
        find_function(|key| snapshot.get(key), (region, account_id), name)
    }

    /// The ARNs by which the settings may name where a VPC link of a region leads: its own, and those
    /// of its targets.
    pub(crate) fn vpc_link_arns(&self, region: &str, id: &str) -> Result<Vec<String>, StoreError> {
        let own = format!("arn:aws:apigateway:{region}::/vpclinks/{id}");
        let snapshot = self.0.snapshot()?;
        let link = snapshot.get(&Key::new(&[region, "vpclinks", id]))?;
        let targets = link.as_ref().and_then(|link| link.get("targetArns")?.as_array());
        let targets = targets.into_iter().flatten().filter_map(|arn| arn.as_str());
        Ok([own].into_iter().chain(targets.map(str::to_owned)).collect())
    }

    /// What the stage serves now; `None` if it is gone.
    pub(crate) fn load(&self, change: &StageChange) -> Result<Option<DeployedStage>, StoreError> {
        let snapshot = self.0.snapshot()?;
        let api = api_key(change);
        let Some(stage) = snapshot.get(&api.child("stages").child(&change.stage_name))? else {
            return Ok(None);
        };
        let deployed = |id: Option<&serde_json::Value>| match id.and_then(|id| id.as_str()) {
            Some(id) => snapshot.get(&api.child("snapshots").child(id)),
            None => Ok(None),
        };
        let canary = stage.get("canarySettings").and_then(|canary| canary.get("deploymentId"));
        let (canary_snapshot, serves) = (deployed(canary)?, deployed(stage.get("deploymentId"))?);
        let api = snapshot.get(&api)?;
        Ok(Some(DeployedStage { stage, api, snapshot: serves, canary_snapshot }))
    }
}

impl StageChange {
    /// The stage that there is for the time of a test.
    pub(crate) fn of_test(region: &str, api_id: &str) -> Self {
        Self {
            region: region.to_owned(),
            service: Service::Rest,
            api_id: api_id.to_owned(),
            stage_name: TEST_STAGE.to_owned(),
        }
    }

    /// Whether its API is a REST API.
    pub(crate) fn is_rest(&self) -> bool {
        self.service != Service::Http
    }
}

fn api_key(change: &StageChange) -> Key {
    match change.service {
        Service::Http => Key::new(&[&change.region, "v2", "apis", &change.api_id]),
        Service::Rest | Service::Connections | Service::Lambda => {
            Key::new(&[&change.region, "restapis", &change.api_id])
        }
    }
}

/// What the keys of a commit change; each domain once.
fn changes_of(keys: &[Key]) -> Vec<Change> {
    let mut changes = Vec::new();
    for key in keys {
        let change = stage_change(key)
            .map(Change::Stage)
            .or_else(|| api_change(key).map(Change::Api))
            .or_else(|| domain_change(key).map(Change::Domain))
            .or_else(|| function_change(key).map(Change::Function));
        changes.extend(change.filter(|change| !changes.contains(change)));
    }
    changes
}

fn stage_change(key: &Key) -> Option<StageChange> {
    let segments: Vec<&str> = key.segments().collect();
    let (region, service, api_id, stage_name) = match segments[..] {
        [region, "restapis", api, "stages", stage] => (region, Service::Rest, api, stage),
        [region, "v2", "apis", api, "stages", stage] => (region, Service::Http, api, stage),
        _ => return None,
    };
    Some(StageChange {
        region: region.to_owned(),
        service,
        api_id: api_id.to_owned(),
        stage_name: stage_name.to_owned(),
    })
}

fn api_change(key: &Key) -> Option<ApiChange> {
    let segments: Vec<&str> = key.segments().collect();
    let [region, "restapis", api_id] = segments[..] else { return None };
    Some(ApiChange { region: region.to_owned(), api_id: api_id.to_owned() })
}

impl ApiChange {
    /// Whether the stage is one of its own.
    pub(crate) fn is_of(&self, stage: &StageChange) -> bool {
        stage.is_rest() && stage.region == self.region && stage.api_id == self.api_id
    }
}

/// A domain has its mappings and rules under it.
fn domain_change(key: &Key) -> Option<DomainChange> {
    let mut segments = key.segments();
    let (region, kind, name) = (segments.next()?, segments.next()?, segments.next()?);
    let change = || DomainChange { region: region.to_owned(), name: name.to_owned() };
    (kind == "domainnames").then(change)
}

/// Its code lies under it too, and is only written with it.
fn function_change(key: &Key) -> Option<FunctionChange> {
    let segments: Vec<&str> = key.segments().collect();
    let (region, name) = match segments[..] {
        [region, "functions", name]
        | [region, "functions", name, "aliases" | "policies" | "versions", _] => (region, name),
        _ => return None,
    };
    Some(FunctionChange { region: region.to_owned(), name: name.to_owned() })
}

impl FunctionChange {
    /// Whether a name in something of `region` means this function, whatever version of it.
    pub(crate) fn is_meant_by(&self, name: &FunctionName, region: &str) -> bool {
        let region = name.place.as_ref().map_or(region, |place| &place.region);
        self.name == name.name && self.region == region
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_loaded_with_the_copies_that_it_points_to() {
        let store = Store::in_memory(Box::new(|_| {})).expect("a store");
        let api = Key::new(&["r", "restapis", "a"]);
        let written = store.transact(|transaction| {
            let mut put = |key: Key, value: serde_json::Value| {
                transaction.put(key, value.as_object().cloned().unwrap_or_default());
            };
            let stage =
                serde_json::json!({"deploymentId": "d", "canarySettings": {"deploymentId": "c"}});
            put(api.child("stages").child("prod"), stage);
            put(api.child("snapshots").child("d"), serde_json::json!({"resources": {}}));
            Ok::<_, StoreError>(())
        });
        written.expect("written");
        let changes = DeployedStore::new(store.clone());
        let stages = changes.stages().expect("read");
        assert_eq!(stages.len(), 1);
        let deployed = changes.load(&stages[0]).expect("read").expect("it is there");
        assert!(deployed.snapshot.is_some() && deployed.canary_snapshot.is_none());
        store.clear().expect("cleared");
        assert!(changes.load(&stages[0]).expect("read").is_none());
    }

    #[test]
    fn stages_are_told_apart_from_everything_else() {
        let keys = [
            Key::new(&["r", "restapis", "a", "stages", "prod"]),
            Key::new(&["r", "restapis", "a", "deployments", "d"]),
            Key::new(&["r", "v2", "apis", "b", "stages", "$default"]),
            Key::new(&["r", "v2", "apis", "b"]),
        ];
        let changes: Vec<_> = keys.iter().filter_map(stage_change).collect();
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].api_id.as_str(), changes[0].stage_name.as_str()), ("a", "prod"));
        assert_eq!(
            (changes[1].service, changes[1].stage_name.as_str()),
            (Service::Http, "$default")
        );
    }

    #[tokio::test]
    async fn what_is_told_is_waited_for_until_the_next_is_asked_for() {
        let (teller, mut changes) = changes();
        let progress = teller.progress();
        progress.all_in_force().await;
        let stage = |name| Key::new(&["r", "restapis", "a", "stages", name]);
        teller.tell(&[stage("x"), stage("y"), Key::new(&["r", "apikeys", "k"])]);
        teller.tell(&[stage("x")]);
        assert_eq!(changes.next().await.expect("told").len(), 2, "each once");
        let waits = tokio::spawn({
            let progress = Arc::clone(&progress);
            async move { progress.all_in_force().await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished(), "they are taken and not in force");
        drop(teller);
        assert!(changes.next().await.is_none());
        waits.await.expect("it ends");
        drop(changes);
        progress.all_in_force().await;
    }

    #[test]
    fn a_commit_changes_each_domain_once() {
        let domain = |more: &[&str]| Key::new(&[&["r", "domainnames", "a.b"], more].concat());
        let keys = [
            domain(&[]),
            Key::new(&["r", "restapis", "a", "stages", "prod"]),
            domain(&["basepathmappings", "x/y"]),
            domain(&["routingrules", "r1"]),
            Key::new(&["r", "domainnameaccessassociations", "x"]),
            Key::new(&["r", "restapis", "a"]),
            Key::new(&["r", "restapis", "a", "resources", "b"]),
            Key::new(&["r", "v2", "apis", "a"]),
        ];
        let changes = changes_of(&keys);
        let expected = DomainChange { region: "r".into(), name: "a.b".into() };
        assert_eq!(changes[0], Change::Domain(expected));
        let (Change::Stage(stage), Change::Api(api)) = (&changes[1], &changes[2]) else {
            panic!("{changes:?}");
        };
        assert!(api.is_of(stage));
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn a_commit_changes_each_function_once() {
        let function = |more: &[&str]| Key::new(&[&["r", "functions", "f"], more].concat());
        let keys = [
            function(&["zips", "00ff", "00000"]),
            function(&["zips", "00ff"]),
            function(&[]),
            function(&["versions", "1"]),
            function(&["aliases", "live"]),
            function(&["policies", "$LATEST"]),
        ];
        let change = FunctionChange { region: "r".into(), name: "f".into() };
        assert_eq!(changes_of(&keys), [Change::Function(change.clone())]);
        assert_eq!(changes_of(&keys[..2]), []);
        for (name, region, is_meant) in [
            ("f:live", "r", true),
            ("f", "s", false),
            ("g", "r", false),
            ("arn:aws:lambda:r:111111111111:function:f:1", "s", true),
        ] {
            let name = FunctionName::parse(name).expect("a name");
            assert_eq!(change.is_meant_by(&name, region), is_meant, "{name}");
        }
    }
}
