//! What a check was told beforehand, and what it found.

use crate::ledger::checkpoint::Head;

/// Findings after which the rest is not told any more.
const MOST_FINDINGS: usize = 100;

/// A checkpoint from outside, and what it is called in messages.
#[derive(Debug, Clone)]
pub struct Outside {
    pub name: String,
    pub head: Head,
}

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub entries: u64,
    /// Checkpoints that the file holds.
    pub checkpoints: u64,
    /// Rows that were held against their entries.
    pub rows: u64,
    /// Persons that were erased, whose commitments can be checked no more.
    pub erased: u64,
    /// The tree as it was made anew.
    pub head: Option<Head>,
    pub findings: Vec<String>,
    /// Findings beyond those that are told.
    pub more: u64,
}

impl Report {
    /// Notes something that is not as it was recorded.
    pub fn find(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether everything is as it was recorded.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}
