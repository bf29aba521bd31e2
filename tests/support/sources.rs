//! The project's own sources as tokens: without comments, with string literals apart from words.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A token of Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a name.
    Word(String),
    /// The content of a string literal.
    Text(String),
    /// `::`
    Separator,
    /// Any other character.
    Sign(char),
}

/// A source file.
pub struct Source {
    /// Relative to the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
}

impl Source {
    /// Returns the keywords and names.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| if let Token::Word(word) = token { Some(word.as_str()) } else { None })
    }

    /// Returns the contents of string literals.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| if let Token::Text(text) = token { Some(text.as_str()) } else { None })
    }

    /// Returns every path, with the groups of `use` lines expanded.
    pub fn paths(&self) -> Vec<Vec<String>> {
        paths(&self.tokens)
    }
}

/// Returns every path, with the groups of `use` lines expanded.
pub fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = matches!(tokens[at], Token::Word(_)) && (at == 0 || tokens[at - 1] != Token::Separator);
        at = if begins { tree(tokens, at, &[], &mut paths) } else { at + 1 };
    }
    paths.into_iter().map(|import| import.path).collect()
}

/// Returns what the `use` lines import.
pub fn imports(tokens: &[Token]) -> Vec<Import> {
    let mut imports = Vec::new();
    for (at, two) in tokens.windows(2).enumerate() {
        if matches!(two, [Token::Word(word), Token::Word(_)] if word == "use") {
            let end = tree(tokens, at + 1, &[], &mut imports);
            name_last(tokens, end, &mut imports);
        }
    }
    imports
}

/// A name that a `use` line brings in, and the path that it stands for.
pub struct Import {
    pub name: String,
    pub path: Vec<String>,
}

fn tree(tokens: &[Token], mut at: usize, prefix: &[String], paths: &mut Vec<Import>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match &tokens[at] {
            Token::Word(word) => path.push(word.clone()),
            _ => return group(tokens, at + 1, &path, paths),
        }
        let goes_on = matches!(tokens.get(at + 2), Some(Token::Word(_) | Token::Sign('{')));
        if tokens.get(at + 1) != Some(&Token::Separator) || !goes_on {
            let name = path.iter().rfind(|part| *part != "self").cloned().unwrap_or_default();
            paths.push(Import { name, path });
            return at + 1;
        }
        at += 2;
    }
}

fn group(tokens: &[Token], mut at: usize, prefix: &[String], paths: &mut Vec<Import>) -> usize {
    loop {
        at = match tokens.get(at) {
            None | Some(Token::Sign('}')) => return at + 1,
            Some(Token::Word(word)) if word == "as" => name_last(tokens, at, paths),
            Some(Token::Word(_)) => tree(tokens, at, prefix, paths),
            Some(_) => at + 1,
        };
    }
}

/// Gives the last import the name after `as`, if there is one.
fn name_last(tokens: &[Token], at: usize, paths: &mut [Import]) -> usize {
    match (tokens.get(at), tokens.get(at + 1), paths.last_mut()) {
        (Some(Token::Word(word)), Some(Token::Word(name)), Some(last)) if word == "as" => {
            last.name.clone_from(name);
            at + 2
        }
        _ => at + 1,
    }
}

/// Reads the files below these places of the repository that have one of these extensions, in order.
pub fn sources(places: &[&str], endings: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for place in places {
        collect(&root.join(place), endings, &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "{places:?}");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        let is_rust = file.extension().is_some_and(|ending| ending == "rs");
        let tokens = if is_rust { tokens(&text) } else { Vec::new() };
        Source { path, text, tokens }
    };
    files.into_iter().map(read).collect()
}

fn collect(place: &Path, endings: &[&str], files: &mut Vec<PathBuf>) {
    if place.is_file() {
        files.push(place.to_owned());
        return;
    }
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() || endings.contains(&ending) {
            collect(&path, endings, files);
        }
    }
}

/// Splits Rust into tokens.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let starts_with = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let char = chars[at];
        if starts_with(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts_with(at, "/*") {
            at = after_comment(&chars, at);
        } else if char == '"' {
            at = text(&chars, at, &mut tokens);
        } else if char == '\'' {
            at = after_quote(&chars, at);
        } else if char.is_alphanumeric() || char == '_' {
            let end = at + chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            let word: String = chars[at..end].iter().collect();
            let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
            let is_raw = ["r", "br", "cr"].contains(&word.as_str()) && chars.get(end + hashes) == Some(&'"');
            at = if is_raw { raw_text(&chars, end + hashes, hashes, &mut tokens) } else { end };
            if !is_raw && !char.is_ascii_digit() {
                tokens.push(Token::Word(word));
            }
        } else if starts_with(at, "::") {
            tokens.push(Token::Separator);
            at += 2;
        } else {
            if !char.is_whitespace() {
                tokens.push(Token::Sign(char));
            }
            at += 1;
        }
    }
    tokens
}

fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text(chars: &[char], mut at: usize, tokens: &mut Vec<Token>) -> usize {
    let mut text = String::new();
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += usize::from(chars[at] == '\\');
        text.extend(chars.get(at));
        at += 1;
    }
    tokens.push(Token::Text(text));
    at + 1
}

fn raw_text(chars: &[char], quote: usize, hashes: usize, tokens: &mut Vec<Token>) -> usize {
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let end = (quote + 1..chars.len()).find(|at| closes(*at)).unwrap_or(chars.len());
    tokens.push(Token::Text(chars[quote + 1..end].iter().collect()));
    end + 1 + hashes
}

/// Returns the position after a character literal or a lifetime.
fn after_quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => at + 3 + chars[at + 3..].iter().take_while(|c| **c != '\'').count() + 1,
        (_, Some('\'')) => at + 3,
        _ => at + 1 + chars[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
    }
}

/// Returns the tokens without items under `#[cfg(test)]`.
pub fn without_tests(all: &[Token]) -> Vec<Token> {
    let mark = tokens("#[cfg(test)]");
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if all[at..].starts_with(&mark) {
            at = after_item(all, at + mark.len());
        } else {
            kept.push(all[at].clone());
            at += 1;
        }
    }
    kept
}

/// Returns the end of the item that begins here: after a semicolon, or after its braces.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') if depth == 1 => break,
            Token::Sign('}') => depth -= 1,
            Token::Sign(';') if depth == 0 => break,
            _ => {}
        }
    }
    at
}
