//! Calls of functions that run on this machine: events in, answers out.

use std::io::Write as _;
use std::os::unix::net::UnixListener;

use serde_json::{Value as Json, json};

use crate::function::{ARN, uri};
use crate::harness::{Client, Request};
use crate::local::{Local, get, request_id};

const PYTHON: &str = r#"
import json, os
def handler(event, context):
    told = {"event": event, "id": context.aws_request_id, "colour": os.environ.get("COLOUR")}
    return {"statusCode": 201, "headers": {"X-One": "1"}, "body": json.dumps(told)}
"#;

const NODE: &str = r#"
export const handler = async (event, context) => {
    const told = { event, id: context.awsRequestId, colour: process.env.COLOUR ?? null };
    return { statusCode: 201, headers: { "X-One": "1" }, body: JSON.stringify(told) };
};
"#;

/// The same in both languages.
fn sites() -> [(&'static str, Local); 2] {
    let settings = "environment = { COLOUR = \"blue\" }";
    [("python", Local::python(PYTHON, settings)), ("node", Local::node(NODE, settings))]
}

fn told(text: &str) -> Json {
    serde_json::from_str(text).expect("what the function was told")
}

#[test]
fn rest_apis_call_a_folder_of_code() {
    for (_, site) in sites() {
        let api = site.rest_api(json!({}));
        let request =
            Request::post("/prod/pets/1?x=1", "hello").header("Content-Type", "text/plain");
        let answer = api.ask(&request);
        assert_eq!((answer.status, answer.header("x-one")), (201, Some("1")), "{}", answer.head);
        let told = told(answer.text());
        let event = &told["event"];
        assert_eq!((&event["path"], &event["body"]), (&json!("/pets/1"), &json!("hello")));
        assert_eq!(event["queryStringParameters"], json!({ "x": "1" }));
        assert_eq!(told["colour"], "blue");
        let id = request_id(&answer);
        assert_eq!(told["id"], *id);
        assert_eq!(event["requestContext"]["requestId"], *id);
    }
}

#[test]
fn http_apis_call_a_folder_of_code_by_both_formats() {
    for (_, site) in sites() {
        for (format, path) in [("2.0", "rawPath"), ("1.0", "path")] {
            let api = site.http_api(format);
            let answer = api.ask(&Request::get("/pets?x=1"));
            assert_eq!(
                (answer.status, answer.header("x-one")),
                (201, Some("1")),
                "{}",
                answer.head
            );
            let event = &told(answer.text())["event"];
            assert_eq!((&event["version"], &event[path]), (&json!(format), &json!("/pets")));
        }
    }
}

#[test]
fn a_command_speaks_the_runtime_api_itself() {
    let text = "while True:\n    id, event = next_event()\n    answer(id, event['path'])\n";
    let site = Local::runtime(text, "");
    let api = site.rest_api(json!({}));
    for path in ["/a", "/b"] {
        let answer = get(&api, path);
        assert_eq!((answer.status, answer.text()), (200, path), "{}", answer.head);
    }
}

#[test]
fn a_method_can_be_tested_with_a_function_of_this_machine() {
    let site = Local::python(PYTHON, "");
    let api = site.rest_api(json!({}));
    let body = json!({ "pathWithQueryString": "/tried" });
    let path = api.method_path("/{path+}", "ANY");
    let (status, said) = api.management().call("POST", &path, Some(&body));
    assert_eq!((status, &said["status"]), (200, &json!(201)), "{said}");
    let event = &told(said["body"].as_str().expect("a body"))["event"];
    assert_eq!(event["path"], "/tried");
    let log = said["log"].as_str().expect("a log");
    assert!(log.contains("Endpoint request body after transformations: {"), "{log}");
}

#[test]
fn stage_variables_choose_among_functions_of_this_machine() {
    let settings = "code = \"{code}/one\"\n[[function]]\nname = \"users\"\ncode = \"{code}/two\"\n\
                    [[function]]\nname = \"users:live\"\ncode = \"{code}/three\"";
    let text =
        |name: &str| format!("def handler(event, context):\n    return {{'body': '{name}'}}");
    let [one, two, three] = ["one", "two", "three"].map(text);
    let site = Local::start(
        &[("one/app.py", &one), ("two/app.py", &two), ("three/app.py", &three)],
        settings,
    );
    let api = site.gateway.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let uri = uri().replace("function:orders", "function:${stageVariables.function}");
    let integration = json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri });
    api.put_integration("/x", "GET", integration);
    for (stage, function, said) in
        [("a", "orders", "one"), ("b", "users", "two"), ("c", "users:live", "three")]
    {
        api.create_deployment(json!({ "stageName": stage, "variables": { "function": function } }));
        assert_eq!(api.ask(&Request::get(&format!("/{stage}/x"))).text(), said);
    }
}

#[test]
fn a_function_without_places_is_never_called() {
    let site = Local::python(PYTHON, "reserved_concurrency = 0");
    let api = site.rest_api(json!({}));
    let answer = get(&api, "/x");
    let body = r#"{"message": "Internal server error"}"#;
    assert_eq!((answer.status, answer.text()), (500, body), "{}", answer.head);
    let answer = site.http_api("2.0").ask(&Request::get("/x"));
    assert_eq!((answer.status, answer.text()), (500, r#"{"message":"Internal Server Error"}"#));
}

#[test]
fn permissions_hold_for_functions_of_this_machine() {
    let permissions = "permissions = [\"arn:aws:execute-api:*:*:*/prod/ANY/{path+}\"]";
    let site = Local::python(PYTHON, permissions);
    let api = site.rest_api(json!({}));
    assert_eq!(get(&api, "/x").status, 201);
    api.deploy("other");
    assert_eq!(api.ask(&Request::get("/other/x")).status, 500);
    assert_eq!(site.http_api("2.0").ask(&Request::get("/x")).status, 500);
}

#[test]
fn an_asynchronous_call_is_answered_before_the_function_is_done() {
    let text = "import os, socket\n\
                def handler(event, context):\n\
                \x20   gate = socket.socket(socket.AF_UNIX)\n\
                \x20   gate.connect(os.environ['GATE'])\n\
                \x20   print('runs with', event['n'], flush=True)\n\
                \x20   gate.recv(1)\n";
    let site = Local::python(text, "environment = { GATE = \"{code}/gate.tmp\" }");
    let gate = UnixListener::bind(site.folder().join("gate.tmp")).expect("bound");
    let api = site.gateway.create_rest_api();
    api.put_method("/x", "POST", json!({}));
    let mapped = json!({ "integration.request.header.X-Amz-Invocation-Type": "'Event'" });
    let integration = json!({
        "type": "AWS", "httpMethod": "POST", "uri": uri(), "requestParameters": mapped,
    });
    api.put_integration("/x", "POST", integration);
    api.put_method_response("/x", "POST", 200, json!({}));
    api.put_integration_response("/x", "POST", 200, json!({}));
    api.deploy("prod");
    let answer = api.ask(&Request::post("/prod/x", r#"{"n":7}"#));
    assert_eq!((answer.status, answer.text()), (200, ""), "{}", answer.head);
    // The function waits for a byte, and the client has had its answer.
    let (mut function, _) = gate.accept().expect("the function runs");
    let line = site.wait_for_line(&["runs with 7"]);
    assert_eq!(line["request_id"], *request_id(&answer));
    function.write_all(b"!").expect("written");
}

/// The function goes on when the test has seen its line.
#[test]
fn lines_of_functions_are_in_the_log_with_the_id_of_their_call() {
    let python = "import os, sys, time\n\
        def handler(event, context):\n\
        \x20   sys.stdout.buffer.write(b'\\xffa line of python\\n'); sys.stdout.flush()\n\
        \x20   while not os.path.exists('go.tmp'): time.sleep(0.001)\n\
        \x20   return {'body': 'done'}\n";
    let node = "import fs from 'node:fs';\n\
        export const handler = async () => {\n\
        \x20   console.log('a line of node');\n\
        \x20   while (!fs.existsSync('go.tmp')) await new Promise((go) => setTimeout(go, 1));\n\
        \x20   return { body: 'done' };\n\
        };\n";
    let settings = "timeout_ms = 60_000";
    for (words, site) in [
        ("a line of python", Local::python(python, settings)),
        ("a line of node", Local::node(node, settings)),
    ] {
        let api = site.rest_api(json!({}));
        let mut client = Client::connect(site.gateway.public());
        client.send(format!("GET /prod/x HTTP/1.1\r\nHost: {}\r\n\r\n", api.host()));
        let line = site.wait_for_line(&[words]);
        site.write("go.tmp", "");
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "done"), "{}", answer.head);
        assert_eq!(line["request_id"], *request_id(&answer), "{line}");
        assert_eq!((&line["function"], &line["stream"]), (&json!("orders"), &json!("stdout")));
    }
}

/// The function writes the second piece when the test says that the first one has come.
#[test]
fn node_streams_while_the_client_reads() {
    let text = r#"
import net from "node:net";
const wait = (path) => new Promise((go) => net.connect(path).once("data", go));
export const handler = awslambda.streamifyResponse(async (event, stream) => {
    const metadata = { statusCode: 202, headers: { "X-One": "1" }, cookies: ["a=1"] };
    stream = awslambda.HttpResponseStream.from(stream, metadata);
    stream.write("first");
    await wait(process.env.GATE);
    stream.write("second");
    stream.end();
});
"#;
    let site = Local::node(text, "environment = { GATE = \"{code}/gate.tmp\" }");
    let gate = UnixListener::bind(site.folder().join("gate.tmp")).expect("bound");
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{ARN}/response-streaming-invocations"
    );
    let api = site.rest_api(json!({ "uri": uri, "responseTransferMode": "STREAM" }));
    let mut client = Client::connect(site.gateway.public());
    let request = format!("GET /prod/x HTTP/1.1\r\nHost: {}\r\n\r\n", api.host());
    for _ in 0..2 {
        client.send(&request);
        let head = client.answer_head();
        assert_eq!((head.status, head.header("x-one")), (202, Some("1")), "{}", head.head);
        assert_eq!(head.values("set-cookie"), ["a=1"]);
        assert_eq!(client.read_exact(10), b"5\r\nfirst\r\n");
        let (mut function, _) = gate.accept().expect("the function waits");
        function.write_all(b"!").expect("written");
        assert_eq!(client.read_exact(16), b"6\r\nsecond\r\n0\r\n\r\n");
    }
}

#[test]
fn a_reload_binds_functions_and_changes_their_environment() {
    let site = Local::python(PYTHON, "environment = { COLOUR = \"blue\" }");
    let api = site.rest_api(json!({}));
    assert_eq!(told(get(&api, "/x").text())["colour"], "blue");
    let more = "[[function]]\nname = \"users\"\ncode = \"{code}\"";
    site.reload(&format!("code = \"{{code}}\"\nenvironment = {{ COLOUR = \"red\" }}\n{more}"));
    site.wait_for_line(&["reloaded"]);
    assert_eq!(told(get(&api, "/x").text())["colour"], "red");
    let other = site.gateway.create_http_api(json!({}));
    let integration = other.create_integration(json!({
        "integrationType": "AWS_PROXY", "integrationUri": ARN.replace("orders", "users"),
        "payloadFormatVersion": "2.0",
    }));
    other.create_route("$default", &integration);
    other.create_default_stage();
    let answer = other.ask(&Request::get("/x"));
    assert_eq!((answer.status, &told(answer.text())["colour"]), (201, &Json::Null));
}

#[test]
fn changed_files_are_picked_up() {
    let text =
        |name: &str| format!("def handler(event, context):\n    return {{'body': '{name}'}}");
    let site = Local::python(&text("before"), "");
    let api = site.rest_api(json!({}));
    assert_eq!(get(&api, "/x").text(), "before");
    // Python takes text of the same second and of the same length for what it compiled.
    site.write("app.py", &text("behind it"));
    site.wait_for_line(&["its code has changed"]);
    assert_eq!(get(&api, "/x").text(), "behind it");
}
