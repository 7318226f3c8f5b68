//! What Prometheus scrapes: counters of this process, and gauges of the city made anew from a snapshot at each scrape.
//! No other room names the prometheus crate. No timestamps; label values come from closed lists and the registry.

pub mod gauge;

pub mod exceptions;

pub mod city;

pub mod recent;

pub mod regions;

pub mod vitals;

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Encoder, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use city::CitySnapshot;
use gauge::{PREFIX, gauge, single};
use recent::Recent;
use regions::RegionCounters;
use vitals::Vitals;

use crate::domain::event::EventType;
use crate::domain::fault::FaultCode;

/// The media type of what [`Metrics::render`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of delays, in seconds: from a good network to a day at a broker that was cut off.
const DELAYS: [f64; 13] = [0.01, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 15., 60., 300., 3600., 86400.];

/// The gauges of one scrape: what the database and the links said just now.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// (region, connected)
    pub links: Vec<(String, bool)>,
    /// How the process itself stands.
    pub vitals: Vitals,
    /// What the database said; `None` leaves its gauges out, because an old number would be a lie.
    pub city: Option<CitySnapshot>,
    /// The last 30 days; `None` leaves their gauges out.
    pub recent: Option<Recent>,
    /// Where people reach the pages; empty where nobody said.
    pub home: String,
    /// What this process holds of the machine's memory, in bytes; `None` where the system does not tell.
    pub resident_memory: Option<i64>,
}

/// Typed handles for the parts that count; a clone is not needed, share it by `Arc`.
pub struct Metrics {
    registry: Registry,
    received: IntCounterVec,
    rejected: IntCounterVec,
    duplicates: IntCounter,
    conflicts: IntCounter,
    gaps: IntCounter,
    unknown_codes: IntCounter,
    stored: IntCounterVec,
    incidents: IntCounterVec,
    deliveries: IntCounterVec,
    pruned: IntCounterVec,
    batch: Histogram,
    commit: Histogram,
    delay: Histogram,
    /// The same by region.
    pub regions: RegionCounters,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every counter at zero.
    ///
    /// # Panics
    /// Never: names and labels are constants that a test registers.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            received: counters(
                "messages_received_total",
                "Messages that came from brokers, by class of topic.",
                "class",
            ),
            rejected: counters(
                "messages_rejected_total",
                "Messages that were refused and put into quarantine, by reason.",
                "reason",
            ),
            duplicates: counter(
                "duplicates_total",
                "Events, visits and hazards that were stored before and came again.",
            ),
            conflicts: counter(
                "conflicts_total",
                "Messages with a known identity and other content; kept in quarantine.",
            ),
            gaps: counter("sequence_gaps_total", "Gaps found in the event numbers of what units told."),
            unknown_codes: counter("unknown_codes_total", "Codes that no mapping's table has; stored as other."),
            stored: counters("events_stored_total", "Events written to the database, by type.", "type"),
            incidents: counters(
                "incidents_total",
                "Incidents that began, by fault code: repeats within an hour are one.",
                "code",
            ),
            deliveries: deliveries(),
            pruned: pruned(),
            // A batch is what queued while the last commit ran, at most 2,000.
            batch: histogram(
                "batch_messages",
                "Messages per transaction.",
                &[1., 2., 5., 10., 20., 50., 100., 200., 500., 1000., 2000.],
            ),
            commit: histogram(
                "commit_seconds",
                "Time from the begin of a transaction until it was on disk.",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10.],
            ),
            delay: histogram(
                "event_delay_seconds",
                "Time from an event at the unit until it was on disk, by the unit's clock.",
                &DELAYS,
            ),
            regions: RegionCounters::new(&registry, &DELAYS),
            registry,
        };
        for kind in EventType::ALL {
            metrics.stored.with_label_values(&[kind.as_str()]);
        }
        for class in ["state", "event", "visit", "hazard"] {
            metrics.received.with_label_values(&[class]);
        }
        metrics.register();
        metrics
    }

    fn register(&self) {
        let collectors: [Box<dyn Collector>; 13] = [
            Box::new(self.received.clone()),
            Box::new(self.rejected.clone()),
            Box::new(self.duplicates.clone()),
            Box::new(self.conflicts.clone()),
            Box::new(self.gaps.clone()),
            Box::new(self.unknown_codes.clone()),
            Box::new(self.stored.clone()),
            Box::new(self.incidents.clone()),
            Box::new(self.deliveries.clone()),
            Box::new(self.pruned.clone()),
            Box::new(self.batch.clone()),
            Box::new(self.commit.clone()),
            Box::new(self.delay.clone()),
        ];
        for collector in collectors {
            self.registry.register(collector).expect("names are constants and differ");
        }
    }

    /// The same, with each reason of a refusal at zero, so that a first refusal shows as an increase.
    #[must_use]
    pub fn with_reasons<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Self {
        let metrics = Self::new();
        for reason in reasons {
            metrics.rejected.with_label_values(&[reason]);
        }
        metrics
    }

    /// A message came; `class` is one of the four classes of a topic.
    pub fn message_received(&self, class: &str) {
        self.received.with_label_values(&[class]).inc();
    }

    /// A message was refused; `reason` is a word of the closed list.
    pub fn rejected(&self, reason: &str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// So many facts were told that were stored before.
    pub fn duplicates(&self, facts: u64) {
        self.duplicates.inc_by(facts);
    }

    /// So many codes came that no table has.
    pub fn unknown_codes(&self, codes: u64) {
        self.unknown_codes.inc_by(codes);
    }

    /// A message had a known identity and other content.
    pub fn conflict(&self) {
        self.conflicts.inc();
    }

    /// So many gaps were found in what units told.
    pub fn gaps(&self, found: u64) {
        self.gaps.inc_by(found);
    }

    /// An event is on disk.
    pub fn event_stored(&self, kind: EventType) {
        self.stored.with_label_values(&[kind.as_str()]).inc();
    }

    /// An incident began.
    pub fn incident(&self, code: FaultCode) {
        self.incidents.with_label_values(&[code.as_str()]).inc();
    }

    /// A try to send ended; both are words of closed lists.
    pub fn delivery(&self, sink: &str, outcome: &str) {
        self.deliveries.with_label_values(&[sink, outcome]).inc();
    }

    /// So many rows were pruned by age; `kind` is a word of a closed list.
    pub fn pruned(&self, kind: &str, rows: u64) {
        self.pruned.with_label_values(&[kind]).inc_by(rows);
    }

    /// A transaction held so many messages.
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most 2,000 messages")]
    pub fn batch(&self, messages: usize) {
        self.batch.observe(messages as f64);
    }

    /// A transaction took so long until it was on disk.
    pub fn commit(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// An event was so old when it was on disk; a clock that runs ahead counts as no delay.
    pub fn event_delay(&self, seconds: f64) {
        self.delay.observe(seconds.max(0.0));
    }

    /// The exposition: this process's counters and the gauges of `snapshot`, in order of their names. Takes
    /// milliseconds of computing when many alerts fire, so call it off the runtime's threads.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> Vec<u8> {
        // A registry of its own for each scrape: it sorts, and series of the scrape before are not in it.
        let scrape = Registry::new();
        for gauge in gauges(snapshot) {
            scrape.register(Box::new(gauge)).expect("names are constants and differ");
        }
        let mut families = self.registry.gather();
        families.extend(scrape.gather());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(error = %error, "the metrics could not be written");
        }
        text
    }
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::with_opts(Opts::new(name, help).namespace(PREFIX)).expect("a constant name is valid")
}

fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help).namespace(PREFIX), &[label]).expect("constant names are valid")
}

/// Each kind at zero, so that the first pruning shows as an increase.
fn pruned() -> IntCounterVec {
    let pruned = counters("pruned_rows_total", "Rows that were deleted because of their age, by kind.", "kind");
    for kind in ["alert", "notification", "event", "visit"] {
        pruned.with_label_values(&[kind]);
    }
    pruned
}

fn deliveries() -> IntCounterVec {
    let help = "Tries to send a message to a receiver, by how they ended.";
    let opts = Opts::new("deliveries_total", help).namespace(PREFIX);
    IntCounterVec::new(opts, &["sink", "outcome"]).expect("constant names are valid")
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).namespace(PREFIX).buckets(buckets.to_vec());
    Histogram::with_opts(opts).expect("constant names and ascending buckets are valid")
}

fn gauges(snapshot: &Snapshot) -> Vec<GaugeVec> {
    let connected = snapshot.links.iter().map(|(region, up)| ([region.as_str()], f64::from(u8::from(*up))));
    let mut gauges =
        vec![gauge("mqtt_connected", "Whether the session with the region's broker stands.", ["region"], connected)];
    let build = [([env!("CARGO_PKG_VERSION")], 1.0)];
    gauges.extend(vitals::gauges(&snapshot.vitals));
    gauges.push(gauge("build_info", "Always 1; which version runs.", ["version"], build));
    if !snapshot.home.is_empty() {
        let home = [([snapshot.home.as_str()], 1.0)];
        gauges.push(gauge("pages_info", "Always 1; where people reach the pages.", ["url"], home));
    }
    if let Some(city) = &snapshot.city {
        gauges.extend(city::gauges(city));
    }
    if let Some(recent) = &snapshot.recent {
        gauges.extend(recent::gauges(recent));
    }
    if let Some(bytes) = snapshot.resident_memory {
        gauges.push(single("resident_memory_bytes", "Memory that this process holds.", bytes));
    }
    gauges
}
