//! The bytes of an entry: JSON in the canonical form of RFC 8785, so that the same record always has the same hash.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::vocabulary;

use super::hash::Hash;

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
    pub body: &'a Value,
}

impl Leaf<'_> {
    /// The bytes that are kept and hashed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut leaf = Map::new();
        leaf.insert("kind".to_owned(), json!(self.kind.as_str()));
        leaf.insert("at".to_owned(), json!(self.at.to_string()));
        leaf.insert("ref".to_owned(), json!(self.reference));
        if let Some(link) = &self.link {
            leaf.insert("unit".to_owned(), json!(link.unit.as_str()));
            leaf.insert("number".to_owned(), json!(link.number));
            leaf.insert("previous".to_owned(), json!(link.previous.map(|hash| hash.to_string())));
        }
        let body = canonical(self.body);
        if body.len() > LONGEST_BODY {
            leaf.insert("body_sha256".to_owned(), json!(sha256_hex(&body)));
        } else {
            leaf.insert("body".to_owned(), self.body.clone());
        }
        canonical(&Value::Object(leaf))
    }
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

/// The canonical form of RFC 8785.
///
/// # Panics
/// Never: a [`Value`] has string keys and finite numbers, which is all that the form asks for.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("a JSON value has string keys and finite numbers")
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> UnitId {
        "u1".parse().unwrap()
    }

    #[test]
    fn a_leaf_reads_back_what_it_was_made_of_in_one_fixed_spelling() {
        let body = json!({ "b": 1.0, "a": "晋江" });
        let unit = unit();
        let previous = Hash::of_leaf(b"before");
        let leaf = Leaf {
            kind: EntryKind::Visit,
            at: Timestamp(0),
            reference: "v-1",
            link: Some(Link { unit: &unit, number: 2, previous: Some(previous) }),
            body: &body,
        };
        let bytes = leaf.to_bytes();
        let expected = format!(
            r#"{{"at":"1970-01-01T00:00:00.000Z","body":{{"a":"晋江","b":1}},"kind":"visit","number":2,"previous":"{previous}","ref":"v-1","unit":"u1"}}"#
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        let read = read(&bytes).unwrap();
        assert_eq!(read.link, Some((unit.clone(), 2, Some(previous))));
        assert_eq!(read.body, Some(json!({ "a": "晋江", "b": 1 })));
    }

    #[test]
    fn a_long_body_stands_in_its_leaf_by_its_hash() {
        let body = json!({ "text": "x".repeat(LONGEST_BODY) });
        let leaf = Leaf { kind: EntryKind::Hazard, at: Timestamp(0), reference: "h-1", link: None, body: &body };
        let read = read(&leaf.to_bytes()).unwrap();
        assert_eq!(read.body, None);
        assert_eq!(read.body_sha256, sha256_hex(&canonical(&body)));
    }

    #[test]
    fn bytes_that_mean_the_same_but_are_spelt_otherwise_are_refused() {
        let body = json!({});
        let leaf = Leaf { kind: EntryKind::Config, at: Timestamp(0), reference: "", link: None, body: &body };
        let mut bytes = leaf.to_bytes();
        assert!(read(&bytes).is_ok());
        bytes.push(b' ');
        assert_eq!(read(&bytes), Err(NotALeaf::NotCanonical));
    }
}
