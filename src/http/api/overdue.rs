//! `/api/v1/maintenance/overdue`: the units whose planned visit did not take place, as the rule `maintenance_overdue` says.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::wire::{PageWire, time};
use crate::detect::maintenance_overdue::due;
use crate::domain::time::{DAY, Timestamp};
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::read::overdue::{OverdueFilter, OverdueRow};

/// A unit whose maintenance is overdue.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct OverdueWire {
    pub unit: String,
    pub region: String,
    pub site: String,
    pub owner: String,
    pub maintainer: String,
    pub maintenance_interval_days: i64,
    /// The id of the last planned visit.
    pub last_visit: String,
    /// FM, HM, TM, SM or OY.
    pub last_kind: String,
    #[schema(format = DateTime)]
    pub last_started_at: String,
    #[schema(format = DateTime)]
    pub due_at: String,
    /// Whole days since it was due.
    pub overdue_days: i64,
    /// info or warning.
    pub severity: String,
    /// The id of the alert.
    pub alert: String,
}

impl OverdueWire {
    fn of(row: OverdueRow, now: Timestamp) -> Self {
        let interval = u32::try_from(row.maintenance_interval_days).unwrap_or(0);
        let due = due(Timestamp(row.last_started_at), interval);
        Self {
            unit: row.unit,
            region: row.region,
            site: row.site,
            owner: row.owner,
            maintainer: row.maintainer,
            maintenance_interval_days: row.maintenance_interval_days,
            last_visit: row.last_visit,
            last_kind: row.last_kind,
            last_started_at: time(row.last_started_at),
            due_at: time(due.0),
            overdue_days: (now - due) / DAY,
            severity: row.severity,
            alert: row.alert,
        }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/maintenance/overdue", get(list))
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<OverdueFilter, Problem> {
    Ok(OverdueFilter {
        maintainer: params.text("maintainer")?,
        region: params.text("region")?,
        after: params.text("after")?,
        limit: params.limit()?,
    })
}

/// Units whose maintenance is overdue, in order of when that was recorded.
#[utoipa::path(get, path = "/api/v1/maintenance/overdue", tag = "visits",
    params(
        ("maintainer" = Option<String>, Query, description = "of this firm"),
        ("region" = Option<String>, Query, description = "in this region"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<OverdueWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<OverdueWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    let now = http.clock.now();
    Ok(Json(PageWire::of(http.reader.overdue(&filter).await?, |row| OverdueWire::of(row, now))))
}
