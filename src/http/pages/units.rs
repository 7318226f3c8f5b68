//! `/units` and `/units/{id}`: the registry, and one unit with all that is known of it now.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Desk, FactView, Moment};
use crate::http::admitted::Admitted;
use crate::http::api::live::{LevelsWire, StateWire};
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::units::{UnitFile, UnitRow};
use crate::store::read::visits::VisitRow;

/// The fields of a state that the page shows, in this order.
const FIELDS: [&str; 14] = [
    "mode",
    "moving",
    "direction",
    "landing",
    "door",
    "in_unlocking_zone",
    "occupied",
    "active_faults",
    "alarm",
    "entrapment",
    "mains_off",
    "runs",
    "door_cycles",
    "run_seconds",
];

struct UnitLine {
    id: String,
    site: String,
    address: String,
    kind: String,
    age: Option<i16>,
    over_age: bool,
    heard: Option<Moment>,
    unmonitored: bool,
    firing: i64,
}

#[derive(Template)]
#[template(path = "units.html")]
struct UnitsPage {
    frame: Frame,
    q: String,
    region: String,
    units: Vec<UnitLine>,
    address: String,
    next: Option<String>,
}

struct CountLine {
    what: String,
    days_30: i64,
    days_90: i64,
}

struct VisitLine {
    id: String,
    /// A later record replaces it.
    replaced: bool,
    kind: String,
    starts: Moment,
    ends: Option<Moment>,
    record_id: String,
}

struct GapLine {
    numbers: String,
    boot: String,
    found: Moment,
    closed: Option<Moment>,
}

#[derive(Template)]
#[template(path = "unit.html")]
struct UnitPage {
    frame: Frame,
    line: UnitLine,
    registry: Vec<(&'static str, String)>,
    /// (what, value)
    state: Vec<(String, String)>,
    state_at: Option<Moment>,
    counts: Vec<CountLine>,
    firing: Vec<AlertView>,
    resolved: Vec<AlertView>,
    events: Vec<FactView>,
    visits: Vec<VisitLine>,
    gaps: Vec<GapLine>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/units", get(list)).route("/units/{id}", get(one))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let filter = crate::http::api::units::filter(&mut params)?;
    params.finish()?;
    let desk = Desk::of(&http, reading.language);
    let found = http.reader.units(&filter).await?;
    page(&UnitsPage {
        frame: reading.frame(reading.language.phrases().units, "/units"),
        units: found.items.iter().map(|row| unit_line(row, &desk)).collect(),
        q: filter.q.unwrap_or_default(),
        region: filter.region.unwrap_or_default(),
        address: reading.address(),
        next: found.next,
    })
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let desk = Desk::of(&http, reading.language);
    let now = desk.now;
    let file = http.reader.unit(&id.0, now.plus_days(-30).0, now.plus_days(-90).0).await?;
    let file = file.ok_or_else(|| Problem::missing("unit", &id.0))?;
    page(&sheet(&file, &desk, &reading))
}

fn sheet(file: &UnitFile, desk: &Desk, reading: &Reading) -> UnitPage {
    let language = desk.language;
    let gap = |row: &crate::store::read::gaps::GapRow| GapLine {
        numbers: format!("{}–{}", row.from_seq, row.to_seq),
        boot: row.boot.clone(),
        found: Moment::of(row.found_at, desk),
        closed: row.closed_at.map(|at| Moment::of(at, desk)),
    };
    UnitPage {
        frame: reading.frame(file.unit.id.clone(), "/units"),
        line: unit_line(&file.unit, desk),
        registry: registry_lines(&file.unit, language),
        state: state_lines(file, language),
        state_at: file.unit.state_at.map(|at| Moment::of(at, desk)),
        counts: count_lines(file, language),
        firing: AlertView::all(&file.firing, desk),
        resolved: AlertView::all(&file.resolved, desk),
        events: file.events.iter().map(|row| FactView::event(row, desk)).collect(),
        visits: file.visits.iter().map(|row| visit_line(row, desk)).collect(),
        gaps: file.gaps.iter().map(gap).collect(),
    }
}

fn unit_line(row: &UnitRow, desk: &Desk) -> UnitLine {
    let calendar = &desk.calendar;
    let age = row.in_service_since.as_deref().and_then(|since| calendar.years_in_use(since, desk.now));
    UnitLine {
        id: row.id.clone(),
        site: row.site.clone(),
        address: row.address.clone(),
        kind: desk.language.word("kind", &row.kind),
        age,
        over_age: age.is_some_and(|age| age >= i16::from(calendar.over_age_years)),
        heard: row.heard_at.map(|at| Moment::of(at, desk)),
        unmonitored: row.state_at.is_none(),
        firing: row.firing,
    }
}

fn visit_line(row: &VisitRow, desk: &Desk) -> VisitLine {
    VisitLine {
        id: row.id.clone(),
        kind: desk.language.word("visit", &row.kind),
        starts: Moment::of(row.started_at, desk),
        ends: row.ended_at.map(|at| Moment::of(at, desk)),
        record_id: row.record_id.clone(),
        replaced: !row.corrections().is_empty(),
    }
}

fn registry_lines(row: &UnitRow, language: Language) -> Vec<(&'static str, String)> {
    let t = language.phrases();
    let or_unknown = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or(t.unknown).to_owned();
    vec![
        (t.address, or_unknown(Some(&row.address))),
        (t.region, row.region.clone()),
        (t.kind, language.word("kind", &row.kind)),
        (t.in_service_since, or_unknown(row.in_service_since.as_deref())),
        (t.registration_code, or_unknown(Some(&row.registration_code))),
        (t.owner, or_unknown(Some(&row.owner))),
        (t.maintainer, or_unknown(Some(&row.maintainer))),
        (t.maker, or_unknown(Some(&row.maker))),
        (t.model, or_unknown(Some(&row.model))),
        (t.stops, or_unknown(row.stops.map(|stops| stops.to_string()).as_deref())),
        (t.last_inspection, or_unknown(row.last_inspection.as_deref())),
        (t.interval, format!("{} {}", row.maintenance_interval_days, t.days)),
        (t.publisher, or_unknown(row.publisher.as_deref())),
    ]
}

/// What the unit told of itself, state and events together; what it left out is not shown, because it says nothing.
fn state_lines(file: &UnitFile, language: Language) -> Vec<(String, String)> {
    let mut told = serde_json::Map::new();
    if let Some(Ok(Value::Object(state))) = file.state.as_deref().and_then(StateWire::of).map(serde_json::to_value) {
        told.extend(state);
    }
    // Levels know what events told since the latest state.
    if let Some(Ok(Value::Object(mut levels))) =
        file.flags.as_deref().and_then(LevelsWire::of).map(serde_json::to_value)
    {
        told.extend(levels.remove("faults").map(|faults| ("active_faults".to_owned(), faults)));
        levels.retain(|_, value| !value.is_null());
        told.extend(levels);
    }
    let shown = FIELDS.into_iter().filter_map(|field| Some((field, told.get(field).filter(|value| !value.is_null())?)));
    shown.map(|(field, value)| (language.word("field", field), value_text(field, value, language))).collect()
}

fn value_text(field: &str, value: &Value, language: Language) -> String {
    let t = language.phrases();
    match value {
        Value::Bool(true) => t.yes.to_owned(),
        Value::Bool(false) => t.no.to_owned(),
        Value::String(text) => language.word(field, text),
        Value::Array(items) if items.is_empty() => t.none.to_owned(),
        Value::Array(items) => {
            items.iter().map(|item| value_text(field, item, language)).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fault) => {
            let part = |name: &str| fault.get(name).and_then(Value::as_str);
            let code = part("code").map(|code| language.word("fault", code)).unwrap_or_default();
            part("vendor_code").map_or(code.clone(), |vendor| format!("{code} ({vendor})"))
        }
        other => other.to_string(),
    }
}

fn count_lines(file: &UnitFile, language: Language) -> Vec<CountLine> {
    let recent: BTreeMap<&str, i64> = file.counts_30.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let line = |(kind, n): &(String, i64)| CountLine {
        what: language.word("event", kind),
        days_30: recent.get(kind.as_str()).copied().unwrap_or(0),
        days_90: *n,
    };
    file.counts_90.iter().map(line).collect()
}
