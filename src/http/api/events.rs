//! `/api/v1/events`: what units told.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::wire::{PageWire, json, time};
use crate::domain::event::EventType;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::read::events::{EventFilter, EventRow};

/// One event.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct EventWire {
    pub id: String,
    pub unit: String,
    pub publisher: String,
    /// fault_raised, fault_cleared, entrapment_reported, passenger_released, alarm_pressed, mode_changed, mains_off or mains_on.
    #[serde(rename = "type")]
    pub kind: String,
    #[schema(required)]
    pub code: Option<String>,
    #[schema(required)]
    pub vendor_code: Option<String>,
    #[schema(required)]
    pub mode: Option<String>,
    #[schema(required)]
    pub landing: Option<String>,
    #[schema(required)]
    pub moving: Option<bool>,
    #[schema(required)]
    pub occupied: Option<bool>,
    /// When it counts for rules.
    #[schema(format = DateTime)]
    pub at: String,
    /// What the sender's clock said.
    #[schema(format = DateTime)]
    pub ts: String,
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The sender's clock ran ahead, so `at` is the time of receipt.
    pub clock_suspect: bool,
    #[schema(required)]
    pub boot: Option<String>,
    #[schema(required)]
    pub seq: Option<i64>,
    /// reported, edge, derived or person.
    pub origin: String,
    /// Fields that the daemon does not know, as they came.
    #[schema(required, nullable, value_type = Object)]
    pub extra: Option<serde_json::Value>,
}

impl From<EventRow> for EventWire {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            unit: row.unit,
            publisher: row.publisher,
            kind: row.kind,
            code: row.code,
            vendor_code: row.vendor_code,
            mode: row.mode,
            landing: row.landing,
            moving: row.moving,
            occupied: row.occupied,
            at: time(row.at),
            ts: time(row.ts),
            received_at: time(row.received_at),
            clock_suspect: row.clock_suspect,
            boot: row.boot,
            seq: row.seq,
            origin: row.origin,
            extra: json(row.extra),
        }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/events", get(list))
}

/// Events, newest first: of one unit by when they count, of all units by their ids.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("type" = Option<String>, Query, description = "of this type"),
        ("from" = Option<String>, Query, description = "counting at or after this time, RFC 3339 with a zone"),
        ("to" = Option<String>, Query, description = "counting before this time, RFC 3339 with a zone"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<EventWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<EventWire>>, Problem> {
    let types: Vec<&'static str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    let filter = EventFilter {
        unit: params.text("unit")?,
        kind: params.word("type", &types)?.map(str::to_owned),
        from: params.time("from")?,
        to: params.time("to")?,
        after: params.text("after")?,
        limit: params.limit()?,
    };
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.events(&filter).await?, EventWire::from)))
}
