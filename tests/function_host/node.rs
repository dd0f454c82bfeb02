//! Plain handlers of Node.js.

use serde_json::json;

use crate::interpreter::{Interpreter, Language};

fn node(text: &str) -> Option<Interpreter> {
    node_of(&[("index.js", text)])
}

fn node_of(files: &[(&str, &str)]) -> Option<Interpreter> {
    Language::Node.is_here().then(|| Language::Node.run(files, "index.handler"))
}

#[test]
fn events_are_answered_one_after_another_on_one_connection() {
    let text = "exports.handler = async (event, context) => ({ got: event, id: context.awsRequestId, \
                name: context.functionName, left: context.getRemainingTimeInMillis() > 1000, text: 'ü' });";
    let Some(mut node) = node(text) else { return };
    for id in ["one", "two"] {
        let sent = node.runtime.call(id, r#"{"a": [1, "x"]}"#);
        assert!(sent.is_for(id, "response"), "{}", sent.line);
        let expected = json!({
            "got": { "a": [1, "x"] }, "id": id, "name": "orders", "left": true, "text": "ü",
        });
        assert_eq!(sent.json(), expected);
    }
}

#[test]
fn every_kind_of_module_is_loaded() {
    let commonjs = "module.exports.handler = async () => 'common';";
    let module = "import fs from 'node:fs'; const mark = await Promise.resolve('es'); export const handler = async () => mark;";
    for (files, expected) in [
        (&[("index.js", commonjs)][..], "common"),
        (&[("index.cjs", commonjs)], "common"),
        (&[("index.mjs", module)], "es"),
        (&[("index.js", module), ("package.json", r#"{"type": "module"}"#)], "es"),
        (
            &[
                ("index.js", "exports.handler = require('./lib/a').handler;"),
                ("lib/a.js", commonjs),
            ],
            "common",
        ),
        (&[("index.mjs", "export default { handler: async () => 'es' };")], "es"),
    ] {
        let Some(mut node) = node_of(files) else { return };
        assert_eq!(node.runtime.call("one", "{}").json(), json!(expected), "{files:?}");
    }
}

#[test]
fn callbacks_and_promises_and_neither_answer() {
    let text = "exports.handler = (event, context, callback) => {
        if (event === 'now') { context.callbackWaitsForEmptyEventLoop = false; callback(null, 1); setTimeout(() => {}, 60000).unref(); }
        if (event === 'later') setTimeout(() => callback(null, 2), 5);
        if (event === 'error') callback(new TypeError('no'));
        if (event === 'text') callback('no text');
        if (event === 'promise') return new Promise((done) => setTimeout(done, 5, 3));
        if (event === 'succeed') context.succeed(4);
    };";
    let Some(mut node) = node(text) else { return };
    for (event, answer) in
        [("now", "1"), ("later", "2"), ("promise", "3"), ("succeed", "4"), ("nothing", "null")]
    {
        let sent = node.runtime.call("one", &format!("\"{event}\""));
        assert!(sent.is_for("one", "response"), "{event}: {}", sent.line);
        assert_eq!(sent.text(), answer, "{event}");
    }
    let sent = node.runtime.call("two", "\"error\"");
    assert!(sent.is_for("two", "error"));
    assert_eq!(sent.json()["errorType"], "TypeError");
    assert_eq!(sent.json()["trace"][0], "TypeError: no");
    let error = node.runtime.call("three", "\"text\"").json();
    assert_eq!(error, json!({ "errorType": "string", "errorMessage": "no text", "trace": [] }));
}

#[test]
fn a_failure_is_told_and_the_next_event_is_answered() {
    let text = "class OddError extends Error { constructor(m) { super(m); this.name = 'OddError'; } }
        exports.handler = async (event) => { if (event.a) throw new OddError('no way'); return 1; };";
    let Some(mut node) = node(text) else { return };
    let sent = node.runtime.call("one", r#"{"a": 1}"#);
    assert!(sent.is_for("one", "error"), "{}", sent.line);
    assert_eq!(sent.headers["lambda-runtime-function-error-type"], "OddError");
    let error = sent.json();
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("OddError"), &json!("no way"))
    );
    assert!(error["trace"][1].as_str().expect("text").contains("index.js"), "{error}");
    assert_eq!(node.runtime.call("two", "{}").text(), "1");
}

#[test]
fn what_nobody_catches_fails_the_request_and_ends_the_process() {
    for (act, kind, code) in [
        ("setTimeout(() => { throw new RangeError('late'); }, 1)", "RangeError", 129),
        ("Promise.reject(new RangeError('late'))", "Runtime.UnhandledPromiseRejection", 128),
    ] {
        let text = format!(
            "exports.handler = (event, context, callback) => {{ {act}; setTimeout(() => {{}}, 60000); }};"
        );
        let Some(mut node) = node(&text) else { return };
        let sent = node.runtime.call("one", "{}");
        assert!(sent.is_for("one", "error"), "{}", sent.line);
        assert_eq!(sent.json()["errorType"], kind);
        assert_eq!(node.end().0, Some(code), "{act}");
    }
}

#[test]
fn what_cannot_be_loaded_says_why() {
    if !Language::Node.is_here() {
        return;
    }
    for (text, handler, kind, message) in [
        (
            "require('nothing-of-this-name')",
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nothing-of-this-name'",
        ),
        ("", "other.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'other'"),
        ("exports.handler = (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        (
            "exports.other = 1",
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            "exports.handler = 1",
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ("", "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ("throw new RangeError('a')", "index.handler", "RangeError", "a"),
    ] {
        let (error, code) = Language::Node.run(&[("index.js", text)], handler).init_error();
        assert_eq!((&error["errorType"], code), (&json!(kind), Some(1)), "{text}");
        assert!(error["errorMessage"].as_str().expect("text").starts_with(message), "{error}");
    }
}

#[test]
fn streams_are_sent_as_they_are_written() {
    let text = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
        stream.write('one');
        await new Promise((done) => setTimeout(done, 20));
        stream.write('two');
        stream.end();
    });";
    let Some(mut node) = node(text) else { return };
    for id in ["one", "two"] {
        node.runtime.give(id, "{}");
        let head = node.runtime.read_head();
        assert!(head.is_for(id, "response"));
        assert_eq!(head.headers["lambda-runtime-function-response-mode"], "streaming");
        assert_eq!(head.headers["transfer-encoding"], "chunked");
        assert_eq!(
            head.headers["content-type"],
            "application/vnd.awslambda.http-integration-response"
        );
        assert_eq!(node.runtime.chunk().expect("one"), b"{\"statusCode\":201}\0\0\0\0\0\0\0\0");
        assert_eq!(node.runtime.chunk().expect("one"), b"one");
        assert_eq!(node.runtime.chunk().expect("one"), b"two");
        assert_eq!(node.runtime.chunk(), None);
        assert_eq!(node.runtime.read_head_fields().len(), 0);
        node.runtime.accept();
    }
}

#[test]
fn a_stream_that_fails_says_so_behind_itself_or_instead() {
    let text = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream.setContentType('text/plain');
        if (event.begun) stream.write('begun');
        await new Promise((done) => setTimeout(done, 5));
        throw new RangeError('no more');
    });";
    let Some(mut node) = node(text) else { return };
    let sent = node.runtime.call("one", r#"{"begun": true}"#);
    assert!(sent.is_for("one", "response"));
    assert_eq!((sent.headers["content-type"].as_str(), sent.text()), ("text/plain", "begun"));
    assert_eq!(sent.trailers["lambda-runtime-function-error-type"], "RangeError");
    use base64::Engine as _;
    let body = &sent.trailers["lambda-runtime-function-error-body"];
    let body = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["errorMessage"], "no more");
    let sent = node.runtime.call("two", "{}");
    assert!(sent.is_for("two", "error"));
    assert_eq!(sent.json()["errorType"], "RangeError");
    assert!(node.runtime.call("three", "{}").is_for("three", "error"));
}

/// What is written while nobody reads stays with the function, which is told to wait.
#[test]
fn a_stream_waits_for_its_reader() {
    let text = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        const part = Buffer.alloc(65536, 120);
        let count = 1;
        while (stream.write(part) && count < 1000) count += 1;
        await new Promise((done) => stream.once('drain', done));
        stream.end(`|${count}`);
    });";
    let Some(mut node) = node(text) else { return };
    let sent = node.runtime.call("one", "{}");
    let (parts, count) = sent.text().split_once('|').expect("an end");
    let count: usize = count.parse().expect("a number");
    assert!(count < 1_000, "it was never told to wait");
    assert_eq!(parts.len(), count * 65_536);
}

#[test]
fn it_ends_with_its_connection_and_its_input_is_at_its_end() {
    let text = "exports.handler = async () => { console.log('one line', require('fs').readFileSync(0).length); };";
    let Some(mut node) = node(text) else { return };
    assert_eq!(node.runtime.call("one", "{}").text(), "null");
    node.runtime.read();
    node.runtime.shut();
    let (code, out, _) = node.end();
    assert_eq!((code, out.as_str()), (Some(0), "one line 0\n"));
}
