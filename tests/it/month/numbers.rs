//! Which of a unit's numbers are missing, and for how long: by the definition, number by number.

use smol_str::SmolStr;
use std::collections::BTreeMap;

use liftwatch::domain::event::Sequence;
use liftwatch::domain::time::{DAY, MINUTE, Timestamp};

/// How long a number may be on its way, and how long a missing one stays a finding.
const GRACE: i64 = MINUTE;
const HOLD: i64 = 30 * DAY;

/// The numbers of a unit, boot by boot.
#[derive(Default)]
pub struct Numbers {
    boots: BTreeMap<SmolStr, Boot>,
    /// Boots of which this batch spoke.
    moved: Vec<SmolStr>,
}

#[derive(Default)]
struct Boot {
    /// The first that was heard of the unit: nothing is said of what it had sent before.
    joined: bool,
    /// When each number came first.
    arrived: BTreeMap<u64, Timestamp>,
    /// When which number was said to be the last, where that was news.
    announced: Vec<(Timestamp, u64)>,
    new: Vec<u64>,
    last: Option<u64>,
}

impl Numbers {
    pub fn arrived(&mut self, sequence: &Sequence) {
        self.boot(sequence.boot.clone()).new.push(sequence.seq);
    }

    pub fn announced(&mut self, boot: SmolStr, last: u64) {
        let known = self.boots.get(&boot).and_then(|boot| boot.announced.last());
        if known.is_none_or(|(_, known)| *known < last) {
            let boot = self.boot(boot);
            boot.last = boot.last.max(Some(last));
        }
    }

    fn boot(&mut self, name: SmolStr) -> &mut Boot {
        let joined = self.boots.is_empty();
        if !self.moved.contains(&name) {
            self.moved.push(name.clone());
        }
        self.boots.entry(name).or_insert(Boot { joined, ..Boot::default() })
    }

    /// The messages of one transaction came at one moment.
    pub fn batch_over(&mut self, now: Timestamp) {
        for name in self.moved.drain(..) {
            let boot = self.boots.get_mut(&name).unwrap();
            for number in boot.new.drain(..) {
                boot.arrived.entry(number).or_insert(now);
            }
            boot.announced.extend(boot.last.take().map(|last| (now, last)));
        }
    }

    /// The stretches of time in which numbers were missing for longer than the grace; those that touch are one.
    pub fn alerts(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let missing = self.boots.values().flat_map(Boot::missing);
        let mut held: Vec<(Timestamp, Timestamp)> = missing
            .map(|(found, came)| (found + GRACE, came.map_or(found + HOLD, |came| came.min(found + HOLD))))
            .filter(|(starts, ends)| starts < ends)
            .collect();
        held.sort();
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (starts, ends) in held {
            match joined.last_mut().filter(|before| starts <= before.1) {
                Some(before) => before.1 = before.1.max(ends),
                None => joined.push((starts, ends)),
            }
        }
        joined.retain(|(starts, _)| *starts <= now);
        joined
    }
}

impl Boot {
    /// For each number that was missed: when, and when it came after all.
    fn missing(&self) -> Vec<(Timestamp, Option<Timestamp>)> {
        let moments = self.moments();
        let top = moments.last().map_or(0, |(_, _, highest)| *highest);
        let mut found = Vec::new();
        for number in 0..=top {
            let came = self.arrived.get(&number).copied();
            let missed = moments.iter().find(|(at, lowest, highest)| {
                *lowest <= number && number <= *highest && came.is_none_or(|came| came > *at)
            });
            found.extend(missed.map(|(at, ..)| (*at, came)));
        }
        found
    }

    /// At each moment at which something was learnt: from which number to which numbers are known to exist.
    fn moments(&self) -> Vec<(Timestamp, u64, u64)> {
        let mut times: Vec<Timestamp> =
            self.arrived.values().copied().chain(self.announced.iter().map(|(at, _)| *at)).collect();
        times.sort_unstable();
        times.dedup();
        let first = times.first().copied();
        let bounds = |at: Timestamp| {
            let arrived = || self.arrived.iter().filter(move |(_, came)| **came <= at).map(|(number, _)| *number);
            let announced = || self.announced.iter().filter(move |(then, _)| *then <= at);
            let highest = arrived().chain(announced().map(|(_, last)| *last)).max().unwrap_or(0);
            // Joined by an announcement alone, it counts from the number after it.
            let after = announced().find(|(then, _)| Some(*then) == first).map(|(_, last)| last + 1);
            let by_event = self.arrived.values().any(|came| Some(*came) == first);
            let joined = if by_event { None } else { after };
            let lowest = arrived().chain(joined).min().unwrap_or(1);
            (at, if self.joined { lowest } else { lowest.min(1) }, highest)
        };
        times.into_iter().map(bounds).collect()
    }
}
