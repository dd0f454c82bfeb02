//! Mock answers: status line, fields and body, put together once.

use std::fmt::Write;

use crate::base::reason_phrase;
use crate::model::MockIntegration;
use crate::plan::MockPlan;

/// Builds the head, or says what in the answer contradicts HTTP.
pub(super) fn compile(mock: &MockIntegration) -> Result<MockPlan, String> {
    let status = mock.status;
    if has_no_content(status) && !mock.body.is_empty() {
        return Err(format!("a {status} answer has no body (RFC 9110 section 15)"));
    }
    if let Some((name, _)) = mock.headers.iter().find(|(name, _)| is_set_by_gateway(name)) {
        return Err(format!("header `{name}` is set by the gateway"));
    }
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    for (name, value) in &mock.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let has_type = mock.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !mock.body.is_empty() && !has_type {
        head.push_str("content-type: application/json\r\n");
    }
    if !matches!(status, 204 | 304) {
        let _ = write!(head, "content-length: {}\r\n", mock.body.len()); // a String takes all
    }
    Ok(MockPlan { status, head: head.into_bytes().into(), body: mock.body.as_slice().into() })
}

/// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
fn has_no_content(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

/// Fields that say how this connection carries this message.
fn is_set_by_gateway(name: &str) -> bool {
    const FIELDS: [&str; 7] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mock(status: u16, headers: &[(&str, &str)], body: &str) -> MockIntegration {
        MockIntegration {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            body: body.into(),
        }
    }

    fn head(mock: &MockIntegration) -> String {
        let plan = compile(mock).expect("a legal answer");
        assert_eq!(*plan.body, *mock.body);
        String::from_utf8(plan.head.into()).expect("heads are text")
    }

    #[test]
    fn a_body_without_type_is_json() {
        assert_eq!(
            head(&mock(200, &[], "{}")),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
        );
        assert_eq!(head(&mock(200, &[], "")), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n");
    }

    #[test]
    fn a_given_type_stays() {
        assert_eq!(
            head(&mock(404, &[("Content-Type", "text/plain"), ("x-a", "1")], "no")),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nx-a: 1\r\ncontent-length: 2\r\n"
        );
    }

    #[test]
    fn answers_without_content_say_so() {
        assert_eq!(head(&mock(204, &[], "")), "HTTP/1.1 204 No Content\r\n");
        assert_eq!(head(&mock(304, &[("etag", "\"a\"")], "")).matches("\r\n").count(), 2);
        assert!(head(&mock(205, &[], "")).contains("content-length: 0"));
        for status in [204, 205, 304] {
            assert!(compile(&mock(status, &[], "x")).is_err());
        }
    }

    #[test]
    fn framing_is_not_for_the_file() {
        for name in ["Content-Length", "transfer-encoding", "Connection", "UPGRADE"] {
            let fault = compile(&mock(200, &[(name, "1")], "x")).expect_err("refused");
            assert!(fault.contains(name));
        }
    }

    #[test]
    fn a_status_without_phrase_keeps_its_space() {
        assert!(head(&mock(599, &[], "")).starts_with("HTTP/1.1 599 \r\n"));
    }
}
