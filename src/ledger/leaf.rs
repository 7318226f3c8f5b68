//! The bytes of an entry: JSON in the canonical form of RFC 8785, so that the same record always has the same hash.

use std::borrow::Cow;

use serde_json::Value;

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::vocabulary;
use crate::hex::sha256_hex;

use super::canonical::{canonical, members, plain};
use super::hash::Hash;
use super::spelling::Members;

vocabulary!(
    /// What an entry records.
    EntryKind, "ledger entry kind", {
        Visit = "visit",
        /// The owner confirmed a visit.
        Confirmation = "confirmation",
        Hazard = "hazard",
        /// One change of an alert, with the alert as it was then.
        AlertTransition = "alert_transition",
        /// An acknowledgement, a false alarm, an arrival or a note.
        Answer = "answer",
        Silence = "silence",
        SilenceEnded = "silence_ended",
        /// A row of the registry was added or changed.
        Unit = "unit",
        /// The rules, with their versions, by which alerts are judged from now on.
        Rules = "rules",
        /// The configuration that the daemon started with, by its hash.
        Config = "config",
        Token = "token",
        /// Somebody took records out, or read personal data.
        Export = "export",
        /// A person's data was erased.
        Erasure = "erasure",
        /// Rows were pruned by age, and leaves with them (src/ledger/retention.rs).
        Retention = "retention",
        /// How far each unit's own numbering had come (src/ledger/heads.rs).
        Heads = "heads",
    }
);

/// A body whose canonical form is longer than this stands in its leaf by its hash alone: an entry of a tile must stay
/// under 65,536 bytes (C2SP tlog-tiles), and no single record may make the log large.
pub const LONGEST_BODY: usize = 32 * 1024;

/// The place of an entry in its unit's own numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    pub unit: &'a UnitId,
    /// From 1, without a gap.
    pub number: u64,
    /// The hash of the unit's entry before this one; `None` for its first.
    pub previous: Option<Hash>,
}

/// An entry before it is hashed.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf<'a> {
    pub kind: EntryKind,
    /// When the transaction that holds it was made.
    pub at: Timestamp,
    /// The row that it records, by its id.
    pub reference: &'a str,
    /// `None` for what concerns no single unit.
    pub link: Option<Link<'a>>,
    /// A JSON object in canonical form.
    pub body: &'a str,
}

impl Leaf<'_> {
    /// The bytes that are kept and hashed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut leaf = Members::default();
        leaf.text("at", &self.at.to_string());
        if self.body.len() > LONGEST_BODY {
            leaf.text("body_sha256", &sha256_hex(self.body.as_bytes()));
        } else {
            leaf.raw("body", self.body);
        }
        leaf.text("kind", self.kind.as_str());
        if let Some(link) = &self.link {
            leaf.raw("number", &link.number.to_string());
            leaf.maybe("previous", link.previous.map(|hash| hash.to_string()).as_deref());
            leaf.text("unit", link.unit.as_str());
        }
        leaf.text("ref", self.reference);
        leaf.object().into_bytes()
    }
}

/// A leaf as it lies in its bytes, for whoever reads millions of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance<'a> {
    pub kind: EntryKind,
    pub at: Timestamp,
    pub reference: &'a str,
    /// Unit, number, and the hash of the entry before.
    pub link: Option<(&'a str, u64, Option<Hash>)>,
    /// In canonical form; `None` where the leaf holds the body's hash alone.
    pub body: Option<Cow<'a, str>>,
}

/// Reads a leaf where it lies. `None` says nothing against it: [`read`] knows every spelling, and what is wrong.
#[must_use]
pub fn glance(bytes: &[u8]) -> Option<Glance<'_>> {
    let members = members(std::str::from_utf8(bytes).ok()?)?;
    let value = |name: &str| members.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    let link = match value("unit") {
        None => None,
        Some(unit) => {
            let previous = match value("previous")? {
                "null" => None,
                hash => Some(plain(hash)?.parse().ok()?),
            };
            let unit = plain(unit).filter(|unit| UnitId::new(unit).is_ok())?;
            Some((unit, value("number")?.parse().ok()?, previous))
        }
    };
    if value("body").is_none() {
        plain(value("body_sha256")?)?;
    }
    Some(Glance {
        kind: plain(value("kind")?)?.parse().ok()?,
        at: Timestamp::parse(plain(value("at")?)?).ok()?,
        reference: plain(value("ref")?)?,
        link,
        body: value("body").map(Cow::Borrowed),
    })
}

/// What a leaf says, read back from its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub kind: EntryKind,
    pub at: Timestamp,
    pub reference: String,
    /// Unit, number, and the hash of the entry before.
    pub link: Option<(UnitId, u64, Option<Hash>)>,
    /// `None` where the leaf holds the body's hash alone.
    pub body: Option<Value>,
    /// Of the body's canonical form, in hex.
    pub body_sha256: String,
}

impl Read {
    /// The same as [`glance`] gives it.
    #[must_use]
    pub fn glance(&self) -> Glance<'_> {
        let text = |body: &Value| Cow::Owned(String::from_utf8_lossy(&canonical(body)).into_owned());
        Glance {
            kind: self.kind,
            at: self.at,
            reference: &self.reference,
            link: self.link.as_ref().map(|(unit, number, previous)| (unit.as_str(), *number, *previous)),
            body: self.body.as_ref().map(text),
        }
    }
}

/// Bytes that are no leaf of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALeaf {
    #[error("the leaf is no JSON object: {0}")]
    Json(String),
    #[error("the leaf is not in the canonical form of RFC 8785")]
    NotCanonical,
    #[error("the leaf's {0} is missing or cannot be understood")]
    Member(&'static str),
}

/// Reads a leaf's bytes.
///
/// # Errors
/// [`NotALeaf`] says what is wrong with them.
pub fn read(bytes: &[u8]) -> Result<Read, NotALeaf> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| NotALeaf::Json(error.to_string()))?;
    if canonical(&value) != bytes {
        return Err(NotALeaf::NotCanonical);
    }
    let text = |name: &'static str| value.get(name).and_then(Value::as_str).ok_or(NotALeaf::Member(name));
    let link = match value.get("unit") {
        None => None,
        Some(_) => {
            let unit = text("unit")?.parse().map_err(|_| NotALeaf::Member("unit"))?;
            let number = value.get("number").and_then(Value::as_u64).ok_or(NotALeaf::Member("number"))?;
            let previous = match value.get("previous") {
                Some(Value::Null) => None,
                Some(Value::String(hash)) => Some(hash.parse().map_err(|_| NotALeaf::Member("previous"))?),
                _ => return Err(NotALeaf::Member("previous")),
            };
            Some((unit, number, previous))
        }
    };
    let body = value.get("body").cloned();
    let body_sha256 = match &body {
        Some(body) => sha256_hex(&canonical(body)),
        None => text("body_sha256")?.to_owned(),
    };
    Ok(Read {
        kind: text("kind")?.parse().map_err(|_| NotALeaf::Member("kind"))?,
        at: Timestamp::parse(text("at")?).map_err(|_| NotALeaf::Member("at"))?,
        reference: text("ref")?.to_owned(),
        link,
        body,
        body_sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unit() -> UnitId {
        "u1".parse().unwrap()
    }

    #[test]
    fn a_leaf_reads_back_what_it_was_made_of_in_one_fixed_spelling() {
        let body = r#"{"a":"晋江","b":1}"#;
        let unit = unit();
        let previous = Hash::of_leaf(b"before");
        let leaf = Leaf {
            kind: EntryKind::Visit,
            at: Timestamp(0),
            reference: "v-1",
            link: Some(Link { unit: &unit, number: 2, previous: Some(previous) }),
            body,
        };
        let bytes = leaf.to_bytes();
        let expected = format!(
            r#"{{"at":"1970-01-01T00:00:00.000Z","body":{{"a":"晋江","b":1}},"kind":"visit","number":2,"previous":"{previous}","ref":"v-1","unit":"u1"}}"#
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        let seen = glance(&bytes).unwrap();
        assert_eq!((seen.link, seen.body.as_deref()), (Some(("u1", 2, Some(previous))), Some(body)));
        assert_eq!((seen.kind, seen.at, seen.reference), (leaf.kind, leaf.at, leaf.reference));
        assert_eq!(read(&bytes).unwrap().glance(), seen);
        let read = read(&bytes).unwrap();
        assert_eq!(read.link, Some((unit.clone(), 2, Some(previous))));
        assert_eq!(read.body, Some(json!({ "a": "晋江", "b": 1 })));
    }

    #[test]
    fn a_long_body_stands_in_its_leaf_by_its_hash() {
        let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(LONGEST_BODY));
        let leaf = Leaf { kind: EntryKind::Hazard, at: Timestamp(0), reference: "h-1", link: None, body: &body };
        assert_eq!(glance(&leaf.to_bytes()).unwrap().body, None);
        let read = read(&leaf.to_bytes()).unwrap();
        assert_eq!(read.body, None);
        assert_eq!(read.body_sha256, sha256_hex(body.as_bytes()));
    }

    #[test]
    fn bytes_that_mean_the_same_but_are_spelt_otherwise_are_refused() {
        let leaf = Leaf { kind: EntryKind::Config, at: Timestamp(0), reference: "", link: None, body: "{}" };
        let mut bytes = leaf.to_bytes();
        assert!(read(&bytes).is_ok() && glance(&bytes).is_some());
        bytes.push(b' ');
        assert_eq!((read(&bytes), glance(&bytes)), (Err(NotALeaf::NotCanonical), None));
    }
}
