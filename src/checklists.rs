//! What a visit has to look at, by kind of unit and of visit: data files, built in, which an operator's own may stand for.
//! Judges answers, refuses none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::config::{ConfigError, Document, Problem};
use crate::domain::unit::UnitKind;
use crate::domain::visit::VisitKind;
use crate::domain::vocabulary::vocabulary;
use crate::serde_word;

/// The built-in lists, by the name of their file.
const BUILT_IN: [(UnitKind, &str, &str); 4] = [
    (UnitKind::Traction, "traction.toml", include_str!("../config/checklists/traction.toml")),
    (UnitKind::Hydraulic, "hydraulic.toml", include_str!("../config/checklists/hydraulic.toml")),
    (UnitKind::Dumbwaiter, "dumbwaiter.toml", include_str!("../config/checklists/dumbwaiter.toml")),
    (UnitKind::Escalator, "escalator.toml", include_str!("../config/checklists/escalator.toml")),
];

/// `[maintenance]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A folder; a file in it stands for the built-in one of the same name.
    pub checklists: Option<PathBuf>,
}

vocabulary!(
    /// What kind of answer an item asks for.
    AnswerKind, "answer kind", { PassFail = "pass_fail", Number = "number", Text = "text" }
);

vocabulary!(
    /// The words of a [`AnswerKind::PassFail`] answer. Not every item applies to every unit.
    PassFail, "answer", { Pass = "pass", Fail = "fail", NotApplicable = "not_applicable" }
);

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: String,
    /// The shortest kind of visit that looks at it; every longer one does too.
    #[serde(with = "serde_word::one")]
    pub from: VisitKind,
    pub zh: String,
    pub en: String,
    #[serde(with = "serde_word::one")]
    pub answer: AnswerKind,
    /// Of a number.
    #[serde(default)]
    pub unit: Option<String>,
}

/// The list of one kind of unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checklist {
    pub version: String,
    items: Vec<Item>,
}

/// The lists of every kind of unit; a clone shares them.
#[derive(Debug, Clone)]
pub struct Checklists(Arc<Vec<(UnitKind, Checklist)>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Head {
    kind: String,
    version: String,
}

/// What a visit's answers leave to be asked. Ids in the order of the list, or of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The list has no such item.
    pub unknown: Vec<String>,
    /// The list has it, the record does not answer it.
    pub unanswered: Vec<String>,
    /// Answered in another way than the list asks for.
    pub ill_fitting: Vec<String>,
    /// Answered with "fail".
    pub failed: Vec<String>,
}

/// An answer as a record has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer<'a> {
    Text(&'a str),
    Number,
}

impl Default for Checklists {
    /// The built-in lists; a test reads them all.
    fn default() -> Self {
        Self::load(None).expect("the built-in lists are good")
    }
}

impl Checklists {
    /// Reads the lists.
    ///
    /// # Errors
    /// Everything that is wrong with the first bad file.
    pub fn load(folder: Option<&Path>) -> Result<Self, ConfigError> {
        if let Some(folder) = folder {
            check_folder(folder)?;
        }
        let mut lists = Vec::new();
        for (kind, name, text) in BUILT_IN {
            let own = folder.map(|folder| folder.join(name)).filter(|file| file.exists());
            let document = match own {
                Some(file) => Document::load(&file)?,
                None => Document::parse(Path::new(name), text.to_owned())?,
            };
            lists.push((kind, read(document, kind)?));
        }
        Ok(Self(Arc::new(lists)))
    }

    /// The list of a kind of unit.
    #[must_use]
    pub fn of(&self, kind: UnitKind) -> Option<&Checklist> {
        self.0.iter().find(|(of, _)| *of == kind).map(|(_, list)| list)
    }
}

impl Checklist {
    /// What a visit of this kind looks at; a callback has no list.
    pub fn items(&self, kind: VisitKind) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| rank(item.from) <= rank(kind))
    }

    /// The item of an id, whatever kind of visit looks at it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Holds a visit's answers against the list; a callback may answer any item, and need answer none.
    #[must_use]
    pub fn check(&self, kind: VisitKind, answers: &[(&str, Answer<'_>)]) -> Checked {
        let mut checked = Checked::default();
        for (id, answer) in answers {
            let Some(item) = self.find(id) else {
                checked.unknown.push((*id).to_owned());
                continue;
            };
            let word = if let Answer::Text(text) = answer { text.parse::<PassFail>().ok() } else { None };
            let fits = match item.answer {
                AnswerKind::PassFail => word.is_some(),
                AnswerKind::Number => *answer == Answer::Number || word == Some(PassFail::NotApplicable),
                AnswerKind::Text => matches!(answer, Answer::Text(_)),
            };
            if !fits {
                checked.ill_fitting.push((*id).to_owned());
            } else if word == Some(PassFail::Fail) && item.answer == AnswerKind::PassFail {
                checked.failed.push((*id).to_owned());
            }
        }
        let missing = self.items(kind).filter(|item| !answers.iter().any(|(id, _)| *id == item.id));
        checked.unanswered = missing.map(|item| item.id.clone()).collect();
        checked
    }
}

/// A misspelt folder or file would leave the built-in list in force without a word.
fn check_folder(folder: &Path) -> Result<(), ConfigError> {
    let whole = |path: &Path, message: String| {
        let problems = vec![Problem { line: None, key: String::new(), message }];
        ConfigError { path: path.to_owned(), problems }
    };
    let files = std::fs::read_dir(folder).map_err(|error| whole(folder, format!("cannot be read: {error}")))?;
    for file in files.flatten() {
        let path = file.path();
        let known = BUILT_IN.iter().any(|(_, name, _)| path.file_name().is_some_and(|found| found == *name));
        if path.extension().is_some_and(|extension| extension == "toml") && !known {
            let names = BUILT_IN.map(|(_, name, _)| name).join(", ");
            return Err(whole(&path, format!("no list has this name; there are {names}")));
        }
    }
    Ok(())
}

/// Lists are cumulative. A callback stands below all of them.
const fn rank(kind: VisitKind) -> u8 {
    match kind {
        VisitKind::Fm => 0,
        VisitKind::Hm => 1,
        VisitKind::Tm => 2,
        VisitKind::Sm => 3,
        VisitKind::Oy => 4,
    }
}

fn read(mut document: Document, kind: UnitKind) -> Result<Checklist, ConfigError> {
    let head: Head = document.section("list");
    if head.kind != kind.as_str() {
        document.refuse("list.kind", format!("must be {:?}, as the file's name says", kind.as_str()));
    }
    if head.version.is_empty() {
        document.refuse("list.version", "must be given");
    }
    let found: Vec<(usize, Item)> = document.list_at("item");
    let mut items: Vec<Item> = Vec::with_capacity(found.len());
    for (position, item) in found {
        let mut refuse =
            |key: &str, problem: &str| document.refuse(&format!("item.{position}.{key}"), problem.to_owned());
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if item.id.is_empty() || item.id.len() > 32 || !item.id.bytes().all(good) {
            refuse("id", "must be 1 to 32 characters from A-Z a-z 0-9 . _ -");
        }
        if items.iter().any(|other| other.id == item.id) {
            refuse("id", "stands twice");
        }
        if item.from == VisitKind::Fm {
            refuse("from", "must be HM, TM, SM or OY; a callback has no list");
        }
        if item.zh.is_empty() || item.en.is_empty() {
            refuse("zh", "both languages must be given");
        }
        if (item.answer == AnswerKind::Number) != item.unit.as_ref().is_some_and(|unit| !unit.is_empty()) {
            refuse("unit", "a number has a unit, and nothing else has one");
        }
        items.push(item);
    }
    if items.is_empty() {
        document.refuse("item", "the list is empty");
    }
    document.finish()?;
    Ok(Checklist { version: head.version, items })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_list_is_good_and_grows_with_the_kind_of_visit() {
        for (kind, list) in Checklists::load(None).unwrap().0.iter() {
            let sizes = VisitKind::ALL.iter().map(|visit| list.items(*visit).count()).collect::<Vec<_>>();
            assert_eq!(sizes[0], 0, "{kind}");
            assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{kind}: {sizes:?}");
        }
    }

    #[test]
    fn answers_are_judged_and_none_is_refused() {
        let lists = Checklists::load(None).unwrap();
        let list = lists.of(UnitKind::Traction).unwrap();
        let answers = [
            ("T-HM-01", Answer::Text("pass")),
            ("T-HM-02", Answer::Text("fail")),
            ("T-HM-03", Answer::Number),
            ("T-HM-09", Answer::Number),
            ("T-HM-11", Answer::Text("seven")),
            ("T-OY-06", Answer::Text("good")),
            ("A1-01", Answer::Text("pass")),
        ];
        let checked = list.check(VisitKind::Hm, &answers);
        assert_eq!(checked.unknown, ["A1-01"]);
        assert_eq!(checked.failed, ["T-HM-02"]);
        assert_eq!(checked.ill_fitting, ["T-HM-03", "T-HM-11"]);
        assert_eq!(checked.unanswered.len(), list.items(VisitKind::Hm).count() - 5);
        assert_eq!(list.check(VisitKind::Fm, &[]), Checked::default());
    }

    #[test]
    fn a_file_of_the_operator_stands_for_the_built_in_one_and_a_bad_one_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = "[list]\nkind = \"escalator\"\nversion = \"city-3\"\n\n[[item]]\nid = \"X-1\"\nfrom = \"HM\"\nzh = \"甲\"\nen = \"a\"\nanswer = \"text\"\n";
        let file = folder.path().join("escalator.toml");
        std::fs::write(&file, good).unwrap();
        let lists = Checklists::load(Some(folder.path())).unwrap();
        assert_eq!(lists.of(UnitKind::Escalator).unwrap().version, "city-3");
        assert_eq!(lists.of(UnitKind::Traction).unwrap().version, "starter-1");
        for (from, to) in [
            ("\"escalator\"", "\"traction\""),
            ("\"HM\"", "\"FM\""),
            ("\"text\"", "\"number\""),
            ("\"甲\"", "\"\""),
            ("\"X-1\"", "\"X 1\""),
            ("answer", "anwser"),
        ] {
            std::fs::write(&file, good.replace(from, to)).unwrap();
            let error = Checklists::load(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains("escalator.toml:"), "{to}: {error}");
        }
        std::fs::rename(&file, folder.path().join("escalators.toml")).unwrap();
        assert!(Checklists::load(Some(folder.path())).unwrap_err().to_string().contains("no list has this name"));
        assert!(Checklists::load(Some(&folder.path().join("none"))).is_err());
    }
}
