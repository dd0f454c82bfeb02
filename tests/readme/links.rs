//! Relative links lead to files and headings that exist.

use std::fs;
use std::path::Path;

use super::pages::{Page, all};

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut links_count = 0;
    for page in all() {
        for link in links(&page).into_iter().filter(|link| !link.contains("://")) {
            links_count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = page.folder().join(file);
            let target = if file.is_empty() {
                Some(page.text.clone())
            } else if path.is_dir() {
                Some(String::new())
            } else {
                fs::read_to_string(&path).ok()
            };
            let leads = target.is_some_and(|text| anchor.is_empty() || has_heading(&text, anchor));
            if !leads {
                broken.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(links_count > 40, "{links_count} links were found");
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_of_docs_is_in_its_index() {
    let index = super::pages::page("docs/README.md");
    for page in super::pages::docs() {
        let name = Path::new(&page.name).file_name().and_then(|name| name.to_str());
        let name = name.expect("a name");
        assert!(name == "README.md" || index.text.contains(&format!("]({name})")), "{name}");
    }
}

fn links(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let parts = prose.split("](").skip(1);
    parts.filter_map(|part| part.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

/// As GitHub makes anchors of headings: lower case, spaces to hyphens, punctuation gone.
fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let mut anchors = headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|one| one.is_alphanumeric() || "-_".contains(*one)).collect::<String>()
    });
    anchors.any(|one| one == anchor)
}
