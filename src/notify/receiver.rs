//! `[[receiver]]`: who can be told, and by which sinks; found by a name that a route has filled in.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fill::Values;
use super::guard::Net;
use super::language::Language;
use super::route::Name;
use super::sink::{Sink, SinkError};
use super::sinks::{alertmanager, dingtalk, email, mqtt, webhook, wecom};
use crate::serde_word;

/// One `[[receiver]]`. Each sink reads its own settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// With a placeholder, `maintainer:{maintainer}`, it is one for each firm of the registry.
    pub name: Name,
    /// In which messages are written.
    #[serde(default = "chinese", with = "serde_word::one")]
    pub language: Language,
    #[serde(default)]
    pub webhook: Vec<webhook::Settings>,
    #[serde(default)]
    pub alertmanager: Vec<alertmanager::Settings>,
    #[serde(default)]
    pub mqtt: Vec<mqtt::Settings>,
    #[serde(default)]
    pub email: Vec<email::Settings>,
    #[serde(default)]
    pub wecom: Vec<wecom::Settings>,
    #[serde(default)]
    pub dingtalk: Vec<dingtalk::Settings>,
}

fn chinese() -> Language {
    Language::Chinese
}

/// What a receiver asks of each sink's settings.
trait Part {
    /// What can be said of them without opening a file.
    fn problems(&self) -> Vec<SinkError>;

    /// Makes the sink: fills placeholders in, reads secrets, calls nobody.
    fn connect(&self, given: &Given<'_>) -> Result<Box<dyn Sink>, SinkError>;
}

/// What there is for making a sink.
struct Given<'a> {
    values: &'a Values,
    allow_nets: &'a [Net],
}

/// Gives a sink's settings the face that receivers ask for; in brackets what its `connect` takes.
macro_rules! part {
    ($sink:ident($($given:ident),*)) => {
        impl Part for $sink::Settings {
            fn problems(&self) -> Vec<SinkError> {
                self.problems()
            }

            fn connect(&self, _given: &Given<'_>) -> Result<Box<dyn Sink>, SinkError> {
                Ok(Box::new(self.connect($(_given.$given),*)?))
            }
        }
    };
}

part!(webhook(values, allow_nets));
part!(alertmanager());
part!(mqtt(values));
part!(email(values));
part!(wecom(values, allow_nets));
part!(dingtalk(values, allow_nets));

/// Where a sink's settings stand: its kind and its place among those of the kind, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub kind: &'static str,
    pub position: usize,
}

/// The sink's name in the record: `webhook-0`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.kind, self.position)
    }
}

/// A sink that was made, or why it could not be.
pub type Made = (Place, Result<Box<dyn Sink>, SinkError>);

impl Receiver {
    /// The sinks, in the order in which they are told.
    #[must_use]
    pub fn sinks(&self) -> Vec<Place> {
        self.parts().into_iter().map(|(place, _)| place).collect()
    }

    /// What can be said of the sinks' settings without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<(Place, SinkError)> {
        let of_part = |(place, part): (Place, &dyn Part)| part.problems().into_iter().map(move |error| (place, error));
        self.parts().into_iter().flat_map(of_part).collect()
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        self.webhook.iter_mut().for_each(|part| part.resolve(place));
        self.alertmanager.iter_mut().for_each(|part| part.resolve(place));
        self.mqtt.iter_mut().for_each(|part| part.resolve(place));
        self.email.iter_mut().for_each(|part| part.resolve(place));
        self.wecom.iter_mut().for_each(|part| part.resolve(place));
        self.dingtalk.iter_mut().for_each(|part| part.resolve(place));
    }

    /// Makes every sink for these values of the placeholder; calls nobody. A sink that cannot be made keeps no other back.
    #[must_use]
    pub fn connect(&self, values: &Values, allow_nets: &[Net]) -> Vec<Made> {
        let given = Given { values, allow_nets };
        self.parts().into_iter().map(|(place, part)| (place, part.connect(&given))).collect()
    }

    /// Makes one sink anew.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn remake(&self, place: Place, values: &Values, allow_nets: &[Net]) -> Result<Box<dyn Sink>, SinkError> {
        let found = self.parts().into_iter().find(|(known, _)| *known == place);
        let (_, part) = found.ok_or_else(|| SinkError::new("", "the receiver has no such sink"))?;
        part.connect(&Given { values, allow_nets })
    }

    fn parts(&self) -> Vec<(Place, &dyn Part)> {
        let mut parts = Vec::new();
        gather(&mut parts, "webhook", &self.webhook);
        gather(&mut parts, "alertmanager", &self.alertmanager);
        gather(&mut parts, "mqtt", &self.mqtt);
        gather(&mut parts, "email", &self.email);
        gather(&mut parts, "wecom", &self.wecom);
        gather(&mut parts, "dingtalk", &self.dingtalk);
        parts
    }
}

fn gather<'a, P: Part>(parts: &mut Vec<(Place, &'a dyn Part)>, kind: &'static str, settings: &'a [P]) {
    for (position, part) in settings.iter().enumerate() {
        parts.push((Place { kind, position }, part));
    }
}

/// A receiver, and what stands for the placeholder in its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    pub receiver: &'a Receiver,
    /// Empty where the name has no placeholder.
    pub values: Values,
}

/// Who has this name: a receiver that is called exactly so, or else the first whose placeholder can stand for the rest.
#[must_use]
pub fn find<'a>(receivers: &'a [Receiver], name: &str) -> Option<Found<'a>> {
    let found = |receiver: &'a Receiver| {
        let value = receiver.name.value_in(name)?;
        let values = receiver.name.label().map(|label| (label.to_string(), value.to_owned()));
        Some(Found { receiver, values: values.into_iter().collect() })
    };
    let exact = receivers.iter().filter(|receiver| receiver.name.label().is_none()).find_map(found);
    exact.or_else(|| receivers.iter().find_map(found))
}
