//! Plain handlers of Python.

use serde_json::json;

use crate::interpreter::{Interpreter, Language};

fn python(text: &str) -> Option<Interpreter> {
    let language = Language::Python;
    language.is_here().then(|| language.run(&[("app.py", text)], "app.handler"))
}

#[test]
fn events_are_answered_one_after_another_on_one_connection() {
    let text = "import sys\n\
                def handler(event, context):\n\
                \x20   print('asked', sys.stdin.read() == '')\n\
                \x20   return {'got': event, 'id': context.aws_request_id, 'name': context.function_name,\n\
                \x20           'left': context.get_remaining_time_in_millis() > 1000, 'text': 'ü'}\n";
    let Some(mut python) = python(text) else { return };
    for id in ["one", "two"] {
        let sent = python.runtime.call(id, r#"{"a": [1, "x"]}"#);
        assert!(sent.is_for(id, "response"), "{}", sent.line);
        let expected = json!({
            "got": { "a": [1, "x"] }, "id": id, "name": "orders", "left": true, "text": "ü",
        });
        assert_eq!(sent.json(), expected);
    }
}

#[test]
fn a_failure_is_told_with_its_stack_and_the_next_event_is_answered() {
    let text = "def inner(event):\n    raise ValueError('no ' + event['a'])\n\
                def handler(event, context):\n    return inner(event) if 'a' in event else 1\n";
    let Some(mut python) = python(text) else { return };
    let sent = python.runtime.call("one", r#"{"a": "way"}"#);
    assert!(sent.is_for("one", "error"), "{}", sent.line);
    assert_eq!(sent.headers["lambda-runtime-function-error-type"], "ValueError");
    let error = sent.json();
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("ValueError"), &json!("no way"))
    );
    let stack = error["stackTrace"].as_array().expect("a stack");
    assert_eq!(stack.len(), 2, "{error}");
    assert!(stack[1].as_str().expect("text").contains("in inner"), "{error}");
    assert_eq!(python.runtime.call("two", "{}").text(), "1");
}

#[test]
fn what_has_no_json_is_a_failure() {
    let text = "import decimal\n\
                def handler(event, context):\n\
                \x20   return decimal.Decimal('1.5') if event else object()\n";
    let Some(mut python) = python(text) else { return };
    let error = python.runtime.call("one", "0").json();
    assert_eq!(error["errorType"], "Runtime.MarshalError");
    assert_eq!(python.runtime.call("two", "1").text(), "1.5");
    let error = python.runtime.call("three", "{nonsense").json();
    assert_eq!(error["errorType"], "Runtime.UnmarshalError");
}

#[test]
fn an_answer_that_is_refused_leaves_the_next_call_to_work() {
    let Some(mut python) = python("def handler(event, context):\n    return 'x' * 10\n") else {
        return;
    };
    python.runtime.give("one", "{}");
    assert_eq!(python.runtime.read().text(), "\"xxxxxxxxxx\"");
    let body = r#"{"errorMessage": "too large", "errorType": "RequestEntityTooLarge"}"#;
    let head = format!("HTTP/1.1 413 Too Large\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    python.runtime.write(head.as_bytes());
    assert_eq!(python.runtime.call("two", "{}").text(), "\"xxxxxxxxxx\"");
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let language = Language::Python;
    if !language.is_here() {
        return;
    }
    for (text, handler, kind, message) in [
        (
            "import nothing_of_this_name",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_of_this_name'",
        ),
        (
            "x = 1",
            "other.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'other': No module named 'other'",
        ),
        (
            "def handler(:\n",
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app'",
        ),
        (
            "x = 1",
            "app.handler",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'app'",
        ),
        ("x = 1", "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
        ("raise KeyError('a')", "app.handler", "KeyError", "'a'"),
    ] {
        let (error, code) = language.run(&[("app.py", text)], handler).init_error();
        assert_eq!((&error["errorType"], code), (&json!(kind), Some(1)), "{text}");
        assert!(error["errorMessage"].as_str().expect("text").starts_with(message), "{error}");
    }
}

#[test]
fn a_guessed_handler_may_have_either_usual_name() {
    let language = Language::Python;
    if !language.is_here() {
        return;
    }
    let files = [("app.py", "def lambda_handler(event, context):\n    return 7\n")];
    let mut guessed = language.run_with(&files, "app.handler", &["guessed"]);
    assert_eq!(guessed.runtime.call("one", "{}").text(), "7");
    let (error, _) = language.run(&files, "app.handler").init_error();
    assert_eq!(error["errorType"], "Runtime.HandlerNotFound");
}

#[test]
fn it_ends_with_its_connection() {
    let Some(mut python) = python("def handler(event, context):\n    print('one line')\n") else {
        return;
    };
    assert_eq!(python.runtime.call("one", "{}").text(), "null");
    python.runtime.read();
    python.runtime.shut();
    let (code, out, _) = python.end();
    assert_eq!((code, out.as_str()), (Some(0), "one line\n"));
}
