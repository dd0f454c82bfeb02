//! The commented example: every key with its doc, its bound and its default.
//!
//! It loads as it is. A line of prose begins with `# `; a setting that is not live begins with `#`
//! and no space, and the file still loads when all of those are made live, which a test does.

use super::keys::RawFile;
use super::table::{Key, Presence, Shape, Spec};

/// The commented `gateway.toml`.
#[must_use]
pub fn commented_example() -> String {
    let mut example = Example { text: String::from(HEAD) };
    for key in RawFile::SPEC.keys {
        example.section(key, None);
    }
    example.text
}

struct Example {
    text: String,
}

/// The table that a section stands in.
#[derive(Clone, Copy)]
struct Parent<'a> {
    path: &'a str,
    is_live: bool,
    /// Which of the table's alternatives is shown.
    alternative: usize,
}

impl Example {
    /// A table in a section of its own, with what is inside of it.
    fn section(&mut self, key: &Key, parent: Option<Parent<'_>>) {
        let Some((spec, is_repeated)) = table_of(key) else { return };
        let path = parent.map_or(key.name.into(), |parent| format!("{}.{}", parent.path, key.name));
        let is_live = match parent {
            None if OF_DEPLOYED_APIS.contains(&&*path) => false,
            None => LIVE.contains(&&*path) || !matches!(key.presence, Presence::Optional),
            Some(parent) => {
                let is_needed = matches!(key.presence, Presence::Required);
                parent.is_live && (is_needed || parent.alternative > 0)
            }
        };
        self.line("");
        self.prose(key.doc);
        if spec.title.starts_with('[') && spec.doc != key.doc {
            self.prose(spec.doc);
        }
        self.header(&path, is_repeated, is_live);
        for key in spec.keys.iter().filter(|key| table_of(key).is_none()) {
            self.key(key, spec, is_live);
        }
        let parent = Parent { path: &path, is_live, alternative: 0 };
        for key in spec.keys.iter().filter(|key| !spec.one_of.contains(&key.name)) {
            self.section(key, Some(parent));
        }
        for (alternative, name) in spec.one_of.iter().enumerate().skip(1) {
            self.line("");
            self.header(&path, is_repeated, is_live);
            for key in spec.keys.iter().filter(|key| matches!(key.presence, Presence::Required)) {
                self.setting(key, example_value(key, alternative), is_live);
            }
            for key in spec.keys.iter().filter(|key| key.name == *name) {
                self.section(key, Some(Parent { alternative, ..parent }));
            }
        }
    }

    fn key(&mut self, key: &Key, spec: &Spec, is_live: bool) {
        self.line("");
        self.prose(key.doc);
        let presence = match key.presence {
            Presence::Required => "Required.".to_owned(),
            Presence::Default(text) => format!("Default: {text}"),
            Presence::Optional if spec.one_of.contains(&key.name) => {
                format!("One of {} is required.", spec.one_of.join(", "))
            }
            Presence::Optional => "No default.".to_owned(),
        };
        self.wrapped(&format!("Expected: {}.", key.shape().expected()));
        self.line(&format!("# {presence}"));
        let value = example_value(key, 0);
        match spec.at_most_one_of.split_first() {
            // Two that exclude each other cannot both be made live.
            Some((first, rest)) if rest.contains(&key.name) => {
                self.line(&format!("# In place of {first}: {} = {value}", key.name));
            }
            _ => {
                let is_needed = matches!(key.presence, Presence::Required)
                    || spec.one_of.first() == Some(&key.name);
                self.setting(key, value, is_live && is_needed);
            }
        }
    }

    fn setting(&mut self, key: &Key, value: &str, is_live: bool) {
        let mark = if is_live { "" } else { "#" };
        // Where the table's own source goes on in a new line, an example does not.
        let value = value.replace('\n', " ");
        self.line(&format!("{mark}{} = {value}", key.name));
    }

    fn header(&mut self, path: &str, is_repeated: bool, is_live: bool) {
        let mark = if is_live { "" } else { "#" };
        let header = if is_repeated { format!("[[{path}]]") } else { format!("[{path}]") };
        self.line(&format!("{mark}{header}"));
    }

    /// A paragraph of prose in lines of a comfortable width.
    fn wrapped(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.chars().count() + word.chars().count() >= LINE_CHARS_MAX {
                self.line(&line);
                line = String::from("#");
            }
            line.extend([" ", word]);
        }
        self.line(&line);
    }

    fn prose(&mut self, lines: &[&str]) {
        for line in lines {
            self.line(format!("# {}", line.trim()).trim_end());
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The table that the key holds, and whether it holds several.
fn table_of(key: &Key) -> Option<(&'static Spec, bool)> {
    let shape = key.shape();
    Some((shape.table()?, matches!(shape, Shape::List { .. })))
}

fn example_value(key: &Key, index: usize) -> &'static str {
    let example = key.examples.get(index).or(key.examples.first());
    match (example, key.presence) {
        (Some(example), _) => example,
        (None, Presence::Default(text)) => text,
        (None, Presence::Required | Presence::Optional) => "\"\"",
    }
}

/// Tables that may be absent, but that the live ones need.
const LIVE: [&str; 1] = ["upstream"];
/// Tables that need `[management]`, which is not live.
const OF_DEPLOYED_APIS: [&str; 1] = ["function"];
const LINE_CHARS_MAX: usize = 96;
const HEAD: &str = "\
#:schema ./gateway.schema.json
#
# The boot file of shardgate: every key, with what it is, what it may be and its default.
#
# A line that begins with `#` and a space is prose. A line that begins with `#` and no space is a
# setting that is not live; it shows the default, or an example. Sizes are in bytes and times in
# milliseconds: a key's name says so. This file is made from the table of keys that the gateway
# reads files by.
";
