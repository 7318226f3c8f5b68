//! One simulated lift: its temper, its state, and the messages that it writes. Pure; the story tells it what happens.

use fastrand::Rng;

use super::payload::{self, EventPayload, ItemPayload, StatePayload, VisitPayload};
use crate::domain::event::{EventType, Mode};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitKind;
use crate::domain::visit::VisitKind;

/// Lift faults with their weights: doors lead in every published statistic.
const LIFT_FAULTS: [(FaultCode, u32); 16] = [
    (FaultCode::DoorClosing, 30),
    (FaultCode::DoorOpening, 14),
    (FaultCode::CarStoppedOutsideLandingZone, 8),
    (FaultCode::Controller, 8),
    (FaultCode::DriveAndMotor, 6),
    (FaultCode::StartFailure, 6),
    (FaultCode::SafetyInterlock, 6),
    (FaultCode::CallButtonStuck, 5),
    (FaultCode::Other, 5),
    (FaultCode::PositionLost, 4),
    (FaultCode::Levelling, 4),
    (FaultCode::RuntimeLimitExceeded, 2),
    (FaultCode::PowerSupply, 2),
    (FaultCode::SafetyChainOpen, 2),
    (FaultCode::LoadMeasurement, 2),
    (FaultCode::UnintendedCarMovement, 1),
];

const ESCALATOR_FAULTS: [(FaultCode, u32); 5] = [
    (FaultCode::CombPlate, 8),
    (FaultCode::Handrail, 6),
    (FaultCode::DriveAndMotor, 4),
    (FaultCode::MissingStep, 1),
    (FaultCode::SafetyChainOpen, 1),
];

/// Share of units that make most of the trouble (docs/SOURCES.md: 721 of 2,400 had every fault of Wujin).
const TROUBLED: f64 = 0.22;

/// Fresh faults a year of a troubled and of a quiet unit; repeats come on top, so that the city has about 3.5.
const TROUBLED_A_YEAR: f64 = 8.0;
const QUIET_A_YEAR: f64 = 0.5;

/// What names an event for good: the unit, its boot, and the place within it. The city acknowledges by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    pub unit: String,
    pub boot: String,
    pub seq: u64,
}

/// A lift and what it remembers.
#[derive(Debug)]
pub struct Lift {
    pub id: String,
    pub topic: String,
    pub kind: UnitKind,
    pub site: usize,
    /// Everything that is left to chance for this lift, so that one lift's story does not change another's.
    pub rng: Rng,
    pub troubled: bool,
    pub active: Option<Fault>,
    pub mode: Mode,
    pub mains_off: bool,
    pub trapped: bool,
    pub silent: bool,
    favourite: FaultCode,
    stops: u32,
    boot: u32,
    seq: u64,
    visits: u32,
    runs: u64,
}

impl Lift {
    /// A lift as it leaves the registry: normal, empty, with a temper of its own.
    #[must_use]
    pub fn new(id: String, topic: String, kind: UnitKind, stops: u32, site: usize, mut rng: Rng) -> Self {
        let troubled = rng.f64() < TROUBLED;
        let favourite = weighted(faults_of(kind), &mut rng);
        let runs = rng.u64(20_000..900_000);
        Self {
            id,
            topic,
            kind,
            site,
            troubled,
            active: None,
            mode: Mode::Normal,
            mains_off: false,
            trapped: false,
            silent: false,
            favourite,
            stops,
            boot: 1,
            seq: 0,
            visits: 0,
            runs,
            rng,
        }
    }

    /// Mean days between two fresh faults.
    #[must_use]
    pub fn days_between_faults(&self) -> f64 {
        365.0 / if self.troubled { TROUBLED_A_YEAR } else { QUIET_A_YEAR }
    }

    /// In normal service, whole, powered and not cut off.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        !self.silent && self.active.is_none() && !self.trapped && !self.mains_off && self.mode == Mode::Normal
    }

    /// What breaks this time; a lift has its favourite.
    pub fn pick_fault(&mut self) -> Fault {
        let code = if self.rng.f64() < 0.6 { self.favourite } else { weighted(faults_of(self.kind), &mut self.rng) };
        let vendor_code = match code {
            FaultCode::Other => Some(format!("E{}", 40 + self.rng.u32(..8)).into()),
            _ => None,
        };
        Fault { code, vendor_code }
    }

    /// A new boot; its numbering begins anew.
    pub fn reboot(&mut self) {
        self.boot += 1;
        self.seq = 0;
    }

    /// Loses one event for good: its number is never sent.
    pub fn lose_one(&mut self) {
        self.seq += 1;
    }

    /// The number of the event that was written last.
    #[must_use]
    pub fn number(&self) -> Number {
        Number { unit: self.id.clone(), boot: format!("b{}", self.boot), seq: self.seq }
    }

    /// Writes an event under the next number.
    pub fn event(&mut self, at: Timestamp, kind: EventType) -> Vec<u8> {
        self.seq += 1;
        let boot = format!("b{}", self.boot);
        let mut event = EventPayload::new(at, kind);
        (event.boot, event.seq) = (Some(boot.as_str()), Some(self.seq));
        match kind {
            EventType::FaultRaised | EventType::FaultCleared => {
                if let Some(fault) = &self.active {
                    event = event.fault(fault);
                }
                if kind == EventType::FaultRaised {
                    event.landing = Some(self.rng.u32(1..=self.stops.max(2)).to_string());
                    (event.moving, event.occupied) = (Some(self.rng.f64() < 0.3), Some(self.rng.f64() < 0.4));
                }
            }
            EventType::ModeChanged => event = event.mode(self.mode),
            _ => {}
        }
        event.to_bytes()
    }

    /// Writes a heartbeat. A stopped and occupied car has its door open, unless people are trapped in it.
    pub fn heartbeat(&mut self, at: Timestamp) -> Vec<u8> {
        let able = self.mode == Mode::Normal && self.active.is_none() && !self.mains_off;
        let moving = able && !self.trapped && self.rng.f64() < 0.35;
        let boarding = able && !moving && self.rng.f64() < 0.3;
        let occupied = self.trapped || boarding || moving && self.rng.f64() < 0.8;
        let direction = match moving {
            true if self.rng.bool() => "up",
            true => "down",
            false => "none",
        };
        if moving {
            self.runs += 1 + self.rng.u64(..3);
        }
        let boot = format!("b{}", self.boot);
        let active_faults = match &self.active {
            Some(Fault { code: FaultCode::Other, .. }) => None,
            active => Some(active.iter().map(|fault| fault.code.as_str()).collect()),
        };
        payload::to_bytes(&StatePayload {
            ts: at.to_string(),
            boot: &boot,
            last_seq: self.seq,
            mode: self.mode.as_str(),
            moving,
            direction,
            landing: self.rng.u32(1..=self.stops.max(2)).to_string(),
            door: if boarding { "open" } else { "closed" },
            in_unlocking_zone: !moving && !self.trapped,
            occupied,
            active_faults,
            runs: self.runs,
            door_cycles: self.runs * 2 + 17,
            run_seconds: self.runs * 7,
        })
    }

    /// Writes the record of a visit from `started` to `ended`.
    pub fn visit(&mut self, at: Timestamp, kind: VisitKind, started: Timestamp, ended: Timestamp) -> Vec<u8> {
        self.visits += 1;
        // A site has a team of its own, so nobody is at two sites at once.
        let first = self.rng.usize(1..200) % 4 + 8 * self.site;
        let result = |good: bool| if good { "pass" } else { "fail" };
        let list = match self.kind {
            UnitKind::Traction => 'T',
            UnitKind::Hydraulic => 'H',
            UnitKind::Dumbwaiter => 'D',
            UnitKind::Escalator => 'E',
        };
        let items = [("HM-01", true), ("HM-02", kind != VisitKind::Fm), ("HM-03", true)];
        payload::to_bytes(&VisitPayload {
            ts: at.to_string(),
            record_id: format!("{}-{:04}", self.id, self.visits),
            kind: kind.as_str(),
            started_at: started.to_string(),
            ended_at: ended.to_string(),
            workers: [format!("w-{first}"), format!("w-{}", first + 4)],
            items: items
                .into_iter()
                .map(|(id, good)| ItemPayload { id: format!("{list}-{id}"), result: result(good) })
                .collect(),
            problem_codes: ["S0"],
        })
    }
}

const fn faults_of(kind: UnitKind) -> &'static [(FaultCode, u32)] {
    match kind {
        UnitKind::Escalator => &ESCALATOR_FAULTS,
        _ => &LIFT_FAULTS,
    }
}

fn weighted(table: &[(FaultCode, u32)], rng: &mut Rng) -> FaultCode {
    let total: u32 = table.iter().map(|(_, weight)| weight).sum();
    let mut drawn = rng.u32(..total);
    for (code, weight) in table {
        if drawn < *weight {
            return *code;
        }
        drawn -= weight;
    }
    FaultCode::Other
}
