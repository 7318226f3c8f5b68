//! How a time, a severity, an alert and an event look on every page: text that is ready for a template.

use askama::Template;

use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::http::calendar::Calendar;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::store::read::alerts::AlertRow;
use crate::store::read::events::EventRow;

/// A point in time: China's time for people, UTC for machines and for comparing with logs.
#[derive(Debug, Clone, Template)]
#[template(
    source = "<time datetime=\"{{ utc }}\" title=\"{{ utc }}\">{{ local }}</time> <span class=\"ago\">{{ ago }}</span>",
    ext = "html"
)]
pub struct Moment {
    pub local: String,
    pub utc: String,
    /// The same for the eye.
    pub universal: Universal,
    /// How far from now, roughly.
    pub ago: String,
}

/// Universal time in two parts, so that a narrow screen breaks it between day and time and nowhere else.
#[derive(Debug, Clone, Template)]
#[template(source = "<span class=\"number\"><span>{{ day }}</span> <span>{{ time }}</span></span>", ext = "html")]
pub struct Universal {
    day: String,
    time: String,
}

/// From where times are read: the zone, now, and the language.
#[derive(Debug, Clone)]
pub struct Desk {
    pub calendar: Calendar,
    pub now: Timestamp,
    pub language: Language,
}

impl Desk {
    /// The desk of a reader who asks now.
    #[must_use]
    pub fn of(http: &Http, language: Language) -> Self {
        Self { calendar: http.calendar.clone(), now: http.clock.now(), language }
    }
}

impl Moment {
    /// `at` as it is read from `desk`.
    #[must_use]
    pub fn of(at: i64, desk: &Desk) -> Self {
        let at = Timestamp(at);
        let utc = at.to_string();
        let (day, time) = utc.split_once('T').unwrap_or((&utc, ""));
        let universal = Universal { day: day.to_owned(), time: time.trim_end_matches('Z').to_owned() };
        let ago = distance(desk.now - at, desk.language);
        Self { local: desk.calendar.local(at), universal, ago, utc }
    }
}

/// `3 分钟前`, `in 4 days`.
fn distance(millis: i64, language: Language) -> String {
    let span = millis.saturating_abs();
    let (n, zh, en) = match span {
        ..MINUTE => return if language == Language::Zh { "刚刚".to_owned() } else { "just now".to_owned() },
        MINUTE..HOUR => (span / MINUTE, "分钟", "minute"),
        HOUR..DAY => (span / HOUR, "小时", "hour"),
        _ => (span / DAY, "天", "day"),
    };
    let plural = if n == 1 { "" } else { "s" };
    match (language, millis > 0) {
        (Language::Zh, true) => format!("{n} {zh}前"),
        (Language::Zh, false) => format!("{n} {zh}后"),
        (Language::En, true) => format!("{n} {en}{plural} ago"),
        (Language::En, false) => format!("in {n} {en}{plural}"),
    }
}

/// A severity as a word with a sign, so that colour is never alone.
#[derive(Debug, Clone, Template)]
#[template(
    source = "<span class=\"badge {{ class }}\"><span aria-hidden=\"true\">{{ sign }}</span> {{ word }}</span>",
    ext = "html"
)]
pub struct Badge {
    class: &'static str,
    sign: &'static str,
    word: String,
}

impl Badge {
    /// The badge of a severity.
    #[must_use]
    pub fn severity(code: &str, language: Language) -> Self {
        let (class, sign) = match code {
            "critical" => ("critical", "▲"),
            "warning" => ("warning", "◆"),
            _ => ("info", "●"),
        };
        Self { class, sign, word: language.word("severity", code) }
    }

    /// The badge of where an alert stands.
    #[must_use]
    pub fn state(code: &str, language: Language) -> Self {
        let (class, sign) = match code {
            "firing" => ("firing", "◉"),
            "resolved" => ("good", "✓"),
            _ => ("quiet", "–"),
        };
        Self { class, sign, word: language.word("state", code) }
    }

    /// The badge of whether an area event lasts.
    #[must_use]
    pub fn area(code: &str, language: Language) -> Self {
        let (class, sign) = if code == "open" { ("firing", "◉") } else { ("good", "✓") };
        Self { class, sign, word: language.word("area", code) }
    }

    /// The badge of when a silence is in force.
    #[must_use]
    pub fn silence(code: &str, language: Language) -> Self {
        let (class, sign) = match code {
            "active" => ("info", "◐"),
            _ => ("quiet", "–"),
        };
        Self { class, sign, word: language.word("silence", code) }
    }

    /// The badge of whether a record stands or a later one replaces it.
    #[must_use]
    pub fn visit(replaced: bool, language: Language) -> Self {
        let t = language.phrases();
        let (class, sign, word) =
            if replaced { ("quiet", "–", t.visit_replaced) } else { ("good", "✓", t.visit_stands) };
        Self { class, sign, word: word.to_owned() }
    }

    /// The badge of a link: `None` where no link is configured.
    #[must_use]
    pub fn link(connected: Option<bool>, language: Language) -> Self {
        let t = language.phrases();
        let (class, sign, word) = match connected {
            Some(true) => ("good", "✓", t.connected),
            Some(false) => ("critical", "✕", t.disconnected),
            None => ("quiet", "–", t.not_configured),
        };
        Self { class, sign, word: word.to_owned() }
    }
}

/// An alert as lists show it.
#[derive(Debug, Clone)]
pub struct AlertView {
    pub id: String,
    pub unit: String,
    pub place: String,
    pub severity: Badge,
    pub state: Badge,
    pub rule: String,
    pub summary: String,
    pub starts: Moment,
}

impl AlertView {
    /// The view of a row.
    #[must_use]
    pub fn of(row: &AlertRow, desk: &Desk) -> Self {
        let language = desk.language;
        Self {
            id: row.id.clone(),
            unit: row.unit.clone(),
            place: row.site.clone().unwrap_or_default(),
            severity: Badge::severity(&row.severity, language),
            state: Badge::state(&row.state, language),
            rule: language.word("rule", &row.rule),
            summary: if language == Language::Zh { &row.summary_zh } else { &row.summary_en }.clone(),
            starts: Moment::of(row.starts_at, desk),
        }
    }

    /// The views of rows.
    #[must_use]
    pub fn all(rows: &[AlertRow], desk: &Desk) -> Vec<Self> {
        rows.iter().map(|row| Self::of(row, desk)).collect()
    }
}

/// One choice of a filter.
pub struct Choice {
    pub value: &'static str,
    pub label: String,
    pub chosen: bool,
}

impl Choice {
    /// A code of a closed list, in the reader's words.
    #[must_use]
    pub fn of(list: &str, value: &'static str, chosen: Option<&str>, language: Language) -> Self {
        Self { value, label: language.word(list, value), chosen: chosen == Some(value) }
    }
}

/// A basis stands in both languages, Chinese first and ` / ` between (`detect/rule.rs`).
#[must_use]
pub fn basis_in(language: Language, basis: &str) -> &str {
    match (basis.split_once(" / "), language) {
        (Some((zh, _)), Language::Zh) => zh,
        (Some((_, en)), Language::En) => en,
        (None, _) => basis,
    }
}

/// A fact as evidence and histories show it.
#[derive(Debug, Clone)]
pub struct FactView {
    pub id: String,
    pub what: String,
    /// `None` for an id that names nothing.
    pub when: Option<Moment>,
    pub details: String,
}

impl FactView {
    /// The view of an event.
    #[must_use]
    pub fn event(row: &EventRow, desk: &Desk) -> Self {
        let language = desk.language;
        let t = language.phrases();
        let mut details = vec![language.word("origin", &row.origin)];
        if let Some(vendor) = &row.vendor_code {
            details.push(format!("{} {vendor}", t.vendor_code));
        }
        if let Some(landing) = &row.landing {
            details.push(format!("{} {landing}", t.landing));
        }
        let said =
            |value: Option<bool>, yes: &str, no: &str| value.map(|value| if value { yes } else { no }.to_owned());
        details.extend(said(row.moving, t.moving, t.stopped));
        details.extend(said(row.occupied, t.occupied, t.empty_car));
        if row.clock_suspect {
            details.push(t.clock_suspect.to_owned());
        }
        let code = row.code.as_deref().map(|code| language.word("fault", code));
        let mode = row.mode.as_deref().map(|mode| language.word("mode", mode));
        let what = [Some(language.word("event", &row.kind)), code, mode].into_iter().flatten().collect::<Vec<_>>();
        Self {
            id: row.id.clone(),
            what: what.join(if language == Language::Zh { "：" } else { ": " }),
            when: Some(Moment::of(row.at, desk)),
            details: details.join(if language == Language::Zh { "，" } else { ", " }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_reads_naturally_on_both_sides_of_now() {
        assert_eq!(distance(30_000, Language::En), "just now");
        assert_eq!(distance(MINUTE, Language::En), "1 minute ago");
        assert_eq!(distance(-4 * DAY, Language::Zh), "4 天后");
        assert_eq!(distance(26 * HOUR, Language::En), "1 day ago");
    }
}
