//! `/api/v1/areas`: what is said of many units at once, and of which alerts it holds back.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::alerts::SummaryWire;
use super::timeline::EntryWire;
use super::wire::{PageWire, time};
use crate::domain::notice::AreaKind;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::areas::{AreaFile, AreaFilter, AreaSeen};

/// One event of a site or a region.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AreaWire {
    pub id: String,
    /// area_power or blind_region.
    pub kind: String,
    pub region: String,
    /// Empty where the whole region is meant.
    pub site: String,
    /// info, warning or critical.
    pub severity: String,
    /// open or ended.
    pub state: String,
    #[schema(format = DateTime)]
    pub starts_at: String,
    #[schema(required, format = DateTime)]
    pub ends_at: Option<String>,
    /// How many units it has reached.
    pub units: i64,
    /// How many alerts were not told, or not at once, because of it; `GET /api/v1/alerts?area=` lists them.
    pub held: i64,
    /// The law or number that the rule rests on.
    pub basis: String,
    pub summary: SummaryWire,
}

impl From<AreaSeen> for AreaWire {
    fn from(seen: AreaSeen) -> Self {
        let row = seen.area;
        Self {
            id: row.id,
            kind: row.kind,
            region: row.region,
            site: row.site,
            severity: row.severity,
            state: if row.ends_at.is_none() { "open" } else { "ended" }.to_owned(),
            starts_at: time(row.starts_at),
            ends_at: row.ends_at.map(time),
            units: row.units,
            held: seen.held,
            basis: row.basis,
            summary: SummaryWire { zh: row.summary_zh, en: row.summary_en },
        }
    }
}

/// An area event with its story.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AreaFileWire {
    #[serde(flatten)]
    pub area: AreaWire,
    /// What became of it and who was told, the oldest first, 2,000 entries at most.
    pub entries: Vec<EntryWire>,
}

impl From<AreaFile> for AreaFileWire {
    fn from(file: AreaFile) -> Self {
        Self { area: file.seen.into(), entries: file.story.into_iter().map(EntryWire::from).collect() }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/areas", get(list)).route("/api/v1/areas/{id}", get(one))
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<AreaFilter, Problem> {
    let kinds: Vec<&'static str> = AreaKind::ALL.iter().map(|kind| kind.as_str()).collect();
    Ok(AreaFilter {
        kind: params.word("kind", &kinds)?.map(str::to_owned),
        region: params.text("region")?,
        open: params.word("state", &["open", "ended", "all"])?.and_then(|state| match state {
            "open" => Some(true),
            "ended" => Some(false),
            _ => None,
        }),
        after: params.text("after")?,
        limit: params.limit()?,
    })
}

/// Area events, the newest first.
#[utoipa::path(get, path = "/api/v1/areas", tag = "areas",
    params(
        ("kind" = Option<String>, Query, description = "area_power or blind_region"),
        ("region" = Option<String>, Query, description = "in this region"),
        ("state" = Option<String>, Query, description = "open, ended or all (all if not said)"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<AreaWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<AreaWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.areas(&filter).await?, AreaWire::from)))
}

/// One area event: what became of it, and who was told.
#[utoipa::path(get, path = "/api/v1/areas/{id}", tag = "areas",
    params(("id" = String, Path, description = "the event's id")),
    responses(
        (status = 200, description = "the event", body = AreaFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such event", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<AreaFileWire>, Problem> {
    params.finish()?;
    let file = http.reader.area(&id.0).await?.ok_or_else(|| Problem::missing("area event", &id.0))?;
    Ok(Json(file.into()))
}
