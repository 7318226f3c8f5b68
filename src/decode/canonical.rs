//! The canonical family: `state` and `event` as docs/CONTRACT.md has them. Records of people are read in `record`.

use smol_str::SmolStr;

use crate::decode::field;
use crate::decode::mapping::{Class, Fact, Family, Message, Reading, Reason, Rejection};
use crate::decode::record;
use crate::decode::strict;
use crate::decode::tree::{Node, Object};
use crate::domain::event::{Event, EventType, Origin, Sequence, State};
use crate::domain::fault::{Fault, FaultCode};

/// Longest landing text, in characters.
pub const LANDING: usize = 8;
/// Longest vendor code, in characters.
pub const VENDOR_CODE: usize = 64;
/// Most faults that one state may list.
const ACTIVE_FAULTS: usize = 64;

/// The canonical payloads.
#[derive(Debug)]
pub struct Canonical;

impl Family for Canonical {
    fn read(&self, message: &Message<'_>) -> Result<Reading, Rejection> {
        let class = message.class.ok_or_else(|| {
            Rejection::new(Reason::UnknownClass, "neither topic nor mapping says the message's class")
        })?;
        let mut unknown_codes = Vec::new();
        let fact = match class {
            Class::State => Fact::State(state(message.object, &mut unknown_codes)?),
            Class::Event => Fact::Event(event(message, &mut unknown_codes)?),
            Class::Visit => Fact::Visit(record::visit(message)?),
            Class::Hazard => Fact::Hazard(record::hazard(message)?),
        };
        Ok(Reading { class, facts: vec![fact], unknown_codes })
    }
}

fn state(object: &Object<'_>, unknown_codes: &mut Vec<String>) -> Result<State, Rejection> {
    let mut ts = None;
    // The time is set when all fields are read: it may stand anywhere.
    let mut state = State::at(crate::domain::time::Timestamp(0));
    for (name, node) in object.fields() {
        if *node == Node::Null {
            continue;
        }
        match name {
            "ts" => ts = Some(field::time(name, node)?),
            "boot" => state.boot = Some(field::boot(name, node)?.into()),
            "last_seq" => state.last_seq = Some(field::whole(name, node)?),
            "mode" => state.mode = Some(field::word(name, node)?),
            "moving" => state.moving = Some(field::boolean(name, node)?),
            "direction" => state.direction = Some(field::word(name, node)?),
            "landing" => state.landing = Some(field::text(name, node, LANDING)?.into()),
            "door" => state.door = Some(field::word(name, node)?),
            "in_unlocking_zone" => state.in_unlocking_zone = Some(field::boolean(name, node)?),
            "occupied" => state.occupied = Some(field::boolean(name, node)?),
            "active_faults" => state.active_faults = Some(active_faults(name, node, unknown_codes)?),
            "alarm" => state.alarm = Some(field::boolean(name, node)?),
            "entrapment" => state.entrapment = Some(field::boolean(name, node)?),
            "mains_off" => state.mains_off = Some(field::boolean(name, node)?),
            "runs" => state.runs = Some(field::whole(name, node)?),
            "door_cycles" => state.door_cycles = Some(field::whole(name, node)?),
            "run_seconds" => state.run_seconds = Some(field::whole(name, node)?),
            _ => {}
        }
    }
    state.ts = field::required("ts", ts)?;
    if state.last_seq.is_some() && state.boot.is_none() {
        return Err(Rejection::new(Reason::MissingField, "boot: missing, while last_seq counts within a boot"));
    }
    Ok(state)
}

fn active_faults(name: &str, node: &Node<'_>, unknown_codes: &mut Vec<String>) -> Result<Vec<Fault>, Rejection> {
    let mut faults = Vec::new();
    for (index, item) in field::list(name, node, ACTIVE_FAULTS)?.iter().enumerate() {
        let code = field::text(&format!("{name}[{index}]"), item, VENDOR_CODE)?;
        let fault = fault(code, None, unknown_codes);
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    Ok(faults)
}

/// A code that the vocabulary does not have becomes `other`, told apart by the vendor's code or by the word itself.
fn fault(code: &str, vendor_code: Option<&str>, unknown_codes: &mut Vec<String>) -> Fault {
    let vendor_code = vendor_code.map(SmolStr::from);
    match code.parse() {
        Ok(code) => Fault { code, vendor_code },
        Err(_) => {
            if !unknown_codes.iter().any(|known| known == code) {
                unknown_codes.push(code.to_owned());
            }
            Fault { code: FaultCode::Other, vendor_code: vendor_code.or_else(|| Some(code.into())) }
        }
    }
}

#[derive(Default)]
struct EventFields<'n, 'a> {
    ts: Option<&'n Node<'a>>,
    boot: Option<&'n Node<'a>>,
    seq: Option<&'n Node<'a>>,
    kind: Option<&'n Node<'a>>,
    code: Option<&'n Node<'a>>,
    vendor_code: Option<&'n Node<'a>>,
    mode: Option<&'n Node<'a>>,
    landing: Option<&'n Node<'a>>,
    moving: Option<&'n Node<'a>>,
    occupied: Option<&'n Node<'a>>,
    others: bool,
}

impl<'n, 'a> EventFields<'n, 'a> {
    fn of(object: &'n Object<'a>) -> Self {
        let mut fields = Self::default();
        for (name, node) in object.fields() {
            let place = match name {
                "ts" => &mut fields.ts,
                "boot" => &mut fields.boot,
                "seq" => &mut fields.seq,
                "type" => &mut fields.kind,
                "code" => &mut fields.code,
                "vendor_code" => &mut fields.vendor_code,
                "mode" => &mut fields.mode,
                "landing" => &mut fields.landing,
                "moving" => &mut fields.moving,
                "occupied" => &mut fields.occupied,
                _ => {
                    fields.others = true;
                    continue;
                }
            };
            // Null says the same as a missing field.
            *place = (*node != Node::Null).then_some(node);
        }
        fields
    }
}

fn event(message: &Message<'_>, unknown_codes: &mut Vec<String>) -> Result<Event, Rejection> {
    let fields = EventFields::of(message.object);
    let kind: EventType = field::word("type", field::required("type", fields.kind)?)?;
    let of_fault = matches!(kind, EventType::FaultRaised | EventType::FaultCleared);
    let of_mode = kind == EventType::ModeChanged;
    let fault = if of_fault {
        let code = field::text("code", field::required("code", fields.code)?, VENDOR_CODE)?;
        let vendor_code = fields.vendor_code.map(|node| field::text("vendor_code", node, VENDOR_CODE)).transpose()?;
        Some(fault(code, vendor_code, unknown_codes))
    } else {
        None
    };
    let mode = if of_mode { Some(field::word("mode", field::required("mode", fields.mode)?)?) } else { None };
    // What this type of event has no place for is kept beside the unknown fields; so is a word that the vocabulary
    // does not have, where the vendor's own code takes its place.
    let code_placed = of_fault && (unknown_codes.is_empty() || fields.vendor_code.is_none());
    let known = |name: &str| match name {
        "ts" | "boot" | "seq" | "type" | "landing" | "moving" | "occupied" => true,
        "code" => code_placed || fields.code.is_none(),
        "vendor_code" => of_fault || fields.vendor_code.is_none(),
        "mode" => of_mode || fields.mode.is_none(),
        _ => false,
    };
    let more = fields.others || ["code", "vendor_code", "mode"].iter().any(|name| !known(name));
    Ok(Event {
        ts: field::time("ts", field::required("ts", fields.ts)?)?,
        sequence: sequence(fields.boot, fields.seq)?,
        kind,
        fault,
        mode,
        landing: fields.landing.map(|node| field::text("landing", node, LANDING).map(SmolStr::from)).transpose()?,
        moving: fields.moving.map(|node| field::boolean("moving", node)).transpose()?,
        occupied: fields.occupied.map(|node| field::boolean("occupied", node)).transpose()?,
        origin: Origin::Reported,
        extra: if more { strict::except(message.text, &known)? } else { None },
    })
}

fn sequence(boot: Option<&Node<'_>>, seq: Option<&Node<'_>>) -> Result<Option<Sequence>, Rejection> {
    match (boot, seq) {
        (Some(boot), Some(seq)) => {
            Ok(Some(Sequence { boot: field::boot("boot", boot)?.into(), seq: field::whole("seq", seq)? }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(Rejection::new(Reason::MissingField, "seq: missing, while boot is there; give both or neither"))
        }
        (None, Some(_)) => {
            Err(Rejection::new(Reason::MissingField, "boot: missing, while seq is there; give both or neither"))
        }
    }
}
