//! What clients and backends send to get more than they are given: `Attacks that have broken systems
//! like this one`, applied to deployed APIs.

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Client, Managed, Received, Request, RestApi, Upstream};

/// `POST /x/{id}` to `/b` of the backend by an HTTP integration, with these integration parameters.
fn mapping_api<'g>(site: &'g Managed, backend: &Upstream, parameters: Json) -> RestApi<'g> {
    let api = site.create_rest_api();
    let declared = json!({
        "method.request.path.id": true,
        "method.request.querystring.q": false,
        "method.request.header.X-In": false,
    });
    api.put_method("/x/{id}", "POST", json!({ "requestParameters": declared }));
    let integration = json!({
        "type": "HTTP", "httpMethod": "POST", "uri": format!("http://{}/b", backend.address()),
        "requestParameters": parameters,
    });
    api.put_integration("/x/{id}", "POST", integration);
    api.put_method_response("/x/{id}", "POST", 200, json!({}));
    api.put_integration_response("/x/{id}", "POST", 200, json!({}));
    api.deploy("prod");
    api
}

/// Nothing but whole requests came to the backend, and none with what was smuggled.
#[track_caller]
fn assert_not_injected(backend: &Upstream) {
    for received in backend.requests() {
        let is_own = received.line().starts_with("POST /b");
        assert!(is_own && received.values("x-injected").is_empty(), "{}", received.head);
    }
}

#[test]
fn a_line_break_in_a_mapped_value_begins_no_header_and_no_request() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({
        "integration.request.header.X-Path": "method.request.path.id",
        "integration.request.header.X-Query": "method.request.querystring.q",
        "integration.request.header.X-All": "method.request.multivaluequerystring.q",
        "integration.request.header.X-Body": "method.request.body.a",
        "integration.request.querystring.p": "method.request.path.id",
        "integration.request.querystring.b": "method.request.body.a",
    });
    let api = mapping_api(&site, &backend, parameters);
    api.ask_for(200, &Request::post("/prod/x/7?q=1", r#"{"a":"1"}"#));
    let smuggled = "%0D%0AX-Injected:%201%0D%0A%0D%0AGET%20%2Fadmin%20HTTP%2F1.1%0D%0AHost:%20b";
    let escaped = r"\r\nX-Injected: 1\r\n\r\nGET /admin HTTP/1.1\r\n\r\n";
    for (target, body) in [
        (format!("/prod/x/7{smuggled}"), "{}".to_owned()),
        (format!("/prod/x/7?q=1{smuggled}"), "{}".to_owned()),
        (format!("/prod/x/7?q=1&q=2{smuggled}"), "{}".to_owned()),
        ("/prod/x/7?q=1%0AX-Injected:%201".to_owned(), "{}".to_owned()),
        ("/prod/x/7?q=1%0DX-Injected:%201".to_owned(), "{}".to_owned()),
        ("/prod/x/7?q=%00".to_owned(), "{}".to_owned()),
        ("/prod/x/7?q=1".to_owned(), format!(r#"{{"a":"1{escaped}"}}"#)),
        ("/prod/x/7?q=1".to_owned(), r#"{"a":"1\u000d\u000aX-Injected: 1"}"#.to_owned()),
    ] {
        // On one connection, so that whatever is left of one request would answer the next.
        let mut client = Client::connect(site.public());
        let request = Request::post(&target, body).host(&api.host());
        let answer = request.ask_on(&mut client);
        assert_eq!(answer.status, 400, "{request:?}: {}", answer.head);
        if answer.says_close() {
            client = Client::connect(site.public());
        }
        let good = Request::post("/prod/x/8?q=2", r#"{"a":"2"}"#).host(&api.host());
        let received = Received::of(&good.ask_on(&mut client));
        assert_eq!(received.header("x-path").as_deref(), Some("8"), "{}", received.head);
    }
    assert_not_injected(&backend);
}

/// An answer of a backend, or of the gateway itself, is no way to the client's other answers.
#[test]
fn a_line_break_in_a_mapped_answer_begins_no_header() {
    let site = Managed::start();
    let body = r#"{"a":"1\r\nX-Injected: 1\r\n\r\nHTTP/1.1 200 OK"}"#;
    let length = body.len();
    let backend =
        Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"));
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let uri = format!("http://{}/", backend.address());
    api.put_integration("/x", "GET", json!({ "type": "HTTP", "httpMethod": "GET", "uri": uri }));
    let header = json!({ "responseParameters": { "method.response.header.X-Out": false } });
    api.put_method_response("/x", "GET", 200, header);
    let mapping = json!({ "method.response.header.X-Out": "integration.response.body.a" });
    api.put_integration_response("/x", "GET", 200, json!({ "responseParameters": mapping }));
    // The gateway's own words, too.
    let echo = json!({ "gatewayresponse.header.X-Echo": "method.request.querystring.q" });
    api.put_gateway_response("MISSING_AUTHENTICATION_TOKEN", json!({ "responseParameters": echo }));
    api.deploy("prod");
    let answer = api.ask_for(500, &Request::get("/prod/x"));
    assert_eq!(answer.values("x-injected"), [""; 0], "{}", answer.head);
    let echoed = api.ask_for(403, &Request::get("/prod/none?q=fine"));
    assert_eq!(echoed.header("x-echo"), Some("fine"));
    for query in ["a%0D%0AX-Injected:%201", "a%0AX-Injected:%201", "a%00"] {
        let mut client = Client::connect(site.public());
        let request = Request::get(&format!("/prod/none?q={query}")).host(&api.host());
        let answer = request.ask_on(&mut client);
        assert_eq!((answer.status, answer.header("x-echo")), (403, None), "{}", answer.head);
        assert_eq!(answer.values("x-injected"), [""; 0], "{}", answer.head);
        assert_eq!(
            Request::get("/prod/none?q=1").host(&api.host()).ask_on(&mut client).status,
            403
        );
    }
}

/// Which host is called is the author's to say, and never a request's.
#[test]
fn a_placeholder_is_no_part_of_the_host() {
    let (site, good, evil) = (Managed::start(), Upstream::mirror(), Upstream::mirror());
    for uri in [
        "http://{host}/b".to_owned(),
        format!("http://{{host}}@{}/b", good.address()),
        format!("http://{}{{host}}/b", good.address()),
        format!("http://127.0.0.1:{{host}}{}/b", good.address().port()),
        "{host}/b".to_owned(),
    ] {
        let api = site.create_rest_api();
        let declared = json!({ "method.request.querystring.h": false });
        api.put_method("/x", "GET", json!({ "requestParameters": declared }));
        let mapped = json!({ "integration.request.path.host": "method.request.querystring.h" });
        let integration = json!({
            "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri, "requestParameters": mapped,
        });
        let path = api.method_path("/x", "GET") + "/integration";
        let (status, said) = site.management().call("PUT", &path, Some(&integration));
        if status == 400 {
            continue;
        }
        assert_eq!(status, 201, "{uri}: {said}");
        api.deploy("prod");
        api.ask_until(&Request::get("/prod/x"), |answer| answer.status >= 500);
        for value in [evil.address().to_string(), format!("@{}", evil.address())] {
            let answer = api.ask(&Request::get(&format!("/prod/x?h={value}")));
            assert!(answer.status >= 400, "{uri} {value}: {}", answer.head);
        }
    }
    assert_eq!((good.connections_count(), evil.connections_count()), (0, 0));
}

/// The path as RFC 3986 section 5.2.4 reads it, dots in whatever spelling.
fn resolved(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let path = path.replace("%2e", ".").replace("%2E", ".");
    let mut parts = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[test]
fn no_spelling_of_dots_leaves_the_path_of_the_integration() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    let base = format!("http://{}/base", backend.address());
    api.http_proxy("/all/{proxy+}", "GET", &format!("{base}/all/{{proxy}}"));
    api.http_proxy("/one/{id}", "GET", &format!("{base}/one/{{id}}/end"));
    api.http_proxy("/ends/{id}", "GET", &format!("{base}/ends.{{id}}"));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/all/a/b"));
    let dots = [
        "..",
        ".",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "..%2f..%2fadmin",
        "..%2F..%2f..%2fadmin",
        "%2e%2e%2fadmin",
        "..%5c..%5cadmin",
        "..;/admin",
        "..%3B/admin",
        "%252e%252e%252fadmin",
        "..%00/admin",
        "a/../../../admin",
        "a/%2e%2e/%2E%2e/%2e%2e/admin",
        "//admin",
        "%2f%2fadmin",
        "/../admin",
        "..%c0%af..%c0%afadmin",
        "..%ef%bc%8fadmin",
        "%2e%2e%23",
        "%2e%2e%3fx",
        "..?x",
        "%",
    ];
    for dots in dots {
        for start in ["/prod/all/", "/prod/one/", "/prod/ends/", "/prod/all/a/"] {
            let target = format!("{start}{dots}");
            let mut client = Client::connect(site.public());
            let answer = Request::get(&target).host(&api.host()).ask_on(&mut client);
            assert!(matches!(answer.status, 200 | 400 | 403), "{target}: {}", answer.head);
        }
    }
    for received in backend.requests() {
        let path = resolved(received.target());
        let is_inside =
            ["/base/all/", "/base/one/", "/base/ends."].iter().any(|start| path.starts_with(start));
        assert!(is_inside, "{} is {path}", received.line());
        assert!(!received.target().contains('\\'), "{}", received.line());
    }
}

#[test]
fn a_long_query_is_read_as_a_whole_or_refused() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({
        "integration.request.header.X-Last": "method.request.querystring.q",
        "integration.request.querystring.all": "method.request.multivaluequerystring.q",
    });
    let api = mapping_api(&site, &backend, parameters);
    api.ask_for(200, &Request::post("/prod/x/7?q=1", ""));
    let query = (0..600).map(|at| format!("q={at}")).collect::<Vec<_>>().join("&");
    let received = Received::of(&api.ask(&Request::post(&format!("/prod/x/7?{query}"), "")));
    assert_eq!(received.header("x-last").as_deref(), Some("599"));
    assert_eq!(received.target().matches("all=").count(), 600);
    // What is mapped grows no further than what came: a value may be three times as long as encoded.
    let wide = format!("q={}", "%C3%A9".repeat(900));
    let received = api.ask(&Request::post(&format!("/prod/x/7?{wide}"), ""));
    assert!(matches!(received.status, 200 | 400), "{}", received.head);
    let endless = format!("/prod/x/7?q={}", "x".repeat(20_000));
    let mut client = Client::connect(site.public());
    client.send(format!("POST {endless} HTTP/1.1\r\nHost: {}\r\n\r\n", api.host()));
    assert_eq!(client.answer().status, 414);
}

#[test]
fn a_deep_or_strange_body_costs_no_more_than_itself() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({ "integration.request.header.X-Out": "method.request.body.a.b" });
    let api = mapping_api(&site, &backend, parameters);
    api.ask_for(200, &Request::post("/prod/x/7", r#"{"a":{"b":1}}"#));
    let depth = 300_000;
    let nested = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    for body in [
        "[".repeat(depth),
        "[".repeat(depth) + &"]".repeat(depth),
        nested,
        format!(r#"{{"a":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth)),
        format!(r#"{{"a":{{"b":{}}}}}"#, "9".repeat(500_000)),
        r#"{"a":{"b":1e999999999}}"#.to_owned(),
        r#"{"a":{"b":-0.000000000000000000000000001E+999999999999999999999}}"#.to_owned(),
        r#"{"a":{"b":"\ud800"}}"#.to_owned(),
        r#"{"a":{"b":"\u0000"}}"#.to_owned(),
        format!("{{{}\"a\":{{\"b\":1}}}}", "\"k\":0,".repeat(200_000)),
    ] {
        let start = &body[..body.len().min(40)];
        let answer = api.ask(&Request::post("/prod/x/7", body.clone()));
        let is_taken = matches!(answer.status, 200 | 400 | 413 | 431 | 500 | 504);
        assert!(is_taken, "{start}: {}", answer.head);
    }
    let received = Received::of(&api.ask(&Request::post("/prod/x/7", r#"{"a":{"b":2}}"#)));
    assert_eq!(received.header("x-out").as_deref(), Some("2"));
}

/// The method that is sent on frames the answer, and the client's own method what it gets of it.
#[test]
fn an_overridden_method_leaves_both_connections_in_step() {
    let site = Managed::start();
    // As a server does: no body for HEAD, but its length.
    let backend = Upstream::answering_by(|request| {
        let method = request.line().split(' ').next().expect("a method").to_owned();
        let body = if method == "HEAD" { "" } else { "hello" };
        format!("HTTP/1.1 200 OK\r\nX-Method: {method}\r\nContent-Length: 5\r\n\r\n{body}")
    });
    let api = site.create_rest_api();
    let uri = format!("http://{}/", backend.address());
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        api.http_proxy("/x", method, &uri);
    }
    api.http_proxy("/get", "ANY", &uri);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let host = api.host();
    let mut client = Client::connect(site.public());
    for (method, over) in [
        ("GET", "HEAD"),
        ("POST", "HEAD"),
        ("HEAD", "GET"),
        ("HEAD", "POST"),
        ("POST", "GET"),
        ("GET", "DELETE"),
    ] {
        let mut request =
            Request::new(method, "/prod/x").host(&host).header("X-HTTP-Method-Override", over);
        if method == "POST" {
            request = request.body("GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n");
        }
        let answer = request.ask_on(&mut client);
        assert_eq!(answer.header("x-method"), Some(over), "{method} {over}: {}", answer.head);
        let body = if method == "HEAD" || over == "HEAD" { "" } else { "hello" };
        assert_eq!(answer.text(), body, "{method} {over}");
        let next = Request::get("/prod/x").host(&host).ask_on(&mut client);
        assert_eq!((next.status, next.text()), (200, "hello"), "behind {method} {over}");
    }
    for over in ["CONNECT", "TRACE", "PRI", "get", "GET, HEAD", "GET HTTP/1.1", ""] {
        let request = Request::get("/prod/x").host(&host).header("X-HTTP-Method-Override", over);
        let answer = request.ask_on(&mut client);
        // Not one of its methods: it stays what it was.
        assert_eq!(answer.header("x-method"), Some("GET"), "{over}: {}", answer.head);
    }
    for received in backend.requests() {
        assert_eq!(received.target(), "/", "{}", received.head);
    }
}

/// A mapping cannot make a connection of the backend's something else than it is.
#[test]
fn mapped_headers_of_a_connection_do_not_frame_what_is_sent() {
    for (name, value) in [
        ("Connection", "close, X-Keep"),
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("TE", "trailers"),
        ("Trailer", "X-Later"),
        ("Expect", "100-continue"),
        ("Keep-Alive", "timeout=1"),
        ("Proxy-Connection", "close"),
    ] {
        let (site, backend) = (Managed::start(), Upstream::mirror());
        let mut parameters = json!({});
        parameters[format!("integration.request.header.{name}")] =
            json!("method.request.header.X-In");
        let api = mapping_api(&site, &backend, parameters);
        api.ask_for(200, &Request::post("/prod/x/7", "body"));
        let mut client = Client::connect(site.public());
        for _ in 0..2 {
            let request =
                Request::post("/prod/x/7", "body").host(&api.host()).header("X-In", value);
            let answer = request.ask_on(&mut client);
            assert!(matches!(answer.status, 200 | 500), "{name}: {}", answer.head);
        }
        for received in backend.requests() {
            let connection = received.values("connection").join(", ");
            assert!(received.body == b"body", "{name}: {}", received.head);
            assert!(!connection.contains("upgrade"), "{name}: {}", received.head);
            assert!(!connection.contains("X-Keep"), "{name}: {}", received.head);
            assert_eq!(received.values("transfer-encoding"), [""; 0], "{}", received.head);
        }
    }
}

/// A backend that switches protocols unasked, or answers what was not asked, reaches nobody.
#[test]
fn answers_that_no_request_asked_for_go_to_no_client() {
    for bytes in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        let (site, backend) = (Managed::start(), Upstream::answering(bytes));
        let api = site.create_rest_api();
        api.http_proxy("/x", "GET", &format!("http://{}/", backend.address()));
        api.mock("/mock", "GET", "mocked");
        api.deploy("prod");
        api.ask_for(200, &Request::get("/prod/mock"));
        let mut client = Client::connect(site.public());
        for _ in 0..3 {
            let answer: Answer = Request::get("/prod/x").host(&api.host()).ask_on(&mut client);
            assert!(!answer.text().contains("evil"), "{bytes:?}: {}", answer.head);
            if answer.says_close() {
                client = Client::connect(site.public());
            }
            let next = Request::get("/prod/mock").host(&api.host()).ask_on(&mut client);
            assert_eq!(next.text(), "mocked", "{bytes:?}");
        }
    }
}

/// Statuses without a body, and those that end no answer, where the author of an API asks for them.
#[test]
fn a_status_of_the_author_leaves_the_connection_in_step() {
    let site = Managed::start();
    let backend = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    for status in [100, 101, 103, 199, 204, 304] {
        let api = site.create_rest_api();
        api.mock("/good", "GET", "good");
        api.put_gateway_response(
            "MISSING_AUTHENTICATION_TOKEN",
            json!({ "statusCode": status.to_string() }),
        );
        api.put_method("/mock", "GET", json!({}));
        api.mock_integration("/mock", "GET", &format!(r#"{{"statusCode": {status}}}"#));
        let uri = format!("http://{}/", backend.address());
        api.put_method("/http", "GET", json!({}));
        let integration = json!({ "type": "HTTP", "httpMethod": "GET", "uri": uri });
        api.put_integration("/http", "GET", integration);
        for path in ["/mock", "/http"] {
            api.put_method_response(path, "GET", status, json!({}));
            let body = json!({ "responseTemplates": { "application/json": "no body" } });
            api.put_integration_response(path, "GET", status, body);
        }
        api.deploy("prod");
        api.ask_for(200, &Request::get("/prod/good"));
        let mut client = Client::connect(site.public());
        for path in ["/prod/none", "/prod/mock", "/prod/http"] {
            let answer = Request::get(path).host(&api.host()).ask_on(&mut client);
            assert!(answer.status >= 200, "{status} {path}: {}", answer.head);
            if answer.status == 204 {
                assert_eq!(answer.header("content-length"), None, "{path}: {}", answer.head);
            }
            let next = Request::get("/prod/good").host(&api.host()).ask_on(&mut client);
            assert_eq!(next.text(), "good", "behind {status} {path}");
        }
    }
}

/// CVE-2026-2833: what comes behind a request that wants another protocol is a request too, since
/// none is spoken here.
#[test]
fn a_request_for_another_protocol_is_a_request_like_any_other() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/x", "GET", &format!("http://{}/", backend.address()));
    api.mock("/mock", "GET", "mocked");
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let host = api.host();
    let upgrade = "Connection: Upgrade, X-Secret\r\nUpgrade: websocket\r\nX-Secret: 1\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for upgrade in
        [upgrade, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"]
    {
        let mut client = Client::connect(site.public());
        client.send(format!(
            "GET /prod/x HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n\
             GET /prod/mock HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ));
        let received = Received::of(&client.answer());
        assert_eq!(received.values("upgrade"), [""; 0], "{}", received.head);
        assert_eq!(received.header("connection").as_deref(), Some("keep-alive"));
        assert_eq!(client.answer().text(), "mocked", "the second of two requests");
    }
    assert_eq!(backend.requests().len(), 3);
}

/// Each of several requests that come at once goes to the API that it names.
#[test]
fn requests_that_come_at_once_go_each_to_its_own_api() {
    let (site, echo) = (Managed::start(), Upstream::mirror());
    let one = site.create_rest_api();
    one.mock("/x", "GET", "one");
    one.deploy("prod");
    let two = site.create_rest_api();
    two.http_proxy("/x", "POST", &format!("http://{}/", echo.address()));
    two.deploy("prod");
    one.ask_for(200, &Request::get("/prod/x"));
    two.ask_for(200, &Request::post("/prod/x", "first"));
    let get = |host: &str| format!("GET /prod/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let chunked = format!(
        "POST /prod/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         2c\r\nGET /admin HTTP/1.1\r\nHost: internal-host\r\n\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n",
        two.host()
    );
    let mut client = Client::connect(site.public());
    client.send([get(&one.host()), chunked, get(&two.host()), get(&one.host())].concat());
    assert_eq!(client.answer().text(), "one");
    let received = Received::of(&client.answer());
    assert_eq!(received.body.len(), 0x2c, "{}", received.head);
    assert_eq!(client.answer().status, 403, "there is no GET");
    assert_eq!(client.answer().text(), "one");
}

/// An old client gets no framing that it cannot read.
#[test]
fn a_client_of_http_1_0_gets_an_answer_that_it_can_read() {
    let site = Managed::start();
    let backend = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let rest = site.create_rest_api();
    rest.http_proxy("/x", "GET", &format!("http://{}/", backend.address()));
    rest.deploy("prod");
    rest.ask_for(200, &Request::get("/prod/x"));
    let http = site.create_http_api(json!({ "target": format!("http://{}", backend.address()) }));
    http.ask_for(200, &Request::get("/x"));
    for (host, path) in [(rest.host(), "/prod/x"), (http.host(), "/x"), (rest.host(), "/prod/none")]
    {
        let mut client = Client::connect(site.public());
        client.send(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n"));
        let text = String::from_utf8(client.rest()).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        assert!(body == "abc" || body.starts_with("{\"message\":"), "{text}");
    }
}

/// A name is what it decodes to, so that no spelling hides a parameter from what is asked for.
#[test]
fn encoded_names_of_parameters_are_those_names() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({ "integration.request.header.X-Last": "method.request.querystring.q" });
    let api = mapping_api(&site, &backend, parameters);
    api.ask_for(200, &Request::post("/prod/x/7?q=1", ""));
    for (query, value) in [
        ("%71=1", Some("1")),
        ("q=1&%71=2", Some("2")),
        ("q", None),
        ("q=", None),
        ("Q=1", None),
        ("q%00=1", None),
        ("q=1=2", Some("1=2")),
        ("&&q=1&&", Some("1")),
        ("q=%zz", Some("%zz")),
        ("q=a+b", Some("a b")),
    ] {
        let received = Received::of(&api.ask(&Request::post(&format!("/prod/x/7?{query}"), "")));
        assert_eq!(received.header("x-last").as_deref(), value, "{query}");
    }
}

/// An answer that is looked into comes whole in the time of its integration, or not at all.
#[test]
fn a_backend_that_begins_an_answer_gets_no_more_time_for_it() {
    let site = Managed::start();
    for start in
        ["Content-Length: 5\r\n\r\nhe", "Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "\r\nhe"]
    {
        let backend = Upstream::start(move |_, peer| {
            peer.request()?;
            peer.send(format!("HTTP/1.1 200 OK\r\n{start}"))?;
            peer.rest().map(drop)
        });
        let api = site.create_rest_api();
        api.put_method("/x", "GET", json!({}));
        let integration = json!({
            "type": "HTTP", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
            "timeoutInMillis": 300,
        });
        api.put_integration("/x", "GET", integration);
        api.put_method_response("/x", "GET", 200, json!({}));
        let template = json!({ "responseTemplates": { "application/json": "its own text" } });
        api.put_integration_response("/x", "GET", 200, template);
        api.deploy("prod");
        let answer = api.ask_for(504, &Request::get("/prod/x"));
        assert_eq!(answer.text(), r#"{"message": "Endpoint request timed out"}"#, "{start:?}");
    }
}

/// So it is with a request whose body is looked into.
#[test]
fn a_client_that_stops_in_a_body_that_is_read_whole_is_told() {
    let site = Managed::start_with("[timeouts]\nbody_timeout_ms = 200\n");
    let backend = Upstream::mirror();
    let parameters = json!({ "integration.request.header.X-Out": "method.request.body.a" });
    let api = mapping_api(&site, &backend, parameters);
    api.ask_for(200, &Request::post("/prod/x/7", r#"{"a":1}"#));
    for framing in ["Content-Length: 30\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
        let mut client = Client::connect(site.public());
        client.send(format!("POST /prod/x/7 HTTP/1.1\r\nHost: {}\r\n{framing}", api.host()));
        let answer = client.answer();
        assert!(answer.status == 408 && answer.says_close(), "{}", answer.head);
    }
    assert_eq!(backend.requests().len(), 1);
}
