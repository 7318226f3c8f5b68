//! When a group is told: scenarios by the second, and random histories held against a model that looks at every second.

use std::collections::{BTreeMap, BTreeSet};

use liftwatch::domain::alert::TransitionKind;
use liftwatch::domain::alert::TransitionKind::{Escalated, Fired, Reopened, Resolved, Withdrawn};
use liftwatch::domain::notice::NotificationKind;
use liftwatch::domain::time::{SECOND, Timestamp};
use liftwatch::notify::group::{Group, Pending, Timing, Told, decide, leaves_firing, sum};
use proptest::prelude::*;

/// Second, kind, and what was said of which alert.
type Said = (i64, NotificationKind, Vec<(String, TransitionKind)>);

/// A receiver with one group, kept as the caller of [`decide`] must keep it. Times are whole seconds.
struct Receiver {
    timing: Timing,
    notified_at: Option<Timestamp>,
    pending: Vec<Pending>,
    /// When a message last named it.
    told: BTreeMap<String, Timestamp>,
    /// As it is, whoever was told.
    firing: BTreeSet<String>,
    answered: BTreeSet<String>,
    wake: Option<Timestamp>,
    log: Vec<Said>,
}

impl Receiver {
    fn new(wait: i64, interval: i64, repeat: i64) -> Self {
        let timing = Timing { wait: wait * SECOND, interval: interval * SECOND, repeat: repeat * SECOND };
        Self {
            timing,
            notified_at: None,
            pending: Vec::new(),
            told: BTreeMap::new(),
            firing: BTreeSet::new(),
            answered: BTreeSet::new(),
            wake: None,
            log: Vec::new(),
        }
    }

    fn happens(&mut self, second: i64, alert: &str, change: TransitionKind) {
        let at = Timestamp(second * SECOND);
        self.pending.push(Pending { alert: alert.to_owned(), change, at });
        if leaves_firing(change) {
            self.firing.insert(alert.to_owned());
            self.answered.remove(alert);
        } else {
            self.firing.remove(alert);
        }
        self.ask(second);
    }

    fn answers(&mut self, second: i64, alert: &str) {
        self.answered.insert(alert.to_owned());
        self.ask(second);
    }

    fn told(&self) -> Vec<Told> {
        let open = |alert: &String| self.firing.contains(alert) && !self.answered.contains(alert);
        self.told.iter().map(|(alert, at)| Told { alert: alert.clone(), at: *at, needs_answer: open(alert) }).collect()
    }

    /// Asks until there is nothing more to do now.
    fn ask(&mut self, second: i64) {
        let now = Timestamp(second * SECOND);
        for _ in 0..3 {
            let told = self.told();
            let group =
                Group { timing: self.timing, notified_at: self.notified_at, pending: &self.pending, told: &told };
            let decision = decide(&group, now);
            if decision.settled {
                self.pending.clear();
            }
            if decision.forget {
                assert!(told.is_empty(), "it forgets what fires");
                self.notified_at = None;
            }
            self.wake = decision.wake;
            let Some(telling) = decision.tell else { break };
            self.notified_at = Some(now);
            for (alert, change) in &telling.changes {
                if leaves_firing(*change) {
                    self.told.insert(alert.clone(), now);
                } else {
                    self.told.remove(alert);
                }
            }
            self.log.push((second, telling.kind, telling.changes));
        }
        assert!(self.wake.is_none_or(|at| at > now), "it wants to be asked again and again");
    }

    /// Lets time pass from `from` until `to`, asking only when it was said to.
    fn sleeps(&mut self, to: i64) {
        while let Some(wake) = self.wake.filter(|at| at.0 <= to * SECOND) {
            self.ask(wake.0 / SECOND);
        }
    }

    fn said(&self) -> Vec<String> {
        let line = |(second, kind, changes): &Said| {
            let changes: Vec<String> = changes.iter().map(|(alert, change)| format!("{alert} {change}")).collect();
            format!("{second} {kind}: {}", changes.join(", "))
        };
        self.log.iter().map(line).collect()
    }

    /// What somebody who read every message believes to fire.
    fn believed(&self) -> BTreeSet<String> {
        let mut believed = BTreeSet::new();
        for (alert, change) in self.log.iter().flat_map(|(_, _, changes)| changes) {
            if leaves_firing(*change) {
                believed.insert(alert.clone());
            } else {
                believed.remove(alert);
            }
        }
        believed
    }
}

#[test]
fn the_first_change_waits_for_others_and_they_are_told_together() {
    let mut receiver = Receiver::new(10, 300, 3600);
    receiver.happens(0, "a", Fired);
    receiver.happens(4, "b", Fired);
    receiver.sleeps(9);
    assert_eq!(receiver.said(), [""; 0]);
    receiver.sleeps(10);
    assert_eq!(receiver.said(), ["10 alerts: a fired, b fired"]);
}

#[test]
fn what_comes_later_waits_for_the_interval() {
    let mut receiver = Receiver::new(10, 300, 3600);
    receiver.happens(0, "a", Fired);
    receiver.sleeps(20);
    receiver.happens(20, "b", Fired);
    receiver.sleeps(100);
    receiver.happens(100, "a", Resolved);
    receiver.sleeps(400);
    assert_eq!(receiver.said(), ["10 alerts: a fired", "310 alerts: b fired, a resolved"]);
    receiver.happens(400, "b", Resolved);
    receiver.sleeps(2000);
    assert_eq!(receiver.said()[2..], ["610 alerts: b resolved"]);
}

#[test]
fn after_a_quiet_interval_only_the_wait_counts() {
    let mut receiver = Receiver::new(10, 300, 36_000);
    receiver.happens(0, "a", Fired);
    receiver.sleeps(1000);
    receiver.happens(1000, "b", Fired);
    receiver.sleeps(1010);
    assert_eq!(receiver.said(), ["10 alerts: a fired", "1010 alerts: b fired"]);
}

#[test]
fn nobody_answers_and_it_is_told_again_until_somebody_does() {
    let mut receiver = Receiver::new(0, 60, 600);
    receiver.happens(0, "a", Fired);
    receiver.sleeps(1300);
    assert_eq!(receiver.said(), ["0 alerts: a fired", "600 reminder: a fired", "1200 reminder: a fired"]);
    receiver.answers(1300, "a");
    receiver.sleeps(9000);
    assert_eq!(receiver.said().len(), 3);
    receiver.happens(9000, "a", Escalated);
    receiver.sleeps(9700);
    assert_eq!(receiver.said()[3..], ["9000 alerts: a escalated", "9600 reminder: a fired"]);
}

/// Were the reminder counted from the group's last message, a site where something happens every hour would never get one.
#[test]
fn news_of_others_does_not_put_a_reminder_off() {
    let mut receiver = Receiver::new(0, 60, 600);
    receiver.happens(0, "a", Fired);
    for (second, alert) in [(250, "b"), (500, "c")] {
        receiver.sleeps(second);
        receiver.happens(second, alert, Fired);
        receiver.answers(second, alert);
    }
    receiver.sleeps(600);
    assert_eq!(receiver.said().last().unwrap(), "600 reminder: a fired");
}

#[test]
fn a_sensor_that_flaps_is_told_once() {
    let mut receiver = Receiver::new(10, 300, 36_000);
    receiver.happens(0, "a", Fired);
    receiver.sleeps(20);
    for second in [20, 60, 100, 140, 180] {
        receiver.happens(second, "a", Resolved);
        receiver.happens(second + 20, "a", Reopened);
    }
    receiver.sleeps(2000);
    assert_eq!(receiver.said(), ["10 alerts: a fired"]);
}

#[test]
fn what_was_over_before_it_was_told_is_still_told_but_what_never_was_is_not() {
    let mut receiver = Receiver::new(10, 300, 3600);
    receiver.happens(0, "a", Fired);
    receiver.happens(1, "b", Fired);
    receiver.happens(5, "a", Resolved);
    receiver.happens(6, "b", Withdrawn);
    receiver.sleeps(5000);
    assert_eq!(receiver.said(), ["10 alerts: a resolved"]);
}

#[test]
fn a_group_that_is_over_is_forgotten_after_its_interval() {
    let mut receiver = Receiver::new(10, 300, 3600);
    receiver.happens(0, "a", Fired);
    receiver.sleeps(10);
    receiver.happens(400, "a", Resolved);
    receiver.sleeps(410);
    receiver.happens(420, "b", Fired);
    receiver.sleeps(709);
    assert_eq!(receiver.said().len(), 2, "its interval holds though nothing of it fires");
    receiver.sleeps(710);
    assert_eq!(receiver.said()[2..], ["710 alerts: b fired"]);
    receiver.happens(800, "b", Resolved);
    receiver.sleeps(5000);
    assert_eq!((receiver.notified_at, receiver.wake), (None, None));
}

#[test]
fn without_wait_and_interval_each_change_is_told_at_once() {
    let mut receiver = Receiver::new(0, 0, 180);
    receiver.happens(0, "a", Fired);
    receiver.happens(1, "a", Resolved);
    receiver.happens(1, "a", Reopened);
    assert_eq!(receiver.said(), ["0 alerts: a fired", "1 alerts: a resolved", "1 alerts: a reopened"]);
}

#[test]
fn several_changes_come_to_what_matters() {
    for (changes, unknown, known) in [
        (vec![Fired], Some(Fired), None),
        (vec![Fired, Escalated], Some(Fired), Some(Escalated)),
        (vec![Escalated], Some(Escalated), Some(Escalated)),
        (vec![Resolved], Some(Resolved), Some(Resolved)),
        (vec![Resolved, Reopened], Some(Reopened), None),
        (vec![Resolved, Reopened, Escalated], Some(Escalated), Some(Escalated)),
        (vec![Reopened, Withdrawn], None, Some(Withdrawn)),
        (vec![Fired, TransitionKind::Revised], Some(Fired), None),
        (vec![TransitionKind::Revised], None, None),
        (vec![], None, None),
    ] {
        assert_eq!((sum(&changes, false), sum(&changes, true)), (unknown, known), "{changes:?}");
    }
}

/// Seconds since the one before, which alert, and which of the things that can happen to it now.
type Move = (i64, usize, usize);

/// A history in which each alert only does what alerts can do; `None` is an answer.
fn history(moves: &[Move]) -> Vec<(i64, String, Option<TransitionKind>)> {
    let mut state: BTreeMap<usize, TransitionKind> = BTreeMap::new();
    let mut second = 0;
    let mut happened = Vec::new();
    for (later, alert, choice) in moves {
        second += later;
        let can: &[Option<TransitionKind>] = match state.get(alert) {
            None => &[Some(Fired)],
            Some(Resolved) => &[Some(Reopened), Some(Withdrawn)],
            Some(Withdrawn) => &[],
            Some(_) => &[Some(Resolved), Some(Escalated), Some(Withdrawn), None],
        };
        let Some(change) = can.get(choice % can.len().max(1)) else { continue };
        if let Some(change) = change {
            state.insert(*alert, *change);
        }
        happened.push((second, format!("a{alert}"), *change));
    }
    happened
}

/// Nothing that is due at this second is left.
fn assert_nothing_overdue(receiver: &Receiver, second: i64) {
    let now = Timestamp(second * SECOND);
    let free = receiver.notified_at.is_none_or(|at| at + receiver.timing.interval <= now);
    let waited = receiver.pending.iter().any(|pending| pending.at + receiver.timing.wait <= now);
    assert!(!(free && waited), "{second}: left to wait: {:?}", receiver.pending);
    let owed = receiver.told().into_iter().find(|told| told.needs_answer && told.at + receiver.timing.repeat <= now);
    assert!(!free || owed.is_none(), "{second}: no reminder of {owed:?}");
}

proptest! {
    #[test]
    fn waking_when_told_to_is_as_good_as_looking_every_second(
        moves in prop::collection::vec((0_i64..90, 0_usize..4, 0_usize..4), 1..40),
        wait in 0_i64..30,
        interval in 0_i64..120,
        repeat in 150_i64..400,
    ) {
        let happened = history(&moves);
        let end = happened.last().map_or(0, |(second, _, _)| *second) + 1000;
        let mut sleeper = Receiver::new(wait, interval, repeat);
        for (second, alert, change) in &happened {
            sleeper.sleeps(*second);
            match change {
                Some(change) => sleeper.happens(*second, alert, *change),
                None => sleeper.answers(*second, alert),
            }
        }
        sleeper.sleeps(end);

        let mut watcher = Receiver::new(wait, interval, repeat);
        let mut next = happened.iter().peekable();
        for second in 0..=end {
            watcher.ask(second);
            while let Some((_, alert, change)) = next.next_if(|(at, _, _)| *at == second) {
                match change {
                    Some(change) => watcher.happens(second, alert, *change),
                    None => watcher.answers(second, alert),
                }
            }
            assert_nothing_overdue(&watcher, second);
        }
        prop_assert_eq!(sleeper.said(), watcher.said());

        prop_assert_eq!(sleeper.believed(), sleeper.firing.clone(), "the reader believes what is so");
        for two in sleeper.log.windows(2) {
            prop_assert!(two[1].0 - two[0].0 >= interval, "{:?}", sleeper.said());
        }
        let named: BTreeSet<&String> = sleeper.log.iter().flat_map(|(_, _, changes)| changes).map(|(a, _)| a).collect();
        let last: BTreeMap<&String, TransitionKind> =
            happened.iter().filter_map(|(_, alert, change)| Some((alert, (*change)?))).collect();
        for (alert, last) in last {
            prop_assert!(last == Withdrawn || named.contains(alert), "{alert} was never told");
        }
        prop_assert!(!sleeper.firing.is_empty() || sleeper.notified_at.is_none(), "kept for ever");
    }
}
