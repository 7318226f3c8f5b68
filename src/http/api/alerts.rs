//! `/api/v1/alerts`: what rules concluded, with what proves it; and the release of trapped passengers by a person.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::answers::{AnswerWire, StandingWire};
use super::events::EventWire;
use super::gaps::GapWire;
use super::visits::VisitWire;
use super::wire::{PageWire, time};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::words;
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params, TEXT_LIMIT, read_body, written};
use crate::pipeline::action::{Action, Done};
use crate::store::read::ReadError;
use crate::store::read::alerts::{AlertFile, AlertFilter, AlertRow, EvidenceRow, TransitionRow};

/// Bytes of a body that is not an import.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// One sentence in both languages.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct SummaryWire {
    pub zh: String,
    pub en: String,
}

/// One alert: an episode of one rule for one unit.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AlertWire {
    pub id: String,
    pub rule: String,
    pub rule_version: String,
    pub unit: String,
    /// Null if the unit has left the registry; so with `site`.
    #[schema(required)]
    pub region: Option<String>,
    #[schema(required)]
    pub site: Option<String>,
    /// info, warning or critical.
    pub severity: String,
    pub level: i64,
    /// firing, resolved or withdrawn.
    pub state: String,
    #[schema(format = DateTime)]
    pub starts_at: String,
    /// When the condition ceased; while firing, when it will cease if nothing new happens.
    #[schema(required, format = DateTime)]
    pub ends_at: Option<String>,
    #[schema(format = DateTime)]
    pub recorded_at: String,
    #[schema(required, format = DateTime)]
    pub resolved_at: Option<String>,
    /// It was over before it was recorded; told to nobody.
    pub late: bool,
    /// Ids of events, visits (`v-…`) and gaps (`gap-…`), in order of time.
    pub evidence: Vec<String>,
    /// The law or number that the rule rests on.
    pub basis: String,
    pub summary: SummaryWire,
    #[schema(required)]
    pub superseded_by: Option<String>,
}

impl TryFrom<AlertRow> for AlertWire {
    type Error = ReadError;

    fn try_from(row: AlertRow) -> Result<Self, ReadError> {
        Ok(Self {
            evidence: row.evidence_ids()?,
            id: row.id,
            rule: row.rule,
            rule_version: row.rule_version,
            unit: row.unit,
            region: row.region,
            site: row.site,
            severity: row.severity,
            level: row.level,
            state: row.state,
            starts_at: time(row.starts_at),
            ends_at: row.ends_at.map(time),
            recorded_at: time(row.recorded_at),
            resolved_at: row.resolved_at.map(time),
            late: row.late,
            basis: row.basis,
            summary: SummaryWire { zh: row.summary_zh, en: row.summary_en },
            superseded_by: row.superseded_by,
        })
    }
}

/// One change of an alert.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TransitionWire {
    /// fired, recorded_late, escalated, revised, reopened, resolved or withdrawn.
    pub kind: String,
    #[schema(format = DateTime)]
    pub at: String,
    pub severity: String,
}

impl From<TransitionRow> for TransitionWire {
    fn from(row: TransitionRow) -> Self {
        Self { kind: row.kind, at: time(row.at), severity: row.severity }
    }
}

/// One thing that an alert rests on.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EvidenceWire {
    Event {
        event: EventWire,
    },
    Visit {
        visit: VisitWire,
    },
    Gap {
        gap: GapWire,
    },
    /// The id names nothing that is here.
    Missing {
        id: String,
    },
}

impl From<EvidenceRow> for EvidenceWire {
    fn from(row: EvidenceRow) -> Self {
        match row {
            EvidenceRow::Event(row) => Self::Event { event: row.into() },
            EvidenceRow::Visit(row) => Self::Visit { visit: row.into() },
            EvidenceRow::Gap(row) => Self::Gap { gap: row.into() },
            EvidenceRow::Missing(id) => Self::Missing { id },
        }
    }
}

/// An alert with all that proves it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AlertFileWire {
    #[serde(flatten)]
    pub alert: AlertWire,
    /// What the ids in `evidence` name, in the same order.
    pub facts: Vec<EvidenceWire>,
    pub transitions: Vec<TransitionWire>,
    /// What people answered, in order.
    pub answers: Vec<AnswerWire>,
    pub standing: StandingWire,
}

impl AlertFileWire {
    /// The wire form of an alert as it stands at `now`.
    ///
    /// # Errors
    /// A row that cannot be understood.
    pub fn of(file: AlertFile, now: Timestamp) -> Result<Self, ReadError> {
        Ok(Self {
            standing: StandingWire::of(&file, now)?,
            answers: file.answers.into_iter().map(AnswerWire::from).collect(),
            alert: file.alert.try_into()?,
            facts: file.evidence.into_iter().map(EvidenceWire::from).collect(),
            transitions: file.transitions.into_iter().map(TransitionWire::from).collect(),
        })
    }
}

/// A person's word that trapped passengers are out.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// How it is known, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// Who says so, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/alerts", get(list))
        .route("/api/v1/alerts/{id}", get(one))
        .route("/api/v1/alerts/{id}/release", post(release))
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<AlertFilter, Problem> {
    let state = params.word("state", &["firing", "resolved", "all", "withdrawn"])?;
    let rules: Vec<&'static str> = words::unit_rules().collect();
    Ok(AlertFilter {
        rule: params.word("rule", &rules)?.map(str::to_owned),
        unit: params.text("unit")?,
        region: params.text("region")?,
        area: params.text("area")?,
        state: state.filter(|state| *state != "all").map(str::to_owned),
        after: params.text("after")?,
        limit: params.limit()?,
    })
}

/// Alerts, the newest recorded first. `all`, the default, is firing and resolved; withdrawn ones had no cause after all.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    params(
        ("rule" = Option<String>, Query, description = "of this rule, such as repeated_fault"),
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("region" = Option<String>, Query, description = "of units in this region"),
        ("area" = Option<String>, Query, description = "not told, or not at once, because of this area event"),
        ("state" = Option<String>, Query, description = "firing, resolved, all or withdrawn"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<AlertWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<AlertWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    Ok(Json(PageWire::try_of(http.reader.alerts(&filter).await?, AlertWire::try_from)?))
}

/// One alert with its evidence, every change of it, and what people answered.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts",
    params(("id" = String, Path, description = "the alert's id")),
    responses(
        (status = 200, description = "the alert", body = AlertFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<AlertFileWire>, Problem> {
    params.finish()?;
    file(&http, &id.0).await
}

/// The alert as it stands now.
///
/// # Errors
/// 404 if there is no such alert, or a reader's.
pub async fn file(http: &Http, id: &str) -> Result<Json<AlertFileWire>, Problem> {
    let file = http.reader.alert(id).await?.ok_or_else(|| Problem::missing("alert", id))?;
    Ok(Json(AlertFileWire::of(file, http.clock.now())?))
}

/// Ends an entrapment on a person's word; the unit's own event `passenger_released` is the other way.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/release", tag = "alerts",
    params(("id" = String, Path, description = "the alert's id")),
    request_body = Release,
    responses(
        (status = 200, description = "recorded; the alert as it stands now", body = AlertFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such alert", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "not a firing entrapment", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn release(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AlertFileWire>, Problem> {
    let body = read_body(&headers, body, "application/json", BODY_LIMIT).await?;
    let told: Release = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not {{\"reason\":…,\"by\":…}}: {error}"))
    })?;
    end_entrapment(&http, &id.0, &told).await?;
    file(&http, &id.0).await
}

/// Ends the entrapment that an alert tells of; pages and API do it alike.
///
/// # Errors
/// A [`Problem`] that says why it cannot be ended.
pub async fn end_entrapment(http: &Http, id: &str, told: &Release) -> Result<(), Problem> {
    let reason = written("reason", &told.reason, TEXT_LIMIT)?;
    let by = http.caller.signs(&told.by)?;
    let alert = http.reader.alert(id).await?.ok_or_else(|| Problem::missing("alert", id))?.alert;
    if alert.rule != "entrapment" || alert.state != "firing" {
        let detail = format!("only a firing entrapment can be released; this is a {} {}", alert.state, alert.rule);
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let unit = UnitId::new(&alert.unit)
        .map_err(|error| Problem::new(StatusCode::CONFLICT, format!("the alert's unit is {error}")))?;
    let done = door::ask(&http.actions, Action::ReleasePassengers { unit, by, reason }).await?;
    if matches!(done, Done::NotTrapped | Done::UnknownUnit) {
        return Err(Problem::new(StatusCode::CONFLICT, "nobody is trapped in this unit any more"));
    }
    Ok(())
}
