//! What the documents name exists: paths of the repository, targets of links, and the identifiers of the glossary.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders in which a path in backticks begins.
const FOLDERS: &[&str] = &[
    "src",
    "entity",
    "migration",
    "analysis",
    "tests",
    "benches",
    "docs",
    "web",
    "examples",
    "findings",
    ".ci",
    ".github",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn markdown_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

/// The documents about the present state. The change log is about the past.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found: Vec<PathBuf> = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    for folder in ["docs", "findings"] {
        markdown_below(&root().join(folder), &mut found);
    }
    found.sort();
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Returns the text without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Returns the code spans of a text.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Returns the identifiers that follow a Rust file and a colon: `file.rs`: `identifier`.
fn identifiers(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().flat_map(|line| {
        let parts: Vec<_> = line.split('`').collect();
        let named = (1..parts.len().saturating_sub(3)).step_by(2).filter(|at| {
            parts[at + 1] == ": " && Path::new(parts[*at]).extension().is_some_and(|ending| ending == "rs")
        });
        named.map(|at| (parts[at], parts[at + 2])).collect::<Vec<_>>()
    })
}

/// Returns whether a code span is a path of the repository: inside one of its folders, or a document at its root.
fn is_path(span: &str) -> bool {
    let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
    let is_inside = span.split_once('/').is_some_and(|(folder, _)| FOLDERS.contains(&folder));
    let is_document = span.strip_suffix(".md").is_some_and(|name| !name.is_empty() && !name.contains('/'));
    is_plain && (is_inside || is_document)
}

/// Returns the targets of links, without those to other sites and without anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let targets = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    targets.filter_map(|target| target.split('#').next()).filter(|target| !target.is_empty())
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut checked = 0;
    for (document, text) in documents() {
        let (prose, name) = (prose(&text), document.strip_prefix(root()).unwrap().display());
        for span in code_spans(&prose).filter(|span| is_path(span)) {
            // The threats name their tests by the place in `tests/`.
            let exists = root().join(span).exists() || root().join("tests").join(span).exists();
            assert!(exists, "{name}: `{span}` does not exist");
            checked += 1;
        }
        for (file, identifier) in identifiers(&prose) {
            // The end of a long name may be left out.
            let identifier = identifier.trim_end_matches('…');
            let file = [root().join(file), root().join("tests").join(file)].into_iter().find(|file| file.is_file());
            let is_there = file.is_some_and(|file| fs::read_to_string(file).unwrap().contains(identifier));
            assert!(is_there, "{name}: `{identifier}` does not exist");
        }
        for target in links(&prose) {
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{name}: the link to {target} is broken");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// In the last column of the glossary, a file is followed by the identifiers that it has for the term.
#[test]
fn the_glossary_names_what_its_files_contain() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let mut checked = 0;
    for row in glossary.lines().filter(|line| line.starts_with('|')) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let mut file = None;
        for span in code_spans(cell) {
            if is_path(span) {
                file = Some(span).filter(|path| root().join(path).is_file());
            } else if let Some(path) = file {
                let text = fs::read_to_string(root().join(path)).unwrap();
                assert!(text.contains(span), "docs/glossary.md: {path} does not contain `{span}`");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn every_finding_and_decision_is_listed() {
    for (folder, ending) in [("findings", "sh"), ("docs/decisions", "md")] {
        let list = fs::read_to_string(root().join(folder).join("README.md")).unwrap();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_one = path.extension().is_some_and(|found| found == ending) && name != "README.md";
            assert!(!is_one || list.contains(&format!("({name})")), "{folder}/README.md does not list {name}");
        }
    }
}

#[test]
fn paths_and_links_are_recognised() {
    let text = "`src/lib.rs` `cargo test` `README.md` `pyproject.toml` `metric.part`\n[a](b.md#c) [d](https://e.f/g.md) ```\n`src/x`\n```";
    let prose = prose(text);
    assert_eq!(code_spans(&prose).filter(|span| is_path(span)).collect::<Vec<_>>(), ["src/lib.rs", "README.md"]);
    assert_eq!(links(&prose).collect::<Vec<_>>(), ["b.md"]);
    let named: Vec<_> = identifiers("| `a.rs`: `f`, `g`; `b.rs` `h` `c.md`: `i` |").collect();
    assert_eq!(named, [("a.rs", "f")]);
}
