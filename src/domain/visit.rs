//! A maintenance visit as its record tells it (docs/CONTRACT.md): claimed times, workers, items.

use super::id::{PublisherId, UnitId};
use super::time::{DAY, Timestamp};
use super::vocabulary::vocabulary;

vocabulary!(
    /// Kind of maintenance (Chongqing upload specification V1.5, docs/SOURCES.md).
    VisitKind, "visit kind", {
        /// On demand: a repair or callback (急修).
        Fm = "FM",
        /// Half-month.
        Hm = "HM",
        /// Quarter.
        Tm = "TM",
        /// Half-year.
        Sm = "SM",
        /// Year.
        Oy = "OY",
    }
);

/// One visit record.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// When the record was sent, by the sender's clock.
    pub ts: Timestamp,
    /// The sender's own id: same id and same content is the same record.
    pub record_id: String,
    pub kind: VisitKind,
    pub started_at: Timestamp,
    /// `None` while the visit runs.
    pub ended_at: Option<Timestamp>,
    pub workers: Vec<String>,
    /// The record that this one corrects.
    pub supersedes: Option<String>,
    /// Whose record that is; `None` for the sender's own.
    pub supersedes_publisher: Option<PublisherId>,
    /// Names and phones, kept apart from everything else so that they can be erased.
    pub people: Vec<Person>,
    /// The payload as canonical JSON text without `people`; once it is kept, with a commitment for each of them.
    pub body: String,
}

/// Somebody whom a record names: personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What the person is in this record, such as `recorder`; `[a-z_]{1,32}`.
    pub role: String,
    pub name: Option<String>,
    pub phone: Option<String>,
}

/// The roles that a city demands (docs/SOURCES.md); a record may name others.
pub const ROLES: [&str; 5] = ["responsible_person", "safety_administrator", "emergency", "job_manager", "recorder"];

/// The role of whoever confirmed a visit for the owner; no record may use it.
pub const CONFIRMER: &str = "confirmed_by";

/// Who publishes what people record on a page or by the API. No message may come under this name.
pub const PEOPLE: &str = "people";

/// A person with the salt of its commitment: what is deleted when the person is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub person: Person,
    pub salt: [u8; 32],
}

/// Who has somebody erased, and why. Both stand in the ledger for good, so neither may name the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    pub by: String,
    pub why: String,
}

impl Erasure {
    /// Whether it tells who the person is.
    #[must_use]
    pub fn names(&self, person: &Person) -> bool {
        let known = [&person.name, &person.phone].into_iter().flatten().map(|text| text.trim());
        // One character stands in many words, and nobody is known by it.
        let mut known = known.filter(|text| text.chars().count() > 1);
        known.any(|text| self.by.contains(text) || self.why.contains(text))
    }
}

/// A visit with its identity, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitRecord {
    /// `v-`, then time-ordered.
    pub id: String,
    pub unit: UnitId,
    pub publisher: PublisherId,
    pub received_at: Timestamp,
    pub visit: Visit,
    /// Those of `visit.people`, once the record is kept.
    pub sealed: Vec<Sealed>,
}

/// The owner's word that a visit took place. The name stands in `sealed`, its commitment in `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The visit's id.
    pub visit: String,
    pub at: Timestamp,
    /// Canonical JSON: `by` (a commitment), `note`, `visit`.
    pub body: String,
    pub sealed: Sealed,
}

/// Two visits of one worker at one time at different sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub worker: String,
    /// The unit's own visit, and the other one with its unit.
    pub visit: String,
    pub other: String,
    pub other_unit: UnitId,
    /// When both had begun.
    pub at: Timestamp,
}

/// A stretch in which nothing was heard of a unit, `[from, to)`; `to` is `None` while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    pub from: Timestamp,
    pub to: Option<Timestamp>,
}

/// What rules need of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVisit {
    pub id: String,
    pub kind: VisitKind,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl StoredVisit {
    /// When it ended, a day after its start at the latest; `None` while it runs.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.ended_at.map(|end| end.min(self.started_at + DAY))
    }

    /// Whether `at` lies inside the visit's time, both ends included. A visit covers a day at most, whatever end it
    /// claims: nobody works for longer, and a record must not hide a unit's faults for years.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        let end = self.end().unwrap_or(self.started_at + DAY);
        self.started_at <= at && at <= end
    }

    /// Whether `at` lies inside the visit's time or at most `margin` milliseconds outside it.
    #[must_use]
    pub fn is_near(&self, at: Timestamp, margin: i64) -> bool {
        let end = self.end().unwrap_or(self.started_at + DAY);
        self.started_at - margin <= at && at <= end + margin
    }
}
