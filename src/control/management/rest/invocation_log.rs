//! The log of a `TestInvokeMethod`, line by line as AWS words it ("Tutorial: Create a REST API with
//! a Lambda non-proxy integration" shows one).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::test_invoke::{Answered, header_lines};
use crate::base::{Fault, log_time};
use crate::coord::TrialStep;
use crate::proto::uri::percent_decode;

/// What was called, and when.
pub(super) struct InvocationLog<'i> {
    pub(super) method: &'i str,
    pub(super) resource_path: &'i str,
    /// Path and query.
    pub(super) target: &'i str,
    pub(super) headers: &'i [(String, String)],
    pub(super) body: &'i str,
    /// `http` or `https`, of the endpoint.
    pub(super) scheme: &'i str,
    pub(super) started: SystemTime,
    pub(super) latency: Duration,
}

impl InvocationLog<'_> {
    /// All lines.
    pub(super) fn text(&self, steps: &[TrialStep], answer: &Answered<'_>) -> String {
        let id = answer.request_id();
        let mut lines = Lines { text: format!("Execution log for request {id}\n"), at: 0 };
        lines.at = seconds(self.started);
        lines.add(&format!("Starting execution for request: {id}"));
        self.tell_request(&mut lines);
        let mut asked = None;
        let (mut is_refused, mut ends) = (false, seconds(self.started + self.latency));
        ends = ends.max(lines.at);
        for step in steps {
            match step {
                TrialStep::EndpointRequest { head, body, at } => {
                    asked = Some(*at);
                    self.tell_endpoint_request(&mut lines, head, body);
                }
                TrialStep::EndpointAnswer { head, at } => {
                    lines.at = ends;
                    let head = String::from_utf8_lossy(head);
                    let latency_ms = asked.map_or(0, |asked| at.since(asked).as_millis());
                    let status = head.split(' ').nth(1).unwrap_or_default();
                    lines.add(&format!(
                        "Received response. Status: {status}, Integration latency: {latency_ms} ms"
                    ));
                    let headers = dump(header_lines(&head));
                    lines.add(&format!("Endpoint response headers: {headers}"));
                }
                TrialStep::EndpointAnswerBody(body) => {
                    let body = String::from_utf8_lossy(body);
                    lines.add(&format!("Endpoint response body before transformations: {body}"));
                }
                TrialStep::Refused { fault, detail } => {
                    (lines.at, is_refused) = (ends, true);
                    lines.add(&failure(*fault, detail.as_deref()));
                }
            }
        }
        lines.at = ends;
        if !is_refused {
            let body = String::from_utf8_lossy(answer.body);
            lines.add(&format!("Method response body after transformations: {body}"));
            lines.add(&format!("Method response headers: {}", dump(answer.told_headers())));
            lines.add("Successfully completed execution");
        }
        lines.add(&format!("Method completed with status: {}", answer.status));
        lines.text
    }

    fn tell_request(&self, lines: &mut Lines) {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        lines.add(&format!("HTTP Method: {}, Resource Path: {path}", self.method));
        let parameters = path_parameters(self.resource_path, path);
        lines.add(&format!("Method request path: {}", dump_pairs(&parameters)));
        let mut by_name = BTreeMap::<String, String>::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            by_name.insert(decoded(name), decoded(value));
        }
        let pairs: Vec<_> = by_name.into_iter().collect();
        lines.add(&format!("Method request query string: {}", dump_pairs(&pairs)));
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        lines.add(&format!("Method request headers: {}", dump(headers)));
        lines.add(&format!("Method request body before transformations: {}", self.body));
    }

    fn tell_endpoint_request(&self, lines: &mut Lines, head: &[u8], body: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let path = head.split(' ').nth(1).unwrap_or("/");
        let headers = header_lines(&head);
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let uri = format!("{}://{}{path}", self.scheme, host.map_or("", |(_, host)| host));
        lines.add(&format!("Endpoint request URI: {uri}"));
        let headers = headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
        lines.add(&format!("Endpoint request headers: {}", dump(headers)));
        let body = String::from_utf8_lossy(body);
        lines.add(&format!("Endpoint request body after transformations: {body}"));
        lines.add(&format!("Sending request to {uri}"));
    }
}

/// Lines with their time.
struct Lines {
    text: String,
    /// Seconds since 1970.
    at: u64,
}

impl Lines {
    fn add(&mut self, line: &str) {
        let mut end = line.len().min(LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < line.len() { " [TRUNCATED]" } else { "" };
        // A String takes all.
        let _ = writeln!(self.text, "{} : {}{cut}", log_time(self.at), &line[..end]);
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why the gateway answered itself.
fn failure(fault: Fault, detail: Option<&str>) -> String {
    match (fault, detail) {
        (Fault::UpstreamTimeout, _) => "Execution failed due to a timeout error".to_owned(),
        (Fault::ConnectFailed | Fault::ConnectTimeout | Fault::UpstreamReset, _) => {
            "Execution failed due to a network error communicating with endpoint".to_owned()
        }
        (Fault::NoHealthyTarget, _) => {
            "Execution failed due to configuration error: Invalid endpoint address".to_owned()
        }
        (Fault::ApiConfiguration, detail) => {
            let detail = detail.unwrap_or("the integration cannot be carried out");
            format!("Execution failed due to configuration error: {detail}")
        }
        (_, Some(detail)) => format!("Execution failed: {detail}"),
        (fault, None) => format!("Execution failed: {fault:?}"),
    }
}

/// The values of a path for the placeholders of a resource, decoded.
fn path_parameters(resource_path: &str, path: &str) -> Vec<(String, String)> {
    let mut rest = path.trim_start_matches('/');
    let mut parameters = Vec::new();
    for label in resource_path.trim_start_matches('/').split('/') {
        let name = label.strip_prefix('{').and_then(|label| label.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_suffix('+')) {
            parameters.push((name.to_owned(), decoded(rest)));
            break;
        }
        let (segment, behind) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(name) = name {
            parameters.push((name.to_owned(), decoded(segment)));
        }
        rest = behind;
    }
    parameters
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    match percent_decode(text.as_bytes(), &mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => text.to_owned(),
    }
}

/// `{name=value, ...}`; the values of a name that comes again are joined by commas.
fn dump<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> String {
    let mut pairs = Vec::<(String, String)>::new();
    for (name, value) in headers {
        match pairs.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(value);
            }
            None => pairs.push((name.to_owned(), value.to_owned())),
        }
    }
    dump_pairs(&pairs)
}

fn dump_pairs(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// AWS cuts lines of execution logs here.
const LINE_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_give_the_values_of_placeholders() {
        let of = |resource, path| dump_pairs(&path_parameters(resource, path));
        assert_eq!(of("/pets", "/pets"), "{}");
        assert_eq!(of("/{a}/x/{b}", "/1/x/2%203"), "{a=1, b=2 3}");
        assert_eq!(of("/x/{proxy+}", "/x/a/b"), "{proxy=a/b}");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let mut lines = Lines { text: String::new(), at: 0 };
        lines.add(&"é".repeat(600));
        let expected = format!("Thu Jan 01 00:00:00 UTC 1970 : {} [TRUNCATED]\n", "é".repeat(512));
        assert_eq!(lines.text, expected);
        lines.text.clear();
        lines.add(&"x".repeat(1_024));
        assert!(!lines.text.contains("TRUNCATED"));
    }

    #[test]
    fn headers_are_told_once_each() {
        assert_eq!(dump([("A", "1"), ("b", "2"), ("a", "3")]), "{A=1,3, b=2}");
        assert_eq!(dump([]), "{}");
    }
}
