//! Programs that get the Runtime API wrong: the call that they were given fails or is answered by the
//! first word, the log has the id of the request, and the next call works.

use serde_json::json;

use crate::harness::Answer;
use crate::local::{Local, get, request_id};

/// A runtime of which `/bad` is answered by `bad` (which has `id` and `event`), and everything else with
/// "good".
fn runtime(bad: &str) -> Local {
    let bad = bad.replace('\n', "\n        ");
    let text = format!(
        "while True:\n    id, event = next_event()\n    if event['path'] == '/bad':\n        {bad}\n\
         \x20   else:\n        answer(id, 'good')\n"
    );
    Local::runtime(&text, "timeout_ms = 2_000")
}

/// Calls `/bad` between two calls that work.
#[track_caller]
fn bad_answer(site: &Local) -> Answer {
    let api = site.rest_api(json!({}));
    assert_eq!(get(&api, "/good").text(), "good");
    let answer = get(&api, "/bad");
    let again = get(&api, "/good");
    assert_eq!((again.status, again.text()), (200, "good"), "{}", again.head);
    answer
}

#[track_caller]
fn is_bad_gateway(answer: &Answer) {
    assert_eq!(answer.status, 502, "{}", answer.head);
    assert_eq!(answer.text(), r#"{"message": "Internal server error"}"#);
}

#[test]
fn the_first_of_two_answers_counts() {
    let site = runtime("print('statuses', answer(id, 'first'), answer(id, 'second'))");
    let answer = bad_answer(&site);
    assert_eq!((answer.status, answer.text()), (200, "first"), "{}", answer.head);
    site.wait_for_line(&["statuses 202 400"]);
}

#[test]
fn an_answer_of_20_mb_is_refused() {
    let site = runtime("print('status', answer(id, 'x' * (20 << 20)))");
    let answer = bad_answer(&site);
    is_bad_gateway(&answer);
    site.wait_for_line(&["status 413"]);
}

#[test]
fn an_answer_to_another_call_is_refused() {
    let site = runtime("print('statuses', answer('other', 'first'), answer(id, 'second'))");
    let answer = bad_answer(&site);
    assert_eq!((answer.status, answer.text()), (200, "second"), "{}", answer.head);
    site.wait_for_line(&["statuses 400 202"]);
}

#[test]
fn asking_for_an_event_before_the_answer_fails_the_call() {
    let site = runtime("id, event = next_event()\nanswer(id, 'good')");
    is_bad_gateway(&bad_answer(&site));
}

#[test]
fn a_path_that_is_none_is_no_answer() {
    let site = runtime("print('status', ask('POST', 'nothing')[0])\nanswer(id, 'late')");
    let answer = bad_answer(&site);
    assert_eq!((answer.status, answer.text()), (200, "late"), "{}", answer.head);
    site.wait_for_line(&["status 404"]);
}

/// What cannot be read ends the process.
#[test]
fn broken_http_ends_the_process() {
    for bytes in [
        "b'garbage' * 10 + b'\\r\\n\\r\\n'",
        "b'\\0' * 100_000",
        "b'POST / HTTP/9.9\\r\\n\\r\\n'",
        "f'POST {API}invocation/{id}/response HTTP/1.1\\r\\nHost: x\\r\\n\
           Content-Length: 1\\r\\nContent-Length: 2\\r\\n\\r\\nxx'.encode()",
    ] {
        let site = runtime(&format!("stream.sendall({bytes})\ntime.sleep(600)"));
        let answer = bad_answer(&site);
        is_bad_gateway(&answer);
        site.wait_for_line(&["it ended", "Runtime.Unknown", &request_id(&answer)]);
    }
}

/// Chunks that are none, and an answer that ends before it is whole.
#[test]
fn an_answer_that_breaks_off_fails_with_the_process() {
    let head = "f'POST {API}invocation/{id}/response HTTP/1.1\\r\\nHost: x\\r\\n";
    for rest in
        ["Content-Length: 100\\r\\n\\r\\nhalf", "Transfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n"]
    {
        let site = runtime(&format!("stream.sendall({head}{rest}'.encode())\nos._exit(4)"));
        let answer = bad_answer(&site);
        is_bad_gateway(&answer);
        site.wait_for_line(&["it ended", "exit status 4", &request_id(&answer)]);
    }
}

/// A connection that is reset while the event is on its way, or before.
#[test]
fn a_runtime_that_drops_its_connection_and_hangs_is_ended_in_time() {
    let site = runtime("stream.close(); file.close()\ntime.sleep(600)");
    let answer = bad_answer(&site);
    is_bad_gateway(&answer);
    site.wait_for_line(&["it ended", "Task timed out after 2.00 seconds", &request_id(&answer)]);
}
