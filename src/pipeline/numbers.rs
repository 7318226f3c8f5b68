//! Brings the numberings up to date with the new events and what units announced; finds gaps, closes gaps, acks.

use std::collections::{HashMap, HashSet};

use crate::domain::event::{EventRecord, Sequence};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::numbering::Numbering;
use crate::store::Change;
use crate::store::error::StoreError;
use crate::store::numbering::NumberingKey;

use super::message::ApplicationAck;
use super::recall::Recall;
use super::staging::Staging;

/// The numberings that a batch speaks of, as they were before it.
pub struct Numberings {
    known: HashMap<NumberingKey, Numbering>,
    /// Units of which some number was known before.
    numbered: HashSet<UnitId>,
}

impl Numberings {
    /// Takes them out of what is remembered, and loads the others.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(change: &mut Change<'_>, recall: &mut Recall, staging: &Staging) -> Result<Self, StoreError> {
        let mut this = Self { known: HashMap::new(), numbered: HashSet::new() };
        let mut unknown: Vec<&NumberingKey> = Vec::new();
        for key in &staging.heard {
            if this.known.contains_key(key) {
                continue;
            }
            match recall.take_numbering(&key.0, &key.1) {
                Some(numbering) => drop(this.known.insert(key.clone(), numbering)),
                None => unknown.push(key),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let loaded = change.numberings(&unknown).await?;
            let units: Vec<&UnitId> = unknown.iter().map(|(unit, _)| unit).collect();
            this.numbered = change.numbered_units(&units).await?;
            this.known.extend(loaded);
        }
        Ok(this)
    }

    /// Whether an event with this number was stored before, be its row still there or not.
    #[must_use]
    pub fn has(&self, record: &EventRecord) -> bool {
        let Some(Sequence { boot, seq }) = &record.event.sequence else { return false };
        self.known.get(&(record.unit.clone(), boot.clone())).is_some_and(|numbering| numbering.has(*seq))
    }

    /// Whether the event's number is beyond all that its unit ever told in this boot, so that it cannot be stored.
    #[must_use]
    pub fn never_had(&self, record: &EventRecord) -> bool {
        let Some(Sequence { boot, seq }) = &record.event.sequence else { return false };
        self.known.get(&(record.unit.clone(), boot.clone())).is_none_or(|numbering| *seq > numbering.highest)
    }
}

/// Counts what is new in the batch. Gaps that come or go have their unit judged anew.
///
/// # Errors
/// Those of the store.
pub async fn number(
    change: &mut Change<'_>,
    staging: &mut Staging,
    Numberings { mut known, mut numbered }: Numberings,
) -> Result<(), StoreError> {
    let mut arrived: HashMap<NumberingKey, Vec<u64>> = HashMap::new();
    for record in &staging.events {
        if let Some(Sequence { boot, seq }) = &record.event.sequence {
            arrived.entry((record.unit.clone(), boot.clone())).or_default().push(*seq);
        }
    }
    let mut moved: Vec<NumberingKey> = Vec::new();
    // In the order in which they came: the first boot of a unit is joined, those after it are counted from their start.
    for key in std::mem::take(&mut staging.heard) {
        let (arrived, announced) = (arrived.remove(&key), staging.announced.remove(&key));
        if arrived.is_none() && announced.is_none() {
            continue;
        }
        let before = known.get(&key).cloned();
        let joined = before.clone().or_else(|| numbered.contains(&key.0).then(Numbering::rebooted));
        let after = count(joined, arrived.as_ref(), announced);
        let Some(after) = after.filter(|after| before.as_ref() != Some(after)) else { continue };
        let missing = before.map_or_else(Vec::new, |before| before.missing);
        if missing != after.missing {
            staging.outcome.gaps_found += change.put_gaps(&key, &missing, &after.missing, staging.now).await?;
            staging.touch(&key.0, staging.now);
            staging.amended.insert(key.0.clone());
        }
        numbered.insert(key.0.clone());
        known.insert(key.clone(), after);
        moved.push(key);
    }
    let moved: Vec<_> = moved.iter().filter_map(|key| Some((key, known.get(key)?))).collect();
    if !moved.is_empty() {
        change.put_numberings(&moved).await?;
    }
    let ack = |(key, publisher): &(NumberingKey, PublisherId)| {
        let numbering = known.get(key)?;
        let (publisher, unit, boot) = (publisher.clone(), key.0.clone(), key.1.clone());
        Some(ApplicationAck { publisher, unit, boot, first: numbering.first, seq: numbering.contiguous() })
    };
    staging.outcome.acks = staging.awaiting_ack.iter().filter_map(ack).collect();
    staging.numberings = known;
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
