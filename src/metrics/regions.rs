//! What one region's broker brought, counted in this process; a region is a section of the configuration, so few series.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::gauge::PREFIX;

/// Counters by region.
pub struct RegionCounters {
    received: IntCounterVec,
    rejected: IntCounterVec,
    delay: HistogramVec,
}

impl RegionCounters {
    /// No region yet; whoever knows the regions calls [`Self::expect_region`].
    ///
    /// # Panics
    /// Never: names and labels are constants that a test registers.
    #[must_use]
    pub fn new(registry: &Registry, delays: &[f64]) -> Self {
        let counters = |name: &str, help: &str| {
            IntCounterVec::new(Opts::new(name, help).namespace(PREFIX), &["region"]).expect("constant names are valid")
        };
        let help = "As event_delay_seconds, by region.";
        let opts = HistogramOpts::new("region_event_delay_seconds", help).namespace(PREFIX).buckets(delays.to_vec());
        let made = Self {
            received: counters("region_messages_received_total", "Messages that came from a region's broker."),
            rejected: counters("region_messages_rejected_total", "Messages of a region that were refused."),
            delay: HistogramVec::new(opts, &["region"]).expect("constant names and ascending buckets are valid"),
        };
        registry.register(Box::new(made.received.clone())).expect("names are constants and differ");
        registry.register(Box::new(made.rejected.clone())).expect("names are constants and differ");
        registry.register(Box::new(made.delay.clone())).expect("names are constants and differ");
        made
    }

    /// Begins a region's series at zero, so that its first message shows as an increase.
    pub fn expect_region(&self, region: &str) {
        self.received.with_label_values(&[region]);
        self.rejected.with_label_values(&[region]);
        self.delay.with_label_values(&[region]);
    }

    /// So many messages came from the region's broker.
    pub fn received(&self, region: &str, messages: u64) {
        self.received.with_label_values(&[region]).inc_by(messages);
    }

    /// A message of the region was refused.
    pub fn rejected(&self, region: &str) {
        self.rejected.with_label_values(&[region]).inc();
    }

    /// An event of the region was so old when it was on disk, in seconds; a clock that runs ahead counts as no delay.
    pub fn delay(&self, region: &str, seconds: f64) {
        self.delay.with_label_values(&[region]).observe(seconds.max(0.0));
    }
}
