//! Keeps the visits that are new: a duplicate changes nothing, a conflict goes to quarantine, and a correction must make sense.

use std::collections::HashMap;

use crate::decode::mapping::Reason;
use crate::domain::visit::{PEOPLE, VisitRecord};
use crate::store::Change;
use crate::store::error::StoreError;
use crate::store::visits::{Name, StoredRecord, supersedes};

use super::message::Arrival;
use super::people;
use super::staging::{Staging, Told};

/// Corrections of corrections: longer chains are no correcting any more, and every look at one costs its length.
const LONGEST_CHAIN: usize = 100;

/// Keeps the new visits; each touches its unit from its start on, and from the start of the one that it corrects.
///
/// # Errors
/// Those of the store.
pub async fn keep_new(change: &mut Change<'_>, staging: &mut Staging, batch: &[Arrival]) -> Result<(), StoreError> {
    let told = std::mem::take(&mut staging.told_visits);
    if told.is_empty() {
        return Ok(());
    }
    let names = told.iter().flat_map(|told| std::iter::once(name_of(&told.record)).chain(supersedes(&told.record)));
    let mut known = change.stored_visits(&names.collect::<Vec<_>>()).await?;
    for Told { mut record, source } in told {
        let name = name_of(&record);
        let arrival = source.and_then(|source| batch.get(source));
        if let Some(stored) = known.get(&name) {
            if people::is_same(stored, &record) {
                staging.outcome.duplicates += 1;
            } else {
                let detail =
                    format!("record {} is stored as {} with other content; that one was here first", name.1, stored.id);
                staging.refuse_second(arrival, &record.publisher, &record.unit, Reason::Conflict, detail);
            }
            continue;
        }
        if let Err((reason, detail)) = may_correct(change, &known, &record).await? {
            staging.refuse_second(arrival, &record.publisher, &record.unit, reason, detail);
            continue;
        }
        staging.touch(&record.unit, record.visit.started_at);
        staging.amended.insert(record.unit.clone());
        if let Some(corrected) = supersedes(&record).and_then(|corrected| known.get(&corrected)) {
            staging.touch(&record.unit, corrected.started_at);
            staging.corrected.push(corrected.id.clone());
        }
        people::seal(&mut record);
        known.insert(name, StoredRecord::of(&record));
        staging.visits.push(record);
    }
    Ok(())
}

/// Stores the new visits, joins corrections with what they correct, and has other units judged whose verdict they change.
///
/// # Errors
/// Those of the store.
pub async fn insert(change: &mut Change<'_>, staging: &mut Staging) -> Result<(), StoreError> {
    if staging.visits.is_empty() {
        return Ok(());
    }
    change.insert_visits(&staging.visits).await?;
    let mut ids: Vec<&str> = staging.visits.iter().map(|record| record.id.as_str()).collect();
    change.link_corrections(&ids).await?;
    ids.extend(staging.corrected.iter().map(String::as_str));
    for (unit, at) in change.units_beside(&ids).await? {
        staging.touch(&unit, at);
        staging.amended.insert(unit);
    }
    Ok(())
}

fn name_of(record: &VisitRecord) -> Name {
    (record.publisher.to_string(), record.visit.record_id.clone())
}

/// Whether a record may correct what it says it corrects: its own publisher's record (people may correct anybody's), of
/// the same unit, and not one that corrects it in turn. What it corrects may come later.
async fn may_correct(
    change: &mut Change<'_>,
    known: &HashMap<Name, StoredRecord>,
    record: &VisitRecord,
) -> Result<Result<(), (Reason, String)>, StoreError> {
    let Some(corrected) = supersedes(record) else { return Ok(Ok(())) };
    if corrected.0 != record.publisher.as_str() && record.publisher.as_str() != PEOPLE {
        let detail = format!("supersedes_publisher: {} may correct its own records alone", record.publisher);
        return Ok(Err((Reason::BadValue, detail)));
    }
    // A record that names itself corrects nothing, and counts.
    let own = name_of(record);
    let Some(first) = known.get(&corrected).filter(|_| corrected != own) else { return Ok(Ok(())) };
    if first.unit != record.unit {
        let detail =
            format!("supersedes: {} is a visit to unit {}; a correction stays with its unit", first.id, first.unit);
        return Ok(Err((Reason::Conflict, detail)));
    }
    let mut next = first.supersedes.clone();
    for _ in 0..LONGEST_CHAIN {
        match next.take() {
            None => return Ok(Ok(())),
            Some(name) if name == own => {
                let detail = format!("supersedes: {} corrects this record in turn", first.id);
                return Ok(Err((Reason::Conflict, detail)));
            }
            Some(name) => {
                let stored = match known.get(&name) {
                    Some(stored) => Some(stored.clone()),
                    None => change.stored_visits(std::slice::from_ref(&name)).await?.remove(&name),
                };
                next = stored.and_then(|stored| stored.supersedes).filter(|again| *again != name);
            }
        }
    }
    let detail = format!("supersedes: {} is the end of {LONGEST_CHAIN} corrections; write a new record", first.id);
    Ok(Err((Reason::Conflict, detail)))
}
