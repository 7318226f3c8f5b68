//! Leaves out what is stored already: a duplicate changes nothing, the same identity with other content is a conflict.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use smol_str::SmolStr;

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
    let stored = change.stored_events(&doubtful).await?;
    let fates = fates(&told, &stored, numberings, gone_before);
    for (Told { record, source }, fate) in told.into_iter().zip(fates) {
        match fate {
            Fate::New => {
                if history::counts(record.event.kind, record.event.code()) {
                    staging.touch(&record.unit, record.at);
                }
                staging.events.push(record);
            }
            Fate::Duplicate => staging.outcome.duplicates += 1,
            Fate::Conflict(detail) => {
                let arrival = source.and_then(|source| batch.get(source));
                staging.refuse_second(arrival, &record.publisher, &record.unit, Reason::Conflict, detail);
            }
        }
    }
    Ok(())
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

/// What becomes of an event.
enum Fate {
    New,
    Duplicate,
    /// Why.
    Conflict(String),
}

/// A numbered event is known by its number, any other by its id, which is made from everything that makes it the same.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'a> {
    Numbered(&'a UnitId, &'a Sequence),
    Id(&'a str),
}

/// What becomes of each event. `stored` are those of the file, by id.
fn fates(
    told: &[Told<EventRecord>],
    stored: &HashMap<SmolStr, Event>,
    numberings: &Numberings,
    gone_before: Option<Timestamp>,
) -> Vec<Fate> {
    let mut first: HashMap<Identity<'_>, &EventRecord> = HashMap::with_capacity(told.len());
    let mut fates = Vec::with_capacity(told.len());
    for Told { record, .. } in told {
        let (id, earlier) = match (stored.get(&record.id), first.entry(identity(record))) {
            (Some(event), _) => (&record.id, event),
            (None, Entry::Occupied(first)) => (&first.get().id, &first.get().event),
            (None, Entry::Vacant(_)) if numberings.has(record) => {
                fates.push(if may_be_pruned(record, gone_before) {
                    Fate::Duplicate
                } else {
                    // An id begins with the sender's time, so the stored event has another one.
                    Fate::Conflict("an event with this number and another time was here first".to_owned())
                });
                continue;
            }
            (None, Entry::Vacant(place)) => {
                place.insert(record);
                fates.push(Fate::New);
                continue;
            }
        };
        fates.push(if same_content(earlier, &record.event) {
            Fate::Duplicate
        } else {
            Fate::Conflict(format!("event {id} has the same identity and other content; that one was here first"))
        });
    }
    fates
}

/// Whether the row of an event may be gone by its age. By its own time it may lie ahead and still be old: then its row
/// counted from its receipt.
fn may_be_pruned(record: &EventRecord, gone_before: Option<Timestamp>) -> bool {
    gone_before.is_some_and(|before| record.at < before || record.clock_suspect)
}

fn identity(record: &EventRecord) -> Identity<'_> {
    match &record.event.sequence {
        Some(sequence) => Identity::Numbered(&record.unit, sequence),
        None => Identity::Id(&record.id),
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
