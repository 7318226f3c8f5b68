//! What people record of maintenance: a visit by form or API, and the owner's word that it took place.

use crate::decode::mapping::{Address, Class, Decoded, Fact};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;
use crate::domain::visit::{CONFIRMER, Confirmation, PEOPLE, Person, Visit};
use crate::ledger::commitment::of_person;
use crate::store::error::StoreError;

use super::Pipeline;
use super::message::{Arrival, Outcome};
use super::people;
use super::staging::Staging;

/// What became of a visit that somebody recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    Stored {
        id: String,
    },
    /// The same record is here already.
    Known {
        id: String,
    },
    /// Another record has this name, or it corrects what it may not: it is in quarantine, and why.
    Refused(String),
    UnknownUnit,
}

/// What became of an owner's confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    Stored,
    /// The same person has said the same.
    Known,
    /// Somebody has confirmed it already.
    Already,
    UnknownVisit,
}

impl Pipeline {
    /// Records a visit that a person tells of. `payload` is what was sent: it is what quarantine keeps.
    pub(super) async fn record_visit(
        &mut self,
        unit: &UnitId,
        visit: &Visit,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<(Recorded, Outcome), StoreError> {
        let Some(entry) = self.fleet.get(unit) else { return Ok((Recorded::UnknownUnit, Outcome::default())) };
        let region = entry.unit.region.clone();
        let publisher = PublisherId::new(PEOPLE).expect("the name is an id");
        let address = Address { region: region.clone(), publisher, unit: unit.clone() };
        let mut staging = Staging::new(now);
        staging.visit(0, &address, visit, now);
        let Some(id) = staging.told_visits.first().map(|told| told.record.id.clone()) else {
            return Ok((Recorded::UnknownUnit, Outcome::default()));
        };
        let decoded = Decoded {
            address,
            class: Class::Visit,
            facts: vec![Fact::Visit(visit.clone())],
            unknown_codes: Vec::new(),
        };
        let topic = format!("api/v1/units/{unit}/visits");
        let arrival = Arrival { region, topic, payload: payload.to_vec(), received_at: now, decoded: Ok(decoded) };
        let outcome = self.commit(staging, &[arrival]).await?;
        let recorded = match outcome.refused.first() {
            Some((_, detail)) => Recorded::Refused(detail.clone()),
            None if outcome.duplicates > 0 => Recorded::Known { id },
            None => Recorded::Stored { id },
        };
        Ok((recorded, outcome))
    }

    /// Records the owner's word that a visit took place.
    pub(super) async fn confirm_visit(
        &mut self,
        visit: &str,
        by: &str,
        note: &str,
        now: Timestamp,
    ) -> Result<Confirmed, StoreError> {
        let person = Person { role: CONFIRMER.to_owned(), name: Some(by.to_owned()), phone: None };
        let mut change = self.store.begin().await?;
        let done = match change.stored_confirmation(visit, CONFIRMER).await? {
            None => Confirmed::UnknownVisit,
            Some(Some((body, salt))) => {
                let same = salt.is_some_and(|salt| body == confirmation_body(visit, &of_person(&person, &salt), note));
                if same { Confirmed::Known } else { Confirmed::Already }
            }
            Some(None) => {
                let sealed = people::sealed(person);
                let body = confirmation_body(visit, &of_person(&sealed.person, &sealed.salt), note);
                let confirmation = Confirmation { visit: visit.to_owned(), at: now, body, sealed };
                change.insert_confirmations(&[confirmation]).await?;
                Confirmed::Stored
            }
        };
        change.commit().await?;
        Ok(done)
    }
}

/// Canonical JSON.
fn confirmation_body(visit: &str, by: &str, note: &str) -> String {
    serde_json::json!({ "by": by, "note": note, "visit": visit }).to_string()
}
