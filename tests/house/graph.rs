//! Which file imports which: the module graph of the crates, read from their sources.
//!
//! Every path counts, in `use` lines and elsewhere, also those inside attributes' texts. A name that a module only re-exports
//! leads to the file that defines it, so that a re-export hides no arrow. Unit tests are left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::sources::{Import, Source, Token, imports, paths, tokens, without_tests};

/// Re-exports of re-exports are followed so far.
const MAX_DEPTH: usize = 16;

/// A file of the graph.
struct File {
    path: String,
    /// The crate and the modules below it.
    module: Vec<String>,
    imports: Vec<Import>,
    paths: Vec<Vec<String>>,
}

/// The files, and the arrows between them: from the importing to the imported one.
pub struct Graph {
    pub files: Vec<String>,
    pub arrows: BTreeSet<(usize, usize)>,
}

/// Reads the graph of these files.
pub fn read(sources: &[Source]) -> Graph {
    let files: Vec<File> = sources.iter().map(file).collect();
    let by_module: BTreeMap<&[String], usize> =
        files.iter().enumerate().map(|(at, file)| (file.module.as_slice(), at)).collect();
    let modules = Modules { files: &files, by_module };
    let mut arrows = BTreeSet::new();
    for (from, file) in files.iter().enumerate() {
        for path in file.paths.iter().filter(|path| path.len() > 1) {
            arrows.extend(modules.find(from, path, 0).filter(|to| *to != from).map(|to| (from, to)));
        }
    }
    Graph { files: files.iter().map(|file| file.path.clone()).collect(), arrows }
}

fn file(source: &Source) -> File {
    let tokens_of_program = without_tests(&source.tokens);
    let mut all = paths(&tokens_of_program);
    for token in &tokens_of_program {
        if let Token::Text(text) = token {
            let is_ours = |path: &Vec<String>| ["crate", "super"].contains(&path[0].as_str());
            all.extend(paths(&tokens(text)).into_iter().filter(is_ours));
        }
    }
    let module = module_of(&source.path);
    File { path: source.path.clone(), module, imports: imports(&tokens_of_program), paths: all }
}

/// The crate of a file, and its modules from there.
fn module_of(path: &str) -> Vec<String> {
    let (place, inside) = path.split_once("src/").unwrap();
    let name = match (place, inside) {
        ("", "main.rs") => return vec!["main".to_owned()],
        ("", _) => "metrograph",
        (other, _) => other.trim_end_matches('/'),
    };
    let mut module = vec![name.to_owned()];
    module.extend(inside.trim_end_matches(".rs").split('/').map(str::to_owned));
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

struct Modules<'a> {
    files: &'a [File],
    by_module: BTreeMap<&'a [String], usize>,
}

impl Modules<'_> {
    /// The file that a path leads to, seen from another one; none where it leads out of these crates.
    fn find(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        let module = &self.files[from].module;
        let ups = path.iter().take_while(|part| *part == "super").count();
        let (start, rest) = match path[0].as_str() {
            "crate" => (self.at(&module[..1])?, &path[1..]),
            "self" => (from, &path[1..]),
            "super" => (self.at(&module[..module.len().checked_sub(ups)?])?, &path[ups..]),
            name => match self.child(from, name).or_else(|| self.at(&path[..1])) {
                Some(start) => (start, &path[1..]),
                None => return None,
            },
        };
        Some(self.walk(start, rest, depth))
    }

    fn walk(&self, mut at: usize, path: &[String], depth: usize) -> usize {
        for (done, name) in path.iter().enumerate().filter(|(_, name)| *name != "self") {
            if let Some(child) = self.child(at, name) {
                at = child;
                continue;
            }
            let Some(import) = self.files[at].imports.iter().find(|import| import.name == *name) else { break };
            let whole: Vec<String> = import.path.iter().chain(&path[done + 1..]).cloned().collect();
            return self.find(at, &whole, depth + 1).unwrap_or(at);
        }
        at
    }

    fn at(&self, module: &[String]) -> Option<usize> {
        self.by_module.get(module).copied()
    }

    fn child(&self, of: usize, name: &str) -> Option<usize> {
        let module = &self.files[of].module;
        // The program and the library share a folder.
        let root = if module[0] == "main" { "metrograph" } else { &module[0] };
        let child: Vec<String> =
            [root].into_iter().chain(module[1..].iter().map(String::as_str)).chain([name]).map(str::to_owned).collect();
        self.at(&child)
    }
}

#[test]
fn imports_lead_to_the_file_that_defines_a_name() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned(), tokens: tokens(text) };
    let sources = [
        source("entity/src/lib.rs", "pub mod row; pub use crate::row::Row as Line;"),
        source("entity/src/row.rs", "pub struct Row; #[cfg(test)] mod tests { use crate::Line; }"),
        source(
            "src/a/inner.rs",
            "#[serde(with = \"crate::b\")] pub struct Inner; pub(crate) fn x(row: entity::Line) {}",
        ),
        source("src/a/mod.rs", "mod inner; pub use inner::Inner;"),
        source("src/b.rs", "use crate::{self, a::Inner}; use std::fmt;"),
        source("src/lib.rs", "pub mod a; pub mod b; fn y() { b::z() }"),
        source("src/main.rs", "fn main() { metrograph::a::Inner::new() }"),
    ];
    let graph = read(&sources);
    let name = |file: usize| graph.files[file].as_str();
    let arrows: Vec<_> = graph.arrows.iter().map(|(from, to)| (name(*from), name(*to))).collect();
    assert_eq!(
        arrows,
        [
            ("entity/src/lib.rs", "entity/src/row.rs"),
            ("src/a/inner.rs", "entity/src/row.rs"),
            ("src/a/inner.rs", "src/b.rs"),
            ("src/a/mod.rs", "src/a/inner.rs"),
            ("src/b.rs", "src/a/inner.rs"),
            ("src/b.rs", "src/lib.rs"),
            ("src/lib.rs", "src/b.rs"),
            ("src/main.rs", "src/a/inner.rs"),
        ]
    );
}
