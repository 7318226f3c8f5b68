//! What a source's code or flag means in our words, and the table that a mapping builds from defaults and overrides.

use std::collections::BTreeMap;

use crate::decode::settings::Problem;
use crate::domain::event::{EventType, Mode};
use crate::domain::fault::{Fault, FaultCode};

/// Longest code or flag name, in characters.
pub const LONGEST: usize = 64;

/// One entry of a code table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No fault, or a code that the operator chose to leave out.
    Nothing,
    Fault(FaultCode),
    /// An event that needs nothing but its type.
    Event(EventType),
    Mode(Mode),
}

/// Their code = its meaning.
pub type Table = BTreeMap<String, Meaning>;

impl Meaning {
    /// Reads `none`, a fault code, an event type, or `mode:` and a mode.
    ///
    /// # Errors
    /// A sentence that says what is known.
    pub fn parse(word: &str) -> Result<Self, String> {
        if word == "none" {
            return Ok(Self::Nothing);
        }
        if let Some(mode) = word.strip_prefix("mode:") {
            return mode
                .parse()
                .map(Self::Mode)
                .map_err(|error: crate::domain::vocabulary::UnknownWord| error.to_string());
        }
        if let Ok(code) = word.parse() {
            return Ok(Self::Fault(code));
        }
        match word.parse() {
            Ok(EventType::FaultRaised | EventType::FaultCleared | EventType::ModeChanged) | Err(_) => Err(format!(
                "{word:?} is no meaning: none, a fault code, mode:<mode>, alarm_pressed, entrapment_reported, \
                     passenger_released, mains_off or mains_on"
            )),
            Ok(kind) => Ok(Self::Event(kind)),
        }
    }
}

/// Defaults, overridden by a mapping's `codes`; `spelled` gives both the same spelling.
///
/// # Errors
/// [`Problem`] names the code.
pub fn table(
    defaults: impl Iterator<Item = (&'static str, Meaning)>,
    codes: &BTreeMap<String, String>,
    spelled: fn(&str) -> String,
) -> Result<Table, Problem> {
    let mut table: Table = defaults.map(|(code, meaning)| (code.to_owned(), meaning)).collect();
    for (code, word) in codes {
        let key = format!("codes.{code}");
        if code.is_empty() || code.chars().count() > LONGEST {
            return Err(Problem::new(key, format!("a code has 1 to {LONGEST} characters")));
        }
        let meaning = Meaning::parse(word).map_err(|problem| Problem::new(key, problem))?;
        table.insert(spelled(code), meaning);
    }
    Ok(table)
}

/// The meaning of a code; one that the table does not have is `other`, and is noted.
pub fn of(table: &Table, code: &str, unknown_codes: &mut Vec<String>) -> Meaning {
    table.get(code).copied().unwrap_or_else(|| {
        if !unknown_codes.iter().any(|known| known == code) {
            unknown_codes.push(code.to_owned());
        }
        Meaning::Fault(FaultCode::Other)
    })
}

/// A fault with the code that the source gave it.
#[must_use]
pub fn fault(code: FaultCode, vendor_code: &str) -> Fault {
    Fault { code, vendor_code: Some(vendor_code.into()) }
}
