//! The numbering of one boot of one unit: which sequence numbers are known to exist, and which of them are missing.

use super::time::Timestamp;

/// A run of missing numbers, `from..=to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Missing {
    /// The stored gap that this run is part of; `None` for a run that is found now.
    pub row: Option<i64>,
    /// When that gap was found; `None` for now.
    pub found_at: Option<Timestamp>,
    pub from: u64,
    pub to: u64,
}

/// What is known of a numbering. Whatever the order of arrival, the same numbers leave the same numbering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The lowest number known; nothing is said of those before it.
    pub first: u64,
    pub highest: u64,
    /// Ascending and disjoint.
    pub missing: Vec<Missing>,
}

impl Numbering {
    /// The numbering of a unit's first boot that we hear of: nothing is said of what it sent before.
    #[must_use]
    pub const fn joined_at(seq: u64) -> Self {
        Self { first: seq, highest: seq, missing: Vec::new() }
    }

    /// A numbering that we join while it runs: everything up to `last` was sent before we listened.
    #[must_use]
    pub const fn joined_after(last: u64) -> Self {
        Self { first: last + 1, highest: last, missing: Vec::new() }
    }

    /// The numbering of a later boot of a unit that we listen to: it counts from 1 (from 0 if 0 arrives), so a
    /// number that never came is missing even if it was the first.
    #[must_use]
    pub const fn rebooted() -> Self {
        Self { first: 1, highest: 0, missing: Vec::new() }
    }

    /// The highest number up to which nothing is missing.
    #[must_use]
    pub fn contiguous(&self) -> u64 {
        self.missing.first().map_or(self.highest, |missing| missing.from - 1)
    }

    /// Whether the event with this number is stored.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        let missing = |run: &Missing| run.from <= seq && seq <= run.to;
        (self.first..=self.highest).contains(&seq) && !self.missing.iter().any(missing)
    }

    /// An event with this number is stored from now on.
    pub fn arrived(&mut self, seq: u64) {
        if seq > self.highest {
            self.announced(seq - 1);
            self.highest = seq;
        } else if seq < self.first {
            if seq + 1 < self.first {
                self.missing.insert(0, Missing { row: None, found_at: None, from: seq + 1, to: self.first - 1 });
            }
            self.first = seq;
        } else if let Some(place) = self.missing.iter().position(|run| run.from <= seq && seq <= run.to) {
            let run = self.missing.remove(place);
            let before = (run.from < seq).then(|| Missing { to: seq - 1, ..run });
            // The part behind keeps the stored row only if no part before it does.
            let row = if before.is_some() { None } else { run.row };
            let after = (seq < run.to).then(|| Missing { row, from: seq + 1, ..run });
            self.missing.splice(place..place, before.into_iter().chain(after));
        }
    }

    /// The sender says that it has sent everything up to `last`.
    pub fn announced(&mut self, last: u64) {
        if last > self.highest {
            self.missing.push(Missing { row: None, found_at: None, from: self.highest + 1, to: last });
            self.highest = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(numbering: &Numbering) -> Vec<(u64, u64)> {
        numbering.missing.iter().map(|run| (run.from, run.to)).collect()
    }

    #[test]
    fn a_later_number_opens_a_gap_and_the_missing_ones_close_it() {
        let mut numbering = Numbering::joined_at(5);
        numbering.arrived(9);
        assert_eq!((runs(&numbering), numbering.contiguous()), (vec![(6, 8)], 5));
        numbering.arrived(7);
        assert_eq!(runs(&numbering), [(6, 6), (8, 8)]);
        assert_eq!((4..=10).filter(|seq| numbering.has(*seq)).collect::<Vec<_>>(), [5, 7, 9]);
        numbering.arrived(6);
        assert_eq!((runs(&numbering), numbering.contiguous()), (vec![(8, 8)], 7));
        numbering.arrived(8);
        assert_eq!((runs(&numbering), numbering.contiguous()), (vec![], 9));
    }

    #[test]
    fn an_announced_number_that_never_came_is_missing() {
        let mut numbering = Numbering::joined_after(41);
        numbering.announced(41);
        assert_eq!(runs(&numbering), []);
        numbering.announced(43);
        assert_eq!(runs(&numbering), [(42, 43)]);
    }

    #[test]
    fn after_a_reboot_the_first_numbers_are_missed_too() {
        let mut numbering = Numbering::rebooted();
        numbering.arrived(3);
        assert_eq!((runs(&numbering), numbering.contiguous()), (vec![(1, 2)], 0));
        let mut from_zero = Numbering::rebooted();
        from_zero.arrived(0);
        from_zero.arrived(1);
        assert_eq!((runs(&from_zero), from_zero.contiguous()), (vec![], 1));
    }

    #[test]
    fn every_order_of_arrival_leaves_the_same_numbering() {
        let numbers = [3, 4, 7, 8, 12];
        let mut expected: Option<Numbering> = None;
        for rotation in 0..numbers.len() {
            let mut order = numbers;
            order.rotate_left(rotation);
            let mut numbering = Numbering::joined_at(order[0]);
            order[1..].iter().for_each(|seq| numbering.arrived(*seq));
            assert_eq!(*expected.get_or_insert(numbering.clone()), numbering, "order {order:?}");
        }
    }
}
