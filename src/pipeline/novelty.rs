//! Leaves out what is stored already: a duplicate changes nothing, the same identity with other content is a conflict.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::decode::mapping::Reason;
use crate::detect::history;
use crate::domain::event::{Event, EventRecord, Origin, Sequence};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;
use crate::store::Change;
use crate::store::error::StoreError;
use crate::store::facts::StoredBody;

use super::message::Arrival;
use super::numbers::Numberings;
use super::staging::{Staging, Told};

/// Keeps the new events; each touches its unit from its own time on. Of events before `gone_before` rows may have been
/// pruned: there the unit's numbering knows what was stored.
///
/// # Errors
/// Those of the store.
pub async fn keep_new_events(
    change: &mut Change<'_>,
    staging: &mut Staging,
    batch: &[Arrival],
    numberings: &Numberings,
    gone_before: Option<Timestamp>,
) -> Result<(), StoreError> {
    let told = std::mem::take(&mut staging.told_events);
    if told.is_empty() {
        return Ok(());
    }
    let doubtful: Vec<&EventRecord> =
        told.iter().map(|told| &told.record).filter(|told| !numberings.never_had(told)).collect();
    let mut known: HashMap<Identity, Found> = HashMap::with_capacity(told.len());
    for (unit, id, event) in change.stored_events(&doubtful).await? {
        known.insert(identity(&unit, &id, &event), Found::Stored(id, event));
    }
    for Told { record, source } in told {
        let found = match known.entry(identity(&record.unit, &record.id, &record.event)) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(_) if was_pruned(&record, numberings, gone_before) => {
                staging.outcome.duplicates += 1;
                continue;
            }
            Entry::Vacant(place) => {
                place.insert(Found::New(staging.events.len()));
                if history::counts(record.event.kind, record.event.code()) {
                    staging.touch(&record.unit, record.at);
                }
                staging.events.push(record);
                continue;
            }
        };
        let (id, event) = match found {
            Found::Stored(id, event) => (&*id, &*event),
            Found::New(place) => (&staging.events[*place].id, &staging.events[*place].event),
        };
        if same_content(event, &record.event) {
            staging.outcome.duplicates += 1;
        } else {
            let detail = format!("event {id} has the same identity and other content; that one was here first");
            let arrival = source.and_then(|source| batch.get(source));
            staging.refuse_second(arrival, &record.publisher, &record.unit, Reason::Conflict, detail);
        }
    }
    Ok(())
}

/// Whether an event that has no row had one. By its own time it may lie ahead and still be old: then its row counted from
/// its receipt.
fn was_pruned(record: &EventRecord, numberings: &Numberings, gone_before: Option<Timestamp>) -> bool {
    let old = gone_before.is_some_and(|before| record.at < before || record.clock_suspect);
    old && numberings.had(record)
}

/// Keeps the new hazard reports.
///
/// # Errors
/// Those of the store.
pub async fn keep_new_hazards(
    change: &mut Change<'_>,
    staging: &mut Staging,
    batch: &[Arrival],
) -> Result<(), StoreError> {
    let told = std::mem::take(&mut staging.told_hazards);
    if told.is_empty() {
        return Ok(());
    }
    let names = told.iter().map(|told| (told.record.publisher.as_str(), told.record.report.report_id.as_str()));
    let mut known = change.stored_hazards(&names.collect::<Vec<_>>()).await?;
    for Told { record, source } in told {
        let name = (record.publisher.to_string(), record.report.report_id.clone());
        let new = StoredBody { id: record.id.clone(), unit: record.unit.clone(), body: record.report.body.clone() };
        let arrival = source.and_then(|source| batch.get(source));
        if !is_known(staging, known.get(&name), &name.1, &new, &record.publisher, arrival) {
            known.insert(name, new);
            staging.hazards.push(record);
        }
    }
    Ok(())
}

/// A numbered event is known by its number, any other by its id, which is made from everything that makes it the same.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Numbered(UnitId, String, u64),
    Id(String),
}

/// Where a known event is.
enum Found {
    Stored(String, Event),
    /// Its place among the new events of this batch.
    New(usize),
}

fn identity(unit: &UnitId, id: &str, event: &Event) -> Identity {
    match &event.sequence {
        Some(Sequence { boot, seq }) => Identity::Numbered(unit.clone(), boot.clone(), *seq),
        None => Identity::Id(id.to_owned()),
    }
}

/// How we came to know of it is not part of what happened.
fn same_content(a: &Event, b: &Event) -> bool {
    let told = |event: &Event| Event { origin: Origin::Reported, ..event.clone() };
    told(a) == told(b)
}

fn is_known(
    staging: &mut Staging,
    stored: Option<&StoredBody>,
    name: &str,
    new: &StoredBody,
    publisher: &PublisherId,
    arrival: Option<&Arrival>,
) -> bool {
    let Some(stored) = stored else { return false };
    if (&stored.unit, &stored.body) == (&new.unit, &new.body) {
        staging.outcome.duplicates += 1;
    } else {
        let detail = format!("record {name} is stored as {} with other content; that one was here first", stored.id);
        staging.refuse_second(arrival, publisher, &new.unit, Reason::Conflict, detail);
    }
    true
}
