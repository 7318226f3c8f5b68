//! `[[receiver]]`: who can be told, and by which sinks; found by a name that a route has filled in.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::language::Language;
use super::route::Name;
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
}

fn chinese() -> Language {
    Language::Chinese
}

impl Receiver {
    /// The sinks by their name in the record, which is their kind and their place among those of that kind: `webhook-0`.
    #[must_use]
    pub fn sinks(&self) -> Vec<String> {
        let kinds: [(&str, usize); 0] = [];
        let named = |(kind, count): (&'static str, usize)| (0..count).map(move |place| format!("{kind}-{place}"));
        kinds.into_iter().flat_map(named).collect()
    }
}

/// A receiver, and what stands for the placeholder in its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    pub receiver: &'a Receiver,
    /// From the placeholder's name to its value: `maintainer` to the firm. Empty where the name has none.
    pub values: BTreeMap<String, String>,
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
