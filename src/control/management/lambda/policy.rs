//! Resource-based policies: who may call a function, a version or an alias. Each has a document of
//! its own, with statements as they are shown.

use serde_json::{Map, Value, json};

use super::configuration::check_revision;
use super::function::FUNCTION;
use super::name::{arn, not_found};
use super::stored::{LATEST, resolve};
use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::ids;
use crate::control::management::resource::document::text;
use crate::control::management::resource::{Context, Result, load};
use crate::store::{Document, Key};

/// `AddPermission`.
pub(in crate::control::management) fn add(context: &mut Context<'_>) -> Result<Answer> {
    let key = policy_key(context)?;
    let (call, before) = (context.call, context.document(&key)?);
    let policy = before.unwrap_or_default();
    check_revision(call.text("RevisionId"), &policy)?;
    let mut statements = statements(&policy);
    let id = call.text("StatementId").unwrap_or_default();
    if statements.iter().any(|one| one["Sid"] == id) {
        let message = format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or \
             remove the existing statement."
        );
        return Err(ApiError::new(Code::ResourceConflict, message));
    }
    let resource = arn(&call.realm, call.value(0), call.query("Qualifier"));
    let statement = statement(&call.body, &resource)?;
    statements.push(statement.clone());
    let size = shown(&statements).len();
    if size > POLICY_BYTES_MAX {
        let message = format!(
            "The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
        );
        return Err(ApiError::new(Code::PolicyLengthExceeded, message));
    }
    put(context, &key, statements);
    let answer = [("Statement".to_owned(), statement.to_string().into())];
    Ok(Answer::Document(Document::from_iter(answer)))
}

/// `RemovePermission`.
pub(in crate::control::management) fn remove(context: &mut Context<'_>) -> Result<Answer> {
    let key = policy_key(context)?;
    let call = context.call;
    let missing = |message: String| ApiError::new(Code::ResourceNotFound, message);
    let policy = context
        .document(&key)?
        .ok_or_else(|| missing("No policy is associated with the given resource.".to_owned()))?;
    check_revision(call.query("RevisionId"), &policy)?;
    let (id, mut statements) = (call.value(1), statements(&policy));
    let count = statements.len();
    statements.retain(|one| one["Sid"] != id);
    if statements.len() == count {
        return Err(missing(format!("Statement {id} is not found in resource policy.")));
    }
    if statements.is_empty() {
        context.transaction.remove(&key)?;
    } else {
        put(context, &key, statements);
    }
    Ok(Answer::Empty)
}

/// `GetPolicy`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let key = policy_key(context)?;
    let policy = context.document(&key)?.ok_or_else(|| {
        ApiError::new(Code::ResourceNotFound, "The resource you requested does not exist.")
    })?;
    let mut answer = Document::new();
    answer.insert("Policy".into(), shown(&statements(&policy)).into());
    answer.insert("RevisionId".into(), policy.get("RevisionId").cloned().unwrap_or_default());
    Ok(Answer::Document(answer))
}

/// Where the policy of what the request names lies.
fn policy_key(context: &mut Context<'_>) -> Result<Key> {
    let (function, _) = load(context, &FUNCTION)?;
    let call = context.call;
    let qualifier = call.query("Qualifier");
    if qualifier == Some(LATEST) {
        let message = "We currently do not support adding policies for $LATEST.";
        return Err(ApiError::invalid_parameter(message));
    }
    if resolve(|key| context.document(key), &function, qualifier)?.is_none() {
        return Err(not_found(&call.realm, call.value(0), qualifier));
    }
    Ok(stored_policy_key(&function, qualifier))
}

/// Where the policy of a function, or of a version or alias of it, lies.
pub(super) fn stored_policy_key(function: &Key, qualifier: Option<&str>) -> Key {
    function.child("policies").child(qualifier.unwrap_or(LATEST))
}

/// The statements of a policy's document.
pub(super) fn statements(policy: &Document) -> Vec<Value> {
    policy.get("statements").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn put(context: &mut Context<'_>, key: &Key, statements: Vec<Value>) {
    let mut policy = Document::new();
    policy.insert("statements".into(), Value::Array(statements));
    policy.insert("RevisionId".into(), ids::uuid().into());
    context.put(key, &policy);
}

fn shown(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Id": "default", "Statement": statements}).to_string()
}

fn statement(given: &Document, resource: &str) -> Result<Value> {
    let mut statement = json!({
        "Sid": text(given, "StatementId"),
        "Effect": "Allow",
        "Principal": principal(text(given, "Principal").unwrap_or_default())?,
        "Action": text(given, "Action"),
        "Resource": resource,
    });
    let mut equals = Map::new();
    for (member, key) in [
        ("SourceAccount", "AWS:SourceAccount"),
        ("PrincipalOrgID", "aws:PrincipalOrgID"),
        ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
        ("EventSourceToken", "lambda:EventSourceToken"),
    ] {
        if let Some(value) = given.get(member) {
            equals.insert(key.to_owned(), value.clone());
        }
    }
    let mut condition = Map::new();
    if !equals.is_empty() {
        condition.insert("StringEquals".into(), Value::Object(equals));
    }
    if let Some(is_by_url) = given.get("InvokedViaFunctionUrl") {
        condition.insert("Bool".into(), json!({"lambda:InvokedViaFunctionUrl": is_by_url}));
    }
    if let Some(source) = given.get("SourceArn") {
        condition.insert("ArnLike".into(), json!({"AWS:SourceArn": source}));
    }
    if !condition.is_empty() {
        statement["Condition"] = Value::Object(condition);
    }
    Ok(statement)
}

fn principal(given: &str) -> Result<Value> {
    let is_account = given.len() == 12 && given.bytes().all(|byte| byte.is_ascii_digit());
    match given {
        "*" => Ok("*".into()),
        _ if is_account => Ok(json!({"AWS": format!("arn:aws:iam::{given}:root")})),
        _ if given.starts_with("arn:") => Ok(json!({"AWS": given})),
        _ if given.contains('.') => Ok(json!({"Service": given})),
        _ => Err(ApiError::invalid_parameter(
            "The provided principal was invalid. Please check the principal and try again.",
        )),
    }
}

/// "Lambda quotas": function resource-based policy.
const POLICY_BYTES_MAX: usize = 20_480;
