//! What each kind of row says in the ledger: one function a kind, used when it is written and when it is verified.

use serde_json::{Value, json};

use crate::domain::access::Access;
use crate::domain::alert::{Alert, TransitionKind};
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::notice::AnswerKind;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::domain::visit::Erasure;
use crate::hex::sha256_hex;
use crate::ledger::leaf::EntryKind;
use crate::ledger::retention::Retention;
use crate::ledger::selection::Question;
use crate::ledger::spelling::Members;

/// What a row says in the ledger.
#[derive(Debug, Clone)]
pub struct Entry {
    pub kind: EntryKind,
    pub at: Timestamp,
    /// The row's id.
    pub reference: String,
    /// `None` for what concerns no single unit.
    pub unit: Option<UnitId>,
    pub body: Members,
    /// Members that name a person: the leaf holds a commitment to each, the salt stands beside the row.
    pub personal: Vec<(&'static str, String)>,
}

/// A visit's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRow<'a> {
    pub id: &'a str,
    pub unit: UnitId,
    pub publisher: &'a str,
    pub record_id: &'a str,
    pub kind: &'a str,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub supersedes: Option<&'a str>,
    pub supersedes_publisher: Option<&'a str>,
    /// Region, site, owner and maintainer of the unit as the registry had them.
    pub stood: [&'a str; 4],
    pub ts: Timestamp,
    pub received_at: Timestamp,
    /// The record as JSON text.
    pub body: &'a str,
}

/// A maintenance visit as it was recorded. The record's own text is held by its hash too: numbers that JSON's canonical
/// form rounds are exact there.
#[must_use]
pub fn visit(row: &VisitRow<'_>) -> Entry {
    let [region, site, owner, maintainer] = row.stood;
    let mut body = Members::default();
    body.time("ended_at", row.ended_at);
    body.text("kind", row.kind);
    body.text("publisher", row.publisher);
    body.time("received_at", Some(row.received_at));
    body.json("record", row.body);
    body.text("record_id", row.record_id);
    body.text("record_sha256", &sha256_hex(row.body.as_bytes()));
    body.time("started_at", Some(row.started_at));
    body.maybe("supersedes", row.supersedes);
    body.maybe("supersedes_publisher", row.supersedes_publisher);
    body.time("ts", Some(row.ts));
    body.texts("unit", &[("region", region), ("site", site), ("owner", owner), ("maintainer", maintainer)]);
    let (reference, unit) = (row.id.to_owned(), Some(row.unit.clone()));
    Entry { kind: EntryKind::Visit, at: row.received_at, reference, unit, body, personal: Vec::new() }
}

/// The owner's word that a visit took place; `body` is JSON text with a commitment for who gave it.
#[must_use]
pub fn confirmation(visit: &str, unit: &UnitId, at: Timestamp, body: &str) -> Entry {
    let mut members = Members::default();
    members.json("confirmation", body);
    let (reference, unit) = (visit.to_owned(), Some(unit.clone()));
    Entry { kind: EntryKind::Confirmation, at, reference, unit, body: members, personal: Vec::new() }
}

/// A person was erased from a visit: by whom and why, as they wrote it. No row but the entry itself.
#[must_use]
pub fn erasure(visit: &str, unit: &UnitId, role: &str, erasure: &Erasure, at: Timestamp) -> Entry {
    Entry {
        kind: EntryKind::Erasure,
        at,
        reference: visit.to_owned(),
        unit: Some(unit.clone()),
        body: Members::of(json!({ "role": role, "by": erasure.by, "why": erasure.why })),
        personal: Vec::new(),
    }
}

/// A hazard's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HazardRow<'a> {
    pub id: &'a str,
    pub unit: UnitId,
    pub publisher: &'a str,
    pub report_id: &'a str,
    pub reporter: &'a str,
    pub basis: &'a str,
    pub use_stopped: bool,
    pub ts: Timestamp,
    pub received_at: Timestamp,
    /// The report as JSON text.
    pub body: &'a str,
}

/// A hazard as it was reported.
#[must_use]
pub fn hazard(row: &HazardRow<'_>) -> Entry {
    Entry {
        kind: EntryKind::Hazard,
        at: row.received_at,
        reference: row.id.to_owned(),
        unit: Some(row.unit.clone()),
        body: Members::of(json!({
            "publisher": row.publisher,
            "report_id": row.report_id,
            "reporter": row.reporter,
            "basis": row.basis,
            "use_stopped": row.use_stopped,
            "ts": row.ts.to_string(),
            "received_at": row.received_at.to_string(),
            "report": parsed(row.body),
            "report_sha256": sha256_hex(row.body.as_bytes()),
        })),
        personal: Vec::new(),
    }
}

/// One change of an alert, and the alert as it is after it.
#[must_use]
pub fn transition(id: i64, kind: TransitionKind, at: Timestamp, alert: &Alert) -> Entry {
    let span = &alert.span;
    let steps: Vec<Value> = span.steps.iter().map(|step| json!([step.at.to_string(), step.level])).collect();
    Entry {
        kind: EntryKind::AlertTransition,
        at,
        reference: id.to_string(),
        unit: Some(alert.unit.clone()),
        body: Members::of(json!({
            "transition": kind.as_str(),
            "alert": alert.id,
            "rule": alert.rule,
            "rule_version": alert.rule_version,
            "severity": alert.severity.as_str(),
            "level": alert.level,
            "state": alert.state.as_str(),
            "starts_at": span.start.to_string(),
            "ends_at": span.end.map(|end| end.to_string()),
            "steps": steps,
            "evidence": span.evidence,
            "basis": alert.basis,
            "summary": { "zh": span.summary.zh, "en": span.summary.en },
            "recorded_at": alert.recorded_at.to_string(),
            "resolved_at": alert.resolved_at.map(|at| at.to_string()),
            "late": alert.late,
            "superseded_by": alert.superseded_by,
        })),
        personal: Vec::new(),
    }
}

/// An answer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRow {
    pub id: i64,
    pub alert: String,
    /// The alert's unit; `None` if the alert has gone.
    pub unit: Option<UnitId>,
    pub kind: AnswerKind,
    pub at: Timestamp,
    pub by: String,
    pub note: String,
    pub expires_at: Option<Timestamp>,
    pub delivery: Option<String>,
    pub transition: i64,
}

/// What a person said of an alert.
#[must_use]
pub fn answer(row: &AnswerRow) -> Entry {
    Entry {
        kind: EntryKind::Answer,
        at: row.at,
        reference: row.id.to_string(),
        unit: row.unit.clone(),
        body: Members::of(json!({
            "alert": row.alert,
            "answer": row.kind.as_str(),
            "note": row.note,
            "expires_at": row.expires_at.map(|at| at.to_string()),
            "delivery": row.delivery,
            "transition": row.transition,
        })),
        personal: vec![("by", row.by.clone())],
    }
}

/// A silence as it was wished; `matchers` is JSON text.
#[must_use]
pub fn silence(id: &str, matchers: &str, why: &str, starts_at: Timestamp, created_at: Timestamp, by: &str) -> Entry {
    Entry {
        kind: EntryKind::Silence,
        at: created_at,
        reference: id.to_owned(),
        unit: None,
        body: Members::of(json!({ "matchers": parsed(matchers), "why": why, "starts_at": starts_at.to_string() })),
        personal: vec![("by", by.to_owned())],
    }
}

/// When a silence ends: as it was wished, and again if somebody ended it before.
#[must_use]
pub fn silence_end(id: &str, ends_at: Timestamp, at: Timestamp, ended_by: Option<&str>) -> Entry {
    Entry {
        kind: EntryKind::SilenceEnded,
        at,
        reference: id.to_owned(),
        unit: None,
        body: Members::of(json!({ "ends_at": ends_at.to_string(), "early": ended_by.is_some() })),
        personal: ended_by.map(|by| ("by", by.to_owned())).into_iter().collect(),
    }
}

/// A row of the registry as it is from now on.
#[must_use]
pub fn unit(unit: &Unit, changed_at: Timestamp) -> Entry {
    Entry {
        kind: EntryKind::Unit,
        at: changed_at,
        reference: unit.id.as_str().to_owned(),
        unit: Some(unit.id.clone()),
        body: Members::of(json!({
            "registration_code": unit.registration_code,
            "region": unit.region.as_str(),
            "site": unit.site,
            "address": unit.address,
            "kind": unit.kind.as_str(),
            "maker": unit.maker,
            "model": unit.model,
            "in_service_since": unit.in_service_since.map(|day| day.to_string()),
            "owner": unit.owner,
            "maintainer": unit.maintainer,
            "publisher": unit.publisher.as_ref().map(PublisherId::as_str),
            "stops": unit.stops,
            "position": unit.position.map(|(latitude, longitude)| [latitude, longitude]),
            "maintenance_interval_days": unit.maintenance_interval_days,
            "last_inspection": unit.last_inspection.map(|day| day.to_string()),
        })),
        personal: Vec::new(),
    }
}

/// What somebody takes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// A unit's entries, from one tree's size to another's.
    Unit { unit: UnitId, from: u64, to: u64 },
    /// Visits that somebody asked for, as so many entries of the tree of this size.
    Visits { question: Question, entries: u64, to: u64 },
}

/// Who took what out. No row but the entry itself.
#[must_use]
pub fn export(export: &Export, by: &str, at: Timestamp) -> Entry {
    let body = match export {
        Export::Unit { unit, from, to } => json!({ "of": unit.as_str(), "from": from, "to": to, "by": by }),
        Export::Visits { question, entries, to } => {
            json!({ "visits": question, "entries": entries, "to": to, "by": by })
        }
    };
    let body = Members::of(body);
    Entry { kind: EntryKind::Export, at, reference: String::new(), unit: None, body, personal: Vec::new() }
}

/// Who was shown the people whom a visit of a unit names. No row but the entry itself.
#[must_use]
pub fn look(unit: &UnitId, visit: &str, by: &str, at: Timestamp) -> Entry {
    Entry {
        kind: EntryKind::Export,
        at,
        reference: String::new(),
        unit: None,
        body: Members::of(json!({ "of": unit.as_str(), "people_of": visit, "by": by })),
        personal: Vec::new(),
    }
}

/// A token as it was made; neither its secret nor the hash of it.
#[must_use]
pub fn token(id: &str, access: &Access, name: &str, expires_at: Option<Timestamp>, created_at: Timestamp) -> Entry {
    Entry {
        kind: EntryKind::Token,
        at: created_at,
        reference: id.to_owned(),
        unit: None,
        body: Members::of(json!({
            "change": "added",
            "role": access.role.as_str(),
            "scope": access.scope,
            "personal": access.personal,
            "expires_at": expires_at.map(|at| at.to_string()),
        })),
        personal: vec![("name", name.to_owned())],
    }
}

/// That a token opens nothing any more.
#[must_use]
pub fn token_revoked(id: &str, at: Timestamp) -> Entry {
    let (kind, reference, body) = (EntryKind::Token, id.to_owned(), Members::of(json!({ "change": "revoked" })));
    Entry { kind, at, reference, unit: None, body, personal: Vec::new() }
}

/// What was pruned by age.
#[must_use]
pub fn retention(retention: &Retention, at: Timestamp) -> Entry {
    let (kind, reference, body) =
        (EntryKind::Retention, retention.rows.as_str().to_owned(), Members::of(retention.body()));
    Entry { kind, at, reference, unit: None, body, personal: Vec::new() }
}

/// What the whole city is judged by or runs with from now on, such as the versions of the rules.
#[must_use]
pub fn setting(kind: EntryKind, value: &str, at: Timestamp) -> Entry {
    let body = Members::of(json!({ "value": value }));
    Entry { kind, at, reference: String::new(), unit: None, body, personal: Vec::new() }
}

/// JSON that this program wrote; text that is none stands as text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
