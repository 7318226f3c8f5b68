//! `/alerts` and `/alerts/{id}`: the list, and the sheet of evidence that an inspector takes along.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::answering::{self, AnswersView};
use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Badge, Choice, Desk, FactView, Moment, basis_in};
use super::story::StoryView;
use crate::domain::time::Timestamp;
use crate::domain::words;
use crate::http::admitted::Admitted;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::alerts::{AlertFile, EvidenceRow};
use crate::store::read::timeline::Entry;

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    rules: Vec<Choice>,
    states: Vec<Choice>,
    unit: String,
    region: String,
    /// The area event for which these wait; empty for all alerts.
    area: String,
    alerts: Vec<AlertView>,
    address: String,
    next: Option<String>,
}

struct TransitionView {
    what: String,
    severity: Badge,
    at: Moment,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    frame: Frame,
    alert: AlertView,
    region: String,
    address: String,
    ends: Option<Moment>,
    /// What the end means, or why there is none.
    ends_note: &'static str,
    basis: String,
    version: String,
    recorded: Moment,
    late: bool,
    withdrawn: bool,
    superseded_by: Option<String>,
    facts: Vec<FactView>,
    transitions: Vec<TransitionView>,
    story: Vec<StoryView>,
    answers: AnswersView,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/alerts", get(list)).route("/alerts/{id}", get(one))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let filter = crate::http::api::alerts::filter(&mut params)?;
    params.finish()?;
    let language = reading.language;
    let desk = Desk::of(&http, language);
    let found = http.reader.alerts(&filter).await?;
    let choice = |list: &str, value, chosen| Choice::of(list, value, chosen, language);
    page(&AlertsPage {
        frame: reading.frame(language.phrases().alerts, "/alerts"),
        rules: words::unit_rules().map(|rule| choice("rule", rule, filter.rule.as_deref())).collect(),
        states: ["firing", "resolved", "withdrawn"].map(|state| choice("state", state, filter.state.as_deref())).into(),
        unit: filter.unit.unwrap_or_default(),
        region: filter.region.unwrap_or_default(),
        area: filter.area.unwrap_or_default(),
        alerts: AlertView::all(&found.items, &desk),
        address: reading.address(),
        next: found.next,
    })
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let file = http.reader.alert(&id.0).await?.ok_or_else(|| Problem::missing("alert", &id.0))?;
    let story = http.reader.timeline(&id.0).await?.unwrap_or_default();
    let desk = Desk::of(&http, reading.language);
    let answers = answering::view(&http, &file, &desk).await?;
    page(&sheet(file, answers, story, &desk, &reading))
}

fn sheet(file: AlertFile, answers: AnswersView, story: Vec<Entry>, desk: &Desk, reading: &Reading) -> AlertPage {
    let language = desk.language;
    let t = language.phrases();
    let alert = AlertView::of(&file.alert, desk);
    let row = file.alert;
    let transition = |change: &crate::store::read::alerts::TransitionRow| TransitionView {
        what: language.word("transition", &change.kind),
        severity: Badge::severity(&change.severity, language),
        at: Moment::of(change.at, desk),
    };
    AlertPage {
        frame: reading.frame(format!("{} · {}", alert.rule, alert.unit), "/alerts"),
        region: row.region.unwrap_or_default(),
        address: row.address.unwrap_or_default(),
        ends: row.ends_at.map(|at| Moment::of(at, desk)),
        ends_note: match (row.state.as_str(), row.rule.as_str(), row.ends_at) {
            ("firing", _, Some(_)) => t.until_if_nothing,
            ("firing", "entrapment", None) => t.by_person_only,
            _ => "",
        },
        basis: basis_in(language, &row.basis).to_owned(),
        version: row.rule_version,
        recorded: Moment::of(row.recorded_at, desk),
        late: row.late,
        withdrawn: row.state == "withdrawn",
        superseded_by: row.superseded_by,
        facts: file.evidence.iter().map(|fact| fact_view(fact, desk)).collect(),
        transitions: file.transitions.iter().map(transition).collect(),
        story: StoryView::all(story, desk),
        answers,
        alert,
    }
}

fn fact_view(fact: &EvidenceRow, desk: &Desk) -> FactView {
    let language = desk.language;
    let t = language.phrases();
    match fact {
        EvidenceRow::Event(row) => FactView::event(row, desk),
        EvidenceRow::Visit(row) => FactView {
            id: row.id.clone(),
            what: format!("{} {}", t.visit, language.word("visit", &row.kind)),
            when: Some(Moment::of(row.started_at, desk)),
            details: row
                .ended_at
                .map(|at| format!("{} {}", t.until, desk.calendar.local(Timestamp(at))))
                .unwrap_or_default(),
        },
        EvidenceRow::Gap(row) => FactView {
            id: format!("gap-{}", row.id),
            what: t.gap.to_owned(),
            when: Some(Moment::of(row.found_at, desk)),
            details: format!("{} {}–{} (boot {})", t.missing_numbers, row.from_seq, row.to_seq, row.boot),
        },
        EvidenceRow::Missing(id) => {
            FactView { id: id.clone(), what: t.evidence_missing.to_owned(), when: None, details: String::new() }
        }
    }
}
