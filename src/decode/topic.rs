//! MQTT topics and filters as text: the canonical topic, matching, overlap. Never talks to a broker.

use crate::decode::mapping::{Address, Class, Reason, Rejection, shown};
use crate::domain::id::{PublisherId, RegionCode, UnitId};

/// What every canonical topic begins with.
const PREFIX: &str = "lift/v1/";

/// What a mapping's filter writes where the session's region code is to stand.
pub const REGION: &str = "{region}";

/// The canonical filter of a region.
#[must_use]
pub fn canonical_filter(region: &RegionCode) -> String {
    format!("{PREFIX}{region}/+/+/+")
}

/// Whether a topic claims to be canonical, so that its faults are told in canonical terms.
#[must_use]
pub fn is_canonical(topic: &str) -> bool {
    topic.starts_with(PREFIX)
}

/// Reads `lift/v1/<region>/<publisher>/<unit>/<class>`.
///
/// # Errors
/// [`Reason::BadTopic`], [`Reason::ForeignRegion`] or [`Reason::UnknownClass`].
pub fn canonical(region: &RegionCode, topic: &str) -> Result<(Address, Class), Rejection> {
    let mut levels = topic.strip_prefix(PREFIX).unwrap_or_default().split('/');
    let parts = (levels.next(), levels.next(), levels.next(), levels.next(), levels.next());
    let (Some(place), Some(publisher), Some(unit), Some(class), None) = parts else {
        let detail = format!("topic {} is not lift/v1/<region>/<publisher>/<unit>/<class>", shown(topic));
        return Err(Rejection::new(Reason::BadTopic, detail));
    };
    let mut seen = Rejection::new(Reason::BadTopic, "");
    let publisher_id = PublisherId::new(publisher);
    let unit_id = UnitId::new(unit);
    seen.publisher = publisher_id.as_ref().ok().cloned();
    seen.unit = unit_id.as_ref().ok().cloned();
    let refuse = |reason: Reason, detail: String| Rejection { reason, detail, ..seen.clone() };
    if place != region.as_str() {
        let detail = format!("topic names region {}, this session is of region {region}", shown(place));
        return Err(refuse(Reason::ForeignRegion, detail));
    }
    let publisher =
        publisher_id.map_err(|e| refuse(Reason::BadTopic, format!("publisher {} is {e}", shown(publisher))))?;
    let unit = unit_id.map_err(|e| refuse(Reason::BadTopic, format!("unit {} is {e}", shown(unit))))?;
    let class = class.parse().map_err(|_| {
        refuse(Reason::UnknownClass, format!("class {} is none of state, event, visit, hazard", shown(class)))
    })?;
    Ok((Address { region: region.clone(), publisher, unit }, class))
}

/// Checks that a text is a filter that a session may subscribe to.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn check_filter(filter: &str) -> Result<(), String> {
    if filter.is_empty() || filter.len() > 1_024 || filter.chars().any(char::is_control) {
        return Err("not a filter of 1 to 1024 bytes without control characters".to_owned());
    }
    if filter.starts_with('$') {
        return Err("begins with `$`: shared subscriptions break the order of a unit's messages".to_owned());
    }
    let levels: Vec<&str> = filter.split('/').collect();
    for (index, level) in levels.iter().enumerate() {
        if level.contains('#') && (*level != "#" || index + 1 != levels.len()) {
            return Err("`#` stands alone and last, or not at all".to_owned());
        }
        if level.contains('+') && *level != "+" {
            return Err("`+` stands alone in its level, or not at all".to_owned());
        }
    }
    if matches!(levels[0], "#" | "+") {
        return Err("begins with a wildcard: it would take the canonical topics too".to_owned());
    }
    Ok(())
}

/// Whether a filter takes a topic (MQTT 5, section 4.7).
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Whether some topic is taken by both filters.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

/// The level of a topic, counted from 1.
#[must_use]
pub fn level(topic: &str, number: usize) -> Option<&str> {
    topic.split('/').nth(number.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_topics_as_the_standard_says() {
        for (filter, topic, taken) in [
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/d", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(matches(filter, topic), taken, "{filter} {topic}");
        }
    }

    #[test]
    fn overlap_is_symmetric_and_finds_a_common_topic() {
        for (one, other, common) in [
            ("a/+/c", "a/b/+", true),
            ("a/+/c", "a/b/d", false),
            ("a/#", "a", true),
            ("a/b", "a/b/c", false),
            ("a/b/#", "a/+", true),
            ("lift/v1/350582/+/+/+", "lift/#", true),
            ("lift/v1/350582/+/+/+", "gb/#", false),
        ] {
            assert_eq!(overlap(one, other), common, "{one} {other}");
            assert_eq!(overlap(other, one), common, "{other} {one}");
        }
    }
}
