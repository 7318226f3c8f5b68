//! `/visits`: maintenance visits by unit, worker, firm, kind and day, and the package that proves them.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::frame::{Frame, Reading, page};
use super::show::{Badge, Choice, Desk, Moment};
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::visit::VisitKind;
use crate::http::admitted::Admitted;
use crate::http::api::visits::filter;
use crate::http::calendar::Calendar;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::store::read::visits::{VisitFilter, VisitRow};

struct VisitLine {
    id: String,
    starts: Moment,
    /// How long it took; `None` without an end.
    minutes: Option<i64>,
    kind: String,
    unit: String,
    site: String,
    workers: String,
    maintainer: String,
    state: Badge,
    confirmed: bool,
}

#[derive(Template)]
#[template(path = "visits.html")]
struct VisitsPage {
    frame: Frame,
    filter: VisitFilter,
    kinds: Vec<Choice>,
    /// The days of the period, as they were asked for.
    days: (String, String),
    /// The period in the API's form.
    times: (String, String),
    visits: Vec<VisitLine>,
    /// Something is signed, so there are packages.
    signed: bool,
    address: String,
    next: Option<String>,
}

impl VisitsPage {
    fn asked<'a>(&self, value: &'a Option<String>) -> &'a str {
        value.as_deref().unwrap_or("")
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/visits", get(list))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let language = reading.language;
    // People ask by days; the API by points in time.
    let days = (params.text("from")?, params.text("to")?);
    let from = day(&http.calendar, "from", days.0.as_deref())?.map(|(begins, _)| begins);
    let to = day(&http.calendar, "to", days.1.as_deref())?.map(|(_, ends)| ends);
    let filter = filter(&mut params)?;
    params.finish()?;
    let filter = VisitFilter { from: from.map(|at| at.0), to: to.map(|at| at.0), ..filter };
    let desk = Desk::of(&http, language);
    let found = http.reader.visits(&filter).await?;
    let kind = filter.kind.as_deref();
    let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    page(&VisitsPage {
        frame: reading.frame(language.phrases().visits, "/visits"),
        kinds: VisitKind::ALL.iter().map(|word| Choice::of("visit", word.as_str(), kind, language)).collect(),
        days: (days.0.unwrap_or_default(), days.1.unwrap_or_default()),
        times: (time(from), time(to)),
        visits: found.items.iter().map(|row| line(row, &desk)).collect(),
        signed: http.ledger_key.is_some(),
        address: reading.address(),
        next: found.next,
        filter,
    })
}

fn day(calendar: &Calendar, name: &str, text: Option<&str>) -> Result<Option<(Timestamp, Timestamp)>, Problem> {
    let wrong = || Problem::parameter(name, "is no day in the form 2026-11-24");
    text.map(|text| calendar.day(text).ok_or_else(wrong)).transpose()
}

fn line(row: &VisitRow, desk: &Desk) -> VisitLine {
    let language = desk.language;
    let record: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let workers = record["workers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let workers: Vec<&str> = workers.collect();
    VisitLine {
        id: row.id.clone(),
        starts: Moment::of(row.started_at, desk),
        minutes: row.ended_at.map(|ended| (ended - row.started_at) / MINUTE),
        kind: language.word("visit", &row.kind),
        unit: row.unit.clone(),
        site: row.site.clone(),
        workers: workers.join(if language == Language::Zh { "、" } else { ", " }),
        maintainer: row.maintainer.clone(),
        state: Badge::visit(!row.corrections().is_empty(), language),
        confirmed: row.confirmed_at.is_some(),
    }
}
