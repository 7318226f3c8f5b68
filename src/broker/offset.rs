//! How far our clock is from the times that messages give themselves. Says nothing of whose clock is wrong.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::Timestamp;

/// Messages that the median is taken of: a minute's of two lifts, a second's of a city. A single wrong clock cannot move it.
const LATEST: usize = 101;

/// The latest differences between our clock and the messages' own times.
#[derive(Debug, Default)]
pub struct ClockOffset {
    /// Milliseconds, oldest first.
    latest: Mutex<VecDeque<i64>>,
}

impl ClockOffset {
    /// A message that says it was made at `told_at` came at `received_at`.
    pub fn note(&self, received_at: Timestamp, told_at: Timestamp) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == LATEST {
            latest.pop_front();
        }
        latest.push_back(received_at - told_at);
    }

    /// By how many milliseconds our clock is ahead, as the median of the latest messages; `None` before the first. The
    /// time that messages were on their way is in it, so those that waited at the broker make us look ahead.
    #[must_use]
    pub fn median(&self) -> Option<i64> {
        let mut latest: Vec<i64> = self.latest.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        latest.sort_unstable();
        latest.get(latest.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_wrong_clocks_do_not_move_it_and_old_messages_are_forgotten() {
        let offset = ClockOffset::default();
        assert_eq!(offset.median(), None);
        for number in 0..101 {
            // Every third controller lives in 1970.
            offset.note(Timestamp(1_000_000), Timestamp(if number % 3 == 0 { 0 } else { 999_800 }));
        }
        assert_eq!(offset.median(), Some(200));
        for _ in 0..101 {
            offset.note(Timestamp(1_000_000), Timestamp(1_090_000));
        }
        assert_eq!(offset.median(), Some(-90_000), "what lies ahead of us is negative");
    }
}
