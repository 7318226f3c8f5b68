//! The naive model of the rules: judges one unit's whole history at every moment at which anything could change,
//! straight from the definitions, in quadratic time and without a line of the daemon's own code for rules.

use smol_str::SmolStr;
use std::collections::BTreeSet;

use liftwatch::domain::event::{Event, EventType, Mode};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};

/// One episode: rule, start, end, worst level that it reached by `now`.
pub type Episode = (&'static str, Timestamp, Option<Timestamp>, u8);

/// Everything that is known of one unit.
pub struct Known {
    pub events: Vec<Event>,
    pub visits: Vec<Visit>,
}

const WINDOW: i64 = 30 * DAY;
const WATCH: i64 = 90 * DAY;
const MERGE: i64 = 60 * MINUTE;
/// Days between two visits, and days after which a visit that is due is late.
const INTERVAL: i64 = 15;
const LATE: [i64; 3] = [1, 3, 7];
/// So long before and after a visit's time an event may be of it.
const NEAR: i64 = 30 * MINUTE;
/// A half-month visit takes at least so long.
const SHORT: i64 = 10 * MINUTE;

impl Known {
    /// The episodes of every rule that depends on facts alone, by the defaults.
    pub fn episodes(&self, now: Timestamp) -> BTreeSet<Episode> {
        let incidents = self.incidents();
        let entrapments = self.entrapments();
        let count = |times: &[Timestamp], window: i64, x: Timestamp| {
            times.iter().filter(|t| **t <= x && x < **t + window).count()
        };
        let times: Vec<Timestamp> = incidents.iter().map(|(at, _)| *at).collect();
        let returned = self.returned(&incidents);
        let mut found = BTreeSet::new();
        let mut rule = |name, level: &dyn Fn(Timestamp) -> u8| found.extend(self.holds(name, now, level));
        rule("repeated_fault", &|x| u8::from(count(&times, WINDOW, x) >= 3));
        rule("repeated_fault_watch", &|x| u8::from(count(&times, WATCH, x) >= 4));
        rule("repeated_entrapment", &|x| match count(&entrapments, WINDOW, x) {
            0 | 1 => 0,
            2 => 1,
            _ => 2,
        });
        rule("fault_after_repair", &|x| u8::from(count(&returned, WINDOW, x) >= 1));
        rule("critical_fault", &|x| u8::from(self.critical(x)));
        rule("entrapment", &|x| u8::from(self.trapped(x)));
        rule("maintenance_overdue", &|x| self.overdue(x));
        rule("visit_too_short", &|x| self.too_short(x));
        found
    }

    /// Judges at every bound and joins what holds.
    fn holds(&self, name: &'static str, now: Timestamp, level: &dyn Fn(Timestamp) -> u8) -> Vec<Episode> {
        let facts = self.events.iter().map(|event| event.ts);
        let visits = self.visits.iter().flat_map(|visit| [visit.started_at, visit.ended_at.unwrap()]);
        let late = |at: Timestamp| LATE.map(|days| at.plus_days(INTERVAL + days));
        let overdue = self.visits.iter().flat_map(|visit| late(visit.started_at));
        let windows = facts.chain(visits).flat_map(|at| [at, at + WINDOW, at + WATCH]);
        let bounds: BTreeSet<Timestamp> = windows.chain(overdue).collect();
        let mut episodes: Vec<Episode> = Vec::new();
        let mut open: Option<(Timestamp, u8)> = None;
        for x in bounds {
            let level = level(x);
            match (&mut open, level) {
                (None, 0) => {}
                (None, level) => open = Some((x, level)),
                (Some((start, worst)), 0) => {
                    episodes.push((name, *start, Some(x), *worst));
                    open = None;
                }
                (Some((_, worst)), level) if x <= now => *worst = level.max(*worst),
                (Some(_), _) => {}
            }
        }
        episodes.extend(open.map(|(start, worst)| (name, start, None, worst)));
        // What begins only later is nothing yet.
        episodes.retain(|episode| episode.1 <= now);
        episodes
    }

    fn superseded(&self, visit: &Visit) -> bool {
        let mut others = self.visits.iter().filter(|later| later.record_id != visit.record_id);
        others.any(|later| later.supersedes.as_deref() == Some(visit.record_id.as_str()))
    }

    /// How many of the limits are past since the planned visit that began last and has ended by `x` was followed by none.
    fn overdue(&self, x: Timestamp) -> u8 {
        let planned = |visit: &&Visit| visit.kind != VisitKind::Fm && !self.superseded(visit);
        let done = self.visits.iter().filter(planned).filter(|visit| visit.ended_at.unwrap() <= x);
        let Some(last) = done.map(|visit| visit.started_at).max() else { return 0 };
        LATE.iter().filter(|days| last.plus_days(INTERVAL + **days) <= x).count().try_into().unwrap()
    }

    /// How many short visits there were since the last time that none had been found for a window.
    fn too_short(&self, x: Timestamp) -> u8 {
        let short = |visit: &&Visit| {
            visit.kind == VisitKind::Hm
                && !self.superseded(visit)
                && visit.ended_at.unwrap() - visit.started_at < SHORT
                && visit.ended_at.unwrap() <= x
        };
        gathered(self.visits.iter().filter(short).map(|visit| visit.ended_at.unwrap()).collect(), x)
    }

    /// The episodes of `visit_without_trace`, for which one must know when nothing was heard: from when to when.
    pub fn without_trace(&self, now: Timestamp, silences: &[(Timestamp, Option<Timestamp>)]) -> Vec<Episode> {
        let found: Vec<Timestamp> = self
            .visits
            .iter()
            .filter(|visit| !self.superseded(visit) && !self.left_a_trace(visit, silences))
            .map(|visit| visit.ended_at.unwrap() + NEAR)
            .collect();
        let mut bounds: Vec<Timestamp> = found.iter().flat_map(|at| [*at, *at + WINDOW]).collect();
        bounds.sort();
        let mut episodes: Vec<Episode> = Vec::new();
        let mut open: Option<(Timestamp, u8)> = None;
        for x in bounds.into_iter().filter(|x| *x <= now || open_at(&found, *x) == 0) {
            match (&mut open, open_at(&found, x)) {
                (None, 0) => {}
                (None, level) => open = Some((x, level)),
                (Some((start, worst)), 0) => {
                    episodes.push(("visit_without_trace", *start, Some(x), *worst));
                    open = None;
                }
                (Some((_, worst)), level) => *worst = level,
            }
        }
        episodes.retain(|episode| episode.1 <= now);
        episodes
    }

    /// Whether the unit told anything of a visit, or could not have.
    fn left_a_trace(&self, visit: &Visit, silences: &[(Timestamp, Option<Timestamp>)]) -> bool {
        let (start, end) = (visit.started_at, visit.ended_at.unwrap());
        let near = |at: Timestamp| start - NEAR <= at && at <= end + NEAR;
        let lasting = [FaultCode::SafetyChainOpen, FaultCode::UnintendedCarMovement];
        let tells = |event: &&Event| match event.kind {
            EventType::AlarmPressed => false,
            EventType::FaultCleared => event.fault.as_ref().is_some_and(|fault| lasting.contains(&fault.code)),
            _ => true,
        };
        if self.events.iter().filter(tells).any(|event| near(event.ts)) {
            return true;
        }
        let silent =
            |(from, to): &(Timestamp, Option<Timestamp>)| *from <= start + 10 * MINUTE && to.is_none_or(|to| end <= to);
        if silences.iter().any(silent) {
            return false;
        }
        let modes = self.events.iter().filter(|event| event.kind == EventType::ModeChanged);
        let inspected = |event: &Event| event.mode == Some(Mode::Inspection);
        let before = modes.clone().filter(|event| event.ts < start - NEAR).max_by_key(|event| event.ts);
        before.is_some_and(inspected) || !modes.clone().any(|event| inspected(event) && event.ts <= end)
    }

    /// Whether a fault at `x` does not count: the mode then, the mains then, a visit then.
    fn excluded(&self, x: Timestamp) -> bool {
        let last = |kinds: &[EventType]| {
            let told = self.events.iter().filter(|event| kinds.contains(&event.kind) && event.ts <= x);
            told.max_by_key(|event| event.ts)
        };
        let mode = last(&[EventType::ModeChanged]).and_then(|event| event.mode);
        let mains = last(&[EventType::MainsOff, EventType::MainsOn]).map(|event| event.kind);
        let inside = |visit: &Visit| visit.started_at <= x && x <= visit.ended_at.unwrap() && !self.superseded(visit);
        matches!(mode, Some(Mode::Inspection | Mode::FireRecall | Mode::Firefighter))
            || mains == Some(EventType::MainsOff)
            || self.visits.iter().any(inside)
    }

    /// Time and kind of each incident: a fault with none of its kind in the hour before it.
    fn incidents(&self) -> Vec<(Timestamp, (FaultCode, Option<SmolStr>))> {
        let kind = |event: &Event| {
            let fault = event.fault.clone().unwrap();
            (fault.code, fault.vendor_code.filter(|_| fault.code == FaultCode::Other))
        };
        let counted: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| event.kind == EventType::FaultRaised && !self.excluded(event.ts))
            .collect();
        let first = |event: &&&Event| {
            !counted
                .iter()
                .any(|earlier| kind(earlier) == kind(event) && earlier.ts < event.ts && event.ts - earlier.ts <= MERGE)
        };
        let found: BTreeSet<_> = counted.iter().filter(first).map(|event| (event.ts, kind(event))).collect();
        found.into_iter().collect()
    }

    /// Times of entrapments that count: nobody was reported trapped in the hour before, nor is still trapped.
    fn entrapments(&self) -> Vec<Timestamp> {
        let counted: BTreeSet<Timestamp> = self
            .events
            .iter()
            .filter(|event| event.kind == EventType::EntrapmentReported && !self.excluded(event.ts))
            .map(|event| event.ts)
            .collect();
        let first = |at: &Timestamp| match counted.range(..*at).next_back() {
            None => true,
            Some(before) => {
                *at - *before > MERGE
                    && self.events.iter().any(|event| {
                        event.kind == EventType::PassengerReleased && *before <= event.ts && event.ts < *at
                    })
            }
        };
        counted.iter().copied().filter(first).collect()
    }

    /// Times of incidents that are the return of a repaired fault.
    fn returned(&self, incidents: &[(Timestamp, (FaultCode, Option<SmolStr>))]) -> Vec<Timestamp> {
        let repairs: Vec<&Visit> =
            self.visits.iter().filter(|visit| visit.kind == VisitKind::Fm && !self.superseded(visit)).collect();
        let is_return = |(at, kind): &&(Timestamp, (FaultCode, Option<SmolStr>))| {
            repairs.iter().any(|visit| {
                let end = visit.ended_at.unwrap();
                end < *at
                    && *at < end + WINDOW
                    && incidents.iter().any(|(before, other)| {
                        other == kind && *before <= visit.started_at && visit.started_at < *before + WINDOW
                    })
            })
        };
        incidents.iter().filter(is_return).map(|(at, _)| *at).collect()
    }

    /// Whether a critical fault that counted is raised and not cleared at `x`.
    fn critical(&self, x: Timestamp) -> bool {
        let codes = [FaultCode::SafetyChainOpen, FaultCode::UnintendedCarMovement];
        codes.iter().any(|code| {
            let of = |event: &&Event| event.fault.as_ref().is_some_and(|fault| fault.code == *code) && event.ts <= x;
            self.events.iter().filter(of).any(|raised| {
                let harmless = *code == FaultCode::SafetyChainOpen
                    && (raised.moving == Some(false) || raised.occupied == Some(false));
                raised.kind == EventType::FaultRaised
                    && !self.excluded(raised.ts)
                    && !harmless
                    && !self
                        .events
                        .iter()
                        .filter(of)
                        .any(|cleared| cleared.kind == EventType::FaultCleared && cleared.ts >= raised.ts)
            })
        })
    }

    /// Whether somebody reported at or before `x` is not released by `x`.
    fn trapped(&self, x: Timestamp) -> bool {
        let latest = |kind: EventType| {
            self.events.iter().filter(|event| event.kind == kind && event.ts <= x).map(|event| event.ts).max()
        };
        match (latest(EventType::EntrapmentReported), latest(EventType::PassengerReleased)) {
            (Some(reported), Some(released)) => reported > released,
            (reported, _) => reported.is_some(),
        }
    }
}

/// How many findings there were by `x` since the last time that none had been found for a window; 0 if none stands.
fn gathered(mut found: Vec<Timestamp>, x: Timestamp) -> u8 {
    found.retain(|at| *at <= x);
    found.sort();
    let (mut count, mut after) = (0, x);
    while let Some(at) = found.pop().filter(|at| after < *at + WINDOW || (count > 0 && after == *at + WINDOW)) {
        (count, after) = (count + 1, at);
    }
    count
}

fn open_at(found: &[Timestamp], x: Timestamp) -> u8 {
    gathered(found.to_vec(), x)
}
