//! Events that the city has not acknowledged yet: what a controller keeps, and when it tells them again. Pure: time is
//! handed in, nothing is sent here.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fastrand::Rng;

use super::lift::Number;

/// Events kept for one publisher; beyond, the oldest goes. A month of a city of 8,000 units has about as many.
const ROOM: usize = 20_000;

/// An event waits at most so many times the first wait before it is told again.
const LONGEST: u32 = 60;

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub topic: String,
    pub payload: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    number: Number,
    sent: Sent,
    due: Duration,
    /// Before it is told once more.
    wait: Duration,
}

/// What one publisher keeps.
#[derive(Debug)]
pub struct Outstanding {
    /// Before an event that nobody acknowledged is told again for the first time.
    after: Duration,
    room: usize,
    rng: Rng,
    /// In the order in which they were told first.
    kept: BTreeMap<u64, Kept>,
    /// Of each unit and boot, from an event's number to its place in `kept`.
    places: HashMap<(String, String), BTreeMap<u64, u64>>,
    told: u64,
    given_up: u64,
}

impl Outstanding {
    /// Nothing yet; an event is told again `after` this time, and then less and less often.
    #[must_use]
    pub fn new(after: Duration, seed: u64) -> Self {
        Self::with_room(after, seed, ROOM)
    }

    /// As [`Self::new`], with another bound.
    #[must_use]
    pub fn with_room(after: Duration, seed: u64, room: usize) -> Self {
        let (kept, places) = (BTreeMap::new(), HashMap::new());
        Self { after, room, rng: Rng::with_seed(seed), kept, places, told: 0, given_up: 0 }
    }

    /// Keeps an event that is about to be told at `now`. One that is kept already stays as it is.
    pub fn keep(&mut self, number: Number, sent: Sent, now: Duration) {
        let places = self.places.entry((number.unit.clone(), number.boot.clone())).or_default();
        if places.contains_key(&number.seq) {
            return;
        }
        self.told += 1;
        places.insert(number.seq, self.told);
        let wait = self.after;
        let due = now + jittered(wait, &mut self.rng);
        self.kept.insert(self.told, Kept { number, sent, due, wait: wait.saturating_mul(2) });
        if self.kept.len() > self.room
            && let Some((_, oldest)) = self.kept.pop_first()
        {
            self.given_up += 1;
            self.forget(&oldest.number);
        }
    }

    /// The city has the events `first..=last` of this unit's boot.
    pub fn acknowledged(&mut self, unit: &str, boot: &str, first: u64, last: u64) {
        let key = (unit.to_owned(), boot.to_owned());
        let Some(places) = self.places.get_mut(&key) else { return };
        if first > last {
            return;
        }
        let had: Vec<(u64, u64)> = places.range(first..=last).map(|(seq, place)| (*seq, *place)).collect();
        for (seq, place) in had {
            places.remove(&seq);
            self.kept.remove(&place);
        }
        if places.is_empty() {
            self.places.remove(&key);
        }
    }

    /// The connection is new: what was under way, and perhaps the broker's whole queue, is lost. All is due, and waits
    /// are as short as at first.
    pub fn reconnected(&mut self, now: Duration) {
        for kept in self.kept.values_mut() {
            (kept.due, kept.wait) = (now, self.after);
        }
    }

    /// Up to `most` events that are due, oldest first; each is due again after a wait that grows.
    pub fn take_due(&mut self, now: Duration, most: usize) -> Vec<Sent> {
        let longest = self.after.saturating_mul(LONGEST);
        let rng = &mut self.rng;
        let due = self.kept.values_mut().filter(|kept| kept.due <= now).take(most);
        due.map(|kept| {
            kept.due = now + jittered(kept.wait, rng);
            kept.wait = kept.wait.saturating_mul(2).min(longest);
            kept.sent.clone()
        })
        .collect()
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether the city has acknowledged everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many went for want of room.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    fn forget(&mut self, number: &Number) {
        let key = (number.unit.clone(), number.boot.clone());
        if let Some(places) = self.places.get_mut(&key) {
            places.remove(&number.seq);
            if places.is_empty() {
                self.places.remove(&key);
            }
        }
    }
}

/// The wait and up to half as much again, so that a city does not speak in chorus.
fn jittered(wait: Duration, rng: &mut Rng) -> Duration {
    wait + wait.mul_f64(rng.f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const BEGIN: Duration = Duration::ZERO;

    fn number(unit: &str, boot: &str, seq: u64) -> Number {
        Number { unit: unit.to_owned(), boot: boot.to_owned(), seq }
    }

    fn sent(unit: &str, boot: &str, seq: u64) -> Sent {
        Sent { topic: unit.to_owned(), payload: format!("{boot}-{seq}").into_bytes() }
    }

    fn holding(numbers: &[(&str, &str, u64)]) -> Outstanding {
        let mut outstanding = Outstanding::new(MINUTE, 1);
        for (unit, boot, seq) in numbers {
            outstanding.keep(number(unit, boot, *seq), sent(unit, boot, *seq), BEGIN);
        }
        outstanding
    }

    fn left(outstanding: &mut Outstanding) -> Vec<Sent> {
        outstanding.reconnected(BEGIN);
        outstanding.take_due(BEGIN, usize::MAX)
    }

    #[test]
    fn keeps_what_the_ack_does_not_cover() {
        let mut outstanding =
            holding(&[("u1", "b1", 1), ("u1", "b1", 6), ("u1", "b1", 7), ("u1", "b2", 6), ("u2", "b1", 6)]);
        outstanding.acknowledged("u1", "b1", 6, 6);
        let expected = [sent("u1", "b1", 1), sent("u1", "b1", 7), sent("u1", "b2", 6), sent("u2", "b1", 6)];
        assert_eq!(left(&mut outstanding), expected);
        outstanding.acknowledged("u1", "b1", 1, 7);
        outstanding.acknowledged("u1", "b2", 9, 8);
        outstanding.acknowledged("u3", "b1", 1, 9);
        assert_eq!(left(&mut outstanding), [sent("u1", "b2", 6), sent("u2", "b1", 6)]);
    }

    #[test]
    fn tells_again_after_the_wait_and_then_less_and_less_often() {
        let mut outstanding = holding(&[("u1", "b1", 1)]);
        let mut told = Vec::new();
        for second in 0..=86_400 {
            if !outstanding.take_due(Duration::from_secs(second), usize::MAX).is_empty() {
                told.push(second);
            }
        }
        assert!((60..=91).contains(&told[0]), "{told:?}");
        let waits: Vec<u64> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((120..=181).contains(&waits[0]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 5_401) && waits.last().unwrap() >= &3_600, "{waits:?}");
    }

    #[test]
    fn tells_all_of_it_again_after_a_reconnect_a_part_at_a_time_and_in_order() {
        let mut outstanding = holding(&[("u1", "b1", 1), ("u2", "b1", 1), ("u1", "b1", 2)]);
        assert_eq!(outstanding.take_due(BEGIN, 9), []);
        outstanding.reconnected(BEGIN);
        assert_eq!(outstanding.take_due(BEGIN, 2), [sent("u1", "b1", 1), sent("u2", "b1", 1)]);
        assert_eq!(outstanding.take_due(BEGIN, 2), [sent("u1", "b1", 2)]);
        assert_eq!(outstanding.take_due(BEGIN, 2), []);
    }

    #[test]
    fn is_bounded_and_says_what_it_gave_up() {
        let mut outstanding = Outstanding::with_room(MINUTE, 1, 100);
        for seq in 1..=1_000 {
            outstanding.keep(number("u1", &format!("b{}", seq % 7), seq), sent("u1", "b", seq), BEGIN);
        }
        assert_eq!((outstanding.len(), outstanding.given_up()), (100, 900));
        assert_eq!(outstanding.places.values().map(BTreeMap::len).sum::<usize>(), 100);
        for boot in 0..7 {
            outstanding.acknowledged("u1", &format!("b{boot}"), 1, 1_000);
        }
        assert!(outstanding.is_empty() && outstanding.places.is_empty());
    }

    #[test]
    fn what_is_told_twice_is_kept_once() {
        let mut outstanding = holding(&[("u1", "b1", 1), ("u1", "b1", 1)]);
        assert_eq!(outstanding.len(), 1);
        assert_eq!(left(&mut outstanding), [sent("u1", "b1", 1)]);
    }
}
