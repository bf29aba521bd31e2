//! The pages for users, and the fenced blocks on them.

use std::{fs, path::Path};

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// From the root of the repository.
    pub page: String,
    /// The line of its fence, from 1.
    pub line: usize,
    /// How many headings precede it.
    pub section: usize,
    pub language: String,
    /// The second word of the fence: the file that the block is to be saved as.
    pub file: Option<String>,
    pub text: String,
}

impl Block {
    /// Where it is, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// Its commands, one for each line that does not continue the one before.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        joined.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README and the pages below `docs`. Decisions are left out: they record what was, and instruct in nothing.
pub fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "docs/decisions" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(name);
            }
        }
    }
    pages.sort();
    pages
}

pub fn text(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut section, mut is_inside) = (0, false);
    for (index, line) in text(page).lines().enumerate() {
        match line.strip_prefix("```") {
            Some(fence) if !is_inside => {
                let mut words = fence.split_whitespace().map(str::to_owned);
                blocks.push(Block {
                    page: page.to_owned(),
                    line: index + 1,
                    section,
                    language: words.next().unwrap_or_default(),
                    file: words.next(),
                    text: String::new(),
                });
                is_inside = true;
            }
            Some(_) => is_inside = false,
            None if is_inside => blocks.last_mut().unwrap().text.extend([line, "\n"]),
            None => section += usize::from(line.starts_with('#')),
        }
    }
    assert!(!is_inside, "{page}: the last block is not closed");
    blocks
}

/// The headings of a page, as GitHub turns them into anchors.
pub fn anchors(page: &str) -> Vec<String> {
    let mut is_inside = false;
    let text = text(page);
    let headings = text.lines().filter(|line| {
        is_inside ^= line.starts_with("```");
        !is_inside && line.starts_with('#')
    });
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|sign| sign.is_alphanumeric() || "-_".contains(*sign)).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of a page's links, those in blocks left out.
pub fn links(page: &str) -> Vec<String> {
    let mut is_inside = false;
    let text = text(page);
    let lines = text.lines().filter(|line| {
        is_inside ^= line.starts_with("```");
        !is_inside
    });
    let targets = |line: &str| -> Vec<String> {
        line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    };
    lines.flat_map(targets).collect()
}
