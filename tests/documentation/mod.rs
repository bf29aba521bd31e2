//! What the README and the pages for users show: every block runs here or with the real clients, or is listed with a reason.

mod blocks;
mod walk;
mod weeks;

use std::path::Path;

use blocks::{Block, anchors, blocks, links, pages, root, text};
use walk::Walk;

/// Commands and blocks that do not run, by how they begin, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo install", "builds the program once more, optimized; takes minutes"),
    ("cargo run", "builds the program once more, optimized; takes minutes"),
    ("cargo test", "is this test"),
    ("createdb", "each test has a database of its own, made with the same options"),
    ("install -D", "needs root and systemd; `.ci/packaging` checks the unit"),
    ("docker build", "needs a container engine; `.ci/packaging` checks the Dockerfile"),
    ("POSTGRES_PASSWORD=", "needs a container engine; `.ci/packaging` checks the compose file"),
];

/// Pages that `tests/clients/documentation.py` reads as a whole.
const WITH_REAL_CLIENTS: &[&str] = &["docs/clients.md", "docs/pytest.md"];

/// Whether `tests/clients/documentation.py` runs it, which finds it by the same rule.
fn is_for_real_clients(block: &Block) -> bool {
    let uses_pytest = |command: &String| command.starts_with("pytest ") || command.starts_with("pip install ");
    WITH_REAL_CLIENTS.contains(&block.page.as_str()) || block.commands().iter().any(uses_pytest)
}

fn is_listed(text: &str) -> bool {
    NOT_RUN.iter().any(|(start, _)| text.starts_with(start))
}

/// Does what a page shows, from its first block to its last.
async fn follow(page: &str) {
    let mut walk = Walk::begin(page).await;
    for block in blocks(page).iter().filter(|block| !is_for_real_clients(block) && !is_listed(&block.text)) {
        walk.step(block, is_listed).await;
    }
    walk.end().await;
}

macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        const FOLLOWED: &[&str] = &[$($page),*];

        $(#[tokio::test]
        async fn $name() {
            follow($page).await;
        })*
    };
}

pages! {
    readme "README.md"
    access "docs/access.md"
    graphql "docs/graphql.md"
    limits "docs/limits.md"
    live_data "docs/live-data.md"
    migrating "docs/migrating.md"
    operating "docs/operating.md"
    questions "docs/questions.md"
    rest_v1 "docs/rest-v1.md"
    rest_v2 "docs/rest-v2.md"
    settings "docs/settings.md"
}

#[test]
fn every_page_with_blocks_is_followed() {
    for page in pages() {
        let is_known = FOLLOWED.contains(&page.as_str()) || WITH_REAL_CLIENTS.contains(&page.as_str());
        assert!(is_known || blocks(&page).is_empty(), "{page}: add it to the pages that are followed");
    }
}

/// Each question is one operation: on the page, as an example in GraphiQL, and as a trusted document that comes with the program.
#[test]
fn questions_are_the_documents_that_are_shipped() {
    let folder = root().join("web/questions");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.collect();
    files.sort();
    let shown = blocks("docs/questions.md").into_iter().filter(|block| block.language == "graphql");
    let mut shown: Vec<String> = shown.map(|block| block.text).collect();
    shown.sort();
    let mut shipped: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(folder.join(file)).unwrap()).collect();
    shipped.sort();
    assert_eq!(shown, shipped);
    let page = text("docs/questions.md");
    for file in files {
        let id = file.strip_suffix(".graphql").unwrap();
        assert!(page.contains(&format!("`{id}`")), "docs/questions.md: the id {id}");
    }
}

#[test]
fn what_is_listed_is_there() {
    let blocks: Vec<_> = pages().iter().flat_map(|page| blocks(page)).collect();
    for (start, reason) in NOT_RUN {
        let is_there = |block: &Block| {
            block.text.starts_with(start) || block.commands().iter().any(|command| command.starts_with(start))
        };
        assert!(!reason.is_empty() && blocks.iter().any(is_there), "no block begins with {start}");
    }
}

#[test]
fn links_lead_to_files_and_headings() {
    let others = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned);
    for page in pages().into_iter().chain(others) {
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&page).iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file).to_str().unwrap().to_owned() };
            assert!(root().join(&target).exists(), "{page}: {link}");
            assert!(anchor.is_empty() || anchors(&target).iter().any(|known| known == anchor), "{page}: {link}");
        }
    }
}

#[test]
fn the_readme_is_a_first_page() {
    assert!(text("README.md").lines().count() <= 150);
}
