//! What the MQTT sink's topics show: for each unit the alerts that fire. Pure; publishes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::time::{HOUR, Timestamp};
use crate::notify::message::Item;

/// How long a broker may keep a retained message of which it hears nothing more: if liftwatch is gone for longer, its last
/// word no longer stands as if it were true. Seconds.
pub const EXPIRES: u32 = 24 * 3600;

/// When a message is published anew although nothing changed, well before it expires.
const REPEATED: i64 = 12 * HOUR;

/// One publish that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub topic: String,
    /// `None` clears the topic.
    pub payload: Option<String>,
}

/// All topics of one receiver.
#[derive(Debug)]
pub struct Board {
    /// Where the topics begin: `liftalert/v1`.
    prefix: String,
    topics: BTreeMap<String, Topic>,
    /// Whether everything that fires has been shown once. Until then a topic may have been filled by an earlier process
    /// with alerts that we have not heard of, so nothing is cleared.
    complete: bool,
}

#[derive(Debug, Default)]
struct Topic {
    /// By the alert's id. Most topics have one: in the map itself it would take the room of eleven.
    alerts: BTreeMap<String, Box<Item>>,
    /// What the broker has, and since when; `None` if we do not know.
    told: Option<(Option<String>, Timestamp)>,
    changed: Option<Timestamp>,
}

impl Board {
    /// An empty one, of which nobody has said yet what fires.
    #[must_use]
    pub fn under(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), topics: BTreeMap::new(), complete: false }
    }

    /// Takes the alerts of one message; gives what to publish, changed or not: a reminder is there to be heard again.
    pub fn note(&mut self, items: &[Item], now: Timestamp) -> Vec<Due> {
        let mut touched = BTreeSet::new();
        for item in items {
            let name = self.topic_of(item);
            let topic = self.topics.entry(name.clone()).or_default();
            if item.firing {
                topic.alerts.insert(item.alert.clone(), Box::new(item.clone()));
            } else {
                topic.alerts.remove(&item.alert);
            }
            topic.changed = Some(now);
            touched.insert(name);
        }
        let complete = self.complete;
        let due = touched.into_iter().filter_map(|name| {
            let topic = self.topics.get_mut(&name)?;
            if topic.alerts.is_empty() && !complete {
                return None;
            }
            Some(topic.publish(name, now))
        });
        due.collect()
    }

    /// Takes everything that fires, as it was at `now`; gives what differs from what the broker has.
    pub fn show(&mut self, firing: &[Item], now: Timestamp) -> Vec<Due> {
        let mut shown: BTreeMap<String, BTreeMap<String, Box<Item>>> = BTreeMap::new();
        for item in firing {
            shown.entry(self.topic_of(item)).or_default().insert(item.alert.clone(), Box::new(item.clone()));
        }
        for name in shown.keys() {
            self.topics.entry(name.clone()).or_default();
        }
        self.complete = true;
        let mut due = Vec::new();
        for (name, topic) in &mut self.topics {
            // What came since this list was made knows better.
            if topic.changed.is_none_or(|changed| changed <= now) {
                topic.alerts = shown.remove(name).unwrap_or_default();
            }
            let says = topic.payload();
            let stands = topic.told.as_ref().is_some_and(|(told, at)| *told == says && now - *at < REPEATED);
            if !stands {
                due.push(topic.publish(name.clone(), now));
            }
        }
        self.topics.retain(|_, topic| !topic.alerts.is_empty() || topic.changed.is_some_and(|changed| changed > now));
        due
    }

    /// The broker did not take it.
    pub fn not_taken(&mut self, due: &Due) {
        // An emptied topic that was let go comes back, so that the next showing clears it.
        self.topics.entry(due.topic.clone()).or_default().told = None;
    }

    /// The broker may have forgotten everything.
    pub fn forget_told(&mut self) {
        for topic in self.topics.values_mut() {
            topic.told = None;
        }
    }

    fn topic_of(&self, item: &Item) -> String {
        if item.unit.is_empty() {
            // An area event: of a place, and of no unit and no firm.
            return format!("{}/_area/{}", self.prefix, level(format!("{} {}", item.region, item.site).trim_end()));
        }
        format!("{}/{}/{}", self.prefix, level(&item.maintainer), level(&item.unit))
    }
}

impl Topic {
    fn publish(&mut self, name: String, now: Timestamp) -> Due {
        let payload = self.payload();
        self.told = Some((payload.clone(), now));
        Due { topic: name, payload }
    }

    fn payload(&self) -> Option<String> {
        let first = self.alerts.values().next()?;
        let told = Told {
            unit: &first.unit,
            region: &first.region,
            site: &first.site,
            address: &first.address,
            maintainer: &first.maintainer,
            alerts: self.alerts.values().map(|item| Alert::of(item)).collect(),
        };
        Some(serde_json::to_string(&told).expect("texts and lists are JSON"))
    }
}

#[derive(Serialize)]
struct Told<'a> {
    unit: &'a str,
    region: &'a str,
    site: &'a str,
    address: &'a str,
    maintainer: &'a str,
    alerts: Vec<Alert<'a>>,
}

#[derive(Serialize)]
struct Alert<'a> {
    id: &'a str,
    rule: &'a str,
    severity: &'a str,
    starts_at: String,
    summary: Both<'a>,
    basis: &'a str,
    expected: Both<'a>,
    expected_by: Option<String>,
    link: Option<&'a str>,
}

#[derive(Serialize)]
struct Both<'a> {
    zh: &'a str,
    en: &'a str,
}

impl<'a> Alert<'a> {
    fn of(item: &'a Item) -> Self {
        Self {
            id: &item.alert,
            rule: &item.rule,
            severity: &item.severity,
            starts_at: Timestamp(item.starts_at).to_string(),
            summary: Both { zh: &item.summary_zh, en: &item.summary_en },
            basis: &item.basis,
            expected: Both { zh: &item.expected_zh, en: &item.expected_en },
            expected_by: item.expected_by.map(|at| Timestamp(at).to_string()),
            link: item.link.as_deref(),
        }
    }
}

/// One level of a topic: what MQTT reads for itself is written as `%XX`; an empty name as `_`.
fn level(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '/' | '+' | '#' | '%') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                written.push_str(&format!("%{byte:02X}"));
            }
        } else {
            written.push(c);
        }
    }
    if written.is_empty() { "_".to_owned() } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp(1_000_000);

    fn item(alert: &str, unit: &str, firing: bool) -> Item {
        Item {
            alert: alert.to_owned(),
            rule: "entrapment".to_owned(),
            severity: "critical".to_owned(),
            change: "firing".to_owned(),
            firing,
            starts_at: 0,
            ends_at: None,
            unit: unit.to_owned(),
            region: "350582".to_owned(),
            site: String::new(),
            address: String::new(),
            owner: String::new(),
            maintainer: "f".to_owned(),
            summary_zh: String::new(),
            summary_en: String::new(),
            basis: String::new(),
            expected_zh: String::new(),
            expected_en: String::new(),
            expected_by: None,
            link: None,
        }
    }

    fn cleared(due: &[Due]) -> Vec<(&str, bool)> {
        due.iter().map(|due| (due.topic.as_str(), due.payload.is_none())).collect()
    }

    #[test]
    fn a_topic_is_cleared_when_the_last_alert_of_its_unit_ends() {
        let mut board = Board::under("liftalert/v1");
        board.show(&[], T);
        board.note(&[item("a", "L", true), item("b", "L", true)], T);
        let one = board.note(&[item("a", "L", false)], T);
        assert!(one[0].payload.as_ref().unwrap().contains("\"b\""));
        assert_eq!(cleared(&board.note(&[item("b", "L", false)], T)), [("liftalert/v1/f/L", true)]);
    }

    #[test]
    fn nothing_is_cleared_before_everything_that_fires_was_shown() {
        let mut board = Board::under("liftalert/v1");
        assert_eq!(board.note(&[item("a", "L", false), item("c", "M", false)], T), []);
        let due = board.show(&[item("b", "L", true)], T + 1);
        assert_eq!(cleared(&due), [("liftalert/v1/f/L", false), ("liftalert/v1/f/M", true)]);
    }

    #[test]
    fn a_showing_repeats_only_what_the_broker_may_not_have() {
        let mut board = Board::under("liftalert/v1");
        let firing = [item("a", "L", true)];
        let due = board.show(&firing, T);
        assert_eq!(due.len(), 1);
        assert_eq!(board.show(&firing, T + 1), []);
        board.not_taken(&due[0]);
        assert_eq!(board.show(&firing, T + 2).len(), 1);
        board.forget_told();
        assert_eq!(board.show(&firing, T + 3).len(), 1);
        assert_eq!(board.show(&firing, T + 3 + REPEATED).len(), 1);
    }

    #[test]
    fn a_clearing_that_was_not_taken_is_tried_again() {
        let mut board = Board::under("liftalert/v1");
        board.show(&[item("a", "L", true)], T);
        let due = board.show(&[], T + 1);
        assert_eq!(cleared(&due), [("liftalert/v1/f/L", true)]);
        assert_eq!(board.show(&[], T + 2), []);
        board.not_taken(&due[0]);
        assert_eq!(cleared(&board.show(&[], T + 3)), [("liftalert/v1/f/L", true)]);
        assert!(board.topics.is_empty(), "what is cleared is let go");
    }

    #[test]
    fn a_list_that_is_older_than_a_message_does_not_undo_it() {
        let mut board = Board::under("liftalert/v1");
        board.show(&[item("a", "L", true)], T);
        board.note(&[item("a", "L", false)], T + 10);
        assert_eq!(board.show(&[item("a", "L", true)], T + 5), []);
        assert_eq!(board.show(&[], T + 20), []);
    }

    #[test]
    fn a_firms_name_is_one_level_of_the_topic() {
        assert_eq!(level("a/b+c#%\u{0}闽"), "a%2Fb%2Bc%23%25%00闽");
        assert_eq!(level(""), "_");
    }
}
