//! Functions of this machine that fail: the documented error each, in the log with the id of the
//! request, and the next call works.

use std::fs;

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Request, RestApi};
use crate::local::{Local, get, request_id};
use crate::scripted::AccessLog;

/// A handler of which `/bad` fails by `bad`, and everything else is answered with "good".
fn handler(bad: &str) -> String {
    format!(
        "import os, sys, time, subprocess\n\
         def handler(event, context):\n\
         \x20   if event['path'] == '/bad':\n\
         \x20       {bad}\n\
         \x20   return {{'statusCode': 200, 'body': 'good'}}\n"
    )
}

#[track_caller]
fn is_bad_gateway(answer: &Answer) {
    let body = r#"{"message": "Internal server error"}"#;
    assert_eq!((answer.status, answer.text()), (502, body), "{}", answer.head);
    assert_eq!(answer.header("x-amzn-errortype"), Some("InternalServerErrorException"));
}

/// Calls `/bad`, which is a 502 with a line of the log that has the request's id and these words, and
/// calls again.
#[track_caller]
fn fails_once(site: &Local, words: &[&str]) {
    let api = site.rest_api(json!({}));
    assert_eq!(get(&api, "/good").text(), "good");
    let answer = get(&api, "/bad");
    is_bad_gateway(&answer);
    let id = request_id(&answer);
    site.wait_for_line(&[words, &[&*id]].concat());
    let again = get(&api, "/good");
    assert_eq!((again.status, again.text()), (200, "good"), "{}", again.head);
}

#[test]
fn a_function_that_hangs_is_ended() {
    let site = Local::python(&handler("time.sleep(600)"), "timeout_ms = 300");
    fails_once(&site, &["it ended", "Task timed out after 0.30 seconds"]);
}

#[test]
fn a_function_that_hangs_is_an_error_of_http_apis_too() {
    let text = handler("time.sleep(600)").replace("event['path']", "event['rawPath']");
    let site = Local::python(&text, "timeout_ms = 300");
    let api = site.http_api("2.0");
    let answer = api.ask(&Request::get("/bad"));
    let body = r#"{"message":"Internal Server Error"}"#;
    assert_eq!((answer.status, answer.text()), (500, body), "{}", answer.head);
    assert_eq!(api.ask(&Request::get("/good")).text(), "good");
}

#[test]
fn an_integration_that_is_less_patient_times_out_by_itself() {
    let site = Local::python(&handler("time.sleep(600)"), "timeout_ms = 600");
    let api = site.rest_api(json!({ "timeoutInMillis": 300 }));
    let mut good = get(&api, "/good");
    while good.status == 504 {
        good = get(&api, "/good"); // the first start may take longer
    }
    let answer = get(&api, "/bad");
    let body = r#"{"message": "Endpoint request timed out"}"#;
    assert_eq!((answer.status, answer.text()), (504, body), "{}", answer.head);
    site.wait_for_line(&["Task timed out after 0.60 seconds", &request_id(&answer)]);
}

#[test]
fn garbage_on_standard_output_is_a_log() {
    let bad = "sys.stdout.buffer.write(b'\\xff\\0garbage' * 9999); sys.stdout.flush()";
    let site = Local::python(&handler(bad), "");
    let api = site.rest_api(json!({}));
    for path in ["/bad", "/good", "/bad"] {
        let answer = get(&api, path);
        assert_eq!((answer.status, answer.text()), (200, "good"), "{}", answer.head);
    }
    assert_eq!(site.wait_for_line(&["garbage"])["stream"], "stdout");
}

#[test]
fn a_function_that_exits_fails_its_call() {
    let site = Local::python(&handler("os._exit(3)"), "");
    fails_once(&site, &["Runtime.ExitError", "exit status 3"]);
}

#[test]
fn a_function_that_is_killed_fails_its_call() {
    let site = Local::python(&handler("os.kill(os.getpid(), 11)"), "");
    fails_once(&site, &["Runtime.ExitError", "signal: segmentation fault"]);
}

#[test]
fn what_a_function_leaves_as_a_daemon_goes_with_it() {
    let bad = "subprocess.Popen(['sh', '-c', 'echo $$ > daemon.tmp; mv daemon.tmp daemon.log; sleep 600; :'], \
               start_new_session=True)\n\
               \x20       while not os.path.exists('daemon.log'): time.sleep(0.001)\n\
               \x20       os._exit(0)";
    let site = Local::python(&handler(bad), "");
    fails_once(&site, &["Runtime exited without providing a reason"]);
    // The end is told once nothing is left.
    let pid = fs::read_to_string(site.folder().join("daemon.log")).expect("it ran");
    assert!(!fs::exists(format!("/proc/{}", pid.trim())).expect("readable"), "{pid} is left");
}

#[test]
fn a_function_that_takes_too_much_memory_is_ended() {
    let bad = "kept = b'x' * (300 << 20); time.sleep(600)";
    let site = Local::python(&handler(bad), "memory_bytes_max = 134_217_728\ntimeout_ms = 30_000");
    fails_once(&site, &["it ended", "Runtime.OutOfMemory"]);
}

/// Failures that are answers: the process goes on, and the reason is in the access log.
#[test]
fn answers_that_are_none_are_told_in_the_access_log() {
    let access_log = AccessLog::new();
    let text = "def handler(event, context):\n\
        \x20   path = event['path']\n\
        \x20   if path == '/raise': raise ValueError('no')\n\
        \x20   if path == '/text': return 'garbage'\n\
        \x20   if path == '/list': return []\n\
        \x20   if path == '/nothing': return None\n\
        \x20   if path == '/key': return {'statusCode': 200, 'more': 1}\n\
        \x20   if path == '/body': return {'statusCode': 200, 'body': {'a': 1}}\n\
        \x20   if path == '/status': return {'statusCode': 'abc'}\n\
        \x20   if path == '/type': return {'body': object()}\n\
        \x20   if path == '/huge': return {'body': 'x' * (20 << 20)}\n\
        \x20   return {'body': 'good'}\n";
    let settings = format!("code = \"{{code}}\"\ntimeout_ms = 30_000\n{}", access_log.table());
    let site = Local::start(&[("app.py", text)], &settings);
    let api = site.rest_api(json!({}));
    let paths =
        ["/raise", "/text", "/list", "/nothing", "/key", "/body", "/status", "/type", "/huge"];
    let mut ids = Vec::new();
    for path in paths {
        let answer = get(&api, path);
        is_bad_gateway(&answer);
        ids.push(answer.header("x-amzn-requestid").expect("an id").to_owned());
        assert_eq!(get(&api, "/good").text(), "good", "behind {path}");
    }
    site.gateway.end();
    let lines = access_log.whole_lines();
    for (path, id) in paths.iter().zip(&ids) {
        let line = lines.iter().find(|line| line.starts_with(id.as_str()));
        let line = line.unwrap_or_else(|| panic!("{path}: no {id} in {lines:?}"));
        assert!(line.len() > id.len() + " 502 -".len(), "{path}: no reason: {line}");
    }
}

/// A function that cannot start, by `program` and `settings`; what the log says of it, and how it is
/// mended.
#[track_caller]
fn never_starts(site: &Local, api: &RestApi<'_>, words: &[&str]) -> Json {
    is_bad_gateway(&get(api, "/good"));
    site.wait_for_line(words)
}

const GOOD: &str = "def handler(event, context):\n    return {'body': 'good'}\n";

#[test]
fn code_that_cannot_be_loaded_works_once_it_is_mended() {
    for (bad, kind) in [
        ("def handler(event, context:\n", "Runtime.UserCodeSyntaxError"),
        ("import nothing_of_this_name\n", "Runtime.ImportModuleError"),
        ("x = 1\n", "Runtime.HandlerNotFound"),
        ("import os\nos._exit(1)\n", "Runtime.ExitError"),
    ] {
        let site = Local::python(bad, "");
        let api = site.rest_api(json!({}));
        never_starts(&site, &api, &["it did not start", kind]);
        site.write("app.py", GOOD);
        site.wait_for_line(&["its code has changed"]);
        assert_eq!(get(&api, "/good").text(), "good", "{kind}");
    }
}

#[test]
fn a_program_that_is_not_there_works_once_another_is_named() {
    let site = Local::start(&[("app.py", GOOD)], "command = [\"/nowhere/no-such-program\"]");
    let api = site.rest_api(json!({}));
    never_starts(&site, &api, &["no process can be started", "no-such-program"]);
    site.reload("code = \"{code}\"");
    site.wait_for_line(&["reloaded"]);
    assert_eq!(get(&api, "/good").text(), "good");
}

#[test]
fn a_program_that_never_asks_for_an_event_is_ended() {
    let settings = "command = [\"sleep\", \"600\"]\ninit_timeout_ms = 300";
    let site = Local::start(&[("app.py", GOOD)], settings);
    let api = site.rest_api(json!({}));
    never_starts(&site, &api, &["it did not start", "Sandbox.Timedout"]);
    site.reload("code = \"{code}\"");
    site.wait_for_line(&["reloaded"]);
    assert_eq!(get(&api, "/good").text(), "good");
}
