//! The latest state and the levels of a unit as the API and the pages show them.

use smol_str::SmolStr;

use super::wire::time;
use crate::store::live::StateRow;

/// A fault that stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FaultWire {
    pub code: String,
    #[schema(required)]
    pub vendor_code: Option<String>,
}

impl From<(String, Option<SmolStr>)> for FaultWire {
    fn from((code, vendor_code): (String, Option<SmolStr>)) -> Self {
        Self { code, vendor_code: vendor_code.map(String::from) }
    }
}

/// A unit's latest state; what it did not tell is null.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct StateWire {
    /// When, by the unit's clock.
    #[schema(format = DateTime)]
    pub ts: String,
    #[schema(required)]
    pub boot: Option<String>,
    /// The last event number that it announced.
    #[schema(required)]
    pub last_seq: Option<u64>,
    #[schema(required)]
    pub mode: Option<String>,
    #[schema(required)]
    pub moving: Option<bool>,
    #[schema(required)]
    pub direction: Option<String>,
    #[schema(required)]
    pub landing: Option<String>,
    #[schema(required)]
    pub door: Option<String>,
    #[schema(required)]
    pub in_unlocking_zone: Option<bool>,
    #[schema(required)]
    pub occupied: Option<bool>,
    #[schema(required)]
    pub active_faults: Option<Vec<FaultWire>>,
    #[schema(required)]
    pub runs: Option<u64>,
    #[schema(required)]
    pub door_cycles: Option<u64>,
    #[schema(required)]
    pub run_seconds: Option<u64>,
}

impl StateWire {
    /// Reads a row's JSON; `None` for what this program did not write, which is logged.
    #[must_use]
    pub fn of(body: &str) -> Option<Self> {
        let row: StateRow = readable("unit_live", body)?;
        Some(Self {
            ts: time(row.ts),
            boot: row.boot.map(String::from),
            last_seq: row.last_seq,
            mode: row.mode,
            moving: row.moving,
            direction: row.direction,
            landing: row.landing.map(String::from),
            door: row.door,
            in_unlocking_zone: row.in_unlocking_zone,
            occupied: row.occupied,
            active_faults: row.active_faults.map(|faults| faults.into_iter().map(FaultWire::from).collect()),
            runs: row.runs,
            door_cycles: row.door_cycles,
            run_seconds: row.run_seconds,
        })
    }
}

/// What stands now by everything that the unit told, events and states together.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct LevelsWire {
    #[schema(required)]
    pub mode: Option<String>,
    pub faults: Vec<FaultWire>,
    pub alarm: bool,
    pub entrapment: bool,
    pub mains_off: bool,
}

/// What the API shows of `unit_flags`; when each part was learnt is the writer's business.
#[derive(serde::Deserialize)]
struct Levels {
    mode: Option<String>,
    faults: Vec<(String, Option<SmolStr>)>,
    alarm: bool,
    entrapment: bool,
    mains_off: bool,
}

impl LevelsWire {
    /// Reads a row's JSON; `None` for what this program did not write, which is logged.
    #[must_use]
    pub fn of(body: &str) -> Option<Self> {
        let row: Levels = readable("unit_flags", body)?;
        Some(Self {
            mode: row.mode,
            faults: row.faults.into_iter().map(FaultWire::from).collect(),
            alarm: row.alarm,
            entrapment: row.entrapment,
            mains_off: row.mains_off,
        })
    }
}

fn readable<T: serde::de::DeserializeOwned>(table: &str, body: &str) -> Option<T> {
    let read = serde_json::from_str(body);
    if let Err(error) = &read {
        tracing::error!(table, error = %error, "a row holds what this program cannot have written");
    }
    read.ok()
}
