//! Gauges of the process itself: whether it is ready, what it hears, the room it has, and until when its certificates hold.

use prometheus::GaugeVec;

use super::gauge::{float, gauge, single};

/// How the process stands at a scrape.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// What `/-/ready` says.
    pub ready: bool,
    /// (region, when its last message came, in milliseconds); regions of which nothing came yet are left out
    pub last_messages: Vec<(String, i64)>,
    /// (region, milliseconds by which our clock is ahead)
    pub clock_offsets: Vec<(String, i64)>,
    /// `None` when the system does not say.
    pub disk_free_bytes: Option<i64>,
    /// (use, milliseconds until which the first of these certificates to end holds)
    pub certificates: Vec<(String, i64)>,
}

/// The gauges of these.
#[must_use]
pub fn gauges(vitals: &Vitals) -> Vec<GaugeVec> {
    let mut gauges = vec![
        single("ready", "Whether messages can come in and be kept, as /-/ready says.", i64::from(vitals.ready)),
        seconds(
            "last_message_timestamp_seconds",
            "When the last message came from the region's broker, in this process; absent before the first.",
            "region",
            &vitals.last_messages,
        ),
        seconds(
            "clock_offset_seconds",
            "By how much our clock is ahead of the median of the latest messages' own times; their way is in it.",
            "region",
            &vitals.clock_offsets,
        ),
        seconds(
            "certificate_expiry_timestamp_seconds",
            "Until when the certificates for the brokers hold that this process has read; the first to end of each use.",
            "use",
            &vitals.certificates,
        ),
    ];
    if let Some(bytes) = vitals.disk_free_bytes {
        gauges.push(single("disk_free_bytes", "Room on the disk of the database for this process.", bytes));
    }
    gauges
}

fn seconds(name: &str, help: &str, label: &str, rows: &[(String, i64)]) -> GaugeVec {
    gauge(name, help, [label], rows.iter().map(|(value, millis)| ([value.as_str()], float(*millis) / 1000.0)))
}
