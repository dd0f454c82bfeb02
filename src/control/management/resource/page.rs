//! Lists by pages: `limit` and `position` in the first generation, `maxResults` and `nextToken` in the
//! second.

use serde_json::Value;

use super::context::{Context, Result};
use crate::control::management::answer::Answer;
use crate::control::management::call::Call;
use crate::control::management::error::ApiError;
use crate::control::management::service::Service;
use crate::store::Document;

/// The page of `all` that the request asks for. `all` is in the order of the texts beside, of which
/// no two are the same.
pub(in crate::control::management) fn page(
    context: &Context<'_>,
    all: Vec<(String, Document)>,
) -> Result<Answer> {
    let call = context.call;
    let names = match call.operation.service {
        Service::Rest => {
            Names { limit: "limit", after: "position", items: "item", token: "position" }
        }
        Service::Http | Service::Connections => {
            let items =
                if call.operation.name == "ListRoutingRules" { "routingRules" } else { "items" };
            Names { limit: "maxResults", after: "nextToken", items, token: "nextToken" }
        }
        Service::Lambda => {
            let items = match call.operation.name {
                "ListAliases" => "Aliases",
                "ListVersionsByFunction" => "Versions",
                _ => "Functions",
            };
            Names { limit: "MaxItems", after: "Marker", items, token: "NextMarker" }
        }
    };
    // Lambda takes larger limits and answers no more than this.
    let is_lambda = call.operation.service == Service::Lambda;
    let limit_max = if is_lambda { FUNCTIONS_LIMIT_MAX } else { LIMIT_MAX };
    let limit = match call.query(names.limit).filter(|text| !text.is_empty()) {
        None => default_limit(call, names.limit),
        Some(text) => text
            .parse::<usize>()
            .ok()
            .map(|limit| if is_lambda { limit.min(limit_max) } else { limit })
            .filter(|limit| (1..=limit_max).contains(limit))
            .ok_or_else(|| {
                ApiError::bad_request(format!("Invalid {} value specified: {text}", names.limit))
            })?,
    };
    let after = match call.query(names.after).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(decode(text).ok_or_else(|| {
            ApiError::bad_request(format!("Invalid {} parameter specified", names.after))
        })?),
    };
    let mut rest = all.into_iter().filter(|(id, _)| after.as_ref().is_none_or(|after| id > after));
    let mut items = Vec::new();
    let mut last = None;
    for (id, document) in rest.by_ref().take(limit) {
        items.push(Value::Object(document));
        last = Some(id);
    }
    let mut answer = Document::new();
    answer.insert(names.items.to_owned(), Value::Array(items));
    if let (Some(last), Some(_)) = (last, rest.next()) {
        answer.insert(names.token.to_owned(), encode(&last).into());
    }
    Ok(Answer::Document(answer))
}

struct Names {
    limit: &'static str,
    after: &'static str,
    items: &'static str,
    token: &'static str,
}

/// The first generation answers 25 at a time, or all where nobody may ask for more; the second says
/// no number, and its clients may not ask for the next page.
fn default_limit(call: &Call, limit: &str) -> usize {
    let has_pages = call.operation.input_members().iter().any(|member| member.wire == limit);
    match call.operation.service {
        Service::Rest if has_pages => 25,
        Service::Rest => usize::MAX,
        Service::Http | Service::Connections => LIMIT_MAX,
        Service::Lambda => FUNCTIONS_LIMIT_MAX,
    }
}

const LIMIT_MAX: usize = 500;
/// Lambda's pages (API reference, "ListFunctions").
const FUNCTIONS_LIMIT_MAX: usize = 50;

/// A token is the last place, made opaque so that nobody makes one up.
fn encode(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(token: &str) -> Option<String> {
    if !token.is_ascii() || !token.len().is_multiple_of(2) {
        return None;
    }
    let bytes =
        (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<_>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_made_up_ones_do_not() {
        for id in ["a", "GET", "é/~", ""] {
            assert_eq!(decode(&encode(id)).as_deref(), Some(id));
        }
        for token in ["x", "zz", "é", "ff"] {
            assert_eq!(decode(token), None, "{token}");
        }
    }
}
