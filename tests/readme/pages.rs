//! The pages for people, and the little of Markdown that they use.

use std::fs;
use std::path::{Path, PathBuf};

/// One page.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// One fenced block of a page.
#[derive(Debug)]
pub(crate) struct Block {
    /// The word after the fence.
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn page(name: &str) -> Page {
    let text = fs::read_to_string(repository().join(name));
    let text = text.unwrap_or_else(|error| panic!("{name} is missing: {error}"));
    Page { name: name.to_owned(), text }
}

/// Everything under `docs/`.
pub(crate) fn docs() -> Vec<Page> {
    let entries = fs::read_dir(repository().join("docs")).expect("docs/ is in the repository");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").file_name())
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    assert!(names.len() >= 10, "pages of docs/: {names:?}");
    names.iter().map(|name| page(&format!("docs/{name}"))).collect()
}

/// README and docs: what users read.
pub(crate) fn for_users() -> Vec<Page> {
    let mut pages = docs();
    pages.insert(0, page("README.md"));
    pages
}

/// All pages.
pub(crate) fn all() -> Vec<Page> {
    let mut pages = for_users();
    let others = ["CONTRIBUTING.md", "src/ARCHITECTURE.md", "flamegraphs/README.md"];
    pages.extend(others.into_iter().map(page));
    pages
}

impl Page {
    pub(crate) fn folder(&self) -> PathBuf {
        let folder = Path::new(&self.name).parent().unwrap_or(Path::new(""));
        repository().join(folder)
    }

    /// The part from the heading `title` to the next heading of the same level.
    pub(crate) fn section(&self, title: &str) -> Self {
        let heading = format!("\n## {title}\n");
        let start = self.text.find(&heading);
        let start = start.unwrap_or_else(|| panic!("{}: no section {title:?}", self.name));
        let body = &self.text[start + heading.len()..];
        let text = body.split("\n## ").next().unwrap_or(body).to_owned();
        Self { name: self.name.clone(), text }
    }

    /// The fenced blocks in their order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_inside = false;
        for line in self.text.lines() {
            match line.strip_prefix("```") {
                Some(language) if !is_inside => {
                    blocks.push(Block { language: language.to_owned(), text: String::new() });
                    is_inside = true;
                }
                Some(_) => is_inside = false,
                None if is_inside => {
                    let block = blocks.last_mut().expect("a block was opened");
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!is_inside, "{}: a block is not closed", self.name);
        blocks
    }

    /// The text without its fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let parts = self.text.split("\n```");
        parts.step_by(2).collect::<Vec<_>>().join("\n")
    }

    /// What stands between backticks in the prose.
    pub(crate) fn code_words(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}
