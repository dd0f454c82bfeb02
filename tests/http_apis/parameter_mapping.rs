//! Parameter mapping of requests and of responses.

use serde_json::{Value as Json, json};

use crate::harness::{Answer, HttpApi, Managed, Received, Request, Upstream};

/// `ANY /pets/{id}` to `/base`, with these mappings, on a `$default` stage that has the variable
/// `environmentId`.
fn api<'g>(site: &'g Managed, backend: &Upstream, more: Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    let integration = api.create_proxy(&format!("http://{}/base", backend.address()), more);
    api.create_route("ANY /pets/{id}", &integration);
    let variables = json!({ "environmentId": "env-1" });
    api.create_stage(json!({
        "stageName": "$default", "autoDeploy": true, "stageVariables": variables,
    }));
    api
}

/// What the backend gets of `request` with these request parameters.
#[track_caller]
fn received(parameters: &Json, request: &Request) -> Received {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    Received::of(&api.ask_for(200, request))
}

fn query_of(received: &Received) -> Vec<String> {
    let (_, query) = received.target().split_once('?').unwrap_or_default();
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    pairs.sort();
    pairs
}

#[test]
fn request_headers_are_appended_overwritten_and_removed() {
    let parameters = json!({
        "append:header.X-Append": "new",
        "append:header.X-Only": "alone",
        "overwrite:header.X-Over": "new",
        "overwrite:header.X-Made": "made",
        "remove:header.X-Gone": "''",
    });
    let request = Request::get("/pets/7")
        .header("X-Append", "old")
        .header("X-Over", "old")
        .header("X-Over", "older")
        .header("X-Gone", "1")
        .header("X-Stays", "1");
    let received = received(&parameters, &request);
    let all = |name: &str| received.values(name).join(",");
    assert_eq!(all("x-append"), "old,new");
    assert_eq!(all("x-only"), "alone");
    assert_eq!(all("x-over"), "new");
    assert_eq!(all("x-made"), "made");
    assert_eq!(all("x-gone"), "");
    assert_eq!(all("x-stays"), "1");
}

#[test]
fn a_request_has_one_host_whatever_is_mapped() {
    let [over, append, remove] =
        ["overwrite", "append", "remove"].map(|action| format!("{action}:header.Host"));
    let both = json!({ (&*over): "over.example", (&*append): "append.example" });
    let request = Request::get("/pets/7");
    for (parameters, wanted) in [
        (json!({ (&*over): "over.example" }), Some("over.example")),
        (json!({ (&*append): "append.example" }), Some("append.example")),
        (both, Some("over.example")),
        (json!({ (&*over): "$request.header.X-None" }), None),
        (json!({ (&*remove): "''" }), None),
    ] {
        let received = received(&parameters, &request);
        let hosts = received.values("host");
        assert_eq!(hosts.len(), 1, "{parameters}: {}", received.head);
        assert!(wanted.is_none_or(|wanted| hosts[0] == wanted), "{parameters}: {hosts:?}");
        assert!(!hosts[0].contains("execute-api"), "{parameters}: {hosts:?}");
    }
}

#[test]
fn an_expectation_is_not_mapped() {
    let parameters =
        json!({ "overwrite:header.Expect": "100-continue", "overwrite:header.X": "1" });
    let received = received(&parameters, &Request::get("/pets/7"));
    assert_eq!((received.header("expect"), received.header("x").as_deref()), (None, Some("1")));
}

#[test]
fn query_strings_are_appended_overwritten_and_removed() {
    let parameters = json!({
        "append:querystring.append": "new",
        "overwrite:querystring.over": "new",
        "remove:querystring.gone": "''",
    });
    let target = "/pets/7?append=old&over=old&over=older&gone=1&stays=1&Gone=2";
    let received = received(&parameters, &Request::get(target));
    let wanted = ["Gone=2", "append=new", "append=old", "over=new", "stays=1"];
    assert_eq!(query_of(&received), wanted, "names are case-sensitive");
}

#[test]
fn the_path_is_overwritten() {
    // [K] that the query stays.
    let mixed = json!({ "overwrite:path": "/other/${request.path.id}/x" });
    let request = Request::get("/pets/7?q=1");
    let target = received(&mixed, &request).target().to_owned();
    assert_eq!(target, "/other/7/x?q=1");
    let whole = json!({ "overwrite:path": "$request.path" });
    assert_eq!(received(&whole, &request).target(), "/pets/7?q=1");
}

#[test]
fn values_come_from_all_sources() {
    let parameters = json!({
        "append:header.X-Header": "$request.header.x-in",
        "append:header.X-Query": "$request.querystring.q",
        "append:header.X-Body": "$request.body.pet.name",
        "append:header.X-Path": "$request.path",
        "append:header.X-Id": "$request.path.id",
        "append:header.X-Context": "$context.apiId",
        "append:header.X-Request": "$context.requestId",
        "append:header.X-Variable": "$stageVariables.environmentId",
        "append:header.X-Static": "constant",
        "append:header.X-Mixed": "${request.path.id} in ${context.stage}",
    });
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    let request = Request::post("/pets/7?q=1&q=2", r#"{"pet":{"name":"Rex"}}"#)
        .header("Content-Type", "application/json")
        .header("X-In", "a")
        .header("X-In", "b");
    let answer = api.ask_for(200, &request);
    let received = Received::of(&answer);
    for (name, value) in [
        ("x-header", "a,b"), // names of headers are case-insensitive
        ("x-query", "1,2"),
        ("x-body", "Rex"),
        ("x-path", "/pets/7"),
        ("x-id", "7"),
        ("x-context", api.id()),
        ("x-request", answer.header("apigw-requestid").expect("an id")),
        ("x-variable", "env-1"),
        ("x-static", "constant"),
        ("x-mixed", "7 in $default"),
    ] {
        assert_eq!(received.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(received.body, br#"{"pet":{"name":"Rex"}}"#);
}

#[test]
fn a_header_is_renamed() {
    let parameters = json!({
        "append:header.header2": "$request.header.header1",
        "remove:header.header1": "''",
    });
    let received = received(&parameters, &Request::get("/pets/7").header("header1", "v"));
    assert_eq!(received.header("header2").as_deref(), Some("v"));
    assert_eq!(received.header("header1"), None);
}

#[test]
fn what_is_not_there_is_not_sent() {
    let parameters = json!({
        "append:header.X-Header": "$request.header.nothing",
        "append:querystring.q": "$request.querystring.nothing",
        "append:header.X-Body": "$request.body.a.b",
    });
    let received = received(&parameters, &Request::post("/pets/7", "no json"));
    assert_eq!(query_of(&received), [""; 0]);
    // [K] that nothing, and no empty value, is sent.
    for name in ["x-header", "x-body"] {
        assert_eq!(received.header(name).unwrap_or_default(), "", "{name}");
    }
}

#[test]
fn a_member_beyond_100_kb_of_a_body_is_not_seen() {
    let parameters = json!({
        "append:header.X-Near": "$request.body.near",
        "append:header.X-Far": "$request.body.far",
    });
    let body = format!(r#"{{"near":"n","filler":"{}","far":"f"}}"#, "x".repeat(150_000));
    let received = received(&parameters, &Request::post("/pets/7", body.clone()));
    assert_eq!(received.header("x-far").unwrap_or_default(), "");
    assert!(received.body == body.as_bytes(), "the body itself is whole");
}

const BODY: &str = r#"{"a":{"b":"c"}}"#;

/// A backend whose answer has the status that the query names.
fn answering() -> Upstream {
    Upstream::answering_by(|request| {
        let status = request.target().rsplit('=').next().expect("a status").to_owned();
        let length = BODY.len();
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nX-Append: old\r\n\
             X-Over: old\r\nX-Gone: 1\r\nX-Stays: 1\r\nContent-Length: {length}\r\n\r\n{BODY}"
        )
    })
}

fn ask(api: &HttpApi<'_>, backend_status: u16) -> Answer {
    let request = Request::get(&format!("/pets/7?s={backend_status}"));
    api.ask_until(&request, |answer| answer.header("x-stays").is_some())
}

#[test]
fn response_headers_are_appended_overwritten_and_removed() {
    let (site, backend) = (Managed::start(), answering());
    let mapped = json!({ "200": {
        "append:header.X-Append": "new",
        "overwrite:header.X-Over": "new",
        "remove:header.X-Gone": "''",
        "append:header.X-Body": "$response.body.a.b",
        "append:header.X-Header": "$response.header.x-stays",
        "append:header.X-Context": "$context.apiId",
    }});
    let api = api(&site, &backend, json!({ "responseParameters": mapped }));
    let answer = ask(&api, 200);
    let all = |name: &str| answer.values(name).join(",");
    assert_eq!(all("x-append"), "old,new");
    assert_eq!(all("x-over"), "new");
    assert_eq!(all("x-gone"), "");
    assert_eq!(all("x-body"), "c");
    assert_eq!(all("x-header"), "1");
    assert_eq!(all("x-context"), api.id());
    assert_eq!(answer.text(), BODY);
}

#[test]
fn responses_are_mapped_by_their_status() {
    let (site, backend) = (Managed::start(), answering());
    let mapped = json!({
        "500": { "append:header.header1": "$context.requestId", "overwrite:statuscode": "403" },
        "404": { "append:header.error": "$stageVariables.environmentId" },
    });
    let api = api(&site, &backend, json!({ "responseParameters": mapped }));
    let answer = ask(&api, 500);
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("header1"), answer.header("apigw-requestid"));
    assert_eq!(answer.header("error"), None);
    let answer = ask(&api, 404);
    assert_eq!((answer.status, answer.header("error")), (404, Some("env-1")));
    assert_eq!(answer.header("header1"), None);
    let answer = ask(&api, 200);
    assert_eq!(
        (answer.status, answer.header("error"), answer.header("header1")),
        (200, None, None)
    );
}

#[test]
fn a_value_cannot_break_out_of_its_place() {
    let parameters = json!({
        "append:querystring.copy": "$request.querystring.q",
        "append:header.X-Query": "$request.querystring.q",
    });
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, json!({ "requestParameters": parameters }));
    let answer = api.ask_for(200, &Request::get("/pets/7?q=a%26admin%3D1%23x"));
    assert!(query_of(&Received::of(&answer)).contains(&"copy=a%26admin%3D1%23x".to_owned()));
    api.ask(&Request::get("/pets/7?q=a%0D%0AX-Injected:%201"));
    for received in backend.requests() {
        assert_eq!(received.header("x-injected"), None, "{}", received.head);
    }
}
