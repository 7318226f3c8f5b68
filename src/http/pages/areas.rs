//! `/areas` and `/areas/{id}`: power cuts and regions out of sight, how many units each has reached, and the alerts that
//! are not told because of it.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Badge, Choice, Desk, Moment, basis_in};
use super::story::StoryView;
use crate::domain::notice::AreaKind;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::alerts::AlertFilter;
use crate::store::read::areas::AreaSeen;

/// Alerts that an event's page lists; the others stand behind a link.
const LISTED: u32 = 50;

/// An area event as lists show it.
pub struct AreaView {
    pub id: String,
    pub kind: String,
    pub region: String,
    pub place: String,
    pub severity: Badge,
    pub state: Badge,
    pub summary: String,
    pub units: i64,
    pub starts: Moment,
    pub ends: Option<Moment>,
}

impl AreaView {
    /// The view of a row.
    #[must_use]
    pub fn of(seen: &AreaSeen, desk: &Desk) -> Self {
        let (row, language) = (&seen.area, desk.language);
        Self {
            id: row.id.clone(),
            kind: language.word("rule", &row.kind),
            region: row.region.clone(),
            place: if row.site.is_empty() { language.phrases().whole_region.to_owned() } else { row.site.clone() },
            severity: Badge::severity(&row.severity, language),
            state: Badge::area(if row.ends_at.is_none() { "open" } else { "ended" }, language),
            summary: if language == Language::Zh { &row.summary_zh } else { &row.summary_en }.clone(),
            units: row.units,
            starts: Moment::of(row.starts_at, desk),
            ends: row.ends_at.map(|at| Moment::of(at, desk)),
        }
    }

    /// The views of rows.
    #[must_use]
    pub fn all(rows: &[AreaSeen], desk: &Desk) -> Vec<Self> {
        rows.iter().map(|row| Self::of(row, desk)).collect()
    }
}

#[derive(Template)]
#[template(path = "areas.html")]
struct AreasPage {
    frame: Frame,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    region: String,
    areas: Vec<AreaView>,
    address: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "area.html")]
struct AreaPage {
    frame: Frame,
    area: AreaView,
    basis: String,
    /// As the registry has it; empty where the whole region is meant.
    site: String,
    held: i64,
    /// The newest of them.
    alerts: Vec<AlertView>,
    more: bool,
    story: Vec<StoryView>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/areas", get(list)).route("/areas/{id}", get(one))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let filter = crate::http::api::areas::filter(&mut params)?;
    params.finish()?;
    let language = reading.language;
    let desk = Desk::of(&http, language);
    let found = http.reader.areas(&filter).await?;
    let state = filter.open.map(|open| if open { "open" } else { "ended" });
    let kinds = AreaKind::ALL.iter().map(|kind| Choice::of("rule", kind.as_str(), filter.kind.as_deref(), language));
    page(&AreasPage {
        frame: reading.frame(language.phrases().areas, "/alerts"),
        states: ["open", "ended"].map(|word| Choice::of("area", word, state, language)).into(),
        kinds: kinds.collect(),
        region: filter.region.unwrap_or_default(),
        areas: AreaView::all(&found.items, &desk),
        address: reading.address(),
        next: found.next,
    })
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let file = http.reader.area(&id.0).await?.ok_or_else(|| Problem::missing("area event", &id.0))?;
    let held = AlertFilter { area: Some(id.0), limit: LISTED, ..AlertFilter::default() };
    let held = http.reader.alerts(&held).await?;
    let desk = Desk::of(&http, reading.language);
    let area = AreaView::of(&file.seen, &desk);
    let row = &file.seen.area;
    page(&AreaPage {
        frame: reading.frame(format!("{} · {}", area.kind, area.place), "/alerts"),
        area,
        basis: basis_in(reading.language, &row.basis).to_owned(),
        site: row.site.clone(),
        held: file.seen.held,
        alerts: AlertView::all(&held.items, &desk),
        more: held.next.is_some(),
        story: StoryView::all(file.story, &desk),
    })
}
