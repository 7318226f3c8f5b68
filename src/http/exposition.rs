//! `/metrics`: fills the snapshot from the database and the links, and renders it off the runtime's threads.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::handles::{Http, Showing};
use super::health;
use super::problem::Problem;
use super::recent;
use crate::domain::time::Timestamp;
use crate::metrics::city::CitySnapshot;
use crate::metrics::exceptions::{ExceptionalUnit, Firing};
use crate::metrics::recent::Recent;
use crate::metrics::vitals::Vitals;
use crate::metrics::{CONTENT_TYPE, Snapshot};
use crate::notify::expected::{self, Case};
use crate::store::read::ReadError;
use crate::store::read::gauges::{FiringRow, Gauges, RegionRow, Tally};

/// The one route.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/metrics", get(metrics))
}

/// Units with series of their own: those of the worst firing alerts.
const EXCEPTIONAL: usize = 500;

async fn metrics(State(http): State<Arc<Http>>) -> Response {
    let now = http.clock.now();
    let (city, recent) = match read(&http, now).await {
        Ok((city, recent)) => (Some(city), recent),
        Err(error) => {
            tracing::warn!(error = %error, "a scrape goes without the gauges of the database");
            (None, None)
        }
    };
    let links = http.vitals.links().into_iter().map(|link| (link.region, link.down_for.is_none())).collect();
    let resident_memory = http.vitals.resident_memory().and_then(|bytes| i64::try_from(bytes).ok());
    let snapshot =
        Snapshot { links, vitals: vitals(&http).await, city, recent, resident_memory, home: http.showing.home.clone() };
    match tokio::task::spawn_blocking(move || http.metrics.render(&snapshot)).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "rendering the metrics failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "rendering the metrics failed").into_response()
        }
    }
}

async fn vitals(http: &Http) -> Vitals {
    let links = http.vitals.links();
    let free = http.vitals.storage().free_bytes;
    Vitals {
        ready: health::readiness(http).await.ready,
        last_messages: links.iter().filter_map(|link| Some((link.region.clone(), link.last_message?.0))).collect(),
        clock_offsets: links.iter().filter_map(|link| Some((link.region.clone(), link.clock_offset?))).collect(),
        disk_free_bytes: free.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        certificates: http.vitals.certificates().into_iter().map(|(what, end)| (what, end.0)).collect(),
    }
}

async fn read(http: &Http, now: Timestamp) -> Result<(CitySnapshot, Option<Recent>), ReadError> {
    let since = now - http.heard_within;
    let gauges = http.reader.gauges(since.0, &http.calendar.over_age_since(now), http.firing_series).await?;
    let firing = gauges.firing.iter().map(|row| (row.severity.as_str(), row.unit.as_str()));
    let units = http.reader.exceptional(&recent::exceptional(firing, EXCEPTIONAL)).await?;
    let figured = http.recent.figures(&http.reader, now, http.showing.merge_gap).await;
    let exceptional = units.into_iter().map(|row| ExceptionalUnit {
        incidents: figured.as_ref().map(|figured| figured.incidents.get(&row.unit).copied().unwrap_or_default()),
        unit: row.unit,
        heard_at: row.heard_at,
        last_visit_at: row.last_visit_at,
        runs: row.runs,
        door_cycles: row.door_cycles,
    });
    let exceptional = exceptional.collect();
    Ok((CitySnapshot { exceptional, ..city(gauges, &http.showing) }, figured.map(|figured| figured.recent.clone())))
}

fn firing(row: FiringRow, showing: &Showing) -> Firing {
    let on_site = expected::on_site(&row.region, showing.towns.as_deref());
    let starts_at = Timestamp(row.starts_at);
    let case = Case { rule: &row.rule, severity: &row.severity, firing: true, starts_at, on_site };
    let deadline = expected::expected(case).by.map(|by| by.0);
    let FiringRow { id, rule, severity, unit, region, site, maintainer, starts_at } = row;
    Firing { alert: id, rule, severity, unit, region, site, maintainer, since: starts_at, deadline }
}

fn city(gauges: Gauges, showing: &Showing) -> CitySnapshot {
    let told_by = |row: &Tally| ([row.0.clone(), row.4.clone()], row.5);
    let of = |value: fn(&RegionRow) -> i64| {
        gauges.regions.iter().map(|row| (row.region.clone(), value(row))).collect::<Vec<_>>()
    };
    CitySnapshot {
        online: of(|row| row.online),
        silent: of(|row| row.silent),
        unmonitored: of(|row| row.unmonitored),
        over_age: of(|row| row.over_age),
        maintenance_overdue: of(|row| row.overdue),
        units: gauges.units,
        told_by: gauges.alerts.iter().map(told_by).collect(),
        answered: gauges
            .answered
            .into_iter()
            .map(|(rule, publisher, answer, n)| ([rule, publisher, answer], n))
            .collect(),
        alerts: gauges
            .alerts
            .into_iter()
            .map(|(rule, severity, state, region, _, n)| ([rule, severity, state, region], n))
            .collect(),
        firing: gauges.firing.into_iter().map(|row| firing(row, showing)).collect(),
        exceptional: Vec::new(),
        hazards: gauges.hazards,
        outbox_entries: gauges.outbox_entries,
        outbox_oldest: gauges.outbox_oldest,
        dead_letters: gauges.dead_letters,
        ledger_entries: gauges.ledger_entries,
        ledger_checkpoint: gauges.ledger_checkpoint,
        oldest: gauges.oldest,
        database_bytes: gauges.database_bytes,
        wal_bytes: gauges.wal_bytes,
    }
}
