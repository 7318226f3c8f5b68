//! What a payload becomes, as JSON for a person: behind `liftwatch decode`.

use serde_json::{Map, Value, json};

use crate::decode::mapping::{Decoded, Fact, Reason, Rejection, shown};
use crate::decode::{BUILT_IN, Decoder, topic};
use crate::domain::event::{Direction, Door, Event, Mode, State};
use crate::domain::fault::Fault;
use crate::domain::hazard::HazardReport;
use crate::domain::id::PublisherId;
use crate::domain::id::RegionCode;
use crate::domain::visit::Visit;

/// Decodes one message and writes its facts as indented JSON. `mapping` of `None` takes whichever mapping fits.
/// A canonical topic names its region; for any other the first of `regions` whose session takes the topic is used.
///
/// # Errors
/// [`Rejection`] as the daemon would put it into quarantine, or `bad_topic` when `mapping` does not take the topic.
pub fn explain(
    decoder: &Decoder,
    regions: &[RegionCode],
    mapping: Option<&str>,
    topic: &str,
    payload: &[u8],
) -> Result<String, Rejection> {
    let (name, region) = taker(decoder, regions, topic)?;
    if let Some(wanted) = mapping.filter(|wanted| *wanted != name) {
        let known: Vec<&str> = decoder.names().collect();
        let detail = if known.contains(&wanted) {
            format!("topic {} is taken by mapping {name:?}, not by {wanted:?}", shown(topic))
        } else {
            format!("no mapping is called {}; known: {}", shown(wanted), known.join(", "))
        };
        return Err(Rejection::new(Reason::BadTopic, detail));
    }
    let decoded = decoder.decode(&region, topic, payload)?;
    Ok(format!("{:#}", value(name, &decoded)))
}

fn taker<'d>(decoder: &'d Decoder, regions: &[RegionCode], topic: &str) -> Result<(&'d str, RegionCode), Rejection> {
    if topic::is_canonical(topic) {
        let code = topic::level(topic, 3).unwrap_or_default();
        let region = RegionCode::new(code)
            .map_err(|error| Rejection::new(Reason::BadTopic, format!("region {} is {error}", shown(code))))?;
        return Ok((BUILT_IN, region));
    }
    for region in regions {
        if let Some(name) = decoder.taker(region, topic) {
            return Ok((name, region.clone()));
        }
    }
    Err(Rejection::new(Reason::BadTopic, format!("no mapping takes the topic {}", shown(topic))))
}

/// A decoded message as JSON: what `explain` shows, without its spacing.
#[must_use]
pub fn value(mapping: &str, decoded: &Decoded) -> Value {
    json!({
        "mapping": mapping,
        "region": decoded.address.region.as_str(),
        "publisher": decoded.address.publisher.as_str(),
        "unit": decoded.address.unit.as_str(),
        "class": decoded.class.as_str(),
        "facts": decoded.facts.iter().map(fact).collect::<Vec<_>>(),
        "unknown_codes": decoded.unknown_codes,
    })
}

fn fact(fact: &Fact) -> Value {
    let (kind, value) = match fact {
        Fact::State(told) => ("state", state(told)),
        Fact::Event(told) => ("event", event(told)),
        Fact::Visit(told) => ("visit", visit(told)),
        Fact::Hazard(told) => ("hazard", hazard(told)),
    };
    let mut map = Map::new();
    map.insert(kind.to_owned(), said(value));
    Value::Object(map)
}

/// Leaves out what the message does not say.
fn said(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

fn fault_value(fault: &Fault) -> Value {
    said(json!({"code": fault.code.as_str(), "vendor_code": fault.vendor_code}))
}

fn state(state: &State) -> Value {
    json!({
        "ts": state.ts.to_string(),
        "boot": state.boot,
        "last_seq": state.last_seq,
        "mode": state.mode.map(Mode::as_str),
        "moving": state.moving,
        "direction": state.direction.map(Direction::as_str),
        "landing": state.landing,
        "door": state.door.map(Door::as_str),
        "in_unlocking_zone": state.in_unlocking_zone,
        "occupied": state.occupied,
        "active_faults": state.active_faults.as_ref().map(|faults| faults.iter().map(fault_value).collect::<Vec<_>>()),
        "alarm": state.alarm,
        "entrapment": state.entrapment,
        "mains_off": state.mains_off,
        "runs": state.runs,
        "door_cycles": state.door_cycles,
        "run_seconds": state.run_seconds,
    })
}

fn event(event: &Event) -> Value {
    json!({
        "ts": event.ts.to_string(),
        "boot": event.sequence.as_ref().map(|sequence| sequence.boot.as_str()),
        "seq": event.sequence.as_ref().map(|sequence| sequence.seq),
        "type": event.kind.as_str(),
        "code": event.fault.as_ref().map(|fault| fault.code.as_str()),
        "vendor_code": event.fault.as_ref().and_then(|fault| fault.vendor_code.as_deref()),
        "mode": event.mode.map(Mode::as_str),
        "landing": event.landing,
        "moving": event.moving,
        "occupied": event.occupied,
        "origin": event.origin.as_str(),
        "extra": event.extra,
    })
}

/// The people whom a visit names are shown by their roles alone.
fn visit(visit: &Visit) -> Value {
    let roles: Vec<&str> = visit.people.iter().map(|person| person.role.as_str()).collect();
    json!({
        "ts": visit.ts.to_string(),
        "record_id": visit.record_id,
        "kind": visit.kind.as_str(),
        "started_at": visit.started_at.to_string(),
        "ended_at": visit.ended_at.map(|end| end.to_string()),
        "workers": visit.workers,
        "supersedes": visit.supersedes,
        "supersedes_publisher": visit.supersedes_publisher.as_ref().map(PublisherId::as_str),
        "people": if visit.people.is_empty() { None } else { Some(roles) },
        "body": visit.body,
    })
}

fn hazard(hazard: &HazardReport) -> Value {
    json!({
        "ts": hazard.ts.to_string(),
        "report_id": hazard.report_id,
        "reporter": hazard.reporter.as_str(),
        "basis": hazard.basis,
        "use_stopped": hazard.use_stopped,
        "body": hazard.body,
    })
}
