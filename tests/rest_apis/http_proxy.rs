//! HTTP proxy integrations: everything passes but what belongs to a connection.

use serde_json::json;

use crate::harness::{Client, Managed, Received, Request, RestApi, Upstream};

/// `ANY /api/{proxy+}` before `/site/{proxy}`, as in the guide.
fn proxied<'g>(site: &'g Managed, backend: &Upstream) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.http_proxy("/api/{proxy+}", "ANY", &format!("http://{}/site/{{proxy}}", backend.address()));
    api.deploy("prod");
    api
}

#[test]
fn a_hierarchy_is_exposed_by_one_greedy_resource() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    for (method, path) in
        [("GET", "a0"), ("POST", "a0/a1"), ("PUT", "b0/b1/b2/b3"), ("DELETE", "a-b_c.d")]
    {
        let answer = api.ask_for(200, &Request::new(method, &format!("/prod/api/{path}")));
        let received = Received::of(&answer);
        assert_eq!(received.line(), format!("{method} /site/{path} HTTP/1.1"));
    }
}

#[test]
fn escapes_of_a_path_stay_escapes() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let answer = api.ask_for(200, &Request::get("/prod/api/a%20b/c%25d"));
    assert_eq!(Received::of(&answer).target(), "/site/a%20b/c%25d");
}

#[test]
fn the_query_passes() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let answer = api.ask_for(200, &Request::get("/prod/api/x?id=4&type=dog&id=5&empty="));
    let received = Received::of(&answer);
    let (path, query) = received.target().split_once('?').expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    assert_eq!(path, "/site/x");
    // Values of one name keep their order; names may be grouped.
    let ids: Vec<&str> = pairs.iter().copied().filter(|pair| pair.starts_with("id=")).collect();
    assert_eq!(ids, ["id=4", "id=5"]);
    pairs.sort_unstable();
    assert_eq!(pairs, ["empty=", "id=4", "id=5", "type=dog"]);
}

#[test]
fn the_query_of_the_uri_comes_along() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/x", "GET", &format!("http://{}/y?fixed=1", backend.address()));
    api.deploy("prod");
    let answer = api.ask_for(200, &Request::get("/prod/x?a=b"));
    let received = Received::of(&answer);
    let target = received.target();
    assert!(target.starts_with("/y?"), "{target}");
    assert!(target.contains("fixed=1") && target.contains("a=b"), "{target}");
}

#[test]
fn mapped_query_values_are_appended() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let mapped = json!({ "integration.request.querystring.testQs": "'mapped'" });
    let uri = format!("http://{}/", backend.address());
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri, "requestParameters": mapped,
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    let answer = api.ask_for(200, &Request::get("/prod/x?testQs=sent"));
    let received = Received::of(&answer);
    let (_, query) = received.target().split_once('?').expect("a query");
    assert_eq!(query, "testQs=sent&testQs=mapped");
}

#[test]
fn the_body_passes_both_ways() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let body: Vec<u8> = (0..1_048_576_u32).map(|number| number.to_le_bytes()[1]).collect();
    let request = Request::post("/prod/api/x", body.clone()).header("Content-Type", "image/png");
    let received = Received::of(&api.ask_for(200, &request));
    assert!(received.body == body, "{} bytes", received.body.len());
    assert_eq!(received.header("content-type").as_deref(), Some("image/png"));
}

#[test]
fn a_streamed_body_passes() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    api.ask_for(200, &Request::get("/prod/api/x"));
    let (host, body) = (api.host(), vec![b'x'; 300_000]);
    let mut client = Client::connect(site.public());
    client.send(format!(
        "POST /prod/api/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for chunk in body.chunks(70_000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    let received = Received::of(&client.answer_to("POST"));
    assert!(received.body == body, "{} bytes", received.body.len());
}

#[test]
fn a_head_request_has_an_answer_without_body() {
    let site = Managed::start();
    let backend = Upstream::answering("HTTP/1.1 200 OK\r\nx-own: 1\r\ncontent-length: 5\r\n\r\n");
    let api = proxied(&site, &backend);
    let answer = api.ask_for(200, &Request::new("HEAD", "/prod/api/x"));
    assert_eq!((answer.header("x-own"), answer.body.len()), (Some("1"), 0));
    assert_eq!(backend.request().line(), "HEAD /site/x HTTP/1.1");
}

#[test]
fn headers_pass_with_all_their_values() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let request = Request::get("/prod/api/x")
        .header("X-Custom", "one")
        .header("Accept", "text/html")
        .header("User-Agent", "test/1")
        .header("Authorization", "Bearer token")
        .header("X-Custom", "two");
    let received = Received::of(&api.ask_for(200, &request));
    assert_eq!(received.values("x-custom").join(","), "one,two");
    let value = |name: &str| received.header(name);
    assert_eq!(value("accept").as_deref(), Some("text/html"));
    assert_eq!(value("user-agent").as_deref(), Some("test/1"));
    assert_eq!(value("authorization").as_deref(), Some("Bearer token"));
}

#[test]
fn headers_of_the_connection_do_not_pass() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let mut request = Request::post("/prod/api/x", "{}");
    let dropped = [
        ("Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ=="),
        ("Max-Forwards", "5"),
        ("Proxy-Authenticate", "Basic"),
        ("Server", "me"),
        ("TE", "trailers"),
        ("Trailer", "x-t"),
        ("WWW-Authenticate", "Basic"),
        ("Via", "1.1 other"),
        ("Content-Encoding", "identity"),
    ];
    for (name, value) in dropped {
        request = request.header(name, value);
    }
    let received = Received::of(&api.ask_for(200, &request));
    for (name, value) in dropped {
        let values = received.values(&name.to_ascii_lowercase());
        assert!(!values.iter().any(|own| own == value), "{name}: {}", received.head);
    }
}

#[test]
fn a_method_that_is_overridden_is_the_only_one_that_the_backend_sees() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let request = Request::new("POST", "/prod/api/x").header("X-HTTP-Method-Override", "PATCH");
    let received = Received::of(&api.ask_for(200, &request));
    assert_eq!(received.line(), "PATCH /site/x HTTP/1.1");
    assert_eq!(received.header("x-http-method-override"), None, "it is not mapped");
}

#[test]
fn the_backend_is_asked_by_its_own_host() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let received = Received::of(&api.ask_for(200, &Request::get("/prod/api/x")));
    assert_eq!(received.header("host"), Some(backend.address().to_string()));
}

#[test]
fn a_mapped_host_is_sent() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": { "integration.request.header.Host": "'mapped.example'" },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    let received = Received::of(&api.ask_for(200, &Request::get("/prod/x")));
    assert_eq!(received.header("host").as_deref(), Some("mapped.example"));
}

#[test]
fn a_mapped_header_stands_in_place_of_the_gateways_own() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "Accept",
        "User-Agent",
        "X-Own",
    ];
    let mut parameters = json!({});
    for name in names {
        parameters[format!("integration.request.header.{name}")] = json!("'mapped'");
    }
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": parameters,
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    let request = Request::get("/prod/x").header("X-Own", "sent").header("Accept", "text/html");
    let received = Received::of(&api.ask_for(200, &request));
    for name in names {
        assert_eq!(received.values(&name.to_ascii_lowercase()), ["mapped"], "{}", received.head);
    }
}

#[test]
fn the_gateway_adds_its_own_headers() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let received = Received::of(&api.ask_for(200, &Request::get("/prod/api/x")));
    let value = |name: &str| received.header(name);
    assert_eq!(value("x-amzn-apigateway-api-id").as_deref(), Some(api.id()));
    assert_eq!(value("user-agent"), Some(format!("AmazonAPIGateway_{}", api.id())));
    assert_eq!(value("accept").as_deref(), Some("application/json"));
    assert_eq!(value("content-type"), None, "a GET without one has none");
}

#[test]
fn a_signature_for_this_gateway_is_not_passed() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    let signature = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=00";
    let request = Request::get("/prod/api/x").header("Authorization", signature);
    assert_eq!(Received::of(&api.ask_for(200, &request)).header("authorization"), None);
}

#[test]
fn the_answer_passes_with_its_status() {
    let site = Managed::start();
    let backend = Upstream::answering_by(|request| {
        let status = request.target().rsplit('/').next().expect("a path").to_owned();
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\nx-own: {status}\r\ncontent-length: 2\r\n\r\nok"
        )
    });
    let api = proxied(&site, &backend);
    for status in [200, 201, 302, 400, 403, 404, 418, 429, 500, 503] {
        let answer = api.ask_until(&Request::get(&format!("/prod/api/{status}")), |answer| {
            answer.header("x-own").is_some()
        });
        assert_eq!((answer.status, answer.text()), (status, "ok"));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("x-amzn-errortype"), None, "the backend's own answer");
    }
}

#[test]
fn headers_of_the_backends_connection_are_remapped() {
    let site = Managed::start();
    let backend = Upstream::answering(
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: backend/1\r\n\
         Connection: keep-alive\r\nContent-Length: 2\r\nVia: 1.1 other\r\n\
         Content-Encoding: identity\r\nX-Other: stays\r\n\r\nok",
    );
    let api = proxied(&site, &backend);
    let answer = api.ask_for(200, &Request::get("/prod/api/x"));
    let value = |name: &str| answer.header(name);
    assert_eq!(value("x-amzn-remapped-date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(value("x-amzn-remapped-server"), Some("backend/1"));
    assert_eq!(value("x-amzn-remapped-connection"), Some("keep-alive"));
    assert_eq!(value("x-amzn-remapped-content-length"), Some("2"));
    assert!(answer.head.contains("x-amzn-Remapped-Server"), "the case too: {}", answer.head);
    assert_ne!(value("server"), Some("backend/1"));
    assert_eq!((value("via"), value("content-encoding")), (None, None));
    assert_eq!((value("x-other"), answer.text()), (Some("stays"), "ok"));
}

#[test]
fn cookies_of_the_backend_stay_apart() {
    let site = Managed::start();
    let backend = Upstream::answering(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
    );
    let api = proxied(&site, &backend);
    let answer = api.ask_for(200, &Request::get("/prod/api/x"));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
}

/// The column for `http_proxy` of the table in "Amazon API Gateway important notes".
#[test]
fn headers_with_a_meaning_for_the_gateway_are_remapped_too() {
    let site = Managed::start();
    let remapped =
        ["Authorization", "Content-MD5", "Max-Forwards", "User-Agent", "WWW-Authenticate"];
    let dropped = ["Expect", "Host", "Proxy-Authenticate", "TE", "Trailer"];
    let lines: String =
        remapped.iter().chain(&dropped).map(|name| format!("{name}: of-{name}\r\n")).collect();
    let backend =
        Upstream::answering(format!("HTTP/1.1 401 No\r\n{lines}Content-Length: 0\r\n\r\n"));
    let api = proxied(&site, &backend);
    let answer = api.ask_for(401, &Request::get("/prod/api/x"));
    for name in remapped {
        let line = format!("\r\nx-amzn-Remapped-{name}: of-{name}");
        assert!(answer.head.contains(&line), "{name}: {}", answer.head);
        assert_eq!(answer.header(&name.to_ascii_lowercase()), None, "{name}");
    }
    for name in dropped {
        assert!(!answer.head.contains(&format!("of-{name}")), "{name}: {}", answer.head);
    }
}

#[test]
fn a_type_that_the_client_did_not_say_is_not_made_up() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = proxied(&site, &backend);
    for request in [Request::post("/prod/api/x", "text"), Request::new("DELETE", "/prod/api/x")] {
        let received = Received::of(&api.ask_for(200, &request));
        assert_eq!(received.header("content-type"), None, "{}", received.head);
    }
}
