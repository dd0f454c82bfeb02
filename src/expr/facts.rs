//! What an expression may read of one exchange.

use super::ContextVariable;

/// Which of several values of one name is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pick {
    /// The last one: AWS's single-value view.
    Last,
    /// All, joined by `,`.
    Joined,
}

/// How a header is looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameCase {
    /// As written: mappings of REST APIs.
    Exact,
    /// By the rules of HTTP: mappings of HTTP APIs.
    Ignored,
}

/// One exchange, as expressions see it.
///
/// A method that appends answers whether there was a value; where it answers `false` it has
/// appended nothing. An empty value is a value.
pub trait Facts {
    /// Appends the request's header of this name.
    fn request_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool;

    /// Appends the query parameter of this name, decoded. Names are compared decoded, and exactly.
    fn request_query(&self, name: &str, pick: Pick, out: &mut Vec<u8>) -> bool;

    /// Shows each value of the query parameter, decoded, in the order of the query. `scratch` is
    /// for decoding: its contents mean nothing before or after.
    fn each_request_query(&self, name: &str, scratch: &mut Vec<u8>, visit: impl FnMut(&[u8]));

    /// Appends the path parameter of this name, decoded; a greedy one with its slashes.
    fn path_parameter(&self, name: &str, out: &mut Vec<u8>) -> bool;

    /// Appends the path of the request without its stage, encoded as in the request's normal form.
    fn request_path(&self, out: &mut Vec<u8>) -> bool;

    /// The whole body of the request; `None` if the pipeline did not keep it, which it must for
    /// expressions that say `needs_request_body`.
    fn request_body(&self) -> Option<&[u8]>;

    /// Appends the value of a `$context` variable. Never asked for
    /// [`ContextVariable::ErrorMessageString`], which is made of the message.
    fn context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> bool;

    /// Appends the header of the integration's answer.
    fn answer_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool;

    /// The whole body of the integration's answer; `None` as with the request's.
    fn answer_body(&self) -> Option<&[u8]>;
}
