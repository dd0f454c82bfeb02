//! Mapping expressions allocate nothing once their buffers have grown, but for bodies that they
//! look into.

#[path = "in_process/counting.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that use all of it")]
mod counting;

use std::collections::BTreeMap;

use counting::{Counting, allocations};
use shardgate::expr::{
    ContextVariable, Facts, GatewayTemplate, HttpRequestMapping, HttpUri, NameCase, Pick,
    ResponseSelection, RestRequestMapping, Scope, Scratch,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A request whose every part is the same text.
struct Request;

impl Request {
    fn write(out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"a value/with blanks");
        true
    }
}

impl Facts for Request {
    fn request_header(&self, _: &str, _: NameCase, _: Pick, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn request_query(&self, _: &str, _: Pick, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn each_request_query(&self, _: &str, scratch: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) {
        for _ in 0..3 {
            scratch.clear();
            Self::write(scratch);
            visit(scratch);
        }
    }

    fn path_parameter(&self, _: &str, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn request_path(&self, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn request_body(&self) -> Option<&[u8]> {
        None
    }

    fn context(&self, _: &ContextVariable, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn answer_header(&self, _: &str, _: NameCase, _: Pick, out: &mut Vec<u8>) -> bool {
        Self::write(out)
    }

    fn answer_body(&self) -> Option<&[u8]> {
        None
    }
}

struct Compiled {
    rest: RestRequestMapping,
    http: HttpRequestMapping,
    uri: HttpUri,
    template: GatewayTemplate,
    selection: ResponseSelection,
}

fn compile() -> Compiled {
    let variables = BTreeMap::from([("host".to_owned(), "a.example".to_owned())]);
    let find = |name: &str| variables.get(name).map(String::as_str);
    let scope = Scope { stage_variables: &find, greedy: Some("proxy") };
    let rest = RestRequestMapping::compile(
        [
            ("integration.request.header.a", "method.request.multivalueheader.a"),
            ("integration.request.header.b", "context.identity.sourceIp"),
            ("integration.request.querystring.c", "method.request.multivaluequerystring.c"),
            ("integration.request.querystring.d", "method.request.path.d"),
            ("integration.request.path.proxy", "method.request.path.proxy"),
        ],
        &scope,
    )
    .expect("mappings");
    let http = HttpRequestMapping::compile(
        [
            ("overwrite:path", "/v2/${request.path.id}"),
            ("append:header.a", "${context.requestId} ${request.header.b}"),
            ("append:querystring.a", "$request.querystring.b"),
            ("remove:header.c", ""),
        ],
        &scope,
    )
    .expect("mappings");
    let uri = HttpUri::compile_rest("http://${stageVariables.host}/b/{proxy}?a=b", &rest, &scope);
    Compiled {
        uri: uri.expect("a URI"),
        template: GatewayTemplate::compile("{\"a\":\"$context.error.message\"}", &scope),
        selection: ResponseSelection::compile([None, Some("4\\d{2}")]).expect("a pattern"),
        rest,
        http,
    }
}

fn evaluate(compiled: &Compiled, scratch: &mut Scratch, out: &mut Vec<u8>) {
    scratch.clear();
    out.clear();
    for header in compiled.rest.headers() {
        assert_eq!(header.write_value(&Request, scratch, out), Ok(true));
    }
    for query in compiled.rest.query() {
        assert_eq!(query.write_pairs(&Request, scratch, out), Ok(true));
    }
    for operation in compiled.http.operations() {
        operation.write_value(&Request, scratch, out).expect("a value");
    }
    assert_eq!(compiled.uri.write_path(&Request, scratch, out), Ok(()));
    assert_eq!(compiled.uri.write_query(&Request, scratch, out), Ok(true));
    compiled.template.write(&Request, scratch, out);
    assert_eq!(compiled.selection.select_status(404), Some(1));
}

/// One test, so that nothing else allocates in this process meanwhile.
#[test]
fn evaluating_allocates_nothing() {
    let (compiled, mut scratch, mut out) = (compile(), Scratch::new(), Vec::new());
    for _ in 0..3 {
        evaluate(&compiled, &mut scratch, &mut out);
    }
    // The thread that waits for this test may allocate once meanwhile; what evaluating allocates
    // would come back in every round.
    let fewest = (0..5).map(|_| {
        let (before, _) = allocations();
        for _ in 0..100 {
            evaluate(&compiled, &mut scratch, &mut out);
        }
        allocations().0 - before
    });
    assert_eq!(fewest.min(), Some(0), "allocations for 100 requests");
    assert!(out.len() > 100);
}
