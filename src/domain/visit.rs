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
    /// The whole payload as canonical JSON text; what identity of content is judged by.
    pub body: String,
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
}
