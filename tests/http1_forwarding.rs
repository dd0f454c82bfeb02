//! Heads of requests on their way to targets: targets, hop-by-hop fields, what is said about the
//! client, who is believed.

mod harness;

use harness::{Client, Gateway, Received, Upstream};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// A gateway whose targets see the client's Host; `listener` and `tables` are added.
fn start(upstream: &Upstream, listener: &str, tables: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
{listener}

[[upstream]]
name = "backend"
targets = ["{}"]
preserve_host = true

[[api]]
name = "main"
hosts = ["a.example", "*.a.example", "127.0.0.1", "[::1]"]

[[api.route]]
key = "$default"
upstream = "backend"

[[api]]
name = "other"
hosts = ["b.example"]

[[api.route]]
key = "GET /items/{{id}}/{{rest+}}"
upstream = "backend"
path = "/v2/{{rest}}/of/{{id}}"
host = "items.internal:81"

{tables}
"#,
        upstream.address()
    ))
}

/// What the target gets of `head` (the empty line is added), sent to a fresh gateway.
fn forwarded(listener: &str, tables: &str, head: &str) -> Received {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, listener, tables);
    let mut client = gateway.connect();
    client.send(format!("{head}\r\n"));
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{head}: {}", answer.text());
    let mut requests = upstream.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

const HEAD: &str = "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n";

#[test]
fn the_head_is_passed_on_as_it_came() {
    let request = forwarded(
        "",
        "",
        &format!(
            "{HEAD}X-One: 1\r\nx-two:\r\nX-One:  2 \t\r\nCookie: a=b; c=d\r\nAuthorization: x\r\n"
        ),
    );
    assert_eq!(request.line(), "GET /a?b=c HTTP/1.1");
    assert_eq!(request.header("host").as_deref(), Some("a.example"));
    assert_eq!(request.values("x-one"), ["1", "2"]);
    assert_eq!(request.header("x-two").as_deref(), Some(""));
    assert_eq!(request.header("cookie").as_deref(), Some("a=b; c=d"));
    assert_eq!(request.header("authorization").as_deref(), Some("x"));
    assert!(request.head.contains("\r\nX-One: 1\r\n"), "names keep their case: {}", request.head);
    assert_eq!(request.header("content-length"), None);
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("connection"), None);
}

#[test]
fn methods_and_targets() {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, "", "");
    let mut client = gateway.connect();
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a.example", "GET / HTTP/1.1", "a.example"),
        ("PROPFIND /a HTTP/1.1\r\nHost: a.example", "PROPFIND /a HTTP/1.1", "a.example"),
        ("get /a HTTP/1.1\r\nHost: a.example", "get /a HTTP/1.1", "a.example"),
        ("DELETE /a?? HTTP/1.1\r\nHost: a.example:8080", "DELETE /a?? HTTP/1.1", "a.example:8080"),
        // RFC 9112 section 3.2.2: the target wins over Host.
        ("GET http://a.example/b?c HTTP/1.1\r\nHost: evil", "GET /b?c HTTP/1.1", "a.example"),
        ("GET http://a.example HTTP/1.1\r\nHost: a.example", "GET / HTTP/1.1", "a.example"),
        ("GET HTTP://x.a.example:81?q HTTP/1.1\r\nHost: b", "GET /?q HTTP/1.1", "x.a.example:81"),
        ("GET http://a.example/ HTTP/1.0", "GET / HTTP/1.1", "a.example"),
        // One form for a path, whatever its spelling.
        ("GET /a/./b/../c HTTP/1.1\r\nHost: a.example", "GET /a/c HTTP/1.1", "a.example"),
        ("GET /%61%2Fb HTTP/1.1\r\nHost: a.example", "GET /a%2Fb HTTP/1.1", "a.example"),
        (
            "GET /items/7/x/y?q=1 HTTP/1.1\r\nHost: b.example",
            "GET /v2/x/y/of/7?q=1 HTTP/1.1",
            "items.internal:81",
        ),
    ];
    for (head, line, host) in cases {
        let mut client = gateway.connect();
        client.send(format!("{head}\r\n\r\n"));
        assert_eq!(client.answer().text(), "hi", "{head}");
        let requests = upstream.requests();
        let request = requests
            .iter()
            .find(|one| one.line() == line && { one.header("host").as_deref() == Some(host) });
        let lines: Vec<_> = requests.iter().map(Received::line).collect();
        assert!(request.is_some(), "{head}: {line} for {host} is not among {lines:?}");
    }
    assert_eq!(upstream.requests().len(), cases.len());
    // About the gateway itself.
    for target in ["*", "http://a.example"] {
        client.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let answer = client.answer_to("OPTIONS");
        assert!(matches!(answer.status, 200 | 204), "{target}: {}", answer.head);
        assert!(!answer.says_close());
    }
    // A host that no API has.
    client.send("GET / HTTP/1.1\r\nHost: c.example\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (421, r#"{"message":"Misdirected Request"}"#));
    client.send("GET http://c.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.answer().status, 421);
    // No route of an API.
    client.send("GET /nothing HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    client.send("POST /items/7/x HTTP/1.1\r\nHost: b.example\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    assert_eq!(upstream.requests().len(), cases.len());
}

#[test]
fn hop_by_hop_fields_stay_behind() {
    let request = forwarded(
        "",
        "",
        &format!(
            "{HEAD}Connection: X-Private, keep-alive\r\nX-Private: 1\r\nx-private: 2\r\n\
             Connection: x-more\r\nX-More: 3\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n\
             TE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-Stays: 4\r\n"
        ),
    );
    for name in
        ["connection", "x-private", "x-more", "keep-alive", "proxy-connection", "te", "upgrade"]
    {
        assert!(request.values(name).is_empty(), "{name}: {}", request.head);
    }
    assert_eq!(request.header("x-stays").as_deref(), Some("4"));
}

/// CVE-2022-31813: naming a field in Connection must not take it from the target.
#[test]
fn connection_cannot_strip_what_targets_rely_on() {
    let request = forwarded(
        "",
        "[forwarding]\nforwarded = true\nvia = \"gate\"\n",
        &format!(
            "{HEAD}Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, \
             Forwarded, Via, Authorization, Cookie, Host, Content-Length, x-request-id\r\n\
             X-Forwarded-For: 9.9.9.9\r\nAuthorization: x\r\nCookie: y\r\n"
        ),
    );
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(request.header("x-forwarded-host").as_deref(), Some("a.example"));
    assert_eq!(
        request.header("forwarded").as_deref(),
        Some("for=127.0.0.1;host=a.example;proto=http")
    );
    assert_eq!(request.header("via").as_deref(), Some("1.1 gate"));
    assert_eq!(request.header("authorization").as_deref(), Some("x"));
    assert_eq!(request.header("cookie").as_deref(), Some("y"));
    assert_eq!(request.values("host"), ["a.example"]);
    assert_eq!(request.values("x-request-id").len(), 1);
    assert!(request.values("connection").is_empty());
}

const FORGED: &str = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: forged\r\n\
    Forwarded: for=1.1.1.1\r\nVia: 1.0 front\r\nX-Request-Id: forged\r\n";

#[test]
fn what_strangers_say_of_the_client_is_not_believed() {
    let upstream = Upstream::answering(HI);
    let tables = "[forwarding]\nforwarded = true\nvia = \"gate\"\n";
    let gateway = start(&upstream, "", tables);
    let mut client = gateway.connect();
    client.send(format!("{HEAD}{FORGED}\r\n"));
    let answer = client.answer();
    let request = upstream.requests().remove(0);
    let own = |name: &str| request.header(name);
    assert_eq!(own("x-forwarded-for").as_deref(), Some("1.1.1.1, 2.2.2.2, 127.0.0.1"));
    assert_eq!(own("x-forwarded-proto").as_deref(), Some("http"));
    let port = gateway.address("public").port().to_string();
    assert_eq!(own("x-forwarded-port"), Some(port));
    assert_eq!(own("x-forwarded-host").as_deref(), Some("a.example"));
    let forwarded = "for=1.1.1.1, for=127.0.0.1;host=a.example;proto=http";
    assert_eq!(own("forwarded").as_deref(), Some(forwarded));
    assert_eq!(own("via").as_deref(), Some("1.0 front, 1.1 gate"));
    assert_eq!(answer.header("via"), Some("1.1 gate"));
    // One request id, ours, the same that the client is told.
    assert_eq!(own("x-request-id").as_deref(), answer.header("apigw-requestid"));
}

#[test]
fn what_trusted_proxies_say_is_kept() {
    let request = forwarded("trusted_proxies = [\"127.0.0.0/8\"]", "", &format!("{HEAD}{FORGED}"));
    let own = |name: &str| request.header(name);
    assert_eq!(own("x-forwarded-for").as_deref(), Some("1.1.1.1, 2.2.2.2, 127.0.0.1"));
    assert_eq!(own("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(own("x-forwarded-port").as_deref(), Some("443"));
    assert_eq!(own("x-forwarded-host").as_deref(), Some("forged"));
    assert_ne!(own("x-request-id").as_deref(), Some("forged"));
}

#[test]
fn forwarding_fields_are_by_setting() {
    let tables = "[forwarding]\nx_forwarded = false\nrequest_id_header = \"\"\n";
    let request = forwarded("", tables, HEAD);
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-host"] {
        assert_eq!(request.header(name), None, "{}", request.head);
    }
    assert_eq!((request.header("forwarded"), request.header("via")), (None, None));
    assert_eq!(request.header("x-request-id"), None);
    let request = forwarded("", "[forwarding]\nrequest_id_header = \"X-Trace\"\n", HEAD);
    assert_eq!(request.header("x-trace").map(|id| id.is_empty()), Some(false));
}

#[test]
fn request_ids_differ() {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, "", "");
    let mut ids: Vec<String> = (0..100)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(format!("{HEAD}\r\n"));
            client.answer().header("apigw-requestid").expect("an id").to_owned()
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

const PROXY: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.1\"]";

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend_from_slice(&[0x20 | command, family]);
    header.extend_from_slice(&u16::try_from(addresses.len()).expect("short").to_be_bytes());
    header.extend_from_slice(addresses);
    header
}

#[test]
fn the_proxy_protocol_names_the_client() {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, PROXY, "");
    let mut v2_of_v6 = [0; 36];
    v2_of_v6[..16]
        .copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().expect("v6").octets());
    let v2_of_v4 = [192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 0, 80, 4, 0, 1, 9]; // with an extension
    let cases: [(Vec<u8>, &str); 6] = [
        (b"PROXY TCP4 192.0.2.5 192.0.2.1 50000 80\r\n".to_vec(), "192.0.2.5"),
        (b"PROXY TCP6 2001:db8::5 2001:db8::1 50000 80\r\n".to_vec(), "2001:db8::5"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(1, 0x11, &v2_of_v4), "192.0.2.7"),
        (v2(1, 0x21, &v2_of_v6), "2001:db8::7"),
        (v2(0, 0, &[]), "127.0.0.1"),
    ];
    for (number, (header, ip)) in cases.iter().enumerate() {
        // In one write with the request, cut in two, and byte by byte.
        for cuts in 0..3 {
            let mut bytes = header.clone();
            bytes.extend_from_slice(HEAD.as_bytes());
            bytes.extend_from_slice(b"\r\n");
            let mut client = gateway.connect();
            match cuts {
                0 => client.send(&bytes),
                1 => {
                    client.send(&bytes[..header.len()]);
                    client.send(&bytes[header.len()..]);
                }
                _ => bytes.iter().for_each(|byte| client.send([*byte])),
            }
            assert_eq!(client.answer().text(), "hi");
            client.send(format!("{HEAD}\r\n")); // once per connection
            assert_eq!(client.answer().text(), "hi");
            let requests = upstream.requests();
            assert_eq!(requests.len(), (number * 3 + cuts + 1) * 2);
            let clients = requests[requests.len() - 2..].iter();
            for request in clients {
                assert_eq!(request.header("x-forwarded-for").as_deref(), Some(*ip));
            }
        }
    }
}

#[test]
fn connections_without_a_good_proxy_header_are_closed_without_a_word() {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, PROXY, "");
    for header in [
        "",
        "PROXY TCP4 192.0.2.5 192.0.2.1 50000\r\n",
        "PROXY TCP4 192.0.2.555 192.0.2.1 50000 80\r\n",
        "PROXY TCP4 192.0.2.5 192.0.2.1 50000 80\n",
        "PROXY TCP5 192.0.2.5 192.0.2.1 50000 80\r\n",
        "proxy TCP4 192.0.2.5 192.0.2.1 50000 80\r\n",
        "\r\n\r\n\0\r\nQUIT\nxxxx",
    ] {
        let mut client = gateway.connect();
        client.send(format!("{header}{HEAD}\r\n"));
        assert_eq!(client.rest_or_reset().0, b"", "{header:?}");
    }
    let mut client = gateway.connect();
    client.send("PROXY TCP4 192.0");
    client.end_sending();
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn only_trusted_peers_may_name_the_client() {
    let upstream = Upstream::answering(HI);
    let listener = "proxy_protocol = \"required\"\ntrusted_proxies = [\"10.0.0.0/8\"]";
    let gateway = start(&upstream, listener, "");
    let mut client = gateway.connect();
    client.send(format!("PROXY TCP4 10.0.0.5 192.0.2.1 50000 80\r\n{HEAD}\r\n"));
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn a_proxy_header_that_never_comes_does_not_hold_a_connection() {
    let upstream = Upstream::answering(HI);
    let gateway = start(&upstream, PROXY, "[timeouts]\nhead_timeout_ms = 50\n");
    let mut client: Client = gateway.connect();
    client.send("PROXY TCP4");
    assert_eq!(client.rest_or_reset().0, b"");
}
