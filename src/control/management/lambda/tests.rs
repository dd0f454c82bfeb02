//! Functions through their operations, on a store in memory.

use std::fs;
use std::io::{Cursor, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::stored::{CodePlace, FunctionRuntime, FunctionStore, find_function};
use crate::control::management::error::Code;
use crate::control::management::test_api::TestApi;
use crate::model::FunctionName;
use crate::model::FunctionPermission;
use crate::store::{Document, Store};

const FUNCTIONS: &str = "/2015-03-31/functions";
const ARN: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";

fn zip(code: &str) -> String {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("index.js", SimpleFileOptions::default()).expect("started");
    writer.write_all(code.as_bytes()).expect("written");
    STANDARD.encode(writer.finish().expect("finished").into_inner())
}

fn create(api: &TestApi, name: &str) -> Document {
    api.run("POST", FUNCTIONS, request(name))
}

fn request(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "nodejs22.x",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::111111111111:role/r",
        "Code": {"ZipFile": zip("1")},
        "Environment": {"Variables": {"STAGE": "test"}},
        "Timeout": 10,
    })
}

fn update_code(api: &TestApi, code: &str) -> Document {
    api.run("PUT", &format!("{FUNCTIONS}/f/code"), json!({"ZipFile": zip(code)}))
}

fn function_store(api: &TestApi, store: Store) -> FunctionStore {
    FunctionStore::new("111111111111".to_owned(), store, Arc::clone(api.folders()))
}

fn find(api: &TestApi, name: &str) -> Option<super::FoundFunction> {
    let name = FunctionName::parse(name).expect("a name");
    let snapshot = api.store().snapshot().expect("a snapshot");
    find_function(|key| snapshot.get(key), ("us-east-1", "111111111111"), &name).expect("read")
}

#[test]
fn a_function_is_made_shown_and_removed() {
    let api = TestApi::new();
    let made = create(&api, "f");
    for (member, value) in [
        ("FunctionArn", json!(ARN)),
        ("Version", json!("$LATEST")),
        ("State", json!("Active")),
        ("LastUpdateStatus", json!("Successful")),
        ("PackageType", json!("Zip")),
        ("MemorySize", json!(128)),
        ("LastModified", json!("1970-01-01T00:00:01.000+0000")),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
    let error = api.refused("POST", FUNCTIONS, request("f"));
    assert_eq!(
        (error.code, &*error.message),
        (Code::ResourceConflict, "Function already exist: f")
    );
    let full = format!("{FUNCTIONS}/{ARN}");
    assert_eq!(api.run("GET", &full, json!({}))["Configuration"]["FunctionName"], "f");
    api.run("DELETE", &full, json!({}));
    let error = api.refused("GET", &full, json!({}));
    assert_eq!(error.code, Code::ResourceNotFound);
    assert_eq!(error.message, format!("Function not found: {ARN}"));
    assert_eq!(error.body(), json!({"Type": "User", "Message": error.message}));
    let left = api.store().snapshot().expect("a snapshot").keys().expect("read");
    assert!(left.is_empty(), "its code is gone too: {left:?}");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let api = TestApi::new();
    let reserved = json!({"Variables": {"AWS_REGION": "x"}});
    let big = json!({"Variables": {"BIG": "x".repeat(4_096)}});
    for (member, value, code, said) in [
        ("PackageType", json!("Image"), Code::InvalidParameterValue, "Container images"),
        ("Runtime", json!("java21"), Code::InvalidParameterValue, "Value java21 at 'runtime'"),
        ("Runtime", json!(null), Code::InvalidParameterValue, "Runtime and Handler are mandatory"),
        ("Handler", json!(null), Code::InvalidParameterValue, "Runtime and Handler are mandatory"),
        ("Code", json!({}), Code::InvalidParameterValue, "Please provide a source"),
        ("Code", json!({"ZipFile": ""}), Code::InvalidParameterValue, "non-empty zip"),
        ("Code", json!({"ZipFile": "?"}), Code::InvalidParameterValue, "Could not unzip"),
        ("Code", json!({"ZipFile": "YWJj"}), Code::InvalidParameterValue, "Could not unzip"),
        ("Code", json!({"ImageUri": "x"}), Code::InvalidParameterValue, "Container images"),
        (
            "Code",
            json!({"S3Bucket": "bucket", "S3Key": "k"}),
            Code::InvalidParameterValue,
            "Code from S3 is not available",
        ),
        ("Environment", reserved, Code::InvalidParameterValue, "AWS_REGION"),
        ("Environment", big, Code::InvalidParameterValue, "4KB"),
        ("Environment", json!({"Variables": {"1A": "x"}}), Code::Validation, "Map keys"),
        ("Environment", json!({"Variables": {"AB": "\u{0}"}}), Code::Validation, "NUL"),
        ("Layers", json!([layer()]), Code::InvalidParameterValue, "Layers is not available"),
        ("Timeout", json!(0), Code::Validation, "Value '0' at 'timeout' failed to satisfy"),
        ("FunctionName", json!("x".repeat(65)), Code::Validation, "less than or equal to 64"),
        ("FunctionName", json!("a b"), Code::Validation, "at 'functionName' failed"),
        ("Role", json!(null), Code::Validation, "Value null at 'role' failed"),
        (
            "FunctionName",
            json!("arn:aws:lambda:eu-west-1:111111111111:function:f"),
            Code::ResourceNotFound,
            "Function not found",
        ),
    ] {
        let mut request = request("f");
        request[member] = value;
        let error = api.refused("POST", FUNCTIONS, request);
        assert_eq!(error.code, code, "{error:?}");
        assert!(error.message.contains(said), "{said}: {error:?}");
    }
    let folders = fs::read_dir(api.folder().join("state.functions")).expect("read");
    assert!(folders.count() <= 1, "no refused zip has left a folder, but the good one's");
}

fn layer() -> &'static str {
    "arn:aws:lambda:us-east-1:111111111111:layer:l:1"
}

#[test]
fn updates_change_what_they_name_for_the_revision_that_they_know() {
    let api = TestApi::new();
    let made = create(&api, "f");
    let updated = update_code(&api, "2");
    assert_ne!(made["CodeSha256"], updated["CodeSha256"]);
    assert_ne!(made["RevisionId"], updated["RevisionId"]);
    let configuration = format!("{FUNCTIONS}/f/configuration");
    let stale = json!({"Timeout": 5, "RevisionId": made["RevisionId"]});
    assert_eq!(api.refused("PUT", &configuration, stale).code, Code::PreconditionFailed);
    let fresh = json!({
        "Timeout": 5,
        "RevisionId": updated["RevisionId"],
        "Environment": {"Variables": {}},
    });
    let updated = api.run("PUT", &configuration, fresh);
    assert_eq!((&updated["Timeout"], &updated["Handler"]), (&json!(5), &json!("index.handler")));
    assert_eq!(updated.get("Environment"), None);
    let dry = json!({"ZipFile": zip("3"), "DryRun": true});
    let answer = api.run("PUT", &format!("{FUNCTIONS}/f/code"), dry);
    assert_ne!(answer["CodeSha256"], updated["CodeSha256"]);
    assert_eq!(api.run("GET", &configuration, json!({}))["CodeSha256"], updated["CodeSha256"]);
}

#[test]
fn versions_never_change() {
    let api = TestApi::new();
    create(&api, "f");
    let versions = format!("{FUNCTIONS}/f/versions");
    let first = api.run("POST", &versions, json!({"Description": "one"}));
    assert_eq!(
        (&first["Version"], &first["FunctionArn"]),
        (&json!("1"), &json!(format!("{ARN}:1")))
    );
    let again = api.run("POST", &versions, json!({}));
    assert_eq!((&again["Version"], &again["Description"]), (&json!("1"), &json!("one")));
    update_code(&api, "2");
    let error = api.refused("POST", &versions, json!({"CodeSha256": first["CodeSha256"]}));
    assert!(error.message.contains("is different from current CodeSHA256"), "{error:?}");
    for number in 2..=12 {
        update_code(&api, &number.to_string());
        let published = api.run("POST", &versions, json!({}));
        assert_eq!(published["Version"], number.to_string());
    }
    assert_eq!(
        api.run("GET", &format!("{FUNCTIONS}/f:1"), json!({}))["Configuration"],
        json_of(&first)
    );
    let listed = api.run("GET", &versions, json!({}));
    let listed = listed["Versions"].as_array().expect("a list").iter();
    let listed: Vec<_> = listed.map(|one| one["Version"].as_str().expect("a text")).collect();
    let expected: Vec<_> = (1..=12).map(|number: u32| number.to_string()).collect();
    assert_eq!(listed[0], "$LATEST");
    assert_eq!(listed[1..], expected);
    let pages = api.run("GET", &format!("{FUNCTIONS}?FunctionVersion=ALL&MaxItems=5"), json!({}));
    assert_eq!(pages["Functions"].as_array().map(Vec::len), Some(5));
    let after = pages["NextMarker"].as_str().expect("a marker");
    let rest = format!("{FUNCTIONS}?FunctionVersion=ALL&Marker={after}");
    assert_eq!(api.run("GET", &rest, json!({}))["Functions"][0]["Version"], "5");

    // Versions go one by one, and their code with them.
    let zips = |api: &TestApi| {
        let keys = api.store().snapshot().expect("a snapshot").keys().expect("read");
        keys.iter().filter(|key| key.segments().rev().nth(1) == Some("zips")).count()
    };
    assert_eq!(zips(&api), 12);
    api.run("DELETE", &format!("{FUNCTIONS}/f?Qualifier=3"), json!({}));
    assert_eq!(zips(&api), 11);
    assert_eq!(
        api.refused("GET", &format!("{FUNCTIONS}/f:3"), json!({})).code,
        Code::ResourceNotFound
    );
    let error = api.refused("DELETE", &format!("{FUNCTIONS}/f?Qualifier=$LATEST"), json!({}));
    assert_eq!(error.code, Code::InvalidParameterValue);
    let error = api.refused("GET", &format!("{FUNCTIONS}/f:1?Qualifier=2"), json!({}));
    assert!(error.message.starts_with("The derived qualifier"), "{error:?}");
}

fn json_of(document: &Document) -> Value {
    Value::Object(document.clone())
}

#[test]
fn aliases_name_versions() {
    let api = TestApi::new();
    create(&api, "f");
    api.run("POST", &format!("{FUNCTIONS}/f/versions"), json!({}));
    update_code(&api, "2");
    let aliases = format!("{FUNCTIONS}/f/aliases");
    let made = api.run("POST", &aliases, json!({"Name": "live", "FunctionVersion": "1"}));
    assert_eq!(made["AliasArn"], format!("{ARN}:live"));
    let twice = api.refused("POST", &aliases, json!({"Name": "live", "FunctionVersion": "1"}));
    assert_eq!(twice.message, format!("Alias already exists: {ARN}:live"));
    let missing = api.refused("POST", &aliases, json!({"Name": "x", "FunctionVersion": "9"}));
    assert_eq!(missing.message, format!("Function not found: {ARN}:9"));
    for bad in ["9", "a b", ""] {
        let error = api.refused("POST", &aliases, json!({"Name": bad, "FunctionVersion": "1"}));
        assert_eq!(error.code, Code::Validation, "{bad}");
    }
    let weights = json!({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}});
    let live = format!("{aliases}/live");
    assert_eq!(api.refused("PUT", &live, weights).code, Code::InvalidParameterValue);
    let version = |api: &TestApi| {
        let found = find(api, "f:live").expect("it is there").function;
        found.name.qualifier.expect("a version")
    };
    assert_eq!(version(&api), "1");
    let error = api.refused("DELETE", &format!("{FUNCTIONS}/f?Qualifier=1"), json!({}));
    assert!(error.message.ends_with("reference it: [live]"), "{error:?}");
    api.run("PUT", &live, json!({"FunctionVersion": "$LATEST"}));
    assert_eq!(version(&api), "$LATEST");
    assert_eq!(
        api.run("GET", &format!("{FUNCTIONS}/f:live"), json!({}))["Configuration"]["FunctionArn"],
        format!("{ARN}:live")
    );
    let of_one = api.run("GET", &format!("{aliases}?FunctionVersion=1"), json!({}));
    assert_eq!(of_one["Aliases"], json!([]));
    for _ in 0..2 {
        api.run("DELETE", &live, json!({}));
    }
    let error = api.refused("GET", &live, json!({}));
    assert_eq!(error.message, format!("Cannot find alias arn: {ARN}:live"));
}

#[test]
fn policies_are_shown_as_aws_writes_them() {
    let api = TestApi::new();
    create(&api, "f");
    let policy = format!("{FUNCTIONS}/f/policy");
    assert_eq!(api.refused("GET", &policy, json!({})).code, Code::ResourceNotFound);
    let source = "arn:aws:execute-api:us-east-1:111111111111:a1/*/GET/pets";
    let given = json!({
        "StatementId": "gateway",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": source,
    });
    let answer = api.run("POST", &policy, given.clone());
    let statement = format!(
        "{{\"Sid\":\"gateway\",\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\
         \"apigateway.amazonaws.com\"}},\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"{ARN}\",\
         \"Condition\":{{\"ArnLike\":{{\"AWS:SourceArn\":\"{source}\"}}}}}}"
    );
    assert_eq!(answer["Statement"], statement);
    let shown = api.run("GET", &policy, json!({}));
    let expected =
        format!("{{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{statement}]}}");
    assert_eq!(shown["Policy"], expected);
    assert_eq!(api.refused("POST", &policy, given).code, Code::ResourceConflict);

    // Only what API Gateway can fulfil lets it in.
    for (id, more) in [
        ("s3", json!({"Principal": "s3.amazonaws.com"})),
        ("other", json!({"Principal": "*", "PrincipalOrgID": "o-0123456789"})),
        ("read", json!({"Principal": "*", "Action": "lambda:GetFunction"})),
    ] {
        let mut given = json!({"StatementId": id, "Action": "lambda:InvokeFunction"});
        for (name, value) in more.as_object().expect("a table") {
            given[name] = value.clone();
        }
        api.run("POST", &policy, given);
    }
    let found = find(&api, "f").expect("it is there").permissions;
    let expected = FunctionPermission::parse(source).expect("an ARN");
    assert_eq!(found, [expected]);
    assert_eq!(find(&api, ARN).expect("by its ARN").permissions.len(), 1);

    let error = api.refused("DELETE", &format!("{policy}/x"), json!({}));
    assert_eq!(error.message, "Statement x is not found in resource policy.");
    for id in ["gateway", "s3", "other", "read"] {
        api.run("DELETE", &format!("{policy}/{id}"), json!({}));
    }
    assert_eq!(api.refused("GET", &policy, json!({})).code, Code::ResourceNotFound);
    let error = api.refused("GET", &format!("{policy}?Qualifier=$LATEST"), json!({}));
    assert_eq!(error.code, Code::InvalidParameterValue);
    let error = api.refused("GET", &format!("{policy}?Qualifier=live"), json!({}));
    assert_eq!(error.message, format!("Function not found: {ARN}:live"));
}

#[test]
fn a_policy_has_an_end() {
    let api = TestApi::new();
    create(&api, "f");
    let policy = format!("{FUNCTIONS}/f/policy");
    let (code, count) = add_until_refused(&api, &policy);
    assert_eq!(code, Code::PolicyLengthExceeded);
    assert!((50..400).contains(&count), "{count}");
}

fn add_until_refused(api: &TestApi, policy: &str) -> (Code, usize) {
    for count in 0..400 {
        let given = json!({
            "StatementId": format!("s{count}"), "Action": "lambda:*", "Principal": "*",
        });
        if let Err(error) = api.try_run("POST", policy, &given) {
            return (error.code, count);
        }
    }
    panic!("it never ends")
}

#[test]
fn tags_concurrency_and_usage_are_kept() {
    let api = TestApi::new();
    create(&api, "f");
    let tags = format!("/2017-03-31/tags/{ARN}");
    api.run("POST", &tags, json!({"Tags": {"team": "a", "stage": "b"}}));
    api.run("DELETE", &format!("{tags}?tagKeys=stage"), json!({}));
    assert_eq!(api.run("GET", &tags, json!({}))["Tags"], json!({"team": "a"}));
    assert_eq!(
        api.refused("GET", &format!("{tags}:live"), json!({})).code,
        Code::InvalidParameterValue
    );
    let put = "/2017-10-31/functions/f/concurrency";
    let get = "/2019-09-30/functions/f/concurrency";
    api.run("PUT", put, json!({"ReservedConcurrentExecutions": 0}));
    assert_eq!(api.run("GET", get, json!({}))["ReservedConcurrentExecutions"], 0);
    let shown = api.run("GET", &format!("{FUNCTIONS}/f"), json!({}));
    assert_eq!(shown["Concurrency"], json!({"ReservedConcurrentExecutions": 0}));
    assert_eq!(shown["Tags"], json!({"team": "a"}));
    assert_eq!(find(&api, "f").expect("it").function.reserved_concurrency, Some(0));
    api.run("DELETE", put, json!({}));
    assert_eq!(find(&api, "f").expect("it").function.reserved_concurrency, None);
    let account = api.run("GET", "/2016-08-19/account-settings", json!({}));
    assert_eq!(account["AccountUsage"]["FunctionCount"], 1);
}

#[test]
fn functions_are_listed_by_pages() {
    let api = TestApi::new();
    for number in 0..60 {
        create(&api, &format!("f{number:02}"));
    }
    let all = api.run("GET", &format!("{FUNCTIONS}?MaxItems=10000"), json!({}));
    assert_eq!(all["Functions"].as_array().map(Vec::len), Some(50), "as many as a page has");
    let rest = format!("{FUNCTIONS}?Marker={}", all["NextMarker"].as_str().expect("a marker"));
    let rest = api.run("GET", &rest, json!({}));
    assert_eq!(rest["Functions"].as_array().map(Vec::len), Some(10));
    assert_eq!(rest.get("NextMarker"), None);
    for bad in ["MaxItems=0", "MaxItems=x", "Marker=zz"] {
        api.try_run("GET", &format!("{FUNCTIONS}?{bad}"), &json!({})).expect_err(bad);
    }
}

#[test]
fn what_is_defined_can_be_run() {
    let api = TestApi::new();
    create(&api, "f");
    api.run("POST", &format!("{FUNCTIONS}/f/versions"), json!({}));
    update_code(&api, "2");
    let store = function_store(&api, api.store().clone());
    let defined = store.definitions().expect("read");
    let names: Vec<_> = defined.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, [format!("{ARN}:$LATEST"), format!("{ARN}:1")]);
    let latest = &defined[0];
    assert_eq!((latest.runtime, &*latest.handler), (FunctionRuntime::Node, "index.handler"));
    assert_eq!((latest.timeout_ms, latest.memory_mb), (10_000, 128));
    assert_eq!(latest.environment["STAGE"], "test");
    for name in ["g", "f:9", "arn:aws:lambda:us-east-1:222222222222:function:f"] {
        assert_eq!(find(&api, name), None, "{name}");
    }

    // Its folder is made again from the store when it is missing, and goes when nobody needs it.
    let root = api.folder().join("state.functions");
    let count = || fs::read_dir(&root).expect("read").count();
    fs::remove_dir_all(&root).expect("removed");
    let code = |index: usize| {
        let folder = store.code_folder(&defined[index]).expect("unpacked");
        let code = fs::read_to_string(folder.path.join("index.js")).expect("read");
        (folder, code)
    };
    let (latest, first) = (code(0), code(1));
    assert_eq!((latest.1.as_str(), first.1.as_str()), ("2", "1"));
    store.sweep();
    assert_eq!(count(), 2, "both are in use");
    api.run("DELETE", &format!("{FUNCTIONS}/f"), json!({}));
    store.sweep();
    assert_eq!(count(), 2, "somebody has them open");
    drop(latest);
    store.sweep();
    assert_eq!(count(), 1);
    drop(first);
    store.sweep();
    assert_eq!(count(), 0);
}

#[test]
fn a_long_zip_comes_back_from_the_store() {
    let api = TestApi::new();
    let mut noise = Vec::new();
    let mut state = 1_u64;
    while noise.len() < 3 * 1024 * 1024 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.extend((state >> 16).to_le_bytes());
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("bootstrap", options).expect("started");
    writer.write_all(&noise).expect("written");
    let bytes = writer.finish().expect("finished").into_inner();
    let mut request = request("f");
    request["Runtime"] = json!("provided.al2023");
    request["Code"] = json!({"ZipFile": STANDARD.encode(&bytes)});
    let made = api.run("POST", FUNCTIONS, request);
    assert_eq!(made["CodeSize"], bytes.len());
    fs::remove_dir_all(api.folder().join("state.functions")).expect("removed");
    let store = function_store(&api, api.store().clone());
    let defined = store.definitions().expect("read");
    let folder = store.code_folder(&defined[0]).expect("unpacked");
    assert!(fs::read(folder.path.join("bootstrap")).expect("read") == noise);

    // A backup has it.
    let mut backup = Vec::new();
    api.store().back_up(&mut backup).expect("backed up");
    let other = Store::in_memory(Box::new(|_| {})).expect("a store");
    other.restore(&backup).expect("restored");
    let of_other = function_store(&api, other).definitions().expect("read");
    assert_eq!(of_other, defined);
}

#[test]
fn code_may_be_a_folder_that_changes() {
    let api = TestApi::new();
    let folder = api.folder().join("code");
    fs::create_dir(&folder).expect("made");
    let mut request = request("f");
    let place = |path: &str| json!({"S3Bucket": "hot-reload", "S3Key": path});
    for bad in ["relative", "/no/such/folder"] {
        request["Code"] = place(bad);
        assert_eq!(
            api.refused("POST", FUNCTIONS, request.clone()).code,
            Code::InvalidParameterValue
        );
    }
    request["Code"] = place(folder.to_str().expect("text"));
    let made = api.run("POST", FUNCTIONS, request);
    assert_eq!(made["CodeSize"], 0);
    let error = api.refused("POST", &format!("{FUNCTIONS}/f/versions"), json!({}));
    assert!(error.message.contains("folder has no versions"), "{error:?}");
    assert_eq!(find(&api, "f").expect("it").function.code, CodePlace::Folder(folder));
}
