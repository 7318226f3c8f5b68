//! Area events: when one begins, grows and ends, who hears of it, and which alerts it stands for. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::detect::area_power::{self, Mains};
use crate::detect::{blind_region, silent_unit};
use crate::domain::alert::{Severity, Summary, TransitionKind};
use crate::domain::notice::AreaKind;
use crate::domain::time::{DAY, MINUTE, SECOND, Timestamp};
use crate::store::areas::{AreaChange, AreaRow};
use crate::store::read::areas::AreaFacts;
use crate::store::read::notify::AlertFacts;

use super::fresh;
use super::letter;
use super::matcher::Labels;
use super::route::{self, Hearing, Route};

/// Mains lost longer ago make no area event and keep none open: a site without them for a day has a matter of its own.
pub const HORIZON: i64 = DAY;

/// What began in an event is told so long after its end, if it has not ended too: units report in turn.
const AFTER: i64 = 2 * MINUTE;

/// No event stands for others longer than a remote alarm may go untested (EN 81-28).
const LONGEST: i64 = 3 * DAY;

/// When many units are one event.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub power: area_power::Settings,
    pub blind: blind_region::Settings,
    pub silent: silent_unit::Settings,
}

/// A place of which an event can be said.
struct Place<'a> {
    kind: AreaKind,
    region: &'a str,
    site: &'a str,
    severity: Severity,
    basis: &'static str,
}

impl Place<'_> {
    /// The event that lasts here, and when the last one ended.
    fn past<'k>(&self, known: &'k [AreaRow]) -> (Option<&'k AreaRow>, Option<Timestamp>) {
        let here = || {
            known
                .iter()
                .filter(|row| row.kind == self.kind.as_str() && row.region == self.region && row.site == self.site)
        };
        let open = here().find(|row| row.ends_at.is_none());
        (open, here().filter_map(|row| row.ends_at).max().map(Timestamp))
    }

    fn begun(&self, starts_at: Timestamp, units: usize, now: Timestamp) -> AreaChange {
        let row = AreaRow {
            id: fresh::id('x', now),
            kind: self.kind.as_str().to_owned(),
            region: self.region.to_owned(),
            site: self.site.to_owned(),
            severity: self.severity.as_str().to_owned(),
            starts_at: starts_at.0,
            ends_at: None,
            units: 0,
            basis: self.basis.to_owned(),
            summary_zh: String::new(),
            summary_en: String::new(),
        };
        AreaChange { row: self.grown(&row, units), tell: Some(TransitionKind::Fired) }
    }

    fn grown(&self, row: &AreaRow, units: usize) -> AreaRow {
        let summary = match self.kind {
            AreaKind::AreaPower => {
                Summary { zh: format!("{units} 台电梯断电"), en: format!("{units} units without mains") }
            }
            AreaKind::BlindRegion => Summary {
                zh: format!("监测中断：本区 {units} 台电梯同时失联，状态未知"),
                en: format!("we are blind in this region: {units} units fell silent at once, their state is unknown"),
            },
        };
        let units = i64::try_from(units).unwrap_or(i64::MAX);
        AreaRow { units, summary_zh: summary.zh, summary_en: summary.en, ..row.clone() }
    }

    /// What becomes of an event that lasts: it ends when fewer than half of the units it has reached are still in it.
    fn settle(&self, open: &AreaRow, reached: usize, still: usize, now: Timestamp) -> Option<AreaChange> {
        let units = reached.max(usize::try_from(open.units).unwrap_or(0));
        let row = self.grown(open, units);
        if still * 2 < units {
            let row = AreaRow { ends_at: Some(now.0), ..row };
            return Some(AreaChange { row, tell: Some(TransitionKind::Resolved) });
        }
        (row.units > open.units).then_some(AreaChange { row, tell: None })
    }
}

/// Which area events begin, have grown, or end.
#[must_use]
pub fn changes(settings: &Settings, facts: &AreaFacts, now: Timestamp) -> Vec<AreaChange> {
    let mut changes = sites(&settings.power, facts, now);
    changes.extend(regions(&settings.blind, facts, now));
    changes
}

fn sites(settings: &area_power::Settings, facts: &AreaFacts, now: Timestamp) -> Vec<AreaChange> {
    let mut sites: BTreeMap<(&str, &str), Vec<Mains>> = BTreeMap::new();
    for row in &facts.mains {
        let mains = Mains { off_at: Timestamp(row.off_at), on_at: row.on_at.map(Timestamp) };
        sites.entry((&row.region, &row.site)).or_default().push(mains);
    }
    // One whose facts have become too old has no row any more, and ends.
    for row in open(&facts.known, AreaKind::AreaPower) {
        sites.entry((&row.region, &row.site)).or_default();
    }
    let change = |((region, site), mains): ((&str, &str), Vec<Mains>)| {
        let basis = area_power::BASIS;
        let place = Place { kind: AreaKind::AreaPower, region, site, severity: settings.severity, basis };
        let (open, ended) = place.past(&facts.known);
        let since = |start: Timestamp| mains.iter().filter(move |mains| mains.off_at >= start);
        match open {
            None => {
                let start = area_power::begin(settings, &mains, ended)?;
                Some(place.begun(start, since(start).filter(|mains| mains.is_off()).count(), now))
            }
            Some(open) => {
                let start = Timestamp(open.starts_at);
                let still = since(start).filter(|mains| mains.is_off() && settings.enabled).count();
                place.settle(open, since(start).count(), still, now)
            }
        }
    };
    sites.into_iter().filter_map(change).collect()
}

fn regions(settings: &blind_region::Settings, facts: &AreaFacts, now: Timestamp) -> Vec<AreaChange> {
    let mut regions: BTreeMap<&str, (usize, Vec<Timestamp>)> = BTreeMap::new();
    for row in &facts.silent {
        let silent = row.silent.iter().copied().map(Timestamp).collect();
        regions.insert(&row.region, (usize::try_from(row.monitored).unwrap_or(0), silent));
    }
    for row in open(&facts.known, AreaKind::BlindRegion) {
        regions.entry(&row.region).or_default();
    }
    let change = |(region, (monitored, silent)): (&str, (usize, Vec<Timestamp>))| {
        let basis = blind_region::BASIS;
        let place = Place { kind: AreaKind::BlindRegion, region, site: "", severity: settings.severity, basis };
        let (open, ended) = place.past(&facts.known);
        let since = |start: Timestamp| silent.iter().filter(move |at| **at >= start).count();
        match open {
            None => {
                let start = blind_region::begin(settings, monitored, &silent, ended, now)?;
                Some(place.begun(start, since(start), now))
            }
            Some(open) => {
                let reached = since(Timestamp(open.starts_at));
                place.settle(open, reached, if settings.enabled { reached } else { 0 }, now)
            }
        }
    };
    regions.into_iter().filter_map(change).collect()
}

fn open(known: &[AreaRow], kind: AreaKind) -> impl Iterator<Item = &AreaRow> {
    known.iter().filter(move |row| row.ends_at.is_none() && row.kind == kind.as_str())
}

/// The events as they are after these changes.
#[must_use]
pub fn after(mut known: Vec<AreaRow>, changes: &[AreaChange]) -> Vec<AreaRow> {
    let changed: BTreeSet<&str> = changes.iter().map(|change| change.row.id.as_str()).collect();
    known.retain(|row| !changed.contains(row.id.as_str()));
    known.extend(changes.iter().map(|change| change.row.clone()));
    known
}

/// Events by region and site; a storm has hundreds, and asks of thousands of alerts.
pub type Places<'a> = HashMap<(&'a str, &'a str), Vec<&'a AreaRow>>;

/// These events by their places.
#[must_use]
pub fn by_place(areas: &[AreaRow]) -> Places<'_> {
    let mut places = Places::new();
    for area in areas {
        places.entry((&area.region, &area.site)).or_default().push(area);
    }
    places
}

/// The events of the alert's site and region.
pub fn at<'a>(places: &Places<'a>, facts: &AlertFacts) -> impl Iterator<Item = &'a AreaRow> {
    let keys = BTreeSet::from([facts.site.as_str(), ""]);
    let found = keys.into_iter().filter_map(|site| places.get(&(facts.region.as_str(), site))).flatten();
    found.copied().collect::<Vec<_>>().into_iter()
}

/// Until when this event stands for an alert, which need not be told meanwhile; `None` if it does not.
#[must_use]
pub fn stands_for(area: &AreaRow, facts: &AlertFacts, now: Timestamp) -> Option<Timestamp> {
    // People inside, or about to be hurt: whatever else happens.
    if facts.is_area() || facts.severity == Severity::Critical.as_str() || facts.rule == route::NEVER_FOLDED {
        return None;
    }
    let of_it = match area.kind.parse::<AreaKind>().ok()? {
        AreaKind::AreaPower => facts.site == area.site,
        AreaKind::BlindRegion => facts.rule == "silent_unit",
    };
    let over = area.ends_at.map(|at| Timestamp(at) + AFTER);
    let begun = Timestamp(facts.starts_at);
    let inside = begun >= Timestamp(area.starts_at) && over.is_none_or(|over| begun <= over);
    let longest = Timestamp(area.starts_at) + LONGEST;
    let until = over.map_or(longest, |over| over.min(longest));
    (facts.region == area.region && of_it && inside && until > now).then_some(until)
}

/// A unit's silence is told one heartbeat after it is known: by then we know whether its region fell silent with it.
#[must_use]
pub fn settles_at(settings: &Settings, facts: &AlertFacts) -> Option<Timestamp> {
    let waits = settings.blind.enabled && facts.rule == "silent_unit" && facts.severity != Severity::Critical.as_str();
    waits.then(|| Timestamp(facts.starts_at) + i64::from(settings.silent.heartbeat_seconds) * SECOND)
}

/// Who hears of an area event: everybody who hears of one of its firms' alerts there, and whoever was told that it began.
/// Each receiver once, and all events of one kind in one group, because each is a folding of many alerts already.
#[must_use]
pub fn hearings(routes: &[Route], facts: &AlertFacts, around: &[(String, String)], told: &[Hearing]) -> Vec<Hearing> {
    let mut known: BTreeSet<String> = told.iter().map(|hearing| hearing.receiver.clone()).collect();
    let mut hearings = told.to_vec();
    for (maintainer, owner) in around {
        let labels = Labels { maintainer: maintainer.clone(), owner: owner.clone(), ..letter::labels(facts) };
        let fresh = route::receivers(routes, &labels).into_iter();
        let fresh = fresh.filter(|hearing| known.insert(hearing.receiver.clone()));
        hearings.extend(fresh.map(|hearing| Hearing { group_key: facts.rule.clone(), ..hearing }));
    }
    hearings
}
