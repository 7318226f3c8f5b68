//! The one door for writes: messages, the passing of time and people's actions become one transaction each.
//!
//! Read from top to bottom: stage (what does this batch say?) ▸ begin ▸ leave out duplicates ▸ insert ▸ number ▸
//! judge ▸ record ▸ commit ▸ settle. Nothing in memory that matters changes before the commit, so a failed
//! transaction can be tried again as it is.

pub mod message;

pub mod identity;

pub mod staging;

pub mod recall;

pub mod numbers;

pub mod novelty;

pub mod people;

pub mod visits;

pub mod recording;

pub mod erasing;

pub mod judge;

pub mod answers;

pub mod action;

pub mod telling;

pub mod sealing;

pub mod retention;

pub mod pruning;

pub mod tokens;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::decode::Decoder;
use crate::decode::mapping::Address;
use crate::detect::{self, Rules};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::fleet::{Fleet, Tracked};
use crate::hex::sha256_hex;
use crate::ledger::leaf::EntryKind;
use crate::store::error::StoreError;
use crate::store::live::LiveRow;
use crate::store::refused::{Refused, Room, Unregistered};
use crate::store::{Change, Store};
use crate::switches::{self, Stage};
use message::{Arrival, Outcome};
use numbers::Numberings;
use recall::Recall;
use retention::Retention;
use staging::Staging;

/// Units that one sweep looks at; the rest follow a second later.
const DUE_PER_SWEEP: u32 = 1_000;

/// Messages of units that have just been registered, taken in one transaction.
const ATTACHED_PER_TURN: u32 = 2_000;

/// The writer's state: the store, the rules, and the fleet as of the last commit.
pub struct Pipeline {
    store: Store,
    decoder: Arc<Decoder>,
    rules: Rules,
    fleet: Fleet,
    recall: Recall,
    /// The write-ahead log may hold what was erased.
    unfolded: bool,
    retention: Retention,
}

impl Pipeline {
    /// Takes the store over and rebuilds the fleet from it. If the rules have changed since the last run, every unit
    /// is due at once: the new thresholds hold from now on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(
        mut store: Store,
        decoder: Arc<Decoder>,
        settings: &detect::Settings,
        rules: Rules,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut fleet = Fleet::new(settings.silent_unit.patience(), settings.entrapment.limit());
        let mut change = store.begin().await?;
        change.units().await?.into_iter().for_each(|unit| fleet.put(unit));
        for (unit, tracked) in change.tracked().await? {
            fleet.restore(&unit, tracked, now);
        }
        for row in change.live().await? {
            fleet.restore_live(&row.unit, row.heard_at, row.state, now);
        }
        for (unit, began) in change.units_firing("silent_unit").await? {
            fleet.restore_silence(&unit, began);
        }
        if change.declare(EntryKind::Rules, &rules.version(), now).await? {
            change.check_all_at(now).await?;
        }
        change.end_leases().await?;
        let retention = Retention::new(change.horizon().await?);
        change.commit().await?;
        let mut pipeline = Self { store, decoder, rules, fleet, recall: Recall::default(), unfolded: true, retention };
        pipeline.attach(now).await?;
        Ok(pipeline)
    }

    /// The fleet as of the last commit.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The fleet, to tell it which regions are heard.
    pub fn fleet_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }

    /// Takes a batch of messages: every one of them is stored, a duplicate, or in quarantine when this returns.
    ///
    /// # Errors
    /// Those of the store; then nothing of the batch is stored and it can be given again.
    pub async fn take(&mut self, arrivals: &[Arrival], now: Timestamp) -> Result<Outcome, StoreError> {
        let mut staging = Staging::new(now);
        for (source, arrival) in arrivals.iter().enumerate() {
            staging.arrival(&mut self.fleet, source, arrival);
        }
        self.commit(staging, arrivals).await
    }

    /// Lets time pass: verdicts that are due, units that fell silent, states that lasted too long.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep(&mut self, now: Timestamp) -> Result<Outcome, StoreError> {
        let mut staging = Staging::new(now);
        for (unit, since) in self.fleet.newly_silent(now) {
            staging.fell_silent(unit, since);
        }
        for (unit, tracked, event) in self.fleet.newly_trapped(now) {
            staging.trapped(&self.fleet, unit, tracked, event);
        }
        let mut change = self.store.begin().await?;
        let due = change.due(now, DUE_PER_SWEEP).await?;
        change.commit().await?;
        // What is old is needed until it has been judged.
        let judged = due.len() < DUE_PER_SWEEP as usize;
        for (unit, at) in due {
            staging.touch(&unit, at);
        }
        let outcome = self.commit(staging, &[]).await?;
        self.retention.judged(judged);
        Ok(outcome)
    }

    /// Stores when units were last heard and their latest states.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        let rows: Vec<LiveRow> = self
            .fleet
            .iter()
            .filter(|entry| entry.dirty)
            .filter_map(|entry| {
                Some(LiveRow { unit: entry.unit.id.clone(), heard_at: entry.heard_at?, state: entry.state.clone() })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut change = self.store.begin().await?;
        change.put_live(&rows).await?;
        switches::pass(Stage::InFlush);
        change.commit().await?;
        for row in rows {
            if let Some(entry) = self.fleet.get_mut(&row.unit) {
                entry.dirty = false;
            }
        }
        Ok(())
    }

    /// Flushes and closes the file.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn close(mut self) -> Result<(), StoreError> {
        self.flush().await?;
        self.store.close().await
    }

    /// Takes what units told before the registry had them.
    async fn attach(&mut self, now: Timestamp) -> Result<Outcome, StoreError> {
        let mut total = Outcome::default();
        loop {
            let mut change = self.store.begin().await?;
            let messages = change.attachable(ATTACHED_PER_TURN).await?;
            change.commit().await?;
            if messages.is_empty() {
                return Ok(total);
            }
            let mut staging = Staging::new(now);
            let mut batch = Vec::with_capacity(messages.len());
            for (source, message) in messages.into_iter().enumerate() {
                let Unregistered { id, region, topic, received_at, payload } = message;
                let decoded = self.decoder.decode(&region, &topic, &payload);
                let arrival = Arrival { region, topic, payload, received_at, decoded };
                staging.attached.push(id);
                staging.arrival(&mut self.fleet, source, &arrival);
                batch.push(arrival);
            }
            total.absorb(self.commit(staging, &batch).await?);
        }
    }

    /// The one transaction. `batch` is what the facts were told in.
    async fn commit(&mut self, mut staging: Staging, batch: &[Arrival]) -> Result<Outcome, StoreError> {
        if staging.is_empty() {
            return Ok(staging.outcome);
        }
        switches::pass(Stage::BeforeBegin);
        let mut change = self.store.begin().await?;

        let registry: HashMap<UnitId, Unit> = staging.registry.drain(..).map(|unit| (unit.id.clone(), unit)).collect();
        for unit in registry.values() {
            change.put_unit(unit, staging.now).await?;
        }
        let numberings = Numberings::load(&mut change, &mut self.recall, &staging).await?;
        let gone_before = self.retention.horizon().events;
        novelty::keep_new_events(&mut change, &mut staging, batch, &numberings, gone_before).await?;
        visits::keep_new(&mut change, &mut staging, batch).await?;
        novelty::keep_new_hazards(&mut change, &mut staging, batch).await?;
        change.insert_events(&staging.events).await?;
        visits::insert(&mut change, &mut staging).await?;
        change.insert_hazards(&staging.hazards).await?;
        switches::pass(Stage::AfterInsert);
        numbers::number(&mut change, &mut staging, numberings).await?;

        let touched = std::mem::take(&mut staging.touched);
        let horizon = self.retention.horizon();
        let known = judge::Known { fleet: &self.fleet, registry: &registry, horizon };
        judge::judge(&mut change, &self.rules, &known, &mut self.recall, &touched, &mut staging).await?;
        switches::pass(Stage::AfterJudge);

        keep_unregistered(&mut change, &mut staging).await?;
        keep_refused(&mut change, &mut staging).await?;
        change.put_tracked(staging.tracked.iter()).await?;
        if !staging.attached.is_empty() {
            change.drop_attached(&staging.attached).await?;
        }
        if !registry.is_empty() || !staging.attached.is_empty() {
            change.forget_registered().await?;
        }
        switches::pass(Stage::BeforeCommit);
        change.commit().await?;
        switches::pass(Stage::AfterCommit);

        staging.outcome.events = std::mem::take(&mut staging.events);
        staging.outcome.visits += staging.visits.len();
        staging.outcome.hazards += staging.hazards.len();
        registry.into_values().for_each(|unit| self.fleet.put(unit));
        self.recall.keep_all(staging.remembered, staging.numberings);
        self.settle(staging.tracked, &staging.silent, &staging.revived);
        Ok(staging.outcome)
    }

    fn settle(&mut self, tracked: HashMap<UnitId, Tracked>, silent: &BTreeMap<UnitId, Timestamp>, revived: &[UnitId]) {
        self.fleet.settle(tracked);
        for (unit, since) in silent {
            if let Some(entry) = self.fleet.get_mut(unit) {
                entry.silent_since = Some(*since);
            }
        }
        for unit in revived {
            if let Some(entry) = self.fleet.get_mut(unit) {
                entry.silent_since = None;
            }
        }
    }
}

async fn keep_unregistered(change: &mut Change<'_>, staging: &mut Staging) -> Result<(), StoreError> {
    // Counted once for all of a publisher's messages, not once for each.
    let mut rooms: HashMap<PublisherId, Room> = HashMap::new();
    for message in std::mem::take(&mut staging.unregistered) {
        let staging::FromUnknown { address, message: keep, is_state } = &message;
        let Address { region, publisher, unit } = address;
        let room = match rooms.entry(publisher.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(change.unregistered_room(publisher).await?),
        };
        let counted = change.count_unregistered(publisher, unit, region, room, staging.now).await?;
        let kept = counted && (*is_state || change.keep_unregistered(publisher, unit, keep, room).await?);
        if kept {
            staging.outcome.unregistered.push((address.publisher.clone(), address.unit.clone()));
        } else {
            staging.overflow(message);
        }
    }
    Ok(())
}

async fn keep_refused(change: &mut Change<'_>, staging: &mut Staging) -> Result<(), StoreError> {
    let mut publishers: Vec<&str> = Vec::new();
    for refused in &staging.refused {
        change
            .quarantine(&Refused {
                received_at: refused.received_at,
                region: &refused.region,
                publisher: &refused.publisher,
                unit: &refused.unit,
                topic: &refused.topic,
                reason: refused.reason.as_str(),
                detail: &refused.detail,
                payload: &refused.payload,
                sha256: sha256_hex(&refused.payload),
            })
            .await?;
        publishers.push(&refused.publisher);
    }
    publishers.sort_unstable();
    publishers.dedup();
    for publisher in publishers {
        staging.outcome.quarantine_dropped += change.bound_quarantine(publisher).await?;
    }
    Ok(())
}
