//! Routing, mapping and refusing over HTTP/2.

use serde_json::{Value as Json, json};

use crate::frame::NO_ERROR;
use crate::harness::{Managed, Request, RestApi, Upstream};
use crate::peer::{Answer, Http2};
use crate::requests::{assert_fit, get, head, post, received};

fn message(answer: &Answer) -> String {
    let body: Json = serde_json::from_slice(&answer.body).expect("JSON");
    body["message"].as_str().expect("a message").to_owned()
}

/// A REST API whose `ANY /x` passes everything to the backend, mapping the header `X-In`.
fn rest_api<'g>(site: &'g Managed, backend: &Upstream) -> RestApi<'g> {
    let api = site.create_rest_api();
    let declared = json!({ "method.request.header.X-In": false });
    api.put_method("/x", "ANY", json!({ "requestParameters": declared }));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "ANY", "uri": format!("http://{}/y", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Out": "method.request.header.X-In",
            "integration.request.header.X-Protocol": "context.protocol",
        },
    });
    api.put_integration("/x", "ANY", integration);
    api
}

#[test]
fn a_backend_of_a_rest_api_gets_http1_with_what_the_client_sent() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = rest_api(&site, &backend);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let mut client = Http2::connect(site.gateway());
    let more = [
        ("x-in", "mapped"),
        ("x-own", "1"),
        ("x-own", "2"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("authorization", "Bearer token"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    let answer = get(&mut client, &api.host(), "/prod/x?q=1&q=%202", &more);
    assert_fit(&answer);
    let received = received(&answer);
    assert_eq!(received.line(), "GET /y?q=1&q=%202 HTTP/1.1");
    // Names have no case here, so that a mapping finds its header whatever its letters are.
    assert_eq!(received.header("x-out").as_deref(), Some("mapped"));
    assert_eq!(received.header("x-protocol").as_deref(), Some("HTTP/2.0"));
    assert_eq!(received.values("x-own"), ["1", "2"]);
    assert_eq!(
        received.header("cookie").as_deref(),
        Some("a=1; b=2"),
        "one field (RFC 9113 8.2.3)"
    );
    assert_eq!(received.header("te"), None);
    assert_eq!(received.header("authorization").as_deref(), Some("Bearer token"));
    assert_eq!(received.header("x-forwarded-for").as_deref(), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(received.header("host"), Some(backend.address().to_string()));
    assert!(!received.head.contains("\r\n:"), "{}", received.head);
}

#[test]
fn answers_of_a_rest_api_are_remapped_in_lower_case() {
    let site = Managed::start();
    let backend = Upstream::answering(
        "HTTP/1.1 201 Made\r\nConnection: keep-alive\r\nServer: backend\r\n\
         Date: Fri, 20 Nov 2026 11:00:00 GMT\r\nX-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let api = rest_api(&site, &backend);
    api.deploy("prod");
    api.ask_for(201, &Request::get("/prod/x"));
    let mut client = Http2::connect(site.gateway());
    let answer = get(&mut client, &api.host(), "/prod/x", &[]);
    assert_fit(&answer);
    assert_eq!((answer.status, answer.text()), (201, "ok"));
    for (name, value) in [
        ("x-amzn-remapped-connection", "keep-alive"),
        ("x-amzn-remapped-server", "backend"),
        ("x-amzn-remapped-date", "Fri, 20 Nov 2026 11:00:00 GMT"),
        ("x-amzn-remapped-content-length", "2"),
        ("x-own", "1"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    let cookies = answer.fields.iter().filter(|(name, _)| name == "set-cookie");
    assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
    for name in ["x-amzn-requestid", "x-amz-apigw-id", "date"] {
        assert!(answer.header(name).is_some(), "{name}: {answer:?}");
    }
    assert_eq!(answer.header("server"), None);
}

#[test]
fn a_mock_and_an_overridden_method() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/x", "GET", "got");
    api.mock("/x", "DELETE", "deleted");
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let mut client = Http2::connect(site.gateway());
    let answer = get(&mut client, &api.host(), "/prod/x", &[]);
    assert_fit(&answer);
    assert_eq!((answer.status, answer.text()), (200, "got"));
    let over = [("x-http-method-override", "DELETE")];
    assert_eq!(get(&mut client, &api.host(), "/prod/x", &over).text(), "deleted");
    // HEAD is not implied by GET, and no answer to it has a body.
    let stream = client.ask(head(&api.host(), "HEAD", "/prod/x", &[]));
    let answer = client.answer(stream);
    assert_eq!((answer.status, &answer.body[..]), (403, &b""[..]));
    client.check_alive();
}

#[test]
fn refusals_have_the_words_of_their_api_and_cost_their_stream_alone() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let rest = rest_api(&site, &backend);
    rest.mock("/limited", "GET", "got");
    rest.deploy("prod");
    let limit = [
        crate::harness::replace("/~1limited/GET/throttling/rateLimit", "0"),
        crate::harness::replace("/~1limited/GET/throttling/burstLimit", "0"),
    ];
    rest.patch_stage("prod", &limit);
    rest.ask_for(429, &Request::get("/prod/limited"));
    let http = site.create_http_api(json!({}));
    http.proxy("GET /x", &format!("http://{}/", backend.address()));
    http.create_default_stage();
    http.ask_for(200, &Request::get("/x"));
    let (rest, http) = (rest.host(), http.host());
    let unknown = "zzzzzzzzzz.execute-api.us-east-1.amazonaws.com";
    let mut client = Http2::connect(site.gateway());
    for (host, path, status, text, id) in [
        (&*rest, "/prod/none", 403, "Missing Authentication Token", "x-amzn-requestid"),
        (&*rest, "/none/x", 403, "Forbidden", "x-amzn-requestid"),
        (&*rest, "/prod/limited", 429, "Too Many Requests", "x-amzn-requestid"),
        (&*http, "/none", 404, "Not Found", "apigw-requestid"),
        (unknown, "/prod/x", 403, "Forbidden", "x-amzn-requestid"),
    ] {
        let answer = get(&mut client, host, path, &[]);
        assert_fit(&answer);
        assert_eq!((answer.status, &*message(&answer)), (status, text), "{host}{path}");
        assert!(answer.header(id).is_some(), "{answer:?}");
    }
    assert_eq!(get(&mut client, &rest, "/prod/x", &[]).status, 200);
    assert_eq!(get(&mut client, &http, "/x", &[]).status, 200);
}

/// The rest of the body is not waited for, and is not mistaken for a request.
#[test]
fn a_refusal_comes_before_the_body_has_ended() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/x", "POST", "done");
    api.deploy("prod");
    api.ask_for(200, &Request::post("/prod/x", "{}"));
    let mut client = Http2::connect(site.gateway());
    for (path, status) in [("/prod/none", 403), ("/prod/x", 200)] {
        let stream = client.begin(head(&api.host(), "POST", path, &[]));
        client.send_body(stream, b"GET /prod/x HTTP/1.1\r\n\r\n", false);
        let answer = client.answer(stream);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.reset.is_none_or(|code| code == NO_ERROR), "{answer:?}");
    }
    client.check_alive();
    assert_eq!(post(&mut client, &api.host(), "/prod/x", &[], b"{}").text(), "done");
}

/// An API is found by `:authority`, whatever API the connection was used for before.
#[test]
fn streams_of_one_connection_go_to_many_apis() {
    let site = Managed::start();
    let names = ["one", "two", "three"];
    let apis = names.map(|name| {
        let api = site.create_rest_api();
        api.mock("/x", "GET", name);
        api.deploy("prod");
        api.ask_for(200, &Request::get("/prod/x"));
        api
    });
    let mut client = Http2::connect(site.gateway());
    let streams: Vec<_> =
        (0..30).map(|at| client.ask(head(&apis[at % 3].host(), "GET", "/prod/x", &[]))).collect();
    for (at, stream) in streams.into_iter().enumerate() {
        assert_eq!(client.answer(stream).text(), names[at % 3]);
    }
    // A host beside it must say the same (RFC 9113 section 8.3.1).
    let (one, two) = (apis[0].host(), apis[1].host());
    let stream = client.ask(head(&one, "GET", "/prod/x", &[("host", &two)]));
    let answer = client.answer(stream);
    assert!(answer.reset.is_some() || answer.status == 400, "{answer:?}");
}

#[test]
fn an_http_api_maps_what_passes_and_answers_preflights() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let cors = json!({ "allowOrigins": ["https://a.example"], "allowMethods": ["GET"] });
    let api = site.create_http_api(json!({ "corsConfiguration": cors }));
    let parameters = json!({
        "append:header.X-List": "$request.header.x-in",
        "overwrite:header.X-Own": "$context.protocol",
        "remove:header.X-Gone": "''",
        "append:querystring.added": "$request.path.id",
    });
    let responses = json!({ "200": { "append:header.X-Answer": "$context.requestId" } });
    let more = json!({ "requestParameters": parameters, "responseParameters": responses });
    let uri = format!("http://{}/pets/{{id}}", backend.address());
    api.create_route("GET /pets/{id}", &api.create_proxy(&uri, more));
    api.create_default_stage();
    api.ask_for(200, &Request::get("/pets/7"));
    let mut client = Http2::connect(site.gateway());
    let sent = [
        ("origin", "https://a.example"),
        ("x-in", "b"),
        ("x-list", "a"),
        ("x-own", "client's"),
        ("x-gone", "1"),
    ];
    let answer = get(&mut client, &api.host(), "/pets/7?q=1", &sent);
    assert_fit(&answer);
    let seen = received(&answer);
    assert_eq!(seen.target(), "/pets/7?q=1&added=7");
    assert_eq!(seen.header("x-list").as_deref(), Some("a,b"));
    assert_eq!(seen.header("x-own").as_deref(), Some("HTTP/2.0"));
    assert_eq!(seen.header("x-gone"), None);
    let forwarded = seen.header("forwarded").expect("the header");
    assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains(&api.host()), "{forwarded}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.header("x-answer"), answer.header("apigw-requestid"));
    let ask = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let stream = client.ask(head(&api.host(), "OPTIONS", "/pets/7", &ask));
    let preflight = client.answer(stream);
    assert_fit(&preflight);
    assert_eq!((preflight.status, &preflight.body[..]), (204, &b""[..]));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET"));
}
