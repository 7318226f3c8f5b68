//! `[[mapping]]`: how a foreign topic is bound to a payload family, as it stands in the configuration, and its checks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::topic;
use crate::domain::id::{PublisherId, RegionCode, UnitId};

/// Which payload family reads the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyName {
    /// The canonical payloads, under another topic.
    Canonical,
    /// Codes and state fields of GB/T 24476-2017.
    Gb24476,
    /// The whole state in each message, with flags.
    LevelFlags,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Level of the topic, counted from 1.
    TopicLevel(usize),
    /// JSON pointer into the payload, such as `/dev/id`.
    Pointer(String),
    /// The same for every message.
    Fixed(String),
}

/// How a source writes yes and no. Nothing in a payload tells the two apart, so it is never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Booleans {
    /// 0 is no, 1 is yes.
    #[serde(rename = "0/1")]
    ZeroOne,
    /// 1 is yes, 2 is no.
    #[serde(rename = "1/2")]
    OneTwo,
}

/// What a fault, event or alarm code in a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodesAs {
    /// It happened now: one event per code.
    #[default]
    Events,
    /// It holds now, and is repeated in every message: the daemon finds the edges.
    Levels,
}

/// What a time given as a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epoch {
    #[default]
    Milliseconds,
    Seconds,
}

/// The unit of the running time counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningTime {
    Hours,
    Seconds,
}

/// One `[[mapping]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingSettings {
    /// What messages and `liftwatch decode --mapping` call it.
    pub name: String,
    pub family: FamilyName,
    /// MQTT topic filter; `{region}` stands for the session's region code.
    pub topic: String,
    /// Region codes whose sessions use it; empty means every region.
    #[serde(default)]
    pub regions: Vec<String>,
    pub publisher: Place,
    pub unit: Place,
    /// Where the class stands; the canonical family alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Place>,
    /// Required for every family but the canonical one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booleans: Option<Booleans>,
    #[serde(default)]
    pub codes_as: CodesAs,
    #[serde(default)]
    pub epoch: Epoch,
    /// Offset such as `+08:00` for times that are written without a zone; left out, such times are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
    /// Left out, the running time is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_time: Option<RunningTime>,
    /// JSON pointer to the object whose every member is a flag; `level_flags` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Top-level fields that begin so are flags; `level_flags` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag_prefix: Option<String>,
    /// Our field name = theirs, or a JSON pointer to it.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Their code or flag = what it means here.
    #[serde(default)]
    pub codes: BTreeMap<String, String>,
    /// Our field name = their number or word = ours.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
}

/// A mapping that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mapping {mapping:?}: {key}: {problem}")]
pub struct SettingsError {
    /// Position in the configuration, from 0.
    pub index: usize,
    /// The mapping's name.
    pub mapping: String,
    /// Dotted key inside the mapping, such as `fields.car_status`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// A key and what is wrong with it, before the mapping's name is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub problem: String,
}

impl Problem {
    /// A problem of one key.
    #[must_use]
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    /// The same, of the mapping that has it.
    #[must_use]
    pub fn of(self, index: usize, settings: &MappingSettings) -> SettingsError {
        SettingsError { index, mapping: settings.name.clone(), key: self.key, problem: self.problem }
    }
}

impl MappingSettings {
    /// Checks what can be checked of one mapping alone; the families check their own tables.
    ///
    /// # Errors
    /// [`Problem`] names the key.
    pub fn check(&self, regions: &[RegionCode]) -> Result<(), Problem> {
        PublisherId::new(&self.name).map_err(|error| Problem::new("name", error.to_string()))?;
        topic::check_filter(&self.topic).map_err(|problem| Problem::new("topic", problem))?;
        for code in &self.regions {
            if !regions.iter().any(|region| region.as_str() == code) {
                return Err(Problem::new("regions", format!("{code:?} is the code of no [[region]]")));
            }
        }
        self.check_place("publisher", &self.publisher)?;
        self.check_place("unit", &self.unit)?;
        if let Place::Fixed(text) = &self.publisher {
            PublisherId::new(text).map_err(|error| Problem::new("publisher.fixed", error.to_string()))?;
        }
        if let Place::Fixed(text) = &self.unit {
            UnitId::new(text).map_err(|error| Problem::new("unit.fixed", error.to_string()))?;
        }
        match self.family {
            FamilyName::Canonical => self.check_canonical(),
            FamilyName::Gb24476 | FamilyName::LevelFlags => self.check_foreign(),
        }
    }

    fn check_place(&self, key: &str, place: &Place) -> Result<(), Problem> {
        match place {
            Place::TopicLevel(0) => Err(Problem::new(format!("{key}.topic_level"), "levels are counted from 1")),
            Place::TopicLevel(number) => {
                let levels = self.topic.split('/').filter(|level| *level != "#").count();
                let open = self.topic.ends_with('#');
                if *number <= levels || open {
                    Ok(())
                } else {
                    let problem = format!("level {number} of a topic that has {levels}");
                    Err(Problem::new(format!("{key}.topic_level"), problem))
                }
            }
            Place::Pointer(pointer) if !pointer.starts_with('/') => {
                Err(Problem::new(format!("{key}.pointer"), "a JSON pointer begins with `/`, such as \"/dev/id\""))
            }
            Place::Pointer(_) | Place::Fixed(_) => Ok(()),
        }
    }

    fn check_canonical(&self) -> Result<(), Problem> {
        let class = self.class.as_ref();
        let class =
            class.ok_or_else(|| Problem::new("class", "missing: the canonical family must know where it stands"))?;
        self.check_place("class", class)?;
        if let Place::Fixed(word) = class {
            let parsed: Result<crate::decode::mapping::Class, _> = word.parse();
            parsed.map_err(|error| Problem::new("class.fixed", error.to_string()))?;
        }
        let foreign = [
            ("booleans", self.booleans.is_some()),
            ("codes_as", self.codes_as != CodesAs::default()),
            ("epoch", self.epoch != Epoch::default()),
            ("utc_offset", self.utc_offset.is_some()),
            ("running_time", self.running_time.is_some()),
            ("flags", self.flags.is_some()),
            ("flag_prefix", self.flag_prefix.is_some()),
            ("fields", !self.fields.is_empty()),
            ("codes", !self.codes.is_empty()),
            ("values", !self.values.is_empty()),
        ];
        match foreign.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Problem::new(*key, "has no meaning for the canonical family")),
            None => Ok(()),
        }
    }

    fn check_foreign(&self) -> Result<(), Problem> {
        if self.class.is_some() {
            return Err(Problem::new("class", "has a meaning for the canonical family alone"));
        }
        if self.booleans.is_none() {
            let problem = "missing: \"0/1\" (1 is yes) or \"1/2\" (1 is yes, 2 is no); a payload does not tell which";
            return Err(Problem::new("booleans", problem));
        }
        if self.family == FamilyName::LevelFlags {
            if self.codes_as != CodesAs::default() {
                return Err(Problem::new("codes_as", "flags are levels always"));
            }
        } else if self.flags.is_some() || self.flag_prefix.is_some() {
            let key = if self.flags.is_some() { "flags" } else { "flag_prefix" };
            return Err(Problem::new(key, "has a meaning for the family level_flags alone"));
        }
        match &self.flags {
            Some(pointer) if !pointer.starts_with('/') => {
                Err(Problem::new("flags", "a JSON pointer begins with `/`, such as \"/alarms\""))
            }
            _ => Ok(()),
        }
    }
}
