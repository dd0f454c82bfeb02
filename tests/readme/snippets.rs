//! Every boot file in the pages has no mistakes and compiles.

use shardgate::{plan, settings};

use super::pages::for_users;

#[test]
fn every_boot_file_parses_and_compiles() {
    let mut files_count = 0;
    for page in for_users() {
        for block in page.blocks().into_iter().filter(|block| block.language == "toml") {
            files_count += 1;
            let settings = settings::parse(&page.name, &block.text);
            let settings = settings.unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
            if let Err(errors) = plan::compile(&settings.model, 1) {
                panic!("{}: {errors:?}", page.name);
            }
        }
    }
    assert!(files_count >= 5, "{files_count} boot files were found");
}
