//! What Prometheus scrapes: counters of this process, and gauges of the city made anew from a snapshot at each scrape.
//! The only file that names the prometheus crate. No timestamps; label values come from closed lists and the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Encoder, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use crate::domain::event::EventType;
use crate::domain::fault::FaultCode;

/// The media type of what [`Metrics::render`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const PREFIX: &str = "liftwatch";

/// The gauges of one scrape: what the database and the links said just now.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// (region, connected)
    pub links: Vec<(String, bool)>,
    /// What the database said; `None` leaves its gauges out, because an old number would be a lie.
    pub city: Option<CitySnapshot>,
}

/// The gauges that come from the database.
#[derive(Debug, Clone, Default)]
pub struct CitySnapshot {
    /// (region, kind, units)
    pub units: Vec<(String, String, i64)>,
    /// (region, units)
    pub online: Vec<(String, i64)>,
    /// (region, units)
    pub over_age: Vec<(String, i64)>,
    /// (region, units)
    pub maintenance_overdue: Vec<(String, i64)>,
    /// (rule, severity, state, region, alerts)
    pub alerts: Vec<([String; 4], i64)>,
    /// (rule, publisher, alerts)
    pub told_by: Vec<([String; 2], i64)>,
    /// (rule, publisher, answer, alerts)
    pub answered: Vec<([String; 3], i64)>,
    /// rule, severity, unit, site, maintainer; capped by whoever fills it
    pub firing: Vec<[String; 5]>,
    /// (state, region, hazards)
    pub hazards: Vec<(String, String, i64)>,
    pub outbox_entries: i64,
    /// Milliseconds since 1970; `None` when nothing waits.
    pub outbox_oldest: Option<i64>,
    pub dead_letters: i64,
    pub database_bytes: i64,
    pub wal_bytes: i64,
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
    batch: Histogram,
    commit: Histogram,
    delay: Histogram,
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
                &[0.01, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 15., 60., 300., 3600., 86400.],
            ),
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
        let collectors: [Box<dyn Collector>; 12] = [
            Box::new(self.received.clone()),
            Box::new(self.rejected.clone()),
            Box::new(self.duplicates.clone()),
            Box::new(self.conflicts.clone()),
            Box::new(self.gaps.clone()),
            Box::new(self.unknown_codes.clone()),
            Box::new(self.stored.clone()),
            Box::new(self.incidents.clone()),
            Box::new(self.deliveries.clone()),
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

fn deliveries() -> IntCounterVec {
    let help = "Tries to send a message to a receiver, by how they ended.";
    let opts = Opts::new("deliveries_total", help).namespace(PREFIX);
    IntCounterVec::new(opts, &["sink", "outcome"]).expect("constant names are valid")
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).namespace(PREFIX).buckets(buckets.to_vec());
    Histogram::with_opts(opts).expect("constant names and ascending buckets are valid")
}

/// One gauge with all its series; two rows of the same labels add up, because a series may stand only once.
fn gauge<'a, const N: usize>(
    name: &str,
    help: &str,
    labels: [&str; N],
    series: impl IntoIterator<Item = ([&'a str; N], f64)>,
) -> GaugeVec {
    let mut sums: BTreeMap<[&str; N], f64> = BTreeMap::new();
    for (values, value) in series {
        *sums.entry(values).or_default() += value;
    }
    let vec = GaugeVec::new(Opts::new(name, help).namespace(PREFIX), &labels).expect("constant names are valid");
    for (values, value) in sums {
        vec.with_label_values(&values).set(value);
    }
    vec
}

fn gauges(snapshot: &Snapshot) -> Vec<GaugeVec> {
    let connected = snapshot.links.iter().map(|(region, up)| ([region.as_str()], f64::from(u8::from(*up))));
    let mut gauges =
        vec![gauge("mqtt_connected", "Whether the session with the region's broker stands.", ["region"], connected)];
    let build = [([env!("CARGO_PKG_VERSION")], 1.0)];
    gauges.push(gauge("build_info", "Always 1; which version runs.", ["version"], build));
    if let Some(city) = &snapshot.city {
        gauges.extend(unit_gauges(city));
        gauges.extend(alert_gauges(city));
        gauges.extend(answer_gauges(city));
        gauges.extend(store_gauges(city));
    }
    gauges
}

fn unit_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let by_region = |name: &str, help: &str, rows: &[(String, i64)]| {
        gauge(name, help, ["region"], rows.iter().map(|(region, n)| ([region.as_str()], float(*n))))
    };
    let units = city.units.iter().map(|(region, kind, n)| ([region.as_str(), kind.as_str()], float(*n)));
    let mut gauges = vec![gauge("units", "Units in the registry.", ["region", "kind"], units)];
    gauges.push(by_region("units_online", "Units heard within the last three heartbeats.", &city.online));
    gauges.push(by_region(
        "units_over_age",
        "Units in use for as many years as the rule over_age sets, 15 by default.",
        &city.over_age,
    ));
    gauges.push(by_region(
        "maintenance_overdue_units",
        "Units of which maintenance_overdue fires; a unit without any visit is not one of them.",
        &city.maintenance_overdue,
    ));
    gauges
}

fn alert_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let alerts = city.alerts.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    let mut gauges =
        vec![gauge("alerts", "Alerts by where they stand.", ["rule", "severity", "state", "region"], alerts)];
    let hazards = city.hazards.iter().map(|(state, region, n)| ([state.as_str(), region.as_str()], float(*n)));
    gauges.push(gauge("hazards", "Major hazards reported, by where they stand.", ["state", "region"], hazards));
    // One rule may fire twice for a unit (per fault code): still one series.
    let firing: BTreeSet<[&str; 5]> = city.firing.iter().map(|labels| labels.each_ref().map(String::as_str)).collect();
    gauges.push(gauge(
        "alert_firing",
        "Always 1: a rule fires for a unit. The worst alerts only; alert_firing_truncated tells how many are left out.",
        ["rule", "severity", "unit", "site", "maintainer"],
        firing.into_iter().map(|labels| (labels, 1.0)),
    ));
    let total: i64 = city.alerts.iter().filter(|(labels, _)| labels[2] == "firing").map(|(_, n)| n).sum();
    let left_out = total.saturating_sub(i64::try_from(city.firing.len()).unwrap_or(i64::MAX));
    gauges.push(single(
        "alert_firing_truncated",
        "Firing alerts that have no series in alert_firing now.",
        left_out.max(0),
    ));
    gauges
}

fn answer_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let told = city.told_by.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    let answered = city.answered.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    vec![
        gauge("alerts_by_publisher", "Alerts by who tells of their units.", ["rule", "publisher"], told),
        gauge(
            "alerts_answered",
            "Alerts that have an answer of this kind, by who tells of their units; one alert may have several.",
            ["rule", "publisher", "answer"],
            answered,
        ),
    ]
}

fn store_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let mut gauges =
        vec![single("outbox_entries", "Transitions to be routed, and messages to be sent.", city.outbox_entries)];
    if let Some(oldest) = city.outbox_oldest {
        let help = "When the oldest of them was written; absent when none waits.";
        gauges.push(gauge("outbox_oldest_timestamp_seconds", help, [], [([], float(oldest) / 1000.0)]));
    }
    gauges.push(single("dead_letters", "Messages that were given up and wait for a person.", city.dead_letters));
    gauges.push(single("database_bytes", "Size of the database file.", city.database_bytes));
    gauges.push(single("wal_bytes", "Size of the write-ahead log.", city.wal_bytes));
    gauges
}

fn single(name: &str, help: &str, value: i64) -> GaugeVec {
    gauge(name, help, [], [([], float(value))])
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^53")]
fn float(value: i64) -> f64 {
    value as f64
}
