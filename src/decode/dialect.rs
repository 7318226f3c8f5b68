//! How one foreign source spells a state: its names, booleans, times, units and numbers for words.
//!
//! Lenient where nothing can be misread (numbers as text, empty text for nothing), never where it could be.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::tz::Offset;

use smol_str::SmolStr;

use crate::decode::canonical::LANDING;
use crate::decode::field;
use crate::decode::mapping::{Reason, Rejection, shown};
use crate::decode::settings::{Booleans, Epoch, MappingSettings, Problem, RunningTime};
use crate::decode::tree::{Node, Object};
use crate::domain::event::{Direction, Door, Mode, Sequence, State};
use crate::domain::time::Timestamp;

/// Fields that every foreign family reads. The names are the defaults; `fields` renames them.
pub const FIELDS: [&str; 16] = [
    "ts",
    "boot",
    "seq",
    "last_seq",
    "service_mode",
    "car_status",
    "car_direction",
    "car_position",
    "door",
    "door_closed",
    "door_zone",
    "occupied",
    "running_time",
    "runs",
    "door_cycles",
    "cleared",
];

/// Service modes of GB/T 24476-2017 (docs/DECODING.md).
const MODES: [(&str, &str); 8] = [
    ("0", "out_of_service"),
    ("1", "normal"),
    ("2", "inspection"),
    ("3", "fire_recall"),
    ("4", "firefighter"),
    ("5", "emergency_power"),
    ("6", "earthquake"),
    ("7", "unknown"),
];
const CAR: [(&str, &str); 2] = [("0", "stopped"), ("1", "running")];
const DIRECTIONS: [(&str, &str); 3] = [("0", "none"), ("1", "up"), ("2", "down")];

/// Fields whose values are numbers for words, with the words that they may become.
const WORDS: [(&str, &[(&str, &str)]); 4] =
    [("service_mode", &MODES), ("car_status", &CAR), ("car_direction", &DIRECTIONS), ("door", &[])];

/// One source's spelling.
#[derive(Debug)]
pub struct Dialect {
    /// Our field name = their name or pointer.
    names: BTreeMap<&'static str, String>,
    booleans: Booleans,
    epoch: Epoch,
    offset: Option<Offset>,
    running_time: Option<RunningTime>,
    /// Our field name = (their value = our word).
    values: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Dialect {
    /// Takes the spelling from a mapping; `more` are the family's own fields.
    ///
    /// # Errors
    /// [`Problem`] names the key.
    pub fn new(settings: &MappingSettings, more: &[&'static str]) -> Result<Self, Problem> {
        let known: Vec<&'static str> = FIELDS.iter().chain(more).copied().collect();
        let mut names: BTreeMap<&'static str, String> = known.iter().map(|name| (*name, (*name).to_owned())).collect();
        for (ours, theirs) in &settings.fields {
            let key = format!("fields.{ours}");
            let place = known.iter().find(|name| *name == ours);
            let place =
                place.ok_or_else(|| Problem::new(&key, format!("no such field; known: {}", known.join(", "))))?;
            if theirs.is_empty() {
                return Err(Problem::new(key, "empty; give their name, or a JSON pointer such as \"/data/code\""));
            }
            names.insert(place, theirs.clone());
        }
        let booleans = settings.booleans.ok_or_else(|| Problem::new("booleans", "missing"))?;
        let offset = settings.utc_offset.as_deref().map(offset).transpose()?;
        let values = words(settings)?;
        Ok(Self { names, booleans, epoch: settings.epoch, offset, running_time: settings.running_time, values })
    }

    /// Whether a top-level field of the payload is one that this dialect reads.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.values().any(|theirs| theirs == name)
    }

    /// Their value of our field; null and empty text say nothing.
    #[must_use]
    pub fn get<'o, 'a>(&self, object: &'o Object<'a>, name: &str) -> Option<&'o Node<'a>> {
        let theirs = self.names.get(name)?;
        let node = if theirs.starts_with('/') { object.at(theirs) } else { object.get(theirs) };
        node.filter(|node| match node {
            Node::Null => false,
            Node::Text(text) => !text.is_empty(),
            _ => true,
        })
    }

    /// The state that a message tells; what it leaves out stays `None`.
    ///
    /// # Errors
    /// [`Rejection`] when a field cannot be read, or there is no time.
    pub fn state(&self, object: &Object<'_>, unknown: &mut Vec<String>) -> Result<State, Rejection> {
        let ts = field::required("ts", self.get(object, "ts"))?;
        let door_closed = self.boolean(object, "door_closed")?;
        let door = self.word::<Door>(object, "door", unknown)?;
        Ok(State {
            boot: self.boot(object)?,
            last_seq: self.whole(object, "last_seq")?,
            // A mode that nobody knows is still no reason to take the unit for a working one.
            mode: match self.word::<Mode>(object, "service_mode", unknown)? {
                None if self.get(object, "service_mode").is_some() => Some(Mode::Unknown),
                mode => mode,
            },
            moving: self.moving(object, unknown)?,
            direction: self.word::<Direction>(object, "car_direction", unknown)?,
            landing: self.landing(object)?,
            door: door.or(door_closed.map(|closed| if closed { Door::Closed } else { Door::Open })),
            in_unlocking_zone: self.boolean(object, "door_zone")?,
            occupied: self.boolean(object, "occupied")?,
            runs: self.whole(object, "runs")?,
            door_cycles: self.whole(object, "door_cycles")?,
            run_seconds: self.run_seconds(object)?,
            ..State::at(self.time(ts)?)
        })
    }

    /// The sender's numbering of this message, if it has both parts.
    ///
    /// # Errors
    /// [`Rejection`] when a part cannot be read or stands without the other.
    pub fn sequence(&self, object: &Object<'_>) -> Result<Option<Sequence>, Rejection> {
        match (self.boot(object)?, self.whole(object, "seq")?) {
            (Some(boot), Some(seq)) => Ok(Some(Sequence { boot, seq })),
            // A boot alone belongs to `last_seq`.
            (_, None) => Ok(None),
            (None, Some(_)) => Err(Rejection::new(Reason::MissingField, "boot: missing, while seq is there")),
        }
    }

    fn boot(&self, object: &Object<'_>) -> Result<Option<SmolStr>, Rejection> {
        let Some(node) = self.get(object, "boot") else { return Ok(None) };
        let text = plain("boot", node)?;
        field::check_boot("boot", &text)?;
        Ok(Some(text.into()))
    }

    /// Yes or no in this source's way, or JSON's own.
    ///
    /// # Errors
    /// [`Rejection`] for any other value.
    pub fn boolean(&self, object: &Object<'_>, name: &str) -> Result<Option<bool>, Rejection> {
        self.get(object, name).map(|node| self.yes(name, node)).transpose()
    }

    /// The same for a value at hand.
    ///
    /// # Errors
    /// [`Rejection`] for any other value.
    pub fn yes(&self, name: &str, node: &Node<'_>) -> Result<bool, Rejection> {
        if let Node::Bool(value) = node {
            return Ok(*value);
        }
        let text = plain(name, node)?;
        match (self.booleans, text.as_ref()) {
            (_, "1") => Ok(true),
            (Booleans::ZeroOne, "0") | (Booleans::OneTwo, "2") => Ok(false),
            (Booleans::ZeroOne, _) => Err(bad(name, &text, "0 (no) or 1 (yes)")),
            (Booleans::OneTwo, _) => Err(bad(name, &text, "1 (yes) or 2 (no)")),
        }
    }

    fn moving(&self, object: &Object<'_>, unknown: &mut Vec<String>) -> Result<Option<bool>, Rejection> {
        match self.get(object, "car_status") {
            Some(Node::Bool(value)) => Ok(Some(*value)),
            Some(node) => Ok(self.translate("car_status", node, unknown)?.map(|word| word == "running")),
            None => Ok(None),
        }
    }

    fn word<T: std::str::FromStr>(
        &self,
        object: &Object<'_>,
        name: &'static str,
        unknown: &mut Vec<String>,
    ) -> Result<Option<T>, Rejection> {
        let Some(node) = self.get(object, name) else { return Ok(None) };
        Ok(self.translate(name, node, unknown)?.and_then(|word| word.parse().ok()))
    }

    /// Our word for their value; `None`, and a note, where there is none.
    fn translate(&self, name: &str, node: &Node<'_>, unknown: &mut Vec<String>) -> Result<Option<&str>, Rejection> {
        let text = plain(name, node)?;
        let found = self.values.get(name).and_then(|table| {
            let ours = table.values().find(|word| **word == *text);
            table.get(text.as_ref()).or(ours).map(String::as_str)
        });
        if found.is_none() {
            unknown.push(format!("{name}:{}", text.chars().take(32).flat_map(char::escape_debug).collect::<String>()));
        }
        Ok(found)
    }

    fn landing(&self, object: &Object<'_>) -> Result<Option<SmolStr>, Rejection> {
        let Some(node) = self.get(object, "car_position") else { return Ok(None) };
        let text = plain("car_position", node)?;
        field::text("car_position", &Node::Text(Cow::Borrowed(text.trim())), LANDING).map(|text| Some(text.into()))
    }

    fn whole(&self, object: &Object<'_>, name: &str) -> Result<Option<u64>, Rejection> {
        let Some(node) = self.get(object, name) else { return Ok(None) };
        match node {
            Node::Text(text) => {
                let number = text.parse().map_err(|_| bad(name, text, "a whole number"))?;
                field::whole(name, &Node::Unsigned(number)).map(Some)
            }
            _ => field::whole(name, node).map(Some),
        }
    }

    fn run_seconds(&self, object: &Object<'_>) -> Result<Option<u64>, Rejection> {
        let (Some(unit), Some(node)) = (self.running_time, self.get(object, "running_time")) else { return Ok(None) };
        let text = plain("running_time", node)?;
        let number: f64 = text.parse().map_err(|_| bad("running_time", &text, "a number"))?;
        let seconds = match unit {
            RunningTime::Hours => number * 3_600.0,
            RunningTime::Seconds => number,
        };
        if (0.0..=field::LARGEST_WHOLE as f64).contains(&seconds) {
            Ok(Some(seconds.round() as u64)) // whole and exact below 2^53
        } else {
            Err(bad("running_time", &text, "a time from 0 on"))
        }
    }

    fn time(&self, node: &Node<'_>) -> Result<Timestamp, Rejection> {
        let count = |count: i128| match self.epoch {
            Epoch::Milliseconds => field::millis("ts", count),
            Epoch::Seconds => field::millis("ts", count * 1_000),
        };
        match node {
            Node::Unsigned(value) => count(i128::from(*value)),
            Node::Negative(value) => count(i128::from(*value)),
            Node::Text(text) => self.written_time(text, count),
            _ => field::time("ts", node),
        }
    }

    fn written_time(
        &self,
        text: &str,
        count: impl Fn(i128) -> Result<Timestamp, Rejection>,
    ) -> Result<Timestamp, Rejection> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        // 14 digits are yyyymmddhhmmss: as milliseconds they would lie beyond the year 2286.
        if digits && text.len() != 14 {
            return count(text.parse().map_err(|_| bad("ts", text, "a time"))?);
        }
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(at);
        }
        let refused =
            |expected: &str| Rejection::new(Reason::BadTime, format!("ts: {} is not {expected}", shown(text)));
        let Some(offset) = self.offset else {
            return Err(refused("a time with a zone; if this source writes local time, set utc_offset in its mapping"));
        };
        let local = if digits {
            jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()
        } else {
            text.contains(':').then(|| text.parse::<jiff::civil::DateTime>().ok()).flatten()
        };
        let at = local.and_then(|local| offset.to_timestamp(local).ok());
        at.map(|at| Timestamp(at.as_millisecond())).ok_or_else(|| refused("a time such as 2026-11-23 12:00:00"))
    }
}

/// A number or a text as text, so that `1` and `"1"` are one.
///
/// # Errors
/// [`Reason::WrongType`] for anything else.
pub fn plain<'n>(name: &str, node: &'n Node<'_>) -> Result<Cow<'n, str>, Rejection> {
    match node {
        Node::Text(text) => Ok(Cow::Borrowed(text.as_ref())),
        Node::Unsigned(value) => Ok(Cow::Owned(value.to_string())),
        Node::Negative(value) => Ok(Cow::Owned(value.to_string())),
        Node::Float(value) => Ok(Cow::Owned(value.to_string())),
        _ => {
            Err(Rejection::new(Reason::WrongType, format!("{name}: expected a number or text, found {}", node.kind())))
        }
    }
}

fn bad(name: &str, value: &str, expected: &str) -> Rejection {
    Rejection::new(Reason::BadValue, format!("{name}: {} is not {expected}", shown(value)))
}

fn offset(text: &str) -> Result<Offset, Problem> {
    let problem = || Problem::new("utc_offset", format!("{text:?} is not an offset such as \"+08:00\""));
    let sign = match text.as_bytes() {
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return Err(problem()),
    };
    let (hours, minutes) = text[1..].split_once(':').ok_or_else(problem)?;
    let two = |part: &str, most: i32| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i32>().ok()).flatten().filter(|number| *number <= most)
    };
    let hours = two(hours, 15).ok_or_else(problem)?;
    let minutes = two(minutes, 59).ok_or_else(problem)?;
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).map_err(|_| problem())
}

/// The standard's tables with the mapping's `values` over them.
fn words(settings: &MappingSettings) -> Result<BTreeMap<&'static str, BTreeMap<String, String>>, Problem> {
    let mut all = BTreeMap::new();
    for (name, defaults) in WORDS {
        let mut table: BTreeMap<String, String> =
            defaults.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect();
        for (theirs, ours) in settings.values.get(name).into_iter().flatten() {
            let known = match name {
                "service_mode" => ours.parse::<Mode>().err().map(|error| error.to_string()),
                "car_direction" => ours.parse::<Direction>().err().map(|error| error.to_string()),
                "door" => ours.parse::<Door>().err().map(|error| error.to_string()),
                _ if matches!(ours.as_str(), "stopped" | "running") => None,
                _ => Some(format!("unknown word {ours:?}; known: stopped, running")),
            };
            if let Some(problem) = known {
                return Err(Problem::new(format!("values.{name}.{theirs}"), problem));
            }
            table.insert(theirs.clone(), ours.clone());
        }
        if name == "door" {
            for door in Door::ALL {
                table.entry(door.as_str().to_owned()).or_insert_with(|| door.as_str().to_owned());
            }
        }
        all.insert(name, table);
    }
    match settings.values.keys().find(|name| !all.contains_key(name.as_str())) {
        Some(name) => {
            let known: Vec<&str> = all.keys().copied().collect();
            Err(Problem::new(format!("values.{name}"), format!("no such field; known: {}", known.join(", "))))
        }
        None => Ok(all),
    }
}
