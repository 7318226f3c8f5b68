//! `POST /api/v1/units/{id}/visits` and `/api/v1/visits/{id}/confirmation`: what people record of maintenance.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};

use super::answering::body;
use super::visits::{VisitFileWire, file};
use crate::decode::mapping::{Class, Message, Rejection};
use crate::decode::{record, strict};
use crate::domain::id::UnitId;
use crate::domain::time::{CLOCK_TOLERANCE, EARLIEST, Timestamp};
use crate::domain::visit::{PEOPLE, Visit};
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, TEXT_LIMIT, optional, read_body};
use crate::pipeline::action::{Action, Done};
use crate::pipeline::recording::{Confirmed, Recorded};

/// The owner's word that a visit took place.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationForm {
    /// Who confirms for the owner, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
}

/// The body of a record, as docs/CONTRACT.md has it.
#[derive(Debug, utoipa::ToSchema)]
#[schema(
    description = "a visit as MQTT takes it (docs/CONTRACT.md); `ts` may be left out, and a correction needs a `reason`"
)]
pub struct VisitForm {
    #[schema(min_length = 1, max_length = 64)]
    pub record_id: String,
    /// FM, HM, TM, SM or OY.
    pub kind: String,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    #[schema(min_items = 1, max_items = 16)]
    pub workers: Vec<String>,
    /// `{"id":…,"result":…,"unit":…}`
    #[schema(value_type = Vec<Object>)]
    pub items: Option<()>,
    pub problem_codes: Option<Vec<String>>,
    #[schema(format = Date)]
    pub next_due: Option<String>,
    pub supersedes: Option<String>,
    /// Whose record `supersedes` names, if it is not one of `people`.
    pub supersedes_publisher: Option<String>,
    pub reason: Option<String>,
    /// `{"sha256":…,"note":…}`
    #[schema(value_type = Vec<Object>)]
    pub photos: Option<()>,
    /// By role: `{"name":…,"phone":…}`
    #[schema(value_type = Object)]
    pub people: Option<()>,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/units/{id}/visits", post(record_visit))
        .route("/api/v1/visits/{id}/confirmation", post(confirm))
}

/// Checks a record and stores it; pages and API do it alike. Answers the visit's id, and whether it is new.
///
/// # Errors
/// 422 with every wrong field, 404 for an unknown unit, 409 for another record of this name or a correction that may not be.
pub async fn record(http: &Http, unit: &str, payload: &[u8]) -> Result<(String, bool), Problem> {
    let unknown = || Problem::missing("unit", unit);
    let id = UnitId::new(unit).map_err(|_| unknown())?;
    if http.reader.scope().is_narrow() && !http.reader.has_unit(unit).await? {
        return Err(unknown());
    }
    let now = http.clock.now();
    let visit =
        read(payload, now).map_err(|faults| wrong(faults.iter().map(|fault| fault.detail.clone()).collect()))?;
    let mut faults = implausible(&visit, now);
    if let Some(named) = &visit.supersedes {
        let whose = visit.supersedes_publisher.as_ref().map_or(PEOPLE, |publisher| publisher.as_str());
        let told = http.reader.unit_of_visit(whose, named).await?;
        if told.is_none() {
            faults.push(format!("supersedes: {whose} has no record of this name"));
        }
    }
    if !faults.is_empty() {
        return Err(wrong(faults));
    }
    let action = Action::RecordVisit { unit: id, visit: Box::new(visit), payload: payload.to_vec() };
    match door::ask(&http.actions, action).await? {
        Done::Recorded(Recorded::Stored { id }) => Ok((id, true)),
        Done::Recorded(Recorded::Known { id }) => Ok((id, false)),
        Done::Recorded(Recorded::UnknownUnit) => Err(unknown()),
        Done::Recorded(Recorded::Refused(why)) => {
            Err(Problem::new(StatusCode::CONFLICT, format!("{why}; what came now is in quarantine")))
        }
        other => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("a record was answered by {other:?}"))),
    }
}

/// Checks the owner's word and stores it; pages and API do it alike. Says whether it is new.
///
/// # Errors
/// 400 with the field's name, 404 for an unknown visit, 409 if somebody has confirmed it in other words.
pub async fn confirm_by(http: &Http, visit: &str, by: &str, note: &str) -> Result<bool, Problem> {
    if !http.reader.has_visit(visit).await? {
        return Err(Problem::missing("visit", visit));
    }
    let action = Action::ConfirmVisit {
        visit: visit.to_owned(),
        by: http.caller.signs(by)?,
        note: optional("note", note, TEXT_LIMIT)?,
    };
    match door::ask(&http.actions, action).await? {
        Done::Confirmed(Confirmed::Stored) => Ok(true),
        Done::Confirmed(Confirmed::Known) => Ok(false),
        Done::Confirmed(Confirmed::UnknownVisit) => Err(Problem::missing("visit", visit)),
        _ => Err(Problem::new(
            StatusCode::CONFLICT,
            "this visit is confirmed already, by somebody else or in other words",
        )),
    }
}

fn read(payload: &[u8], now: Timestamp) -> Result<Visit, Vec<Rejection>> {
    let text = strict::text(payload).map_err(|fault| vec![fault])?;
    let object = strict::parse(text).map_err(|fault| vec![fault])?;
    record::visit_or_faults(&Message { class: Some(Class::Visit), object: &object, text }, Some(now))
}

/// What a person who records it here and now cannot mean; a record that comes by MQTT is kept nevertheless.
fn implausible(visit: &Visit, now: Timestamp) -> Vec<String> {
    let mut faults = Vec::new();
    for (field, at) in [("started_at", Some(visit.started_at)), ("ended_at", visit.ended_at)] {
        if at.is_some_and(|at| at - now > CLOCK_TOLERANCE || at < EARLIEST) {
            faults.push(format!("{field}: must lie between {EARLIEST} and now, {now}"));
        }
    }
    if visit.workers.is_empty() {
        faults.push("workers: who did the work must be named".to_owned());
    }
    let own = visit.supersedes_publisher.as_ref().is_none_or(|publisher| publisher.as_str() == PEOPLE);
    if own && visit.supersedes.as_ref() == Some(&visit.record_id) {
        faults.push("supersedes: a record cannot correct itself".to_owned());
    }
    let reasoned = serde_json::from_str::<serde_json::Value>(&visit.body)
        .is_ok_and(|record| record["reason"].as_str().is_some_and(|reason| !reason.trim().is_empty()));
    if visit.supersedes.is_some() && !reasoned {
        faults.push("reason: a correction says why".to_owned());
    }
    faults
}

fn wrong(faults: Vec<String>) -> Problem {
    let detail = format!("nothing was recorded: {}", faults.join("; "));
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    problem.errors = faults;
    problem
}

/// Records a maintenance visit. The same record again is answered 200, and changes nothing.
#[utoipa::path(post, path = "/api/v1/units/{id}/visits", tag = "visits",
    params(("id" = String, Path, description = "the unit's id")),
    request_body = VisitForm,
    responses(
        (status = 200, description = "this record is here already", body = VisitFileWire),
        (status = 201, description = "recorded", body = VisitFileWire),
        (status = 400, description = "the path is wrong, or the body broke off", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such unit", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "another record has this name, or it corrects what it may not; it is kept in quarantine", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "fields are wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn record_visit(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<(StatusCode, Json<VisitFileWire>), Problem> {
    let payload = read_body(&headers, sent, "application/json", strict::LARGEST).await?;
    let (visit, new) = record(&http, &id.0, &payload).await?;
    Ok((status(new), Json(file(&http, &visit).await?)))
}

/// Records the owner's word that a visit took place: once for each visit, and for ever.
#[utoipa::path(post, path = "/api/v1/visits/{id}/confirmation", tag = "visits",
    params(("id" = String, Path, description = "the visit's id")),
    request_body = ConfirmationForm,
    responses(
        (status = 200, description = "this confirmation is here already", body = VisitFileWire),
        (status = 201, description = "recorded", body = VisitFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such visit", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "somebody has confirmed it already", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn confirm(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<(StatusCode, Json<VisitFileWire>), Problem> {
    let told: ConfirmationForm = body(&headers, sent, "{\"by\":…,\"note\":…}").await?;
    let new = confirm_by(&http, &id.0, &told.by, &told.note).await?;
    Ok((status(new), Json(file(&http, &id.0).await?)))
}

const fn status(new: bool) -> StatusCode {
    if new { StatusCode::CREATED } else { StatusCode::OK }
}
