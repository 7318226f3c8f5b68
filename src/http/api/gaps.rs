//! `/api/v1/gaps`: event numbers that never came, or came late.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::wire::{PageWire, time};
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::read::gaps::{GapFilter, GapRow};

/// One stretch of missing numbers, both ends included.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct GapWire {
    /// `gap-<number>`, as evidence lists name it.
    pub id: String,
    pub unit: String,
    pub boot: String,
    pub from_seq: i64,
    pub to_seq: i64,
    /// How many events are missing.
    pub missing: i64,
    #[schema(format = DateTime)]
    pub found_at: String,
    /// When the last missing event came after all.
    #[schema(required, format = DateTime)]
    pub closed_at: Option<String>,
}

impl From<GapRow> for GapWire {
    fn from(row: GapRow) -> Self {
        Self {
            id: format!("gap-{}", row.id),
            unit: row.unit,
            boot: row.boot,
            from_seq: row.from_seq,
            to_seq: row.to_seq,
            missing: row.to_seq.saturating_sub(row.from_seq).saturating_add(1),
            found_at: time(row.found_at),
            closed_at: row.closed_at.map(time),
        }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/gaps", get(list))
}

/// Gaps in what units told, the last found first.
#[utoipa::path(get, path = "/api/v1/gaps", tag = "gaps",
    params(
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("state" = Option<String>, Query, description = "open, closed or all (all if not said)"),
        ("after" = Option<i64>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<GapWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<GapWire>>, Problem> {
    let filter = GapFilter {
        unit: params.text("unit")?,
        open: params.word("state", &["open", "closed", "all"])?.and_then(|state| match state {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        }),
        after: params.parsed("after")?,
        limit: params.limit()?,
    };
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.gaps(&filter).await?, GapWire::from)))
}
