//! Reads a log of status changes (one row: a unit has this status from this time on) and says each row as canonical
//! events. Pure; sends nothing.

use std::collections::HashMap;
use std::io::Read;
use std::str::FromStr;

use smol_str::SmolStr;

use super::payload::EventPayload;
use crate::domain::event::{EventType, Mode};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;

/// What the help of `replay --map` says.
pub const MAP_HELP: &str = "\
Says which column is what and what each category means, as NAME=VALUE pairs with commas between:
  unit=COLUMN, time=COLUMN, category=COLUMN   needed; the time is RFC 3339 with its zone
  symptom=COLUMN                              becomes the vendor's code of a fault
  raised=WORD                                 the category in which a unit has a fault
  cleared=WORD                                the category in which a unit is in order
  inspection=WORD, out_of_service=WORD        categories that are modes
A meaning may be given several times. A category with no meaning is an error that names its line; nothing is sent then.
Each row becomes at least one event:
  raised          fault_raised, code other, vendor_code = the symptom. If another symptom was raised before and not
                  cleared, the new one takes its place: fault_cleared of the old one at the same time.
  cleared         fault_cleared of the fault that was raised, if there is one; mode_changed to normal if the unit was in
                  another mode, or if there was no fault to clear.
  inspection      mode_changed to inspection. It lasts until a row `cleared` or `out_of_service`, so a fault that is
                  reported straight out of an inspection was found by it, and does not count as a failure.
  out_of_service  mode_changed to out_of_service; a fault that was raised stays raised.
For the status log of the Washington metro's lifts (DC Metro Metrics):
  --map unit=unit,time=time,category=category,symptom=symptom,raised=BROKEN,cleared=ON,inspection=INSPECTION,\
out_of_service=OFF,out_of_service=REHAB";

/// The longest vendor code that the daemon takes.
const VENDOR_CODE: usize = 64;

/// What a category means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Raised,
    Cleared,
    Mode(Mode),
}

/// Which column is what, and what each category means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMap {
    unit: String,
    time: String,
    category: String,
    symptom: Option<String>,
    meanings: HashMap<String, Meaning>,
}

/// Why a text is no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMap {
    #[error("--map: {0:?} is not NAME=VALUE")]
    Form(String),
    #[error(
        "--map: unknown name {0:?}; known: unit, time, category, symptom, raised, cleared, inspection, out_of_service"
    )]
    Name(String),
    #[error("--map: {0} is missing")]
    Missing(&'static str),
    #[error("--map: {0:?} is given two meanings")]
    Twice(String),
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("line 1: no column {name:?}; there are: {present}")]
    NoColumn { name: String, present: String },
    #[error("line {line}: {source}")]
    Csv { line: u64, source: csv::Error },
    #[error("line {line}: column {column}: {problem}")]
    Field { line: u64, column: String, problem: String },
}

/// One event of the log, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    pub at: Timestamp,
    pub unit: UnitId,
    pub payload: Vec<u8>,
}

/// The whole log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusLog {
    pub rows: usize,
    /// In order of time.
    pub events: Vec<LogEvent>,
    /// In order of appearance.
    pub units: Vec<UnitId>,
}

impl FromStr for LogMap {
    type Err = BadMap;

    fn from_str(text: &str) -> Result<Self, BadMap> {
        let (mut columns, mut meanings) = (HashMap::new(), HashMap::new());
        for pair in text.split(',') {
            let (name, value) = pair.split_once('=').ok_or_else(|| BadMap::Form(pair.to_owned()))?;
            let (name, value) = (name.trim(), value.trim().to_owned());
            let meaning = match name {
                "unit" | "time" | "category" | "symptom" => {
                    columns.insert(name, value);
                    continue;
                }
                "raised" => Meaning::Raised,
                "cleared" => Meaning::Cleared,
                "inspection" => Meaning::Mode(Mode::Inspection),
                "out_of_service" => Meaning::Mode(Mode::OutOfService),
                _ => return Err(BadMap::Name(name.to_owned())),
            };
            if meanings.insert(value.clone(), meaning).is_some() {
                return Err(BadMap::Twice(value));
            }
        }
        if !meanings.values().any(|meaning| *meaning == Meaning::Raised) {
            return Err(BadMap::Missing("raised"));
        }
        Ok(Self {
            symptom: columns.remove("symptom"),
            unit: columns.remove("unit").ok_or(BadMap::Missing("unit"))?,
            time: columns.remove("time").ok_or(BadMap::Missing("time"))?,
            category: columns.remove("category").ok_or(BadMap::Missing("category"))?,
            meanings,
        })
    }
}

/// Reads the whole log, so that a bad line is told before anything is sent.
///
/// # Errors
/// [`LogError`] with the line and the column.
pub fn read(map: &LogMap, input: impl Read) -> Result<StatusLog, LogError> {
    let mut reader = csv::Reader::from_reader(input);
    let headers = reader.headers().map_err(|source| LogError::Csv { line: 1, source })?.clone();
    let find = |name: &String| {
        headers.iter().position(|header| header == name).ok_or_else(|| LogError::NoColumn {
            name: name.clone(),
            present: headers.iter().collect::<Vec<_>>().join(", "),
        })
    };
    let (unit, time, category) = (find(&map.unit)?, find(&map.time)?, find(&map.category)?);
    let symptom = map.symptom.as_ref().map(find).transpose()?;
    let mut rows = Vec::new();
    let mut log = StatusLog::default();
    for record in reader.records() {
        let record = record.map_err(|source| {
            let line = source.position().map_or(0, csv::Position::line);
            LogError::Csv { line, source }
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: usize| record.get(column).unwrap_or_default();
        let bad = |column: &str, problem: String| LogError::Field { line, column: column.to_owned(), problem };
        let unit = UnitId::new(text(unit)).map_err(|error| bad(&map.unit, error.to_string()))?;
        let at = Timestamp::parse(text(time)).map_err(|error| bad(&map.time, error.to_string()))?;
        let word = text(category);
        let meaning = map.meanings.get(word).ok_or_else(|| {
            bad(
                &map.category,
                format!("{word:?} has no meaning; add raised=, cleared=, inspection= or out_of_service="),
            )
        })?;
        rows.push((at, unit, *meaning, symptom.map(|column| vendor_code(text(column)))));
    }
    log.rows = rows.len();
    // A unit's status follows from the one before, so the order of time comes first.
    rows.sort_by_key(|(at, ..)| *at);
    let mut units: HashMap<UnitId, Standing> = HashMap::new();
    for (at, unit, meaning, symptom) in rows {
        if !units.contains_key(&unit) {
            log.units.push(unit.clone());
        }
        let standing = units.entry(unit.clone()).or_default();
        let events = standing.follow(at, meaning, symptom.flatten());
        log.events.extend(events.into_iter().map(|payload| LogEvent { at, unit: unit.clone(), payload }));
    }
    Ok(log)
}

/// What a unit's last rows have left.
#[derive(Debug, Default)]
struct Standing {
    fault: Option<Fault>,
    mode: Option<Mode>,
}

impl Standing {
    /// The events that a row means, in the order in which they happened.
    fn follow(&mut self, at: Timestamp, meaning: Meaning, symptom: Option<String>) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        match meaning {
            Meaning::Raised => {
                let fault = Fault { code: FaultCode::Other, vendor_code: symptom.map(SmolStr::from) };
                if let Some(before) = self.fault.replace(fault.clone())
                    && before != fault
                {
                    events.push(EventPayload::new(at, EventType::FaultCleared).fault(&before).to_bytes());
                }
                events.push(EventPayload::new(at, EventType::FaultRaised).fault(&fault).to_bytes());
            }
            Meaning::Cleared => {
                if let Some(fault) = self.fault.take() {
                    events.push(EventPayload::new(at, EventType::FaultCleared).fault(&fault).to_bytes());
                }
                let was_in_a_mode = self.mode.replace(Mode::Normal).is_some_and(|mode| mode != Mode::Normal);
                if was_in_a_mode || events.is_empty() {
                    events.push(EventPayload::new(at, EventType::ModeChanged).mode(Mode::Normal).to_bytes());
                }
            }
            Meaning::Mode(mode) => {
                self.mode = Some(mode);
                events.push(EventPayload::new(at, EventType::ModeChanged).mode(mode).to_bytes());
            }
        }
        events
    }
}

/// A symptom as a vendor's code: one line, at most 64 characters, `None` where there is nothing.
fn vendor_code(symptom: &str) -> Option<String> {
    let one_line: String = symptom.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let code: String = one_line.trim().chars().take(VENDOR_CODE).collect();
    let code = code.trim_end();
    (!code.is_empty()).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "unit=unit,time=time,category=category,symptom=symptom,raised=BROKEN,cleared=ON,\
                       inspection=INSPECTION,out_of_service=OFF,out_of_service=REHAB";

    fn events(rows: &str) -> Vec<String> {
        let text = format!("time,unit,symptom,category\n{rows}");
        let log = read(&MAP.parse().unwrap(), text.as_bytes()).unwrap();
        log.events.iter().map(|event| String::from_utf8(event.payload.clone()).unwrap()).collect()
    }

    fn shape(rows: &str) -> Vec<String> {
        let said = |event: &String| {
            let value: serde_json::Value = serde_json::from_str(event).unwrap();
            let word = |name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or("-").to_owned();
            format!("{} {} {}", word("type"), word("vendor_code"), word("mode"))
        };
        events(rows).iter().map(said).collect()
    }

    #[test]
    fn a_fault_and_its_end_name_the_same_code() {
        let rows = "2013-08-03T17:18:38.232999+00:00,A1,OPERATIONAL,ON\n\
                    2013-08-04T00:00:00+00:00,A1,CALLBACK/REPAIR,BROKEN\n\
                    2013-08-05T00:00:00+00:00,A1,OPERATIONAL,ON\n";
        assert_eq!(
            events(rows),
            [
                r#"{"ts":"2013-08-03T17:18:38.232Z","type":"mode_changed","mode":"normal"}"#,
                r#"{"ts":"2013-08-04T00:00:00.000Z","type":"fault_raised","code":"other","vendor_code":"CALLBACK/REPAIR"}"#,
                r#"{"ts":"2013-08-05T00:00:00.000Z","type":"fault_cleared","code":"other","vendor_code":"CALLBACK/REPAIR"}"#,
            ]
        );
    }

    #[test]
    fn another_symptom_takes_the_place_of_the_first_and_the_same_is_raised_again() {
        let rows = "2013-08-04T00:00:00Z,A1,a,BROKEN\n2013-08-04T01:00:00Z,A1,a,BROKEN\n\
                    2013-08-04T02:00:00Z,A1,b,BROKEN\n2013-08-04T03:00:00Z,A1,,ON\n";
        assert_eq!(
            shape(rows),
            ["fault_raised a -", "fault_raised a -", "fault_cleared a -", "fault_raised b -", "fault_cleared b -"]
        );
    }

    #[test]
    fn a_mode_lasts_until_the_unit_is_on_again() {
        let rows = "2013-08-04T00:00:00Z,A1,x,INSPECTION\n2013-08-04T01:00:00Z,A1,a,BROKEN\n\
                    2013-08-04T02:00:00Z,A1,,ON\n2013-08-04T03:00:00Z,A1,x,REHAB\n2013-08-04T04:00:00Z,A1,,ON\n";
        assert_eq!(
            shape(rows),
            [
                "mode_changed - inspection",
                "fault_raised a -",
                "fault_cleared a -",
                "mode_changed - normal",
                "mode_changed - out_of_service",
                "mode_changed - normal",
            ]
        );
    }

    #[test]
    fn rows_out_of_order_are_put_in_order() {
        let rows = "2013-08-05T00:00:00Z,A1,,ON\n2013-08-04T00:00:00Z,A1,a,BROKEN\n";
        assert_eq!(shape(rows), ["fault_raised a -", "fault_cleared a -"]);
    }

    #[test]
    fn bad_lines_and_maps_name_what_is_wrong() {
        let told = |rows: &str| {
            let text = format!("time,unit,symptom,category\n{rows}");
            read(&MAP.parse().unwrap(), text.as_bytes()).unwrap_err().to_string()
        };
        assert!(told("2013-08-05T00:00:00,A1,,ON\n").starts_with("line 2: column time: not RFC 3339"));
        assert!(told("2013-08-05T00:00:00Z,A 1,,ON\n").starts_with("line 2: column unit: not an id"));
        assert!(told("2013-08-05T00:00:00Z,A1,,ODD\n").starts_with("line 2: column category: \"ODD\" has no meaning"));
        assert!(told("short\n").starts_with("line 2: "));
        assert_eq!("unit=u,time=t,raised=B".parse::<LogMap>(), Err(BadMap::Missing("category")));
        assert_eq!("colour=red".parse::<LogMap>(), Err(BadMap::Name("colour".to_owned())));
        assert_eq!("raised=B,cleared=B".parse::<LogMap>(), Err(BadMap::Twice("B".to_owned())));
        let other = "unit=lift,time=time,category=category,raised=B".parse().unwrap();
        let told = read(&other, "time,unit,category\n".as_bytes()).unwrap_err().to_string();
        assert_eq!(told, "line 1: no column \"lift\"; there are: time, unit, category");
    }

    #[test]
    fn a_symptom_is_one_line_of_at_most_64_characters() {
        assert_eq!(vendor_code(" a\nb "), Some("a b".to_owned()));
        assert_eq!(vendor_code(" \t"), None);
        assert_eq!(vendor_code(&"电".repeat(100)).unwrap().chars().count(), 64);
    }

    #[test]
    fn the_help_shows_a_map_that_works() {
        let (_, example) = MAP_HELP.rsplit_once("--map ").unwrap();
        assert_eq!(example.parse::<LogMap>(), MAP.parse());
    }
}
