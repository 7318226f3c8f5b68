//! What the firms of the city record of years of maintenance, day by day. Seeded and pure; knows no store.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::domain::unit::{Unit, UnitKind};
use crate::domain::visit::{Visit, VisitKind};

/// Days of a quarter.
const QUARTER: i64 = 91;

/// One record of so many is corrected on the next day.
const CORRECTED: u32 = 100;
/// Owners confirm so many visits of ten.
const CONFIRMED: u32 = 9;
/// One unit of so many is not visited at the end of the time, for the lists of those that are overdue.
const FORGOTTEN: usize = 200;
/// For how many days.
const FORGOTTEN_DAYS: i64 = 30;

/// Visits that two workers manage in a day, an hour apart.
const VISITS_A_DAY: usize = 8;
/// What an item of a checklist asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    PassFail,
    /// A number, in this unit.
    Number(String),
    Text,
}

/// The items of each kind of visit to each kind of unit: their ids, and what they ask for.
pub type Items = BTreeMap<(UnitKind, VisitKind), Vec<(String, Asked)>>;

/// What the years are made from. The same settings give the same records.
#[derive(Debug, Clone)]
pub struct YearsSettings {
    pub seed: u64,
    /// The midnight in UTC on which the time ends.
    pub end: Timestamp,
    pub days: u32,
}

/// A record as a firm sends it.
#[derive(Debug, Clone)]
pub struct Sent {
    pub unit: UnitId,
    pub publisher: PublisherId,
    pub visit: Visit,
    pub received_at: Timestamp,
}

/// The owner's word on a record.
#[derive(Debug, Clone)]
pub struct Confirmed {
    pub publisher: PublisherId,
    pub record_id: String,
    pub started_at: Timestamp,
    pub at: Timestamp,
    /// Who gave it; no real name.
    pub by: String,
}

/// What comes in on one day. Corrections and confirmations are of records of the day before.
#[derive(Debug, Clone)]
pub struct Day {
    /// When all of it is in.
    pub end: Timestamp,
    pub records: Vec<Sent>,
    pub confirmed: Vec<Confirmed>,
}

/// The days, one after another.
pub struct Years<'c> {
    units: &'c [Unit],
    items: &'c Items,
    settings: YearsSettings,
    rng: Rng,
    /// For each unit the number of its firm.
    firms: Vec<usize>,
    /// Days since the beginning.
    day: i64,
    /// The records of the day before that correct nothing, each with its unit's place in the list.
    before: Vec<(usize, Sent)>,
}

impl<'c> Years<'c> {
    /// The years of these units before `settings.end`.
    #[must_use]
    pub fn new(units: &'c [Unit], items: &'c Items, settings: YearsSettings) -> Self {
        let rng = Rng::with_seed(settings.seed ^ 0x0079_6561_7273);
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut firm = |unit: &'c Unit| {
            let next = numbers.len();
            *numbers.entry(&unit.maintainer).or_insert(next)
        };
        let firms = units.iter().map(&mut firm).collect();
        Self { units, items, settings, rng, firms, day: 0, before: Vec::new() }
    }

    /// When they begin.
    #[must_use]
    pub fn begin(&self) -> Timestamp {
        self.settings.end - self.days() * DAY
    }

    fn days(&self) -> i64 {
        i64::from(self.settings.days)
    }

    /// Which kind of visit a unit has today, if it has one: firms come a day before the interval ends, and the visit that
    /// is the first of a quarter, of half a year or of a year looks at more.
    fn due(&self, number: usize, unit: &Unit) -> Option<VisitKind> {
        let step = i64::from(unit.maintenance_interval_days.max(2)) - 1;
        let own = self.day - number as i64 % step;
        let forgotten = number % FORGOTTEN == FORGOTTEN - 1 && self.day > self.days() - FORGOTTEN_DAYS;
        if own < 0 || own % step != 0 || forgotten {
            return None;
        }
        let quarter = own / QUARTER;
        Some(match quarter {
            _ if quarter == (own - step).div_euclid(QUARTER) => VisitKind::Hm,
            _ if quarter % 4 == 0 => VisitKind::Oy,
            _ if quarter % 2 == 0 => VisitKind::Sm,
            _ => VisitKind::Tm,
        })
    }

    fn records(&mut self) -> Vec<(usize, Sent)> {
        let midnight = self.begin() + self.day * DAY;
        let mut crews: BTreeMap<usize, usize> = BTreeMap::new();
        let mut records = Vec::new();
        for (number, unit) in self.units.iter().enumerate() {
            let (Some(kind), Some(publisher)) = (self.due(number, unit), &unit.publisher) else { continue };
            // Pairs of a firm take its visits of the day in turn, so nobody is in two places.
            let firm = self.firms[number];
            let turn = crews.entry(firm).or_default();
            let (crew, place) = (*turn / VISITS_A_DAY, *turn % VISITS_A_DAY);
            *turn += 1;
            let workers = [0, 1].map(|one| format!("w-{firm}-{}", 2 * crew + one + 1)).to_vec();
            // Midnight in UTC is eight o'clock in Fujian.
            let started_at = midnight + place as i64 * HOUR + self.rng.i64(0..10) * MINUTE;
            let ended_at = started_at + self.rng.i64(25..45) * MINUTE;
            let answers = self.answers(unit.kind, kind);
            let record_id = format!("{}-{}", unit.id, self.day);
            let visit = told(record_id, kind, (started_at, ended_at), workers, &answers, None);
            let received_at = visit.ts + self.rng.i64(1..20) * 1_000;
            let sent = Sent { unit: unit.id.clone(), publisher: publisher.clone(), visit, received_at };
            records.push((number, sent));
        }
        records
    }

    /// The answers to a list as JSON, nearly all of them good.
    fn answers(&mut self, unit: UnitKind, kind: VisitKind) -> String {
        let mut answers = String::new();
        for (id, asked) in self.items.get(&(unit, kind)).map(Vec::as_slice).unwrap_or_default() {
            let comma = if answers.is_empty() { "" } else { "," };
            let answer = match asked {
                Asked::PassFail => match self.rng.u32(..400) {
                    0 => r#""result":"fail""#.to_owned(),
                    1..=8 => r#""result":"not_applicable""#.to_owned(),
                    _ => r#""result":"pass""#.to_owned(),
                },
                Asked::Number(unit) => format!(r#""result":{},"unit":"{unit}""#, self.rng.u32(2..90)),
                Asked::Text => r#""result":"seen""#.to_owned(),
            };
            answers.push_str(&format!(r#"{comma}{{"id":"{id}",{answer}}}"#));
        }
        answers
    }

    fn correction(&mut self, number: usize, of: &Sent) -> Sent {
        let (visit, at) = (&of.visit, of.received_at + DAY);
        let ended_at = visit.started_at + self.rng.i64(46..60) * MINUTE;
        let answers = self.answers(self.units[number].kind, visit.kind);
        let (id, workers) = (format!("{}-c", visit.record_id), visit.workers.clone());
        let corrected = told(id, visit.kind, (visit.started_at, ended_at), workers, &answers, Some(&visit.record_id));
        Sent { visit: Visit { ts: at, ..corrected }, received_at: at + MINUTE, ..of.clone() }
    }
}

impl Iterator for Years<'_> {
    type Item = Day;

    fn next(&mut self) -> Option<Day> {
        if self.day >= self.days() {
            return None;
        }
        let records = self.records();
        let mut day = Day {
            end: self.begin() + (self.day + 1) * DAY,
            records: records.iter().map(|(_, sent)| sent.clone()).collect(),
            confirmed: Vec::new(),
        };
        for (number, sent) in std::mem::replace(&mut self.before, records) {
            if self.rng.u32(..CORRECTED) == 0 {
                day.records.push(self.correction(number, &sent));
            }
            if self.rng.u32(..10) < CONFIRMED {
                day.confirmed.push(Confirmed {
                    at: sent.received_at + DAY,
                    by: format!("业主代表{:04}", self.rng.u32(..2_000)),
                    publisher: sent.publisher,
                    record_id: sent.visit.record_id,
                    started_at: sent.visit.started_at,
                });
            }
        }
        self.day += 1;
        Some(day)
    }
}

/// A record with its payload, members in order, as a platform writes it.
fn told(
    record_id: String,
    kind: VisitKind,
    (started_at, ended_at): (Timestamp, Timestamp),
    workers: Vec<String>,
    answers: &str,
    supersedes: Option<&str>,
) -> Visit {
    let ts = ended_at + MINUTE;
    let corrects = supersedes.map_or_else(String::new, |name| format!(r#""supersedes":"{name}","#));
    let reason = supersedes.map_or("", |_| r#""reason":"end of work was entered wrongly","#);
    let body = format!(
        r#"{{"ended_at":"{ended_at}","items":[{answers}],"kind":"{kind}",{reason}"record_id":"{record_id}","started_at":"{started_at}",{corrects}"ts":"{ts}","workers":["{}"]}}"#,
        workers.join(r#"",""#)
    );
    Visit {
        ts,
        record_id,
        kind,
        started_at,
        ended_at: Some(ended_at),
        workers,
        supersedes: supersedes.map(str::to_owned),
        supersedes_publisher: None,
        people: Vec::new(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RegionCode;
    use crate::simulate::city::{CitySettings, build};

    fn units() -> Vec<Unit> {
        let region = RegionCode::new("350582").unwrap();
        build(&CitySettings { units: 200, seed: 7, region, today: jiff::civil::date(2026, 11, 24) }).unwrap().units
    }

    fn items() -> Items {
        let list = vec![("A-1".to_owned(), Asked::PassFail), ("A-2".to_owned(), Asked::Number("mm".to_owned()))];
        UnitKind::ALL.iter().flat_map(|unit| VisitKind::ALL.iter().map(|kind| ((*unit, *kind), list.clone()))).collect()
    }

    fn days(units: &[Unit], seed: u64) -> Vec<Day> {
        let settings = YearsSettings { seed, end: Timestamp(1_700_000_000_000 / DAY * DAY), days: 365 };
        Years::new(units, &items(), settings).collect()
    }

    #[test]
    fn a_unit_is_visited_26_times_a_year_four_of_them_for_longer() {
        let units = units();
        let days = days(&units, 1);
        let own = |kind: VisitKind| {
            let of =
                |sent: &&Sent| sent.unit == units[0].id && sent.visit.kind == kind && sent.visit.supersedes.is_none();
            days.iter().flat_map(|day| &day.records).filter(of).count()
        };
        let counts = [VisitKind::Oy, VisitKind::Sm, VisitKind::Tm, VisitKind::Hm].map(own);
        assert_eq!((counts, days.len()), ([2, 1, 2, 22], 365));
    }

    #[test]
    fn nobody_works_at_two_places_at_once_and_every_payload_is_canonical() {
        let units = units();
        for day in days(&units, 2) {
            let mut busy: BTreeMap<&str, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
            for sent in &day.records {
                let visit = &sent.visit;
                let value: serde_json::Value = serde_json::from_str(&visit.body).unwrap();
                assert_eq!(value.to_string(), visit.body);
                assert!(visit.started_at < visit.ended_at.unwrap() && visit.ended_at.unwrap() < sent.received_at);
                if visit.supersedes.is_none() {
                    let span = (visit.started_at, visit.ended_at.unwrap());
                    for worker in &visit.workers {
                        let others = busy.entry(worker).or_default();
                        assert!(others.iter().all(|other| other.1 <= span.0 || span.1 <= other.0), "{worker}");
                        others.push(span);
                    }
                }
            }
        }
    }

    #[test]
    fn the_years_are_the_same_for_the_same_seed_and_others_for_another() {
        let units = units();
        let bodies = |seed| {
            let days = days(&units, seed);
            days.into_iter().flat_map(|day| day.records).map(|sent| sent.visit.body).collect::<Vec<_>>()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(3));
    }
}
