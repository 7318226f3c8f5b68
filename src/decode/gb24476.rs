//! GB/T 24476-2017: state fields and codes for faults, events and alarms, with the extensions that cities added.
//!
//! The tables are those of docs/DECODING.md; every city and vendor re-numbers, so a mapping may override each entry.

use crate::decode::dialect::{self, Dialect};
use crate::decode::mapping::{Class, Fact, Family, Message, Reading, Reason, Rejection, shown};
use crate::decode::meaning::{self, Meaning, Table};
use crate::decode::settings::{CodesAs, MappingSettings, Problem};
use crate::decode::strict;
use crate::decode::tree::Node;
use crate::domain::event::{Event, EventType, Mode, Origin, Sequence, State};
use crate::domain::fault::FaultCode;

/// Fields beside those of every dialect.
const FIELDS: [&str; 4] = ["fault_code", "event_code", "alarm_code", "code"];

/// Most codes in one message.
const CODES: usize = 32;

/// The standard's codes and the city extensions that were seen.
const STANDARD: [(&str, Meaning); 29] = [
    ("00", Meaning::Nothing),
    ("01", Meaning::Fault(FaultCode::SafetyChainOpen)),
    ("02", Meaning::Fault(FaultCode::DoorClosing)),
    ("03", Meaning::Fault(FaultCode::DoorOpening)),
    ("04", Meaning::Fault(FaultCode::CarStoppedOutsideLandingZone)),
    ("05", Meaning::Fault(FaultCode::UnintendedCarMovement)),
    ("06", Meaning::Fault(FaultCode::RuntimeLimitExceeded)),
    ("07", Meaning::Fault(FaultCode::PositionLost)),
    ("08", Meaning::Fault(FaultCode::StartFailure)),
    ("09", Meaning::Fault(FaultCode::OverheadOverrun)),
    ("10", Meaning::Fault(FaultCode::PitOverrun)),
    ("11", Meaning::Event(EventType::EntrapmentReported)),
    ("40", Meaning::Mode(Mode::Normal)),
    ("41", Meaning::Event(EventType::MainsOff)),
    ("42", Meaning::Mode(Mode::OutOfService)),
    ("43", Meaning::Mode(Mode::Inspection)),
    ("44", Meaning::Mode(Mode::FireRecall)),
    ("45", Meaning::Mode(Mode::Firefighter)),
    ("46", Meaning::Mode(Mode::EmergencyPower)),
    ("47", Meaning::Mode(Mode::Earthquake)),
    ("61", Meaning::Fault(FaultCode::SafetyChainOpen)),
    ("62", Meaning::Fault(FaultCode::Overspeed)),
    ("63", Meaning::Fault(FaultCode::UnintendedReversal)),
    ("64", Meaning::Fault(FaultCode::MissingStep)),
    ("65", Meaning::Fault(FaultCode::StartFailure)),
    ("90", Meaning::Event(EventType::AlarmPressed)),
    ("91", Meaning::Fault(FaultCode::PitOverrun)),
    ("92", Meaning::Fault(FaultCode::OverheadOverrun)),
    ("93", Meaning::Event(EventType::EntrapmentReported)),
];

/// A mapping of this family.
#[derive(Debug)]
pub struct Gb24476 {
    dialect: Dialect,
    table: Table,
    codes_as: CodesAs,
}

/// One code of a message: the code as spelled in the tables, and its meaning.
struct Told {
    code: String,
    meaning: Meaning,
}

/// What one message said by codes.
#[derive(Default)]
struct Codes {
    told: Vec<Told>,
    /// Which kinds of code the message speaks of, be it to say that there is none.
    of_faults: bool,
    of_events: bool,
    of_alarms: bool,
}

impl Gb24476 {
    /// Builds the tables of a mapping.
    ///
    /// # Errors
    /// [`Problem`] names the key.
    pub fn new(settings: &MappingSettings) -> Result<Self, Problem> {
        let dialect = Dialect::new(settings, &FIELDS)?;
        let table = meaning::table(STANDARD.into_iter(), &settings.codes, spelled)?;
        let levels = settings.codes_as == CodesAs::Levels;
        let released = table.iter().find(|(_, meaning)| **meaning == Meaning::Event(EventType::PassengerReleased));
        if let (true, Some((code, _))) = (levels, released) {
            return Err(Problem::new(format!("codes.{code}"), "a release is an event; codes_as is \"levels\" here"));
        }
        Ok(Self { dialect, table, codes_as: settings.codes_as })
    }

    fn codes(&self, message: &Message<'_>, unknown: &mut Vec<String>) -> Result<Codes, Rejection> {
        let mut codes = Codes::default();
        for name in FIELDS {
            let Some(node) = self.dialect.get(message.object, name) else { continue };
            codes.of_faults |= matches!(name, "fault_code" | "code");
            codes.of_events |= matches!(name, "event_code" | "code");
            codes.of_alarms |= matches!(name, "alarm_code" | "code");
            let items = match node {
                Node::List(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            if items.len() > CODES {
                let detail = format!("{name}: {} codes; at most {CODES} are read", items.len());
                return Err(Rejection::new(Reason::BadValue, detail));
            }
            for item in items {
                let code = code(name, item)?;
                let meaning = meaning::of(&self.table, &code, unknown);
                let again = codes.told.iter().any(|told| told.code == code);
                if meaning != Meaning::Nothing && !again {
                    codes.told.push(Told { code, meaning });
                }
            }
        }
        Ok(codes)
    }
}

/// `1`, `"1"` and `"01"` are one code.
fn spelled(code: &str) -> String {
    if code.len() == 1 && code.as_bytes()[0].is_ascii_digit() { format!("0{code}") } else { code.to_owned() }
}

fn code(name: &str, node: &Node<'_>) -> Result<String, Rejection> {
    let text = dialect::plain(name, node)?;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > meaning::LONGEST || text.chars().any(char::is_control) {
        let detail = format!("{name}: {} is not a code of 1 to {} characters", shown(text), meaning::LONGEST);
        return Err(Rejection::new(Reason::BadValue, detail));
    }
    Ok(spelled(text))
}

impl Family for Gb24476 {
    fn read(&self, message: &Message<'_>) -> Result<Reading, Rejection> {
        let mut unknown_codes = Vec::new();
        let mut state = self.dialect.state(message.object, &mut unknown_codes)?;
        let cleared = self.dialect.boolean(message.object, "cleared")?.unwrap_or(false);
        let codes = self.codes(message, &mut unknown_codes)?;
        let events = match self.codes_as {
            CodesAs::Levels => {
                levels(&mut state, &codes, cleared);
                Vec::new()
            }
            CodesAs::Events => {
                ended(&mut state, &codes, cleared);
                let extra = strict::except(message.text, &|name| self.dialect.knows(name))?;
                events(&state, &codes.told, cleared, self.dialect.sequence(message.object)?, extra.as_deref())
            }
        };
        let class = if events.is_empty() { Class::State } else { Class::Event };
        let silent = State { boot: state.boot.clone(), last_seq: state.last_seq, ..State::at(state.ts) };
        let mut facts = Vec::with_capacity(1 + events.len());
        // A message that carries an event alone says nothing of the state.
        if events.is_empty() || state != silent {
            facts.push(Fact::State(state));
        }
        facts.extend(events.into_iter().map(Fact::Event));
        Ok(Reading { class, facts, unknown_codes })
    }
}

/// Codes that hold now, as levels of the state.
fn levels(state: &mut State, codes: &Codes, cleared: bool) {
    let told: &[Told] = if cleared { &[] } else { &codes.told };
    let has = |kind| told.iter().any(|told| told.meaning == Meaning::Event(kind));
    let faults: Vec<_> = told
        .iter()
        .filter_map(|told| match told.meaning {
            Meaning::Fault(code) => Some(meaning::fault(code, &told.code)),
            _ => None,
        })
        .collect();
    if codes.of_faults || !faults.is_empty() {
        state.active_faults = Some(faults);
    }
    let level = |spoken_of: bool, holds: bool| (spoken_of || holds).then_some(holds);
    state.alarm = level(codes.of_alarms, has(EventType::AlarmPressed));
    state.entrapment = level(codes.of_alarms || codes.of_faults, has(EventType::EntrapmentReported));
    state.mains_off = level(codes.of_events, has(EventType::MainsOff));
    let mode = told.iter().find_map(|told| match told.meaning {
        Meaning::Mode(mode) => Some(mode),
        _ => None,
    });
    state.mode = state.mode.or(mode);
}

/// What a message of events still says as a level: that there is no fault, or that an alarm or entrapment is over.
fn ended(state: &mut State, codes: &Codes, cleared: bool) {
    if codes.of_faults && codes.told.is_empty() {
        state.active_faults = Some(Vec::new());
    }
    if cleared {
        for told in &codes.told {
            match told.meaning {
                Meaning::Event(EventType::AlarmPressed) => state.alarm = Some(false),
                // Never a release: people are out when a person says so (EN 81-28, end of alarm).
                Meaning::Event(EventType::EntrapmentReported) => state.entrapment = Some(false),
                _ => {}
            }
        }
    }
}

fn events(state: &State, told: &[Told], cleared: bool, sequence: Option<Sequence>, extra: Option<&str>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(told.len());
    for told in told {
        let (kind, fault, mode) = match (told.meaning, cleared) {
            (Meaning::Fault(code), false) => (EventType::FaultRaised, Some(meaning::fault(code, &told.code)), None),
            (Meaning::Fault(code), true) => (EventType::FaultCleared, Some(meaning::fault(code, &told.code)), None),
            (Meaning::Mode(mode), false) => (EventType::ModeChanged, None, Some(mode)),
            (Meaning::Mode(_), true) => (EventType::ModeChanged, None, Some(Mode::Normal)),
            (Meaning::Event(kind), false) => (kind, None, None),
            (Meaning::Event(EventType::MainsOff), true) => (EventType::MainsOn, None, None),
            (Meaning::Event(_), true) | (Meaning::Nothing, _) => continue,
        };
        events.push(Event {
            ts: state.ts,
            // The message has one number; the events after the first are known by their content.
            sequence: if events.is_empty() { sequence.clone() } else { None },
            kind,
            fault,
            mode,
            landing: state.landing.clone(),
            moving: state.moving,
            occupied: state.occupied,
            origin: Origin::Reported,
            extra: extra.map(str::to_owned),
        });
    }
    events
}
