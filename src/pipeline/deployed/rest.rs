//! A method of a REST API: the request is held against what the method asks for, and its integration
//! answers.

use super::super::collect::collect_request;
use super::super::exchange::{Exchange, Form};
use super::facts::{Call, CallFacts};
use super::function;
use super::mock;
use super::rest_answer::RestTranslation;
use super::rest_request::write_request;
use super::{Done, Failed, Work};
use crate::base::{Fault, Method, Nanos};
use crate::coord::TrialStep;
use crate::expr::{Facts as _, MappingFault, NameCase, Pick, Scratch};
use crate::plan::deployed::{
    BodyTemplate, MethodIntegration, MethodPlan, ParameterPlace, RestHttpPlan, TemplateChoice,
};
use crate::proto::FieldName;
use crate::rt::now;

/// Serves a request to a method.
pub(super) async fn serve(
    call: &Call<'_>,
    method: &MethodPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    validate(call, method)?;
    match &method.integration {
        MethodIntegration::NotServed(refusal) => Err(mock::refused(refusal)),
        MethodIntegration::Mock(plan) => {
            let needs_body = matches!(
                plan.templates.choose(call.header(FieldName::ContentType)),
                TemplateChoice::PassThrough
            );
            if needs_body {
                collect_request(work.state, work.plan, call.client, work.body).await?;
            }
            let body = work.body.collected.take();
            mock::answer(call, plan, body.as_deref(), work)
        }
        MethodIntegration::Function(plan) => function::serve(call, plan, work).await,
        MethodIntegration::Http(plan) => over_http(call, plan, work).await,
    }
}

/// Whether the request has what the method asks for. Only presence counts; names are compared as they
/// are.
fn validate(call: &Call<'_>, method: &MethodPlan) -> Result<(), Failed> {
    if method.required_parameters.is_empty() {
        return Ok(());
    }
    let (facts, mut scratch) = (CallFacts::new(call, None), Vec::new());
    let is_missing = |name: &str, place, scratch: &mut Vec<u8>| {
        scratch.clear();
        let found = match place {
            ParameterPlace::Header => {
                facts.request_header(name, NameCase::Exact, Pick::Last, scratch)
            }
            ParameterPlace::Query => facts.request_query(name, Pick::Last, scratch),
            ParameterPlace::Path => facts.path_parameter(name, scratch),
        };
        !found || scratch.is_empty()
    };
    let required = method.required_parameters.iter();
    let missing: Vec<&str> = required
        .filter(|one| is_missing(&one.name, one.place, &mut scratch))
        .map(|one| &*one.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Missing required request parameters: [{}]", missing.join(", "));
    Err(Failed::because(Fault::MissingParameters, message))
}

async fn over_http(
    call: &Call<'_>,
    plan: &RestHttpPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, stage, body, out, target, .. } = work;
    let sent_method = plan.method.unwrap_or(call.method);
    let text = match plan.templates.choose(call.header(FieldName::ContentType)) {
        TemplateChoice::Template(BodyTemplate::Text(text)) => Some(text.as_bytes().to_vec()),
        TemplateChoice::Template(BodyTemplate::NotServed(refusal)) => {
            return Err(mock::refused(refusal));
        }
        TemplateChoice::Template(BodyTemplate::PassThrough) | TemplateChoice::PassThrough => None,
        TemplateChoice::Refused => return Err(Fault::UnsupportedMediaType.into()),
    };
    if plan.collects_request || state.trial.is_some() {
        collect_request(state, shard_plan, call.client, body).await?;
    }
    let mut head = state.head_buffers.take();
    let mut scratch = Scratch::new();
    let facts = CallFacts::new(call, body.collected.as_deref());
    let written = write_request(&facts, plan, sent_method, &mut scratch, &mut head);
    if let Err(fault) = written {
        state.head_buffers.put(head);
        return Err(of_mapping(fault));
    }
    let sends_body = has_body(sent_method);
    if let Some(text) = text.filter(|_| sends_body) {
        collect_request(state, shard_plan, call.client, body).await?;
        body.collected = Some(text);
    }
    if let Some(trial) = &state.trial {
        let sent = body.collected.as_ref().filter(|_| sends_body);
        let body = sent.cloned().unwrap_or_default();
        trial.add(TrialStep::EndpointRequest { head: head.clone(), body, at: now() });
    }
    let translation = RestTranslation::new(call, plan, sent_method, sends_body, &head);
    let mut exchange = Exchange {
        state,
        plan: shard_plan,
        client: call.client,
        request: call.request,
        group: stage.group(plan.group),
        timeout: Nanos::from_millis(plan.timeout_ms),
        form: Form::Deployed(&translation),
        body,
        out,
        target: None,
        web: None,
    };
    let relayed = exchange.relay().await;
    *target = exchange.target;
    let detail = translation.into_detail();
    state.head_buffers.put(head);
    relayed.map(Done::Relayed).map_err(|fault| Failed { fault, detail })
}

/// What it means that a mapping cannot be carried out.
pub(super) fn of_mapping(fault: MappingFault) -> Failed {
    let kind = match fault {
        MappingFault::InvalidRequestJson => Fault::BadJson,
        MappingFault::UnfitRequestHeader | MappingFault::UnfitPath => Fault::BadTarget,
        MappingFault::RequestJsonTooLarge => Fault::BodyTooLarge,
        MappingFault::InvalidAnswerJson
        | MappingFault::AnswerJsonTooLarge
        | MappingFault::UnfitAnswerHeader
        | MappingFault::MissingPathValue => Fault::ApiConfiguration,
    };
    Failed::because(kind, fault.message())
}

/// Whether a request with this method has a body for an endpoint.
pub(super) fn has_body(method: Method) -> bool {
    !matches!(method, Method::Get | Method::Head | Method::Options)
}
