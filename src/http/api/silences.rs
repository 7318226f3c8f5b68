//! `/api/v1/silences`: what people do not want to be told for a while, and what each of them hides.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::answering::{body, moment, within};
use super::wire::{PageWire, time};
use crate::domain::alert::Severity;
use crate::domain::time::Timestamp;
use crate::domain::words;
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params, TEXT_LIMIT, written};
use crate::notify::matcher::{self, Label, Labels, Matcher};
use crate::notify::silence;
use crate::pipeline::action::{Action, Done};
use crate::pipeline::answers::{Silence, Silenced};
use crate::store::read::scope::Scope;
use crate::store::read::silences::{LabelRow, SilenceFilter, SilenceRow, SilenceState};
use crate::store::read::{Page, ReadError};

/// Alerts that a silence names by their ids.
const LISTED: usize = 100;

/// One silence.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct SilenceWire {
    pub id: String,
    /// Such as `region=~"3505.*"`; an alert is silenced if it meets all of them.
    pub matchers: Vec<String>,
    pub by: String,
    pub why: String,
    #[schema(format = DateTime)]
    pub starts_at: String,
    #[schema(format = DateTime)]
    pub ends_at: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// pending, active or expired.
    pub state: &'static str,
    /// Who ended it before its time.
    #[schema(required)]
    pub ended_by: Option<String>,
}

/// A silence with what it meets now.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct SilenceFileWire {
    #[serde(flatten)]
    pub silence: SilenceWire,
    /// Units of the registry that it can concern.
    pub units: usize,
    /// How many firing alerts meet its matchers now.
    pub firing: usize,
    /// The ids of the first 100 of them.
    pub alerts: Vec<String>,
    /// Says so if it meets nothing.
    #[schema(required)]
    pub warning: Option<&'static str>,
}

/// What a person does not want to be told.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// 1 to 20, in Alertmanager's syntax, on rule, severity, region, site, maintainer, owner or unit.
    #[schema(min_items = 1, max_items = 20)]
    pub matchers: Vec<String>,
    /// Who wants it, 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub why: String,
    /// Now if not said, or if it has passed.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub starts_at: Option<String>,
    /// At most 366 days ahead.
    #[schema(format = DateTime)]
    pub ends_at: String,
}

/// Who ends a silence.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndOfSilence {
    /// 1 to 100 characters. With a token it is the token's name, whatever stands here.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
}

/// What a silence meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    pub units: usize,
    /// Ids of alerts.
    pub firing: Vec<String>,
}

impl Reach {
    /// What to say of a silence that meets nothing.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match (self.units, self.firing.is_empty()) {
            (0, _) => Some("it meets no unit of the registry, so it silences nothing; is a name misspelt?"),
            (_, true) => Some("no alert that fires now meets it"),
            (_, false) => None,
        }
    }
}

impl SilenceWire {
    /// The wire form at `now`.
    ///
    /// # Errors
    /// Matchers that cannot be read.
    pub fn of(row: SilenceRow, now: Timestamp) -> Result<Self, ReadError> {
        Ok(Self {
            matchers: matchers(&row)?.iter().map(Matcher::to_string).collect(),
            state: word(row.state(now.0)),
            id: row.id,
            by: row.by,
            why: row.why,
            starts_at: time(row.starts_at),
            ends_at: time(row.ends_at),
            created_at: time(row.created_at),
            ended_by: row.ended_by,
        })
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/silences", get(list).post(create))
        .route("/api/v1/silences/{id}", get(one))
        .route("/api/v1/silences/{id}/expire", post(expire))
}

/// The word for it, in the API and in the table of words.
#[must_use]
pub fn word(state: SilenceState) -> &'static str {
    match state {
        SilenceState::Pending => "pending",
        SilenceState::Active => "active",
        SilenceState::Expired => "expired",
    }
}

/// The matchers of a row.
///
/// # Errors
/// [`ReadError::Row`] if they cannot be read.
pub fn matchers(row: &SilenceRow) -> Result<Vec<Matcher>, ReadError> {
    silence::restored(&row.matchers).map_err(|error| ReadError::Row {
        table: "silence",
        id: row.id.clone(),
        what: error.to_string(),
    })
}

/// The filter that a query asks for; pages and API read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn filter(params: &mut Params) -> Result<SilenceFilter, Problem> {
    let state = params.word("state", &["active", "pending", "expired", "all"])?;
    Ok(SilenceFilter {
        state: match state {
            Some("active") => Some(SilenceState::Active),
            Some("pending") => Some(SilenceState::Pending),
            Some("expired") => Some(SilenceState::Expired),
            _ => None,
        },
        after: params.text("after")?,
        limit: params.limit()?,
    })
}

/// What these matchers meet now.
///
/// # Errors
/// A reader's.
pub async fn reach(http: &Http, matchers: &[Matcher]) -> Result<Reach, ReadError> {
    let units = meets(&http.reader.labels_of_units().await?, matchers);
    let firing = http.reader.labels_firing().await?.into_iter().map(|row| (row.alert.clone(), silence::labels(row)));
    let firing = firing.filter(|(_, labels)| matcher::all(matchers, labels)).map(|(alert, _)| alert).collect();
    Ok(Reach { units, firing })
}

/// How many of these units the matchers can concern. A unit has neither rule nor severity: what is asked of them says
/// nothing of it.
fn meets(units: &[LabelRow], matchers: &[Matcher]) -> usize {
    let of_units: Vec<Matcher> =
        matchers.iter().filter(|one| !matches!(one.label(), Label::Rule | Label::Severity)).cloned().collect();
    units.iter().cloned().map(silence::labels).filter(|unit| matcher::all(&of_units, unit)).count()
}

/// Those silences of a page that can concern a unit which the asker may see; the place of the next page stays.
///
/// # Errors
/// A reader's.
pub async fn seen(http: &Http, mut page: Page<SilenceRow>) -> Result<Page<SilenceRow>, ReadError> {
    if http.reader.scope().is_narrow() {
        let units = http.reader.labels_of_units().await?;
        let mut kept = Vec::new();
        for row in page.items {
            if meets(&units, &matchers(&row)?) > 0 {
                kept.push(row);
            }
        }
        page.items = kept;
    }
    Ok(page)
}

/// A silence that the asker may see.
///
/// # Errors
/// 404 if there is none.
pub async fn find(http: &Http, id: &str) -> Result<SilenceRow, Problem> {
    let missing = || Problem::missing("silence", id);
    let row = http.reader.silence(id).await?.ok_or_else(missing)?;
    let page = seen(http, Page { items: vec![row], next: None }).await?;
    page.items.into_iter().next().ok_or_else(missing)
}

/// What keeps a silence within the regions of whoever begins it; nothing for those who may see everything.
fn confinement(scope: &Scope) -> Option<String> {
    match scope {
        Scope::All => None,
        Scope::Regions(prefixes) => Some(format!("region=~\"({}).*\"", prefixes.join("|"))),
        // Who may begin one stands in permit.rs; should it ever be a firm, its silences meet nothing.
        Scope::Maintainers(_) | Scope::Owners(_) => Some("region=\"-\"".to_owned()),
    }
}

/// Checks a silence and begins it; pages and API do it alike. Gives its id.
///
/// # Errors
/// A [`Problem`] that names the wrong field.
pub async fn begin(http: &Http, told: &NewSilence) -> Result<String, Problem> {
    let wrong = |error: String| Problem::parameter("matchers", error);
    let lines: Vec<String> = told.matchers.iter().cloned().chain(confinement(http.reader.scope())).collect();
    let matchers = silence::written(&lines).map_err(|error| wrong(error.to_string()))?;
    known(Label::Rule, &matchers, &words::rules().collect::<Vec<_>>())?;
    known(Label::Severity, &matchers, &Severity::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>())?;
    let now = http.clock.now();
    let starts_at = told.starts_at.as_deref().map(|text| moment("starts_at", text)).transpose()?.unwrap_or(now);
    let ends_at = moment("ends_at", &told.ends_at)?;
    within("ends_at", ends_at, now.max(starts_at))?;
    let by = http.caller.signs(&told.by)?;
    let why = written("why", &told.why, TEXT_LIMIT)?;
    let silence = Silence { matchers: silence::stored(&matchers), by, why, starts_at, ends_at };
    match door::ask(&http.actions, Action::Silence(silence)).await? {
        Done::Silenced(Silenced::Begun(id)) => Ok(id),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the silence was not recorded")),
    }
}

/// Ends a silence; pages and API do it alike.
///
/// # Errors
/// 404 if there is no such silence, 403 if it meets units that the asker may not see, 409 if it has ended.
pub async fn end(http: &Http, id: &str, by: &str) -> Result<(), Problem> {
    let by = http.caller.signs(by)?;
    let matchers = matchers(&find(http, id).await?)?;
    let everything = http.reader.within(Scope::All).labels_of_units().await?;
    if meets(&everything, &matchers) > meets(&http.reader.labels_of_units().await?, &matchers) {
        let detail = "this silence meets units outside your regions too; who may see all of them can end it";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    match door::ask(&http.actions, Action::EndSilence { id: id.to_owned(), by }).await? {
        Done::Silenced(Silenced::UnknownSilence) => Err(Problem::missing("silence", id)),
        Done::Silenced(Silenced::Over) => Err(Problem::new(StatusCode::CONFLICT, "the silence has ended already")),
        _ => Ok(()),
    }
}

/// Refuses matchers that no value of a closed list can meet.
fn known(label: Label, matchers: &[Matcher], words: &[&str]) -> Result<(), Problem> {
    let of_label: Vec<&Matcher> = matchers.iter().filter(|one| one.label() == label).collect();
    let meets = |word: &&str| {
        let mut labels = Labels::default();
        labels.set(label, (*word).to_owned());
        of_label.iter().all(|one| one.matches(&labels))
    };
    if words.iter().any(meets) {
        return Ok(());
    }
    Err(Problem::parameter("matchers", format!("no {label} meets them")).allowing(words.iter().copied()))
}

/// Silences, the newest first.
#[utoipa::path(get, path = "/api/v1/silences", tag = "silences",
    params(
        ("state" = Option<String>, Query, description = "active, pending, expired or all"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<SilenceWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(Admitted(http): Admitted, mut params: Params) -> Result<Json<PageWire<SilenceWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    let now = http.clock.now();
    let page = seen(&http, http.reader.silences(&filter, now.0).await?).await?;
    Ok(Json(PageWire::try_of(page, |row| SilenceWire::of(row, now))?))
}

/// One silence, and what meets it now.
#[utoipa::path(get, path = "/api/v1/silences/{id}", tag = "silences",
    params(("id" = String, Path, description = "the silence's id")),
    responses(
        (status = 200, description = "the silence", body = SilenceFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such silence", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<SilenceFileWire>, Problem> {
    params.finish()?;
    file(&http, &id.0).await
}

/// Silences alerts that meet every matcher. They still fire and are shown; nobody is told of them. The answer says if
/// nothing meets it.
#[utoipa::path(post, path = "/api/v1/silences", tag = "silences",
    request_body = NewSilence,
    responses(
        (status = 200, description = "begun", body = SilenceFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    Admitted(http): Admitted,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<SilenceFileWire>, Problem> {
    let told: NewSilence = body(&headers, sent, "{\"matchers\":[…],\"by\":…,\"why\":…,\"ends_at\":…}").await?;
    let id = begin(&http, &told).await?;
    file(&http, &id).await
}

/// Ends a silence before its time.
#[utoipa::path(post, path = "/api/v1/silences/{id}/expire", tag = "silences",
    params(("id" = String, Path, description = "the silence's id")),
    request_body = EndOfSilence,
    responses(
        (status = 200, description = "ended", body = SilenceFileWire),
        (status = 400, description = "the body is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "it meets units that you may not see", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such silence", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "it has ended already", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn expire(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<SilenceFileWire>, Problem> {
    let told: EndOfSilence = body(&headers, sent, "{\"by\":…}").await?;
    end(&http, &id.0, &told.by).await?;
    file(&http, &id.0).await
}

async fn file(http: &Http, id: &str) -> Result<Json<SilenceFileWire>, Problem> {
    let row = find(http, id).await?;
    let reach = reach(http, &matchers(&row)?).await?;
    let (warning, firing) = (reach.warning(), reach.firing.len());
    let mut alerts = reach.firing;
    alerts.truncate(LISTED);
    let silence = SilenceWire::of(row, http.clock.now())?;
    Ok(Json(SilenceFileWire { silence, units: reach.units, firing, alerts, warning }))
}
