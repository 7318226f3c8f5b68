//! Reads Rust source as text, well enough to see who names whom: tokens, paths, modules. No syntax tree is needed.

use std::collections::BTreeSet;
use std::path::Path;

/// One file of `src/`.
pub struct Source {
    /// Relative to `src/`, with forward slashes: `domain/unit.rs`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The module that the file is: `domain/unit.rs` is `[domain, unit]`, `domain/mod.rs` is `[domain]`, `lib.rs` is `[]`.
    pub fn module(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let mut steps: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if matches!(steps.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            steps.pop();
        }
        steps
    }

    /// The words and marks of the program: no comments, no strings, no unit tests.
    pub fn tokens(&self) -> Vec<String> {
        tokens(&without_tests(&without_comments_and_strings(&self.text)))
    }

    /// Every path that begins at `crate`, `super`, `self` or a child module, as a path from the crate's root.
    pub fn paths(&self) -> BTreeSet<Vec<String>> {
        let tokens = self.tokens();
        let children: BTreeSet<&String> =
            tokens.windows(3).filter(|three| three[0] == "mod" && three[2] == ";").map(|three| &three[1]).collect();
        let mut found = Vec::new();
        for start in path_starts(&tokens) {
            let first = &tokens[start];
            let known = matches!(first.as_str(), "crate" | "super" | "self" | "liftwatch");
            if known || children.contains(first) {
                read_path(&tokens, start, Vec::new(), &mut found);
            }
        }
        found.into_iter().map(|path| self.rooted(&path)).collect()
    }

    /// The first word of every path with two steps or more, and of every `use x;`: the crates among them are named here.
    pub fn first_words(&self) -> BTreeSet<String> {
        let tokens = self.tokens();
        let used = tokens.windows(2).filter(|two| two[0] == "use").map(|two| two[1].clone());
        let attributes =
            tokens.windows(3).filter(|three| three[0] == "#" && three[1] == "[").map(|three| three[2].clone());
        path_starts(&tokens).map(|start| tokens[start].clone()).chain(used).chain(attributes).collect()
    }

    fn rooted(&self, path: &[String]) -> Vec<String> {
        let mut root = self.module();
        let mut steps = path.iter().peekable();
        match steps.peek().map(|step| step.as_str()) {
            Some("crate" | "liftwatch") => {
                root.clear();
                steps.next();
            }
            _ => {
                while let Some(step) = steps.next_if(|step| *step == "super" || *step == "self") {
                    if step == "super" {
                        root.pop();
                    }
                }
            }
        }
        root.extend(steps.cloned());
        root
    }
}

/// Every `.rs` file below a folder, sorted by path.
pub fn read_folder(folder: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path: relative, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Name and number of lines of every function; rustfmt puts the closing brace under the `fn`.
pub fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        let Some(name) = function_name(body) else { continue };
        if body.ends_with('}') || body.ends_with(';') {
            continue;
        }
        let closing = format!("{indent}}}");
        let length = lines[start..].iter().position(|line| *line == closing).map_or(1, |last| last + 1);
        found.push((name.to_owned(), length));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let qualifier =
        |word: &str| matches!(word, "pub" | "const" | "async" | "unsafe" | "extern") || word.starts_with("pub(");
    if !before.split_whitespace().all(qualifier) {
        return None;
    }
    after.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// Comments go, and strings become `""`; lines stay where they are.
pub fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let after = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => length_of_block_comment(rest),
            ['"', ..] => length_of_string(rest),
            ['r', '"' | '#', ..] if !chars[..at].last().is_some_and(|c| c.is_alphanumeric() || *c == '_') => {
                length_of_raw_string(rest)
            }
            ['\'', '\\', ..] => 3 + rest.iter().skip(3).position(|c| *c == '\'').unwrap_or(rest.len() - 3),
            ['\'', _, '\'', ..] => 2,
            _ => 0,
        };
        if after == 0 {
            kept.push(chars[at]);
            at += 1;
            continue;
        }
        if rest[0] == '"' || rest[0] == 'r' {
            kept.push_str("\"\"");
        }
        let end = (at + after).min(chars.len());
        kept.extend(chars[at..end].iter().filter(|c| **c == '\n'));
        // A character literal's closing quote is left over otherwise.
        at = if rest[0] == '\'' { end + 1 } else { end };
    }
    kept
}

fn length_of_block_comment(rest: &[char]) -> usize {
    rest.windows(2).skip(2).position(|two| two == ['*', '/']).map_or(rest.len(), |last| last + 4)
}

fn length_of_string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// 0 where it is no raw string but a raw identifier, `r#type`.
fn length_of_raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = hashes + 2;
    let end = rest[start..].windows(closing.len()).position(|tail| tail == closing);
    end.map_or(rest.len(), |end| start + end + closing.len())
}

/// Cuts `#[cfg(test)] mod … { … }` out; it may name what the program may not.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
            for skipped in lines.by_ref() {
                if skipped == "}" {
                    break;
                }
            }
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(next);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

/// Where a path of two steps or more begins: a word before `::`, and none before the word.
fn path_starts(tokens: &[String]) -> impl Iterator<Item = usize> + '_ {
    (0..tokens.len()).filter(|at| {
        let begins = *at == 0 || (tokens[at - 1] != "::" && tokens[at - 1] != ".");
        begins && tokens.get(at + 1).is_some_and(|next| next == "::") && tokens[*at] != ">"
    })
}

/// Reads a path or the tree of a `use`; gives the position behind it.
fn read_path(tokens: &[String], start: usize, mut prefix: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let mut at = start;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let behind = read_path(tokens, at, prefix.clone(), found);
                    at =
                        tokens[behind..].iter().position(|t| t == "," || t == "}").map_or(tokens.len(), |n| behind + n);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                // In braces, `self` is the path before them.
                if word != "self" || prefix.is_empty() {
                    prefix.push(word.to_owned());
                }
                at += 1;
            }
            _ => break,
        }
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.push(prefix);
    at.max(start + 1)
}
