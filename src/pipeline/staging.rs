//! What a batch says, gathered before the transaction begins. Reads the fleet, changes nothing that must not be lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::decode::mapping::{Address, Class, Decoded, Fact, Reason};
use crate::domain::event::{Event, EventRecord, State};
use crate::domain::hazard::{HazardRecord, HazardReport};
use crate::domain::id::{PublisherId, RegionCode, UnitId};
use crate::domain::numbering::Numbering;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::domain::visit::{PEOPLE, Visit, VisitRecord};
use crate::fleet::{Fleet, Tracked};
use crate::store::numbering::NumberingKey;
use crate::store::refused::Unregistered;

use super::identity;
use super::message::{Arrival, Outcome};
use super::recall::Remembered;

/// Everything that one transaction will do.
pub struct Staging {
    pub now: Timestamp,
    /// Facts as they came; those that are new move to `events`, `visits` and `hazards` inside the transaction.
    pub told_events: Vec<Told<EventRecord>>,
    pub told_visits: Vec<Told<VisitRecord>>,
    pub told_hazards: Vec<Told<HazardRecord>>,
    pub events: Vec<EventRecord>,
    pub visits: Vec<VisitRecord>,
    pub hazards: Vec<HazardRecord>,
    /// Ids of the stored visits that the new ones correct.
    pub corrected: Vec<String>,
    pub refused: Vec<RefusedMessage>,
    pub unregistered: Vec<FromUnknown>,
    /// Rows of the registry that are new or changed.
    pub registry: Vec<Unit>,
    /// Kept messages that are taken now because their unit is registered by now.
    pub attached: Vec<i64>,
    /// Numberings that the batch speaks of, in the order in which it does.
    pub heard: Vec<NumberingKey>,
    /// The last event that a unit says it has sent.
    pub announced: BTreeMap<NumberingKey, u64>,
    /// Numberings whose sender waits for an application ack, with the publisher.
    pub awaiting_ack: HashSet<(NumberingKey, PublisherId)>,
    /// Units to judge, each from its earliest new fact.
    pub touched: BTreeMap<UnitId, Timestamp>,
    /// Units of which more has changed than that later events came; what is remembered of their past is no longer so.
    pub amended: HashSet<UnitId>,
    /// What the transaction loaded and changed, to be remembered after the commit.
    pub remembered: Vec<(UnitId, Box<Remembered>)>,
    pub numberings: HashMap<NumberingKey, Numbering>,
    pub tracked: HashMap<UnitId, Tracked>,
    /// Units that have just fallen silent, and since when.
    pub silent: BTreeMap<UnitId, Timestamp>,
    /// Units that were silent and are heard again.
    pub revived: Vec<UnitId>,
    pub outcome: Outcome,
}

/// A fact, and which message of the batch told it; `None` for what we concluded or a person told us.
pub struct Told<R> {
    pub record: R,
    pub source: Option<usize>,
}

/// A message on its way to quarantine.
pub struct RefusedMessage {
    pub received_at: Timestamp,
    pub region: RegionCode,
    pub publisher: String,
    pub unit: String,
    pub topic: String,
    pub reason: Reason,
    pub detail: String,
    pub payload: Vec<u8>,
}

/// A message of a unit that the registry does not have.
pub struct FromUnknown {
    pub address: Address,
    pub message: Unregistered,
    /// A state is counted and not kept: the next one will say the same.
    pub is_state: bool,
}

impl Staging {
    /// Nothing yet; `now` is the time of the whole transaction.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            told_events: Vec::new(),
            told_visits: Vec::new(),
            told_hazards: Vec::new(),
            events: Vec::new(),
            visits: Vec::new(),
            hazards: Vec::new(),
            corrected: Vec::new(),
            refused: Vec::new(),
            unregistered: Vec::new(),
            registry: Vec::new(),
            attached: Vec::new(),
            heard: Vec::new(),
            announced: BTreeMap::new(),
            awaiting_ack: HashSet::new(),
            touched: BTreeMap::new(),
            amended: HashSet::new(),
            remembered: Vec::new(),
            numberings: HashMap::new(),
            tracked: HashMap::new(),
            silent: BTreeMap::new(),
            revived: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// Whether a transaction is needed at all: heartbeats that say nothing new need none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told_events.is_empty()
            && self.told_visits.is_empty()
            && self.told_hazards.is_empty()
            && self.refused.is_empty()
            && self.unregistered.is_empty()
            && self.registry.is_empty()
            && self.attached.is_empty()
            && self.announced.is_empty()
            && self.touched.is_empty()
            && self.tracked.is_empty()
    }

    /// Takes one message apart; `source` is its place in the batch.
    pub fn arrival(&mut self, fleet: &mut Fleet, source: usize, arrival: &Arrival) {
        let decoded = match &arrival.decoded {
            Ok(decoded) => decoded,
            Err(rejection) => {
                let publisher = rejection.publisher.as_ref().map_or("", |publisher| publisher.as_str());
                let unit = rejection.unit.as_ref().map_or("", |unit| unit.as_str());
                self.refuse(arrival, publisher, unit, rejection.reason, rejection.detail.clone());
                return;
            }
        };
        self.outcome.received.push(decoded.class);
        self.outcome.unknown_codes.extend(decoded.unknown_codes.iter().cloned());
        let Address { region, publisher, unit } = &decoded.address;
        let Some(entry) = fleet.get(unit) else {
            self.unknown(arrival, decoded);
            return;
        };
        let foreign = match &entry.unit.publisher {
            _ if entry.unit.region != *region => {
                Some((Reason::ForeignRegion, format!("the registry has this unit in region {}", entry.unit.region)))
            }
            _ if publisher.as_str() == PEOPLE => {
                Some((Reason::ForeignUnit, format!("{PEOPLE} is the name of what people record here themselves")))
            }
            Some(known) if known != publisher => {
                Some((Reason::ForeignUnit, format!("the registry gives this unit to publisher {known}")))
            }
            _ => None,
        };
        if let Some((reason, detail)) = foreign {
            self.outcome.foreign.push((publisher.clone(), unit.clone()));
            self.refuse(arrival, publisher.as_str(), unit.as_str(), reason, detail);
            return;
        }
        // Visits and hazards are records that people write; only the unit's own word shows that it can be heard.
        if matches!(decoded.class, Class::State | Class::Event) {
            self.hear(fleet, unit, arrival.received_at);
        }
        for fact in &decoded.facts {
            match fact {
                Fact::State(state) => self.state(fleet, source, &decoded.address, state, arrival.received_at),
                Fact::Event(event) => self.reported(fleet, source, &decoded.address, event, arrival.received_at),
                Fact::Visit(visit) => self.visit(source, &decoded.address, visit, arrival.received_at),
                Fact::Hazard(report) => self.hazard(source, &decoded.address, report, arrival.received_at),
            }
        }
    }

    /// Has a unit judged, from `from` on.
    pub fn touch(&mut self, unit: &UnitId, from: Timestamp) {
        match self.touched.get_mut(unit) {
            Some(earliest) => *earliest = from.min(*earliest),
            None => drop(self.touched.insert(unit.clone(), from)),
        }
    }

    /// A unit has fallen silent; its silence counts from `since`.
    pub fn fell_silent(&mut self, unit: UnitId, since: Timestamp) {
        self.touch(&unit, since);
        self.silent.insert(unit, since);
    }

    /// A state has looked like people trapped for so long that it is an entrapment.
    pub fn trapped(&mut self, fleet: &Fleet, unit: UnitId, tracked: Tracked, event: Event) {
        let publisher = fleet.get(&unit).and_then(|entry| entry.unit.publisher.clone());
        let publisher = publisher.unwrap_or_else(daemon);
        let record = identity::event_record(&unit, &publisher, event, self.now);
        self.told_events.push(Told { record, source: None });
        self.tracked.insert(unit, tracked);
    }

    /// An event that a person told us.
    pub fn told_by_person(&mut self, unit: &UnitId, event: Event) {
        // No clock of a controller stands behind it, so there is none to doubt.
        let at = event.ts;
        let record = identity::event_record(unit, &daemon(), event, self.now);
        self.told_events.push(Told { record: EventRecord { at, clock_suspect: false, ..record }, source: None });
    }

    fn hear(&mut self, fleet: &mut Fleet, unit: &UnitId, received_at: Timestamp) {
        let Some(entry) = fleet.get_mut(unit) else { return };
        entry.heard_at = Some(entry.heard_at.map_or(received_at, |heard| heard.max(received_at)));
        entry.dirty = true;
        if entry.silent_since.is_some() && !self.revived.contains(unit) {
            self.revived.push(unit.clone());
            self.touch(unit, self.now);
        }
    }

    fn state(&mut self, fleet: &mut Fleet, source: usize, address: &Address, state: &State, received_at: Timestamp) {
        let unit = &address.unit;
        let mut state = state.clone();
        let doubted = identity::is_suspect(state.ts, received_at);
        if doubted {
            state.ts = received_at;
        }
        let Some(entry) = fleet.get(unit) else { return };
        let known = self.tracked.get(unit);
        if known.is_some() || fleet.would_change(&entry.tracked, &state) {
            let before = known.unwrap_or(&entry.tracked).clone();
            let mut tracked = before.clone();
            let events = fleet.observe(&mut tracked, &state, received_at);
            self.announce(unit, &mut tracked, &state);
            let records = events.into_iter().map(|event| {
                let record = identity::event_record(unit, &address.publisher, event, received_at);
                Told { record, source: Some(source) }
            });
            self.told_events.extend(records);
            // A state that is older than what we know changes nothing, and its duplicate must not write a row.
            if tracked != before {
                self.tracked.insert(unit.clone(), tracked);
            }
        }
        let Some(entry) = fleet.get_mut(unit) else { return };
        if !self.tracked.contains_key(unit) {
            entry.tracked.confirm(&state);
        }
        if !doubted {
            entry.told_at = entry.told_at.max(Some(state.ts));
        }
        if entry.state.as_ref().is_none_or(|latest| latest.ts <= state.ts) {
            entry.state = Some(state);
        }
    }

    fn announce(&mut self, unit: &UnitId, tracked: &mut Tracked, state: &State) {
        let Some((boot, last)) = state.boot.clone().zip(state.last_seq) else { return };
        let known = tracked.numbering.as_ref().is_some_and(|(known, highest)| *known == boot && last <= *highest);
        if !known {
            tracked.numbering = Some((boot.clone(), last));
            self.heard.push((unit.clone(), boot.clone()));
            let highest = self.announced.entry((unit.clone(), boot)).or_insert(last);
            *highest = last.max(*highest);
        }
    }

    fn reported(&mut self, fleet: &Fleet, source: usize, address: &Address, event: &Event, received_at: Timestamp) {
        let unit = &address.unit;
        let record = identity::event_record(unit, &address.publisher, event.clone(), received_at);
        if let Some(sequence) = &event.sequence {
            let key = (unit.clone(), sequence.boot.clone());
            self.heard.push(key.clone());
            self.awaiting_ack.insert((key, address.publisher.clone()));
        }
        if let Some(entry) = fleet.get(unit) {
            let tracked = self.tracked.get(unit).unwrap_or(&entry.tracked);
            let mut learned = tracked.clone();
            learned.learn(&Event { ts: record.at, ..event.clone() });
            if learned != *tracked {
                self.tracked.insert(unit.clone(), learned);
            }
        }
        self.told_events.push(Told { record, source: Some(source) });
    }

    /// Takes a visit's record; `source` is its message's place in the batch.
    pub fn visit(&mut self, source: usize, address: &Address, visit: &Visit, received_at: Timestamp) {
        let record = VisitRecord {
            id: identity::record_id("v-", visit.started_at, &address.publisher, &visit.record_id),
            unit: address.unit.clone(),
            publisher: address.publisher.clone(),
            received_at,
            visit: visit.clone(),
            sealed: Vec::new(),
        };
        self.told_visits.push(Told { record, source: Some(source) });
    }

    fn hazard(&mut self, source: usize, address: &Address, report: &HazardReport, received_at: Timestamp) {
        let record = HazardRecord {
            id: identity::record_id("h-", report.ts, &address.publisher, &report.report_id),
            unit: address.unit.clone(),
            publisher: address.publisher.clone(),
            received_at,
            report: report.clone(),
        };
        self.told_hazards.push(Told { record, source: Some(source) });
    }

    fn unknown(&mut self, arrival: &Arrival, decoded: &Decoded) {
        let message = Unregistered {
            id: 0,
            region: arrival.region.clone(),
            topic: arrival.topic.clone(),
            received_at: arrival.received_at,
            payload: arrival.payload.clone(),
        };
        let is_state = decoded.class == Class::State;
        self.unregistered.push(FromUnknown { address: decoded.address.clone(), message, is_state });
    }

    /// Sends a message to quarantine.
    pub fn refuse(&mut self, arrival: &Arrival, publisher: &str, unit: &str, reason: Reason, detail: String) {
        self.outcome.refused.push((reason, detail.clone()));
        self.outcome.refused_from.push(arrival.region.clone());
        self.refused.push(RefusedMessage {
            received_at: arrival.received_at,
            region: arrival.region.clone(),
            publisher: publisher.to_owned(),
            unit: unit.to_owned(),
            topic: arrival.topic.clone(),
            reason,
            detail,
            payload: arrival.payload.clone(),
        });
    }

    /// Keeps what came second, or does not fit what came first, beside that, where people can see it.
    pub fn refuse_second(
        &mut self,
        arrival: Option<&Arrival>,
        publisher: &PublisherId,
        unit: &UnitId,
        reason: Reason,
        detail: String,
    ) {
        match arrival {
            Some(arrival) => self.refuse(arrival, publisher.as_str(), unit.as_str(), reason, detail),
            // What we concluded ourselves has no message to keep; what it said is what is stored.
            None => self.outcome.refused.push((reason, detail)),
        }
    }

    /// Sends a message of an unknown unit to quarantine, because there is no more room to wait for the registry.
    pub fn overflow(&mut self, message: FromUnknown) {
        let FromUnknown { address, message, .. } = message;
        let Unregistered { topic, received_at, payload, .. } = message;
        let detail = "the registry does not have this unit, and its publisher has too many such already; import it";
        self.outcome.refused.push((Reason::UnregisteredOverflow, detail.to_owned()));
        self.outcome.refused_from.push(address.region.clone());
        self.refused.push(RefusedMessage {
            received_at,
            region: address.region,
            publisher: address.publisher.to_string(),
            unit: address.unit.to_string(),
            topic,
            reason: Reason::UnregisteredOverflow,
            detail: detail.to_owned(),
            payload,
        });
    }
}

/// The publisher of what we conclude or are told by a person.
fn daemon() -> PublisherId {
    PublisherId::new("liftwatch").expect("the name is an id")
}
