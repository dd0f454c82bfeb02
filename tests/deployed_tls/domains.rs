//! Custom domain names: certificates by ARN, names, security policies, endpoint access modes.

use std::io::{Read as _, Write as _};

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::client::{TlsClient, tcp};
use crate::harness::{Answer, Gateway, Managed, Received, Request, Upstream, eventually, replace};
use crate::setup::{
    Setup, api_that_says, ask, ask_for, ask_in_vain, create_domain, leaf, map, patch, shown,
    tls_address,
};

const A: &str = "a.example.com";
const B: &str = "b.example.com";

#[test]
fn a_domain_comes_changes_and_goes_without_a_restart() {
    let setup = Setup::new(&[A, B]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    ask_in_vain(&site, &setup.wants(), A);
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "one");
    // Nobody else's certificate is shown to those who ask for another name.
    ask_in_vain(&site, &setup.wants(), B);
    // A connection that was there before goes on through all changes of other domains.
    let config = setup.wants().config();
    let mut kept = TlsClient::connect(tls_address(&site), &config, A);
    create_domain(&site, B, json!({}));
    map(&site, B, &api);
    assert_eq!(ask_for(&site, &setup.wants(), B, 200).text(), "one");
    site.management().delete(&format!("/domainnames/{B}/basepathmappings/(none)"));
    site.management().delete(&format!("/domainnames/{B}"));
    ask_in_vain(&site, &setup.wants(), B);
    assert_eq!(kept.get(A, "/x").text(), "one");
}

#[test]
fn another_certificate_is_shown_once_the_domain_names_it() {
    let setup = Setup::new(&[A, "*.example.com"]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    ask_for(&site, &setup.wants(), A, 200);
    let before = shown(&site, &setup.wants(), A).expect("a handshake");
    patch(&site, A, &[replace("/regionalCertificateArn", &Setup::arn("*.example.com"))]);
    eventually(|| match shown(&site, &setup.wants(), A) {
        Ok(now) if now != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "one");
}

#[test]
fn a_wildcard_has_one_certificate_for_all_its_names() {
    let setup = Setup::new(&["*.example.com", A]);
    let site = setup.start();
    let (wild, own) = (api_that_says(&site, "wild"), api_that_says(&site, "own"));
    create_domain(&site, "*.example.com", json!({}));
    map(&site, "*.example.com", &wild);
    assert_eq!(ask_for(&site, &setup.wants(), B, 200).text(), "wild");
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "wild");
    create_domain(&site, A, json!({}));
    map(&site, A, &own);
    eventually(|| match ask(&site, &setup.wants(), A, A) {
        Ok(answer) if answer.text() == "own" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(ask(&site, &setup.wants(), B, B).expect("an answer").text(), "wild");
    ask_in_vain(&site, &setup.wants(), "two.labels.example.com");
}

/// `certificateBody` and its companions of the first generation.
#[test]
fn an_imported_certificate_is_served_from_the_store() {
    let setup = Setup::new(&[]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    let identity = setup.servers.server(&[A]);
    setup.files.write_identity("own", &identity);
    let read =
        |name: &str| std::fs::read_to_string(setup.files.path(name)).expect("it was written");
    let body = json!({
        "domainName": A, "certificateName": "own", "certificateBody": read("own.pem"),
        "certificatePrivateKey": read("own.key"), "endpointConfiguration": { "types": ["EDGE"] },
    });
    let made = site.management().post("/domainnames", &body);
    assert!(!made.to_string().contains("PRIVATE KEY"), "{made}");
    map(&site, A, &api);
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "one");
    assert_eq!(shown(&site, &setup.wants(), A).expect("a handshake"), leaf(&identity));
    let shown = site.management().get(&format!("/domainnames/{A}"));
    assert!(!shown.to_string().contains("PRIVATE KEY"), "{shown}");
}

/// A first message that offers this version at most, and a suite that such versions have.
fn old_hello(version: [u8; 2], name: &str) -> Vec<u8> {
    let name_bytes = name.as_bytes();
    let length = |bytes: usize| u16::try_from(bytes).expect("short").to_be_bytes();
    let list = [&[0][..], &length(name_bytes.len()), name_bytes].concat();
    let names = [&length(list.len())[..], &list].concat();
    let extension = [&[0, 0][..], &length(names.len()), &names].concat();
    let suites = [0, 4, 0xc0, 0x13, 0xc0, 0x09];
    let extensions = [&length(extension.len())[..], &extension].concat();
    let body = [&version[..], &[7; 32], &[0], &suites, &[1, 0], &extensions].concat();
    let message = [&[1, 0][..], &length(body.len()), &body].concat();
    [&[0x16, 3, 1][..], &length(message.len()), &message].concat()
}

/// The alert that answers these bytes.
fn alert(site: &Managed, bytes: &[u8]) -> Option<u8> {
    let mut stream = tcp(tls_address(site));
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    match *answer {
        [] => None,
        [0x15, 3, _, 0, 2, 2, description] => Some(description),
        ref other => panic!("no alert: {other:?}"),
    }
}

const PROTOCOL_VERSION: u8 = 70;

#[test]
fn a_security_policy_says_which_versions_are_spoken() {
    let setup = Setup::new(&[A]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    let (old, new) = ([&TLS12], [&TLS13]);
    let speaking = |versions| setup.wants().speaking(versions);
    ask_for(&site, &speaking(&old), A, 200);
    ask_for(&site, &speaking(&new), A, 200);
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(alert(&site, &old_hello(version, A)), Some(PROTOCOL_VERSION), "{version:?}");
    }
    patch(&site, A, &[replace("/securityPolicy", "SecurityPolicy_TLS13_1_3_2025_09")]);
    let error = ask_in_vain(&site, &speaking(&old), A);
    assert!(error.contains("ProtocolVersion"), "{error}");
    ask_for(&site, &speaking(&new), A, 200);
    patch(&site, A, &[replace("/securityPolicy", "SecurityPolicy_TLS13_1_2_2021_06")]);
    ask_for(&site, &speaking(&old), A, 200);
    ask_for(&site, &speaking(&new), A, 200);
}

#[test]
fn a_policy_that_asks_for_what_is_broken_is_served_without_it() {
    let setup = Setup::new(&[A]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({ "securityPolicy": "TLS_1_0" }));
    map(&site, A, &api);
    ask_for(&site, &setup.wants(), A, 200);
    assert_eq!(alert(&site, &old_hello([3, 1], A)), Some(PROTOCOL_VERSION));
}

/// Each domain has its own policy on the one listener.
#[test]
fn policies_of_domains_do_not_mix() {
    let setup = Setup::new(&[A, B]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({ "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09" }));
    create_domain(&site, B, json!({}));
    for name in [A, B] {
        map(&site, name, &api);
        ask_for(&site, &setup.wants(), name, 200);
    }
    let old = [&TLS12];
    let wants = setup.wants().speaking(&old);
    ask_in_vain(&site, &wants, A);
    ask_for(&site, &wants, B, 200);
}

#[test]
fn the_host_counts_where_the_handshake_was_for_another_name() {
    let setup = Setup::new(&[A, B]);
    let site = setup.start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    for (name, api) in [(A, &one), (B, &two)] {
        create_domain(&site, name, json!({}));
        map(&site, name, api);
        ask_for(&site, &setup.wants(), name, 200);
    }
    let answer = ask(&site, &setup.wants(), A, B).expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, "two"));
    let answer = ask(&site, &setup.wants(), A, "c.example.com").expect("an answer");
    assert!(answer.is_of_no_api(), "{}", answer.head);
}

#[test]
fn a_strict_domain_is_reached_by_its_own_handshake_alone() {
    let setup = Setup::new(&[A, B]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    // AWS has the mode with its newer policies only.
    let strict = json!({
        "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09", "endpointAccessMode": "STRICT",
    });
    create_domain(&site, B, strict);
    for name in [A, B] {
        map(&site, name, &api);
        ask_for(&site, &setup.wants(), name, 200);
    }
    for host in [B, "B.Example.COM", "b.example.com:443", "b.example.com."] {
        let status = |name: &str| ask(&site, &setup.wants(), name, host).expect("an answer").status;
        assert_eq!(status(A), 421, "{host}"); // [K] which status
        assert_eq!(status(B), 200, "{host}");
    }
    // The other way round nothing is asked of the handshake.
    assert_eq!(ask(&site, &setup.wants(), B, A).expect("an answer").status, 200);
    patch(&site, B, &[replace("/endpointAccessMode", "BASIC")]);
    eventually(|| match ask(&site, &setup.wants(), A, B) {
        Ok(Answer { status: 200, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The same of the host that an API has of itself, whose certificate is the boot file's.
#[test]
fn a_strict_api_is_reached_by_a_handshake_for_its_own_host_alone() {
    let setup = Setup::new(&[]);
    let hosts = "*.execute-api.us-east-1.amazonaws.com";
    setup.files.write_identity("hosts", &setup.servers.server(&[hosts]));
    let pair = setup.files.pair("hosts");
    let site =
        setup.start_with(&format!("[[domain]]\nnames = [\"{hosts}\"]\ncertificates = [{pair}]\n"));
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let get = |name: &str, host: &str| {
        let config = setup.wants().config();
        TlsClient::connect(tls_address(&site), &config, name).get(host, "/prod/x")
    };
    two.ask_for(200, &Request::get("/prod/x"));
    assert_eq!(get(&one.host(), &one.host()).text(), "one");
    assert_eq!(get(&two.host(), &one.host()).text(), "one", "nothing is asked of the handshake");
    let strict = [
        replace("/securityPolicy", "SecurityPolicy_TLS13_1_3_2025_09"),
        replace("/endpointAccessMode", "STRICT"),
    ];
    site.management().patch(&one.path(""), &strict);
    eventually(|| match get(&two.host(), &one.host()) {
        Answer { status: 421, .. } => Ok(()), // [K] which status
        answer => Err(answer.head),
    });
    assert_eq!(get(&one.host(), &one.host()).text(), "one");
    assert_eq!(get(&one.host(), &two.host()).text(), "two");
    // Plain HTTP has no handshake that could have named another host.
    assert_eq!(one.ask(&Request::get("/prod/x")).text(), "one");
}

#[test]
fn what_was_negotiated_reaches_a_mapping() {
    let setup = Setup::new(&[A]);
    let site = setup.start();
    let backend = Upstream::mirror();
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Tls": "context.tlsVersion",
            "integration.request.header.X-Suite": "context.cipherSuite",
            "integration.request.header.X-Domain": "context.domainName",
        },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    let versions = [&TLS13];
    let answer = ask_for(&site, &setup.wants().speaking(&versions), A, 200);
    let received = Received::of(&answer);
    assert_eq!(received.header("x-tls").as_deref(), Some("TLSv1.3"));
    assert!(received.header("x-suite").is_some_and(|suite| suite.starts_with("TLS_")));
    assert_eq!(received.header("x-domain").as_deref(), Some(A));
    assert_eq!(received.header("x-forwarded-proto").as_deref(), Some("https"));
    let plain = Received::of(&api.ask_for(200, &Request::get("/prod/x")));
    assert_eq!((plain.header("x-tls"), plain.header("x-suite")), (None, None));
    assert_eq!(plain.header("x-forwarded-proto").as_deref(), Some("http"));
}

#[test]
fn a_restart_serves_domains_at_once() {
    let setup = Setup::new(&[A]);
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = setup.configuration(&folder.path().join("state.redb"));
    let site = Managed::of(Gateway::start(&configuration));
    create_domain(&site, A, json!({}));
    map(&site, A, &api_that_says(&site, "one"));
    ask_for(&site, &setup.wants(), A, 200);
    site.end();
    let site = Managed::of(Gateway::start(&configuration));
    // A gateway that says that it serves has what it serves.
    assert_eq!(ask(&site, &setup.wants(), A, A).expect("an answer").text(), "one");
}

/// Files are watched, and half of a pair is waited for: the old one is shown on.
#[test]
fn a_certificate_that_is_written_over_is_shown_once_its_key_is_there() {
    let setup = Setup::new(&[A]);
    let site = setup.start_with("[process]\nwatch = true\n");
    create_domain(&site, A, json!({}));
    map(&site, A, &api_that_says(&site, "one"));
    ask_for(&site, &setup.wants(), A, 200);
    let before = shown(&site, &setup.wants(), A).expect("a handshake");
    let renewed = setup.servers.server(&[A]);
    setup.files.write_identity("new", &renewed);
    let rename = |part: &str| {
        let path = |name: &str| setup.files.path(&format!("{name}.{part}"));
        std::fs::rename(path("new"), path(A)).expect("renamed");
    };
    rename("pem");
    site.gateway().wait_for_log("a word about it", |line| {
        line["message"].as_str().is_some_and(|message| message.contains(A))
    });
    assert_eq!(shown(&site, &setup.wants(), A).expect("a handshake"), before);
    // Nor does a change of another domain make it worse.
    create_domain(&site, B, json!({}));
    site.gateway().wait_for_log("a word about it", |line| {
        line["message"].as_str().is_some_and(|message| message.contains(B))
    });
    assert_eq!(shown(&site, &setup.wants(), A).expect("a handshake"), before);
    rename("key");
    eventually(|| match shown(&site, &setup.wants(), A) {
        Ok(now) if now == leaf(&renewed) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "one");
}

/// What ARNs stand for is a part of the boot file that a reload reads.
#[test]
fn a_certificate_is_bound_and_let_go_without_a_restart() {
    let setup = Setup::new(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let unbound = setup.configuration(&folder.path().join("state.redb"));
    let site = Managed::of(Gateway::start(&unbound));
    create_domain(&site, A, json!({}));
    map(&site, A, &api_that_says(&site, "one"));
    site.ask_for(200, &Request::get("/x").host(A));
    ask_in_vain(&site, &setup.wants(), A);
    let reload = |configuration: &str| {
        site.gateway().rewrite(configuration);
        site.gateway().signal("HUP");
    };
    reload(&format!("{unbound}{}", setup.bind(A)));
    assert_eq!(ask_for(&site, &setup.wants(), A, 200).text(), "one");
    reload(&unbound);
    ask_in_vain(&site, &setup.wants(), A);
    assert_eq!(site.ask(&Request::get("/x").host(A)).text(), "one");
}

#[test]
fn domains_that_are_made_at_once_are_all_served() {
    const COUNT: usize = 12;
    let setup = Setup::new(&["*.example.com"]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    let names: Vec<String> = (0..COUNT).map(|at| format!("d{at}.example.com")).collect();
    let certificate = json!({ "regionalCertificateArn": Setup::arn("*.example.com") });
    std::thread::scope(|scope| {
        for name in &names {
            let (site, api, certificate) = (&site, &api, certificate.clone());
            scope.spawn(move || {
                create_domain(site, name, certificate);
                map(site, name, api);
            });
        }
    });
    for name in &names {
        assert_eq!(ask_for(&site, &setup.wants(), name, 200).text(), "one", "{name}");
    }
    std::thread::scope(|scope| {
        for name in names.iter().skip(1) {
            let site = &site;
            scope.spawn(move || {
                let path = format!("/domainnames/{name}");
                site.management().delete(&format!("{path}/basepathmappings/(none)"));
                site.management().delete(&path);
            });
        }
    });
    for name in names.iter().skip(1) {
        ask_in_vain(&site, &setup.wants(), name);
    }
    assert_eq!(ask_for(&site, &setup.wants(), &names[0], 200).text(), "one");
}
