//! `/silences` and `/silences/{id}`: what nobody is told of for a while, who wanted it, and what it meets.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};

use super::answering::{Lasting, hours, lasts};
use super::frame::{Frame, Reading, page};
use super::show::{AlertView, Badge, Desk, Moment};
use crate::domain::time::HOUR;
use crate::http::admitted::Admitted;
use crate::http::api::silences::{self, NewSilence};
use crate::http::form::Filled;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::ReadError;
use crate::store::read::silences::SilenceRow;

/// Alerts that a silence's page lists.
const LISTED: usize = 20;

struct SilenceView {
    id: String,
    state: Badge,
    matchers: Vec<String>,
    by: String,
    why: String,
    starts: Moment,
    ends: Moment,
    created: Moment,
    ended_by: Option<String>,
    over: bool,
}

#[derive(Template)]
#[template(path = "silences.html")]
struct SilencesPage {
    frame: Frame,
    silences: Vec<SilenceView>,
    /// What the form begins with.
    matchers: String,
    lasts: Vec<Lasting>,
    address: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "silence.html")]
struct SilencePage {
    frame: Frame,
    silence: SilenceView,
    units: usize,
    firing: usize,
    /// The first of them.
    alerts: Vec<AlertView>,
}

/// What a person fills in to begin a silence.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceForm {
    /// One a line.
    matchers: String,
    #[serde(default)]
    by: String,
    why: String,
    /// Hours from now.
    lasts: String,
}

/// What a person fills in to end one.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EndForm {
    #[serde(default)]
    by: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/silences", get(list).post(begin))
        .route("/silences/{id}", get(one))
        .route("/silences/{id}/expire", post(expire).get(back))
}

async fn list(Admitted(http): Admitted, reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let matchers = params.text("matchers")?.unwrap_or_default();
    let filter = silences::filter(&mut params)?;
    params.finish()?;
    let desk = Desk::of(&http, reading.language);
    let found = silences::seen(&http, http.reader.silences(&filter, desk.now.0).await?).await?;
    page(&SilencesPage {
        frame: reading.frame(reading.language.phrases().silences, "/alerts"),
        silences: found.items.into_iter().map(|row| view(row, &desk)).collect::<Result<_, _>>()?,
        matchers,
        lasts: lasts(reading.language),
        address: reading.address(),
        next: found.next,
    })
}

async fn begin(Admitted(http): Admitted, Filled(form): Filled<SilenceForm>) -> Result<Redirect, Problem> {
    let SilenceForm { matchers, by, why, lasts } = form;
    let lines = matchers.lines().map(str::trim).filter(|line| !line.is_empty());
    let ends_at = http.clock.now() + hours(&lasts)? * HOUR;
    let told = NewSilence {
        matchers: lines.map(str::to_owned).collect(),
        by,
        why,
        starts_at: None,
        ends_at: ends_at.to_string(),
    };
    let id = silences::begin(&http, &told).await?;
    Ok(Redirect::to(&format!("/silences/{id}")))
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let row = silences::find(&http, &id.0).await?;
    let mut reach = silences::reach(&http, &silences::matchers(&row)?).await?;
    let firing = reach.firing.len();
    reach.firing.truncate(LISTED);
    let desk = Desk::of(&http, reading.language);
    let alerts = AlertView::all(&http.reader.alerts_named(&reach.firing).await?, &desk);
    page(&SilencePage {
        frame: reading.frame(format!("{} {}", reading.language.phrases().silence, row.id), "/alerts"),
        silence: view(row, &desk)?,
        units: reach.units,
        firing,
        alerts,
    })
}

async fn expire(Admitted(http): Admitted, id: Id, Filled(form): Filled<EndForm>) -> Result<Redirect, Problem> {
    silences::end(&http, &id.0, &form.by).await?;
    Ok(Redirect::to(&format!("/silences/{}", id.0)))
}

async fn back() -> Redirect {
    Redirect::to("/silences")
}

fn view(row: SilenceRow, desk: &Desk) -> Result<SilenceView, ReadError> {
    let state = silences::word(row.state(desk.now.0));
    Ok(SilenceView {
        matchers: silences::matchers(&row)?.iter().map(ToString::to_string).collect(),
        state: Badge::silence(state, desk.language),
        over: state == "expired",
        starts: Moment::of(row.starts_at, desk),
        ends: Moment::of(row.ends_at, desk),
        created: Moment::of(row.created_at, desk),
        id: row.id,
        by: row.by,
        why: row.why,
        ended_by: row.ended_by,
    })
}
