//! A stage of a REST API.

use std::sync::Arc;

use super::function::FunctionCall;
use super::slots::{Slots, greedy_name, parameter_names};
use super::{CompiledStage, DeployedContext, PrivateTarget, stage_facts};
use crate::base::Method as HttpMethod;
use crate::expr::{
    CompileError, GatewayResponseMapping, GatewayTemplate, HttpUri, IntegrationFamily,
    ResponseSelection, RestRequestMapping, RestResponseMapping, Scope, TemplateError, answer_text,
    mock_status,
};
use crate::model::rest_api::{
    GatewayResponse, IntegrationResponse, Method, Resource, ResponseTransferMode, RestApi,
    RestIntegration, RestStage,
};
use crate::model::{
    Authorization, ConnectionType, EndpointType, IntegrationType, RouteKey, SourceArn, TextMap,
};
use crate::plan::deployed::{
    BodyTemplate, CustomFunctionPlan, Dialect, FunctionPlan, GatewayResponsePlan,
    GatewayResponsesPlan, MethodIntegration, MethodPlan, NotServed, Origin, OriginTls,
    ParameterPlace, PayloadFormat, RequestTemplates, RequiredParameter, RestHttpPlan, RestMockPlan,
    RestResponsePlan, RestResponsesPlan, Transfer,
};
use crate::plan::key_text::route_key_text;
use crate::plan::{
    GroupSlot, IntegrationPlan, Precedence, RoutePlan, Router, StageLabels, StagePlan,
};

pub(super) fn compile(
    api: &RestApi,
    stage: &RestStage,
    is_canary: bool,
    context: &DeployedContext<'_>,
) -> Result<CompiledStage, String> {
    let variables = if is_canary { stage.canary_variables() } else { stage.variables.clone() };
    let mut compiler = Compiler {
        api,
        stage,
        context,
        variables: &variables,
        policy: policy_refusal(api),
        slots: Slots::default(),
        problems: Vec::new(),
    };
    let (mut keys, mut key_texts, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    for resource in &api.resources {
        for method in &resource.methods {
            let (key, path) = (method.http_method, resource.pattern.clone());
            let key = RouteKey::Path { method: key, path };
            key_texts.push(route_key_text(&key).into());
            routes.push(compiler.route(resource, method, &key));
            keys.push(key);
        }
    }
    let router = Router::compile(&keys, Precedence::RestApi).map_err(|errors| first_of(&errors))?;
    let canary = stage.canary_settings.as_ref().filter(|_| is_canary);
    let deployment = canary.map_or(&stage.deployment_id, |canary| &canary.deployment_id);
    let responses = compiler.gateway_responses();
    let suffix = if is_canary { CANARY_SUFFIX } else { "" };
    let plan = StagePlan {
        labels: Arc::new(StageLabels {
            api_id: api.id.as_str().into(),
            api_name: api.name.as_str().into(),
            stage_name: format!("{}{suffix}", stage.stage_name).into(),
            route_keys: key_texts.into(),
        }),
        router,
        routes,
        throttles: compiler.slots.throttles,
        groups: compiler.slots.groups,
        functions: compiler.slots.functions,
        deployed: Some(stage_facts(
            context,
            deployment.as_deref(),
            &variables,
            is_canary,
            Dialect::Rest(responses),
        )),
    };
    Ok(CompiledStage { plan, origins: compiler.slots.origins, problems: compiler.problems })
}

/// What AWS puts behind the name of a canary's log group, here behind its stage in metrics.
const CANARY_SUFFIX: &str = "/Canary";

struct Compiler<'c> {
    api: &'c RestApi,
    stage: &'c RestStage,
    context: &'c DeployedContext<'c>,
    variables: &'c TextMap,
    /// Why the API's resource policy keeps everything closed.
    policy: Option<NotServed>,
    slots: Slots,
    problems: Vec<String>,
}

impl Compiler<'_> {
    fn route(&mut self, resource: &Resource, method: &Method, key: &RouteKey) -> RoutePlan {
        let key_text = route_key_text(key);
        let settings = self.stage.method_settings.find(&resource.path, method.http_method);
        let throttle = settings.and_then(|settings| settings.throttle);
        let bucket = format!("route:{}/{}/{key_text}", self.api.id, self.stage.stage_name);
        let throttles = self.slots.throttles(bucket, throttle);
        let integration = self.refusal(method).map_or_else(|| self.integration(method, key), Err);
        let integration = integration.unwrap_or_else(|refusal| {
            self.problems.push(format!("method `{key_text}`: {}", refusal.reason));
            MethodIntegration::NotServed(refusal)
        });
        let plan = MethodPlan {
            resource_id: resource.id.as_str().into(),
            resource_path: resource.path.as_str().into(),
            operation_name: method.operation_name.as_deref().map(Into::into),
            parameter_names: parameter_names(key),
            required_parameters: self.required_parameters(method),
            integration,
        };
        RoutePlan {
            integration: IntegrationPlan::Method(Box::new(plan)),
            throttles,
            body_bytes_max: self.context.body_bytes_max,
        }
    }

    /// What guards a method and is not here yet keeps it closed.
    fn refusal(&self, method: &Method) -> Option<NotServed> {
        if let Some(refusal) = &self.policy {
            return Some(refusal.clone());
        }
        if method.authorization != Authorization::None {
            let name = method.authorization.authorization_type().name();
            return Some(NotServed::unavailable(&format!("authorization by {name} is")));
        }
        if method.api_key_required {
            return Some(NotServed::unavailable("API keys are"));
        }
        let validator = method.request_validator_id.as_deref();
        let validator = validator.and_then(|id| self.api.request_validator(id));
        let checks_body = validator.is_some_and(|validator| validator.validate_request_body);
        let has_model = method.request_models.iter().any(|(_, model)| model != EMPTY_MODEL);
        (checks_body && has_model).then(|| NotServed::unavailable("validation by models is"))
    }

    fn required_parameters(&self, method: &Method) -> Box<[RequiredParameter]> {
        let validator = method.request_validator_id.as_deref();
        let validator = validator.and_then(|id| self.api.request_validator(id));
        if !validator.is_some_and(|validator| validator.validate_request_parameters) {
            return Box::default();
        }
        let required = method.request_parameters.iter().filter(|one| one.is_required);
        let mut required: Vec<_> = required
            .filter_map(|parameter| {
                let (place, name) =
                    parameter.name.strip_prefix("method.request.")?.split_once('.')?;
                let place = match place {
                    "header" => ParameterPlace::Header,
                    "querystring" => ParameterPlace::Query,
                    "path" => ParameterPlace::Path,
                    _ => return None,
                };
                Some(RequiredParameter { name: name.into(), place })
            })
            .collect();
        required.sort();
        required.into()
    }

    fn integration(
        &mut self,
        method: &Method,
        key: &RouteKey,
    ) -> Result<MethodIntegration, NotServed> {
        let integration = &method.integration;
        let variables = self.variables;
        let find = |name: &str| variables.get(name);
        let scope = Scope { stage_variables: &find, greedy: greedy_name(key) };
        match integration.integration_type {
            IntegrationType::Http | IntegrationType::HttpProxy => {
                let plan = self.http(integration, key, &scope)?;
                Ok(MethodIntegration::Http(Box::new(plan)))
            }
            IntegrationType::Mock => {
                let plan = mock(integration, &scope)?;
                Ok(MethodIntegration::Mock(Box::new(plan)))
            }
            IntegrationType::Aws | IntegrationType::AwsProxy if is_function(integration) => {
                let plan = self.function(integration, key, &scope)?;
                Ok(MethodIntegration::Function(Box::new(plan)))
            }
            IntegrationType::Aws | IntegrationType::AwsProxy => {
                Err(NotServed::unavailable("AWS integrations are"))
            }
        }
    }

    fn function(
        &mut self,
        integration: &RestIntegration,
        key: &RouteKey,
        scope: &Scope<'_>,
    ) -> Result<FunctionPlan, NotServed> {
        let request = aws_request(integration, scope)?;
        let custom = match integration.integration_type {
            // AWS holds mappings of a proxy against the list of headers, and does nothing with them.
            IntegrationType::AwsProxy => None,
            _ => Some(Box::new(custom_function(integration, request, scope)?)),
        };
        let place = self.context.place(&self.api.id, &self.stage.stage_name);
        let call = FunctionCall {
            uri: integration.uri.as_deref(),
            format: PayloadFormat::Rest,
            binary_media_types: &self.api.binary_media_types,
            timeout_ms: integration.timeout_ms,
            source: SourceArn::of_route(place, &route_key_text(key)),
            custom,
            transfer: self.transfer(integration),
        };
        call.compile(self.variables, self.context, &mut self.slots)
    }

    fn http(
        &mut self,
        integration: &RestIntegration,
        key: &RouteKey,
        scope: &Scope<'_>,
    ) -> Result<RestHttpPlan, NotServed> {
        let is_proxy = integration.integration_type == IntegrationType::HttpProxy;
        // A proxy's placeholders are the method's own parameters, if no mapping says otherwise.
        let own: Vec<_> = parameter_names(key).iter().map(|name| own_mapping(name)).collect();
        let own = own.iter().filter(|_| is_proxy).map(|(key, value)| (&**key, &**value));
        let pairs = own.chain(integration.request_parameters.iter());
        let request =
            RestRequestMapping::compile(pairs, scope).map_err(|errors| misconfigured(&errors))?;
        if let Some(name) = request.illegal_header(IntegrationFamily::Http) {
            return Err(NotServed::misconfigured(format!("no mapping may set header `{name}`")));
        }
        let request = request.without_dropped_headers(IntegrationFamily::Http);
        let uri = integration.uri.as_deref().unwrap_or_default();
        let uri = HttpUri::compile_rest(uri, &request, scope)
            .map_err(|error| NotServed::misconfigured(error.to_string()))?;
        if let Some(name) = uri.unfilled().next() {
            let reason = format!("nothing fills `{{{name}}}` of the integration's URI");
            return Err(NotServed::misconfigured(reason));
        }
        let (group, host) = self.endpoint(integration, &uri)?;
        let templates = match is_proxy {
            true => request_templates(&TextMap::default(), integration, body_template),
            false => request_templates(&integration.request_templates, integration, body_template),
        };
        let responses = if is_proxy { empty_responses() } else { responses(integration, scope)? };
        Ok(RestHttpPlan {
            is_proxy,
            group,
            host,
            method: integration_method(integration.http_method.as_deref()),
            collects_request: request.needs_request_body() || uri.needs_request_body(),
            uri,
            request,
            templates,
            timeout_ms: integration.timeout_ms.into(),
            transfer: self.transfer(integration),
            responses,
        })
    }

    /// Only proxies stream.
    fn transfer(&self, integration: &RestIntegration) -> Transfer {
        let is_proxy = matches!(
            integration.integration_type,
            IntegrationType::HttpProxy | IntegrationType::AwsProxy
        );
        match integration.response_transfer_mode {
            ResponseTransferMode::Stream if is_proxy => {
                let types = &self.api.endpoint_configuration.types;
                Transfer::Streamed { is_edge: types.contains(&EndpointType::Edge) }
            }
            ResponseTransferMode::Stream | ResponseTransferMode::Buffered => Transfer::Buffered,
        }
    }

    /// The target group of an integration, and what its endpoint is called.
    fn endpoint(
        &mut self,
        integration: &RestIntegration,
        uri: &HttpUri,
    ) -> Result<(GroupSlot, Box<str>), NotServed> {
        let tls = OriginTls {
            is_insecure: integration.insecure_skip_verification,
            server_name: None,
            client_certificate_id: self.stage.client_certificate_id.as_deref().map(Into::into),
        };
        let origin = Origin::of(uri, tls);
        let host = origin.authority().into();
        if integration.connection_type == ConnectionType::Internet {
            return Ok((self.slots.origin(origin), host));
        }
        let link_id = resolve(integration.connection_id.as_deref(), self.variables)?;
        let arn = integration.integration_target.as_deref();
        let target = PrivateTarget { link_id: &link_id, arn };
        let name = (self.context.find_upstream)(target).ok_or_else(|| unbound(&link_id))?;
        Ok((self.slots.group(&name), host))
    }

    fn gateway_responses(&mut self) -> GatewayResponsesPlan {
        let variables = self.variables;
        let find = |name: &str| variables.get(name);
        let scope = Scope { stage_variables: &find, greedy: None };
        let mut plans = Vec::new();
        for response in self.api.gateway_responses.iter() {
            match gateway_response(response, &scope) {
                Ok(plan) => plans.push(plan),
                Err(refusal) => {
                    let name = response.response_type.name();
                    self.problems.push(format!("gateway response {name}: {}", refusal.reason));
                }
            }
        }
        GatewayResponsesPlan(plans.into())
    }
}

/// The mapping that puts a parameter of the path where the URI names it.
fn own_mapping(name: &str) -> (String, String) {
    (format!("integration.request.path.{name}"), format!("method.request.path.{name}"))
}

/// A link that the settings lead nowhere.
pub(super) fn unbound(link_id: &str) -> NotServed {
    NotServed::misconfigured(format!(
        "no upstream of the boot file stands for VPC link `{link_id}`"
    ))
}

fn is_function(integration: &RestIntegration) -> bool {
    integration.uri.as_deref().is_some_and(|uri| uri.contains(":lambda:"))
}

/// The id of a VPC link, which a stage variable may give.
pub(super) fn resolve(text: Option<&str>, variables: &TextMap) -> Result<String, NotServed> {
    let find = |name: &str| variables.get(name);
    let scope = Scope { stage_variables: &find, greedy: None };
    let resolved = scope.resolve(text.unwrap_or_default());
    resolved.map_err(|error| NotServed::misconfigured(error.to_string()))
}

/// The method that an endpoint is asked with: `ANY` and none mean the request's own.
pub(super) fn integration_method(method: Option<&str>) -> Option<HttpMethod> {
    let method = method.filter(|method| !method.is_empty() && *method != "ANY")?;
    Some(HttpMethod::from_token(method.as_bytes())).filter(|method| *method != HttpMethod::Other)
}

/// What is mapped to a request to a service of AWS.
fn aws_request(
    integration: &RestIntegration,
    scope: &Scope<'_>,
) -> Result<RestRequestMapping, NotServed> {
    let parameters = integration.request_parameters.iter();
    let request =
        RestRequestMapping::compile(parameters, scope).map_err(|errors| misconfigured(&errors))?;
    match request.illegal_header(IntegrationFamily::Aws) {
        Some(name) => Err(NotServed::misconfigured(format!("no mapping may set header `{name}`"))),
        None => Ok(request.without_dropped_headers(IntegrationFamily::Aws)),
    }
}

fn custom_function(
    integration: &RestIntegration,
    request: RestRequestMapping,
    scope: &Scope<'_>,
) -> Result<CustomFunctionPlan, NotServed> {
    // Of the query, this alone means something to functions.
    if request.query().iter().any(|parameter| parameter.name() == "Qualifier") {
        return Err(NotServed::unavailable("qualifiers of functions that a mapping gives are"));
    }
    let templates = request_templates(&integration.request_templates, integration, body_template);
    Ok(CustomFunctionPlan { request, templates, responses: responses(integration, scope)? })
}

fn mock(integration: &RestIntegration, scope: &Scope<'_>) -> Result<RestMockPlan, NotServed> {
    let templates = request_templates(&integration.request_templates, integration, |text| {
        mock_status(text).map_err(|error| match error {
            TemplateError::Unsupported => NotServed::unavailable("mapping templates are"),
            TemplateError::NoStatus => NotServed::misconfigured(error.to_string()),
        })
    });
    Ok(RestMockPlan { templates, responses: responses(integration, scope)? })
}

fn request_templates<T>(
    templates: &TextMap,
    integration: &RestIntegration,
    compile: impl Fn(&str) -> T,
) -> RequestTemplates<T> {
    let by_type = templates.iter().map(|(name, text)| (name.into(), compile(text)));
    RequestTemplates { by_type: by_type.collect(), passthrough: integration.passthrough_behavior }
}

/// An empty template lets the body pass.
fn body_template(text: &str) -> BodyTemplate {
    if text.is_empty() {
        return BodyTemplate::PassThrough;
    }
    match answer_text(text) {
        Ok(text) => BodyTemplate::Text(text.into()),
        Err(_) => BodyTemplate::NotServed(NotServed::unavailable("mapping templates are")),
    }
}

fn empty_responses() -> RestResponsesPlan {
    let none = ResponseSelection::compile(std::iter::empty::<Option<&str>>());
    let selection = none.expect("no pattern is wrong where there is none");
    RestResponsesPlan { selection, responses: Box::default() }
}

fn responses(
    integration: &RestIntegration,
    scope: &Scope<'_>,
) -> Result<RestResponsesPlan, NotServed> {
    let all = &integration.integration_responses;
    let patterns = all.iter().map(|response| response.selection_pattern.as_deref());
    let selection =
        ResponseSelection::compile(patterns).map_err(|errors| misconfigured(&errors))?;
    let responses: Result<Box<[_]>, _> = all.iter().map(|one| response(one, scope)).collect();
    Ok(RestResponsesPlan { selection, responses: responses? })
}

fn response(
    response: &IntegrationResponse,
    scope: &Scope<'_>,
) -> Result<RestResponsePlan, NotServed> {
    let mapping = RestResponseMapping::compile(response.response_parameters.iter(), scope)
        .map_err(|errors| misconfigured(&errors))?;
    let templates = response.response_templates.iter();
    let templates = templates.map(|(name, text)| (name.into(), body_template(text)));
    let status = final_status(response.status_code)?;
    Ok(RestResponsePlan { status, mapping, templates: templates.collect() })
}

/// Nobody waits for the body of an interim answer, but for another answer.
fn final_status(status: u16) -> Result<u16, NotServed> {
    match status {
        200.. => Ok(status),
        _ => Err(NotServed::misconfigured(format!("no answer ends with the status {status}"))),
    }
}

fn gateway_response(
    response: &GatewayResponse,
    scope: &Scope<'_>,
) -> Result<GatewayResponsePlan, NotServed> {
    let headers = GatewayResponseMapping::compile(response.response_parameters.iter(), scope)
        .map_err(|errors| misconfigured(&errors))?;
    let templates = response.response_templates.iter();
    let templates =
        templates.map(|(name, text)| (name.into(), GatewayTemplate::compile(text, scope)));
    Ok(GatewayResponsePlan {
        response_type: response.response_type,
        status: response.status_code.map(final_status).transpose()?,
        headers,
        templates: templates.collect(),
    })
}

/// A resource policy guards an API, and what it says cannot be judged yet, but for one that lets
/// everyone in.
fn policy_refusal(api: &RestApi) -> Option<NotServed> {
    let policy = api.policy.as_deref()?;
    let is_open = serde_json::from_str(policy).is_ok_and(|policy| lets_everyone_in(&policy));
    (!is_open).then(|| NotServed::unavailable("resource policies are"))
}

fn lets_everyone_in(policy: &serde_json::Value) -> bool {
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return false,
    };
    let is_any = |value: Option<&serde_json::Value>, wanted: &[&str]| {
        let text = value.and_then(|value| value.get("AWS").unwrap_or(value).as_str());
        text.is_some_and(|text| wanted.contains(&text))
    };
    !statements.is_empty()
        && statements.iter().all(|statement| {
            statement.get("Effect").and_then(|effect| effect.as_str()) == Some("Allow")
                && statement.get("Condition").is_none()
                && is_any(statement.get("Principal"), &["*"])
                && is_any(statement.get("Action"), &["*", "execute-api:*", "execute-api:Invoke"])
                && statement.get("Resource").and_then(|one| one.as_str()).is_some_and(|resource| {
                    resource == "*" || resource == "execute-api:/*" || resource.ends_with("/*")
                })
        })
}

pub(super) fn misconfigured(errors: &[CompileError]) -> NotServed {
    NotServed::misconfigured(first_of(errors))
}

fn first_of(errors: &[impl ToString]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}

/// The model that takes everything; each API has it.
const EMPTY_MODEL: &str = "Empty";
