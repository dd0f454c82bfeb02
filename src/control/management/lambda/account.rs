//! `GetAccountSettings`: Lambda's quotas, and what there is.

use serde_json::{Value, json};

use super::function::FUNCTION;
use super::unzip::UNZIPPED_BYTES_MAX;
use crate::control::management::answer::Answer;
use crate::control::management::resource::{Context, Result, load_parent};
use crate::store::Document;

/// `GetAccountSettings`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &FUNCTION)?;
    let (mut bytes_count, mut functions_count) = (0, 0);
    for (name, function) in context.children(&collection)? {
        functions_count += 1;
        let versions = context.children(&collection.child(&name).child("versions"))?;
        let all = versions.iter().map(|(_, version)| version).chain([&function]);
        bytes_count +=
            all.filter_map(|one| one.get("CodeSize").and_then(Value::as_u64)).sum::<u64>();
    }
    let limit = json!({
        "TotalCodeSize": 80_530_636_800_u64,
        "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 1_000,
    });
    let usage = json!({"TotalCodeSize": bytes_count, "FunctionCount": functions_count});
    let answer = [("AccountLimit".to_owned(), limit), ("AccountUsage".to_owned(), usage)];
    Ok(Answer::Document(Document::from_iter(answer)))
}
