//! `RestApi`.

use serde_json::Value;

use super::{model, path_resource};
use crate::control::management::answer::Answer;
use crate::control::management::call::Realm;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{
    default, remove_empty, table, table_mut, text, texts,
};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static REST_API: Kind = Kind {
    path: &["restapis"],
    missing: "Invalid API identifier specified {account}:{id}",
    has_tags: true,
    patch: &PATCH,
    check: check_change,
    remove,
    view,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/name", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/description", Ops::ALL, PatchValue::Text),
        PatchRow::new("/version", Ops::ALL, PatchValue::Text),
        PatchRow::new("/policy", Ops::ALL, PatchValue::Text),
        PatchRow::new("/apiKeySource", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/binaryMediaTypes/*", Ops::ALL, PatchValue::Items),
        PatchRow::new("/minimumCompressionSize", Ops::REPLACE, PatchValue::Integer)
            .or_unfit(WRONG_COMPRESSION_SIZE),
        PatchRow::new("/disableExecuteApiEndpoint", Ops::ADD_REPLACE, PatchValue::Boolean),
        PatchRow::new("/securityPolicy", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/endpointAccessMode", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/endpointConfiguration/types/*", Ops::ADD_REPLACE, PatchValue::Items),
        PatchRow::new("/endpointConfiguration/ipAddressType", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/endpointConfiguration/vpcEndpointIds", Ops::ALL, PatchValue::Items),
    ],
};

/// `CreateRestApi`: the API with its root resource and the two models that every API has.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &REST_API)?;
    context.check_quota(&collection, context.quotas.apis_count_max, "APIs", "account")?;
    let mut document = context.call.body.clone();
    let source = document.remove("cloneFrom");
    if text(&document, "description") == Some("") {
        return Err(ApiError::bad_request("Description cannot be an empty string"));
    }
    default(&mut document, "apiKeySource", "HEADER");
    default(&mut document, "disableExecuteApiEndpoint", false);
    remove_empty(&mut document, &["tags"]);
    check(&mut document)?;
    let id = ids::id(10);
    let root_id = ids::id(10);
    document.insert("id".into(), id.clone().into());
    document.insert("createdDate".into(), context.now.into());
    let key = collection.child(&id);
    match source.as_ref().and_then(Value::as_str) {
        Some(source) => clone(context, &collection, source, &key, &mut document)?,
        None => {
            document.insert("rootResourceId".into(), root_id.clone().into());
            let root = path_resource::root(&root_id);
            context.put(&key.child("resources").child(&root_id), &root);
            for model in model::defaults() {
                let name = text(&model, "name").unwrap_or_default().to_owned();
                context.put(&key.child("models").child(&name), &model);
            }
        }
    }
    context.put(&key, &document);
    view(context, &key, document).map(Answer::Document)
}

/// Copies what another API consists of; its stages and deployments stay its own.
fn clone(
    context: &mut Context<'_>,
    collection: &Key,
    source_id: &str,
    key: &Key,
    document: &mut Document,
) -> Result<()> {
    let missing = || ApiError::bad_request("Invalid REST API identifier specified");
    let source = collection.child(source_id);
    let original = context.document(&source)?.ok_or_else(missing)?;
    if let Some(root) = original.get("rootResourceId") {
        document.insert("rootResourceId".into(), root.clone());
    }
    for part in super::deployment::PARTS {
        for (from, copy) in context.transaction.subtree(&source.child(part))? {
            let rest = from.segments().skip(source.segments().count());
            let to = rest.fold(key.clone(), |key, segment| key.child(segment));
            context.put(&to, &copy);
        }
    }
    Ok(())
}

/// An API that becomes private gets the only family of addresses that there is for it.
fn check_change(
    _: &mut Context<'_>,
    _: &Key,
    before: &Document,
    document: &mut Document,
) -> Result<()> {
    let endpoint = |document| table(document, "endpointConfiguration").cloned().unwrap_or_default();
    let (old, mut new) = (endpoint(before), endpoint(document));
    let becomes_private =
        old.get("types") != new.get("types") && texts(&new, "types") == ["PRIVATE"];
    if becomes_private && old.get("ipAddressType") == new.get("ipAddressType") {
        new.remove("ipAddressType");
        document.insert("endpointConfiguration".into(), Value::Object(new));
    }
    check(document)
}

fn check(document: &mut Document) -> Result<()> {
    if text(document, "name").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Name cannot be empty"));
    }
    if !matches!(text(document, "apiKeySource"), Some("HEADER" | "AUTHORIZER")) {
        return Err(ApiError::bad_request(
            "Invalid apiKeySource specified. Valid options are HEADER,AUTHORIZER",
        ));
    }
    let size = document.get("minimumCompressionSize").and_then(Value::as_i64);
    if size.is_some_and(|size| !(0..=COMPRESSION_BYTES_MAX).contains(&size)) {
        return Err(ApiError::bad_request(WRONG_COMPRESSION_SIZE));
    }
    if text(document, "policy").is_some_and(str::is_empty) {
        document.remove("policy");
    }
    if document.get("binaryMediaTypes").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        document.remove("binaryMediaTypes");
    }
    check_endpoint(table_mut(document, "endpointConfiguration"))
}

fn check_endpoint(endpoint: &mut Document) -> Result<()> {
    let mut types = texts(endpoint, "types");
    if types.is_empty() && endpoint.contains_key("types") {
        return Err(ApiError::bad_request(
            "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
        ));
    }
    if types.is_empty() {
        types.push("EDGE".to_owned());
    }
    if types.iter().any(|one| !matches!(one.as_str(), "EDGE" | "REGIONAL" | "PRIVATE")) {
        return Err(ApiError::bad_request(
            "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
        ));
    }
    if types.len() > 1 {
        return Err(ApiError::bad_request("Cannot create an api with multiple Endpoint Types."));
    }
    let is_private = types[0] == "PRIVATE";
    match text(endpoint, "ipAddressType") {
        None => {
            let family = if is_private { "dualstack" } else { "ipv4" };
            endpoint.insert("ipAddressType".into(), family.into());
        }
        Some("ipv4") if is_private => {
            return Err(ApiError::bad_request(
                "Only dualstack ipAddressType is supported for Private APIs.",
            ));
        }
        Some("ipv4" | "dualstack") => {}
        Some(_) => {
            return Err(ApiError::bad_request("ipAddressType must be either ipv4 or dualstack."));
        }
    }
    endpoint.insert("types".into(), types.into());
    Ok(())
}

/// An API that a base path mapping names cannot go.
fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    super::domain::refuse_if_mapped(context, key.last(), None)
}

fn view(context: &mut Context<'_>, key: &Key, mut document: Document) -> Result<Document> {
    if let Some(policy) = text(&document, "policy") {
        let policy = shown_policy(&context.call.realm, key.last(), policy);
        document.insert("policy".into(), policy.into());
    }
    Ok(document)
}

/// A policy as AWS shows it: resources by their whole ARNs, one alone without its list, and the whole
/// as it stands between the quotes of a JSON text. Clients read it by `json.loads('"' + policy + '"')`.
fn shown_policy(realm: &Realm, api_id: &str, policy: &str) -> String {
    let mut document = serde_json::from_str::<Value>(policy).unwrap_or(Value::Null);
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    let resources = statements.into_iter().filter_map(|statement| statement.get_mut("Resource"));
    for resource in resources {
        let whole = |one: &Value| whole_arn(realm, api_id, one);
        *resource = match &*resource {
            Value::Array(all) if all.len() == 1 => whole(&all[0]),
            Value::Array(all) => all.iter().map(whole).collect(),
            one => whole(one),
        };
    }
    let text = if document.is_null() { policy.to_owned() } else { document.to_string() };
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].replace('/', "\\/")
}

/// `execute-api:/stage/...` is short for the ARN of the API.
fn whole_arn(realm: &Realm, api_id: &str, resource: &Value) -> Value {
    match resource.as_str().and_then(|text| text.strip_prefix("execute-api:/")) {
        None => resource.clone(),
        Some(rest) => {
            let Realm { region, account_id } = realm;
            format!("arn:aws:execute-api:{region}:{account_id}:{api_id}/{rest}").into()
        }
    }
}

const WRONG_COMPRESSION_SIZE: &str =
    "Invalid minimum compression size, must be between 0 and 10485760";
const COMPRESSION_BYTES_MAX: i64 = 10 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_are_shown_between_quotes_with_whole_arns() {
        let realm = Realm { region: "us-east-1".into(), account_id: "1".into() };
        let read = |policy: &Value| {
            let shown = shown_policy(&realm, "a", &policy.to_string());
            assert!(shown.contains(r#"\""#), "{shown}");
            let text: String = serde_json::from_str(&format!("\"{shown}\"")).expect("a text");
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        let statement = |resource: Value| json!({"Statement": [{"Resource": resource}]});
        let arn = "arn:aws:execute-api:us-east-1:1:a/*";
        for short in [json!("execute-api:/*"), json!(["execute-api:/*"]), json!([arn])] {
            assert_eq!(read(&statement(short)), statement(json!(arn)));
        }
        let two = statement(json!([arn, "arn:aws:s3:::b"]));
        assert_eq!(read(&two), two);
        assert_eq!(shown_policy(&realm, "a", "no \"policy\""), "no \\\"policy\\\"");
    }
}
