//! From a method and a path to an operation.

use super::{Operation, Service, operations};
use crate::proto::uri::percent_decode;

/// The operation of a request, with the values in its path.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) operation: &'static Operation,
    /// By their names in the path, in order.
    pub(crate) values: Vec<(&'static str, String)>,
}

/// The operation that `method`, `path` and `query` mean. Texts in the path win over values, and an
/// operation that the query names over one that it does not.
pub(crate) fn route(method: &str, path: &str, query: &[(String, String)]) -> Option<Routed> {
    let segments: Vec<String> =
        path.strip_prefix('/')?.split('/').map(decode).collect::<Option<_>>()?;
    let fitting = operations().filter(|operation| operation.method == method);
    let fitting = fitting.filter_map(|operation| {
        let is_named = operation
            .query
            .map(|(name, value)| query.iter().any(|(given, text)| given == name && text == value));
        let values = (is_named != Some(false)).then(|| fit(operation, &segments)).flatten()?;
        Some((
            is_named == Some(true),
            operation.path.len() - values.len(),
            Routed { operation, values },
        ))
    });
    let best = fitting.max_by_key(|(is_named, texts, _)| (*is_named, *texts));
    best.map(|(_, _, routed)| routed)
}

fn fit(operation: &'static Operation, segments: &[String]) -> Option<Vec<(&'static str, String)>> {
    let path = &operation.path;
    // An ARN has slashes, which not every client encodes.
    let takes_rest =
        path.last().is_some_and(|last| matches!(*last, "{resource_arn}" | "{resource-arn}"));
    // Older clients of Lambda end paths of collections with a slash.
    let is_lambda = operation.service == Service::Lambda;
    let segments = match segments {
        [path @ .., last] if is_lambda && last.is_empty() => path,
        all => all,
    };
    if segments.len() < path.len() || (segments.len() > path.len() && !takes_rest) {
        return None;
    }
    let mut values = Vec::new();
    for (index, wanted) in path.iter().enumerate() {
        match wanted.strip_prefix('{') {
            Some(name) => {
                let is_last = index + 1 == path.len();
                let value =
                    if is_last { segments[index..].join("/") } else { segments[index].clone() };
                if value.is_empty() {
                    return None;
                }
                values.push((name.trim_end_matches('}'), value));
            }
            None if *wanted == segments[index] => {}
            None => return None,
        }
    }
    Some(values)
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    percent_decode(segment.as_bytes(), &mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(method: &str, target: &str) -> Option<(&'static str, Vec<String>)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: Vec<_> = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let Routed { operation, values } = route(method, path, &query)?;
        Some((operation.name, values.into_iter().map(|(_, value)| value).collect()))
    }

    fn values(list: &[&str]) -> Vec<String> {
        list.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn operations_are_found_by_method_path_and_query() {
        assert_eq!(routed("POST", "/restapis"), Some(("CreateRestApi", vec![])));
        assert_eq!(routed("POST", "/restapis?mode=import"), Some(("ImportRestApi", vec![])));
        assert_eq!(routed("GET", "/v2/apis/a"), Some(("GetApi", values(&["a"]))));
        assert_eq!(
            routed("PUT", "/restapis/a/resources/b/methods/GET/integration/responses/200"),
            Some(("PutIntegrationResponse", values(&["a", "b", "GET", "200"])))
        );
        assert_eq!(routed("PUT", "/restapis"), None);
        assert_eq!(routed("GET", "/v2/apis/"), None, "a value is not empty");
        assert_eq!(routed("GET", "/restapis/%zz"), None);
    }

    #[test]
    fn an_arn_may_have_its_slashes_or_not() {
        let arn = "arn:aws:apigateway:us-east-1::/restapis/a";
        let encoded = "/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fa";
        assert_eq!(routed("GET", encoded), Some(("GetTags", values(&[arn]))));
        assert_eq!(routed("GET", &format!("/tags/{arn}")), Some(("GetTags", values(&[arn]))));
        assert_eq!(routed("GET", &format!("/v2/tags/{arn}")), Some(("GetTags", values(&[arn]))));
    }

    #[test]
    fn functions_may_have_a_slash_behind_them() {
        for path in ["/2015-03-31/functions", "/2015-03-31/functions/"] {
            assert_eq!(routed("GET", path), Some(("ListFunctions", vec![])), "{path}");
        }
        let code = "/2015-03-31/functions/f/code";
        assert_eq!(routed("PUT", code), Some(("UpdateFunctionCode", values(&["f"]))));
        assert_eq!(routed("PUT", "/2015-03-31/functions//code"), None);
    }

    #[test]
    fn every_operation_is_reached_by_its_own_path() {
        for operation in operations() {
            let path: Vec<_> =
                operation.path.iter().map(|one| one.replace(['{', '}'], "v")).collect();
            let query: Vec<_> =
                operation.query.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
            let found = route(operation.method, &format!("/{}", path.join("/")), &query);
            let found = found.expect(operation.name).operation;
            assert_eq!((found.service, found.name), (operation.service, operation.name));
        }
    }
}
