//! Hosts that are written to reach another API than the one that is meant.

use serde_json::json;

use crate::domain::{Domain, api_that_says};
use crate::harness::{Answer, Client, Managed, Request};

/// Sends these lines and reads the answer, if there is one.
fn ask(site: &Managed, line: &str, fields: &[&str]) -> Answer {
    let mut client = Client::connect(site.public());
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    client.send(format!("{line}\r\n{fields}\r\n"));
    client.answer()
}

#[test]
fn a_host_that_is_said_twice_or_wrongly_reaches_nobody() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let (one, two) = (one.host(), two.host());
    let line = "GET /prod/x HTTP/1.1";
    for fields in [
        vec![format!("Host: {one}"), format!("Host: {two}")],
        vec![format!("Host: {one}"), format!("hOST: {one}")],
        vec![format!("Host: {one}"), " folded".to_owned()],
        vec![format!("Host: {one},{two}")],
        vec![format!("Host: {one} {two}")],
        vec![format!("Host: {one}@{two}")],
        vec![format!("Host: user:secret@{one}")],
        vec![format!("Host: {one}/x")],
        vec![format!("Host: {one}?")],
        vec![format!("Host: {one}#")],
        vec![format!("Host: {one}\\{two}")],
        vec![format!("Host: {one}%00.{two}")],
        vec![format!("Host: {one}\u{0}")],
        vec![format!("Host: {one}:80:80")],
        vec![format!("Host: {one}:x")],
        vec![format!("Host: {one}:65536")],
        vec![format!("Host: {one}..")],
        vec![format!("Host: .{one}")],
        vec![format!("Host : {one}")],
        vec![format!("Host:{one}"), "Host:".to_owned()],
        vec!["Host:".to_owned()],
        vec![format!("Host: http://{one}")],
        vec![],
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = ask(&site, line, &fields);
        assert_eq!(answer.status, 400, "{fields:?}: {}", answer.head);
    }
    // HTTP/1.0 needs no host, and then names no API.
    let answer = ask(&site, "GET /prod/x HTTP/1.0", &[]);
    assert!(answer.is_of_no_api(), "{}", answer.head);
}

/// RFC 9112 section 3.2.2: the host of the target counts, and the Host beside it does not.
#[test]
fn an_absolute_target_names_its_own_host_alone() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let (one, two) = (one.host(), two.host());
    let host = format!("Host: {two}");
    for target in [
        format!("http://{one}/prod/x"),
        format!("HTTP://{}/prod/x", one.to_ascii_uppercase()),
        format!("https://{one}:443/prod/x?q=http://{two}/"),
    ] {
        let answer = ask(&site, &format!("GET {target} HTTP/1.1"), &[&host]);
        assert!(answer.status == 400 || answer.text() == "one", "{target}: {}", answer.head);
    }
    for target in [
        format!("http://{one}@{two}/prod/x"),
        format!("http://{one}\\@{two}/prod/x"),
        format!("http:///{one}/prod/x"),
        format!("http:{one}/prod/x"),
        format!("ftp://{one}/prod/x"),
        format!("{one}/prod/x"),
        "http://".to_owned(),
    ] {
        let answer = ask(&site, &format!("GET {target} HTTP/1.1"), &[&host]);
        assert_eq!(answer.status, 400, "{target}: {}", answer.head);
    }
    // Two slashes begin a path here, and no host.
    let answer = ask(&site, &format!("GET //{one}/prod/x HTTP/1.1"), &[&host]);
    assert!(answer.status >= 400, "{}", answer.text());
}

/// What proxies say of the host of before is for backends, not for finding an API.
#[test]
fn no_other_header_names_the_host() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", two.id(), "prod");
    domain.ask_for_body("two", &Request::get("/x"));
    let host = two.host();
    for (name, value) in [
        ("X-Forwarded-Host", host.as_str()),
        ("X-Host", &host),
        ("X-Original-Host", &host),
        ("X-HTTP-Host-Override", &host),
        ("Forwarded", &format!("host={host}")),
        ("x-apigw-api-id", two.id()),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Original-URL", "/prod/other"),
        ("X-Rewrite-URL", "/prod/other"),
    ] {
        let answer = one.ask(&Request::get("/prod/x").header(name, value));
        assert_eq!(answer.text(), "one", "{name}: {}", answer.head);
    }
}

/// The form by path is for hosts that are nobody's.
#[test]
fn a_path_that_names_an_api_does_not_leave_its_host() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", one.id(), "prod");
    domain.ask_for_body("one", &Request::get("/x"));
    for form in ["/_aws/execute-api/{id}/prod/x", "/restapis/{id}/prod/_user_request_/x"] {
        let target = form.replace("{id}", two.id());
        let answer = domain.ask(&Request::get(&target));
        assert_eq!(answer.text(), "one", "it is a path like any other: {target}");
        let answer = site.ask(&Request::get(&target).host(&one.host()));
        assert!(answer.is_of_no_api(), "{target}: {}", answer.head);
        // Nor do dots lead from one API into another.
        let dots = format!("/_aws/execute-api/{}/prod/../../{}/prod/x", one.id(), two.id());
        let answer = site.ask(&Request::get(&dots));
        assert!(answer.status == 400 || answer.text() == "two", "{}", answer.head);
    }
}

/// Dots are resolved before a base path is looked for, so that none is gone around.
#[test]
fn a_base_path_is_that_of_the_path_that_is_meant() {
    let site = Managed::start();
    let (inner, outer) = (api_that_says(&site, "inner"), api_that_says(&site, "outer"));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("admin", inner.id(), "prod");
    domain.map("", outer.id(), "prod");
    domain.ask_for_body("outer", &Request::get("/x"));
    for (target, body) in [
        ("/admin/x", "inner"),
        ("/x/../admin/x", "inner"),
        ("/%61dmin/x", "inner"),
        ("/./admin/x", "inner"),
        ("/x/%2e%2e/admin/x", "inner"),
        ("/admin/../x", "outer"),
        ("/admin%2fx", "outer"),
        ("/Admin/x", "outer"),
        ("/admin.x", "outer"),
    ] {
        let answer = domain.ask(&Request::get(target));
        assert!(answer.status == 400 || answer.text() == body, "{target}: {}", answer.text());
    }
}

/// Case, port and dot make no difference to the host of an API, as to a custom domain.
#[test]
fn an_api_is_found_by_every_spelling_of_its_host() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let host = api.host();
    for host in [
        host.to_ascii_uppercase(),
        format!("{host}."),
        format!("{host}:8443"),
        format!("{host}.:8443"),
        format!("{host}:"),
    ] {
        let answer = site.ask(&Request::get("/prod/x").host(&host));
        assert_eq!(answer.text(), "one", "{host}: {}", answer.head);
    }
    let http = site.create_http_api(json!({}));
    let answer = site.ask(&Request::get("/x").host(&format!("{}.", http.host())));
    assert_ne!(answer.status, 200);
}
