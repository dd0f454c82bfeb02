//! A format, parsed: literals and variables in order, each variable with its way of escaping.

use super::clf_time::ClfClock;
use super::escape::Escape;
use super::record::AccessRecord;
use super::variable::{Variable, is_family, nearest};

/// Longest format, as AWS has it ("Quotas for configuring and running an HTTP API": 3 KB).
pub const FORMAT_BYTES_MAX: usize = 3 * 1024;

/// The formats that a single word stands for, as AWS documents them for HTTP APIs ("Configuring
/// logging for an HTTP API").
pub const PRESETS: [(&str, &str); 4] = [
    (
        "clf",
        "$context.identity.sourceIp - - [$context.requestTime] \"$context.httpMethod \
         $context.routeKey $context.protocol\" $context.status $context.responseLength \
         $context.requestId",
    ),
    (
        "json",
        "{ \"requestId\":\"$context.requestId\", \"ip\": \"$context.identity.sourceIp\", \
         \"requestTime\":\"$context.requestTime\", \"httpMethod\":\"$context.httpMethod\",\
         \"routeKey\":\"$context.routeKey\", \"status\":\"$context.status\",\
         \"protocol\":\"$context.protocol\", \"responseLength\":\"$context.responseLength\" }",
    ),
    (
        "xml",
        "<request id=\"$context.requestId\"> <ip>$context.identity.sourceIp</ip> \
         <requestTime>$context.requestTime</requestTime> \
         <httpMethod>$context.httpMethod</httpMethod> <routeKey>$context.routeKey</routeKey> \
         <status>$context.status</status> <protocol>$context.protocol</protocol> \
         <responseLength>$context.responseLength</responseLength> </request>",
    ),
    (
        "csv",
        "$context.identity.sourceIp,$context.requestTime,$context.httpMethod,$context.routeKey,\
         $context.protocol,$context.status,$context.responseLength,$context.requestId",
    ),
];

/// A compiled format. Each shard has its own: it remembers the text of the current second.
#[derive(Clone, Debug)]
pub struct AccessLogFormat {
    pieces: Vec<Piece>,
    clock: ClfClock,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Variable(Variable, Escape),
}

/// Why a text is not a format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct AccessLogError {
    /// A sentence without full stop.
    pub message: String,
    /// Byte offset in the text where it goes wrong.
    pub offset: usize,
}

impl AccessLogFormat {
    /// Compiles a format, or the name of one of the [`PRESETS`]. It must be one line (a newline at
    /// its end is allowed and has no effect) and name the request's id, as AWS asks.
    pub fn compile(text: &str) -> Result<Self, AccessLogError> {
        let preset = PRESETS.iter().find(|(name, _)| *name == text);
        let text = preset.map_or(text, |(_, format)| format).trim_end_matches('\n');
        check_line(text)?;
        let pieces = Parser::new(text).parse()?;
        let names_request =
            |piece: &Piece| matches!(piece, Piece::Variable(Variable::RequestId, _));
        if !pieces.iter().any(names_request) {
            return Err(AccessLogError {
                message: "the format must name $context.requestId or $context.extendedRequestId"
                    .into(),
                offset: text.len(),
            });
        }
        Ok(Self { pieces, clock: ClfClock::default() })
    }

    /// Appends one line, without newline.
    pub fn render(&self, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(variable, escape) => {
                    record.write(*variable, *escape, &self.clock, out);
                }
            }
        }
    }
}

fn check_line(text: &str) -> Result<(), AccessLogError> {
    if text.len() > FORMAT_BYTES_MAX {
        let message = format!("the format has {} bytes, at most {FORMAT_BYTES_MAX}", text.len());
        return Err(AccessLogError { message, offset: FORMAT_BYTES_MAX });
    }
    match text.find(|one: char| one.is_control() && one != '\t') {
        Some(offset) => Err(AccessLogError {
            message: "the format must be one line without control characters".into(),
            offset,
        }),
        None => Ok(()),
    }
}

/// What kind of text the format makes, told by its first character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialect {
    Plain,
    Json,
    Xml,
}

struct Parser<'a> {
    text: &'a str,
    dialect: Dialect,
    is_quoted: bool,
    is_escaped: bool,
}

const MARK: &str = "$context.";

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let dialect = match text.trim_start().as_bytes() {
            [b'{', ..] | [b'[', b'"', ..] => Dialect::Json,
            [b'<', ..] => Dialect::Xml,
            _ => Dialect::Plain,
        };
        Self { text, dialect, is_quoted: false, is_escaped: false }
    }

    fn parse(mut self) -> Result<Vec<Piece>, AccessLogError> {
        let (mut pieces, mut offset) = (Vec::new(), 0);
        while let Some(rest) = self.text.get(offset..).filter(|rest| !rest.is_empty()) {
            let (piece, bytes) = match rest.starts_with('$').then(|| self.variable(rest, offset)) {
                Some(variable) => variable?,
                None => self.literal(rest),
            };
            pieces.push(piece);
            offset += bytes;
        }
        Ok(pieces)
    }

    fn literal(&mut self, rest: &str) -> (Piece, usize) {
        let bytes = rest.find('$').unwrap_or(rest.len());
        let literal = &rest.as_bytes()[..bytes];
        for byte in literal {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_quoted = !self.is_quoted,
                _ => {}
            }
        }
        (Piece::Literal(literal.into()), bytes)
    }

    fn variable(&self, rest: &str, offset: usize) -> Result<(Piece, usize), AccessLogError> {
        let error = |message: String| Err(AccessLogError { message, offset });
        let Some(tail) = rest.strip_prefix(MARK) else {
            // A dollar sign that cannot be meant as a variable, a price say, is text.
            return match rest.as_bytes().get(1) {
                Some(b'{' | b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                    error("only $context variables are known here, as in $context.requestId".into())
                }
                _ => Ok((Piece::Literal(b"$".as_slice().into()), 1)),
            };
        };
        let name = name_at_start(tail);
        let Some(variable) = Variable::find(name) else {
            return error(format!(
                "there is no variable {MARK}{name}; the nearest is {MARK}{}",
                nearest(name)
            ));
        };
        if self.dialect == Dialect::Json && !self.is_quoted && !variable.is_json() {
            return error(format!(
                "{MARK}{name} is text and must stand in quotes in a JSON format"
            ));
        }
        if variable.is_quoted() && self.is_quoted {
            return error(format!("{MARK}{name} brings its own quotes and must stand without"));
        }
        Ok((Piece::Variable(variable, self.escape()), MARK.len() + name.len()))
    }

    fn escape(&self) -> Escape {
        match (self.dialect, self.is_quoted) {
            (Dialect::Xml, _) => Escape::Xml,
            (_, true) => Escape::Quoted,
            (Dialect::Json, false) => Escape::JsonValue,
            (Dialect::Plain, false) => Escape::Bare,
        }
    }
}

/// The longest name that `tail` begins with. A hyphen belongs to names of the user's alone, so
/// that `$context.apiId-$context.stage` means what it seems to.
fn name_at_start(tail: &str) -> &str {
    let is_end = |one: char| !(one.is_ascii_alphanumeric() || one == '.' || one == '_');
    let mut end = tail.find(is_end).unwrap_or(tail.len());
    if is_family(&tail[..end]) {
        end = tail.find(|one: char| is_end(one) && one != '-').unwrap_or(tail.len());
    }
    // A full stop at the end is the sentence's, not the name's.
    tail[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{Fault, Nanos, RequestIdSource};

    fn record() -> AccessRecord<'static> {
        AccessRecord {
            request_id: RequestIdSource::new([1, 2]).next_id(),
            request_uuid: None,
            connection_id: Some(7),
            source_ip: Some([192, 0, 2, 255].into()),
            method: b"GET",
            path: b"/prod/pets/1",
            query: Some(b"a=b"),
            protocol: "HTTP/1.1",
            host: b"api.example.com:8443",
            user_agent: Some(b"curl/8"),
            api_id: Some("petstore"),
            stage: Some("prod"),
            route_key: Some("GET /pets/{id}"),
            status: 200,
            request_bytes: 10,
            response_bytes: 256,
            request_time_unix_ms: 1_795_172_400_123,
            latency: Nanos::from_millis(12),
            integration_latency: Some(Nanos::from_millis(11)),
            integration_status: Some(201),
            target: Some("10.0.0.1:80"),
            tls: None,
            fault: None,
            error_message: None,
        }
    }

    fn render(format: &str, record: &AccessRecord<'_>) -> String {
        let format = AccessLogFormat::compile(format).expect("a format");
        let mut out = Vec::new();
        format.render(record, &mut out);
        String::from_utf8(out).expect("lines are ASCII here")
    }

    fn error(format: &str) -> AccessLogError {
        AccessLogFormat::compile(format).expect_err("not a format")
    }

    #[test]
    fn presets_have_the_documented_shapes() {
        let record = record();
        let id = record.request_id.as_str();
        assert_eq!(
            render("clf", &record),
            format!(
                "192.0.2.255 - - [20/Nov/2026:11:00:00 +0000] \"GET GET /pets/{{id}} HTTP/1.1\" \
                 200 256 {id}"
            )
        );
        let json: serde_json::Value =
            serde_json::from_str(&render("json", &record)).expect("the preset is JSON");
        assert_eq!(json["requestId"], id);
        assert_eq!(json["requestTime"], "20/Nov/2026:11:00:00 +0000");
        assert_eq!(json["status"], "200");
        assert!(render("xml", &record).contains("<routeKey>GET /pets/{id}</routeKey>"));
        assert_eq!(
            render("csv", &record),
            format!(
                "192.0.2.255,20/Nov/2026:11:00:00 +0000,GET,GET /pets/{{id}},HTTP/1.1,200,256,{id}"
            )
        );
    }

    #[test]
    fn each_variable_says_its_part_of_the_record() {
        let mut record = record();
        let value = |name: &str, record: &AccessRecord<'_>| {
            let line = render(&format!("$context.requestId $context.{name}"), record);
            line.split_once(' ').expect("two fields").1.to_owned()
        };
        for (name, expected) in [
            ("accountId", "-"),
            ("apiId", "petstore"),
            ("connectionId", "7"),
            ("dataProcessed", "266"),
            ("domainName", "api.example.com:8443"),
            ("domainPrefix", "api"),
            ("error.message", "-"),
            ("error.messageString", "\"-\""),
            ("identity.userAgent", "curl/8"),
            ("integration.error", "-"),
            ("integration.latency", "11"),
            ("integrationStatus", "201"),
            ("path", "/prod/pets/1"),
            ("requestTimeEpoch", "1795172400123"),
            ("resourcePath", "/pets/{id}"),
            ("responseLatency", "12"),
            ("routeKey", "GET /pets/{id}"),
            ("stage", "prod"),
            ("authorizer.claims.sub", "-"),
            ("shardgate.query", "a=b"),
            ("shardgate.requestLength", "10"),
            ("shardgate.target", "10.0.0.1:80"),
            ("shardgate.cause", "-"),
        ] {
            assert_eq!(value(name, &record), expected, "{name}");
        }
        record.fault = Some(Fault::UpstreamTimeout);
        record.error_message = Some("Gateway \"Timeout\"");
        record.integration_status = None;
        record.source_ip = Some("2001:db8::1".parse().expect("an address"));
        for (name, expected) in [
            ("error.messageString", r#""Gateway \"Timeout\"""#),
            ("error.responseType", "INTEGRATION_TIMEOUT"),
            ("integrationErrorMessage", "the target did not answer in time"),
            ("integration.status", "-"),
            ("identity.sourceIp", "2001:db8::1"),
            ("shardgate.cause", "upstream_timeout"),
        ] {
            assert_eq!(value(name, &record), expected, "{name}");
        }
        record.fault = Some(Fault::NotFound);
        assert_eq!(value("integrationErrorMessage", &record), "-", "not the target's error");
    }

    #[test]
    fn names_end_where_a_reader_would_end_them() {
        let record = record();
        let id = record.request_id.as_str();
        assert_eq!(render("$context.requestId.", &record), format!("{id}."));
        assert_eq!(
            render("$context.apiId-$context.stage/$context.requestId", &record),
            format!("petstore-prod/{id}")
        );
        assert_eq!(
            render("$5 $$context.requestOverride.header.x-y|$context.requestId $", &record),
            format!("$5 $-|{id} $")
        );
        assert_eq!(render("$context.requestId\n", &record), id);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let unknown = error("$context.requestId $context.identity.sourceIP");
        assert_eq!(unknown.offset, 19);
        assert!(unknown.message.ends_with("the nearest is $context.identity.sourceIp"));
        assert_eq!(error("$context.status").offset, 15);
        assert_eq!(error("$input.body $context.requestId").offset, 0);
        assert_eq!(error("${context.status}").offset, 0);
        assert_eq!(error("$context.requestId\n$context.status").offset, 18);
        assert_eq!(error("$context.requestId\r\n").offset, 18);
        assert!(
            error("{\"id\":\"$context.requestId\",\"p\":$context.path}").message.contains("quotes")
        );
        assert!(error("{\"m\":\"$context.error.messageString\"}").message.contains("own quotes"));
        assert!(error("clf ").message.contains("must name"), "only the word is a preset");
    }

    #[test]
    fn a_format_has_at_most_3_kib() {
        let format = |bytes: usize| format!("$context.requestId{}", " ".repeat(bytes - 18));
        for bytes in [FORMAT_BYTES_MAX - 1, FORMAT_BYTES_MAX] {
            assert!(AccessLogFormat::compile(&format(bytes)).is_ok());
        }
        assert!(AccessLogFormat::compile(&format(FORMAT_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_number_outside_quotes_keeps_the_line_json() {
        let mut record = record();
        let format = "{\"id\":\"$context.requestId\",\"ms\":$context.integrationLatency,\
                      \"error\":$context.error.messageString,\"waf\":$context.waf.status}";
        let json = |record: &AccessRecord<'_>| {
            serde_json::from_str::<serde_json::Value>(&render(format, record)).expect("JSON")
        };
        assert_eq!(json(&record)["ms"], 11);
        record.integration_latency = None;
        assert_eq!(json(&record)["ms"], serde_json::Value::Null);
        assert_eq!(json(&record)["error"], "-");
    }

    proptest! {
        /// CVE-2024-45808: whatever a client sends, a line stays one line of the same fields.
        #[test]
        fn no_client_can_forge_a_field(
            method in "[^\\x00]{0,12}", path in proptest::collection::vec(any::<u8>(), 0..80),
            agent in proptest::collection::vec(any::<u8>(), 0..80), host in ".{0,30}",
        ) {
            let mut record = record();
            record.method = method.as_bytes();
            record.path = &path;
            record.user_agent = Some(&agent);
            record.host = host.as_bytes();
            let plain = "$context.requestId $context.path $context.identity.userAgent \
                         $context.domainName \"$context.path\" $context.httpMethod";
            let line = render(plain, &record);
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let (bare, quoted) = line.split_once('"').expect("a quote");
            prop_assert_eq!(bare.split(' ').count(), 5);
            prop_assert_eq!(quoted.split(' ').next_back().expect("a method").matches('"').count(), 0);
            let json = "{\"id\":\"$context.requestId\",\"path\":\"$context.path\",\
                        \"agent\":\"$context.identity.userAgent\",\"host\":\"$context.domainName\"}";
            let line = render(json, &record);
            let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(value.as_object().expect("an object").len(), 4);
            let expected = if host.is_empty() { "-" } else { &host };
            prop_assert_eq!(value["host"].as_str(), Some(expected));
        }
    }
}
