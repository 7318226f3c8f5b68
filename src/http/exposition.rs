//! `/metrics`: fills the snapshot from the database and the links, and renders it off the runtime's threads.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::handles::Http;
use super::problem::Problem;
use crate::metrics::{CONTENT_TYPE, CitySnapshot, Snapshot};
use crate::store::read::gauges::{Gauges, Tally};

/// The one route.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(http): State<Arc<Http>>) -> Response {
    let now = http.clock.now();
    let since = now - http.heard_within;
    let gauges = http.reader.gauges(since.0, &http.calendar.over_age_since(now), http.firing_series).await;
    let city = match gauges {
        Ok(gauges) => Some(city(gauges)),
        Err(error) => {
            tracing::warn!(error = %error, "a scrape goes without the gauges of the database");
            None
        }
    };
    let links = http.vitals.links().into_iter().map(|link| (link.region, link.down_for.is_none())).collect();
    let snapshot = Snapshot { links, city };
    match tokio::task::spawn_blocking(move || http.metrics.render(&snapshot)).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "rendering the metrics failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "rendering the metrics failed").into_response()
        }
    }
}

fn city(gauges: Gauges) -> CitySnapshot {
    let regions = &gauges.regions;
    let told_by = |row: &Tally| ([row.0.clone(), row.4.clone()], row.5);
    CitySnapshot {
        online: regions.iter().map(|row| (row.0.clone(), row.1)).collect(),
        over_age: regions.iter().map(|row| (row.0.clone(), row.2)).collect(),
        maintenance_overdue: regions.iter().map(|row| (row.0.clone(), row.3)).collect(),
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
        firing: gauges
            .firing
            .into_iter()
            .map(|row| [row.rule, row.severity, row.unit, row.site, row.maintainer])
            .collect(),
        hazards: gauges.hazards,
        outbox_entries: gauges.outbox_entries,
        outbox_oldest: gauges.outbox_oldest,
        dead_letters: gauges.dead_letters,
        database_bytes: gauges.database_bytes,
        wal_bytes: gauges.wal_bytes,
    }
}
