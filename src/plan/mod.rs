//! Compiles a model into a [`Plan`]: the one immutable artifact that shards execute.
//!
//! Knows the model and nothing above it. A plan names state by dense slot; each shard owns the
//! state behind the slots and carries it over to the next epoch by the slot's key.

mod addresses;
mod base_paths;
mod compile;
pub mod deployed;
mod explain;
mod host_name;
mod hosts;
mod key_text;
mod router;
mod symbol;
mod tls;

pub use addresses::{
    Address, AddressForm, AddressMatch, AddressProblem, AddressQuery, AddressRefusal,
    AddressedStage, Addresses, HandshakeName,
};
pub use compile::{PlanError, compile};
pub use explain::{PathLookup, PlanExplanation, StageExplanation};
pub use hosts::{HostError, HostMatch, HostTable};
pub use router::{
    Candidate, CandidateKind, Explanation, PathSpans, Precedence, Router, RouterError, Verdict,
};
pub use tls::TlsPlan;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::deployed::{CanarySplit, DeployedStagePlan, HttpRoutePlan, MethodPlan};
use crate::model::{AccessLog, Forwarding, Limits, Listener, TargetGroup};
use crate::tls::UpstreamTls;

/// Dense index of a token bucket in [`StagePlan::throttles`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ThrottleSlot(pub u32);

/// Dense index of a target group in [`StagePlan::groups`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupSlot(pub u32);

/// Dense index of a function of this machine in [`StagePlan::functions`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FunctionSlot(pub u32);

/// What every shard executes. Immutable; one `Arc` per epoch.
#[derive(Debug)]
pub struct Plan {
    /// Grows by one with each plan that was published.
    pub epoch: u64,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Finds the stage of a deployed API, where APIs can be deployed; asked first.
    pub addresses: Option<Arc<Addresses>>,
    /// Finds the stage of an API of the boot file for a host and a path.
    pub hosts: Arc<HostTable>,
    /// The stages. [`Addresses`] and [`HostTable`] answer with indexes into this. A stage that did not change is the
    /// very one of the epoch before, and what a shard has made of it goes on.
    pub stages: Vec<Arc<StagePlan>>,
    /// Which stages have a canary, by their index; those behind its end have none.
    pub canaries: Vec<Option<CanarySplit>>,
    /// The limit over all stages together.
    pub account_throttle: Option<ThrottlePlan>,
    /// The target groups that stages name. Their name is the key of their state.
    pub groups: Vec<Arc<TargetGroup>>,
    /// See [`Limits`].
    pub limits: Limits,
    /// See [`Forwarding`].
    pub forwarding: Forwarding,
    /// See [`AccessLog`].
    pub access_log: Option<AccessLog>,
    /// See [`TlsPlan`]; empty as compiled, as a compiler reads no files.
    pub tls: TlsPlan,
}

/// What deployed APIs add to the plan of the boot file.
#[derive(Clone, Debug, Default)]
pub struct DeployedPlans {
    /// Their stages, in the order of the indexes that `addresses` answers with, counted on from the
    /// stages of the boot file.
    pub stages: Vec<Arc<StagePlan>>,
    /// Which of `stages` have a canary, by their place in it.
    pub canaries: Vec<Option<CanarySplit>>,
    /// The endpoints that they name, as target groups.
    pub groups: Vec<Arc<TargetGroup>>,
    /// How these are reached over TLS, by name.
    pub upstreams: BTreeMap<String, Arc<UpstreamTls>>,
    /// Where they are found; `None` where none can be deployed.
    pub addresses: Option<Arc<Addresses>>,
}

impl Plan {
    /// This plan with deployed APIs, as epoch `epoch`. Copies handles: what it takes grows with the
    /// number of stages and groups, not with what they hold.
    #[must_use]
    pub fn with_deployed(&self, epoch: u64, deployed: &DeployedPlans) -> Self {
        let none = self.stages.iter().map(|_| None);
        let upstreams = self.tls.upstreams.iter().chain(&deployed.upstreams);
        Self {
            epoch,
            listeners: self.listeners.clone(),
            addresses: deployed.addresses.clone(),
            hosts: Arc::clone(&self.hosts),
            stages: self.stages.iter().chain(&deployed.stages).cloned().collect(),
            canaries: none.chain(deployed.canaries.iter().copied()).collect(),
            account_throttle: self.account_throttle.clone(),
            groups: self.groups.iter().chain(&deployed.groups).cloned().collect(),
            limits: self.limits.clone(),
            forwarding: self.forwarding.clone(),
            access_log: self.access_log.clone(),
            tls: TlsPlan {
                upstreams: upstreams.map(|(name, tls)| (name.clone(), Arc::clone(tls))).collect(),
                ..self.tls.clone()
            },
        }
    }
}

impl Plan {
    /// A plan that serves one stage and nothing else, with the limits of this one.
    #[must_use]
    pub fn of_one_stage(
        &self,
        stage: Arc<StagePlan>,
        addresses: Addresses,
        groups: Vec<Arc<TargetGroup>>,
        upstreams: BTreeMap<String, Arc<UpstreamTls>>,
    ) -> Self {
        Self {
            epoch: 1,
            listeners: Vec::new(),
            addresses: Some(Arc::new(addresses)),
            hosts: Arc::default(),
            stages: vec![stage],
            canaries: Vec::new(),
            account_throttle: None,
            groups,
            limits: self.limits.clone(),
            forwarding: self.forwarding.clone(),
            access_log: None,
            tls: TlsPlan { upstreams, ..TlsPlan::default() },
        }
    }
}

/// One stage of one API. Names nothing outside of itself by index, so that it stays as it is
/// whatever happens to other stages.
#[derive(Debug)]
pub struct StagePlan {
    /// What it and its routes are called.
    pub labels: Arc<StageLabels>,
    /// Finds the route for a method and a path; answers with indexes into `routes`.
    pub router: Router,
    /// The routes.
    pub routes: Vec<RoutePlan>,
    /// The token buckets that routes name by slot.
    pub throttles: Vec<ThrottlePlan>,
    /// The names of the target groups that integrations name by slot.
    pub groups: Vec<Box<str>>,
    /// The names of the functions of this machine that integrations name by slot.
    pub functions: Vec<Box<str>>,
    /// What it is beside its routes, where it is of a deployed API.
    pub deployed: Option<Box<DeployedStagePlan>>,
}

/// What a stage and its routes are called, in metrics and logs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StageLabels {
    /// The API's id.
    pub api_id: Box<str>,
    /// The API's name.
    pub api_name: Box<str>,
    /// The stage's name.
    pub stage_name: Box<str>,
    /// The route keys as written, by index of the route.
    pub route_keys: Box<[Box<str>]>,
}

/// A token bucket's setting. The bucket's state survives epochs in which its key survives.
#[derive(Clone, Debug, PartialEq)]
pub struct ThrottlePlan {
    /// `account`, `stage:{api}/{stage}`, `route:{api}/{stage}/{route key}`: all keys of a stage have
    /// its API's id in them.
    pub key: Box<str>,
    /// Requests per second.
    pub rate_per_second: f64,
    /// Most requests at one instant.
    pub burst_count: u64,
}

/// One route, compiled.
#[derive(Debug)]
pub struct RoutePlan {
    /// What answers.
    pub integration: IntegrationPlan,
    /// The buckets that a request takes one token of, in the order in which they are asked
    /// (AWS: route, then stage; the account's comes after them), with their scope for the answer.
    pub throttles: Vec<(crate::base::ThrottleScope, ThrottleSlot)>,
    /// Longest body, in bytes.
    pub body_bytes_max: u64,
}

/// What answers a request, compiled.
#[derive(Debug)]
pub enum IntegrationPlan {
    /// A target group answers.
    Proxy(ProxyPlan),
    /// A fixed answer.
    Mock(MockPlan),
    /// Sends the client elsewhere.
    Redirect(RedirectPlan),
    /// A method of a deployed REST API.
    Method(Box<MethodPlan>),
    /// A route of a deployed HTTP API.
    HttpRoute(Box<HttpRoutePlan>),
}

/// Forwards to a target group, compiled.
#[derive(Debug)]
pub struct ProxyPlan {
    /// The target group.
    pub group: GroupSlot,
    /// The path that targets see.
    pub path: PathProgram,
    /// The Host that targets see.
    pub host: HostProgram,
    /// From the request's last byte sent to the answer's first byte.
    pub timeout_ms: u64,
}

/// The path that targets see.
#[derive(Clone, Debug, PartialEq)]
pub enum PathProgram {
    /// The client's path, without base path and stage.
    AsReceived,
    /// Pieces put together; the client's query follows.
    Template(Vec<TemplatePiece>),
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePiece {
    /// Text as it is.
    Literal(Box<[u8]>),
    /// The raw (still percent-encoded) value of the route's path parameter with this index, in
    /// the order of the route key.
    Parameter(usize),
    /// The request's host, without port.
    Host,
    /// The request's path as it came.
    Path,
    /// The request's query with its `?`, or nothing.
    Query,
}

/// The Host that targets see.
#[derive(Clone, Debug, PartialEq)]
pub enum HostProgram {
    /// The client's own.
    AsReceived,
    /// The target's address, as `host:port`.
    Target,
    /// A fixed one.
    Fixed(Box<[u8]>),
}

/// A fixed answer, compiled: only the request id and `Connection` are added when it is sent.
#[derive(Debug)]
pub struct MockPlan {
    /// The status code.
    pub status: u16,
    /// Status line and field lines, each ended by CRLF, `Content-Length` included, without the
    /// empty line that ends a head. A 204 or 304 has no `Content-Length`.
    pub head: Box<[u8]>,
    /// The body.
    pub body: Box<[u8]>,
}

/// A redirect, compiled.
#[derive(Debug)]
pub struct RedirectPlan {
    /// The status code.
    pub status: u16,
    /// The `Location`.
    pub location: Vec<TemplatePiece>,
}
