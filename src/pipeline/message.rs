//! What enters the pipeline from a session, and what comes back when it is on disk.

use smol_str::SmolStr;

use crate::decode::mapping::{Class, Decoded, Reason, Rejection};
use crate::detect::episode::Change;
use crate::domain::event::EventRecord;
use crate::domain::fault::FaultCode;
use crate::domain::id::{PublisherId, RegionCode, UnitId};
use crate::domain::time::Timestamp;
use crate::ledger::retention::Pruned;

/// One message as it arrived, already read.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub region: RegionCode,
    pub topic: String,
    pub payload: Vec<u8>,
    pub received_at: Timestamp,
    pub decoded: Result<Decoded, Rejection>,
}

/// A message with the number under which its session waits for it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Which session.
    pub session: usize,
    /// Ascending within the session, for the life of the process.
    pub ticket: u64,
    pub arrival: Arrival,
}

/// Every ticket of the session up to `through` is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub through: u64,
    pub acks: Vec<ApplicationAck>,
}

/// The application ack: the city has this unit's events `first..=seq` of `boot`, without a gap. It says nothing of those
/// before `first`: of a boot that we joined while it ran, a controller may still hold what was lost before we listened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApplicationAck {
    pub publisher: PublisherId,
    pub unit: UnitId,
    pub boot: SmolStr,
    pub first: u64,
    /// Below `first` where nothing is stored yet.
    pub seq: u64,
}

/// What a transaction did: for metrics, logs and acks.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages by class; refused ones have none.
    pub received: Vec<Class>,
    /// Events that are new.
    pub events: Vec<EventRecord>,
    pub visits: usize,
    pub hazards: usize,
    pub duplicates: u64,
    pub refused: Vec<(Reason, String)>,
    /// For each message that was refused, from which region it came.
    pub refused_from: Vec<RegionCode>,
    /// Codes that no table has, as the sender wrote them.
    pub unknown_codes: Vec<String>,
    /// Messages of units that the registry does not have.
    pub unregistered: Vec<(PublisherId, UnitId)>,
    /// Messages of units that the registry gives to another publisher or region: who sent them.
    pub foreign: Vec<(PublisherId, UnitId)>,
    pub quarantine_dropped: u64,
    pub gaps_found: u64,
    /// The code of every incident that began.
    pub incidents: Vec<FaultCode>,
    pub changes: Vec<Change>,
    /// Rows that were pruned by age.
    pub pruned: Vec<(Pruned, u64)>,
    pub acks: Vec<ApplicationAck>,
}

impl Outcome {
    /// Adds what another transaction did.
    pub fn absorb(&mut self, other: Self) {
        self.received.extend(other.received);
        self.events.extend(other.events);
        self.visits += other.visits;
        self.hazards += other.hazards;
        self.duplicates += other.duplicates;
        self.refused.extend(other.refused);
        self.refused_from.extend(other.refused_from);
        self.unknown_codes.extend(other.unknown_codes);
        self.unregistered.extend(other.unregistered);
        self.foreign.extend(other.foreign);
        self.quarantine_dropped += other.quarantine_dropped;
        self.gaps_found += other.gaps_found;
        self.incidents.extend(other.incidents);
        self.changes.extend(other.changes);
        self.pruned.extend(other.pruned);
        self.acks.extend(other.acks);
    }
}
