//! A message as people read it, by templates: built in, or an operator's own. A template that fails never keeps a message back.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, escape_formatter};

use super::language::Language;
use super::message::{Item, LISTED, Message};
use super::sink::Text;
use super::wording::{Look, View};
use crate::domain::notice::NotificationKind;

/// Every template by the name of its file.
const BUILT_IN: [(&str, &str); 8] = [
    ("subject.zh.j2", include_str!("templates/subject.zh.j2")),
    ("subject.en.j2", include_str!("templates/subject.en.j2")),
    ("plain.zh.j2", include_str!("templates/plain.zh.j2")),
    ("plain.en.j2", include_str!("templates/plain.en.j2")),
    ("html.zh.j2", include_str!("templates/html.zh.j2")),
    ("html.en.j2", include_str!("templates/html.en.j2")),
    ("markdown.zh.j2", include_str!("templates/markdown.zh.j2")),
    ("markdown.en.j2", include_str!("templates/markdown.en.j2")),
];

/// Markdown's own escapes are not understood by every robot.
const MARKDOWN: &str = "markdown";

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {problem}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TemplateError {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<usize>,
    pub problem: String,
}

/// All templates, compiled.
#[derive(Clone)]
pub struct Templates {
    built_in: Arc<Environment<'static>>,
    /// The operator's; a name that is not in it is taken from the built-in ones.
    own: Arc<Environment<'static>>,
}

/// The built-in ones.
impl Default for Templates {
    fn default() -> Self {
        let mut environment = environment();
        for (name, source) in BUILT_IN {
            environment.add_template(name, source).expect("a test compiles the built-in templates");
        }
        Self { built_in: Arc::new(environment), own: Arc::new(self::environment()) }
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own: Vec<&str> = self.own.templates().map(|(name, _)| name).collect();
        f.debug_struct("Templates").field("own", &own).finish()
    }
}

impl Templates {
    /// Compiles the built-in templates and those of a folder, and tries them on messages of every kind.
    ///
    /// # Errors
    /// The folder cannot be read, or every template in it that does not compile or does not render.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<TemplateError>> {
        let mut templates = Self::default();
        let Some(folder) = folder else { return Ok(templates) };
        let mut own = environment();
        let mut problems = Vec::new();
        for file in files(folder).map_err(|problem| vec![problem])? {
            if let Err(problem) = add(&mut own, &file) {
                problems.push(problem);
            }
        }
        templates.own = Arc::new(own);
        problems.extend(trials(&templates.own, folder));
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// The message as this receiver reads it. Where an operator's template fails, the built-in one stands in.
    #[must_use]
    pub fn render(&self, message: &Message, look: Look<'_>) -> Text {
        let mut view = View::new(message, look);
        view.subject = one_line(&self.part("subject", look.language, &view));
        let (plain, html) = (self.part("plain", look.language, &view), self.part("html", look.language, &view));
        let markdown = self.part("markdown", look.language, &view);
        Text { subject: view.subject, plain: plain.trim().to_owned(), html, markdown: markdown.trim().to_owned() }
    }

    fn part(&self, part: &str, language: Language, view: &View<'_>) -> String {
        let name = format!("{part}.{language}.j2");
        let shown = Value::from(Serde(view));
        if let Ok(template) = self.own.get_template(&name) {
            match template.render(shown.clone()) {
                Ok(text) => return text,
                Err(error) => {
                    let error = told(&error);
                    tracing::warn!(template = %name, error, "a template failed; the built-in one is used");
                }
            }
        }
        let rendered = self.built_in.get_template(&name).and_then(|template| template.render(shown));
        rendered.unwrap_or_else(|error| {
            let error = told(&error);
            tracing::error!(template = %name, error, "a built-in template failed; its message is told in short");
            format!("liftwatch: {}, {}. {} {}", view.kind, view.count, view.note, view.link.unwrap_or_default())
        })
    }
}

/// Each template that fails, with its first failure.
fn trials(environment: &Environment<'_>, folder: &Path) -> Vec<TemplateError> {
    let messages = trial_messages();
    let zone = jiff::tz::TimeZone::UTC;
    let fails = |(name, template): (&str, minijinja::Template<'_, '_>)| {
        let language = if name.contains(".zh.") { Language::Chinese } else { Language::English };
        messages.iter().find_map(|message| {
            let mut view = View::new(message, Look { language, zone: &zone, received: Some("https://x") });
            "subject".clone_into(&mut view.subject);
            template.render(Value::from(Serde(&view))).err().map(|error| refused(&folder.join(name), &error))
        })
    };
    environment.templates().filter_map(fails).collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, TemplateError> {
    let refused = |error: std::io::Error| TemplateError {
        file: folder.to_owned(),
        line: None,
        problem: format!("cannot be read: {error}"),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|extension| extension == "j2") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add(environment: &mut Environment<'static>, file: &Path) -> Result<(), TemplateError> {
    let plain = |problem: String| TemplateError { file: file.to_owned(), line: None, problem };
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    if !BUILT_IN.iter().any(|(known, _)| *known == name) {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        return Err(plain(format!("no template is called so; there are: {}", known.join(", "))));
    }
    let source = std::fs::read_to_string(file).map_err(|error| plain(format!("cannot be read: {error}")))?;
    environment.add_template_owned(name, source).map_err(|error| refused(file, &error))
}

fn refused(file: &Path, error: &Error) -> TemplateError {
    TemplateError { file: file.to_owned(), line: error.line(), problem: told(error) }
}

fn told(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual marks"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.split('.').next() {
        Some("html") => AutoEscape::Html,
        Some(MARKDOWN) => AutoEscape::Custom(Cow::Borrowed(MARKDOWN)),
        _ => AutoEscape::None,
    });
    environment.set_formatter(write_value);
    environment
}

/// Writes one value. It comes from the registry or a controller: it cannot begin a line, and in HTML and Markdown it
/// stays the text that it is.
fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    let Some(text) = value.as_str() else { return write_other(out, state, value) };
    let line: Cow<'_, str> =
        if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() };
    match state.auto_escape() {
        // Its template says that it is HTML already.
        AutoEscape::Html if value.is_safe() => escape_formatter(out, state, value),
        AutoEscape::Html => escape_formatter(out, state, &Value::from(line.as_ref())),
        AutoEscape::Custom(_) => write_markdown(out, &line),
        _ => Ok(out.write_str(&line)?),
    }
}

/// Numbers and truth values have no marks of their own.
fn write_other(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return escape_formatter(out, state, value);
    }
    Ok(write!(out, "{value}")?)
}

/// Marks that would make a link, a heading, a picture or a mention become their wide twins; an address has none of them.
fn write_markdown(out: &mut Output, text: &str) -> Result<(), Error> {
    for c in text.chars() {
        let shown = match c {
            '[' => '［',
            ']' => '］',
            '<' => '＜',
            '>' => '＞',
            '*' => '＊',
            '`' => '｀',
            '#' => '＃',
            other => other,
        };
        out.write_char(shown)?;
    }
    Ok(())
}

/// A subject is one line, however its template is broken.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Messages of every kind: with one alert, with several, with more than are listed, with a count alone, with every part
/// and with none.
fn trial_messages() -> Vec<Message> {
    let mut messages = Vec::new();
    for kind in NotificationKind::ALL {
        for (count, full) in [(0, false), (1, false), (1, true), (3, true), (LISTED + 30, true)] {
            messages.push(trial_message(kind.as_str(), count, full));
        }
        for count in [1, 3] {
            messages.push(Message { count, ..trial_message(kind.as_str(), 0, true) });
        }
    }
    messages
}

fn trial_message(kind: &str, count: usize, full: bool) -> Message {
    let text = |text: &str| if full { text.to_owned() } else { String::new() };
    let item = Item {
        alert: "a-1".to_owned(),
        rule: "entrapment".to_owned(),
        severity: "critical".to_owned(),
        change: "fired".to_owned(),
        firing: !full,
        starts_at: 0,
        ends_at: full.then_some(1),
        unit: "T-0001".to_owned(),
        region: "350582".to_owned(),
        site: text("site"),
        address: text("address"),
        owner: text("owner"),
        maintainer: text("maintainer"),
        summary_zh: text("证据"),
        summary_en: text("evidence"),
        basis: text("依据 / basis"),
        expected_zh: text("要求"),
        expected_en: text("expected"),
        expected_by: full.then_some(1),
        link: full.then(|| "https://lifts.example/alerts/a-1".to_owned()),
    };
    Message {
        id: "n-1".to_owned(),
        kind: kind.to_owned(),
        receiver: "duty".to_owned(),
        group: "{}:{}".to_owned(),
        created_at: 0,
        items: vec![item; count.min(LISTED)],
        count,
        link: full.then(|| "https://lifts.example/alerts".to_owned()),
        zh: text("说明"),
        en: text("note"),
        checkpoint: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_templates_render_every_message_that_an_operators_are_tried_on() {
        let templates = Templates::default();
        assert_eq!(templates.built_in.templates().count(), BUILT_IN.len());
        assert_eq!(trials(&templates.built_in, Path::new("built in")), []);
    }
}
