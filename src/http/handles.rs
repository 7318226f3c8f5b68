//! What every handler works with, handed in by whoever opens the door.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::calendar::Calendar;
use super::caller::Caller;
use super::doorkeeper::Doorkeeper;
use super::recent::Kept;
use super::vitals::Vitals;
use crate::checklists::Checklists;
use crate::clock::Clock;
use crate::ledger::checkpoint::PublicKey;
use crate::metrics::Metrics;
use crate::notify::received::Key;
use crate::pipeline::action::Asked;
use crate::store::read::Reader;

/// What the handlers work with.
#[derive(Clone)]
pub struct Http {
    pub reader: Reader,
    pub metrics: Arc<Metrics>,
    pub vitals: Arc<dyn Vitals>,
    pub clock: Arc<dyn Clock>,
    /// The door for people's actions.
    pub actions: mpsc::Sender<Asked>,
    pub calendar: Calendar,
    /// A unit heard within this many milliseconds counts as heard (three heartbeats by default, and the flush).
    pub heard_within: i64,
    /// Firing alerts that get a series of their own in /metrics (1,000 by default).
    pub firing_series: u32,
    pub answering: Answering,
    pub keeper: Arc<Doorkeeper>,
    /// Who asks; whoever opens the door says [`Caller::Stranger`], and `admit.rs` who it is.
    pub caller: Caller,
    /// By which checkpoints of the ledger are checked; `None` where nothing is signed.
    pub ledger_key: Option<PublicKey>,
    pub showing: Showing,
    /// The figures of the last 30 days that the latest scrapes had.
    pub recent: Arc<Kept>,
    pub maintenance: Arc<Maintenance>,
}

/// What /metrics needs to know beside what the database holds.
#[derive(Debug, Clone, Default)]
pub struct Showing {
    /// Faults of one code within this many milliseconds are one incident, as the rules have it.
    pub merge_gap: i64,
    /// `[notify] town_regions`: where somebody must be on site within the shorter time.
    pub towns: Option<Vec<String>>,
    /// Where people reach the pages, without a slash at its end, so that dashboards can link to them.
    pub home: String,
}

/// What recording a visit needs.
#[derive(Debug, Clone, Default)]
pub struct Maintenance {
    pub checklists: Checklists,
    /// Under which address people reach these pages, without a slash at its end; what QR codes say.
    pub public_url: Option<String>,
}

/// How people's answers are taken.
#[derive(Debug, Clone, Default)]
pub struct Answering {
    /// Milliseconds after which an acknowledgement that names no end ceases to count; `None` if it lasts.
    pub ack_timeout: Option<i64>,
    /// What signs the "received" links of messages; without it there are none.
    pub links: Option<Key>,
}

/// Milliseconds that a unit's last word may be on its way into the database: the flush every 5 s, and a slow one.
pub const FLUSH_ALLOWANCE: i64 = 10_000;
/// [`Http::firing_series`] unless configured.
pub const FIRING_SERIES: u32 = 1_000;
