//! Who hears of an alert: the routes, from the top, the first that matches unless it says to go on. Pure.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::matcher::{Label, Labels, Matcher, quoted};
use super::period;
use crate::domain::time::{HOUR, MINUTE, SECOND};
use crate::serde_word;

/// A name with at most one placeholder: `maintainer:{maintainer}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    before: String,
    label: Option<Label>,
    after: String,
}

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    #[error("is empty")]
    Empty,
    #[error("has a brace without its partner, or more than one placeholder")]
    Braces,
    #[error(
        "unknown placeholder {{{0}}}; known: {{rule}}, {{severity}}, {{region}}, {{site}}, {{maintainer}}, {{owner}}, {{unit}}"
    )]
    UnknownPlaceholder(String),
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// It is empty, or its braces hold no label, or there are more than one pair of them.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        if text.is_empty() {
            return Err(NotAName::Empty);
        }
        let Some((before, rest)) = text.split_once('{') else {
            let stray = text.contains('}');
            let name = Self { before: text.to_owned(), label: None, after: String::new() };
            return if stray { Err(NotAName::Braces) } else { Ok(name) };
        };
        let (inside, after) = rest.split_once('}').ok_or(NotAName::Braces)?;
        if before.contains('}') || after.contains(['{', '}']) {
            return Err(NotAName::Braces);
        }
        let label = inside.parse().map_err(|_| NotAName::UnknownPlaceholder(inside.chars().take(64).collect()))?;
        Ok(Self { before: before.to_owned(), label: Some(label), after: after.to_owned() })
    }

    /// The placeholder's label.
    #[must_use]
    pub fn label(&self) -> Option<Label> {
        self.label
    }

    /// The name for one alert.
    #[must_use]
    pub fn fill(&self, labels: &Labels) -> String {
        let value = self.label.map_or("", |label| labels.get(label));
        format!("{}{value}{}", self.before, self.after)
    }

    /// What stands for the placeholder in a filled name, empty for a name without one; `None` where the name is not
    /// one of this kind.
    #[must_use]
    pub fn value_in<'a>(&self, filled: &'a str) -> Option<&'a str> {
        if self.label.is_none() {
            return (filled == self.before).then_some("");
        }
        let value = filled.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        (!value.is_empty()).then_some(value)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// As it is written in the file.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.label {
            Some(label) => write!(f, "{}{{{label}}}{}", self.before, self.after),
            None => f.write_str(&self.before),
        }
    }
}

/// One `[[route]]`. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// All of them must be met.
    #[serde(rename = "match", default)]
    pub matchers: Vec<Matcher>,
    pub receiver: Name,
    /// Alerts whose values of these are the same are told together; without any, all of the route are.
    #[serde(default, with = "serde_word::many")]
    pub group_by: Vec<Label>,
    /// How long a new group waits for more of its kind before it is told.
    #[serde(default = "group_wait", deserialize_with = "period::millis")]
    pub group_wait: i64,
    /// The least time between two messages of one group.
    #[serde(default = "group_interval", deserialize_with = "period::millis")]
    pub group_interval: i64,
    /// After so long without an answer a group that still fires is told again.
    #[serde(default = "repeat_interval", deserialize_with = "period::millis")]
    pub repeat_interval: i64,
    /// Whether the routes below are asked too.
    #[serde(rename = "continue", default)]
    pub continues: bool,
}

/// Ours: a power cut shows itself within seconds, and its first message must be out within ten.
const fn group_wait() -> i64 {
    5 * SECOND
}

/// Alertmanager's default.
const fn group_interval() -> i64 {
    5 * MINUTE
}

/// Alertmanager's default.
const fn repeat_interval() -> i64 {
    4 * HOUR
}

/// Somebody hears of an alert, and with which others together. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    /// With its placeholder filled.
    pub receiver: String,
    /// What the group is, readable: the route's matchers, then the labels it shares. It does not change when routes
    /// are moved about in the file.
    pub group_key: String,
    pub wait: i64,
    pub interval: i64,
    pub repeat: i64,
}

/// What one route says to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It matches.
    Heard(Hearing),
    /// It matches, and an earlier route tells the same receiver already.
    HeardAlready(Hearing),
    /// The first matcher that the alert does not meet.
    Unmet(&'a Matcher),
    /// The receiver's name needs a label that the unit does not have, so the route is passed over.
    NoValue(Label),
}

/// The rule whose alerts are never folded: people are inside.
pub const NEVER_FOLDED: &str = "entrapment";

/// Who hears of an alert with these labels, each receiver once; nobody where no route matches.
#[must_use]
pub fn receivers(routes: &[Route], labels: &Labels) -> Vec<Hearing> {
    let heard = explain(routes, labels).into_iter().filter_map(|(_, verdict)| match verdict {
        Verdict::Heard(hearing) => Some(hearing),
        Verdict::HeardAlready(_) | Verdict::Unmet(_) | Verdict::NoValue(_) => None,
    });
    heard.collect()
}

/// Who hears of what becomes of an alert that people were told of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequel {
    pub hearings: Vec<Hearing>,
    /// Receivers whose route is another one now, with the group in which they were told and the one in which they hear
    /// from now on: what they know of the alert moves along, or the old group would remind them of it for ever.
    pub moved: Vec<(String, String, String)>,
}

/// Who hears of what becomes of an alert: those whom the routes name now, and those who were told of it by a route that
/// does not match any more, since its severity rose or the unit changed hands. `known` are those who were told.
#[must_use]
pub fn sequel(routes: &[Route], labels: &Labels, known: &[Hearing]) -> Sequel {
    let mut sequel = Sequel { hearings: receivers(routes, labels), moved: Vec::new() };
    for told in known {
        match sequel.hearings.iter().find(|hearing| hearing.receiver == told.receiver) {
            None => sequel.hearings.push(told.clone()),
            Some(now) if now.group_key != told.group_key => {
                let (from, to) = (told.group_key.clone(), now.group_key.clone());
                sequel.moved.push((told.receiver.clone(), from, to));
            }
            Some(_) => {}
        }
    }
    sequel
}

/// What each route says, with its position from 0, up to the one that ends the search.
#[must_use]
pub fn explain<'a>(routes: &'a [Route], labels: &Labels) -> Vec<(usize, Verdict<'a>)> {
    let mut said: Vec<(usize, Verdict<'a>)> = Vec::new();
    for (position, route) in routes.iter().enumerate() {
        let verdict = match verdict(route, labels) {
            Verdict::Heard(hearing) if is_told(&said, &hearing.receiver) => Verdict::HeardAlready(hearing),
            verdict => verdict,
        };
        let ends = matches!(verdict, Verdict::Heard(_) | Verdict::HeardAlready(_)) && !route.continues;
        said.push((position, verdict));
        if ends {
            break;
        }
    }
    said
}

fn is_told(said: &[(usize, Verdict<'_>)], receiver: &str) -> bool {
    said.iter().any(|(_, earlier)| matches!(earlier, Verdict::Heard(hearing) if hearing.receiver == receiver))
}

/// What a route says by itself.
fn verdict<'a>(route: &'a Route, labels: &Labels) -> Verdict<'a> {
    if let Some(unmet) = route.matchers.iter().find(|matcher| !matcher.matches(labels)) {
        return Verdict::Unmet(unmet);
    }
    if let Some(label) = route.receiver.label().filter(|label| labels.get(*label).is_empty()) {
        return Verdict::NoValue(label);
    }
    let alone = labels.rule == NEVER_FOLDED;
    let by: &[Label] = if alone { &[Label::Rule, Label::Unit] } else { &route.group_by };
    Verdict::Heard(Hearing {
        receiver: route.receiver.fill(labels),
        group_key: group_key(&route.matchers, by, labels),
        wait: if alone { 0 } else { route.group_wait },
        interval: if alone { 0 } else { route.group_interval },
        repeat: route.repeat_interval,
    })
}

fn group_key(matchers: &[Matcher], by: &[Label], labels: &Labels) -> String {
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    let shared: Vec<String> = by.iter().map(|label| format!("{label}={}", quoted(labels.get(*label)))).collect();
    format!("{{{}}}:{{{}}}", matchers.join(","), shared.join(","))
}
