//! Writes the members of a JSON object, one after the other, with nothing built in between.

use crate::base::write_json_string;

/// An object that is being written.
///
/// # Invariants
///
/// - Names of members are literals without anything to escape; names from outside go through
///   [`Members::foreign`].
pub(super) struct Members<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Members<'o> {
    pub(super) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Appends the name; the caller appends the value to what it gets.
    pub(super) fn name(&mut self, name: &'static str) -> &mut Vec<u8> {
        debug_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        self.part();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A member with a name from outside.
    pub(super) fn foreign(&mut self, name: &[u8]) -> &mut Vec<u8> {
        self.part();
        write_json_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &'static str, value: &[u8]) {
        write_json_string(self.name(name), value);
    }

    /// A member that is `null` when there is no value.
    pub(super) fn text_or_null(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value.as_bytes()),
            None => self.json(name, b"null"),
        }
    }

    /// A member that is left out when there is no value.
    pub(super) fn text_if_any(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value.as_bytes());
        }
    }

    /// A member whose value is JSON already.
    pub(super) fn json(&mut self, name: &'static str, value: &[u8]) {
        self.name(name).extend_from_slice(value);
    }

    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.json(name, itoa::Buffer::new().format(value).as_bytes());
    }

    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        self.json(name, if value { b"true" } else { b"false" });
    }

    fn part(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}
