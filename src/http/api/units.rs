//! `/api/v1/units`: the registry, what each unit last told, units without an entry, and the import of a new registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};

use super::alerts::AlertWire;
use super::live::{LevelsWire, StateWire};
use super::visits::VisitWire;
use super::wire::{PageWire, time};
use crate::domain::time::Timestamp;
use crate::http::admitted::Admitted;
use crate::http::calendar::Calendar;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params, read_body};
use crate::pipeline::action::{Action, Done};
use crate::registry_csv;
use crate::store::read::ReadError;
use crate::store::read::quarantine::UnregisteredRow;
use crate::store::read::units::{UnitFile, UnitFilter, UnitRow};

/// A registry of half a million units as CSV fits.
const IMPORT_LIMIT: usize = 64 * 1024 * 1024;

/// Wrong lines that an answer lists.
const WRONG_LINES: usize = 1_000;

/// One unit as registered, and when it was last heard.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UnitWire {
    pub id: String,
    pub registration_code: String,
    pub region: String,
    pub site: String,
    pub address: String,
    /// traction, hydraulic, dumbwaiter or escalator.
    pub kind: String,
    pub maker: String,
    pub model: String,
    #[schema(required, format = Date)]
    pub in_service_since: Option<String>,
    /// Whole years in use.
    #[schema(required)]
    pub age_years: Option<i16>,
    pub owner: String,
    pub maintainer: String,
    #[schema(required)]
    pub publisher: Option<String>,
    #[schema(required)]
    pub stops: Option<i64>,
    #[schema(required)]
    pub latitude: Option<f64>,
    #[schema(required)]
    pub longitude: Option<f64>,
    pub maintenance_interval_days: i64,
    #[schema(required, format = Date)]
    pub last_inspection: Option<String>,
    /// Up to 5 s old.
    #[schema(required, format = DateTime)]
    pub heard_at: Option<String>,
    /// Has never sent a state, so its silence says nothing.
    pub unmonitored: bool,
    pub firing_alerts: i64,
}

impl UnitWire {
    fn of(row: UnitRow, calendar: &Calendar, now: Timestamp) -> Self {
        Self {
            age_years: row.in_service_since.as_deref().and_then(|since| calendar.years_in_use(since, now)),
            id: row.id,
            registration_code: row.registration_code,
            region: row.region,
            site: row.site,
            address: row.address,
            kind: row.kind,
            maker: row.maker,
            model: row.model,
            in_service_since: row.in_service_since,
            owner: row.owner,
            maintainer: row.maintainer,
            publisher: row.publisher,
            stops: row.stops,
            latitude: row.latitude,
            longitude: row.longitude,
            maintenance_interval_days: row.maintenance_interval_days,
            last_inspection: row.last_inspection,
            heard_at: row.heard_at.map(time),
            unmonitored: row.state_at.is_none(),
            firing_alerts: row.firing,
        }
    }
}

/// Events by type.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct CountsWire {
    pub last_30_days: BTreeMap<String, i64>,
    pub last_90_days: BTreeMap<String, i64>,
}

/// One unit with all that is known of it now.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UnitFileWire {
    #[serde(flatten)]
    pub unit: UnitWire,
    /// The latest state; up to 5 s old. Null if it has never sent one.
    #[schema(required)]
    pub state: Option<StateWire>,
    /// Null if it has never told any.
    #[schema(required)]
    pub levels: Option<LevelsWire>,
    pub event_counts: CountsWire,
    pub open_alerts: Vec<AlertWire>,
    /// The newest 50 visits.
    pub visits: Vec<VisitWire>,
}

impl UnitFileWire {
    fn of(file: UnitFile, calendar: &Calendar, now: Timestamp) -> Result<Self, ReadError> {
        Ok(Self {
            unit: UnitWire::of(file.unit, calendar, now),
            state: file.state.as_deref().and_then(StateWire::of),
            levels: file.flags.as_deref().and_then(LevelsWire::of),
            event_counts: CountsWire {
                last_30_days: file.counts_30.into_iter().collect(),
                last_90_days: file.counts_90.into_iter().collect(),
            },
            open_alerts: file.firing.into_iter().map(AlertWire::try_from).collect::<Result<_, _>>()?,
            visits: file.visits.into_iter().map(VisitWire::from).collect(),
        })
    }
}

/// A unit that speaks and is not in the registry.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct UnregisteredWire {
    pub publisher: String,
    pub unit: String,
    pub region: String,
    #[schema(format = DateTime)]
    pub first_at: String,
    #[schema(format = DateTime)]
    pub last_at: String,
    pub messages: i64,
}

impl From<UnregisteredRow> for UnregisteredWire {
    fn from(row: UnregisteredRow) -> Self {
        Self {
            publisher: row.publisher,
            unit: row.unit,
            region: row.region,
            first_at: time(row.first_at),
            last_at: time(row.last_at),
            messages: row.messages,
        }
    }
}

/// What an import did.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ImportedWire {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/units", get(list).post(import))
        .route("/api/v1/units/{id}", get(one))
        .route("/api/v1/unregistered", get(unregistered))
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<UnitFilter, Problem> {
    Ok(UnitFilter {
        region: params.text("region")?,
        q: params.text("q")?,
        after: params.text("after")?,
        limit: params.limit()?,
    })
}

/// Units in order of their ids.
#[utoipa::path(get, path = "/api/v1/units", tag = "units",
    params(
        ("region" = Option<String>, Query, description = "in this region"),
        ("q" = Option<String>, Query, description = "part of the id, site, address, registration code, owner or maintainer"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<UnitWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<UnitWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    let now = http.clock.now();
    Ok(Json(PageWire::of(http.reader.units(&filter).await?, |row| UnitWire::of(row, &http.calendar, now))))
}

/// One unit: registry, live state, age, counts, open alerts, visits.
#[utoipa::path(get, path = "/api/v1/units/{id}", tag = "units",
    params(("id" = String, Path, description = "the unit's id")),
    responses(
        (status = 200, description = "the unit", body = UnitFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "not in the registry", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<UnitFileWire>, Problem> {
    params.finish()?;
    let now = http.clock.now();
    let file = http.reader.unit(&id.0, now.plus_days(-30).0, now.plus_days(-90).0).await?;
    let file = file.ok_or_else(|| Problem::missing("unit", &id.0))?;
    Ok(Json(UnitFileWire::of(file, &http.calendar, now)?))
}

/// Units that speak and are not in the registry, in order of publisher and unit.
#[utoipa::path(get, path = "/api/v1/unregistered", tag = "units",
    params(
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<UnregisteredWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn unregistered(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<PageWire<UnregisteredWire>>, Problem> {
    let (after, limit) = (params.text("after")?, params.limit()?);
    params.finish()?;
    let page = http.reader.unregistered(after.as_deref(), limit).await?;
    Ok(Json(PageWire::of(page, UnregisteredWire::from)))
}

/// Brings in a registry as CSV, the same as `liftwatch import units`: all of it or, with a list of the wrong lines, nothing.
#[utoipa::path(post, path = "/api/v1/units", tag = "units",
    request_body(content = String, content_type = "text/csv", description = "a header line and one line per unit, at most 64 MiB"),
    responses(
        (status = 200, description = "what changed", body = ImportedWire),
        (status = 400, description = "the body broke off", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "refused as things stand", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "more than 64 MiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not CSV", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "wrong lines, each with number and column", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn import(
    Admitted(http): Admitted,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportedWire>, Problem> {
    let csv = read_body(&headers, body, "text/csv", IMPORT_LIMIT).await?;
    // Half a million lines take a second of computing: not on the threads that answer the others.
    let parsed = tokio::task::spawn_blocking(move || registry_csv::parse(csv.as_slice())).await;
    let parsed = parsed.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "reading the file failed"))?;
    let units = parsed.map_err(|errors| wrong_lines(&errors))?;
    match door::ask(&http.actions, Action::ImportUnits(units)).await? {
        Done::Imported(done) => {
            Ok(Json(ImportedWire { added: done.added, changed: done.changed, unchanged: done.unchanged }))
        }
        other => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("an import was answered by {other:?}"))),
    }
}

/// Says the first of the wrong lines and how many there are.
fn wrong_lines(errors: &[registry_csv::LineError]) -> Problem {
    let detail = format!(
        "{} wrong, nothing was imported",
        if errors.len() == 1 { "1 place is".to_owned() } else { format!("{} places are", errors.len()) }
    );
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    problem.errors = errors.iter().take(WRONG_LINES).map(ToString::to_string).collect();
    problem
}
