//! Ids of what is made when people are told.

use crate::domain::time::Timestamp;

/// Ascends with time; the rest is chance, so that nobody guesses it.
#[must_use]
pub fn id(prefix: char, now: Timestamp) -> String {
    format!("{prefix}-{:012x}-{:016x}", now.0, fastrand::u64(..))
}
