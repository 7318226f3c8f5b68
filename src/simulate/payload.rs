//! The canonical payloads as a controller writes them (docs/CONTRACT.md): JSON with its fields in a fixed order.

use serde::Serialize;

use crate::domain::event::{EventType, Mode};
use crate::domain::fault::Fault;
use crate::domain::time::Timestamp;

/// An event; absent fields are not written.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventPayload<'a> {
    pub ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occupied: Option<bool>,
}

impl<'a> EventPayload<'a> {
    /// An event without fields of its own.
    #[must_use]
    pub fn new(at: Timestamp, kind: EventType) -> Self {
        Self { ts: at.to_string(), kind: kind.as_str(), ..Self::default() }
    }

    /// With the fault that was raised or cleared.
    #[must_use]
    pub fn fault(mut self, fault: &'a Fault) -> Self {
        self.code = Some(fault.code.as_str());
        self.vendor_code = fault.vendor_code.as_deref();
        self
    }

    /// With the mode that began.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode.as_str());
        self
    }

    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

/// A heartbeat with the whole state.
#[derive(Debug, Clone, Serialize)]
pub struct StatePayload<'a> {
    pub ts: String,
    pub boot: &'a str,
    pub last_seq: u64,
    pub mode: &'static str,
    pub moving: bool,
    pub direction: &'static str,
    pub landing: String,
    pub door: &'static str,
    pub in_unlocking_zone: bool,
    pub occupied: bool,
    /// Absent while a fault is active that has no canonical code, and so could not be told apart here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_faults: Option<Vec<&'static str>>,
    pub runs: u64,
    pub door_cycles: u64,
    pub run_seconds: u64,
}

/// A maintenance visit's record.
#[derive(Debug, Clone, Serialize)]
pub struct VisitPayload {
    pub ts: String,
    pub record_id: String,
    pub kind: &'static str,
    pub started_at: String,
    pub ended_at: String,
    pub workers: [String; 2],
    pub items: Vec<ItemPayload>,
    pub problem_codes: [&'static str; 1],
}

/// One line of a visit's checklist.
#[derive(Debug, Clone, Serialize)]
pub struct ItemPayload {
    pub id: String,
    pub result: &'static str,
}

/// The bytes to send.
#[must_use]
pub fn to_bytes(payload: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(payload).expect("text, numbers and lists always have a JSON form")
}
