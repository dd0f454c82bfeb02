//! Endpoints that want signed calls, as AWS itself does.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use shardgate::sign::{Authorization, SignedRequest};

use crate::function::{ARN, Site, ok};
use crate::harness::{Managed, Received, Request, Upstream};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a/session+token==";

/// A server that verifies signatures by `secret`: 403 for what is not signed so.
fn verifying(secret: &'static str) -> impl Fn(&Received) -> String + Send + Sync + 'static {
    move |received| match verify(received, secret) {
        Ok(region) => ok("", &json!({ "statusCode": 200, "body": region }).to_string()),
        Err(reason) => {
            let body = json!({ "message": reason }).to_string();
            format!(
                "HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: InvalidSignatureException\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
    }
}

/// The region that it was signed for.
fn verify(received: &Received, secret: &str) -> Result<String, String> {
    let target = received.target();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query: Vec<_> =
        pairs.map(|(name, value)| (name.to_owned(), value.replace("%24", "$"))).collect();
    let lines = received.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers: Vec<_> =
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let request = SignedRequest {
        method: "POST",
        path,
        query: &query,
        headers: &headers,
        body: &received.body,
    };
    let found = Authorization::find(&request).map_err(|error| error.to_string())?;
    let found = found.ok_or("it is not signed")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    found.verify(&request, secret, now).map_err(|error| error.to_string())?;
    assert_eq!((&*found.access_key_id, &*found.service), (ID, "lambda"));
    Ok(found.region)
}

fn signing() -> String {
    format!("sign = {{ access_key_id = \"{ID}\", secret_access_key = \"{SECRET}\" }}")
}

#[test]
fn calls_are_signed_for_the_region_of_the_function() {
    let site = Site::start_set(&signing(), verifying(SECRET));
    let api = site.rest_api("/x", "POST", json!({}));
    for body in ["", "hello"] {
        let answer = api.ask(&Request::post("/prod/x", body));
        assert_eq!((answer.status, answer.text()), (200, "us-east-1"), "{}", answer.head);
    }
    let sent = site.server.requests();
    let authorization = sent[0].header("authorization").expect("signed");
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type, ";
    assert!(authorization.contains(signed), "{authorization}");
}

#[test]
fn versions_and_names_with_colons_are_signed_as_they_are_sent() {
    let remote = format!("remote_name = \"{ARN}\"\n{}", signing());
    let site = Site::start_set(&remote, verifying(SECRET));
    let api = site.gateway.create_http_api(json!({}));
    let integration = api.create_integration(json!({
        "integrationType": "AWS_PROXY", "integrationUri": format!("{ARN}:$LATEST"),
        "payloadFormatVersion": "2.0",
    }));
    api.create_route("$default", &integration);
    api.create_default_stage();
    let answer = api.ask(&Request::get("/x"));
    assert_eq!((answer.status, answer.text()), (200, "us-east-1"), "{}", answer.head);
    let line = site.server.request().line().to_owned();
    assert!(line.contains("arn%3Aaws%3Alambda"), "{line}");
    assert!(line.contains("?Qualifier=%24LATEST"), "{line}");
}

#[test]
fn a_wrong_secret_is_a_configuration_error_and_never_shown() {
    let site = Site::start_set(&signing(), verifying("another secret"));
    let api = site.rest_api("/x", "GET", json!({}));
    let answer = api.ask(&Request::get("/prod/x"));
    let body = r#"{"message": "Internal server error"}"#;
    assert_eq!((answer.status, answer.text()), (500, body), "{}", answer.head);
    let (_, told) = api.management().call("POST", &api.method_path("/x", "GET"), Some(&json!({})));
    let log = told["log"].as_str().expect("a log");
    assert!(
        log.contains("Invalid permissions on Lambda function: InvalidSignatureException"),
        "{log}"
    );
    let sent = site.server.requests();
    let signature = sent[1].header("authorization").expect("signed");
    let signature = signature.rsplit('=').next().expect("one");
    assert!(!log.contains(signature) && log.contains("Authorization=*****"), "{log}");
    let lines = site.gateway.gateway().log();
    assert!(!lines.iter().any(|line| line.to_string().contains(SECRET)), "in the process log");
}

/// The boot file, whose function reads its keys from files of the folder.
fn by_files(server: &Upstream) -> String {
    format!(
        "[process]\nwatch = true\n[management]\naddress = \"127.0.0.1:0\"\nstore = \"{{dir}}/state.redb\"\n\
         [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         [[function]]\nname = \"orders\"\nendpoint = \"http://{}\"\n\
         [function.sign]\nregion = \"eu-west-1\"\ncredentials_file = \"{{dir}}/credentials\"\n",
        server.address()
    )
}

#[test]
fn keys_that_are_rotated_are_read_again() {
    let server = Upstream::answering_by(verifying(SECRET));
    let site = Managed::of(crate::harness::Gateway::start(&by_files(&server)));
    let api = site.create_http_api(json!({}));
    let integration = api.create_integration(json!({
        "integrationType": "AWS_PROXY", "integrationUri": ARN, "payloadFormatVersion": "2.0",
    }));
    api.create_route("$default", &integration);
    api.create_default_stage();
    // There is no file yet.
    assert_eq!(api.ask(&Request::get("/")).status, 500);
    let file = site.gateway().folder().join("credentials");
    let write = |secret: &str| {
        let text = format!(
            "[default]\naws_access_key_id = {ID}\naws_secret_access_key = {secret}\n\
             aws_session_token = {TOKEN}\n"
        );
        std::fs::write(&file, text).expect("a file");
    };
    write("an-old-secret");
    site.gateway().signal("HUP");
    api.ask_until(&Request::get("/"), |_| !server.requests().is_empty());
    // Nobody has to say that it changed.
    write(SECRET);
    let answer = api.ask_for(200, &Request::get("/"));
    assert_eq!(answer.text(), "eu-west-1");
    let sent = server.requests();
    let last = sent.last().expect("a call");
    assert_eq!(last.header("x-amz-security-token").as_deref(), Some(TOKEN));
    let authorization = last.header("authorization").expect("signed");
    assert!(authorization.contains(";x-amz-security-token, "), "{authorization}");
    let events = serde_json::from_slice::<Json>(&last.body).expect("an event");
    assert!(!events.to_string().contains(TOKEN));
}
