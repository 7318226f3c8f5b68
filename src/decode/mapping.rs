//! The contract of decoding: what a payload becomes, why it is refused, and what a payload family must offer.

use std::fmt;

use crate::decode::tree::Object;
use crate::domain::event::{Event, State};
use crate::domain::hazard::HazardReport;
use crate::domain::id::{PublisherId, RegionCode, UnitId};
use crate::domain::time::Timestamp;
use crate::domain::visit::Visit;
use crate::domain::vocabulary::vocabulary;

/// Longest piece of a payload that a message to people may show, in characters.
const SHOWN: usize = 64;

vocabulary!(
    /// What kind of message it is; the last level of the canonical topic and a metric label.
    Class, "message class", { State = "state", Event = "event", Visit = "visit", Hazard = "hazard" }
);

vocabulary!(
    /// Why a message went to quarantine. A closed list, safe as a metric label.
    Reason, "rejection reason", {
        /// The topic has another shape than its mapping, or no mapping takes it.
        BadTopic = "bad_topic",
        /// The last level of a canonical topic is none of the four classes.
        UnknownClass = "unknown_class",
        /// The topic names another region than the session's.
        ForeignRegion = "foreign_region",
        /// More than 64 KiB.
        TooLarge = "too_large",
        NotUtf8 = "not_utf8",
        /// Not JSON, or not an object, or a number that no double can hold.
        BadJson = "bad_json",
        DuplicateKey = "duplicate_key",
        TooDeep = "too_deep",
        WrongType = "wrong_type",
        MissingField = "missing_field",
        /// The right type, but a value that the field cannot have.
        BadValue = "bad_value",
        BadTime = "bad_time",
        /// An event that the broker kept and sent to us as a retained message: nobody can say when it was sent.
        Retained = "retained",
        /// The registry gives this unit to another publisher.
        ForeignUnit = "foreign_unit",
        /// The registry does not have this unit.
        UnknownUnit = "unknown_unit",
        /// Unknown unit, and no room left for what its publisher's unknown units tell.
        UnregisteredOverflow = "unregistered_overflow",
        /// Same identity as a stored fact, other content.
        Conflict = "conflict",
    }
);

/// Who sent a message, and of which unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    pub region: RegionCode,
    pub publisher: PublisherId,
    pub unit: UnitId,
}

/// One thing that a payload tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    State(State),
    Event(Event),
    Visit(Visit),
    Hazard(HazardReport),
}

/// A message that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    pub address: Address,
    pub class: Class,
    /// In the order in which they are to be taken; never empty. A state stands before the events of its message.
    pub facts: Vec<Fact>,
    /// Codes that our tables do not have, as the sender wrote them; they became `other` or `unknown`.
    pub unknown_codes: Vec<String>,
}

impl Decoded {
    /// The time that the message gives itself; records of firms and inspection bodies are of another day, and have none.
    #[must_use]
    pub fn told_at(&self) -> Option<Timestamp> {
        match self.facts.first()? {
            Fact::State(state) => Some(state.ts),
            Fact::Event(event) => Some(event.ts),
            Fact::Visit(_) | Fact::Hazard(_) => None,
        }
    }
}

/// A message that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    pub reason: Reason,
    /// What is wrong, where, and what was expected; shows at most 64 escaped characters of any value.
    pub detail: String,
    /// As far as the message told before it was refused.
    pub publisher: Option<PublisherId>,
    pub unit: Option<UnitId>,
}

impl Rejection {
    /// A refusal that does not know yet whom it concerns.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), publisher: None, unit: None }
    }

    /// The same, naming publisher and unit.
    #[must_use]
    pub fn of(mut self, address: &Address) -> Self {
        self.publisher = Some(address.publisher.clone());
        self.unit = Some(address.unit.clone());
        self
    }
}

/// A sender's text as people may see it: quoted, escaped, and cut at 64 characters.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN) + 4);
    out.push('"');
    let mut room = SHOWN;
    for character in text.chars() {
        let escaped = character.escape_debug();
        let width = escaped.len();
        if width > room {
            out.push('…');
            break;
        }
        room -= width;
        out.extend(escaped);
    }
    out.push('"');
    out
}

/// What a family gets to read.
pub struct Message<'a> {
    /// What the topic (or the mapping) says of the class; only the canonical family needs it.
    pub class: Option<Class>,
    pub object: &'a Object<'a>,
    /// The payload's text, for what is kept as it came.
    pub text: &'a str,
}

/// What a family made of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub class: Class,
    pub facts: Vec<Fact>,
    pub unknown_codes: Vec<String>,
}

/// One family of payloads. Pure: no clock, no I/O; the same message gives the same reading.
pub trait Family: fmt::Debug + Send + Sync {
    /// Reads one message.
    ///
    /// # Errors
    /// [`Rejection`] when the payload is not of this family's form.
    fn read(&self, message: &Message<'_>) -> Result<Reading, Rejection>;
}
