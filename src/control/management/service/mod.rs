//! The interface of the four services: one table of operations, with the shapes of what they take
//! and answer, read once from the texts beside this file.
//!
//! Routing, status codes, validation and answers all come from here; what an operation does is bound
//! to its name elsewhere. The texts are made by `generate.py` and not edited.

mod router;
mod shape;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use router::{Routed, route};
pub(super) use shape::{Member, Place, Plain, PlainKind, Shape, Type};

/// One of the services that share the listener.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Service {
    /// `apigateway`: REST APIs, and what both generations share.
    Rest,
    /// `apigatewayv2`: HTTP and WebSocket APIs.
    Http,
    /// `apigatewaymanagementapi`: connections of WebSocket APIs.
    Connections,
    /// `lambda`: functions.
    Lambda,
}

impl Service {
    const ALL: [Self; 4] = [Self::Rest, Self::Http, Self::Connections, Self::Lambda];

    /// What CloudTrail calls it.
    pub(super) const fn event_source(self) -> &'static str {
        match self {
            Self::Rest | Self::Http => "apigateway.amazonaws.com",
            Self::Connections => "execute-api.amazonaws.com",
            Self::Lambda => "lambda.amazonaws.com",
        }
    }

    /// The name in the credential scope of its requests.
    pub(super) const fn signing_name(self) -> &'static str {
        match self {
            Self::Rest | Self::Http => "apigateway",
            Self::Connections => "execute-api",
            Self::Lambda => "lambda",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Rest => include_str!("apigateway.txt"),
            Self::Http => include_str!("apigatewayv2.txt"),
            Self::Connections => include_str!("apigatewaymanagementapi.txt"),
            Self::Lambda => include_str!("lambda.txt"),
        }
    }
}

/// An operation: where it is called, what it takes and what it answers.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: Service,
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    /// Segments of the path; `{name}` stands for a value.
    pub(super) path: Vec<&'static str>,
    /// What the query must say, where two operations share a path: `mode=import`.
    pub(super) query: Option<(&'static str, &'static str)>,
    pub(super) status: u16,
    /// The name of the structure that it takes, if any.
    pub(super) input: Option<&'static str>,
    /// The name of the structure that it answers, if any.
    pub(super) output: Option<&'static str>,
}

impl Operation {
    /// Members of what it takes.
    pub(super) fn input_members(&self) -> &'static [Member] {
        self.input.map_or(&[], |name| members(self.service, name))
    }

    /// Members of what it answers.
    pub(super) fn output_members(&self) -> &'static [Member] {
        self.output.map_or(&[], |name| members(self.service, name))
    }

    /// Whether it only reads.
    pub(super) fn is_read_only(&self) -> bool {
        self.method == "GET"
    }

    /// Whether it is only named: of Lambda's, a part is there.
    #[cfg(test)]
    pub(super) fn is_only_named(&self) -> bool {
        self.service == Service::Lambda && self.input.is_none()
    }
}

/// What a service's text says.
#[derive(Debug, Default)]
struct Interface {
    operations: Vec<Operation>,
    shapes: HashMap<&'static str, Shape>,
}

static INTERFACES: LazyLock<[Interface; 4]> =
    LazyLock::new(|| Service::ALL.map(|service| shape::read(service, service.text())));

/// All operations of all services.
pub(super) fn operations() -> impl Iterator<Item = &'static Operation> {
    INTERFACES.iter().flat_map(|interface| &interface.operations)
}

/// A shape by its name. The texts name no shape that they do not have.
pub(super) fn shape(service: Service, name: &str) -> &'static Shape {
    let index = Service::ALL.iter().position(|one| *one == service).unwrap_or_default();
    INTERFACES[index].shapes.get(name).expect("a test looks up every shape that is named")
}

fn members(service: Service, name: &str) -> &'static [Member] {
    match shape(service, name) {
        Shape::Structure(members) => members,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(service: Service, kind: &Type) {
        if let Type::Named(name) = kind {
            shape(service, name);
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        for (service, interface) in Service::ALL.into_iter().zip(INTERFACES.iter()) {
            for operation in &interface.operations {
                for name in operation.input.iter().chain(&operation.output) {
                    assert!(matches!(shape(service, name), Shape::Structure(_)), "{name}");
                }
            }
            for shape in interface.shapes.values() {
                match shape {
                    Shape::Structure(members) => {
                        members.iter().for_each(|member| check(service, &member.kind));
                    }
                    Shape::List(kind) | Shape::Map(kind) => check(service, kind),
                    Shape::Enum(values) => assert!(!values.is_empty()),
                    Shape::Plain(_) => {}
                }
            }
        }
        assert_eq!(operations().count(), 321);
    }

    #[test]
    fn values_in_a_path_are_members_of_the_input() {
        for operation in operations().filter(|one| !one.is_only_named()) {
            for segment in operation.path.iter().filter_map(|one| one.strip_prefix('{')) {
                let name = segment.trim_end_matches('}');
                let is_known = |member: &Member| member.place == Place::Uri && member.wire == name;
                assert!(operation.input_members().iter().any(is_known), "{}", operation.name);
            }
        }
    }
}
