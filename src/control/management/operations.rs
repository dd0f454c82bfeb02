//! What each operation does: its name bound to a verb on a noun, or to the one function that is its
//! own. Everything else about it stands in the service's table.

use super::answer::Answer;
use super::error::{ApiError, Code};
use super::http;
use super::lambda;
use super::resource::{Context, Result, delete, get, list, merge, patch};
use super::rest;
use super::service::Service;

/// Does what the request's operation says.
pub(super) fn perform(context: &mut Context<'_>) -> Result<Answer> {
    let operation = context.call.operation;
    match operation.service {
        Service::Rest => perform_rest(context, operation.name),
        Service::Http => perform_http(context, operation.name),
        // No WebSocket API runs yet, so no connection is there.
        Service::Lambda => perform_lambda(context, operation.name),
        Service::Connections => Err(ApiError::new(Code::Gone, "The connection is gone")),
    }
}

#[rustfmt::skip]
fn perform_rest(context: &mut Context<'_>, name: &str) -> Result<Answer> {
    use rest::account;
    use rest::api::{self, REST_API};
    use rest::api_key::{self, API_KEY};
    use rest::authorizer::{self, AUTHORIZER};
    use rest::certificate::{self, CLIENT_CERTIFICATE};
    use rest::deployment::{self, DEPLOYMENT};
    use rest::documentation::{self, DOCUMENTATION_PART, DOCUMENTATION_VERSION};
    use rest::domain::{self, ACCESS_ASSOCIATION, BASE_PATH_MAPPING, DOMAIN_NAME};
    use rest::gateway_response::{self, GATEWAY_RESPONSE};
    use rest::integration;
    use rest::method::{self, METHOD};
    use rest::model::{self, MODEL};
    use rest::path_resource::{self, RESOURCE};
    use rest::stage::{self, STAGE};
    use rest::tags;
    use rest::test_invoke;
    use rest::usage_plan::{self, USAGE_PLAN, USAGE_PLAN_KEY};
    use rest::validator::{self, REQUEST_VALIDATOR};
    use rest::vpc_link::{self, VPC_LINK};
    match name {
        "CreateApiKey" => api_key::create(context),
        "CreateAuthorizer" => authorizer::create(context),
        "CreateBasePathMapping" => domain::create_mapping(context),
        "CreateDeployment" => deployment::create(context),
        "CreateDocumentationPart" => documentation::create_part(context),
        "CreateDocumentationVersion" => documentation::create_version(context),
        "CreateDomainName" => domain::create(context),
        "CreateDomainNameAccessAssociation" => domain::create_association(context),
        "CreateModel" => model::create(context),
        "CreateRequestValidator" => validator::create(context),
        "CreateResource" => path_resource::create(context),
        "CreateRestApi" => api::create(context),
        "CreateStage" => stage::create(context),
        "CreateUsagePlan" => usage_plan::create(context),
        "CreateUsagePlanKey" => usage_plan::create_key(context),
        "CreateVpcLink" => vpc_link::create(context),
        "DeleteApiKey" => delete(context, &API_KEY),
        "DeleteAuthorizer" => delete(context, &AUTHORIZER),
        "DeleteBasePathMapping" => delete(context, &BASE_PATH_MAPPING),
        "DeleteClientCertificate" => delete(context, &CLIENT_CERTIFICATE),
        "DeleteDeployment" => delete(context, &DEPLOYMENT),
        "DeleteDocumentationPart" => documentation::delete_part(context),
        "DeleteDocumentationVersion" => delete(context, &DOCUMENTATION_VERSION),
        "DeleteDomainName" => delete(context, &DOMAIN_NAME),
        "DeleteDomainNameAccessAssociation" => delete(context, &ACCESS_ASSOCIATION),
        "DeleteGatewayResponse" => delete(context, &GATEWAY_RESPONSE),
        "DeleteIntegration" => integration::delete(context),
        "DeleteIntegrationResponse" => integration::delete_response(context),
        "DeleteMethod" => delete(context, &METHOD),
        "DeleteMethodResponse" => method::delete_response(context),
        "DeleteModel" => delete(context, &MODEL),
        "DeleteRequestValidator" => delete(context, &REQUEST_VALIDATOR),
        "DeleteResource" => path_resource::delete(context),
        "DeleteRestApi" => delete(context, &REST_API),
        "DeleteStage" => delete(context, &STAGE),
        "DeleteUsagePlan" => delete(context, &USAGE_PLAN),
        "DeleteUsagePlanKey" => delete(context, &USAGE_PLAN_KEY),
        "DeleteVpcLink" => delete(context, &VPC_LINK),
        "FlushStageAuthorizersCache" | "FlushStageCache" => stage::flush(context),
        "GenerateClientCertificate" => certificate::generate(context),
        "GetAccount" => account::get(context),
        "GetApiKey" => get(context, &API_KEY),
        "GetApiKeys" => api_key::list(context),
        "GetAuthorizer" => get(context, &AUTHORIZER),
        "GetAuthorizers" => list(context, &AUTHORIZER),
        "GetBasePathMapping" => get(context, &BASE_PATH_MAPPING),
        "GetBasePathMappings" => list(context, &BASE_PATH_MAPPING),
        "GetClientCertificate" => get(context, &CLIENT_CERTIFICATE),
        "GetClientCertificates" => list(context, &CLIENT_CERTIFICATE),
        "GetDeployment" => get(context, &DEPLOYMENT),
        "GetDeployments" => list(context, &DEPLOYMENT),
        "GetDocumentationPart" => get(context, &DOCUMENTATION_PART),
        "GetDocumentationParts" => documentation::list_parts(context),
        "GetDocumentationVersion" => get(context, &DOCUMENTATION_VERSION),
        "GetDocumentationVersions" => list(context, &DOCUMENTATION_VERSION),
        "GetDomainName" => get(context, &DOMAIN_NAME),
        "GetDomainNameAccessAssociations" => list(context, &ACCESS_ASSOCIATION),
        "GetDomainNames" => list(context, &DOMAIN_NAME),
        "GetGatewayResponse" => gateway_response::get(context),
        "GetGatewayResponses" => gateway_response::list(context),
        "GetIntegration" => integration::get(context),
        "GetIntegrationResponse" => integration::get_response(context),
        "GetMethod" => get(context, &METHOD),
        "GetMethodResponse" => method::get_response(context),
        "GetModel" => get(context, &MODEL),
        "GetModels" => list(context, &MODEL),
        "GetRequestValidator" => get(context, &REQUEST_VALIDATOR),
        "GetRequestValidators" => list(context, &REQUEST_VALIDATOR),
        "GetResource" => get(context, &RESOURCE),
        "GetResources" => list(context, &RESOURCE),
        "GetRestApi" => get(context, &REST_API),
        "GetRestApis" => list(context, &REST_API),
        "GetStage" => get(context, &STAGE),
        "GetStages" => stage::list(context),
        "GetTags" => tags::get(context),
        "GetUsage" => usage_plan::usage(context),
        "GetUsagePlan" => get(context, &USAGE_PLAN),
        "GetUsagePlanKey" => get(context, &USAGE_PLAN_KEY),
        "GetUsagePlanKeys" => usage_plan::list_keys(context),
        "GetUsagePlans" => usage_plan::list(context),
        "GetVpcLink" => get(context, &VPC_LINK),
        "GetVpcLinks" => list(context, &VPC_LINK),
        "PutGatewayResponse" => gateway_response::put(context),
        "PutIntegration" => integration::put(context),
        "PutIntegrationResponse" => integration::put_response(context),
        "PutMethod" => method::put(context),
        "PutMethodResponse" => method::put_response(context),
        "RejectDomainNameAccessAssociation" => domain::reject_association(context),
        "TagResource" => tags::tag(context),
        "TestInvokeAuthorizer" => authorizer::test_invoke(context),
        "TestInvokeMethod" => test_invoke(context),
        "UntagResource" => tags::untag(context),
        "UpdateAccount" => account::update(context),
        "UpdateApiKey" => patch(context, &API_KEY),
        "UpdateAuthorizer" => patch(context, &AUTHORIZER),
        "UpdateBasePathMapping" => domain::update_mapping(context),
        "UpdateClientCertificate" => patch(context, &CLIENT_CERTIFICATE),
        "UpdateDeployment" => patch(context, &DEPLOYMENT),
        "UpdateDocumentationPart" => patch(context, &DOCUMENTATION_PART),
        "UpdateDocumentationVersion" => patch(context, &DOCUMENTATION_VERSION),
        "UpdateDomainName" => patch(context, &DOMAIN_NAME),
        "UpdateGatewayResponse" => gateway_response::update(context),
        "UpdateIntegration" => integration::update(context),
        "UpdateIntegrationResponse" => integration::update_response(context),
        "UpdateMethod" => patch(context, &METHOD),
        "UpdateMethodResponse" => method::update_response(context),
        "UpdateModel" => patch(context, &MODEL),
        "UpdateRequestValidator" => patch(context, &REQUEST_VALIDATOR),
        "UpdateResource" => patch(context, &RESOURCE),
        "UpdateRestApi" => patch(context, &REST_API),
        "UpdateStage" => stage::update(context),
        "UpdateUsage" => usage_plan::update_usage(context),
        "UpdateUsagePlan" => usage_plan::update(context),
        "UpdateVpcLink" => patch(context, &VPC_LINK),
        other => Err(ApiError::not_available(other)),
    }
}

#[rustfmt::skip]
fn perform_http(context: &mut Context<'_>, name: &str) -> Result<Answer> {
    use http::api::{self, API};
    use http::authorizer::{self, AUTHORIZER};
    use http::deployment::{self, DEPLOYMENT};
    use http::domain;
    use http::integration::{self, INTEGRATION, INTEGRATION_RESPONSE};
    use http::mapping;
    use http::model::{self, MODEL};
    use http::route::{self, ROUTE, ROUTE_RESPONSE};
    use http::routing_rule::{self, ROUTING_RULE};
    use http::stage::{self, STAGE};
    use http::vpc_link::{self, VPC_LINK};
    use rest::domain::DOMAIN_NAME;
    use rest::tags;
    match name {
        "CreateApi" => api::create(context),
        "CreateApiMapping" => mapping::create(context),
        "CreateAuthorizer" => authorizer::create(context),
        "CreateDeployment" => deployment::create(context),
        "CreateDomainName" => domain::create(context),
        "CreateIntegration" => integration::create(context),
        "CreateIntegrationResponse" => integration::create_response(context),
        "CreateModel" => model::create(context),
        "CreateRoute" => route::create(context),
        "CreateRouteResponse" => route::create_response(context),
        "CreateRoutingRule" => routing_rule::create(context),
        "CreateStage" => stage::create(context),
        "CreateVpcLink" => vpc_link::create(context),
        "DeleteAccessLogSettings" => stage::delete_access_log(context),
        "DeleteApi" => delete(context, &API),
        "DeleteApiMapping" => mapping::delete(context),
        "DeleteAuthorizer" => delete(context, &AUTHORIZER),
        "DeleteCorsConfiguration" => api::delete_cors(context),
        "DeleteDeployment" => delete(context, &DEPLOYMENT),
        "DeleteDomainName" => delete(context, &DOMAIN_NAME),
        "DeleteIntegration" => integration::delete_integration(context),
        "DeleteIntegrationResponse" => delete(context, &INTEGRATION_RESPONSE),
        "DeleteModel" => delete(context, &MODEL),
        "DeleteRoute" => route::delete_route(context),
        "DeleteRouteRequestParameter" => route::delete_parameter(context),
        "DeleteRouteResponse" => delete(context, &ROUTE_RESPONSE),
        "DeleteRouteSettings" => stage::delete_route_settings(context),
        "DeleteRoutingRule" => delete(context, &ROUTING_RULE),
        "DeleteStage" => delete(context, &STAGE),
        "DeleteVpcLink" => delete(context, &VPC_LINK),
        "GetApi" => get(context, &API),
        "GetApiMapping" => mapping::get(context),
        "GetApiMappings" => mapping::list(context),
        "GetApis" => list(context, &API),
        "GetAuthorizer" => get(context, &AUTHORIZER),
        "GetAuthorizers" => list(context, &AUTHORIZER),
        "GetDeployment" => get(context, &DEPLOYMENT),
        "GetDeployments" => list(context, &DEPLOYMENT),
        "GetDomainName" => get(context, &DOMAIN_NAME),
        "GetDomainNames" => list(context, &DOMAIN_NAME),
        "GetIntegration" => get(context, &INTEGRATION),
        "GetIntegrationResponse" => get(context, &INTEGRATION_RESPONSE),
        "GetIntegrationResponses" => list(context, &INTEGRATION_RESPONSE),
        "GetIntegrations" => list(context, &INTEGRATION),
        "GetModel" => get(context, &MODEL),
        "GetModels" => list(context, &MODEL),
        "GetRoute" => get(context, &ROUTE),
        "GetRouteResponse" => get(context, &ROUTE_RESPONSE),
        "GetRouteResponses" => list(context, &ROUTE_RESPONSE),
        "GetRoutes" => list(context, &ROUTE),
        "GetRoutingRule" => get(context, &ROUTING_RULE),
        "GetStage" => get(context, &STAGE),
        "GetStages" => list(context, &STAGE),
        "GetTags" => tags::get(context),
        "GetVpcLink" => get(context, &VPC_LINK),
        "GetVpcLinks" => list(context, &VPC_LINK),
        "ListRoutingRules" => list(context, &ROUTING_RULE),
        "PutRoutingRule" => routing_rule::put(context),
        "ResetAuthorizersCache" => stage::reset_cache(context),
        "TagResource" => tags::tag(context),
        "UntagResource" => tags::untag(context),
        "UpdateApi" => api::update(context),
        "UpdateApiMapping" => mapping::update(context),
        "UpdateAuthorizer" => merge(context, &AUTHORIZER),
        "UpdateDeployment" => merge(context, &DEPLOYMENT),
        "UpdateDomainName" => domain::update(context),
        "UpdateIntegration" => integration::update(context),
        "UpdateIntegrationResponse" => merge(context, &INTEGRATION_RESPONSE),
        "UpdateModel" => merge(context, &MODEL),
        "UpdateRoute" => route::update(context),
        "UpdateRouteResponse" => merge(context, &ROUTE_RESPONSE),
        "UpdateStage" => stage::update(context),
        "UpdateVpcLink" => merge(context, &VPC_LINK),
        other => Err(ApiError::not_available(other)),
    }
}

fn perform_lambda(context: &mut Context<'_>, name: &str) -> Result<Answer> {
    use lambda::account;
    use lambda::alias::{self, ALIAS};
    use lambda::concurrency;
    use lambda::function;
    use lambda::invoke;
    use lambda::policy;
    use lambda::tags;
    use lambda::version;
    match name {
        "AddPermission" => policy::add(context),
        "CreateAlias" => alias::create(context),
        "CreateFunction" => function::create(context),
        "DeleteAlias" => alias::delete(context),
        "DeleteFunction" => function::delete(context),
        "DeleteFunctionConcurrency" => concurrency::delete(context),
        "GetAccountSettings" => account::get(context),
        "GetAlias" => get(context, &ALIAS),
        "GetFunction" => function::get(context),
        "GetFunctionConcurrency" => concurrency::get(context),
        "GetFunctionConfiguration" => function::get_configuration(context),
        "GetPolicy" => policy::get(context),
        "Invoke" => invoke::invoke(context),
        "InvokeWithResponseStream" => invoke::invoke_with_response_stream(context),
        "ListAliases" => alias::list(context),
        "ListFunctions" => function::list(context),
        "ListTags" => tags::list(context),
        "ListVersionsByFunction" => version::list(context),
        "PublishVersion" => version::publish(context),
        "PutFunctionConcurrency" => concurrency::put(context),
        "RemovePermission" => policy::remove(context),
        "TagResource" => tags::tag(context),
        "UntagResource" => tags::untag(context),
        "UpdateAlias" => alias::update(context),
        "UpdateFunctionCode" => function::update_code(context),
        "UpdateFunctionConfiguration" => function::update_configuration(context),
        other => Err(ApiError::not_available(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::call::{Call, Realm};
    use super::super::decode;
    use super::super::options::Quotas;
    use super::super::service::{Operation, Place, operations};
    use super::*;
    use crate::store::{Document, Store};

    /// What answers in a later version.
    const LATER: [&str; 13] = [
        "ExportApi",
        "GetExport",
        "GetModelTemplate",
        "GetSdk",
        "GetSdkType",
        "GetSdkTypes",
        "ImportApi",
        "ImportApiKeys",
        "ImportDocumentationParts",
        "ImportRestApi",
        "PutRestApi",
        "ReimportApi",
        "TestInvokeAuthorizer",
    ];

    fn is_later(operation: &Operation) -> bool {
        let name = operation.name;
        operation.is_only_named()
            || LATER.contains(&name)
            || name.contains("Portal")
            || name.contains("Product")
    }

    fn store() -> Store {
        Store::in_memory(Box::new(|_| {})).expect("a store")
    }

    fn call(operation: &'static Operation, body: Document) -> Call {
        let names = operation.path.iter().filter_map(|one| one.strip_prefix('{'));
        let values = names.map(|name| (name.trim_end_matches('}'), "x".to_owned())).collect();
        let realm = Realm { region: "us-east-1".into(), account_id: "111111111111".into() };
        let (query, headers) = (BTreeMap::new(), BTreeMap::new());
        Call { operation, realm, values, query, body, payload: Vec::new(), headers }
    }

    fn answer(store: &Store, call: &Call) -> Result<Answer> {
        let quotas = Quotas::default();
        store.transact(|transaction| {
            let code = None;
            perform(&mut Context { transaction, call, now: 1, order: 1, quotas: &quotas, code })
        })
    }

    #[test]
    fn every_operation_of_this_version_is_bound() {
        let store = store();
        for operation in operations() {
            let answered = answer(&store, &call(operation, Document::new()));
            let is_bound = !matches!(&answered, Err(error) if error.code == Code::NotImplemented);
            // Whether its authorizer is there comes first.
            let is_later = is_later(operation) && operation.name != "TestInvokeAuthorizer";
            assert_eq!(is_bound, !is_later, "{}: {answered:?}", operation.name);
        }
    }

    #[test]
    fn no_value_of_any_member_makes_a_handler_fail() {
        let deep = (0..60).fold(json!(1), |inner, _| json!({"a": [inner]}));
        let values = [
            json!(true),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!(""),
            json!("x"),
            json!("/"),
            json!("arn:"),
            json!("$default"),
            json!("\u{0}\u{1}é"),
            json!([]),
            json!([[], {}, null, "x"]),
            json!([{"op": "replace", "path": "/", "value": "x"}, {"op": "copy"}]),
            json!([{"op": "remove", "path": "/a/b/c/d/e~1~0/*"}]),
            json!({}),
            json!({"": {}, "a": {"b": null}}),
            deep,
        ];
        let store = store();
        for operation in operations() {
            let members = operation.input_members().iter().filter(|one| one.place == Place::Body);
            let names: Vec<&str> = members.map(|member| member.wire).collect();
            for value in &values {
                let whole = names.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
                let single = names.iter().map(|name| json!({ *name: value }));
                for body in single.chain([Value::Object(whole)]) {
                    let Ok(body) = decode::body(operation, body.to_string().as_bytes()) else {
                        continue;
                    };
                    let call = call(operation, body);
                    if decode::check(operation, &call.body, &call.values, &call.query).is_ok() {
                        // A refusal is as good as an answer.
                        let _ = answer(&store, &call);
                    }
                }
            }
        }
    }
}
