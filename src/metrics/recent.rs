//! Gauges of the last 30 days, by region, site and maintainer: what rankings are made of. All of them add up.

use prometheus::GaugeVec;

use super::gauge::{float, gauge, seconds, single};

/// The figures of the last 30 days, as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recent {
    /// Milliseconds.
    pub as_of: i64,
    /// (region, window, incidents, entrapments); the window is `1d` or `30d`.
    pub regions: Vec<(String, &'static str, i64, i64)>,
    /// The worst first; capped by whoever fills it.
    pub sites: Vec<SiteFigures>,
    /// Sites that have no series.
    pub sites_truncated: i64,
    pub maintainers: Vec<MaintainerFigures>,
}

/// What there is at one place, or under one contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub units: i64,
    pub incidents: i64,
    /// Units with an incident at least.
    pub faulty_units: i64,
    /// Units whose last recorded visit is longer ago than their interval.
    pub overdue_units: i64,
}

/// One compound under one contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteFigures {
    pub region: String,
    pub site: String,
    pub maintainer: String,
    pub figures: Figures,
}

/// One firm in one region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaintainerFigures {
    pub region: String,
    pub maintainer: String,
    pub figures: Figures,
    /// Critical alerts that began in the last 30 days.
    pub critical_alerts: i64,
    /// (answer, alerts that have it, milliseconds from each alert to its first such answer, together)
    pub answered: Vec<(&'static str, i64, i64)>,
}

/// What each of [`Figures`] is called and means.
type Figure = (&'static str, &'static str, fn(&Figures) -> i64);

const FIGURES: [Figure; 4] = [
    ("units", "Units in the registry.", |figures| figures.units),
    ("recent_incidents", "Incidents that began in the last 30 days.", |figures| figures.incidents),
    ("recent_faulty_units", "Units with an incident in the last 30 days.", |figures| figures.faulty_units),
    ("overdue_units", "Units whose last recorded visit is longer ago than their interval.", |figures| {
        figures.overdue_units
    }),
];

/// The gauges.
pub(super) fn gauges(recent: &Recent) -> Vec<GaugeVec> {
    let mut gauges = vec![gauge(
        "recent_as_of_timestamp_seconds",
        "When the figures of the last 30 days were made.",
        [],
        [([], seconds(recent.as_of))],
    )];
    let of_regions = |name: &str, help: &str, value: fn(&(String, &'static str, i64, i64)) -> i64| {
        let series = recent.regions.iter().map(|row| ([row.0.as_str(), row.1], float(value(row))));
        gauge(name, help, ["region", "window"], series)
    };
    gauges.push(of_regions("recent_incidents", "Incidents that began in the last day or 30 days.", |row| row.2));
    gauges.push(of_regions("recent_entrapments", "Entrapments that began in the last day or 30 days.", |row| row.3));
    gauges.extend(site_gauges(recent));
    gauges.extend(maintainer_gauges(recent));
    gauges
}

fn site_gauges(recent: &Recent) -> Vec<GaugeVec> {
    let mut gauges = Vec::new();
    for (name, help, value) in FIGURES {
        let series = recent
            .sites
            .iter()
            .map(|row| ([row.region.as_str(), row.site.as_str(), row.maintainer.as_str()], float(value(&row.figures))));
        let help = format!("Of a site and a maintainer: {help} The worst sites only.");
        gauges.push(gauge(&format!("site_{name}"), &help, ["region", "site", "maintainer"], series));
    }
    gauges.push(single("sites_truncated", "Sites that have no series of their own now.", recent.sites_truncated));
    gauges
}

fn maintainer_gauges(recent: &Recent) -> Vec<GaugeVec> {
    let rows = &recent.maintainers;
    let mut gauges = Vec::new();
    for (name, help, value) in FIGURES {
        let series =
            rows.iter().map(|row| ([row.region.as_str(), row.maintainer.as_str()], float(value(&row.figures))));
        gauges.push(gauge(
            &format!("maintainer_{name}"),
            &format!("Of a maintainer: {help}"),
            ["region", "maintainer"],
            series,
        ));
    }
    gauges.push(gauge(
        "maintainer_recent_critical_alerts",
        "Of a maintainer: critical alerts that began in the last 30 days.",
        ["region", "maintainer"],
        rows.iter().map(|row| ([row.region.as_str(), row.maintainer.as_str()], float(row.critical_alerts))),
    ));
    let answers = || {
        rows.iter().flat_map(|row| {
            let labels = move |answer| [row.region.as_str(), row.maintainer.as_str(), answer];
            row.answered.iter().map(move |(answer, alerts, waited)| (labels(*answer), *alerts, *waited))
        })
    };
    let labels = ["region", "maintainer", "answer"];
    gauges.push(gauge(
        "maintainer_recent_answered_alerts",
        "Of these, alerts that have an answer of this kind.",
        labels,
        answers().map(|(labels, alerts, _)| (labels, float(alerts))),
    ));
    gauges.push(gauge(
        "maintainer_recent_answer_seconds",
        "Time from each of these to its first answer of this kind, together; divide by the number of alerts.",
        labels,
        answers().map(|(labels, _, waited)| (labels, seconds(waited))),
    ));
    gauges
}
