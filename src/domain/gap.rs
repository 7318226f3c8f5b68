//! A gap in what a unit told us: sequence numbers that were sent and did not arrive.

use super::time::Timestamp;

/// Missing sequence numbers `from_seq..=to_seq` of one boot of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Row id in the store; evidence names it `gap-<id>`.
    pub id: i64,
    pub boot: String,
    pub from_seq: u64,
    pub to_seq: u64,
    /// When we saw that numbers are missing, by our clock.
    pub found_at: Timestamp,
    /// When the last missing number arrived after all; `None` while numbers are missing.
    pub closed_at: Option<Timestamp>,
}
