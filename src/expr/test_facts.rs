//! An exchange for tests, whose facts are lists.

use super::{ContextVariable, Facts, NameCase, Pick};

/// Headers, parameters and variables by name, in order.
#[derive(Debug, Default)]
pub(super) struct TestFacts {
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) query: Vec<(String, Vec<u8>)>,
    pub(super) path: Vec<(String, Vec<u8>)>,
    pub(super) request_path: Vec<u8>,
    pub(super) request_body: Option<Vec<u8>>,
    pub(super) context: Vec<(String, Vec<u8>)>,
    pub(super) answer_headers: Vec<(String, Vec<u8>)>,
    pub(super) answer_body: Option<Vec<u8>>,
}

/// A list of names and values.
pub(super) fn list(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

impl TestFacts {
    pub(super) fn with_request_body(body: &str) -> Self {
        Self { request_body: Some(body.as_bytes().to_vec()), ..Self::default() }
    }
}

impl Facts for TestFacts {
    fn request_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool {
        write(&self.headers, name, case, pick, out)
    }

    fn request_query(&self, name: &str, pick: Pick, out: &mut Vec<u8>) -> bool {
        write(&self.query, name, NameCase::Exact, pick, out)
    }

    fn each_request_query(&self, name: &str, scratch: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) {
        for (_, value) in self.query.iter().filter(|(one, _)| one == name) {
            scratch.clear();
            scratch.extend_from_slice(value);
            visit(scratch);
        }
    }

    fn path_parameter(&self, name: &str, out: &mut Vec<u8>) -> bool {
        write(&self.path, name, NameCase::Exact, Pick::Last, out)
    }

    fn request_path(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.request_path);
        true
    }

    fn request_body(&self) -> Option<&[u8]> {
        self.request_body.as_deref()
    }

    fn context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> bool {
        assert_ne!(variable, &ContextVariable::ErrorMessageString);
        let is_it = |name: &String| ContextVariable::find(name).as_ref() == Some(variable);
        let found = self.context.iter().find(|(name, _)| is_it(name));
        found.inspect(|(_, value)| out.extend_from_slice(value)).is_some()
    }

    fn answer_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool {
        write(&self.answer_headers, name, case, pick, out)
    }

    fn answer_body(&self) -> Option<&[u8]> {
        self.answer_body.as_deref()
    }
}

fn write(
    list: &[(String, Vec<u8>)],
    name: &str,
    case: NameCase,
    pick: Pick,
    out: &mut Vec<u8>,
) -> bool {
    let is_it = |one: &str| match case {
        NameCase::Exact => one == name,
        NameCase::Ignored => one.eq_ignore_ascii_case(name),
    };
    let values: Vec<&[u8]> =
        list.iter().filter(|(one, _)| is_it(one)).map(|(_, value)| value.as_slice()).collect();
    let Some(last) = values.last() else { return false };
    match pick {
        Pick::Last => out.extend_from_slice(last),
        Pick::Joined => out.extend_from_slice(&values.join(&b","[..])),
    }
    true
}
