//! What makes a fact the same fact: the id is a function of the identity, so a duplicate finds itself.

use sha2::{Digest, Sha256};

use crate::domain::event::{Event, EventRecord, Sequence};
use crate::domain::fault::Fault;
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::{CLOCK_TOLERANCE, EARLIEST, Timestamp};
use crate::hex::push_hex;

/// Whether a sender's time cannot be: more than 5 minutes ahead of us, or before there was any telemetry.
#[must_use]
pub fn is_suspect(ts: Timestamp, received_at: Timestamp) -> bool {
    ts - received_at > CLOCK_TOLERANCE || ts < EARLIEST
}

/// Gives an event its identity and its place in time.
///
/// Identity is (unit, boot, seq); without a sequence it is (unit, ts, type, code), with the vendor's code for `other`.
#[must_use]
pub fn event_record(unit: &UnitId, publisher: &PublisherId, event: Event, received_at: Timestamp) -> EventRecord {
    let mut hash = Sha256::new();
    part(&mut hash, unit.as_str());
    match &event.sequence {
        Some(Sequence { boot, seq }) => {
            part(&mut hash, boot);
            part(&mut hash, &seq.to_string());
        }
        None => {
            part(&mut hash, &event.ts.0.to_string());
            part(&mut hash, event.kind.as_str());
            let key = event.fault.as_ref().map(Fault::key);
            part(&mut hash, key.map_or("", |(code, _)| code.as_str()));
            part(&mut hash, key.and_then(|(_, vendor)| vendor).unwrap_or(""));
        }
    }
    let clock_suspect = is_suspect(event.ts, received_at);
    EventRecord {
        id: time_ordered_id(event.ts, hash).into(),
        unit: unit.clone(),
        publisher: publisher.clone(),
        at: if clock_suspect { received_at } else { event.ts },
        received_at,
        clock_suspect,
        event,
    }
}

/// The id of a record that its sender named: `prefix`, then the time, then a hash of publisher and name.
#[must_use]
pub fn record_id(prefix: &str, at: Timestamp, publisher: &PublisherId, name: &str) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, publisher.as_str());
    part(&mut hash, name);
    format!("{prefix}{}", time_ordered_id(at, hash))
}

/// Each part with its length before it, so that no two lists of parts run together into the same bytes.
fn part(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text.as_bytes());
}

/// Twelve hex digits of milliseconds, a dash, sixteen of the hash: ids ascend with time, so inserts stay cheap.
fn time_ordered_id(at: Timestamp, hash: Sha256) -> String {
    let mut text = String::with_capacity(29);
    push_hex(&mut text, &at.0.max(0).to_be_bytes()[2..]);
    text.push('-');
    push_hex(&mut text, &hash.finalize()[..8]);
    text
}
