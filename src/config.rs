//! Reads one TOML file once and hands each part its own section; every refusal names file, line and key.
//! Knows no part's keys but its own (config/sections.rs), and never holds a secret: those stand in files of their own.

mod place;

mod wording;

pub mod sections;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// One thing that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// Dotted, without the positions in lists: the line tells which `[[region]]` is meant. Empty for broken TOML.
    pub key: String,
    /// What is wrong and what would be right; never a secret.
    pub message: String,
}

/// Everything that is wrong with a configuration file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file as the caller named it.
    pub path: PathBuf,
    /// Sorted by line.
    pub problems: Vec<Problem>,
}

/// One line per problem, `file:line: key: what is wrong`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.path.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            write!(f, ": {}", problem.message)?;
        }
        Ok(())
    }
}

/// A configuration file that is being read. Parts take their sections, refuse what they cannot use,
/// and [`Document::finish`] then tells everything that was wrong at once.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    /// Good TOML. Its tree borrows from it and is cheap, so whoever needs the tree parses it again.
    text: Arc<str>,
    /// Dotted names of the sections that somebody took.
    taken: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Document {
    /// Reads and parses the file.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8 or is not TOML; every place with broken TOML is named.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let whole = |message: String| ConfigError {
            path: path.to_owned(),
            problems: vec![Problem { line: None, key: String::new(), message }],
        };
        let bytes = std::fs::read(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(path, text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
                let message = "not UTF-8; save the file in that encoding".to_owned();
                let problems = vec![Problem { line: Some(line), key: String::new(), message }];
                Err(ConfigError { path: path.to_owned(), problems })
            }
        }
    }

    /// Parses a text as if it had been read from `path`.
    ///
    /// # Errors
    /// When the text is not TOML; every place is named.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let (_, errors) = DeTable::parse_recoverable(&text);
        let mut broken: Vec<Problem> = Vec::new();
        for error in &errors {
            let line = match error.span() {
                Some(span) => place::line_of(&text, span.start),
                None => place::line_that_brings(&text, |text| {
                    DeTable::parse_recoverable(text).1.iter().any(|found| found.message() == error.message())
                }),
            };
            let line = Some(line);
            // Recovery inside one line tends to stumble again at once; the first word on a line is the true one.
            if broken.last().is_none_or(|last| last.line != line) {
                broken.push(Problem { line, key: String::new(), message: wording::broken_toml(error.message()) });
            }
        }
        let good = broken.is_empty();
        let document = Self { path: path.to_owned(), text: text.into(), taken: BTreeSet::new(), problems: broken };
        if good { Ok(document) } else { Err(document.into_error()) }
    }

    /// Takes one section by its dotted name, such as `store` or `rules.over_age`; a missing section is `T::default()`.
    ///
    /// `T` lists its own keys (`#[serde(default, deny_unknown_fields)]`). Whatever is wrong is kept for
    /// [`Document::finish`], and the default stands in its place until then.
    pub fn section<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.taken.insert(name.to_owned());
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let text = Arc::clone(&self.text);
        match place::find(&tree(&text), &path) {
            None => T::default(),
            Some(value) if !value.get_ref().is_table() => {
                let message = format!("must be a section, [{name}]");
                self.refuse_at(value.span(), path, message);
                T::default()
            }
            Some(value) => self.read(value.clone(), path).unwrap_or_default(),
        }
    }

    /// Takes every `[[name]]` in the order of the file; entries that are wrong are left out and kept for
    /// [`Document::finish`].
    pub fn list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        self.list_at(name).into_iter().map(|(_, entry)| entry).collect()
    }

    /// As [`Document::list`], each entry with its position in the file (from 0), for [`Document::refuse`].
    pub fn list_at<T: DeserializeOwned>(&mut self, name: &str) -> Vec<(usize, T)> {
        self.taken.insert(name.to_owned());
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let text = Arc::clone(&self.text);
        let Some(value) = place::find(&tree(&text), &path).cloned() else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(entries) = value.into_inner() else {
            self.refuse_at(span, path, format!("must be a list of sections, [[{name}]]"));
            return Vec::new();
        };
        let mut read = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            let mut at = path.clone();
            at.push(position.to_string());
            if let Some(entry) = self.read(entry, at) {
                read.push((position, entry));
            }
        }
        read
    }

    /// Notes that a value cannot be used. `key` is dotted, with positions in lists as numbers from 0:
    /// `http.listen`, `region.1.broker`. A key that the file does not have is shown at its section's line.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let line = place::line_of_key(&tree(&self.text), &self.text, &path);
        self.problems.push(Problem { line, key: place::dotted(&path), message: message.into() });
    }

    /// Whether nothing is refused so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Relative paths in the file start at the file's own folder. What is below `secrets/` there may be for root alone:
    /// a service manager that reads it for us (systemd's `LoadCredential=secrets:FOLDER`) puts it where it says. Where it
    /// does not, or where we cannot read it (a container whose mounts are not shared), the file itself is read.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let handed = std::env::var_os("CREDENTIALS_DIRECTORY");
        let place = handed.as_deref().and_then(|folder| credential(Path::new(folder), path));
        if let Some(place) = place.filter(|place| std::fs::File::open(place).is_ok()) {
            return place;
        }
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Whether the file has this section or key (dotted, as for [`Document::refuse`]).
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        place::find(&tree(&self.text), &path).is_some()
    }

    /// The file as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Ends the reading: refuses sections that nobody took.
    ///
    /// # Errors
    /// Everything that was wrong anywhere in the file, in the order of its lines.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        self.refuse_untaken();
        if self.problems.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    /// Deserializes one value. On a problem the offending key is put aside and the rest read again,
    /// so that one run tells every wrong key and not only the first.
    fn read<T: DeserializeOwned>(&mut self, mut value: Spanned<DeValue<'_>>, path: Vec<String>) -> Option<T> {
        let mut aside: BTreeSet<Vec<String>> = BTreeSet::new();
        loop {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(read) => return aside.is_empty().then_some(read),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(value.span());
            let inner = place::path_of(value.get_ref(), &span).unwrap_or_default();
            let told = wording::in_plain_words(error.message());
            let mut key = inner.clone();
            key.extend(told.missing.clone());
            // A key that was put aside is not missing; the loop ends here, for nothing more can be learned.
            if told.missing.is_some() && aside.iter().any(|put| put.starts_with(&key)) {
                return None;
            }
            self.refuse_at(span, path.iter().chain(&key).cloned().collect(), told.message);
            if told.missing.is_some() || !place::remove(value.get_mut(), &inner) {
                return None;
            }
            aside.insert(inner);
        }
    }

    fn refuse_at(&mut self, span: Range<usize>, path: Vec<String>, message: String) {
        let line = Some(place::line_of(&self.text, span.start));
        self.problems.push(Problem { line, key: place::dotted(&path), message });
    }

    fn refuse_untaken(&mut self) {
        let mut unknown = Vec::new();
        place::untaken(&tree(&self.text), &self.taken, "", &mut unknown);
        for (span, name, known) in unknown {
            let last = name.rsplit('.').next().unwrap_or(&name);
            let message = format!("unknown section{}", wording::known_names(last, &known));
            self.refuse_at(span, vec![name], message);
        }
    }

    fn into_error(mut self) -> ConfigError {
        self.problems.sort();
        self.problems.dedup();
        ConfigError { path: self.path, problems: self.problems }
    }
}

/// Where `secrets/NAME` lies among the credentials: systemd names them `secrets_NAME`.
fn credential(folder: &Path, path: &Path) -> Option<PathBuf> {
    let name = path.strip_prefix("secrets").ok()?.to_str().filter(|name| !name.is_empty())?;
    Some(folder.join(format!("secrets_{}", name.replace('/', "_"))))
}

fn tree(text: &str) -> DeTable<'_> {
    DeTable::parse_recoverable(text).0.into_inner()
}
