//! The paper: what a package holds, to be printed, with the checkpoint as text and as a QR code. Whoever has it has a
//! checkpoint that is not in our hands. Made from the proven entries alone, so that whoever checks a package makes it anew.

use askama::Template;
use jiff::tz::TimeZone;

use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::ledger::leaf::Read;
use crate::ledger::selection::Question;
use crate::qr::{self, TooLong};

use super::told::{Voice, details};

/// The look of the paper as a file of its own.
const STYLE: &str = include_str!("../../templates/report.css");

/// Where a file says at which offset its times are. The one thing in it that no entry proves; it stands beside the times.
const OFFSET_META: &str = "<meta name=\"utc-offset-minutes\" content=\"";

/// Where a file says which version wrote it, because another one may word it otherwise.
const VERSION_META: &str = "<meta name=\"generator\" content=\"liftwatch ";

/// This version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version that a file says it was written by.
#[must_use]
pub fn version(file: &str) -> Option<&str> {
    Some(file.split_once(VERSION_META)?.1.split_once('"')?.0)
}

/// How far the times of a paper are from UTC, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(i64);

impl Offset {
    /// China's, where nobody says otherwise.
    pub const CHINA: Self = Self(8 * HOUR / MINUTE);

    /// The offset of so many minutes; no place on Earth is a day away from UTC.
    #[must_use]
    pub fn new(minutes: i64) -> Option<Self> {
        (minutes.abs() < DAY / MINUTE).then_some(Self(minutes))
    }

    /// The offset of a zone at that time, to the minute.
    #[must_use]
    pub fn of(zone: &TimeZone, at: Timestamp) -> Self {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self(i64::from(zone.to_offset(at).seconds() / 60))
    }

    /// The offset that a file says.
    #[must_use]
    pub fn told(file: &str) -> Option<Self> {
        let (_, rest) = file.split_once(OFFSET_META)?;
        Self::new(rest.split_once('"')?.0.parse().ok()?)
    }

    /// `2026-03-01 17:00:00`.
    fn local(self, at: Timestamp) -> String {
        let text = (at + self.0 * MINUTE).to_string();
        text.split('.').next().unwrap_or(&text).replace('T', " ")
    }

    /// `UTC+08:00`.
    fn name(self) -> String {
        let (hours, minutes) = (self.0.abs() / 60, self.0.abs() % 60);
        format!("UTC{}{hours:02}:{minutes:02}", if self.0 < 0 { '-' } else { '+' })
    }
}

/// What a paper is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// One unit, from when on; `None`: since the log began.
    Unit {
        unit: &'a str,
        from: Option<Timestamp>,
    },
    Visits(&'a Question),
}

#[derive(Template)]
#[template(
    source = "<tr>\n\
        <td data-label=\"{{ t.recorded }}\">{{ at }}</td>\n\
        <td data-label=\"{{ t.unit }}\">{{ unit }} <div class=\"muted\">{{ number }}</div></td>\n\
        <td data-label=\"{{ t.entry }}\">{{ kind }}</td>\n\
        <td data-label=\"{{ t.details }}\">{% for line in details %}<div{% if loop.first %} class=\"first\"{% endif %}>{{ line }}</div>{% endfor %}<code>{{ reference }}</code></td>\n\
        <td data-label=\"{{ t.index }}\">{{ index }}</td>\n\
        </tr>\n",
    ext = "html"
)]
struct Row<'a> {
    t: &'static Voice,
    at: String,
    unit: &'a str,
    number: String,
    kind: String,
    details: Vec<String>,
    reference: &'a str,
    index: u64,
}

#[derive(Template)]
#[template(path = "report_body.html")]
struct Body<'a> {
    t: &'static Voice,
    zone: String,
    unit: Option<&'a str>,
    /// The question's conditions, in words.
    asked: Vec<(&'static str, String)>,
    from: Option<String>,
    to: String,
    size: &'a str,
    count: usize,
    rows: &'a str,
    note: &'a str,
    code: String,
}

#[derive(Template)]
#[template(path = "report_file.html")]
struct File<'a> {
    t: &'static Voice,
    offset_meta: &'static str,
    version_meta: &'static str,
    version: &'static str,
    offset: i64,
    title: String,
    style: &'static str,
    body: String,
    /// Nothing is fetched from anywhere, and nothing runs.
    policy: &'a str,
}

/// A paper while it is written: it takes one entry after the other.
pub struct Paper<'a> {
    t: &'static Voice,
    offset: Offset,
    subject: Subject<'a>,
    note: &'a str,
    to: Timestamp,
    rows: String,
    count: usize,
}

impl<'a> Paper<'a> {
    /// A paper without entries, under a checkpoint that was closed at `to`.
    #[must_use]
    pub fn new(t: &'static Voice, offset: Offset, subject: Subject<'a>, note: &'a str, to: Timestamp) -> Self {
        Self { t, offset, subject, note, to, rows: String::new(), count: 0 }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// Those of the formatter, which writes into memory.
    pub fn add(&mut self, index: u64, read: &Read) -> Result<(), askama::Error> {
        let local = |at: Timestamp| self.offset.local(at);
        let link = read.link.as_ref();
        let row = Row {
            t: self.t,
            at: local(read.at),
            unit: link.map_or("", |(unit, ..)| unit.as_str()),
            number: link.map_or_else(String::new, |(_, number, _)| format!("{} {number}", self.t.number)),
            kind: self.t.word("entry", read.kind.as_str()),
            details: details(read, self.t, &local),
            reference: &read.reference,
            index,
        };
        self.count += 1;
        row.render_into(&mut self.rows)
    }

    /// The paper as it stands inside a page.
    ///
    /// # Errors
    /// Those of the formatter; a checkpoint that no QR code can hold.
    pub fn body(&self) -> Result<String, BodyError> {
        let (unit, asked, from) = match self.subject {
            Subject::Unit { unit, from } => (Some(unit), Vec::new(), from.map(|from| self.offset.local(from))),
            Subject::Visits(question) => (None, self.asked(question), None),
        };
        let body = Body {
            t: self.t,
            zone: self.offset.name(),
            unit,
            asked,
            from,
            to: self.offset.local(self.to),
            size: self.note.lines().nth(1).unwrap_or(""),
            count: self.count,
            rows: &self.rows,
            note: self.note,
            code: qr::drawing(self.note)?,
        };
        Ok(body.render()?)
    }

    /// The paper as a file of its own.
    ///
    /// # Errors
    /// As [`Paper::body`].
    pub fn file(&self) -> Result<String, BodyError> {
        let file = File {
            t: self.t,
            offset_meta: OFFSET_META,
            version_meta: VERSION_META,
            version: VERSION,
            offset: self.offset.0,
            title: match self.subject {
                Subject::Unit { unit, .. } => format!("{} {unit}", self.t.title_unit),
                Subject::Visits(_) => self.t.title_visits.to_owned(),
            },
            style: STYLE,
            body: self.body()?,
            policy: "default-src 'none'; style-src 'unsafe-inline'",
        };
        Ok(file.render()?)
    }

    fn asked(&self, question: &Question) -> Vec<(&'static str, String)> {
        let t = self.t;
        let time = |text: &String| Timestamp::parse(text).map_or_else(|_| text.clone(), |at| self.offset.local(at));
        let terms = [
            (t.unit, question.unit.clone()),
            (t.worker, question.worker.clone()),
            (t.maintainer, question.maintainer.clone()),
            (t.kind, question.kind.as_ref().map(|kind| t.word("visit", kind))),
            (t.began_from, question.from.as_ref().map(time)),
            (t.began_before, question.to.as_ref().map(time)),
            (t.records, question.corrected.then(|| t.corrected_only.to_owned())),
            (t.records, question.folded.then(|| t.standing_only.to_owned())),
        ];
        terms.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Why a paper cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error(transparent)]
    Render(#[from] askama::Error),
    #[error("the checkpoint: {0}")]
    Code(#[from] TooLong),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_at_its_offset_on_both_sides_of_utc() {
        let at = Timestamp::parse("2026-03-01T20:30:00.250Z").unwrap();
        assert_eq!(Offset::CHINA.local(at), "2026-03-02 04:30:00");
        assert_eq!(Offset::CHINA.name(), "UTC+08:00");
        let west = Offset::new(-210).unwrap();
        assert_eq!((west.local(at).as_str(), west.name().as_str()), ("2026-03-01 17:00:00", "UTC-03:30"));
        assert_eq!(Offset::new(1440), None);
        assert_eq!(Offset::told(&format!("<html>{OFFSET_META}-210\">")), Some(west));
        assert_eq!(Offset::told("<html>"), None);
    }
}
