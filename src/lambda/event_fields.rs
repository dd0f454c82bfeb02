//! Fields that may come more than once, gathered under their names: headers and queries.
//!
//! Sorted rather than hashed or searched: a query of ten thousand parameters costs what sorting
//! them costs. AWS does not keep the order of parameters either.

use super::members::Members;
use crate::base::write_json_string;
use crate::proto::uri::percent_decode;

/// Memory of the events of one shard, kept from one request to the next.
#[derive(Debug, Default)]
pub struct EventScratch {
    pub(super) fields: EventFields,
    pub(super) text: Vec<u8>,
}

impl EventScratch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Names and values as text, in the order of their names and, for one name, as they came.
///
/// # Invariants
///
/// - `text` is UTF-8 in each of the ranges, so that two names are the same member or are not.
#[derive(Debug, Default)]
pub(super) struct EventFields {
    text: Vec<u8>,
    fields: Vec<Ranges>,
}

#[derive(Clone, Copy, Debug)]
struct Ranges {
    name: (usize, usize),
    value: (usize, usize),
}

impl EventFields {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }

    /// Adds a header; `to_lowercase` is for the formats in which names are in lower case.
    pub(super) fn push_header(&mut self, name: &[u8], value: &[u8], to_lowercase: bool) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        if to_lowercase {
            self.text[start..].make_ascii_lowercase();
        }
        let name = self.end_text(start);
        let start = self.text.len();
        self.text.extend_from_slice(value);
        let value = self.end_text(start);
        self.fields.push(Ranges { name, value });
    }

    /// Adds a parameter of a path, decoded; `+` is itself there.
    pub(super) fn push_path_parameter(&mut self, name: &[u8], raw: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let name = self.end_text(start);
        let start = self.text.len();
        decode_or_keep(raw, &mut self.text);
        let value = self.end_text(start);
        self.fields.push(Ranges { name, value });
    }

    /// Adds the parameters of a query, decoded.
    pub(super) fn push_query(&mut self, query: &[u8]) {
        let query = query.strip_prefix(b"?").unwrap_or(query);
        for pair in query.split(|byte| matches!(byte, b'&' | b';')).filter(|one| !one.is_empty()) {
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &b""[..]),
            };
            let (name, value) = (self.push_decoded(name), self.push_decoded(value));
            self.fields.push(Ranges { name, value });
        }
    }

    pub(super) fn sort(&mut self) {
        let text = &self.text;
        let name = |ranges: &Ranges| &text[ranges.name.0..ranges.name.1];
        // Ranges grow in the order in which fields came.
        self.fields.sort_unstable_by(|one, other| {
            name(one).cmp(name(other)).then(one.value.0.cmp(&other.value.0))
        });
    }

    /// Each name with its values, after [`EventFields::sort`].
    fn groups(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = &[u8]>)> {
        let text = |(start, end): (usize, usize)| &self.text[start..end];
        let groups = self.fields.chunk_by(move |one, other| text(one.name) == text(other.name));
        groups.map(move |group| (text(group[0].name), group.iter().map(move |one| text(one.value))))
    }

    /// Appends an object with the last value of each name, `null` without any.
    pub(super) fn write_last(&self, out: &mut Vec<u8>) {
        self.write(out, |out, values| {
            write_json_string(out, values.last().expect("a group has a value"));
        });
    }

    /// Appends an object with a list for each name, `null` without any.
    pub(super) fn write_lists(&self, out: &mut Vec<u8>) {
        self.write(out, |out, values| {
            let mut mark = b'[';
            for value in values {
                out.push(mark);
                write_json_string(out, value);
                mark = b',';
            }
            out.push(b']');
        });
    }

    /// Appends an object with the values of each name joined by commas. `text` is scratch.
    pub(super) fn write_joined(&self, text: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.write(out, |out, values| {
            text.clear();
            for (index, value) in values.enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                text.extend_from_slice(value);
            }
            write_json_string(out, text);
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// `write_values` is given at least one value.
    fn write(
        &self,
        out: &mut Vec<u8>,
        mut write_values: impl FnMut(&mut Vec<u8>, &mut dyn Iterator<Item = &[u8]>),
    ) {
        if self.is_empty() {
            return out.extend_from_slice(b"null");
        }
        let mut members = Members::open(out);
        for (name, mut values) in self.groups() {
            write_values(members.foreign(name), &mut values);
        }
        members.close();
    }

    fn push_decoded(&mut self, raw: &[u8]) -> (usize, usize) {
        let start = self.text.len();
        if !raw.contains(&b'+') {
            decode_or_keep(raw, &mut self.text);
            return self.end_text(start);
        }
        for (index, word) in raw.split(|byte| *byte == b'+').enumerate() {
            if index > 0 {
                self.text.push(b' ');
            }
            decode_or_keep(word, &mut self.text);
        }
        self.end_text(start)
    }

    /// The range from `start` on, made text.
    fn end_text(&mut self, start: usize) -> (usize, usize) {
        if std::str::from_utf8(&self.text[start..]).is_err() {
            let lossy = String::from_utf8_lossy(&self.text[start..]).into_owned();
            self.text.truncate(start);
            self.text.extend_from_slice(lossy.as_bytes());
        }
        (start, self.text.len())
    }
}

/// Appends `raw` decoded; where a percent sign encodes nothing, as it stands.
pub(super) fn decode_or_keep(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if percent_decode(raw, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(raw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(fields: &mut EventFields) -> String {
        fields.sort();
        let mut out = Vec::new();
        fields.write_last(&mut out);
        String::from_utf8(out).expect("JSON")
    }

    #[test]
    fn a_query_is_decoded_and_its_last_value_counts() {
        let mut fields = EventFields::default();
        fields.push_query(b"?b=1&a=x+y%2B&b=2&c&&=e&%zz=%41;d=%ff");
        let wanted =
            "{\"\":\"e\",\"%zz\":\"A\",\"a\":\"x y+\",\"b\":\"2\",\"c\":\"\",\"d\":\"\u{fffd}\"}";
        assert_eq!(last(&mut fields), wanted);
    }

    #[test]
    fn a_path_parameter_keeps_its_plus() {
        let mut fields = EventFields::default();
        fields.push_path_parameter(b"id", b"a+b%20c%2Fd");
        assert_eq!(last(&mut fields), r#"{"id":"a+b c/d"}"#);
        fields.clear();
        assert_eq!(last(&mut fields), "null");
    }

    #[test]
    fn names_differ_by_case_unless_they_are_lowered() {
        let mut fields = EventFields::default();
        fields.push_header(b"X-A", b"1", false);
        fields.push_header(b"x-a", b"2", false);
        assert_eq!(last(&mut fields), r#"{"X-A":"1","x-a":"2"}"#);
        fields.clear();
        fields.push_header(b"X-A", b"1", true);
        fields.push_header(b"x-a", b"2", true);
        let (mut out, mut text) = (Vec::new(), Vec::new());
        fields.sort();
        fields.write_lists(&mut out);
        fields.write_joined(&mut text, &mut out);
        assert_eq!(out, br#"{"x-a":["1","2"]}{"x-a":"1,2"}"#);
    }

    /// What a search through all that came before would take minutes for.
    #[test]
    fn many_parameters_cost_what_sorting_them_costs() {
        let query: String = (0..200_000).map(|number| format!("{number:x}&")).collect();
        let mut fields = EventFields::default();
        fields.push_query(query.as_bytes());
        assert!(last(&mut fields).len() > query.len());
    }
}
