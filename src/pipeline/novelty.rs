//! Leaves out what is stored already: a duplicate changes nothing, the same identity with other content is a conflict.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::decode::mapping::Reason;
use crate::domain::event::{Event, EventRecord, EventType, Origin, Sequence};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::numbering::Numbering;
use crate::store::Change;
use crate::store::error::StoreError;
use crate::store::facts::StoredBody;
use crate::store::numbering::NumberingKey;

use super::message::{ApplicationAck, Arrival};
use super::staging::{Staging, Told};

/// A numbered event.
type SequenceKey = (UnitId, String, u64);

/// Keeps the new events; each touches its unit from its own time on.
///
/// # Errors
/// Those of the store.
pub async fn keep_new_events(
    change: &mut Change<'_>,
    staging: &mut Staging,
    batch: &[Arrival],
) -> Result<(), StoreError> {
    let told = std::mem::take(&mut staging.told_events);
    if told.is_empty() {
        return Ok(());
    }
    let records: Vec<&EventRecord> = told.iter().map(|told| &told.record).collect();
    let mut known = Known::default();
    for (unit, id, event) in change.stored_events(&records).await? {
        known.add(id, &unit, event);
    }
    for Told { record, source } in told {
        match known.find(&record) {
            Some((_, event)) if same_content(event, &record.event) => staging.outcome.duplicates += 1,
            Some((id, _)) => {
                let detail = format!("event {id} has the same identity and other content; that one was here first");
                conflict(staging, source.and_then(|source| batch.get(source)), &record.publisher, &record.unit, detail);
            }
            None => {
                known.add(record.id.clone(), &record.unit, record.event.clone());
                if record.event.kind != EventType::AlarmPressed {
                    staging.touch(&record.unit, record.at);
                }
                staging.events.push(record);
            }
        }
    }
    Ok(())
}

/// Keeps the new visits; each touches its unit from its start on, and from the start of the one that it corrects.
///
/// # Errors
/// Those of the store.
pub async fn keep_new_visits(
    change: &mut Change<'_>,
    staging: &mut Staging,
    batch: &[Arrival],
) -> Result<(), StoreError> {
    let told = std::mem::take(&mut staging.told_visits);
    if told.is_empty() {
        return Ok(());
    }
    let names = told.iter().flat_map(|told| {
        let publisher = told.record.publisher.as_str();
        let corrected = told.record.visit.supersedes.as_deref().map(|name| (publisher, name));
        std::iter::once((publisher, told.record.visit.record_id.as_str())).chain(corrected)
    });
    let mut known = change.stored_visits(&names.collect::<Vec<_>>()).await?;
    for Told { record, source } in told {
        let name = (record.publisher.to_string(), record.visit.record_id.clone());
        let (id, unit, body) = (record.id.clone(), record.unit.clone(), record.visit.body.clone());
        let new = StoredBody { id, unit, body, at: record.visit.started_at };
        let arrival = source.and_then(|source| batch.get(source));
        if is_known(staging, known.get(&name), &name.1, &new, &record.publisher, arrival) {
            continue;
        }
        staging.touch(&record.unit, record.visit.started_at);
        let corrected = record.visit.supersedes.clone().map(|corrected| (name.0.clone(), corrected));
        if let Some(corrected) = corrected.and_then(|name| known.get(&name)) {
            staging.touch(&record.unit, corrected.at);
        }
        known.insert(name, new);
        staging.visits.push(record);
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
        let (id, unit, body) = (record.id.clone(), record.unit.clone(), record.report.body.clone());
        let new = StoredBody { id, unit, body, at: record.report.ts };
        let arrival = source.and_then(|source| batch.get(source));
        if !is_known(staging, known.get(&name), &name.1, &new, &record.publisher, arrival) {
            known.insert(name, new);
            staging.hazards.push(record);
        }
    }
    Ok(())
}

/// Brings the numberings up to date with the new events and what units announced; finds gaps, closes gaps, acks.
///
/// # Errors
/// Those of the store.
pub async fn number(change: &mut Change<'_>, staging: &mut Staging) -> Result<(), StoreError> {
    let mut arrived: BTreeMap<NumberingKey, Vec<u64>> = BTreeMap::new();
    for record in &staging.events {
        if let Some(Sequence { boot, seq }) = &record.event.sequence {
            arrived.entry((record.unit.clone(), boot.clone())).or_default().push(*seq);
        }
    }
    let acked = staging.awaiting_ack.iter().map(|(key, _)| key);
    let keys: BTreeSet<&NumberingKey> = arrived.keys().chain(staging.announced.keys()).chain(acked).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let mut numberings = change.numberings(&keys.iter().copied().collect::<Vec<_>>()).await?;
    let units: Vec<&UnitId> = keys.iter().map(|(unit, _)| unit).collect();
    let mut numbered = change.numbered_units(&units).await?;
    let mut moved: Vec<NumberingKey> = Vec::new();
    // In the order in which they came: the first boot of a unit is joined, those after it are counted from their start.
    for key in std::mem::take(&mut staging.heard) {
        let (arrived, announced) = (arrived.remove(&key), staging.announced.remove(&key));
        if arrived.is_none() && announced.is_none() {
            continue;
        }
        let before = numberings.get(&key).cloned();
        let joined = before.clone().or_else(|| numbered.contains(&key.0).then(Numbering::rebooted));
        let after = count(joined, arrived.as_ref(), announced);
        let Some(after) = after.filter(|after| before.as_ref() != Some(after)) else { continue };
        let missing = before.map_or_else(Vec::new, |before| before.missing);
        if missing != after.missing {
            staging.outcome.gaps_found += change.put_gaps(&key, &missing, &after.missing, staging.now).await?;
            staging.touch(&key.0, staging.now);
        }
        numbered.insert(key.0.clone());
        numberings.insert(key.clone(), after);
        moved.push(key);
    }
    let moved: Vec<_> = moved.iter().filter_map(|key| Some((key, numberings.get(key)?))).collect();
    change.put_numberings(&moved).await?;
    let ack = |(key, publisher): &(NumberingKey, PublisherId)| {
        let numbering = numberings.get(key)?;
        let (publisher, unit, boot) = (publisher.clone(), key.0.clone(), key.1.clone());
        Some(ApplicationAck { publisher, unit, boot, first: numbering.first, seq: numbering.contiguous() })
    };
    staging.outcome.acks = staging.awaiting_ack.iter().filter_map(ack).collect();
    Ok(())
}

fn count(joined: Option<Numbering>, arrived: Option<&Vec<u64>>, announced: Option<u64>) -> Option<Numbering> {
    let mut numbering = joined;
    for seq in arrived.into_iter().flatten() {
        numbering.get_or_insert_with(|| Numbering::joined_at(*seq)).arrived(*seq);
    }
    if let Some(last) = announced {
        numbering.get_or_insert_with(|| Numbering::joined_after(last)).announced(last);
    }
    numbering
}

/// Events that are stored, or come earlier in this batch.
#[derive(Default)]
struct Known {
    by_id: HashMap<String, Event>,
    by_sequence: HashMap<SequenceKey, String>,
}

impl Known {
    fn add(&mut self, id: String, unit: &UnitId, event: Event) {
        if let Some(Sequence { boot, seq }) = &event.sequence {
            self.by_sequence.insert((unit.clone(), boot.clone(), *seq), id.clone());
        }
        self.by_id.insert(id, event);
    }

    fn find(&self, record: &EventRecord) -> Option<(&str, &Event)> {
        let numbered = record
            .event
            .sequence
            .as_ref()
            .and_then(|Sequence { boot, seq }| self.by_sequence.get(&(record.unit.clone(), boot.clone(), *seq)));
        let id = numbered.unwrap_or(&record.id);
        self.by_id.get_key_value(id).map(|(id, event)| (id.as_str(), event))
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
        conflict(staging, arrival, publisher, &new.unit, detail);
    }
    true
}

/// Keeps what came second beside what came first, where people can see it.
fn conflict(staging: &mut Staging, arrival: Option<&Arrival>, publisher: &PublisherId, unit: &UnitId, detail: String) {
    match arrival {
        Some(arrival) => staging.refuse(arrival, publisher.as_str(), unit.as_str(), Reason::Conflict, detail),
        // What we concluded ourselves has no message to keep; what it said is what is stored.
        None => staging.outcome.refused.push((Reason::Conflict, detail)),
    }
}
