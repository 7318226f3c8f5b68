//! Notices that two clients fight over one client id: pure, the time is handed in.

use std::collections::VecDeque;
use std::time::Duration;

/// Connections within a minute above which it is no longer a bad line but a fight (our choice: over 3 a minute).
const CONNECTS_A_MINUTE: usize = 3;

const WINDOW: Duration = Duration::from_secs(60);

/// Watches how often the session is torn down and made anew.
#[derive(Debug, Default)]
pub struct TakeoverWatch {
    connects: VecDeque<Duration>,
    told: Option<Duration>,
}

impl TakeoverWatch {
    /// A connection was made at `now`, counted from any fixed point. True when it is time to tell a person: more than
    /// three within a minute, and not told within the last minute.
    pub fn connected(&mut self, now: Duration) -> bool {
        self.connects.push_back(now);
        while self.connects.front().is_some_and(|first| now.saturating_sub(*first) > WINDOW) {
            self.connects.pop_front();
        }
        let told_lately = self.told.is_some_and(|told| now.saturating_sub(told) <= WINDOW);
        let tell = self.connects.len() > CONNECTS_A_MINUTE && !told_lately;
        if tell {
            self.told = Some(now);
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tells(at: &[u64]) -> Vec<bool> {
        let mut watch = TakeoverWatch::default();
        at.iter().map(|second| watch.connected(Duration::from_secs(*second))).collect()
    }

    #[test]
    fn tells_at_the_fourth_within_a_minute_and_once() {
        assert_eq!(tells(&[0, 10, 20, 30, 40, 50]), [false, false, false, true, false, false]);
    }

    #[test]
    fn a_slow_flap_is_no_fight() {
        assert_eq!(tells(&[0, 30, 60, 91, 122]), [false; 5]);
    }

    #[test]
    fn tells_again_after_a_minute() {
        assert!(tells(&[0, 10, 20, 30, 40, 50, 60, 70, 80, 91]).iter().filter(|told| **told).count() == 2);
    }
}
