//! What a key of the file is: its name, the type of its value, whether it must be there, its
//! default, its bound and its doc. `table!` declares all of that once; parsing, the JSON Schema
//! and the commented example are read off it.
//!
//! Knows nothing of any particular key. A default is TOML text and is read as though it stood in
//! the file, so it can never differ in form from what a user would write.

use serde_json::Value as Json;

use super::reading::{Node, Reading};

/// A table of the file.
#[derive(Debug)]
pub(super) struct Spec {
    /// As messages call it: `[process]`, `[[listener]]`, `throttle`.
    pub(super) title: &'static str,
    /// The lines of its doc.
    pub(super) doc: &'static [&'static str],
    /// Its keys, in the order in which the example shows them.
    pub(super) keys: &'static [Key],
    /// Keys of which a table has exactly one.
    pub(super) one_of: &'static [&'static str],
    /// Keys of which a table has one or none.
    pub(super) at_most_one_of: &'static [&'static str],
    /// Keys that mean something beside one of others alone.
    pub(super) only_with: &'static [OnlyWith],
}

/// Keys that mean something beside one of others alone.
#[derive(Debug)]
pub(super) struct OnlyWith {
    pub(super) others: &'static [&'static str],
    pub(super) keys: &'static [&'static str],
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) presence: Presence,
    pub(super) bound: Option<Bound>,
    /// TOML texts that the example shows in place of the default.
    pub(super) examples: &'static [&'static str],
    pub(super) shape: fn(Option<Bound>) -> Shape,
}

impl Key {
    pub(super) fn shape(&self) -> Shape {
        (self.shape)(self.bound)
    }
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    Required,
    Optional,
    /// TOML text that is read in place of an absent key.
    Default(&'static str),
}

/// The least and the greatest value, both allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bound {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Bound {
    pub(super) const fn new(range: std::ops::RangeInclusive<u64>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }

    fn shown(self) -> String {
        format!("{} to {}", grouped(self.min), grouped(self.max))
    }
}

/// The type of a value, for messages, the schema and the example.
#[derive(Debug)]
pub(super) enum Shape {
    Boolean,
    Integer(Bound),
    Number(Bound),
    Text {
        /// A noun phrase.
        expected: &'static str,
        /// A regular expression that every value matches.
        pattern: Option<&'static str>,
    },
    Choice(Vec<Json>),
    List {
        item: Box<Shape>,
        is_empty_allowed: bool,
    },
    Table(&'static Spec),
    /// A table whose keys the user names; their values have the shape.
    Map(Box<Shape>),
    OneOf(Vec<Shape>),
}

impl Shape {
    /// The table that a value is, or that each item of it is.
    pub(super) fn table(&self) -> Option<&'static Spec> {
        match self {
            Self::Table(spec) => Some(spec),
            Self::List { item, .. } => item.table(),
            // A table that may be left to its defaults by `true`.
            Self::OneOf(shapes) => match &shapes[..] {
                [Self::Boolean, Self::Table(spec)] => Some(spec),
                _ => None,
            },
            _ => None,
        }
    }

    /// A noun phrase for what was expected.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Boolean => "`true` or `false`".into(),
            Self::Integer(bound) => format!("an integer from {}", bound.shown()),
            Self::Number(bound) => format!("a number from {}", bound.shown()),
            Self::Text { expected, .. } => (*expected).into(),
            Self::Choice(names) => alternatives(names.iter().map(|name| match name {
                Json::String(text) => format!("\"{text}\""),
                other => other.to_string(),
            })),
            Self::List { item, is_empty_allowed } => {
                let least =
                    if *is_empty_allowed { "a list" } else { "a list of at least one item" };
                format!("{least}, each {}", item.expected())
            }
            Self::Table(spec) if spec.title.starts_with('[') => format!("the table {}", spec.title),
            Self::Table(spec) => {
                let names: Vec<_> = spec.keys.iter().map(|key| key.name).collect();
                format!("a table {{ {} }}", names.join(", "))
            }
            Self::Map(value) => format!("a table of names, each with {}", value.expected()),
            Self::OneOf(shapes) => alternatives(shapes.iter().map(Self::expected)),
        }
    }
}

/// A number as the file may write it: `10_240`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

fn alternatives(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<_> = texts.collect();
    match texts.pop() {
        Some(last) if !texts.is_empty() => format!("{} or {last}", texts.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// A type that values of the file are read as.
pub(super) trait Value: Sized {
    /// What is expected, with the key's bound.
    fn shape(bound: Option<Bound>) -> Shape;
    /// The value, or `None` when a mistake was recorded.
    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self>;
}

/// Declares a table of the file: a struct of its fields as read, and its [`Spec`].
///
/// After a key and its type stands `[required]`, `[optional]` or its default as TOML; then, each
/// if need be, `eg` with an example as TOML, and `in` with the bound. After the keys stands which of
/// them exclude each other, and which mean something `with` others alone.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        struct $name:ident as $title:literal {
            $(
                $(#[doc = $key_doc:literal])+
                $key:ident: $type:ty [$($presence:tt)+] $(eg $example:tt)* $(in $bound:expr)?;
            )+
        }
        $(exactly one of $($one_of:ident)+;)?
        $(at most one of $($at_most_one_of:ident)+;)?
        $(with $($other:ident) or +: $($belonging:ident)+;)*
    ) => {
        $(#[doc = $doc])+
        // Users read these texts too, to whom `[limits]` is a table of the file.
        #[allow(rustdoc::broken_intra_doc_links)]
        #[derive(Debug)]
        pub(in crate::settings) struct $name {
            $(
                $(#[doc = $key_doc])+
                pub(in crate::settings) $key: $crate::settings::table::field_type!([$($presence)+] $type),
            )+
        }

        impl $name {
            pub(in crate::settings) const SPEC: &'static $crate::settings::table::Spec =
                &$crate::settings::table::Spec {
                    title: $title,
                    doc: &[$($doc),+],
                    keys: &[$(
                        $crate::settings::table::Key {
                            name: stringify!($key),
                            doc: &[$($key_doc),+],
                            presence: $crate::settings::table::presence!($($presence)+),
                            bound: $crate::settings::table::bound!($($bound)?),
                            examples: &[$(stringify!($example)),*],
                            shape: <$type as $crate::settings::table::Value>::shape,
                        },
                    )+],
                    one_of: &[$($(stringify!($one_of)),+)?],
                    at_most_one_of: &[$($(stringify!($at_most_one_of)),+)?],
                    only_with: &[$($crate::settings::table::OnlyWith {
                        others: &[$(stringify!($other)),+],
                        keys: &[$(stringify!($belonging)),+],
                    }),*],
                };
        }

        impl $crate::settings::table::Value for $name {
            fn shape(_: Option<$crate::settings::table::Bound>) -> $crate::settings::table::Shape {
                $crate::settings::table::Shape::Table(Self::SPEC)
            }

            fn read(
                node: $crate::settings::reading::Node<'_>,
                reading: &mut $crate::settings::reading::Reading<'_>,
            ) -> Option<Self> {
                let mut reader =
                    $crate::settings::reading::TableReader::open(node, Self::SPEC, reading)?;
                Some(Self {
                    $(
                        $key: $crate::settings::table::read_field!(
                            [$($presence)+] reader, stringify!($key)
                        ),
                    )+
                })
            }
        }
    };
}

macro_rules! field_type {
    ([required] $type:ty) => { Option<$crate::settings::reading::Field<$type>> };
    ([optional] $type:ty) => { Option<$crate::settings::reading::Field<$type>> };
    ([$default:tt] $type:ty) => { $crate::settings::reading::Field<$type> };
}

macro_rules! read_field {
    ([required] $reader:ident, $name:expr) => {
        $reader.find($name)
    };
    ([optional] $reader:ident, $name:expr) => {
        $reader.find($name)
    };
    ([$default:tt] $reader:ident, $name:expr) => {
        $reader.find_or_default($name)
    };
}

macro_rules! presence {
    (required) => {
        $crate::settings::table::Presence::Required
    };
    (optional) => {
        $crate::settings::table::Presence::Optional
    };
    ($default:tt) => {
        $crate::settings::table::Presence::Default(stringify!($default))
    };
}

macro_rules! bound {
    () => {
        None
    };
    ($bound:expr) => {
        Some($crate::settings::table::Bound::new($bound))
    };
}

pub(super) use {bound, field_type, presence, read_field, table};
