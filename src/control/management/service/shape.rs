//! Shapes of values, and how the texts write them.

use super::{Interface, Operation, Service};

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Shape {
    Structure(Vec<Member>),
    List(Type),
    Map(Type),
    Enum(Vec<&'static str>),
    Plain(Plain),
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name in messages.
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    pub(crate) place: Place,
    /// Its name in requests and answers.
    pub(crate) wire: &'static str,
    pub(crate) kind: Type,
}

/// Where a member stands in a request or an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Uri,
    Query,
    Header,
    Body,
    /// It is the body itself.
    Payload,
}

/// The type of a member or item.
#[derive(Debug)]
pub(crate) enum Type {
    Plain(PlainKind),
    Named(&'static str),
}

/// A value without parts.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) kind: PlainKind,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    /// The regular expression that the whole value must match.
    pub(crate) pattern: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PlainKind {
    Text,
    Boolean,
    Integer,
    Number,
    Timestamp,
    Blob,
}

impl PlainKind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "string" => Self::Text,
            "boolean" => Self::Boolean,
            "integer" | "long" => Self::Integer,
            "double" | "float" => Self::Number,
            "timestamp" => Self::Timestamp,
            "blob" => Self::Blob,
            _ => return None,
        })
    }
}

impl Type {
    fn parse(text: &'static str) -> Self {
        PlainKind::parse(text).map_or(Self::Named(text), Self::Plain)
    }
}

/// Reads a service's text.
///
/// # Panics
///
/// On a text that is not as it was generated; the tests read all there are.
pub(super) fn read(service: Service, text: &'static str) -> Interface {
    let mut interface = Interface::default();
    let mut lines =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        let words: Vec<&'static str> = line.split(' ').collect();
        let (name, shape) = match words[..] {
            ["operation", name, method, uri, status, input, output] => {
                interface.operations.push(operation(
                    service,
                    name,
                    method,
                    uri,
                    status,
                    [input, output],
                ));
                continue;
            }
            ["structure", name] => {
                let mut members = Vec::new();
                while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
                    members.push(member(line));
                }
                (name, Shape::Structure(members))
            }
            ["list", name, kind] => (name, Shape::List(Type::parse(kind))),
            ["map", name, kind] => (name, Shape::Map(Type::parse(kind))),
            ["enum", name, ..] => (name, Shape::Enum(words[2..].to_vec())),
            [kind, name, ..] => (name, plain(kind, &words[2..])),
            _ => unreachable!("a line of one word"),
        };
        interface.shapes.insert(name, shape);
    }
    interface
}

fn operation(
    service: Service,
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    status: &str,
    [input, output]: [&'static str; 2],
) -> Operation {
    let (path, query) =
        uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    let named = |name: &'static str| (name != "-").then_some(name);
    Operation {
        service,
        name,
        method,
        path: path.split('/').skip(1).collect(),
        query: query.and_then(|query| query.split_once('=')),
        status: status.parse().expect("a status"),
        input: named(input),
        output: named(output),
    }
}

fn member(line: &'static str) -> Member {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().expect("a member has four words");
    let (name, place, wire, kind) = (next(), next(), next(), next());
    Member {
        name: name.trim_end_matches('!'),
        is_required: name.ends_with('!'),
        place: match place {
            "uri" => Place::Uri,
            "querystring" => Place::Query,
            // The status of an answer is nowhere else either.
            "header" | "statusCode" => Place::Header,
            "payload" => Place::Payload,
            _ => Place::Body,
        },
        wire,
        kind: Type::parse(kind),
    }
}

fn plain(kind: &str, constraints: &[&'static str]) -> Shape {
    let find =
        |name: &str| constraints.iter().find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
    Shape::Plain(Plain {
        kind: PlainKind::parse(kind).expect("a kind of plain value"),
        min: find("min").and_then(|number| number.parse().ok()),
        max: find("max").and_then(|number| number.parse().ok()),
        pattern: find("pattern"),
    })
}
