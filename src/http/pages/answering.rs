//! What people answered to an alert, as its page shows it, and the form on it.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;

use super::show::{Desk, Moment};
use crate::domain::notice::AnswerKind;
use crate::domain::time::HOUR;
use crate::http::admitted::Admitted;
use crate::http::api::alerts::{Release, end_entrapment};
use crate::http::api::answering::answer;
use crate::http::api::answers;
use crate::http::form::Filled;
use crate::http::handles::Http;
use crate::http::permit;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::Id;
use crate::notify::silence::{self, Silence};
use crate::pipeline::answers::Answer;
use crate::store::read::ReadError;
use crate::store::read::alerts::AlertFile;
use crate::store::read::answers::AnswerRow;
use crate::store::read::silences::{SilenceFilter, SilenceState};

/// Hours that an acknowledgement or a silence may be asked to last, as the pages offer them.
pub const LASTS: [&str; 7] = ["1", "4", "8", "24", "72", "168", "720"];
/// Silences in force that a page looks at.
const SILENCES: u32 = 1_000;

/// One answer.
pub struct AnswerView {
    pub what: String,
    pub by: String,
    pub note: String,
    pub at: Moment,
    pub expires: Option<Moment>,
}

/// How long something lasts: hours and their words.
pub struct Lasting {
    pub hours: &'static str,
    pub label: String,
}

/// A silence that keeps the alert from being told.
pub struct SilencedView {
    pub id: String,
    pub by: String,
    pub why: String,
    pub until: Moment,
}

/// All that the alert's page says of answers.
pub struct AnswersView {
    /// Where the alert stands with people; empty when it does not fire and nobody answered.
    pub standing: String,
    pub until: Option<Moment>,
    pub answers: Vec<AnswerView>,
    pub lasts: Vec<Lasting>,
    /// It fires, so it can be taken in hand.
    pub firing: bool,
    /// It is not withdrawn, so it can be called false.
    pub falsifiable: bool,
    pub releasable: bool,
    pub silenced: Option<SilencedView>,
    /// What a silence of this unit is asked for with.
    pub matcher: String,
}

/// What a person fills in.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerForm {
    /// Which button.
    kind: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
    /// Hours; empty if it lasts until the alert is over.
    #[serde(default)]
    lasts: String,
}

/// The routes of this file. Whoever reloads or switches the language on a refusal is led back to the alert.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/alerts/{id}/answers", post(send).get(back))
}

async fn back(id: Id) -> Redirect {
    Redirect::to(&alert_page(&id.0))
}

fn alert_page(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.chars().all(plain) { format!("/alerts/{id}") } else { "/alerts".to_owned() }
}

/// What a role may answer by the API, it may by the page.
fn may(http: &Http, kind: &str) -> Result<(), Problem> {
    let api = match kind {
        "acknowledged" => "/api/v1/alerts/{id}/acknowledge",
        "arrived" => "/api/v1/alerts/{id}/arrived",
        "false_alarm" => "/api/v1/alerts/{id}/false-alarm",
        "released" => "/api/v1/alerts/{id}/release",
        _ => "/api/v1/alerts/{id}/note",
    };
    if permit::may(http.caller.role(), "POST", api) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "your role may not answer so"))
}

async fn send(Admitted(http): Admitted, id: Id, Filled(form): Filled<AnswerForm>) -> Result<Redirect, Problem> {
    let AnswerForm { kind, by, note, lasts } = form;
    may(&http, &kind)?;
    if kind == "released" {
        end_entrapment(&http, &id.0, &Release { reason: note, by }).await?;
        return Ok(back(id).await);
    }
    let kind: AnswerKind = kind.parse().map_err(|error| Problem::parameter("kind", format!("{error}")))?;
    let hours = (!lasts.is_empty()).then(|| hours(&lasts)).transpose()?;
    let expires_at = hours.map(|hours| http.clock.now() + hours * HOUR);
    answer(&http, Answer { alert: id.0.clone(), kind, by, note, expires_at }).await?;
    Ok(back(id).await)
}

/// One of the offered spans in hours.
///
/// # Errors
/// 400 with what is offered.
pub fn hours(text: &str) -> Result<i64, Problem> {
    let offered = LASTS.iter().find(|offered| **offered == text).and_then(|offered| offered.parse().ok());
    offered.ok_or_else(|| Problem::parameter("lasts", "none of the offered spans").allowing(LASTS))
}

/// The spans in words.
#[must_use]
pub fn lasts(language: Language) -> Vec<Lasting> {
    LASTS.iter().map(|hours| Lasting { hours, label: language.word("lasts", hours) }).collect()
}

/// What the page says of an alert's answers.
///
/// # Errors
/// A reader's.
pub async fn view(http: &Http, file: &AlertFile, desk: &Desk) -> Result<AnswersView, ReadError> {
    let standing = answers::standing(file, desk.now)?;
    let alert = &file.alert;
    let firing = alert.state == "firing";
    let said = firing || !file.answers.is_empty();
    Ok(AnswersView {
        standing: if said { desk.language.word("standing", answers::word(standing)) } else { String::new() },
        until: answers::until(standing).map(|at| Moment::of(at.0, desk)),
        answers: file.answers.iter().map(|row| answer_view(row, desk)).collect(),
        lasts: lasts(desk.language),
        firing,
        falsifiable: alert.state != "withdrawn",
        releasable: firing && alert.rule == "entrapment",
        silenced: if firing { silenced(http, &alert.id, desk).await? } else { None },
        matcher: format!("unit={}", crate::notify::matcher::quoted(&alert.unit)),
    })
}

fn answer_view(row: &AnswerRow, desk: &Desk) -> AnswerView {
    AnswerView {
        what: desk.language.word("answer", &row.kind),
        by: row.by.clone(),
        note: row.note.clone(),
        at: Moment::of(row.at, desk),
        expires: row.expires_at.map(|at| Moment::of(at, desk)),
    }
}

async fn silenced(http: &Http, alert: &str, desk: &Desk) -> Result<Option<SilencedView>, ReadError> {
    let filter = SilenceFilter { state: Some(SilenceState::Active), after: None, limit: SILENCES };
    let rows = http.reader.silences(&filter, desk.now.0).await?.items;
    let Some(labels) = http.reader.labels_of_alert(alert).await? else { return Ok(None) };
    let labels = silence::labels(labels);
    let silences: Vec<Silence> = rows.iter().filter_map(|row| Silence::try_from(row).ok()).collect();
    let Some(covering) = silence::covering(&silences, &labels, desk.now) else { return Ok(None) };
    Ok(rows.iter().find(|row| row.id == covering.id).map(|row| SilencedView {
        id: row.id.clone(),
        by: row.by.clone(),
        why: row.why.clone(),
        until: Moment::of(row.ends_at, desk),
    }))
}
