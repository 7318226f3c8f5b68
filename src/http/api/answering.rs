//! `/api/v1/alerts/{id}/acknowledge`, `/false-alarm`, `/arrived`, `/note`: what people answer to an alert.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};

use super::alerts::{AlertFileWire, BODY_LIMIT, file};
use crate::domain::notice::AnswerKind;
use crate::domain::time::{DAY, Timestamp};
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, TEXT_LIMIT, optional, read_body, written};
use crate::pipeline::action::{Action, Done};
use crate::pipeline::answers::{Answer, Answered};

/// The longest that an acknowledgement or a silence may last: a leap year.
pub const LONGEST: i64 = 366 * DAY;

/// Somebody has it in hand.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Who has it in hand, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
    /// From then on it does not count any more; without it, `[notify] ack_timeout` holds.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// There was nothing.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FalseAlarm {
    /// Who says so, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// How it is known, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Somebody is on site.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// Who arrived, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: String,
}

/// What others should know of it.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Who writes, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub note: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/alerts/{id}/acknowledge", post(acknowledge))
        .route("/api/v1/alerts/{id}/false-alarm", post(false_alarm))
        .route("/api/v1/alerts/{id}/arrived", post(arrived))
        .route("/api/v1/alerts/{id}/note", post(note))
}

/// Checks an answer and records it; pages and API do it alike. A false alarm and a note must say something.
///
/// # Errors
/// A [`Problem`] that names the wrong field, or says why the alert takes no such answer.
pub async fn answer(http: &Http, told: Answer) -> Result<(), Problem> {
    let now = http.clock.now();
    let (field, needed) = match told.kind {
        AnswerKind::FalseAlarm => ("reason", true),
        AnswerKind::Note => ("note", true),
        AnswerKind::Acknowledged | AnswerKind::Arrived => ("note", false),
    };
    let note = if needed { written(field, &told.note, TEXT_LIMIT)? } else { optional(field, &told.note, TEXT_LIMIT)? };
    let by = http.caller.signs(&told.by)?;
    let expires_at = match told.kind {
        AnswerKind::Acknowledged => told.expires_at.or(http.answering.ack_timeout.map(|timeout| now + timeout)),
        _ => None,
    };
    if let Some(end) = expires_at {
        within("expires_at", end, now)?;
    }
    if !http.reader.has_alert(&told.alert).await? {
        return Err(Problem::missing("alert", &told.alert));
    }
    let (alert, kind) = (told.alert.clone(), told.kind);
    let done = door::ask(&http.actions, Action::Answer(Answer { by, note, expires_at, ..told })).await?;
    match done {
        Done::Answered(Answered::UnknownAlert) => Err(Problem::missing("alert", &alert)),
        Done::Answered(Answered::NotWhen(state)) => {
            let detail = format!("an alert that is {state} cannot be answered with {kind}; a note is always taken");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        _ => Ok(()),
    }
}

/// An end that lies ahead, and not too far.
///
/// # Errors
/// 400 with the field's name.
pub fn within(name: &str, end: Timestamp, now: Timestamp) -> Result<(), Problem> {
    if end <= now || end - now > LONGEST {
        return Err(Problem::parameter(name, format!("must lie after {now}, and at most 366 days after it")));
    }
    Ok(())
}

/// A point in time that a body names.
///
/// # Errors
/// 400 with the field's name.
pub fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|error| Problem::parameter(name, error.to_string()))
}

/// A JSON body, and its form for those who sent another.
///
/// # Errors
/// 400 with the form, 413, 415.
pub async fn body<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: Body, form: &str) -> Result<T, Problem> {
    let bytes = read_body(headers, body, "application/json", BODY_LIMIT).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not {form}: {error}")))
}

/// Says that somebody has a firing alert in hand. It counts for this episode and severity, until it expires.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/acknowledge", tag = "answers",
    params(("id" = String, Path, description = "the alert's id")),
    request_body = Acknowledgement,
    responses(
        (status = 200, description = "recorded; the alert as it stands now", body = AlertFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the alert does not fire", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<AlertFileWire>, Problem> {
    let told: Acknowledgement = body(&headers, sent, "{\"by\":…,\"note\":…,\"expires_at\":…}").await?;
    let expires_at = told.expires_at.as_deref().map(|text| moment("expires_at", text)).transpose()?;
    record(&http, id, AnswerKind::Acknowledged, told.by, told.note, expires_at).await
}

/// Says that there was nothing: counts in the share of false alarms of the rule and of who tells of the unit.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/false-alarm", tag = "answers",
    params(("id" = String, Path, description = "the alert's id")),
    request_body = FalseAlarm,
    responses(
        (status = 200, description = "recorded; the alert as it stands now", body = AlertFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the alert is withdrawn", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn false_alarm(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<AlertFileWire>, Problem> {
    let told: FalseAlarm = body(&headers, sent, "{\"by\":…,\"reason\":…}").await?;
    record(&http, id, AnswerKind::FalseAlarm, told.by, told.reason, None).await
}

/// Says that somebody is on site of a firing alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/arrived", tag = "answers",
    params(("id" = String, Path, description = "the alert's id")),
    request_body = Arrival,
    responses(
        (status = 200, description = "recorded; the alert as it stands now", body = AlertFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "the alert does not fire", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn arrived(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<AlertFileWire>, Problem> {
    let told: Arrival = body(&headers, sent, "{\"by\":…,\"note\":…}").await?;
    record(&http, id, AnswerKind::Arrived, told.by, told.note, None).await
}

/// Writes something to the alert that others should know.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/note", tag = "answers",
    params(("id" = String, Path, description = "the alert's id")),
    request_body = Note,
    responses(
        (status = 200, description = "recorded; the alert as it stands now", body = AlertFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn note(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<AlertFileWire>, Problem> {
    let told: Note = body(&headers, sent, "{\"by\":…,\"note\":…}").await?;
    record(&http, id, AnswerKind::Note, told.by, told.note, None).await
}

async fn record(
    http: &Http,
    id: Id,
    kind: AnswerKind,
    by: String,
    note: String,
    expires_at: Option<Timestamp>,
) -> Result<Json<AlertFileWire>, Problem> {
    answer(http, Answer { alert: id.0.clone(), kind, by, note, expires_at }).await?;
    file(http, &id.0).await
}
