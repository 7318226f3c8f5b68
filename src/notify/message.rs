//! What one notification says: fixed when it is made, kept as JSON, the same for every sink and every retry.

use serde::{Deserialize, Serialize};

/// Alerts that a message lists by themselves; the rest is in its count and behind its link.
pub const LISTED: usize = 20;

/// Alerts that a digest lists, most of them in a line each: what fits into the 4,096 bytes of the smallest robot.
pub const DIGESTED: usize = 60;

/// One notification. Times are milliseconds since 1970 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The notification's id.
    pub id: String,
    /// A word of [`crate::domain::notice::NotificationKind`].
    pub kind: String,
    pub receiver: String,
    pub group: String,
    pub created_at: i64,
    /// The first [`LISTED`] alerts, or [`DIGESTED`] of a digest, the worst first.
    pub items: Vec<Item>,
    /// How many alerts it is about.
    pub count: usize,
    /// Where all of them are listed; `None` where no public address is configured.
    pub link: Option<String>,
    /// What is said beside the alerts, in Chinese and English; empty in most messages.
    pub zh: String,
    pub en: String,
    /// A checkpoint of the ledger as it was signed, line by line; empty in all other messages.
    #[serde(default)]
    pub checkpoint: String,
}

/// One alert in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub alert: String,
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// What happened to it, a word of [`crate::domain::alert::TransitionKind`].
    pub change: String,
    pub firing: bool,
    pub starts_at: i64,
    pub ends_at: Option<i64>,
    pub unit: String,
    pub region: String,
    pub site: String,
    pub address: String,
    pub owner: String,
    pub maintainer: String,
    /// The evidence in one line.
    pub summary_zh: String,
    pub summary_en: String,
    /// The law or number that it rests on.
    pub basis: String,
    /// What is expected of the receiver.
    pub expected_zh: String,
    pub expected_en: String,
    /// By when.
    pub expected_by: Option<i64>,
    /// The alert's page; `None` where no public address is configured.
    pub link: Option<String>,
}
