//! Visits that somebody asked for, each with the proof that it is in the log, unchanged. That none was left out is not
//! shown here: that is what the packages of units are for.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::time::Timestamp;

use super::bundle::{Entry, NotShown, hashes};
use super::checkpoint::{Head, PublicKey};
use super::hash::Hash;
use super::leaf::{self, EntryKind, Read};
use super::proof::check_inclusion;

/// Which visits were asked for; all conditions hold together, and none asks for every visit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The firm at the time of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintainer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Begun from here on, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Begun before this, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only those that were corrected later.
    pub corrected: bool,
    /// Only those that no correction replaces.
    pub folded: bool,
}

/// Its conditions; names quoted, since a package may come from anywhere and a terminal obeys some characters.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = [
            ("unit", &self.unit),
            ("worker", &self.worker),
            ("maintainer", &self.maintainer),
            ("kind", &self.kind),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in terms.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            write!(f, "{name} {value:?}, ")?;
        }
        f.write_str(match (self.corrected, self.folded) {
            (true, _) => "those that were corrected later",
            (false, true) => "those that stand, with what they correct",
            (false, false) => "every record",
        })
    }
}

/// A selection's proofs, as `selection.json` holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    pub question: Question,
    /// The signed note of the tree in which everything here is.
    pub checkpoint: String,
    /// The tree's last leaf; it says when the tree was closed.
    pub closing: Entry,
    /// The visits, and their corrections, confirmations and erasures, in the order of the log.
    pub entries: Vec<Entry>,
}

/// What a selection shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub question: Question,
    pub to: Head,
    /// When the tree was closed.
    pub at: Timestamp,
    /// Visits that answer the question.
    pub visits: usize,
    /// Corrections, confirmations and erasures of these visits, and the visits that they correct.
    pub belonging: usize,
    /// Visits whose entry holds their content by its hash alone: whether they answer the question is not seen.
    pub unread: usize,
}

/// What an entry is to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A visit that answers it.
    Answer,
    /// It is told of such a visit, or corrects one, or is corrected by one.
    Belongs,
    Stranger,
}

/// Unit, publisher and record id: how a correction names what it corrects.
type Name = (String, String, String);

/// What decides what a visit is to the question.
struct Told {
    name: Name,
    corrects: Option<Name>,
    /// It has the unit, worker, firm, kind and time that were asked for.
    fits: bool,
}

/// Says of each entry what it is to a question. Keeps of an entry no more than that needs.
pub struct Sorter<'q> {
    question: &'q Question,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// In order; the reference, and what is told where the entry is a visit with its content.
    entries: Vec<(EntryKind, String, Option<Told>)>,
    unread: usize,
}

impl<'q> Sorter<'q> {
    /// Begins with no entry.
    ///
    /// # Errors
    /// A time of the question that is none.
    pub fn new(question: &'q Question) -> Result<Self, NotShown> {
        let time = |name: &'static str, text: &Option<String>| {
            let wrong = |text: &String| NotShown::Question { name, value: text.clone() };
            text.as_ref().map(|text| Timestamp::parse(text).map_err(|_| wrong(text))).transpose()
        };
        let (from, to) = (time("from", &question.from)?, time("to", &question.to)?);
        Ok(Self { question, from, to, entries: Vec::new(), unread: 0 })
    }

    /// Takes the next entry.
    pub fn add(&mut self, read: &Read) {
        let told = if read.kind == EntryKind::Visit { self.told(read) } else { None };
        self.unread += usize::from(read.kind == EntryKind::Visit && told.is_none());
        self.entries.push((read.kind, read.reference.clone(), told));
    }

    fn told(&self, read: &Read) -> Option<Told> {
        let (body, (unit, ..)) = (read.body.as_ref()?, read.link.as_ref()?);
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let publisher = text("publisher")?;
        let name = (unit.as_str().to_owned(), publisher.to_owned(), text("record_id")?.to_owned());
        let corrects = text("supersedes").map(|record| {
            let whose = text("supersedes_publisher").unwrap_or(publisher);
            (name.0.clone(), whose.to_owned(), record.to_owned())
        });
        let corrects = corrects.filter(|corrected| *corrected != name);
        let began = text("started_at").and_then(|text| Timestamp::parse(text).ok())?;
        let question = self.question;
        let is = |asked: &Option<String>, said: Option<&str>| asked.as_deref().is_none_or(|asked| Some(asked) == said);
        let workers = body.pointer("/record/workers").and_then(Value::as_array);
        let worked = |asked: &str| workers.is_some_and(|workers| workers.iter().any(|worker| worker == asked));
        let fits = is(&question.unit, Some(unit.as_str()))
            && is(&question.kind, text("kind"))
            && is(&question.maintainer, body.pointer("/unit/maintainer").and_then(Value::as_str))
            && question.worker.as_deref().is_none_or(worked)
            && self.from.is_none_or(|from| began >= from)
            && self.to.is_none_or(|to| began < to);
        Some(Told { name, corrects, fits })
    }

    /// How many visits hold their content by its hash alone; they count as answers.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// What each entry is, in the order in which they were added.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let told = || self.entries.iter().enumerate().filter_map(|(at, (.., told))| Some((at, told.as_ref()?)));
        let places: HashMap<&Name, usize> = told().map(|(at, told)| (&told.name, at)).collect();
        let mut beside: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut corrected = HashSet::new();
        for (at, old) in told().filter_map(|(at, told)| Some((at, *places.get(told.corrects.as_ref()?)?))) {
            corrected.insert(old);
            beside.entry(at).or_default().push(old);
            beside.entry(old).or_default().push(at);
        }
        let mut parts = vec![Part::Stranger; self.entries.len()];
        let mut open = Vec::new();
        for (at, (kind, _, told)) in self.entries.iter().enumerate() {
            let stands = !corrected.contains(&at);
            let asked = (!self.question.corrected || !stands) && (!self.question.folded || stands);
            if *kind == EntryKind::Visit && told.as_ref().is_none_or(|told| told.fits && asked) {
                parts[at] = Part::Answer;
                open.push(at);
            }
        }
        while let Some(at) = open.pop() {
            for near in beside.get(&at).into_iter().flatten() {
                if parts[*near] == Part::Stranger {
                    parts[*near] = Part::Belongs;
                    open.push(*near);
                }
            }
        }
        self.spread(&mut parts);
        parts
    }

    /// Confirmations and erasures belong to the visit that they name.
    fn spread(&self, parts: &mut [Part]) {
        let visits = self.entries.iter().zip(parts.iter());
        let visits: HashSet<&str> = visits
            .filter(|((kind, ..), part)| *kind == EntryKind::Visit && **part != Part::Stranger)
            .map(|((_, reference, _), _)| reference.as_str())
            .collect();
        for ((kind, reference, _), part) in self.entries.iter().zip(parts.iter_mut()) {
            let of_one = matches!(kind, EntryKind::Confirmation | EntryKind::Erasure);
            if of_one && visits.contains(reference.as_str()) {
                *part = Part::Belongs;
            }
        }
    }
}

/// Checks everything that a selection claims.
///
/// # Errors
/// [`NotShown`]: the first claim that does not hold, and where.
pub fn check(selection: &Selection, key: &PublicKey) -> Result<Chosen, NotShown> {
    let place = "the checkpoint";
    let to = key
        .open(&selection.checkpoint)
        .map_err(|error| NotShown::NotProven { place: place.to_owned(), source: error.into() })?;
    let closing = proven(&selection.closing, to)?;
    if closing.kind != EntryKind::Heads || Some(selection.closing.index) != to.size.checked_sub(1) {
        return Err(NotShown::NotClosing);
    }
    let mut sorter = Sorter::new(&selection.question)?;
    let mut next = 0;
    for entry in &selection.entries {
        if entry.index < next {
            return Err(NotShown::OutOfOrder { index: entry.index });
        }
        sorter.add(&proven(entry, to)?);
        next = entry.index + 1;
    }
    let parts = sorter.parts();
    if let Some((entry, _)) = selection.entries.iter().zip(&parts).find(|(_, part)| **part == Part::Stranger) {
        return Err(NotShown::Unasked { index: entry.index });
    }
    let visits = parts.iter().filter(|part| **part == Part::Answer).count();
    if visits == 0 {
        return Err(NotShown::Nothing);
    }
    let (belonging, unread) = (parts.len() - visits, sorter.unread());
    Ok(Chosen { question: selection.question.clone(), to, at: closing.at, visits, belonging, unread })
}

/// What an entry says that is in the log.
fn proven(entry: &Entry, to: Head) -> Result<Read, NotShown> {
    let place = || format!("entry {}", entry.index);
    let bytes = entry.leaf.as_bytes();
    check_inclusion(&hashes(&entry.path)?, to, entry.index, Hash::of_leaf(bytes))
        .map_err(|source| NotShown::NotProven { place: place(), source })?;
    leaf::read(bytes).map_err(|source| NotShown::NotALeaf { place: place(), source })
}
