//! Feeds the pipeline: gathers what queued while the last commit ran, commits it, and lets everybody know.
//!
//! A full disk or a lock held elsewhere is waited for with the same batch in hand: nothing is acknowledged, nothing
//! dropped. Any other failure of the store ends the daemon (exit code 70), because a disk that failed once cannot be
//! believed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::domain::event::{EventRecord, EventType};
use crate::domain::id::PublisherId;
use crate::domain::time::{DAY, SECOND, Timestamp};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::pipeline::action::{Action, Asked, NotNow};
use crate::pipeline::message::{ApplicationAck, Arrival, Committed, Envelope, Outcome};
use crate::report;
use crate::store::error::{Remedy, StoreError};
use crate::sweep::Tick;
use crate::switches::{self, Switch};

/// Messages in one transaction at most: enough that FULL costs nothing over NORMAL, few enough to commit within a fraction of a second.
pub const BATCH: usize = 2_000;

/// Between two tries with a full disk: room is found within 5 s of being made (docs/OPERATIONS.md).
const RETRY: Duration = Duration::from_secs(1);

/// How often live state is written. A crash loses so much of "last heard"; facts are never in it.
const FLUSH_EVERY: i64 = 5 * SECOND;

/// How the writing side stands, for those who are asked.
#[derive(Debug, Default)]
pub struct WriterStatus {
    fault: Mutex<Option<String>>,
    last_commit: Mutex<Option<Timestamp>>,
    rounds: AtomicU64,
    pub messages: AtomicU64,
    pub events: AtomicU64,
    pub duplicates: AtomicU64,
    pub refused: AtomicU64,
    pub heard: AtomicU64,
}

impl WriterStatus {
    /// Why nothing can be written, while that is so.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the last transaction was on disk.
    #[must_use]
    pub fn last_commit(&self) -> Option<Timestamp> {
        *self.last_commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the writer came round: at least once a second, and at each try with a full disk. It grows while the
    /// writer is not stuck.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    fn note_round(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    fn set_fault(&self, fault: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn committed(&self, now: Timestamp) {
        *self.last_commit.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// What the writer is wired to.
pub struct Writer {
    pub pipeline: Pipeline,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub status: Arc<WriterStatus>,
    /// One per session, by the session's number.
    pub links: Vec<Arc<LinkStatus>>,
    pub messages: mpsc::Receiver<Envelope>,
    pub asked: mpsc::Receiver<Asked>,
    pub ticks: mpsc::Receiver<Tick>,
    /// One per session, by the session's number.
    pub sessions: Vec<mpsc::UnboundedSender<Committed>>,
    /// Rung when a change of an alert is on disk that people must hear of.
    pub changed: Arc<Notify>,
    pub shutdown: watch::Receiver<bool>,
}

/// What is remembered between two batches.
#[derive(Default)]
struct Memory {
    flushed_at: Option<Timestamp>,
    /// What was told of which publisher, and on which day.
    told: HashSet<(&'static str, PublisherId, i64)>,
    told_codes: HashSet<String>,
}

impl Memory {
    /// Whether this was not yet told of the publisher today.
    fn is_news(&mut self, what: &'static str, publisher: &PublisherId, now: Timestamp) -> bool {
        if self.told.len() > BATCH {
            self.told.clear();
        }
        self.told.insert((what, publisher.clone(), now.0 / DAY))
    }
}

impl Writer {
    /// Writes until every session is gone, then flushes and closes the file.
    ///
    /// # Errors
    /// The store's error that ended the daemon.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let mut memory = Memory::default();
        let mut batch: Vec<Envelope> = Vec::with_capacity(BATCH);
        loop {
            self.status.note_round();
            tokio::select! {
                biased;
                Some(asked) = self.asked.recv() => self.act(asked, &mut memory).await?,
                Some(tick) = self.ticks.recv() => self.tick(tick, &mut memory).await?,
                received = self.messages.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    self.batch(&mut batch, &mut memory).await?;
                }
            }
        }
        self.pipeline.close().await
    }

    async fn batch(&mut self, batch: &mut Vec<Envelope>, memory: &mut Memory) -> Result<(), StoreError> {
        let mut through: Vec<Option<u64>> = vec![None; self.sessions.len()];
        let arrivals: Vec<Arrival> = batch
            .drain(..)
            .map(|Envelope { session, ticket, arrival }| {
                through[session] = Some(ticket);
                arrival
            })
            .collect();
        if switches::is_on(Switch::AckBeforeCommit) {
            self.acknowledge(&through, &[]);
        }
        let began = self.clock.monotonic();
        let mut outcome = loop {
            let now = self.clock.now();
            match self.pipeline.take(&arrivals, now).await {
                Ok(outcome) => break outcome,
                Err(error) => self.wait_or_stop(error).await?,
            }
        };
        report::count_regions(&self.metrics, &arrivals);
        self.metrics.batch(arrivals.len());
        self.metrics.commit(self.clock.monotonic().saturating_sub(began));
        self.status.messages.fetch_add(arrivals.len() as u64, Ordering::Relaxed);

        let acks = std::mem::take(&mut outcome.acks);
        self.acknowledge(&through, &acks);
        self.account(outcome, memory);
        Ok(())
    }

    /// Tells each session up to which ticket its messages are on disk.
    fn acknowledge(&self, through: &[Option<u64>], acks: &[ApplicationAck]) {
        for (session, through) in through.iter().enumerate() {
            let Some(through) = *through else { continue };
            let region = &self.links[session].region;
            // A region's controllers listen at its own broker.
            let own = |ack: &&ApplicationAck| {
                self.pipeline.fleet().get(&ack.unit).is_some_and(|entry| entry.unit.region == *region)
            };
            let acks = acks.iter().filter(own).cloned().collect();
            // A session that is gone has no one to acknowledge to: its broker delivers again.
            drop(self.sessions[session].send(Committed { through, acks }));
        }
    }

    async fn tick(&mut self, tick: Tick, memory: &mut Memory) -> Result<(), StoreError> {
        let now = self.clock.now();
        for link in &self.links {
            self.pipeline.fleet_mut().listen(&link.region, link.is_listening(), now);
        }
        if tick.jumped {
            tracing::warn!("the system clock was set by more than a minute; no unit is judged silent for a while");
            self.pipeline.fleet_mut().listen_anew(now);
        }
        match self.pipeline.sweep(now).await {
            Ok(outcome) => self.account(outcome, memory),
            // Time passes again in a second; until then only say what is wrong.
            Err(error) if error.remedy() == Remedy::Retry => self.fault(&error),
            Err(error) => return Err(self.lost(error)),
        }
        match self.tidy(now).await {
            Ok(outcome) if outcome.pruned.is_empty() => {}
            Ok(outcome) => self.account(outcome, memory),
            Err(error) if error.remedy() == Remedy::Retry => self.fault(&error),
            Err(error) => return Err(self.lost(error)),
        }
        let flushed_at = *memory.flushed_at.get_or_insert(now);
        if now - flushed_at >= FLUSH_EVERY || now < flushed_at {
            memory.flushed_at = Some(now);
            match self.pipeline.flush().await {
                Ok(()) => {}
                Err(error) if error.remedy() == Remedy::Retry => self.fault(&error),
                Err(error) => return Err(self.lost(error)),
            }
        }
        let heard = self.pipeline.fleet().iter().filter(|entry| entry.heard_at.is_some()).count();
        self.status.heard.store(heard as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn tidy(&mut self, now: Timestamp) -> Result<Outcome, StoreError> {
        let agreed = if self.pipeline.begins_to_prune(now) { self.pipeline.agreed(now).await? } else { now };
        self.pipeline.tidy(now, agreed).await
    }

    async fn act(&mut self, asked: Asked, memory: &mut Memory) -> Result<(), StoreError> {
        let now = self.clock.now();
        let answer = self.pipeline.act(&asked.action, now).await;
        let (answer, error) = match answer {
            Ok((done, outcome)) => {
                // What a person answers or silences changes who is told; our own plans and reports do not.
                if !matches!(asked.action, Action::Notify(_) | Action::Deliver { .. } | Action::UseToken { .. }) {
                    self.changed.notify_one();
                }
                self.account(outcome, memory);
                (Ok(done), None)
            }
            Err(error) => (Err(NotNow("the store takes no writes now; try again later".to_owned())), Some(error)),
        };
        // Who asked may not wait any more; what was done stands.
        drop(asked.reply.send(answer));
        match error {
            None => Ok(()),
            Some(error) if error.remedy() == Remedy::Retry => {
                self.fault(&error);
                Ok(())
            }
            Some(error) => Err(self.lost(error)),
        }
    }

    /// Waits a second with the batch in hand if waiting can help, and unless we are to stop.
    async fn wait_or_stop(&mut self, error: StoreError) -> Result<(), StoreError> {
        if error.remedy() == Remedy::Stop || *self.shutdown.borrow() {
            return Err(self.lost(error));
        }
        self.fault(&error);
        self.status.note_round();
        tokio::time::sleep(RETRY).await;
        Ok(())
    }

    fn fault(&self, error: &StoreError) {
        if self.status.fault().is_none() {
            tracing::error!(%error, "nothing can be stored; messages wait at the broker until there is room");
        }
        self.status.set_fault(Some(error.to_string()));
    }

    fn lost(&self, error: StoreError) -> StoreError {
        self.status.set_fault(Some(error.to_string()));
        error
    }

    /// Counts and logs what a transaction did.
    fn account(&self, outcome: Outcome, memory: &mut Memory) {
        let now = self.clock.now();
        if self.status.fault().is_some() {
            tracing::info!("storing again");
            self.status.set_fault(None);
        }
        self.status.committed(now);
        // Area events are made of what units tell of their mains, without an alert.
        let mains = |record: &EventRecord| matches!(record.event.kind, EventType::MainsOff | EventType::MainsOn);
        if outcome.changes.iter().any(|change| change.tell) || outcome.events.iter().any(mains) {
            self.changed.notify_one();
        }
        self.status.events.fetch_add(outcome.events.len() as u64, Ordering::Relaxed);
        self.status.duplicates.fetch_add(outcome.duplicates, Ordering::Relaxed);
        self.status.refused.fetch_add(outcome.refused.len() as u64, Ordering::Relaxed);
        report::count(&self.metrics, &outcome, self.pipeline.fleet(), now);
        report::log(&outcome);
        for (publisher, unit) in outcome.unregistered {
            if memory.is_news("unregistered", &publisher, now) {
                // The operator is told of it.
                self.changed.notify_one();
                tracing::warn!(%publisher, unit.id = %unit, "tells of units that the registry does not have; their events are kept until they are imported");
            }
        }
        for (publisher, unit) in outcome.foreign {
            if memory.is_news("foreign", &publisher, now) {
                // The operator is told of it.
                self.changed.notify_one();
                tracing::warn!(%publisher, unit.id = %unit, "speaks for units that the registry gives to others or has in another region; refused and kept in quarantine: mend the registry, or the broker's access rules");
            }
        }
        for code in outcome.unknown_codes {
            if memory.told_codes.len() < BATCH && memory.told_codes.insert(code.clone()) {
                tracing::warn!(code, "a code that no table has; stored as other, add it to the mapping's codes");
            }
        }
    }
}
