//! The steps of a JSONPath: their grammar, and what each finds in one value.

use serde_json::Value;

/// One step from a value to others.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// `.name` and `['name']`.
    Name(Box<str>),
    /// `[0]`; below zero counts from the end.
    Index(i64),
    /// `['a','b']`
    Names(Box<[Box<str>]>),
    /// `[0,1]`
    Indices(Box<[i64]>),
    /// `[from:until]`
    Slice(Option<i64>, Option<i64>),
    /// `.*` and `[*]`.
    All,
    /// `..`: the value and everything below it.
    Descend,
}

impl Step {
    /// The one child that a definite step names.
    pub(super) fn child<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Name(name) => value.get(&**name),
            Self::Index(index) => {
                let items = value.as_array()?;
                items.get(position(*index, items.len())?)
            }
            _ => None,
        }
    }

    /// Appends what the step finds in `value`, in the order of the body.
    pub(super) fn push_matches<'v>(&self, value: &'v Value, out: &mut Vec<&'v Value>) {
        match self {
            Self::Name(_) | Self::Index(_) => out.extend(self.child(value)),
            Self::Names(names) => out.extend(names.iter().filter_map(|name| value.get(&**name))),
            Self::Indices(indices) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let positions = indices.iter().filter_map(|index| position(*index, items.len()));
                out.extend(positions.filter_map(|position| items.get(position)));
            }
            Self::Slice(from, until) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let from = bound(from.unwrap_or(0), items.len());
                let until = until.map_or(items.len(), |until| bound(until, items.len()));
                out.extend(items.get(from..until).unwrap_or_default());
            }
            Self::All => push_children(value, out),
            Self::Descend => push_below(value, out),
        }
    }
}

fn push_children<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => out.extend(items),
        Value::Object(members) => out.extend(members.values()),
        _ => {}
    }
}

/// Parents before children. The parser of bodies bounds how deep they nest.
fn push_below<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    out.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| push_below(item, out)),
        Value::Object(members) => members.values().for_each(|member| push_below(member, out)),
        _ => {}
    }
}

/// Where `index` points in `length` items; none if before the first.
fn position(index: i64, length: usize) -> Option<usize> {
    let from_start = usize::try_from(index).ok();
    from_start.or_else(|| length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?))
}

/// The same for an end of a slice, which is moved into the array.
fn bound(index: i64, length: usize) -> usize {
    position(index, length).unwrap_or(0).min(length)
}

/// Reads what follows `$`.
pub(super) struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    pub(super) fn parse(mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        while !self.rest.is_empty() {
            if self.take("..") {
                steps.push(Step::Descend);
                let step = if self.take("[") { self.bracket()? } else { self.name()? };
                steps.push(step);
            } else if self.take(".") {
                steps.push(self.name()?);
            } else if self.take("[") {
                steps.push(self.bracket()?);
            } else {
                return Err(format!("`{}` begins no step", self.rest));
            }
        }
        Ok(steps)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn name(&mut self) -> Result<Step, String> {
        let end = self.rest.find(['.', '[']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match name {
            "" => Err("a step has no name".into()),
            "*" => Ok(Step::All),
            _ if name.ends_with("()") => Err(format!("the function `{name}` is not supported")),
            _ if name.contains(is_no_name) => {
                Err(format!("`{name}` must stand in brackets and quotes"))
            }
            _ => Ok(Step::Name(name.into())),
        }
    }

    /// What stands in brackets, the opening one taken.
    fn bracket(&mut self) -> Result<Step, String> {
        self.skip_blanks();
        let step = match self.rest.as_bytes().first() {
            Some(b'?' | b'(') => return Err("filter expressions are not supported".into()),
            Some(b'*') => {
                self.take("*");
                Step::All
            }
            Some(b'\'' | b'"') => self.names()?,
            _ => self.numbers()?,
        };
        self.skip_blanks();
        if self.take("]") { Ok(step) } else { Err("a bracket is not closed".into()) }
    }

    fn names(&mut self) -> Result<Step, String> {
        let mut names: Vec<Box<str>> = Vec::new();
        loop {
            self.skip_blanks();
            let name = self.quoted()?;
            if !names.contains(&name) {
                names.push(name);
            }
            self.skip_blanks();
            if !self.take(",") {
                break;
            }
        }
        let last = if names.len() == 1 { names.pop() } else { None };
        Ok(last.map_or_else(|| Step::Names(names.into()), Step::Name))
    }

    fn quoted(&mut self) -> Result<Box<str>, String> {
        let mut letters = self.rest.char_indices();
        let quote = letters.next().map(|(_, quote)| quote).filter(|one| matches!(one, '\'' | '"'));
        let quote = quote.ok_or("a name in brackets stands in quotes")?;
        let (mut name, mut is_escaped) = (String::new(), false);
        for (at, letter) in letters {
            match letter {
                _ if is_escaped => {
                    name.push(letter);
                    is_escaped = false;
                }
                '\\' => is_escaped = true,
                _ if letter == quote => {
                    self.rest = &self.rest[at + letter.len_utf8()..];
                    return Ok(name.into());
                }
                _ => name.push(letter),
            }
        }
        Err("a quote is not closed".into())
    }

    fn numbers(&mut self) -> Result<Step, String> {
        let first = self.number()?;
        if self.take(":") {
            return Ok(Step::Slice(first, self.number()?));
        }
        let first = first.ok_or("brackets hold a name in quotes, an index, or `*`")?;
        let mut indices = vec![first];
        while self.take(",") {
            let next = self.number()?.ok_or("an index is missing after a comma")?;
            if !indices.contains(&next) {
                indices.push(next);
            }
        }
        let is_one = indices.len() == 1;
        Ok(if is_one { Step::Index(first) } else { Step::Indices(indices.into()) })
    }

    /// A number with the blanks around it, if there is one.
    fn number(&mut self) -> Result<Option<i64>, String> {
        self.skip_blanks();
        let is_part = |one: char| one.is_ascii_digit() || one == '-';
        let end = self.rest.find(|one| !is_part(one)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.skip_blanks();
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| format!("`{digits}` is no index"))
    }
}

/// What a name without quotes cannot have in it: it would be a mistake, or another language.
fn is_no_name(one: char) -> bool {
    one.is_whitespace() || one.is_control() || "]()'\"*?@,".contains(one)
}
