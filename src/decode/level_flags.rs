//! Gateways of the ES1500 kind: the whole state in every message, each fault and alarm as a flag that is on or off.
//!
//! A message becomes one `State`; the edges are found where the unit's last levels are known, not here.

use crate::decode::dialect::Dialect;
use crate::decode::mapping::{Class, Fact, Family, Message, Reading, Reason, Rejection, shown};
use crate::decode::meaning::{self, Meaning, Table};
use crate::decode::settings::{MappingSettings, Problem};
use crate::decode::tree::{Node, Object};
use crate::domain::event::{EventType, Mode, State};
use crate::domain::fault::FaultCode;

/// Most flags that may be on in one message.
const ACTIVE: usize = 64;

/// Flags beside the fault codes, whose own words are flags too.
const NAMED: [(&str, Meaning); 12] = [
    ("alarm", Meaning::Event(EventType::AlarmPressed)),
    ("alarm_button", Meaning::Event(EventType::AlarmPressed)),
    ("entrapment", Meaning::Event(EventType::EntrapmentReported)),
    ("trapped", Meaning::Event(EventType::EntrapmentReported)),
    ("mains_off", Meaning::Event(EventType::MainsOff)),
    ("power_off", Meaning::Event(EventType::MainsOff)),
    ("out_of_service", Meaning::Mode(Mode::OutOfService)),
    ("inspection", Meaning::Mode(Mode::Inspection)),
    ("fire_recall", Meaning::Mode(Mode::FireRecall)),
    ("firefighter", Meaning::Mode(Mode::Firefighter)),
    ("emergency_power", Meaning::Mode(Mode::EmergencyPower)),
    ("earthquake", Meaning::Mode(Mode::Earthquake)),
];

/// A mapping of this family.
#[derive(Debug)]
pub struct LevelFlags {
    dialect: Dialect,
    table: Table,
    /// Pointer to the object of flags; `None` where they stand at the top.
    flags: Option<String>,
    prefix: Option<String>,
}

impl LevelFlags {
    /// Builds the tables of a mapping.
    ///
    /// # Errors
    /// [`Problem`] names the key.
    pub fn new(settings: &MappingSettings) -> Result<Self, Problem> {
        let dialect = Dialect::new(settings, &[])?;
        let faults = FaultCode::ALL.iter().filter(|code| **code != FaultCode::Other);
        let faults = faults.map(|code| (code.as_str(), Meaning::Fault(*code)));
        let table = meaning::table(faults.chain(NAMED), &settings.codes, str::to_owned)?;
        for (flag, meaning) in &table {
            if let Meaning::Event(EventType::PassengerReleased | EventType::MainsOn) = meaning {
                return Err(Problem::new(format!("codes.{flag}"), "a flag is a level; this is an event"));
            }
        }
        Ok(Self { dialect, table, flags: settings.flags.clone(), prefix: settings.flag_prefix.clone() })
    }

    /// Whether a member of the object that holds the flags is one.
    fn is_flag(&self, name: &str) -> bool {
        let unlisted = || match (&self.flags, &self.prefix) {
            // In an object of flags every member is one, but for those that `fields` points to.
            (Some(pointer), _) => !self.dialect.knows(&format!("{pointer}/{name}")),
            (None, Some(prefix)) => name.starts_with(prefix.as_str()) && !self.dialect.knows(name),
            (None, None) => false,
        };
        self.table.contains_key(name) || unlisted()
    }

    fn flags<'o, 'a>(&self, object: &'o Object<'a>) -> Result<Option<&'o Object<'a>>, Rejection> {
        let Some(pointer) = &self.flags else { return Ok(Some(object)) };
        match object.at(pointer) {
            Some(Node::Object(flags)) => Ok(Some(flags)),
            None | Some(Node::Null) => Ok(None),
            Some(other) => {
                let detail = format!("{pointer}: expected an object of flags, found {}", other.kind());
                Err(Rejection::new(Reason::WrongType, detail))
            }
        }
    }

    fn apply(&self, flags: &Object<'_>, state: &mut State, unknown: &mut Vec<String>) -> Result<(), Rejection> {
        let (mut faults, mut any, mut mode) = (Vec::new(), false, None);
        for (name, node) in flags.fields().filter(|(name, node)| **node != Node::Null && self.is_flag(name)) {
            let on = self.dialect.yes(&format!("flag {}", shown(name)), node)?;
            any = true;
            let meaning = match self.table.get(name) {
                Some(meaning) => *meaning,
                None if !on => continue,
                None if name.chars().count() > meaning::LONGEST || name.chars().any(char::is_control) => {
                    let detail =
                        format!("flag {}: a flag's name has at most {} characters", shown(name), meaning::LONGEST);
                    return Err(Rejection::new(Reason::BadValue, detail));
                }
                None => meaning::of(&self.table, name, unknown),
            };
            match meaning {
                Meaning::Fault(code) if on => faults.push(meaning::fault(code, name)),
                Meaning::Event(EventType::AlarmPressed) => raise(&mut state.alarm, on),
                Meaning::Event(EventType::EntrapmentReported) => raise(&mut state.entrapment, on),
                Meaning::Event(EventType::MainsOff) => raise(&mut state.mains_off, on),
                Meaning::Mode(told) if on => mode = Some(told),
                Meaning::Mode(_) => mode = mode.or(Some(Mode::Normal)),
                Meaning::Fault(_) | Meaning::Event(_) | Meaning::Nothing => {}
            }
        }
        if faults.len() > ACTIVE {
            let detail = format!("{} flags are on; at most {ACTIVE} are read", faults.len());
            return Err(Rejection::new(Reason::BadValue, detail));
        }
        // Without a single flag the message says nothing of faults.
        state.active_faults = any.then_some(faults);
        state.mode = state.mode.or(mode);
        Ok(())
    }
}

/// Two flags of one meaning: it holds if either is on.
fn raise(level: &mut Option<bool>, on: bool) {
    *level = Some(on || *level == Some(true));
}

impl Family for LevelFlags {
    fn read(&self, message: &Message<'_>) -> Result<Reading, Rejection> {
        let mut unknown_codes = Vec::new();
        let mut state = self.dialect.state(message.object, &mut unknown_codes)?;
        if let Some(flags) = self.flags(message.object)? {
            self.apply(flags, &mut state, &mut unknown_codes)?;
        }
        Ok(Reading { class: Class::State, facts: vec![Fact::State(state)], unknown_codes })
    }
}
