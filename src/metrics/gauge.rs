//! One gauge of one scrape: made from rows, thrown away after it.

use std::collections::BTreeMap;

use prometheus::{GaugeVec, Opts};

/// What every metric's name begins with.
pub(super) const PREFIX: &str = "liftwatch";

/// One gauge with all its series; two rows of the same labels add up, because a series may stand only once.
pub(super) fn gauge<'a, const N: usize>(
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

/// A gauge without labels.
pub(super) fn single(name: &str, help: &str, value: i64) -> GaugeVec {
    gauge(name, help, [], [([], float(value))])
}

/// A count or a size as Prometheus keeps it.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^53")]
pub(super) fn float(value: i64) -> f64 {
    value as f64
}

/// Milliseconds since 1970 as seconds.
pub(super) fn seconds(milliseconds: i64) -> f64 {
    float(milliseconds) / 1000.0
}
