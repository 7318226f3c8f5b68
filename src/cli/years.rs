//! Years of a made-up city's maintenance in a database file, through the store's own door: for trials and for the bench.
//!
//! Judges nothing and tells nobody: what a daemon makes of the records is made when one opens the file.

use std::path::Path;

use anyhow::{Context, bail};

use crate::checklists::{AnswerKind, Checklists};
use crate::domain::id::PublisherId;
use crate::domain::time::{DAY, Timestamp};
use crate::domain::unit::UnitKind;
use crate::domain::visit::{CONFIRMER, Confirmation, Person, Sealed, VisitKind, VisitRecord};
use crate::ledger::checkpoint::SigningKey;
use crate::ledger::commitment::of_person;
use crate::pipeline::identity;
use crate::simulate::city::City;
use crate::simulate::maintenance::{Asked, Confirmed, Day, Items, Sent, Years, YearsSettings};
use crate::store::{Change, Store};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub days: u64,
    pub visits: u64,
    pub confirmations: u64,
    /// Bytes of the records' own text.
    pub bytes: u64,
}

/// What is written, and by which key each day is signed; unsigned without one.
pub struct Wanted<'w> {
    pub city: &'w City,
    pub checklists: &'w Checklists,
    pub settings: YearsSettings,
    pub key: Option<&'w SigningKey>,
}

/// Writes the years into a new file, a transaction a day. `after` hears of each day what is written so far.
///
/// # Errors
/// The file is there already or cannot be written.
pub async fn write(file: &Path, wanted: &Wanted<'_>, mut after: impl FnMut(&Written)) -> anyhow::Result<Written> {
    if file.exists() {
        bail!("{} is there already; nothing is written over", file.display());
    }
    let failed = || format!("cannot write {}", file.display());
    let items = items(wanted.checklists);
    let years = Years::new(&wanted.city.units, &items, wanted.settings.clone());
    let mut random = fastrand::Rng::with_seed(wanted.settings.seed);
    let mut store = Store::open(file).await.with_context(failed)?;
    let mut change = store.begin().await.with_context(failed)?;
    for unit in &wanted.city.units {
        change.put_unit(unit, years.begin()).await.with_context(failed)?;
    }
    change.commit().await.with_context(failed)?;
    let mut written = Written::default();
    for day in years {
        let mut change = store.begin().await.with_context(failed)?;
        let end = day.end;
        written.bytes += day.records.iter().map(|sent| sent.visit.body.len() as u64).sum::<u64>();
        written.visits += day.records.len() as u64;
        written.confirmations += day.confirmed.len() as u64;
        put(&mut change, day, &mut random).await.with_context(failed)?;
        if let Some(key) = wanted.key {
            let head = change.close_stretch(end).await.with_context(failed)?;
            change.keep_checkpoint(head.size, &key.sign(head), end).await.with_context(failed)?;
        }
        change.commit().await.with_context(failed)?;
        written.days += 1;
        after(&written);
    }
    store.close().await.with_context(failed)?;
    Ok(written)
}

/// The last midnight at or before a moment, in UTC.
#[must_use]
pub fn midnight(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(DAY))
}

async fn put(change: &mut Change<'_>, day: Day, random: &mut fastrand::Rng) -> anyhow::Result<()> {
    let records: Vec<VisitRecord> = day.records.into_iter().map(record).collect();
    change.insert_visits(&records).await?;
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    change.link_corrections(&ids).await?;
    let confirmations: Vec<Confirmation> =
        day.confirmed.into_iter().map(|confirmed| confirmation(confirmed, random)).collect();
    Ok(change.insert_confirmations(&confirmations).await?)
}

fn record(sent: Sent) -> VisitRecord {
    let Sent { unit, publisher, visit, received_at } = sent;
    let id = id_of(visit.started_at, &publisher, &visit.record_id);
    VisitRecord { id, unit, publisher, received_at, visit, sealed: Vec::new() }
}

fn id_of(started_at: Timestamp, publisher: &PublisherId, record_id: &str) -> String {
    identity::record_id("v-", started_at, publisher, record_id)
}

fn confirmation(confirmed: Confirmed, random: &mut fastrand::Rng) -> Confirmation {
    let visit = id_of(confirmed.started_at, &confirmed.publisher, &confirmed.record_id);
    let person = Person { role: CONFIRMER.to_owned(), name: Some(confirmed.by), phone: None };
    let mut salt = [0; 32];
    random.fill(&mut salt);
    let body = serde_json::json!({ "by": of_person(&person, &salt), "note": "", "visit": visit }).to_string();
    Confirmation { visit, at: confirmed.at, body, sealed: Sealed { person, salt } }
}

fn items(lists: &Checklists) -> Items {
    let mut items = Items::new();
    for unit in UnitKind::ALL {
        for kind in VisitKind::ALL {
            let asked = lists.of(*unit).into_iter().flat_map(|list| list.items(*kind)).map(|item| {
                let asked = match item.answer {
                    AnswerKind::PassFail => Asked::PassFail,
                    AnswerKind::Number => Asked::Number(item.unit.clone().unwrap_or_default()),
                    AnswerKind::Text => Asked::Text,
                };
                (item.id.clone(), asked)
            });
            items.insert((*unit, *kind), asked.collect());
        }
    }
    items
}
