//! One deployed stage: from its documents to its plan.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::BootFacts;
use crate::control::management::{
    BoundEndpoint, BoundFunction, DeployedStage, DeployedStore, FoundFunction, FunctionChange,
    FunctionWay, Invocation, ManagementOptions, StageChange,
};
use crate::model::http_api::{HttpApi, HttpStage};
use crate::model::rest_api::{RestApi, RestStage};
use crate::model::{
    ApiProtocol, Document, EndpointAccessMode, EndpointType, FunctionName, SourceArn,
};
use crate::plan::StagePlan;
use crate::plan::deployed::{
    CompiledStage, DeployedApi, DeployedContext, FunctionEndpoint, FunctionPlace, Origin,
    OriginTls, PrivateTarget, compile_deployed, compile_undeployed,
};

/// A stage, compiled, with what its address is made of.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) plan: Arc<StagePlan>,
    /// Its canary, with the percentage of requests that it takes.
    pub(super) canary: Option<(f64, Arc<StagePlan>)>,
    /// The endpoints that both name.
    pub(super) origins: Vec<Origin>,
    /// The functions that both name.
    pub(super) functions: BTreeSet<FunctionName>,
    pub(super) protocol: ApiProtocol,
    pub(super) is_default_endpoint_disabled: bool,
    pub(super) endpoint_type: EndpointType,
    pub(super) access_mode: EndpointAccessMode,
}

impl Stage {
    /// Whether it names the function; `key` is what it is kept under.
    pub(super) fn names(&self, function: &FunctionChange, key: &StageChange) -> bool {
        self.functions.iter().any(|name| function.is_meant_by(name, &key.region))
    }
}

/// Compiles stages.
pub(super) struct StageCompiler<'c> {
    pub(super) store: &'c DeployedStore,
    pub(super) options: &'c ManagementOptions,
    pub(super) boot: &'c BootFacts,
}

impl StageCompiler<'_> {
    /// The stage as it is now; `None` if it is gone, or serves no deployment yet.
    pub(super) fn compile(&self, change: &StageChange) -> Result<Option<Stage>, String> {
        let deployed = self.store.load(change).map_err(|error| error.to_string())?;
        let Some(deployed) = deployed else { return Ok(None) };
        let Some(snapshot) = &deployed.snapshot else {
            return Ok((!change.is_rest()).then(|| self.undeployed(change)));
        };
        let stage = match change.is_rest() {
            true => self.rest(change, &deployed, snapshot)?,
            false => self.http(change, &deployed.stage, snapshot)?,
        };
        Ok(Some(stage))
    }

    /// The stage of a method that is called before it is deployed.
    pub(super) fn of_invocation(&self, invocation: &Invocation) -> Result<Stage, String> {
        let Invocation { region, api_id, stage, frozen, .. } = invocation;
        let (stage, api, canary_snapshot) = (stage.clone(), None, None);
        let deployed = DeployedStage { stage, api, snapshot: None, canary_snapshot };
        self.rest(&StageChange::of_test(region, api_id), &deployed, frozen)
    }

    fn rest(
        &self,
        change: &StageChange,
        deployed: &DeployedStage,
        snapshot: &Document,
    ) -> Result<Stage, String> {
        let stage = RestStage::read(&change.api_id, &deployed.stage);
        let stage = stage.map_err(|error| error.to_string())?;
        let api = RestApi::read(snapshot).map_err(|error| error.to_string())?;
        // Where it may be reached from is the API's of now: nobody who closes it means to wait for a
        // deployment.
        let now = deployed.api.as_ref().map(RestApi::read_alone).transpose();
        let now = now.map_err(|error| error.to_string())?;
        let endpoint = now.as_ref().unwrap_or(&api);
        let stage = &stage;
        let served = DeployedApi::Rest { api: &api, stage, is_canary: false };
        let mut functions = BTreeSet::new();
        let compiled = self.compile_with(change, served, &mut functions)?;
        let CompiledStage { plan, mut origins, .. } = compiled;
        let canary = stage.canary_settings.as_ref().zip(deployed.canary_snapshot.as_ref());
        let canary = canary.filter(|(settings, _)| settings.percent_traffic > 0.0);
        let canary = canary.map(|(settings, snapshot)| {
            let api = RestApi::read(snapshot).map_err(|error| error.to_string())?;
            let canary = DeployedApi::Rest { api: &api, stage, is_canary: true };
            let compiled = self.compile_with(change, canary, &mut functions)?;
            origins.extend(compiled.origins);
            Ok::<_, String>((settings.percent_traffic, Arc::new(compiled.plan)))
        });
        let types = &endpoint.endpoint_configuration.types;
        let canary = canary.transpose()?;
        Ok(Stage {
            plan: Arc::new(plan),
            canary,
            origins,
            functions,
            protocol: ApiProtocol::Rest,
            is_default_endpoint_disabled: api.disable_execute_api_endpoint,
            endpoint_type: types.first().copied().unwrap_or(EndpointType::Edge),
            access_mode: endpoint.endpoint_access_mode,
        })
    }

    fn http(
        &self,
        change: &StageChange,
        stage: &Document,
        snapshot: &Document,
    ) -> Result<Stage, String> {
        let stage = HttpStage::read(&change.api_id, stage).map_err(|error| error.to_string())?;
        let api = HttpApi::read(snapshot).map_err(|error| error.to_string())?;
        let served = DeployedApi::Http { api: &api, stage: &stage };
        let mut functions = BTreeSet::new();
        let compiled = self.compile_with(change, served, &mut functions)?;
        Ok(Stage {
            plan: Arc::new(compiled.plan),
            canary: None,
            origins: compiled.origins,
            functions,
            protocol: ApiProtocol::Http,
            is_default_endpoint_disabled: api.disable_execute_api_endpoint,
            endpoint_type: EndpointType::Regional,
            access_mode: EndpointAccessMode::Basic,
        })
    }

    /// A stage of an HTTP API may wait for its first deployment.
    fn undeployed(&self, change: &StageChange) -> Stage {
        let find_upstream = |_: PrivateTarget<'_>| None;
        let context = self.context(change, &find_upstream, &|_| None, &|_, _| true);
        let plan = compile_undeployed(&change.api_id, &change.stage_name, &context);
        Stage {
            plan: Arc::new(plan),
            canary: None,
            origins: Vec::new(),
            functions: BTreeSet::new(),
            protocol: ApiProtocol::Http,
            is_default_endpoint_disabled: false,
            endpoint_type: EndpointType::Regional,
            access_mode: EndpointAccessMode::Basic,
        }
    }

    fn context<'x>(
        &'x self,
        change: &'x StageChange,
        find_upstream: &'x dyn Fn(PrivateTarget<'_>) -> Option<String>,
        find_function: &'x dyn Fn(&FunctionName) -> Option<FunctionPlace>,
        may_invoke: &'x dyn Fn(&FunctionName, &SourceArn) -> bool,
    ) -> DeployedContext<'x> {
        DeployedContext {
            region: &change.region,
            account_id: &self.options.account_id,
            body_bytes_max: self.boot.limits.body_bytes_max,
            find_upstream,
            find_function,
            may_invoke,
        }
    }

    fn compile_with(
        &self,
        change: &StageChange,
        api: DeployedApi<'_>,
        functions: &mut BTreeSet<FunctionName>,
    ) -> Result<CompiledStage, String> {
        let named = RefCell::new(functions);
        let find_upstream = |target: PrivateTarget<'_>| self.upstream(&change.region, target);
        let find_function = |name: &FunctionName| {
            named.borrow_mut().insert(name.clone());
            self.function(name, &change.region)
        };
        let may_invoke =
            |name: &FunctionName, source: &SourceArn| self.may_invoke(name, &change.region, source);
        let context = self.context(change, &find_upstream, &find_function, &may_invoke);
        let compiled = compile_deployed(api, &context)?;
        for problem in &compiled.problems {
            let StageChange { api_id, stage_name, .. } = change;
            tracing::warn!(api_id, stage_name, "{problem}");
        }
        Ok(compiled)
    }

    /// Where calls of a function go: as the closest of the settings' names for it says.
    fn function(&self, name: &FunctionName, api_region: &str) -> Option<FunctionPlace> {
        let Some(bound) = self.bound_function(name) else {
            let stored = self.stored_function(name, api_region)?;
            return Some(FunctionPlace::Local(stored.function.name.to_string()));
        };
        let endpoint = match &bound.way {
            FunctionWay::Endpoint(endpoint) => endpoint,
            FunctionWay::Local(local) => return Some(FunctionPlace::Local(local.key())),
        };
        let BoundEndpoint { host, port, is_https, remote_name, signing } = endpoint;
        let origin = Origin {
            host: host.as_str().into(),
            port: *port,
            tls: is_https.then(OriginTls::default),
        };
        let remote_name = remote_name.clone().unwrap_or_else(|| name.name.clone());
        let signer = signing.as_ref().map(|signing| signing.load(host, name, api_region));
        let signer = signer.transpose().map(|signer| signer.map(Arc::new));
        Some(FunctionPlace::Endpoint(FunctionEndpoint { origin, name: remote_name, signer }))
    }

    /// Whether the settings, or the policy of a function of the store, let `source` call a function.
    fn may_invoke(&self, name: &FunctionName, api_region: &str, source: &SourceArn) -> bool {
        if let Some(bound) = self.bound_function(name) {
            // Without permissions all may.
            let permissions = bound.permissions.as_ref();
            return permissions.is_none_or(|all| all.iter().any(|one| one.allows(source)));
        }
        if !self.options.needs_function_permissions {
            return true;
        }
        let stored = self.stored_function(name, api_region);
        stored.is_some_and(|found| found.permissions.iter().any(|one| one.allows(source)))
    }

    fn bound_function(&self, name: &FunctionName) -> Option<&BoundFunction> {
        BoundFunction::closest(&self.options.functions, name)
    }

    /// The function of the store that a name stands for.
    fn stored_function(&self, name: &FunctionName, api_region: &str) -> Option<FoundFunction> {
        let found = self.store.find_function(api_region, &self.options.account_id, name);
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "a function cannot be read");
            None
        })
    }

    /// The target group that a private integration leads to: what it names itself goes before the
    /// link, and the link before the link's targets. A service may be named with a query for some of
    /// its instances (AWS: "Create a private integration using AWS Cloud Map service discovery").
    fn upstream(&self, region: &str, target: PrivateTarget<'_>) -> Option<String> {
        let of_link = self.store.vpc_link_arns(region, target.link_id);
        let of_link =
            of_link.inspect_err(|error| tracing::error!(%error, "a VPC link cannot be read"));
        let service = target.arn.and_then(|arn| Some(arn.split_once('?')?.0));
        let own = target.arn.into_iter().chain(service).chain([target.link_id]);
        let own = own.map(str::to_owned);
        let names = own.chain(of_link.unwrap_or_default());
        let bound = |arn: String| self.options.vpc_links.iter().find(move |one| one.arn == arn);
        let upstream = names.into_iter().find_map(bound)?.upstream.clone();
        self.boot.groups.contains(&upstream).then_some(upstream)
    }
}
