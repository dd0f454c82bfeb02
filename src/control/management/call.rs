//! A request as an operation with its input, each member where the operation's table has it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decode;
use super::error::ApiError;
use super::lambda;
use super::service::{Operation, Place, Routed, Service};
use crate::store::Document;

/// Where resources of a request live.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Realm {
    pub(super) region: String,
    pub(super) account_id: String,
}

/// An operation that is asked for, with its input checked against its shapes.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) operation: &'static Operation,
    pub(super) realm: Realm,
    /// Values of the path in its order.
    pub(super) values: Vec<(&'static str, String)>,
    pub(super) query: BTreeMap<String, Vec<String>>,
    /// Members of the body by their wire names; `null` counts as absent.
    pub(super) body: Document,
    /// The body itself, where it is one member.
    pub(super) payload: Vec<u8>,
    /// Members that come as headers, by their wire names.
    pub(super) headers: BTreeMap<&'static str, String>,
}

impl Call {
    /// Checks the input of a request.
    pub(super) fn parse(
        routed: Routed,
        realm: Realm,
        query: Vec<(String, String)>,
        payload: &[u8],
    ) -> Result<Self, ApiError> {
        let Routed { operation, values } = routed;
        let mut by_name = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in query {
            by_name.entry(name).or_default().push(value);
        }
        let has_payload = operation.input_members().iter().any(|one| one.place == Place::Payload);
        let takes_body = operation.input_members().iter().any(|one| one.place == Place::Body);
        let body = if takes_body && !has_payload && !is_blob(operation) {
            decode::body(operation, payload)?
        } else {
            Document::new()
        };
        decode::check(operation, &body, &values, &by_name)?;
        let payload = if has_payload { payload.to_vec() } else { Vec::new() };
        let headers = BTreeMap::new();
        let mut call = Self { operation, realm, values, query: by_name, body, payload, headers };
        if operation.service == Service::Lambda {
            lambda::settle_name(&mut call)?;
        }
        Ok(call)
    }

    /// Reads the members that come as headers.
    pub(super) fn read_headers<'h>(&mut self, find: impl Fn(&str) -> Option<&'h str>) {
        let members = self.operation.input_members().iter();
        let members = members.filter(|member| member.place == Place::Header);
        self.headers =
            members.filter_map(|one| Some((one.wire, find(one.wire)?.to_owned()))).collect();
    }

    /// The value at `index` in the path.
    pub(super) fn value(&self, index: usize) -> &str {
        self.values.get(index).map_or("", |(_, value)| value)
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        Some(self.query.get(name)?.first()?.as_str())
    }

    /// All values of a query parameter, of which each may be a list with commas.
    pub(super) fn query_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.get(name).into_iter().flatten().map(String::as_str)
    }

    /// A text of the body.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

fn is_blob(operation: &Operation) -> bool {
    operation.name.starts_with("Import") || operation.name == "PutRestApi"
}
