//! A message as templates see it: every word in the receiver's language, every time in the city's zone.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::language::Language;
use super::message::{Item, Message};
use crate::domain::words;

/// How one receiver reads messages.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub language: Language,
    pub zone: &'a TimeZone,
    /// The signed link by which this one delivery's receiver says that it was received.
    pub received: Option<&'a str>,
}

/// What templates can name.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    /// A word of [`crate::domain::notice::NotificationKind`].
    pub kind: &'a str,
    pub kind_word: &'static str,
    pub receiver: &'a str,
    pub group: &'a str,
    pub created: String,
    /// How many alerts it is about, and how many of them are not in `items`.
    pub count: usize,
    pub more: usize,
    /// Of the worst of `items`; empty without items.
    pub worst_word: &'a str,
    /// Of all alerts, where they share it; empty otherwise.
    pub site: &'a str,
    pub rule_word: &'a str,
    pub items: Vec<ItemView<'a>>,
    pub note: &'a str,
    /// The lines of a checkpoint.
    pub checkpoint: Vec<&'a str>,
    pub link: Option<&'a str>,
    pub received: Option<&'a str>,
    /// The rendered subject, for the other templates; empty for the subject's own.
    pub subject: String,
}

/// One alert.
#[derive(Debug, Serialize)]
pub struct ItemView<'a> {
    pub alert: &'a str,
    pub rule: &'a str,
    pub rule_word: &'a str,
    pub severity: &'a str,
    pub severity_word: &'a str,
    pub change: &'a str,
    pub change_word: &'a str,
    pub firing: bool,
    pub since: String,
    pub until: Option<String>,
    pub unit: &'a str,
    pub region: &'a str,
    pub site: &'a str,
    pub address: &'a str,
    pub owner: &'a str,
    pub maintainer: &'a str,
    pub summary: &'a str,
    pub basis: &'a str,
    pub expected: &'a str,
    pub by: Option<String>,
    pub link: Option<&'a str>,
}

impl<'a> View<'a> {
    /// The message as this receiver reads it.
    #[must_use]
    pub fn new(message: &'a Message, look: Look<'a>) -> Self {
        let items: Vec<ItemView<'a>> = message.items.iter().map(|item| item_view(item, look)).collect();
        let whole = items.len() == message.count;
        Self {
            kind: &message.kind,
            kind_word: kind_word(&message.kind, look.language),
            receiver: &message.receiver,
            group: &message.group,
            created: local(message.created_at, look.zone),
            count: message.count,
            more: message.count.saturating_sub(items.len()),
            worst_word: items.first().map_or("", |item| item.severity_word),
            site: shared(&message.items, whole, |item| &item.site),
            rule_word: if shared(&message.items, whole, |item| &item.rule).is_empty() {
                ""
            } else {
                items[0].rule_word
            },
            items,
            note: look.language.of(&message.zh, &message.en),
            checkpoint: message.checkpoint.lines().collect(),
            link: message.link.as_deref(),
            received: look.received,
            subject: String::new(),
        }
    }
}

fn item_view<'a>(item: &'a Item, look: Look<'_>) -> ItemView<'a> {
    ItemView {
        alert: &item.alert,
        rule: &item.rule,
        rule_word: word("rule", &item.rule, look.language),
        severity: &item.severity,
        severity_word: word("severity", &item.severity, look.language),
        change: &item.change,
        change_word: word("transition", &item.change, look.language),
        firing: item.firing,
        since: local(item.starts_at, look.zone),
        // The end of a sliding window is known in advance; while the alert fires it is nobody's business.
        until: item.ends_at.filter(|_| !item.firing).map(|at| local(at, look.zone)),
        unit: &item.unit,
        region: &item.region,
        site: &item.site,
        address: &item.address,
        owner: &item.owner,
        maintainer: &item.maintainer,
        summary: look.language.of(&item.summary_zh, &item.summary_en),
        basis: in_language(&item.basis, look.language),
        expected: look.language.of(&item.expected_zh, &item.expected_en),
        by: item.expected_by.map(|at| local(at, look.zone)),
        link: item.link.as_deref(),
    }
}

/// A rule's basis is Chinese, ` / `, English (`src/detect/rule.rs`).
fn in_language(basis: &str, language: Language) -> &str {
    basis.split_once(" / ").map_or(basis, |(zh, en)| language.of(zh, en))
}

/// A code without a word is shown as it is.
fn word<'a>(list: &str, code: &'a str, language: Language) -> &'a str {
    words::find(list, code).map_or(code, |(zh, en)| language.of(zh, en))
}

fn kind_word(kind: &str, language: Language) -> &'static str {
    let (zh, en) = match kind {
        "reminder" => ("催办", "Reminder"),
        "escalation" => ("升级", "Escalation"),
        "digest" => ("汇总", "Digest"),
        _ => ("", ""),
    };
    language.of(zh, en)
}

/// What every alert of the message has; of those that are not listed nobody can say.
fn shared<'a>(items: &'a [Item], whole: bool, part: impl Fn(&'a Item) -> &'a String) -> &'a str {
    let first = items.first().map_or("", |item| part(item));
    if whole && items.iter().all(|item| part(item) == first) { first } else { "" }
}

/// With its offset: a firm may sit in another zone than the city.
fn local(millis: i64, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let minutes = zone.to_offset(at).seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
    format!("{} {sign}{hours:02}:{minutes:02}", zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S"))
}
