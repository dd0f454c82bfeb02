//! `RoutingRule`: which API a domain's requests go to, by headers and base paths ("Routing rules to
//! connect API stages to a custom domain name").

use serde_json::Value;

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::text;
use crate::control::management::resource::{Context, Kind, Result, load, load_parent};
use crate::control::management::rest::domain::{DOMAIN_NAME, check_mapping};
use crate::store::{Document, Key};

pub(in crate::control::management) static ROUTING_RULE: Kind = Kind {
    parent: Some(&DOMAIN_NAME),
    path: &["routingrules"],
    missing: "Invalid routing rule identifier specified",
    ..Kind::PLAIN
};

/// `CreateRoutingRule`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &ROUTING_RULE)?;
    let max = context.quotas.routing_rules_count_max;
    context.check_quota(&collection, max, "Routing rules", "domain name")?;
    let id = ids::id(6);
    let key = collection.child(&id);
    store(context, &key)
}

/// `PutRoutingRule`.
pub(in crate::control::management) fn put(context: &mut Context<'_>) -> Result<Answer> {
    let (key, _) = load(context, &ROUTING_RULE)?;
    store(context, &key)
}

fn store(context: &mut Context<'_>, key: &Key) -> Result<Answer> {
    let mut document = context.call.body.clone();
    check(context, key, &document)?;
    let (realm, domain) = (&context.call.realm, context.call.value(0));
    let arn = format!(
        "arn:aws:apigateway:{}:{}:/domainnames/{domain}/routingrules/{}",
        realm.region,
        realm.account_id,
        key.last()
    );
    document.insert("routingRuleId".into(), key.last().into());
    document.insert("routingRuleArn".into(), arn.into());
    context.put(key, &document);
    Ok(Answer::Document(document))
}

fn check(context: &mut Context<'_>, key: &Key, rule: &Document) -> Result<()> {
    let collection = load_parent(context, &ROUTING_RULE)?;
    for (id, other) in context.children(&collection)? {
        if id != key.last() && other.get("priority") == rule.get("priority") {
            let message =
                "A routing rule with the same priority already exists for this domain name";
            return Err(ApiError::conflict(message));
        }
    }
    let list = |name: &str| rule.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    check_conditions(&list("conditions"))?;
    let actions = list("actions");
    let [action] = &actions[..] else {
        return Err(ApiError::bad_request("A routing rule has exactly one action"));
    };
    let target = action["invokeApi"].as_object().cloned().unwrap_or_default();
    let mut mapping = Document::new();
    mapping.insert("restApiId".into(), target.get("apiId").cloned().unwrap_or_default());
    mapping.insert("stage".into(), target.get("stage").cloned().unwrap_or_default());
    check_mapping(context, &mut mapping)
}

/// At most two conditions on headers and one on base paths, each with one alternative.
fn check_conditions(conditions: &[Value]) -> Result<()> {
    let (mut headers_count, mut paths_count) = (0, 0);
    for condition in conditions.iter().filter_map(Value::as_object) {
        let alternatives =
            |name: &str| condition.get(name).and_then(|one| one["anyOf"].as_array()).cloned();
        match (alternatives("matchHeaders"), alternatives("matchBasePaths")) {
            (Some(headers), None) => {
                headers_count += 1;
                let [header] = &headers[..] else {
                    return Err(ApiError::bad_request("A condition has exactly one alternative"));
                };
                check_glob(header.as_object())?;
            }
            (None, Some(paths)) => {
                paths_count += 1;
                if paths.len() != 1 {
                    return Err(ApiError::bad_request("A condition has exactly one alternative"));
                }
            }
            _ => {
                return Err(ApiError::bad_request(
                    "A condition has either matchHeaders or matchBasePaths",
                ));
            }
        }
    }
    if headers_count > 2 || paths_count > 1 {
        return Err(ApiError::bad_request(
            "A routing rule has at most two header conditions and one base path condition",
        ));
    }
    Ok(())
}

/// `*suffix`, `prefix*`, `*contains*`, or a value.
fn check_glob(header: Option<&Document>) -> Result<()> {
    let glob = header.and_then(|header| text(header, "valueGlob")).unwrap_or_default();
    let inner = glob.strip_prefix('*').unwrap_or(glob);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if glob.is_empty() || inner.contains('*') || glob.len() > 128 {
        return Err(ApiError::bad_request(format!("Invalid valueGlob specified: {glob}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header(glob: &str) -> Value {
        json!({"matchHeaders": {"anyOf": [{"header": "x", "valueGlob": glob}]}})
    }

    #[test]
    fn conditions_have_their_bounds() {
        let path = json!({"matchBasePaths": {"anyOf": ["a"]}});
        assert_eq!(check_conditions(&[]), Ok(()), "it fits everything");
        assert_eq!(check_conditions(&[header("a*"), header("*b"), path.clone()]), Ok(()));
        assert!(check_conditions(&[header("a"), header("b"), header("c")]).is_err());
        assert!(check_conditions(&[path.clone(), path]).is_err());
        assert!(check_conditions(&[json!({})]).is_err());
        for glob in ["a*b", "", "**a", "*a*b*"] {
            assert!(check_conditions(&[header(glob)]).is_err(), "{glob}");
        }
    }
}
