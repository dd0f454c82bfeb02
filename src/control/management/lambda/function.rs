//! Functions themselves: made, shown, changed and removed. Their document is `$LATEST`.

use serde_json::{Value, json};

use super::code::{UploadedCode, remove_unused_zips, zip_hash};
use super::code_link::path_of;
use super::configuration::{bring_in, check_revision, shown, touch};
use super::name::{not_found, own_name};
use super::stored::{LATEST, resolve};
use super::version::publish_latest;
use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::resource::document::{default, is_true, table, text};
use crate::control::management::resource::{Context, Kind, Result, load, load_parent, page};
use crate::store::{Document, Key};

pub(in crate::control::management) static FUNCTION: Kind = Kind {
    path: &["functions"],
    missing: "Function not found: arn:aws:lambda:{region}:{account}:function:{id}",
    ..Kind::PLAIN
};

/// `CreateFunction`. It is there, and can be called, when it is answered.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let call = context.call;
    let (name, _) = own_name(&call.realm, call.text("FunctionName").unwrap_or_default())?;
    if name.len() > NAME_BYTES_MAX {
        let message = format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy \
             constraint: Member must have length less than or equal to {NAME_BYTES_MAX}"
        );
        return Err(ApiError::new(Code::Validation, message));
    }
    let given = &call.body;
    if text(given, "PackageType").is_some_and(|kind| kind != "Zip") {
        return Err(ApiError::invalid_parameter(
            "Container images are not available in this version: PackageType must be Zip",
        ));
    }
    if text(given, "Runtime").is_none() || text(given, "Handler").is_none() {
        return Err(ApiError::invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment \
             packages.",
        ));
    }
    let key = load_parent(context, &FUNCTION)?.child(&name);
    if context.document(&key)?.is_some() {
        // (sic)
        let message = format!("Function already exist: {name}");
        return Err(ApiError::new(Code::ResourceConflict, message));
    }
    let mut document = Document::new();
    bring_in(&mut document, &name, given)?;
    default(&mut document, "Architectures", json!(["x86_64"]));
    default(&mut document, "Description", "");
    default(&mut document, "MemorySize", 128);
    default(&mut document, "PackageType", "Zip");
    default(&mut document, "Timeout", 3);
    for (member, value) in
        [("Version", LATEST), ("State", "Active"), ("LastUpdateStatus", "Successful")]
    {
        document.insert(member.into(), value.into());
    }
    if let Some(tags) = table(given, "Tags").filter(|tags| !tags.is_empty()) {
        document.insert("Tags".into(), Value::Object(tags.clone()));
    }
    bring_code(context, &key, &mut document)?;
    touch(context, &mut document);
    context.put(&key, &document);
    published_or(context, &name, &key, document)
}

/// Puts the code that came with the request into the store, and what is known of it into `document`.
fn bring_code(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let missing = || ApiError::invalid_parameter("Please provide a source for function code.");
    let code: &UploadedCode = context.code.ok_or_else(missing)?;
    code.describe(document);
    code.put(context, key)
}

/// The answer of what made or changed a function: the version that it published, if it was to.
fn published_or(
    context: &mut Context<'_>,
    name: &str,
    key: &Key,
    document: Document,
) -> Result<Answer> {
    if is_true(&context.call.body, "Publish") {
        return publish_latest(context, name, key, document, None);
    }
    Ok(Answer::Document(shown(&context.call.realm, name, None, document)))
}

/// `GetFunctionConfiguration`.
pub(in crate::control::management) fn get_configuration(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let (name, qualifier, document) = load_qualified(context)?;
    let realm = &context.call.realm;
    Ok(Answer::Document(shown(realm, &name, qualifier.as_deref(), document)))
}

/// `GetFunction`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let (_, function) = load(context, &FUNCTION)?;
    let (name, qualifier, document) = load_qualified(context)?;
    let realm = &context.call.realm;
    let mut code = json!({"RepositoryType": "S3"});
    if let Some(hash) = zip_hash(&document) {
        // Who answers knows the host, and signs it.
        code["Location"] = path_of(&realm.region, &name, hash).into();
    }
    let configuration = shown(realm, &name, qualifier.as_deref(), document);
    let mut answer = Document::new();
    answer.insert("Configuration".into(), Value::Object(configuration));
    answer.insert("Code".into(), code);
    answer.insert("Tags".into(), function.get("Tags").cloned().unwrap_or_default());
    if let Some(count) = function.get("reservedConcurrency") {
        answer.insert("Concurrency".into(), json!({"ReservedConcurrentExecutions": count}));
    }
    Ok(Answer::Document(answer))
}

/// The function, version or alias that the request names.
fn load_qualified(context: &mut Context<'_>) -> Result<(String, Option<String>, Document)> {
    let (key, _) = load(context, &FUNCTION)?;
    let call = context.call;
    let (name, qualifier) = (call.value(0).to_owned(), call.query("Qualifier").map(str::to_owned));
    let found = resolve(|key| context.document(key), &key, qualifier.as_deref())?;
    let found = found.ok_or_else(|| not_found(&call.realm, &name, qualifier.as_deref()))?;
    Ok((name, qualifier, found))
}

/// `ListFunctions`.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &FUNCTION)?;
    let (call, mut all) = (context.call, Vec::new());
    let has_versions = call.query("FunctionVersion") == Some("ALL");
    for (name, document) in context.children(&collection)? {
        if !has_versions {
            all.push((name.clone(), shown(&call.realm, &name, None, document)));
            continue;
        }
        all.push((name.clone(), shown(&call.realm, &name, Some(LATEST), document)));
        for (version, document) in context.children(&collection.child(&name).child("versions"))? {
            // Their numbers in their order, and all behind their function.
            let place = format!("{name} {version:>10}");
            all.push((place, shown(&call.realm, &name, Some(&version), document)));
        }
    }
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    page(context, all)
}

/// `UpdateFunctionCode`.
pub(in crate::control::management) fn update_code(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context, &FUNCTION)?;
    let (call, name) = (context.call, context.call.value(0).to_owned());
    check_revision(call.text("RevisionId"), &document)?;
    bring_in(&mut document, &name, &call.body)?;
    if is_true(&call.body, "DryRun") {
        let code = context.code;
        code.into_iter().for_each(|code| code.describe(&mut document));
        return Ok(Answer::Document(shown(&call.realm, &name, None, document)));
    }
    bring_code(context, &key, &mut document)?;
    touch(context, &mut document);
    context.put(&key, &document);
    remove_unused_zips(context, &key)?;
    published_or(context, &name, &key, document)
}

/// `UpdateFunctionConfiguration`.
pub(in crate::control::management) fn update_configuration(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let (key, mut document) = load(context, &FUNCTION)?;
    let (call, name) = (context.call, context.call.value(0).to_owned());
    check_revision(call.text("RevisionId"), &document)?;
    bring_in(&mut document, &name, &call.body)?;
    touch(context, &mut document);
    context.put(&key, &document);
    Ok(Answer::Document(shown(&call.realm, &name, None, document)))
}

/// `DeleteFunction`: all of it, or one version.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (key, _) = load(context, &FUNCTION)?;
    let Some(qualifier) = context.call.query("Qualifier").map(str::to_owned) else {
        context.transaction.remove(&key)?;
        return Ok(Answer::Empty);
    };
    if qualifier == LATEST {
        return Err(ApiError::invalid_parameter(
            "$LATEST version cannot be deleted without deleting the function.",
        ));
    }
    let version = key.child("versions").child(&qualifier);
    if context.document(&version)?.is_none() {
        let is_alias = context.document(&key.child("aliases").child(&qualifier))?.is_some();
        return Err(if is_alias {
            ApiError::invalid_parameter("Deletion of aliases is not currently supported.")
        } else {
            not_found(&context.call.realm, context.call.value(0), Some(&qualifier))
        });
    }
    let aliases = context.children(&key.child("aliases"))?;
    let aliases =
        aliases.iter().filter(|(_, one)| text(one, "FunctionVersion") == Some(&qualifier));
    let aliases: Vec<_> = aliases.map(|(name, _)| name.as_str()).collect();
    if !aliases.is_empty() {
        let message = format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            aliases.join(", ")
        );
        return Err(ApiError::new(Code::ResourceConflict, message));
    }
    context.transaction.remove(&version)?;
    context.transaction.remove(&key.child("policies").child(&qualifier))?;
    remove_unused_zips(context, &key)?;
    Ok(Answer::Empty)
}

/// Of a name without the rest of an ARN.
const NAME_BYTES_MAX: usize = 64;
