//! A major hazard as it was reported (GB 45067-2024 §4.6 and the severe-hazard codes, docs/SOURCES.md).

use super::id::{PublisherId, UnitId};
use super::time::Timestamp;
use super::vocabulary::vocabulary;

vocabulary!(
    /// Who reports a hazard.
    Reporter, "hazard reporter", {
        Maintainer = "maintainer",
        InspectionBody = "inspection_body",
        TestingBody = "testing_body",
        Maker = "maker",
        Owner = "owner",
    }
);

/// One hazard report.
#[derive(Debug, Clone, PartialEq)]
pub struct HazardReport {
    pub ts: Timestamp,
    /// The reporter's own id: same id and same content is the same report.
    pub report_id: String,
    pub reporter: Reporter,
    /// The clause or code it rests on, such as `GB45067-4.6-b` or `S3`.
    pub basis: String,
    pub use_stopped: bool,
    /// The whole payload as canonical JSON text.
    pub body: String,
}

/// A hazard report with its identity, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct HazardRecord {
    /// `h-`, then time-ordered.
    pub id: String,
    pub unit: UnitId,
    pub publisher: PublisherId,
    pub received_at: Timestamp,
    pub report: HazardReport,
}
