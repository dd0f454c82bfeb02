//! How the plain types are read: integers, numbers, booleans, texts, lists, maps and choices.

use toml::de::DeValue;

use super::diagnostics::Mistake;
use super::reading::{Field, Node, Reading, shown_text};
use super::secrets::is_secret_key;
use super::table::{Bound, Shape, Value};

macro_rules! integer {
    ($($type:ty)+) => {$(
        impl Value for $type {
            fn shape(bound: Option<Bound>) -> Shape {
                Shape::Integer(bound.unwrap_or(Bound::new(0..=u64::from(<$type>::MAX))))
            }

            fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
                let shape = Self::shape(node.bound);
                let Shape::Integer(bound) = &shape else { return None };
                let DeValue::Integer(integer) = node.value else {
                    node.wrong_type(&shape, reading);
                    return None;
                };
                let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
                let value = value.filter(|value| (bound.min..=bound.max).contains(value));
                let value = value.and_then(|value| <$type>::try_from(value).ok());
                if value.is_none() {
                    node.wrong_value(&shape, reading);
                }
                value
            }
        }
    )+};
}

integer!(u16 u32 u64);

impl Value for f64 {
    fn shape(bound: Option<Bound>) -> Shape {
        Shape::Number(bound.unwrap_or(Bound::new(0..=1 << f64::MANTISSA_DIGITS)))
    }

    #[expect(clippy::cast_precision_loss, reason = "bounds on numbers are below 2^53")]
    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let shape = Self::shape(node.bound);
        let Shape::Number(bound) = &shape else { return None };
        let value = match node.value {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .map(|value| value as f64),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => {
                node.wrong_type(&shape, reading);
                return None;
            }
        };
        // A NaN is in no range, and is refused here.
        let value = value.filter(|value| (bound.min as f64..=bound.max as f64).contains(value));
        if value.is_none() {
            node.wrong_value(&shape, reading);
        }
        value
    }
}

impl Value for bool {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Boolean
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let value = node.value.as_bool();
        if value.is_none() {
            node.wrong_type(&Shape::Boolean, reading);
        }
        value
    }
}

/// An item that has a mistake is left out; the mistake was recorded.
impl<T: Value> Value for Vec<Field<T>> {
    fn shape(bound: Option<Bound>) -> Shape {
        Shape::List { item: Box::new(T::shape(bound)), is_empty_allowed: true }
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(items) = node.items() else {
            node.wrong_type(&Self::shape(node.bound), reading);
            return None;
        };
        let field = |item: Node<'_>| {
            let value = T::read(item, reading)?;
            Some(Field { value, span: item.span, is_written: !item.is_default })
        };
        Some(items.filter_map(field).collect())
    }
}

/// A list that is not empty, unless its items had mistakes.
#[derive(Debug)]
pub(super) struct OneOrMore<T>(pub(super) Vec<Field<T>>);

impl<T: Value> Value for OneOrMore<T> {
    fn shape(bound: Option<Bound>) -> Shape {
        Shape::List { item: Box::new(T::shape(bound)), is_empty_allowed: false }
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if node.value.as_array().is_some_and(|items| items.is_empty()) {
            let message = format!("`{}` is an empty list; expected at least one item", node.name);
            reading.record(Mistake::new(node.span, message).label("nothing in it"));
            return None;
        }
        Vec::read(node, reading).map(Self)
    }
}

/// A type whose values are written as a text of a certain form.
pub(super) trait TextForm: Sized {
    /// A noun phrase for what is expected.
    const EXPECTED: &'static str;
    /// A regular expression that every value matches, for editors.
    const PATTERN: Option<&'static str> = None;
    /// The value of a text.
    fn parse(text: &str) -> Result<Self, Unformed>;
}

/// Why a text has not the form.
#[derive(Debug)]
pub(super) enum Unformed {
    /// [`TextForm::EXPECTED`] says it.
    Form,
    /// A sentence without full stop, and the byte offset where it goes wrong.
    At(usize, String),
}

impl Unformed {
    /// A mistake of the text as a whole.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self::At(0, reason.into())
    }
}

impl<T: TextForm> Value for T {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Text { expected: T::EXPECTED, pattern: T::PATTERN }
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let shape = Self::shape(None);
        let Some(text) = node.value.as_str() else {
            node.wrong_type(&shape, reading);
            return None;
        };
        let shown = match is_secret_key(node.name) {
            true => "*****".to_owned(),
            false => shown_text(text),
        };
        let mistake = match T::parse(text) {
            Ok(value) => return Some(value),
            Err(Unformed::Form) => {
                let message = format!("{} is {shown}; expected {}", node.subject(), T::EXPECTED);
                Mistake::new(node.span, message).label("not of this form")
            }
            Err(Unformed::At(offset, reason)) => {
                let is_whole = offset == 0 || node.is_default;
                let span = if is_whole { node.span } else { reading.part(node.span, offset) };
                let message = format!("{} is {shown}: {reason}", node.subject());
                Mistake::new(span, message).help(format!("expected {}", T::EXPECTED))
            }
        };
        reading.record(mistake);
        None
    }
}

/// Declares the names by which the values of a type are written.
macro_rules! choice {
    ($type:ty { $($name:literal => $value:expr),+ $(,)? }) => {
        impl $crate::settings::table::Value for $type {
            fn shape(_: Option<$crate::settings::table::Bound>) -> $crate::settings::table::Shape {
                $crate::settings::table::Shape::Choice(vec![$($name.into()),+])
            }

            fn read(
                node: $crate::settings::reading::Node<'_>,
                reading: &mut $crate::settings::reading::Reading<'_>,
            ) -> Option<Self> {
                match node.value.as_str() {
                    $(Some($name) => return Some($value),)+
                    Some(_) => node.wrong_value(&Self::shape(None), reading),
                    None => node.wrong_type(&Self::shape(None), reading),
                }
                None
            }
        }
    };
}

pub(super) use choice;
