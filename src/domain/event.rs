//! What a unit tells: events, which are facts kept for ever, and its state, of which the latest is kept.

use smol_str::SmolStr;

use super::fault::{Fault, FaultCode};
use super::id::{PublisherId, UnitId};
use super::time::Timestamp;
use super::vocabulary::vocabulary;

vocabulary!(
    /// What happened.
    EventType, "event type", {
        FaultRaised = "fault_raised",
        FaultCleared = "fault_cleared",
        EntrapmentReported = "entrapment_reported",
        PassengerReleased = "passenger_released",
        /// The passenger's button.
        AlarmPressed = "alarm_pressed",
        ModeChanged = "mode_changed",
        MainsOff = "mains_off",
        MainsOn = "mains_on",
    }
);

vocabulary!(
    /// Service mode (GB/T 24476-2017).
    Mode, "mode", {
        OutOfService = "out_of_service",
        Normal = "normal",
        Inspection = "inspection",
        FireRecall = "fire_recall",
        Firefighter = "firefighter",
        EmergencyPower = "emergency_power",
        Earthquake = "earthquake",
        Unknown = "unknown",
    }
);

impl Mode {
    /// Faults in these modes are work or fire service, not failures (docs/SOURCES.md: 43, 44 and 45 do not count).
    #[must_use]
    pub const fn excludes_faults(self) -> bool {
        matches!(self, Self::Inspection | Self::FireRecall | Self::Firefighter)
    }
}

vocabulary!(
    /// How we came to know of an event.
    Origin, "event origin", {
        /// The unit sent it as an event.
        Reported = "reported",
        /// We found the edge between two messages that carry the whole state.
        Edge = "edge",
        /// We concluded it from the state that lasted (occupied, stopped, door not open).
        Derived = "derived",
        /// A person told us through the API.
        Person = "person",
    }
);

/// The sender's own numbering: `seq` counts up by one within a `boot`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    pub boot: SmolStr,
    /// 0 to 2^53 - 1.
    pub seq: u64,
}

/// One event as a payload tells it, before it has an identity or a place in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened, by the sender's clock.
    pub ts: Timestamp,
    pub sequence: Option<Sequence>,
    pub kind: EventType,
    /// Present for `fault_raised` and `fault_cleared` alone.
    pub fault: Option<Fault>,
    /// Present for `mode_changed` alone.
    pub mode: Option<Mode>,
    pub landing: Option<SmolStr>,
    /// Whether the car was moving, and whether somebody was in it; `None` where the message does not say.
    pub moving: Option<bool>,
    pub occupied: Option<bool>,
    pub origin: Origin,
    /// Fields that we do not know, as a JSON object, or the reason that a person gave; kept as they came.
    pub extra: Option<String>,
}

impl Event {
    /// The canonical code, for events that have one.
    #[must_use]
    pub fn code(&self) -> Option<FaultCode> {
        self.fault.as_ref().map(|fault| fault.code)
    }
}

vocabulary!(
    /// Where the car is going.
    Direction, "direction", { None = "none", Up = "up", Down = "down" }
);

vocabulary!(
    /// What the car door is doing.
    Door, "door state", {
        Open = "open",
        Opening = "opening",
        Closing = "closing",
        Closed = "closed",
        Unknown = "unknown",
    }
);

/// A unit's state at one moment. Everything but the time may be missing; `None` says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub ts: Timestamp,
    pub boot: Option<SmolStr>,
    /// The last event sequence sent in this boot, so that a lost event is found.
    pub last_seq: Option<u64>,
    pub mode: Option<Mode>,
    pub moving: Option<bool>,
    pub direction: Option<Direction>,
    /// Text of up to 8 characters: "-1", "B2", "5A".
    pub landing: Option<SmolStr>,
    pub door: Option<Door>,
    pub in_unlocking_zone: Option<bool>,
    pub occupied: Option<bool>,
    /// Every fault that is active now; `None` says nothing of faults, an empty list says that there is none.
    pub active_faults: Option<Vec<Fault>>,
    /// Passenger's button held or latched; edges become `alarm_pressed`.
    pub alarm: Option<bool>,
    /// People trapped by the sender's own judgement; edges become `entrapment_reported`, and never a release.
    pub entrapment: Option<bool>,
    pub mains_off: Option<bool>,
    pub runs: Option<u64>,
    pub door_cycles: Option<u64>,
    pub run_seconds: Option<u64>,
}

impl State {
    /// A state that says nothing but when it was.
    #[must_use]
    pub const fn at(ts: Timestamp) -> Self {
        Self {
            ts,
            boot: None,
            last_seq: None,
            mode: None,
            moving: None,
            direction: None,
            landing: None,
            door: None,
            in_unlocking_zone: None,
            occupied: None,
            active_faults: None,
            alarm: None,
            entrapment: None,
            mains_off: None,
            runs: None,
            door_cycles: None,
            run_seconds: None,
        }
    }

    /// Whether this state, if it lasts, is people trapped: occupied, stopped, door not open (docs/SOURCES.md).
    /// `None` where the state does not say enough.
    #[must_use]
    pub fn looks_trapped(&self) -> Option<bool> {
        let (occupied, moving, door) = (self.occupied?, self.moving?, self.door?);
        match door {
            Door::Unknown => None,
            _ => Some(occupied && !moving && door != Door::Open),
        }
    }
}

/// An event with its identity and its place in time, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Time-ordered and derived from the identity alone: the same event has the same id wherever it is stored.
    pub id: SmolStr,
    pub unit: UnitId,
    pub publisher: PublisherId,
    /// When it counts for rules: the sender's time, or the time of receipt if the sender's clock is not believed.
    pub at: Timestamp,
    pub received_at: Timestamp,
    /// The sender's clock said something that cannot be.
    pub clock_suspect: bool,
    pub event: Event,
}

impl EventRecord {
    /// What rules need of it.
    #[must_use]
    pub fn as_stored(&self) -> StoredEvent {
        let Event { kind, fault, mode, moving, occupied, origin, .. } = &self.event;
        StoredEvent {
            id: self.id.clone(),
            at: self.at,
            kind: *kind,
            fault: fault.clone(),
            mode: *mode,
            moving: *moving,
            occupied: *occupied,
            origin: *origin,
        }
    }
}

/// What rules need of a stored event.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    pub id: SmolStr,
    /// When it counts for rules.
    pub at: Timestamp,
    pub kind: EventType,
    pub fault: Option<Fault>,
    pub mode: Option<Mode>,
    pub moving: Option<bool>,
    pub occupied: Option<bool>,
    pub origin: Origin,
}

impl StoredEvent {
    /// The canonical code, for events that have one.
    #[must_use]
    pub fn code(&self) -> Option<FaultCode> {
        self.fault.as_ref().map(|fault| fault.code)
    }
}
