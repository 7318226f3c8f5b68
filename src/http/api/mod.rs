//! The JSON API under /api/v1: keyset pages, times in UTC with milliseconds, problem details. One file per noun.

pub mod wire;

pub mod live;

pub mod visits;

pub mod answers;

pub mod alerts;

pub mod timeline;

pub mod deliveries;

pub mod answering;

pub mod silences;

pub mod areas;

pub mod recording;

pub mod erasing;

pub mod overdue;

pub mod events;

pub mod units;

pub mod quarantine;

pub mod gaps;

pub mod ledger;

pub mod packages;

pub mod openapi;

use std::sync::Arc;

use axum::Router;

use super::handles::Http;

/// Every route of the API.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .merge(alerts::routes())
        .merge(timeline::routes())
        .merge(deliveries::routes())
        .merge(answering::routes())
        .merge(silences::routes())
        .merge(areas::routes())
        .merge(events::routes())
        .merge(units::routes())
        .merge(visits::routes())
        .merge(recording::routes())
        .merge(erasing::routes())
        .merge(overdue::routes())
        .merge(quarantine::routes())
        .merge(gaps::routes())
        .merge(ledger::routes())
        .merge(packages::routes())
        .merge(openapi::routes())
}
