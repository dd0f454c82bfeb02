//! What clients and backends send to get more than they are given.

use serde_json::{Value as Json, json};

use crate::harness::{Client, HttpApi, Managed, Received, Request, Upstream};

/// `ANY /x/{proxy+}` to `/b` of the backend, with `more` members of the integration.
fn api<'g>(site: &'g Managed, backend: &Upstream, more: Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    let uri = format!("http://{}/b", backend.address());
    api.create_route("ANY /x/{proxy+}", &api.create_proxy(&uri, more));
    api.create_default_stage();
    api
}

/// The elements of a `Forwarded` (RFC 7239 section 4), each with its pairs.
fn elements(forwarded: &str) -> Vec<Vec<String>> {
    let (mut elements, mut pairs, mut pair) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for character in forwarded.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' | ';' if !is_quoted => {
                pairs.push(std::mem::take(&mut pair).trim().to_owned());
                if character == ',' {
                    elements.push(std::mem::take(&mut pairs));
                }
                continue;
            }
            _ => {}
        }
        pair.push(character);
    }
    assert!(!is_quoted, "a quote is open at the end of {forwarded}");
    pairs.push(pair.trim().to_owned());
    elements.push(pairs);
    elements
}

/// The last element is the gateway's own, whatever the client wrote before it.
#[test]
fn what_a_client_says_of_forwarding_cannot_hide_who_it_is() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, json!({}));
    api.ask_for(200, &Request::get("/x/y"));
    let own = format!("host={}", api.host());
    for (name, value) in [
        ("X-Forwarded-For", r"\"),
        ("X-Forwarded-For", r#"""#),
        ("X-Forwarded-For", r#"a";proto=https;for="b"#),
        ("X-Forwarded-For", r"1.2.3.4;proto=https\"),
        ("X-Forwarded-For", r"a:b\"),
        ("X-Forwarded-For", "1.2.3.4;proto=https"),
        ("X-Forwarded-For", ", ,,"),
        ("X-Forwarded-For", "[::1]:80, 2001:db8::1, unknown"),
        ("Forwarded", r#"for="1.2.3.4"#),
        ("Forwarded", r#"for="1.2.3.4\""#),
        ("Forwarded", "for=1.2.3.4;proto=https"),
        ("Forwarded", r#"for="[::1]:80";by="a,b", for=_x"#),
    ] {
        let answer = api.ask(&Request::get("/x/y").header(name, value));
        assert_eq!(answer.status, 200, "{value}: {}", answer.head);
        let forwarded = Received::of(&answer).header("forwarded").expect("one header");
        let elements = elements(&forwarded);
        let last = elements.last().expect("its own");
        assert_eq!(last[..], ["for=127.0.0.1", &own, "proto=http"], "{value}: {forwarded}");
        let honest = elements.iter().filter(|one| one.contains(&"proto=https".to_owned())).count();
        let is_told = name == "Forwarded" && value == "for=1.2.3.4;proto=https";
        assert_eq!(honest, usize::from(is_told), "{value}: {forwarded}");
    }
}

#[test]
fn a_line_break_in_a_mapped_value_begins_no_header_and_no_request() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({
        "append:header.X-Query": "$request.querystring.q",
        "overwrite:header.X-Path": "a ${request.path.proxy} b",
        "overwrite:header.X-Body": "$request.body.a",
        "append:querystring.copy": "$request.body.a",
    });
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    api.ask_for(200, &Request::post("/x/y?q=1", r#"{"a":"1"}"#));
    for (target, body) in [
        ("/x/y?q=%0D%0AX-Injected:%201", "{}"),
        ("/x/y?q=%0AX-Injected:%201", "{}"),
        ("/x/y?q=1&q=%0D%0AX-Injected:%201", "{}"),
        ("/x/y%0D%0AX-Injected:%201", "{}"),
        ("/x/y", r#"{"a":"\r\nX-Injected: 1\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"}"#),
        ("/x/y", r#"{"a":"\u0000"}"#),
    ] {
        let mut client = Client::connect(site.public());
        let answer = Request::post(target, body).host(&api.host()).ask_on(&mut client);
        assert_eq!(answer.status, 400, "{target} {body}: {}", answer.head);
        if answer.says_close() {
            client = Client::connect(site.public());
        }
        let good = Request::post("/x/z?q=2", r#"{"a":"2"}"#).host(&api.host());
        let received = Received::of(&good.ask_on(&mut client));
        assert_eq!(received.header("x-path").as_deref(), Some("a z b"), "{}", received.head);
    }
    for received in backend.requests() {
        assert!(received.line().starts_with("POST /b"), "{}", received.head);
        assert_eq!(received.values("x-injected"), [""; 0], "{}", received.head);
    }
}

/// A path is what a mapping makes, not another host and not another request.
#[test]
fn an_overwritten_path_stays_a_path() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({ "overwrite:path": "/base/${request.querystring.p}/end" });
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    api.ask_for(200, &Request::get("/x/y?p=1"));
    for value in [
        "..",
        "%2e%2e",
        "../../admin",
        "%2e%2e%2fadmin",
        "..%2fadmin",
        "%2F%2Fevil.example",
        "a%3Fb=1",
        "a%23b",
        "a%20HTTP/1.1%0D%0A%0D%0AGET%20/admin",
        "http:%2F%2Fevil.example%2F",
        "%5c..%5cadmin",
        "%00",
        "@evil.example",
        "%25%32%65%25%32%65",
    ] {
        let mut client = Client::connect(site.public());
        let request = Request::get(&format!("/x/y?p={value}")).host(&api.host());
        let answer = request.ask_on(&mut client);
        assert!(matches!(answer.status, 200 | 400), "{value}: {}", answer.head);
    }
    for received in backend.requests() {
        let path = received.target().split('?').next().expect("a path");
        let parts: Vec<&str> = path.split('/').collect();
        assert_eq!((parts.len(), parts[1], parts[3]), (4, "base", "end"), "{}", received.line());
        let dots = parts[2].to_ascii_lowercase().replace("%2e", ".");
        assert!(dots != "." && dots != "..", "{}", received.line());
    }
}

#[test]
fn no_spelling_of_dots_leaves_the_path_of_the_integration() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let base = format!("http://{}/base", backend.address());
    api.proxy("GET /all/{proxy+}", &format!("{base}/{{proxy}}"));
    api.proxy("GET /one/{id}", &format!("{base}/{{id}}/end"));
    api.proxy("$default", &base);
    api.create_default_stage();
    api.ask_for(200, &Request::get("/all/a"));
    for dots in [
        "..",
        "%2e%2e",
        "%2E.",
        "..%2f..%2fadmin",
        "%2e%2e%2fadmin",
        "..;/admin",
        "..%5cadmin",
        "a/../../../admin",
        "a/%2e%2e/%2E%2e/%2e%2e/admin",
        "/../admin",
        "%252e%252e/admin",
        "..?x",
    ] {
        for start in ["/all/", "/one/", "/other/", "/"] {
            let target = format!("{start}{dots}");
            let answer = api.ask(&Request::get(&target));
            assert!(matches!(answer.status, 200 | 400 | 404), "{target}: {}", answer.head);
        }
    }
    for received in backend.requests() {
        let path = received.target().split('?').next().expect("a path").to_owned();
        assert!(path == "/base" || path.starts_with("/base/"), "{}", received.line());
        let path = path.replace("%2e", ".").replace("%2E", ".");
        assert!(path.split('/').all(|part| part != ".." && part != "."), "{}", received.line());
    }
}

/// A status that a backend chooses by a mapping frames an answer: it is one that has an end.
#[test]
fn a_mapped_status_leaves_the_connection_in_step() {
    let site = Managed::start();
    let backend = Upstream::answering_by(|request| {
        let status = request.header("x-wanted").unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\nX-Status: {status}\r\nContent-Length: 5\r\n\r\nhello")
    });
    let mapped = json!({ "200": { "overwrite:statuscode": "$response.header.x-status" } });
    let api = api(&site, &backend, json!({ "responseParameters": mapped }));
    api.ask_for(201, &Request::get("/x/y").header("X-Wanted", "201"));
    let host = api.host();
    let mut client = Client::connect(site.public());
    for wanted in [
        "204", "304", "404", "599", "100", "101", "103", "199", "600", "999", "0", "-1", "1000",
        "20 0", "",
    ] {
        let request = Request::get("/x/y").host(&host).header("X-Wanted", wanted);
        let answer = request.ask_on(&mut client);
        assert!((200..600).contains(&answer.status), "{wanted}: {}", answer.head);
        if matches!(wanted, "204" | "304" | "404" | "599") {
            assert_eq!(answer.status.to_string(), wanted, "{}", answer.head);
        }
        if answer.status == 204 {
            assert_eq!(answer.header("content-length"), None, "{}", answer.head);
        }
        let next = Request::get("/x/y").host(&host).header("X-Wanted", "202").ask_on(&mut client);
        assert_eq!((next.status, next.text()), (202, "hello"), "behind {wanted}");
    }
}

/// The method of the integration frames the backend's answer, the client's own what it gets.
#[test]
fn another_method_of_the_integration_leaves_both_connections_in_step() {
    let site = Managed::start();
    let backend = Upstream::answering_by(|request| {
        let is_head = request.line().starts_with("HEAD ");
        let body = if is_head { "" } else { "hello" };
        format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}")
    });
    let api = site.create_http_api(json!({}));
    let uri = format!("http://{}/", backend.address());
    for (key, method) in
        [("ANY /head", "HEAD"), ("ANY /get", "GET"), ("ANY /post", "POST"), ("ANY /any", "ANY")]
    {
        let integration = api.create_proxy(&uri, json!({ "integrationMethod": method }));
        api.create_route(key, &integration);
    }
    api.create_default_stage();
    api.ask_for(200, &Request::get("/any"));
    let host = api.host();
    let mut client = Client::connect(site.public());
    for path in ["/head", "/get", "/post", "/any"] {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let mut request = Request::new(method, path).host(&host);
            if method == "POST" {
                request = request.body("GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n");
            }
            let answer = request.ask_on(&mut client);
            let body = if method == "HEAD" || path == "/head" { "" } else { "hello" };
            assert_eq!((answer.status, answer.text()), (200, body), "{method} {path}");
            let next = Request::get("/any").host(&host).ask_on(&mut client);
            assert_eq!(next.text(), "hello", "behind {method} {path}");
        }
    }
    for received in backend.requests() {
        assert_eq!(received.target(), "/", "{}", received.head);
    }
}

#[test]
fn a_deep_or_strange_body_costs_no_more_than_itself() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({ "append:header.X-Out": "$request.body.a.b" });
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    api.ask_for(200, &Request::post("/x/y", r#"{"a":{"b":1}}"#));
    for body in [
        "[".repeat(90_000),
        r#"{"a":"#.repeat(15_000),
        format!(r#"{{"a":{{"b":{}}}}}"#, "[".repeat(40_000) + &"]".repeat(40_000)),
        format!(r#"{{"a":{{"b":{}}}}}"#, "9".repeat(90_000)),
        r#"{"a":{"b":1e999999999}}"#.to_owned(),
        r#"{"a":{"b":"\ud800"}}"#.to_owned(),
    ] {
        let start = &body[..body.len().min(40)];
        let answer = api.ask(&Request::post("/x/y", body.clone()));
        let is_taken = matches!(answer.status, 200 | 400 | 413 | 431 | 500 | 503);
        assert!(is_taken, "{start}: {}", answer.head);
    }
    let received = Received::of(&api.ask(&Request::post("/x/y", r#"{"a":{"b":2}}"#)));
    assert_eq!(received.header("x-out").as_deref(), Some("2"));
}
