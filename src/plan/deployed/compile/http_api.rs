//! A stage of an HTTP API.

use std::collections::HashMap;
use std::sync::Arc;

use super::function::FunctionCall;
use super::rest::{integration_method, misconfigured, resolve, unbound};
use super::slots::{Slots, greedy_name, parameter_names};
use super::{CompiledStage, DeployedContext, PrivateTarget, stage_facts};
use crate::expr::{HttpRequestMapping, HttpResponseMappings, HttpUri, Scope};
use crate::model::http_api::{
    CorsConfiguration, HttpApi, HttpIntegration, HttpRoute, HttpRouteKey, HttpStage,
    PayloadFormatVersion, ProtocolType,
};
use crate::model::{Authorization, ConnectionType, IntegrationType, RouteKey, SourceArn, TextMap};
use crate::plan::deployed::{
    CorsPlan, Dialect, HttpRouteIntegration, HttpRoutePlan, HttpRouteProxyPlan, NotServed, Origin,
    OriginTls, PayloadFormat, Transfer,
};
use crate::plan::key_text::route_key_text;
use crate::plan::{
    GroupSlot, IntegrationPlan, Precedence, RoutePlan, Router, StageLabels, StagePlan,
};

pub(super) fn compile(
    api: &HttpApi,
    stage: &HttpStage,
    context: &DeployedContext<'_>,
) -> Result<CompiledStage, String> {
    if api.protocol == ProtocolType::WebSocket {
        return Err("WebSocket APIs are not available in this version".into());
    }
    let mut compiler = Compiler {
        api,
        stage,
        context,
        slots: Slots::default(),
        problems: Vec::new(),
        proxies: HashMap::new(),
    };
    let (mut keys, mut key_texts, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    for route in &api.routes {
        let HttpRouteKey::Request(key) = &route.key else { continue };
        let text = route_key_text(key);
        routes.push(compiler.route(route, key, &text));
        key_texts.push(text.into());
        keys.push(key.clone());
    }
    let router = Router::compile(&keys, Precedence::HttpApi)
        .map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())?;
    let cors = api.cors_configuration.as_ref().map(cors);
    let deployment = stage.deployment_id.as_deref();
    let plan = StagePlan {
        labels: Arc::new(StageLabels {
            api_id: api.id.as_str().into(),
            api_name: api.name.as_str().into(),
            stage_name: stage.stage_name.as_str().into(),
            route_keys: key_texts.into(),
        }),
        router,
        routes,
        throttles: compiler.slots.throttles,
        groups: compiler.slots.groups,
        functions: compiler.slots.functions,
        deployed: Some(stage_facts(
            context,
            deployment,
            &stage.stage_variables,
            false,
            Dialect::Http(cors),
        )),
    };
    Ok(CompiledStage { plan, origins: compiler.slots.origins, problems: compiler.problems })
}

/// A stage that serves no deployment yet: it is there, and nothing is found in it.
pub(super) fn compile_empty(
    api_id: &str,
    stage_name: &str,
    context: &DeployedContext<'_>,
) -> StagePlan {
    StagePlan {
        labels: Arc::new(StageLabels {
            api_id: api_id.into(),
            api_name: api_id.into(),
            stage_name: stage_name.into(),
            route_keys: Box::default(),
        }),
        router: Router::default(),
        routes: Vec::new(),
        throttles: Vec::new(),
        groups: Vec::new(),
        functions: Vec::new(),
        deployed: Some(stage_facts(context, None, &TextMap::default(), false, Dialect::Http(None))),
    }
}

struct Compiler<'c> {
    api: &'c HttpApi,
    stage: &'c HttpStage,
    context: &'c DeployedContext<'c>,
    slots: Slots,
    problems: Vec<String>,
    /// What was compiled already, by all that it was compiled from.
    proxies: HashMap<ProxyKey<'c>, Result<Arc<HttpRouteProxyPlan>, NotServed>>,
}

/// An integration, and what of a route's key makes a difference to it: whether it is `$default`, and
/// the name of the greedy parameter.
type ProxyKey<'c> = (&'c str, bool, Option<String>);

impl<'c> Compiler<'c> {
    fn route(&mut self, route: &HttpRoute, key: &RouteKey, text: &str) -> RoutePlan {
        let throttle = self.stage.settings_for(text).throttle();
        let bucket = format!("route:{}/{}/{text}", self.api.id, self.stage.stage_name);
        let throttles = self.slots.throttles(bucket, throttle);
        let integration = self.integration(route, key, text).unwrap_or_else(|refusal| {
            self.problems.push(format!("route `{text}`: {}", refusal.reason));
            HttpRouteIntegration::NotServed(refusal)
        });
        let plan = HttpRoutePlan {
            route_id: route.id.as_str().into(),
            parameter_names: parameter_names(key),
            integration,
        };
        RoutePlan {
            integration: IntegrationPlan::HttpRoute(Box::new(plan)),
            throttles,
            body_bytes_max: self.context.body_bytes_max,
        }
    }

    fn integration(
        &mut self,
        route: &HttpRoute,
        key: &RouteKey,
        text: &str,
    ) -> Result<HttpRouteIntegration, NotServed> {
        if route.authorization != Authorization::None {
            let name = route.authorization.authorization_type().name();
            return Err(NotServed::unavailable(&format!("authorization by {name} is")));
        }
        let Some(id) = &route.integration_id else {
            return Err(NotServed::misconfigured("the route has no integration"));
        };
        let api = self.api;
        let integration = api
            .integration(id)
            .ok_or_else(|| NotServed::misconfigured(format!("there is no integration `{id}`")))?;
        match integration.integration_type {
            IntegrationType::HttpProxy => {
                let greedy = greedy_name(key).map(str::to_owned);
                let known = (integration.id.as_str(), *key == RouteKey::Default, greedy);
                if let Some(plan) = self.proxies.get(&known) {
                    return plan.clone().map(HttpRouteIntegration::Proxy);
                }
                let plan = self.proxy(integration, key).map(Arc::new);
                self.proxies.insert(known, plan.clone());
                plan.map(HttpRouteIntegration::Proxy)
            }
            IntegrationType::AwsProxy if integration.integration_subtype.is_none() => {
                let call = FunctionCall {
                    uri: integration.integration_uri.as_deref(),
                    format: match integration.payload_format_version {
                        PayloadFormatVersion::V1 => PayloadFormat::HttpV1,
                        PayloadFormatVersion::V2 => PayloadFormat::HttpV2,
                    },
                    binary_media_types: &[],
                    timeout_ms: integration.timeout_ms,
                    source: SourceArn::of_route(
                        self.context.place(&self.api.id, &self.stage.stage_name),
                        text,
                    ),
                    custom: None,
                    transfer: Transfer::Buffered,
                };
                let variables = &self.stage.stage_variables;
                let plan = call.compile(variables, self.context, &mut self.slots)?;
                Ok(HttpRouteIntegration::Function(Box::new(plan)))
            }
            IntegrationType::AwsProxy | IntegrationType::Aws => {
                Err(NotServed::unavailable("AWS integrations are"))
            }
            IntegrationType::Http | IntegrationType::Mock => {
                Err(NotServed::misconfigured("HTTP APIs have no integration of this type"))
            }
        }
    }

    fn proxy(
        &mut self,
        integration: &HttpIntegration,
        key: &RouteKey,
    ) -> Result<HttpRouteProxyPlan, NotServed> {
        let variables = &self.stage.stage_variables;
        let find = |name: &str| variables.get(name);
        let scope = Scope { stage_variables: &find, greedy: greedy_name(key) };
        let request = HttpRequestMapping::compile(integration.request_parameters.iter(), &scope)
            .map_err(|errors| misconfigured(&errors))?;
        let responses = integration.response_parameters.iter();
        let responses: Vec<_> =
            responses.map(|(status, mapping)| (status.to_string(), mapping)).collect();
        let responses = HttpResponseMappings::compile(
            responses.iter().map(|(status, mapping)| (status.as_str(), mapping.iter())),
            &scope,
        )
        .map_err(|errors| misconfigured(&errors))?;
        let target = resolve(integration.integration_uri.as_deref(), variables)?;
        let (group, host, uri) = match integration.connection_type {
            ConnectionType::Internet => self.endpoint(integration, &target, &scope)?,
            ConnectionType::VpcLink => self.private_endpoint(integration, &target)?,
        };
        let needs_uri = uri.as_ref().is_some_and(HttpUri::needs_request_body);
        Ok(HttpRouteProxyPlan {
            group,
            host,
            method: integration_method(integration.integration_method.as_deref()),
            collects_request: request.needs_request_body() || needs_uri,
            uri,
            appends_path: *key == RouteKey::Default,
            request,
            responses,
            timeout_ms: integration.timeout_ms.into(),
        })
    }

    fn endpoint(
        &mut self,
        integration: &HttpIntegration,
        target: &str,
        scope: &Scope<'_>,
    ) -> Result<Endpoint, NotServed> {
        let uri = HttpUri::compile_http(target, scope)
            .map_err(|error| NotServed::misconfigured(error.to_string()))?;
        let tls = OriginTls {
            is_insecure: false,
            server_name: integration.server_name_to_verify.as_deref().map(Into::into),
            client_certificate_id: None,
        };
        let origin = Origin::of(&uri, tls);
        let host = origin.authority().into();
        Ok((self.slots.origin(origin), Some(host), Some(uri)))
    }

    /// A private integration names a listener or a service; the request's own path is sent there.
    fn private_endpoint(
        &mut self,
        integration: &HttpIntegration,
        target: &str,
    ) -> Result<Endpoint, NotServed> {
        let link_id = integration.connection_id.as_deref();
        let link_id = resolve(link_id, &self.stage.stage_variables)?;
        let target = PrivateTarget { link_id: &link_id, arn: Some(target) };
        let name = (self.context.find_upstream)(target).ok_or_else(|| unbound(&link_id))?;
        Ok((self.slots.group(&name), None, None))
    }
}

/// The group, its `Host` and its URI; without them the request's own are used.
type Endpoint = (GroupSlot, Option<Box<str>>, Option<HttpUri>);

fn cors(configuration: &CorsConfiguration) -> CorsPlan {
    let joined = |list: &[String]| list.join(",").into_boxed_str();
    let origins = configuration.allow_origins.iter();
    CorsPlan {
        allow_origins: origins.map(|origin| origin.to_ascii_lowercase().into()).collect(),
        allow_credentials: configuration.allow_credentials,
        allow_methods: joined(&configuration.allow_methods),
        allow_headers: joined(&configuration.allow_headers),
        expose_headers: joined(&configuration.expose_headers),
        max_age_s: configuration.max_age_s,
    }
}
