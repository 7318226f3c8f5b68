//! The story of an alert as rows of its page: what happened, to whom, when.

use super::show::{Desk, Moment};
use crate::store::read::timeline::{Entry, What};

/// One row.
pub struct StoryView {
    pub what: String,
    pub details: String,
    /// The page that says more of it.
    pub link: Option<String>,
    pub at: Moment,
}

impl StoryView {
    /// Every row, in order.
    #[must_use]
    pub fn all(entries: Vec<Entry>, desk: &Desk) -> Vec<Self> {
        entries.into_iter().map(|entry| Self::of(entry, desk)).collect()
    }

    fn of(entry: Entry, desk: &Desk) -> Self {
        let language = desk.language;
        let t = language.phrases();
        let link = match &entry.what {
            What::Inhibited { area, .. } => Some(format!("/areas/{area}")),
            _ => None,
        };
        let (what, details) = match entry.what {
            What::Event { id: _, kind, code } => {
                (language.word("event", &kind), code.map(|code| language.word("fault", &code)).unwrap_or_default())
            }
            What::Transition { kind, severity } => {
                (language.word("transition", &kind), language.word("severity", &severity))
            }
            What::Notification { kind, receiver, .. } => {
                (t.told_message.to_owned(), format!("{receiver} · {}", language.word("notification", &kind)))
            }
            What::Attempt(row) => {
                let status = row.status.map(|status| status.to_string()).unwrap_or_default();
                let outcome = language.word("outcome", &row.outcome);
                let parts = [row.receiver, row.sink, outcome, status, row.detail];
                let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                (t.told_try.to_owned(), parts.join(" · "))
            }
            What::Received { by, .. } => (t.told_received.to_owned(), by),
            What::Answer { kind, by, note } => (language.word("answer", &kind), format!("{by} {note}")),
            What::Inhibited { kind, site, .. } => {
                (t.told_inhibited.to_owned(), format!("{} {site}", language.word("rule", &kind)))
            }
            What::Escalation { receiver, why, .. } => (t.told_escalation.to_owned(), format!("{receiver} {why}")),
        };
        Self { what, details, link, at: Moment::of(entry.at, desk) }
    }
}
