//! Maintenance visits from the wire to the page: what is kept, what is refused, what can be erased, what can be asked.

mod api;
mod erased;
mod form;
mod hostile;
mod kept;

use liftwatch::decode::Decoder;
use liftwatch::domain::time::{HOUR, Timestamp};
use liftwatch::pipeline::message::{Arrival, Outcome};
use serde_json::{Value, json};

use crate::world::{PUBLISHER, REGION, START, UNIT, World, day, region};

/// A visit as a platform sends it: one hour, two workers, one person named.
fn record(name: &str, from: Timestamp) -> Value {
    json!({
        "ts": (from + HOUR).to_string(), "record_id": name, "kind": "HM", "started_at": from.to_string(),
        "ended_at": (from + HOUR).to_string(), "workers": ["w-1", "w-2"],
        "items": [{"id": "T-HM-01", "result": "pass"}], "problem_codes": ["S0"], "next_due": "2026-02-01",
        "people": {"recorder": {"name": "林工", "phone": "13900000001"}},
    })
}

/// The same with other fields.
fn with(record: &Value, fields: Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record
}

/// What the daemon reads from the broker.
fn message(unit: &str, record: &Value) -> Arrival {
    let topic = format!("lift/v1/{REGION}/{PUBLISHER}/{unit}/visit");
    let payload = record.to_string().into_bytes();
    let decoded = Decoder::new(&[], &[region()]).unwrap().decode(&region(), &topic, &payload);
    Arrival { region: region(), topic, payload, received_at: START, decoded }
}

async fn arrive(world: &mut World, records: &[Value]) -> Outcome {
    world.now = world.now.max(day(9));
    world.arrive(records.iter().map(|record| message(UNIT, record)).collect()).await
}
