//! The registry of payload families, and the one door to them: a topic and a payload in, facts or a refusal out.
//!
//! Pure: no clock, no I/O. A new family is a file with a `Family`, its `mod` line and its line in `family` below.

pub mod tree;

pub mod mapping;

pub mod strict;

pub mod topic;

pub mod settings;

pub mod field;

pub mod canonical;

pub mod record;

pub mod meaning;

pub mod dialect;

pub mod gb24476;

pub mod level_flags;

pub mod explain;

use std::borrow::Cow;

use crate::decode::canonical::Canonical;
use crate::decode::dialect::plain;
use crate::decode::gb24476::Gb24476;
use crate::decode::level_flags::LevelFlags;
use crate::decode::mapping::{Address, Class, Decoded, Family, Message, Reason, Rejection, shown};
use crate::decode::settings::{FamilyName, MappingSettings, Place, Problem, SettingsError};
use crate::decode::tree::Object;
use crate::domain::id::{PublisherId, RegionCode, UnitId};

/// What `liftwatch decode --mapping` calls the built-in binding.
pub const BUILT_IN: &str = "canonical";

/// Reads every message of every region.
#[derive(Debug)]
pub struct Decoder {
    bindings: Vec<Binding>,
}

/// One `[[mapping]]`, ready to read.
#[derive(Debug)]
struct Binding {
    name: String,
    /// The filter of each region that uses it.
    filters: Vec<(RegionCode, String)>,
    publisher: Place,
    unit: Place,
    class: Option<Place>,
    family: Box<dyn Family>,
}

/// The registry: which family a mapping's word stands for.
fn family(settings: &MappingSettings) -> Result<Box<dyn Family>, Problem> {
    Ok(match settings.family {
        FamilyName::Canonical => Box::new(Canonical),
        FamilyName::Gb24476 => Box::new(Gb24476::new(settings)?),
        FamilyName::LevelFlags => Box::new(LevelFlags::new(settings)?),
    })
}

impl Decoder {
    /// Builds the mappings; the canonical binding is always there.
    ///
    /// # Errors
    /// [`SettingsError`] for the first mapping that cannot be used, or that takes a topic which another one takes.
    pub fn new(settings: &[MappingSettings], regions: &[RegionCode]) -> Result<Self, SettingsError> {
        let mut bindings: Vec<Binding> = Vec::with_capacity(settings.len());
        for (index, one) in settings.iter().enumerate() {
            let of = |problem: Problem| problem.of(index, one);
            one.check(regions).map_err(of)?;
            if one.name == BUILT_IN || bindings.iter().any(|earlier| earlier.name == one.name) {
                return Err(of(Problem::new("name", "another mapping has this name")));
            }
            let binding = Binding {
                name: one.name.clone(),
                filters: filters(one, regions),
                publisher: one.publisher.clone(),
                unit: one.unit.clone(),
                class: one.class.clone(),
                family: family(one).map_err(of)?,
            };
            overlaps(&binding, &bindings).map_err(of)?;
            bindings.push(binding);
        }
        Ok(Self { bindings })
    }

    /// The MQTT topic filters that a region's session subscribes to; no two of them take the same topic.
    #[must_use]
    pub fn filters(&self, region: &RegionCode) -> Vec<String> {
        let foreign = self.bindings.iter().filter_map(|binding| binding.filter(region).map(str::to_owned));
        std::iter::once(topic::canonical_filter(region)).chain(foreign).collect()
    }

    /// The names that `--mapping` knows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(BUILT_IN).chain(self.bindings.iter().map(|binding| binding.name.as_str()))
    }

    /// The mapping that takes a topic in a region's session; a canonical topic is never one of theirs.
    #[must_use]
    pub fn taker(&self, region: &RegionCode, topic: &str) -> Option<&str> {
        self.find(region, topic).map(|binding| binding.name.as_str())
    }

    fn find(&self, region: &RegionCode, topic: &str) -> Option<&Binding> {
        let taking = |binding: &&Binding| binding.filter(region).is_some_and(|filter| topic::matches(filter, topic));
        self.bindings.iter().find(taking)
    }

    /// Reads one message of a region's session.
    ///
    /// # Errors
    /// [`Rejection`] says why the message goes to quarantine, and whom it concerns as far as it told.
    pub fn decode(&self, region: &RegionCode, topic: &str, payload: &[u8]) -> Result<Decoded, Rejection> {
        if topic::is_canonical(topic) {
            return canonical(region, topic, payload);
        }
        match self.find(region, topic) {
            Some(binding) => binding.decode(region, topic, payload),
            None => Err(Rejection::new(Reason::BadTopic, format!("no mapping takes the topic {}", shown(topic)))),
        }
    }
}

fn canonical(region: &RegionCode, topic: &str, payload: &[u8]) -> Result<Decoded, Rejection> {
    let (address, class) = topic::canonical(region, topic)?;
    let read = || {
        let text = strict::text(payload)?;
        let object = strict::parse(text)?;
        Canonical.read(&Message { class: Some(class), object: &object, text })
    };
    match read() {
        Ok(reading) => Ok(Decoded { address, class, facts: reading.facts, unknown_codes: reading.unknown_codes }),
        Err(rejection) => Err(rejection.of(&address)),
    }
}

fn filters(settings: &MappingSettings, regions: &[RegionCode]) -> Vec<(RegionCode, String)> {
    let uses = |region: &&RegionCode| {
        settings.regions.is_empty() || settings.regions.iter().any(|code| code == region.as_str())
    };
    let filter = |region: &RegionCode| (region.clone(), settings.topic.replace(topic::REGION, region.as_str()));
    regions.iter().filter(uses).map(filter).collect()
}

/// Refuses a mapping whose filter shares a topic with one before it, in any region that uses both.
fn overlaps(new: &Binding, earlier: &[Binding]) -> Result<(), Problem> {
    for (region, filter) in &new.filters {
        if topic::is_canonical(filter) || topic::overlap(filter, &topic::canonical_filter(region)) {
            let problem = format!("{filter:?} takes topics under lift/v1/, which are the built-in binding's");
            return Err(Problem::new("topic", problem));
        }
        let theirs = earlier.iter().filter_map(|binding| Some((&binding.name, binding.filter(region)?)));
        for (name, other) in theirs {
            if topic::overlap(filter, other) {
                let problem = format!("{filter:?} takes topics that {other:?} of mapping {name:?} takes too");
                return Err(Problem::new("topic", format!("{problem} (region {region})")));
            }
        }
    }
    Ok(())
}

impl Binding {
    fn filter(&self, region: &RegionCode) -> Option<&str> {
        self.filters.iter().find(|(used, _)| used == region).map(|(_, filter)| filter.as_str())
    }

    fn decode(&self, region: &RegionCode, topic: &str, payload: &[u8]) -> Result<Decoded, Rejection> {
        let unread = |rejection| self.named(topic, rejection);
        let text = strict::text(payload).map_err(unread)?;
        let object = strict::parse(text).map_err(unread)?;
        let address = self.address(region, topic, &object)?;
        let read = || {
            let class = self.class.as_ref().map(|place| class(place, topic, &object)).transpose()?;
            self.family.read(&Message { class, object: &object, text })
        };
        match read() {
            Ok(reading) => Ok(Decoded {
                address,
                class: reading.class,
                facts: reading.facts,
                unknown_codes: reading.unknown_codes,
            }),
            Err(rejection) => Err(rejection.of(&address)),
        }
    }

    /// Names whom an unreadable payload concerns, as far as topic and mapping tell.
    fn named(&self, topic: &str, mut rejection: Rejection) -> Rejection {
        let nothing = Object::default();
        let told = |place| found("", place, topic, &nothing).ok();
        rejection.publisher = told(&self.publisher).and_then(|text| PublisherId::new(&text).ok());
        rejection.unit = told(&self.unit).and_then(|text| UnitId::new(&text).ok());
        rejection
    }

    fn address(&self, region: &RegionCode, topic: &str, object: &Object<'_>) -> Result<Address, Rejection> {
        let refuse = |what: &str, text: &str, error: &dyn std::fmt::Display| {
            Rejection::new(Reason::BadValue, format!("{what}: {} is {error}", shown(text)))
        };
        let text = found("publisher", &self.publisher, topic, object)?;
        let publisher = PublisherId::new(&text).map_err(|error| refuse("publisher", &text, &error))?;
        let known = |mut rejection: Rejection| {
            rejection.publisher = Some(publisher.clone());
            rejection
        };
        let text = found("unit", &self.unit, topic, object).map_err(known)?;
        let unit = UnitId::new(&text).map_err(|error| known(refuse("unit", &text, &error)))?;
        Ok(Address { region: region.clone(), publisher, unit })
    }
}

fn class(place: &Place, topic: &str, object: &Object<'_>) -> Result<Class, Rejection> {
    let word = found("class", place, topic, object)?;
    word.parse().map_err(|_| {
        Rejection::new(Reason::UnknownClass, format!("class {} is none of state, event, visit, hazard", shown(&word)))
    })
}

/// The text at a place.
fn found<'t>(what: &str, place: &'t Place, topic: &'t str, object: &'t Object<'_>) -> Result<Cow<'t, str>, Rejection> {
    match place {
        Place::Fixed(text) => Ok(Cow::Borrowed(text)),
        Place::TopicLevel(number) => topic::level(topic, *number).map(Cow::Borrowed).ok_or_else(|| {
            Rejection::new(Reason::BadTopic, format!("{what}: topic {} has no level {number}", shown(topic)))
        }),
        Place::Pointer(pointer) => {
            let node = object.at(pointer);
            let node =
                node.ok_or_else(|| Rejection::new(Reason::MissingField, format!("{what}: nothing at {pointer}")))?;
            plain(what, node)
        }
    }
}
