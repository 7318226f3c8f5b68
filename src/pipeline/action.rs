//! What people do, and what the daemon does to tell them: each goes through the same door as a message.

use tokio::sync::oneshot;

use crate::domain::event::{Event, EventType, Origin};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::domain::visit::{Erasure, Visit};
use crate::ledger::checkpoint::Head;
use crate::store::deliveries::{Claimed, Reported, Room};
use crate::store::entries::Export;
use crate::store::error::StoreError;
use crate::store::notify::Plan;
use crate::store::tokens::{NewToken, Revocation};

use super::Pipeline;
use super::answers::{Answer, Answered, Received, Silence, Silenced};
use super::erasing::Erased;
use super::message::Outcome;
use super::recording::{Confirmed, Recorded};
use super::staging::Staging;

/// The beginning of time, for facts that change a unit's whole past.
const ALWAYS: Timestamp = Timestamp(i64::MIN / 4);

/// One thing that somebody wants done.
#[derive(Debug, Clone)]
pub enum Action {
    /// The trapped people are out: ends an entrapment.
    ReleasePassengers { unit: UnitId, by: String, reason: String },
    /// The registry's rows, checked: all of them are taken, or none.
    ImportUnits(Vec<Unit>),
    /// Who is to be told what.
    Notify(Plan),
    /// How tries to send went, and on which ways there is room for more.
    Deliver { reported: Vec<Reported>, rooms: Vec<Room> },
    /// A delivery that was given up is to be sent again.
    Resend { delivery: String },
    /// An acknowledgement, a false alarm, an arrival or a note.
    Answer(Answer),
    /// The button behind a message's "received" link; until when that acknowledges what the message told.
    Receive { delivery: String, expires_at: Option<Timestamp> },
    /// Not to be told for a while.
    Silence(Silence),
    /// A silence ends before its time.
    EndSilence { id: String, by: String },
    /// Says in the ledger how far each unit has come, if anything was entered since it was last said.
    CloseStretch,
    /// Somebody takes entries of the ledger out.
    RecordExport { export: Export, by: String },
    /// Somebody may see something from now on.
    AddToken(NewToken),
    /// A token opens nothing any more.
    RevokeToken { id: String },
    /// A token was used.
    UseToken { id: String },
    /// Somebody is shown the people whom a visit names.
    RecordLook { unit: UnitId, visit: String, by: String },
    /// A checkpoint of the ledger was signed.
    KeepCheckpoint { size: u64, note: String },
    /// A maintenance visit took place; `payload` is what was sent.
    RecordVisit { unit: UnitId, visit: Box<Visit>, payload: Vec<u8> },
    /// The owner says that a visit took place.
    ConfirmVisit { visit: String, by: String, note: String },
    /// Somebody whom a visit names in this role is to be forgotten.
    ErasePerson { visit: String, role: String, erasure: Erasure },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The event that records the release.
    Released {
        event: String,
    },
    /// The unit has no open entrapment, so there is nobody to release.
    NotTrapped,
    /// The registry does not have the unit.
    UnknownUnit,
    Imported(ImportReport),
    Planned,
    /// What the asker may send until its leases end.
    Claimed(Vec<Claimed>),
    Resending,
    /// The delivery is on its way, or has arrived.
    NotDead,
    UnknownDelivery,
    Answered(Answered),
    Received(Received),
    Silenced(Silenced),
    /// The ledger as it is now.
    Closed(Head),
    /// A token's id.
    TokenAdded(String),
    TokenRevoked(Revocation),
    Kept,
    Recorded(Recorded),
    Confirmed(Confirmed),
    Erased(Erased),
}

/// How an import changed the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportReport {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
}

/// The store takes no writes now; why, without paths or other secrets of the machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotNow(pub String);

/// An action that waits for its turn between two batches.
#[derive(Debug)]
pub struct Asked {
    pub action: Action,
    /// Answered after the commit. Nobody may be listening any more.
    pub reply: oneshot::Sender<Result<Done, NotNow>>,
}

impl Pipeline {
    /// Does what somebody wants.
    ///
    /// # Errors
    /// Those of the store; then nothing is done and it can be asked again.
    pub async fn act(&mut self, action: &Action, now: Timestamp) -> Result<(Done, Outcome), StoreError> {
        match action {
            Action::ReleasePassengers { unit, by, reason } => self.release(unit, by, reason, now).await,
            Action::ImportUnits(units) => self.import(units, now).await,
            Action::Notify(plan) => self.apply(plan, now).await,
            Action::Deliver { reported, rooms } => self.deliver(reported, rooms, now).await,
            Action::Resend { delivery } => self.resend(delivery, now).await,
            Action::Answer(answer) => Ok((Done::Answered(self.answer(answer, now).await?), Outcome::default())),
            Action::Receive { delivery, expires_at } => {
                Ok((Done::Received(self.receive(delivery, *expires_at, now).await?), Outcome::default()))
            }
            Action::Silence(silence) => Ok((Done::Silenced(self.silence(silence, now).await?), Outcome::default())),
            Action::EndSilence { id, by } => {
                Ok((Done::Silenced(self.end_silence(id, by, now).await?), Outcome::default()))
            }
            Action::CloseStretch => self.close_stretch(now).await,
            Action::RecordExport { export, by } => self.record_export(export, by, now).await,
            Action::RecordLook { unit, visit, by } => self.record_look(unit, visit, by, now).await,
            Action::AddToken(token) => Ok((Done::TokenAdded(self.add_token(token, now).await?), Outcome::default())),
            Action::RevokeToken { id } => {
                Ok((Done::TokenRevoked(self.revoke_token(id, now).await?), Outcome::default()))
            }
            Action::UseToken { id } => {
                self.use_token(id, now).await?;
                Ok((Done::Kept, Outcome::default()))
            }
            Action::KeepCheckpoint { size, note } => self.keep_checkpoint(*size, note, now).await,
            Action::RecordVisit { unit, visit, payload } => {
                let (recorded, outcome) = self.record_visit(unit, visit, payload, now).await?;
                Ok((Done::Recorded(recorded), outcome))
            }
            Action::ConfirmVisit { visit, by, note } => {
                Ok((Done::Confirmed(self.confirm_visit(visit, by, note, now).await?), Outcome::default()))
            }
            Action::ErasePerson { visit, role, erasure } => {
                Ok((Done::Erased(self.erase_person(visit, role, erasure, now).await?), Outcome::default()))
            }
        }
    }

    async fn release(
        &mut self,
        unit: &UnitId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(Done, Outcome), StoreError> {
        if self.fleet.get(unit).is_none() {
            return Ok((Done::UnknownUnit, Outcome::default()));
        }
        let mut change = self.store.begin().await?;
        let trapped = change.units_firing("entrapment").await?;
        change.commit().await?;
        let Some((_, since)) = trapped.into_iter().find(|(trapped, _)| trapped == unit) else {
            return Ok((Done::NotTrapped, Outcome::default()));
        };
        let mut staging = Staging::new(now);
        let event = Event {
            // A sender whose clock is a little fast must not have trapped people after their release.
            ts: now.max(since + 1),
            sequence: None,
            kind: EventType::PassengerReleased,
            fault: None,
            mode: None,
            landing: None,
            moving: None,
            occupied: None,
            origin: Origin::Person,
            extra: Some(serde_json::json!({ "by": by, "reason": reason }).to_string()),
        };
        staging.told_by_person(unit, event);
        if let Some(entry) = self.fleet.get(unit).filter(|entry| entry.tracked.trapped.is_some()) {
            let tracked = crate::fleet::Tracked { trapped: None, ..entry.tracked.clone() };
            staging.tracked.insert(unit.clone(), tracked);
        }
        let outcome = self.commit(staging, &[]).await?;
        let event = outcome.events.first().map(|record| record.id.to_string()).unwrap_or_default();
        Ok((Done::Released { event }, outcome))
    }

    /// Takes the registry over in one transaction, then what its new units had told before.
    async fn import(&mut self, units: &[Unit], now: Timestamp) -> Result<(Done, Outcome), StoreError> {
        let mut report = ImportReport::default();
        let mut staging = Staging::new(now);
        for unit in units {
            match self.fleet.get(&unit.id).map(|entry| &entry.unit) {
                Some(known) if **known == *unit => {
                    report.unchanged += 1;
                    continue;
                }
                Some(known) => {
                    report.changed += 1;
                    let same_age = known.in_service_since == unit.in_service_since;
                    staging.touch(&unit.id, if same_age { now } else { ALWAYS });
                }
                None => {
                    report.added += 1;
                    staging.touch(&unit.id, ALWAYS);
                }
            }
            staging.registry.push(unit.clone());
        }
        let mut outcome = self.commit(staging, &[]).await?;
        outcome.absorb(self.attach(now).await?);
        Ok((Done::Imported(report), outcome))
    }
}
