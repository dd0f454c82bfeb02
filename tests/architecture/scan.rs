//! A Rust source as tokens with their lines, comments and literals removed: as much of the
//! language as the rules need, and no more.

use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    /// Relative to the package.
    pub(crate) path: PathBuf,
    /// The module path below the crate root; empty for `lib.rs` and `main.rs`.
    pub(crate) module: Vec<String>,
    text: String,
    tokens: Vec<Token>,
}

/// A use of another top-level module of the crate.
pub(crate) struct Import {
    /// The top-level module.
    pub(crate) module: String,
    /// Where.
    pub(crate) line: usize,
}

struct Token {
    text: String,
    line: usize,
    in_tests: bool,
    /// Depth of inline modules around it.
    inline: usize,
}

impl Source {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        let mut tokens = tokenize(&text);
        mark_blocks(&mut tokens);
        Self { path: path.to_owned(), module: module_of(path), text, tokens }
    }

    /// Every `crate::`, `shardgate::` and `super::` path, in `use` groups too.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let before = at.checked_sub(1).map(|index| self.text_at(index));
            let starts_path = before != Some("::") && self.text_at(at + 1) == "::";
            at = match self.text_at(at) {
                "crate" | "shardgate" if starts_path => self.tree(at + 2, &[], &mut imports),
                "super" if starts_path => self.relative(at, &mut imports),
                _ => at + 1,
            };
        }
        imports
    }

    /// Reads one path or group at `at` that starts in the module `base`; returns what follows.
    fn tree(&self, at: usize, base: &[String], imports: &mut Vec<Import>) -> usize {
        if self.text_at(at) != "{" {
            if let Some(token) = self.tokens.get(at) {
                let module = base.first().unwrap_or(&token.text).clone();
                imports.push(Import { module, line: token.line });
            }
            return at + 1;
        }
        let (mut at, mut depth, mut at_start) = (at + 1, 1, true);
        while depth > 0 && at < self.tokens.len() {
            let token = &self.tokens[at];
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," => {}
                _ if depth == 1 && at_start => {
                    let module = base.first().unwrap_or(&token.text).clone();
                    imports.push(Import { module, line: token.line });
                }
                _ => {}
            }
            at_start = token.text == "{" && depth == 1 || token.text == ",";
            at += 1;
        }
        at
    }

    /// A path of `super`s: each leads one module out.
    fn relative(&self, at: usize, imports: &mut Vec<Import>) -> usize {
        let (mut after, mut steps) = (at, 0);
        while self.text_at(after) == "super" && self.text_at(after + 1) == "::" {
            after += 2;
            steps += 1;
        }
        let depth = self.module.len() + self.tokens[at].inline;
        let left = depth.saturating_sub(steps).min(self.module.len());
        self.tree(after, &self.module[..left], imports)
    }

    /// Lines that hold `sought`: one token, or several joined by `::`; or with `::` at its end,
    /// the first token of a path.
    pub(crate) fn lines_with(&self, sought: &str) -> Vec<usize> {
        match sought.strip_suffix("::") {
            Some(root) => self.find(root, Self::is_path_root),
            None => self.find(sought, |_, _| true),
        }
    }

    /// Whether a path starts at `at`, with or without `::` in front of it.
    fn is_path_root(&self, at: usize) -> bool {
        let before = |count: usize| at.checked_sub(count).map_or("", |index| self.text_at(index));
        let is_word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let continues = before(1) == "::" && (is_word(before(2)) || before(2) == ">");
        self.text_at(at + 1) == "::" && !continues
    }

    pub(crate) fn lines_with_outside_tests(&self, sought: &str) -> Vec<usize> {
        self.find(sought, |source, at| !source.tokens[at].in_tests)
    }

    pub(crate) fn lines_with_macro(&self, name: &str) -> Vec<usize> {
        self.find(name, |source, at| source.text_at(at + 1) == "!")
    }

    pub(crate) fn lines_with_method_outside_tests(&self, name: &str) -> Vec<usize> {
        self.find(name, |source, at| {
            at > 0 && source.text_at(at - 1) == "." && !source.tokens[at].in_tests
        })
    }

    /// Lines of the text, comments included, that hold `note` as a word of its own.
    pub(crate) fn lines_with_note(&self, note: &str) -> Vec<usize> {
        let is_word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|w| w == note);
        (1..).zip(self.text.lines()).filter(|(_, line)| is_word(line)).map(|(at, _)| at).collect()
    }

    pub(crate) fn starts_with_module_doc(&self) -> bool {
        self.text.trim_start().starts_with("//!")
    }

    fn find(&self, sought: &str, accept: impl Fn(&Self, usize) -> bool) -> Vec<usize> {
        let parts: Vec<_> = sought.split("::").collect();
        let is_here = |at: usize| {
            parts.iter().enumerate().all(|(index, part)| {
                self.text_at(at + 2 * index) == *part
                    && (index == 0 || self.text_at(at + 2 * index - 1) == "::")
            })
        };
        let found = (0..self.tokens.len()).filter(|at| is_here(*at) && accept(self, *at));
        found.map(|at| self.tokens[at].line).collect()
    }

    fn text_at(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }
}

/// `src/proto/http1.rs` and `src/proto/http1/mod.rs` are both `proto::http1`.
fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<_> =
        path.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    let file = parts.pop().unwrap_or_default();
    match file.as_str() {
        "lib.rs" | "main.rs" | "mod.rs" => {}
        _ => parts.push(file.trim_end_matches(".rs").to_owned()),
    }
    parts
}

/// Notes for each token how many inline modules are around it, and whether one of them is
/// `#[cfg(test)]`.
fn mark_blocks(tokens: &mut [Token]) {
    enum Block {
        Plain,
        Module { is_test: bool },
    }
    let (mut blocks, mut test_comes) = (Vec::new(), false);
    for at in 0..tokens.len() {
        let is_test = |blocks: &Vec<Block>| {
            blocks.iter().any(|b| matches!(b, Block::Module { is_test: true }))
        };
        let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
        let back = |count: usize| at.checked_sub(count).map_or("", text);
        if (text(at), text(at + 1), text(at + 2), text(at + 3)) == ("cfg", "(", "test", ")") {
            test_comes = true;
        }
        match text(at) {
            "{" if back(2) == "mod" => {
                blocks.push(Block::Module { is_test: test_comes });
                test_comes = false;
            }
            "{" => blocks.push(Block::Plain),
            "}" => {
                blocks.pop();
            }
            // `#[cfg(test)] mod tests;` and `#[cfg(test)] use ...;`
            ";" => test_comes = false,
            _ => {}
        }
        tokens[at].in_tests = is_test(&blocks);
        tokens[at].inline = blocks.iter().filter(|b| matches!(b, Block::Module { .. })).count();
    }
}

fn tokenize(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let end = end_of_token(bytes, at);
        let word = &text[at..end];
        if is_code(bytes, at) {
            tokens.push(Token { text: word.to_owned(), line, in_tests: false, inline: 0 });
        }
        line += word.matches('\n').count();
        at = end;
    }
    tokens
}

/// Whether the token at `at` is neither space, comment nor literal.
fn is_code(bytes: &[u8], at: usize) -> bool {
    let one = bytes[at];
    let is_comment = bytes[at..].starts_with(b"//") || bytes[at..].starts_with(b"/*");
    let is_text = one == b'"' || one == b'\'' || raw_string_hashes(bytes, at).is_some();
    !one.is_ascii_whitespace() && !is_comment && !is_text
}

fn end_of_token(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return end_of_block_comment(bytes, at);
    }
    if let Some((hashes, quote)) = raw_string_hashes(bytes, at) {
        let close: Vec<u8> = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        let found = bytes[quote + 1..].windows(close.len()).position(|window| window == close);
        return found.map_or(bytes.len(), |found| quote + 1 + found + close.len());
    }
    match rest[0] {
        b'"' => end_of_quoted(bytes, at, b'"'),
        b'\'' if is_char(rest) => end_of_quoted(bytes, at, b'\''),
        // A lifetime: the quote and its name.
        b'\'' => at + 1 + word_length(&rest[1..]),
        b':' if rest.starts_with(b"::") => at + 2,
        _ => at + word_length(rest).max(char_length(rest)),
    }
}

fn is_char(rest: &[u8]) -> bool {
    rest.get(1) == Some(&b'\\') || rest[1..].get(char_length(&rest[1..])) == Some(&b'\'')
}

fn word_length(rest: &[u8]) -> usize {
    rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

fn char_length(rest: &[u8]) -> usize {
    1 + rest.iter().skip(1).take_while(|b| (**b & 0xC0) == 0x80).count()
}

fn end_of_quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            one if one == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at + 2, 1);
    while at < bytes.len() && depth > 0 {
        let step = match &bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
    }
    at
}

/// For `r"`, `r#"`, `br##"` and the like: how many hashes, and where the quote is. `b"` and `c"`
/// count as raw strings of no hashes only if they hold no escape, which the quoted form handles.
fn raw_string_hashes(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &bytes[at..];
    let prefix = [b"br".as_slice(), b"cr", b"r"].into_iter().find(|one| rest.starts_with(one))?;
    let hashes = rest[prefix.len()..].iter().take_while(|b| **b == b'#').count();
    let quote = prefix.len() + hashes;
    (rest.get(quote) == Some(&b'"')).then_some((hashes, at + quote))
}
