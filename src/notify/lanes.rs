//! How much room there is on each way to each receiver. One that hangs fills its own lane and no other's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Tries that run at once on one lane.
pub const AT_ONCE: usize = 8;

/// Deliveries that one lane has claimed at most: some running, and two more behind each. Even if every try takes the 15 s
/// that it may, the last begins before its lease of 60 s is over.
const CLAIMED: usize = 3 * AT_ONCE;

/// Messages that one digest holds at most.
const FOLDED: u32 = 200;

/// A receiver and one of its sinks.
pub type Key = (String, String);

/// One lane.
struct Lane {
    gate: Arc<Semaphore>,
    claimed: usize,
    /// When the tries of the last window began, by the monotonic clock; only where the sink has a limit.
    sent: VecDeque<Duration>,
}

/// What may be claimed for a lane now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// So many deliveries, each to be sent by itself.
    Single(u32),
    /// So many, to be sent in one message: it is the last that the receiver takes for now.
    Folded(u32),
    /// Nothing before so much time has passed; `None` until a try that runs has ended.
    Wait(Option<Duration>),
}

/// Every lane that was used. As many as there are receivers with sinks.
#[derive(Default)]
pub struct Lanes {
    lanes: HashMap<Key, Lane>,
}

impl Lanes {
    fn lane(&mut self, key: &Key) -> &mut Lane {
        self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            gate: Arc::new(Semaphore::new(AT_ONCE)),
            claimed: 0,
            sent: VecDeque::new(),
        })
    }

    /// What may be claimed at `now` for a sink with this limit.
    pub fn offer(&mut self, key: &Key, limit: Option<(u32, Duration)>, now: Duration) -> Offer {
        let lane = self.lane(key);
        let room = u32::try_from(CLAIMED - lane.claimed.min(CLAIMED)).unwrap_or(0);
        let Some((most, window)) = limit else {
            return if room == 0 { Offer::Wait(None) } else { Offer::Single(room) };
        };
        while lane.sent.front().is_some_and(|sent| now.saturating_sub(*sent) >= window) {
            lane.sent.pop_front();
        }
        // What runs counts once it has begun, so nothing is claimed beside it.
        if lane.claimed > 0 {
            return Offer::Wait(None);
        }
        let left = most.saturating_sub(u32::try_from(lane.sent.len()).unwrap_or(u32::MAX));
        match left {
            0 => Offer::Wait(lane.sent.front().map(|sent| window.saturating_sub(now.saturating_sub(*sent)))),
            1 => Offer::Folded(FOLDED),
            left => Offer::Single((left - 1).min(room)),
        }
    }

    /// Something was claimed, to be sent in so many tries; the gate lets them begin.
    pub fn claimed(&mut self, key: &Key, deliveries: usize, tries: usize, now: Duration) -> Arc<Semaphore> {
        let lane = self.lane(key);
        lane.claimed += deliveries;
        lane.sent.extend(std::iter::repeat_n(now, tries));
        if lane.sent.len() > 1_000 {
            lane.sent.drain(..500);
        }
        Arc::clone(&lane.gate)
    }

    /// A try of so many deliveries has ended.
    pub fn ended(&mut self, key: &Key, deliveries: usize) {
        let lane = self.lane(key);
        lane.claimed = lane.claimed.saturating_sub(deliveries);
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.values().all(|lane| lane.claimed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        ("firm-1".to_owned(), "webhook-0".to_owned())
    }

    #[test]
    fn a_lane_that_is_full_waits_and_leaves_the_others_their_room() {
        let mut lanes = Lanes::default();
        let whole = Offer::Single(u32::try_from(CLAIMED).unwrap());
        assert_eq!(lanes.offer(&key(), None, Duration::ZERO), whole);
        lanes.claimed(&key(), CLAIMED, CLAIMED, Duration::ZERO);
        assert_eq!(lanes.offer(&key(), None, Duration::ZERO), Offer::Wait(None));
        assert_eq!(lanes.offer(&("firm-2".to_owned(), "webhook-0".to_owned()), None, Duration::ZERO), whole);
        lanes.ended(&key(), 1);
        assert_eq!(lanes.offer(&key(), None, Duration::ZERO), Offer::Single(1));
    }

    #[test]
    fn the_last_message_that_a_receiver_takes_for_now_holds_all_the_rest() {
        let mut lanes = Lanes::default();
        let limit = Some((3, Duration::from_secs(60)));
        assert_eq!(lanes.offer(&key(), limit, Duration::ZERO), Offer::Single(2));
        lanes.claimed(&key(), 2, 2, Duration::ZERO);
        lanes.ended(&key(), 2);
        assert_eq!(lanes.offer(&key(), limit, Duration::from_secs(1)), Offer::Folded(FOLDED));
        lanes.claimed(&key(), 150, 1, Duration::from_secs(1));
        lanes.ended(&key(), 150);
        let wait = Offer::Wait(Some(Duration::from_secs(50)));
        assert_eq!(lanes.offer(&key(), limit, Duration::from_secs(10)), wait);
        assert_eq!(lanes.offer(&key(), limit, Duration::from_secs(60)), Offer::Single(1));
    }
}
