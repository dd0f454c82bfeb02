//! What README and docs say, against the program: commands run, snippets parse, names exist,
//! generated tables are up to date, links lead somewhere.
//!
//! `SHARDGATE_BLESS=1 cargo test --test readme` rewrites the generated tables.

#[path = "readme/commands.rs"]
mod commands;
#[path = "readme/links.rs"]
mod links;
#[path = "readme/names.rs"]
mod names;
#[path = "readme/pages.rs"]
mod pages;
#[path = "readme/snippets.rs"]
mod snippets;
#[path = "readme/tables.rs"]
mod tables;
