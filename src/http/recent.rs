//! The figures of the last 30 days, counted as rules count incidents. They look at many rows, so one answer serves every
//! scrape of a minute.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::detect::history::{Incident, Past};
use crate::domain::event::StoredEvent;
use crate::domain::time::{DAY, MINUTE, Timestamp};
use crate::domain::visit::StoredVisit;
use crate::metrics::recent::{Figures, MaintainerFigures, Recent, SiteFigures};
use crate::store::read::recent::{AnsweredAlert, Contract, FaultyUnit, RecentRows};
use crate::store::read::{ReadError, Reader};

/// How long an answer serves.
const SERVES: i64 = MINUTE;

/// The window, the same as that of the rule on repeated faults.
const WINDOW: i64 = 30 * DAY;

/// Sites with series of their own. A city of 8,000 units has some 700; of 60,000 units only the worst are shown.
const SITES: usize = 1_000;

/// How long a scrape waits for new figures; what takes longer serves the next one.
const WAIT: Duration = Duration::from_secs(2);

/// Older figures than this are left out, because they would be taken for today's.
const STALE: i64 = 10 * MINUTE;

/// The figures, and how many incidents each unit that had one had.
#[derive(Debug, Default)]
pub struct Figured {
    pub recent: Recent,
    pub incidents: BTreeMap<String, i64>,
}

/// The latest figures. They are made in a task of their own, one at a time and once a minute at most, so that neither a
/// slow disk nor a scraper that hangs up makes anybody begin again.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    figured: Option<Arc<Figured>>,
    begun_at: Option<Timestamp>,
    making: Option<JoinHandle<Result<Figured, ReadError>>>,
}

impl Kept {
    /// The figures as of a minute ago or later, if they can be had; those of up to ten minutes ago while new ones are being
    /// made. `merge_gap` is that of the rules, in milliseconds.
    pub async fn figures(&self, reader: &Reader, now: Timestamp, merge_gap: i64) -> Option<Arc<Figured>> {
        let mut latest = self.0.lock().await;
        // A clock that was set back must not keep figures for ever.
        let fresh = latest.begun_at.is_some_and(|begun| (0..SERVES).contains(&(now - begun)));
        if !fresh && latest.making.is_none() {
            latest.begun_at = Some(now);
            latest.making = Some(tokio::spawn(make(reader.clone(), now, merge_gap)));
        }
        if let Some(making) = &mut latest.making
            && let Ok(made) = tokio::time::timeout(WAIT, making).await
        {
            latest.making = None;
            match made {
                Ok(Ok(figured)) => latest.figured = Some(Arc::new(figured)),
                Ok(Err(error)) => tracing::warn!(%error, "the figures of the last 30 days could not be made"),
                Err(error) => tracing::error!(%error, "making the figures of the last 30 days failed"),
            }
        }
        let figured = latest.figured.as_ref()?;
        ((now.0 - figured.recent.as_of).abs() < STALE).then(|| Arc::clone(figured))
    }
}

async fn make(reader: Reader, now: Timestamp, merge_gap: i64) -> Result<Figured, ReadError> {
    let rows = reader.recent(now.0, now.0 - WINDOW).await?;
    // Milliseconds of computing, which the runtime's threads should not wait for.
    Ok(tokio::task::spawn_blocking(move || figured(rows, now, merge_gap)).await.unwrap_or_default())
}

/// One unit's part.
struct Share {
    incidents: i64,
    today: i64,
    entrapments: i64,
    entrapments_today: i64,
}

fn share(events: Vec<StoredEvent>, visits: Vec<StoredVisit>, now: Timestamp, merge_gap: i64) -> Share {
    let past = Past::new(events, visits, merge_gap);
    let since = |incidents: &[Incident], window: i64| {
        let recent = incidents.iter().filter(|incident| incident.at > now - window && incident.at <= now);
        i64::try_from(recent.count()).unwrap_or(i64::MAX)
    };
    Share {
        incidents: since(&past.incidents, WINDOW),
        today: since(&past.incidents, DAY),
        entrapments: since(&past.entrapments, WINDOW),
        entrapments_today: since(&past.entrapments, DAY),
    }
}

fn figured(rows: RecentRows, now: Timestamp, merge_gap: i64) -> Figured {
    let mut regions: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    let mut sites: BTreeMap<[String; 3], Figures> = BTreeMap::new();
    let mut firms: BTreeMap<[String; 2], Figures> = BTreeMap::new();
    let mut incidents = BTreeMap::new();
    for Contract { region, site, maintainer, units, overdue } in rows.contracts {
        let figures = Figures { units, overdue_units: overdue, ..Figures::default() };
        regions.entry(region.clone()).or_default();
        add(sites.entry([region.clone(), site, maintainer.clone()]).or_default(), figures);
        add(firms.entry([region, maintainer]).or_default(), figures);
    }
    for FaultyUnit { unit, region, site, maintainer, events, visits } in rows.faulty {
        let Share { incidents: all, today, entrapments, entrapments_today } = share(events, visits, now, merge_gap);
        let sums = regions.entry(region.clone()).or_default();
        for (sum, part) in sums.iter_mut().zip([all, today, entrapments, entrapments_today]) {
            *sum += part;
        }
        let figures = Figures { incidents: all, faulty_units: i64::from(all > 0), ..Figures::default() };
        add(sites.entry([region.clone(), site, maintainer.clone()]).or_default(), figures);
        add(firms.entry([region, maintainer]).or_default(), figures);
        if all > 0 {
            incidents.insert(unit, all);
        }
    }
    let windows = |(region, [all, today, entrapments, entrapments_today]): (String, [i64; 4])| {
        [(region.clone(), "1d", today, entrapments_today), (region, "30d", all, entrapments)]
    };
    let (sites, sites_truncated) = worst(sites);
    let recent = Recent {
        as_of: now.0,
        regions: regions.into_iter().flat_map(windows).collect(),
        sites,
        sites_truncated,
        maintainers: maintainers(firms, &rows.alerts),
    };
    Figured { recent, incidents }
}

const fn add(sum: &mut Figures, part: Figures) {
    sum.units += part.units;
    sum.incidents += part.incidents;
    sum.faulty_units += part.faulty_units;
    sum.overdue_units += part.overdue_units;
}

/// The sites that have series: those with the most incidents, then the most overdue units, then the largest.
fn worst(sites: BTreeMap<[String; 3], Figures>) -> (Vec<SiteFigures>, i64) {
    let mut sites: Vec<SiteFigures> = sites
        .into_iter()
        .map(|([region, site, maintainer], figures)| SiteFigures { region, site, maintainer, figures })
        .collect();
    sites.sort_by_key(|row| std::cmp::Reverse((row.figures.incidents, row.figures.overdue_units, row.figures.units)));
    let truncated = sites.len().saturating_sub(SITES);
    sites.truncate(SITES);
    (sites, i64::try_from(truncated).unwrap_or(i64::MAX))
}

fn maintainers(firms: BTreeMap<[String; 2], Figures>, alerts: &[AnsweredAlert]) -> Vec<MaintainerFigures> {
    let firm = |([region, maintainer], figures): ([String; 2], Figures)| {
        let own: Vec<&AnsweredAlert> =
            alerts.iter().filter(|alert| alert.maintainer == maintainer && alert.region == region).collect();
        let waits = |answer: &'static str, at: fn(&AnsweredAlert) -> Option<i64>| {
            // What a person answered to an alert that was found late counts as answered at once.
            let waits: Vec<i64> = own.iter().filter_map(|alert| Some((at(alert)? - alert.starts_at).max(0))).collect();
            (answer, i64::try_from(waits.len()).unwrap_or(i64::MAX), waits.iter().sum())
        };
        let answered =
            vec![waits("acknowledged", |alert| alert.acknowledged_at), waits("arrived", |alert| alert.arrived_at)];
        let critical_alerts = i64::try_from(own.len()).unwrap_or(i64::MAX);
        MaintainerFigures { region, maintainer, figures, critical_alerts, answered }
    };
    firms.into_iter().map(firm).collect()
}

/// The units of these alerts of warning and worse, each once, in their order, at most `most`.
#[must_use]
pub fn exceptional<'a>(firing: impl Iterator<Item = (&'a str, &'a str)>, most: usize) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let worse = firing.filter(|(severity, _)| *severity != "info").map(|(_, unit)| unit);
    worse.filter(|unit| seen.insert(*unit)).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{EventType, Origin};
    use crate::domain::fault::{Fault, FaultCode};
    use crate::domain::time::HOUR;
    use crate::domain::visit::VisitKind;

    const NOW: Timestamp = Timestamp(100 * DAY);

    fn contract(site: &str, units: i64, overdue: i64) -> Contract {
        let [region, maintainer] = ["350582", "firm"].map(str::to_owned);
        Contract { region, site: site.to_owned(), maintainer, units, overdue }
    }

    fn faulty(unit: &str, site: &str, events: Vec<StoredEvent>, visits: Vec<StoredVisit>) -> FaultyUnit {
        let [unit, region, site, maintainer] = [unit, "350582", site, "firm"].map(str::to_owned);
        FaultyUnit { unit, region, site, maintainer, events, visits }
    }

    fn event(kind: EventType, before: i64) -> StoredEvent {
        let fault =
            (kind == EventType::FaultRaised).then_some(Fault { code: FaultCode::DoorClosing, vendor_code: None });
        let at = NOW - before;
        let origin = Origin::Reported;
        StoredEvent { id: before.to_string().into(), at, kind, fault, mode: None, moving: None, occupied: None, origin }
    }

    #[test]
    fn incidents_are_counted_as_rules_count_them_and_within_their_windows() {
        let raised = |before| event(EventType::FaultRaised, before);
        let visit = StoredVisit {
            id: "v".to_owned(),
            kind: VisitKind::Hm,
            started_at: NOW - 10 * DAY,
            ended_at: Some(NOW - 10 * DAY + HOUR),
        };
        // Flapping, one during a visit, one before the window, one today.
        let events =
            vec![raised(5 * DAY), raised(5 * DAY - HOUR / 2), raised(10 * DAY - 1), raised(30 * DAY), raised(HOUR)];
        let trapped = vec![event(EventType::EntrapmentReported, 2 * DAY)];
        let faulty = vec![faulty("a", "garden", events, vec![visit]), faulty("b", "garden", trapped, Vec::new())];
        let contracts = vec![contract("garden", 2, 1), contract("lane", 1, 0)];
        let figured = figured(RecentRows { contracts, faulty, alerts: Vec::new() }, NOW, HOUR);
        let recent = &figured.recent;
        let region = "350582".to_owned();
        assert_eq!(recent.regions, [(region.clone(), "1d", 1, 0), (region, "30d", 2, 1)]);
        let garden = Figures { units: 2, incidents: 2, faulty_units: 1, overdue_units: 1 };
        assert_eq!((recent.sites[0].site.as_str(), recent.sites[0].figures), ("garden", garden));
        assert_eq!(recent.sites[1].figures, Figures { units: 1, ..Figures::default() });
        let firm = Figures { units: 3, ..garden };
        assert_eq!(recent.maintainers[0].figures, firm);
        assert_eq!(figured.incidents, BTreeMap::from([("a".to_owned(), 2)]));
    }

    #[test]
    fn the_sites_with_the_fewest_faults_go_without_series() {
        let contracts = (0..1_003).map(|n| contract(&format!("site-{n}"), 1, i64::from(n == 1_002))).collect();
        let faulty = vec![faulty("7", "site-7", vec![event(EventType::FaultRaised, HOUR)], Vec::new())];
        let recent = figured(RecentRows { contracts, faulty, alerts: Vec::new() }, NOW, HOUR).recent;
        assert_eq!((recent.sites.len(), recent.sites_truncated), (1_000, 3));
        let first: Vec<&str> = recent.sites.iter().take(2).map(|row| row.site.as_str()).collect();
        assert_eq!(first, ["site-7", "site-1002"]);
        assert_eq!(recent.maintainers[0].figures.units, 1_003, "firms count what sites leave out");
    }

    #[test]
    fn waits_count_from_the_alert_and_only_where_there_is_an_answer() {
        let alert = |acknowledged: Option<i64>, arrived: Option<i64>| AnsweredAlert {
            region: "350582".to_owned(),
            maintainer: "firm".to_owned(),
            starts_at: 1_000_000,
            acknowledged_at: acknowledged,
            arrived_at: arrived,
        };
        let alerts = vec![
            alert(Some(1_060_000), Some(1_600_000)),
            alert(Some(1_120_000), None),
            alert(None, None),
            alert(Some(1), None),
        ];
        let recent =
            figured(RecentRows { contracts: vec![contract("s", 1, 0)], alerts, ..RecentRows::default() }, NOW, HOUR);
        let firm = &recent.recent.maintainers[0];
        assert_eq!(firm.critical_alerts, 4);
        assert_eq!(firm.answered, [("acknowledged", 3, 180_000), ("arrived", 1, 600_000)]);
    }

    #[test]
    fn exceptional_are_units_of_warnings_and_worse_each_once() {
        let firing = [("critical", "a"), ("warning", "b"), ("warning", "a"), ("info", "c"), ("warning", "d")];
        assert_eq!(exceptional(firing.into_iter(), 10), ["a", "b", "d"]);
        assert_eq!(exceptional(firing.into_iter(), 2), ["a", "b"]);
    }
}
