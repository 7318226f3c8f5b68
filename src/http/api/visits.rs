//! `/api/v1/visits`: maintenance visits, folded over their corrections or not, and one with all that belongs to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::wire::{PageWire, json, time};
use crate::checklists::{Answer, Checked, Checklists};
use crate::domain::id::UnitId;
use crate::domain::visit::{CONFIRMER, VisitKind};
use crate::http::admitted::Admitted;
use crate::http::caller::Caller;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{DEFAULT_LIMIT, Id, Params};
use crate::pipeline::action::Action;
use crate::store::read::visits::{PersonRow, VisitFile, VisitFilter, VisitRow};

/// A maintenance visit as its record tells it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct VisitWire {
    pub id: String,
    pub unit: String,
    /// `people` for what was recorded on a page or by this API.
    pub publisher: String,
    pub record_id: String,
    /// FM, HM, TM, SM or OY.
    pub kind: String,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[schema(required, format = DateTime)]
    pub ended_at: Option<String>,
    /// The `record_id` that it says it corrects, and whose that is.
    #[schema(required)]
    pub supersedes: Option<String>,
    #[schema(required)]
    pub supersedes_publisher: Option<String>,
    /// The id of the visit that it corrects; null until that one is here.
    #[schema(required)]
    pub corrects: Option<String>,
    /// The ids of the visits that correct it. Empty: this is what stands.
    pub corrected_by: Vec<String>,
    #[schema(required, format = DateTime)]
    pub confirmed_at: Option<String>,
    #[schema(format = DateTime)]
    pub received_at: String,
    /// As registered when the record came.
    pub site: String,
    pub owner: String,
    pub maintainer: String,
    /// The whole record, with commitments in the place of people.
    #[schema(required, nullable, value_type = Object)]
    pub record: Option<Value>,
}

/// A visit in a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ListedVisitWire {
    #[serde(flatten)]
    pub visit: VisitWire,
    /// The ids of the visits that it replaces, the one that it corrects first. Empty in a list that is not folded.
    pub chain: Vec<String>,
}

/// Somebody whom a record names.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PersonWire {
    /// Name and phone were deleted; the record's commitment stands.
    pub erased: bool,
    /// The asker may not see people.
    pub withheld: bool,
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub phone: Option<String>,
}

/// The owner's word that the visit took place.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ConfirmationWire {
    #[schema(format = DateTime)]
    pub at: String,
    /// Null if whoever gave it was erased since, or if the asker may not see people.
    #[schema(required)]
    pub by: Option<String>,
    pub note: String,
}

/// The answers held against the checklist of the unit's kind.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct CheckedWire {
    /// The version of the list.
    pub checklist: String,
    /// Ids of items that the list does not have; kept and shown.
    pub unknown: Vec<String>,
    pub unanswered: Vec<String>,
    /// Ids of items answered in another way than the list asks for.
    pub ill_fitting: Vec<String>,
    pub failed: Vec<String>,
}

/// One visit with all that belongs to it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct VisitFileWire {
    #[serde(flatten)]
    pub visit: VisitWire,
    /// Every record of this visit in order of receipt, this one among them.
    pub chain: Vec<VisitWire>,
    /// By role.
    pub people: BTreeMap<String, PersonWire>,
    #[schema(required)]
    pub confirmation: Option<ConfirmationWire>,
    /// Null if the registry does not have the unit.
    #[schema(required)]
    pub checked: Option<CheckedWire>,
}

impl From<VisitRow> for VisitWire {
    fn from(row: VisitRow) -> Self {
        Self {
            corrected_by: row.corrections(),
            id: row.id,
            unit: row.unit,
            publisher: row.publisher,
            record_id: row.record_id,
            kind: row.kind,
            started_at: time(row.started_at),
            ended_at: row.ended_at.map(time),
            supersedes: row.supersedes,
            supersedes_publisher: row.supersedes_publisher,
            corrects: row.corrects,
            confirmed_at: row.confirmed_at.map(time),
            received_at: time(row.received_at),
            site: row.site,
            owner: row.owner,
            maintainer: row.maintainer,
            record: json(Some(row.body)),
        }
    }
}

impl VisitFileWire {
    fn of(file: VisitFile, checklists: &Checklists) -> Self {
        let checked = checked(&file, checklists);
        let confirmation = file.confirmation.as_ref().map(|(at, body)| confirmation(*at, body, &file.people));
        let people = people(&file);
        Self {
            visit: VisitWire::from(file.visit),
            chain: file.chain.into_iter().map(VisitWire::from).collect(),
            people,
            confirmation,
            checked: checked.map(|(version, checked)| {
                let Checked { unknown, unanswered, ill_fitting, failed } = checked;
                CheckedWire { checklist: version, unknown, unanswered, ill_fitting, failed }
            }),
        }
    }
}

/// The roles that the record commits to, with those who are not erased.
fn people(file: &VisitFile) -> BTreeMap<String, PersonWire> {
    let record: Value = serde_json::from_str(&file.visit.body).unwrap_or_default();
    let roles = record["people"].as_object().into_iter().flat_map(|roles| roles.keys());
    let person = |role: &str| {
        let row = file.people.iter().find(|row| row.role == role);
        PersonWire {
            erased: row.is_none(),
            withheld: false,
            name: row.and_then(|row| row.name.clone()),
            phone: row.and_then(|row| row.phone.clone()),
        }
    };
    roles.map(|role| (role.clone(), person(role))).collect()
}

fn confirmation(at: i64, body: &str, people: &[PersonRow]) -> ConfirmationWire {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let by = people.iter().find(|row| row.role == CONFIRMER).and_then(|row| row.name.clone());
    ConfirmationWire { at: time(at), by, note: told["note"].as_str().unwrap_or_default().to_owned() }
}

/// The answers of a visit held against its list, with the list's version.
#[must_use]
pub fn checked(file: &VisitFile, checklists: &Checklists) -> Option<(String, Checked)> {
    let list = checklists.of(file.unit_kind.as_deref()?.parse().ok()?)?;
    let kind: VisitKind = file.visit.kind.parse().ok()?;
    let record: Value = serde_json::from_str(&file.visit.body).ok()?;
    let empty = Vec::new();
    let items = record["items"].as_array().unwrap_or(&empty);
    let answers: Vec<(&str, Answer<'_>)> = items
        .iter()
        .filter_map(|item| {
            let answer = match &item["result"] {
                Value::String(text) => Answer::Text(text),
                Value::Number(_) => Answer::Number,
                _ => return None,
            };
            Some((item["id"].as_str()?, answer))
        })
        .collect();
    Some((list.version.clone(), list.check(kind, &answers)))
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/visits", get(list)).route("/api/v1/visits/{id}", get(one))
}

/// Which visits a query asks for; pages, API and packages read it alike.
///
/// # Errors
/// A [`Problem`] that names the wrong parameter.
pub fn asked(params: &mut Params) -> Result<VisitFilter, Problem> {
    let kinds: Vec<&'static str> = VisitKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let corrected = params.word("corrected", &["only"])?.is_some();
    let folded = params.word("folded", &["true", "false"])?;
    if corrected && folded == Some("true") {
        return Err(Problem::parameter("folded", "what was corrected is not there when corrections are folded"));
    }
    Ok(VisitFilter {
        unit: params.text("unit")?,
        worker: params.text("worker")?,
        maintainer: params.text("maintainer")?,
        kind: params.word("kind", &kinds)?.map(str::to_owned),
        from: params.time("from")?,
        to: params.time("to")?,
        corrected,
        folded: !corrected && folded != Some("false"),
        after: None,
        limit: DEFAULT_LIMIT,
    })
}

/// The same with the place and the length of a page.
///
/// # Errors
/// As [`asked`].
pub fn filter(params: &mut Params) -> Result<VisitFilter, Problem> {
    Ok(VisitFilter { after: params.text("after")?, limit: params.limit()?, ..asked(params)? })
}

/// Visits, those that began last first. What a correction replaces is folded into it, unless that is not wanted.
#[utoipa::path(get, path = "/api/v1/visits", tag = "visits",
    params(
        ("unit" = Option<String>, Query, description = "of this unit"),
        ("worker" = Option<String>, Query, description = "in which this worker took part; the name is the firm's own"),
        ("maintainer" = Option<String>, Query, description = "of this firm at the time of the record"),
        ("kind" = Option<String>, Query, description = "FM, HM, TM, SM or OY"),
        ("from" = Option<String>, Query, format = DateTime, description = "begun at this time or later"),
        ("to" = Option<String>, Query, format = DateTime, description = "begun before this time"),
        ("corrected" = Option<String>, Query, description = "`only`: those that were corrected later, and nothing else"),
        ("folded" = Option<String>, Query, description = "`true` (the default): only what stands; `false`: every record"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<ListedVisitWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<PageWire<ListedVisitWire>>, Problem> {
    let filter = filter(&mut params)?;
    params.finish()?;
    let page = http.reader.visits(&filter).await?;
    let heads: Vec<&str> =
        page.items.iter().filter(|row| filter.folded && row.corrects.is_some()).map(|row| row.id.as_str()).collect();
    let chains: HashMap<String, Vec<String>> = http.reader.replaced_by(&heads).await?;
    Ok(Json(PageWire::of(page, |row| ListedVisitWire {
        chain: chains.get(&row.id).cloned().unwrap_or_default(),
        visit: VisitWire::from(row),
    })))
}

/// A visit with the people whom the asker may see. Who looked at people enters the ledger before they are shown; without
/// tokens nobody is known, so nothing is entered.
///
/// # Errors
/// 404 if there is no such visit, 503 if the store takes no writes.
pub async fn read(http: &Http, id: &str) -> Result<VisitFile, Problem> {
    let mut file = http.reader.visit(id).await?.ok_or_else(|| Problem::missing("visit", id))?;
    if !http.caller.sees_persons() {
        file.people.clear();
    }
    if !file.people.is_empty() && !matches!(http.caller, Caller::Anybody) {
        let unit = UnitId::new(&file.visit.unit).map_err(|_| Problem::missing("visit", id))?;
        let look = Action::RecordLook { unit, visit: id.to_owned(), by: http.caller.in_ledger() };
        door::ask(&http.actions, look).await?;
    }
    Ok(file)
}

/// The file of a visit, as every endpoint that shows one gives it.
///
/// # Errors
/// 404 if there is no such visit.
pub(super) async fn file(http: &Http, id: &str) -> Result<VisitFileWire, Problem> {
    let file = read(http, id).await?;
    let mut wire = VisitFileWire::of(file, &http.maintenance.checklists);
    if !http.caller.sees_persons() {
        wire.people.values_mut().for_each(|person| (person.erased, person.withheld) = (false, true));
    }
    Ok(wire)
}

/// One visit: its record, its corrections, the people it names, the owner's confirmation, its checklist.
#[utoipa::path(get, path = "/api/v1/visits/{id}", tag = "visits",
    params(("id" = String, Path, description = "the visit's id")),
    responses(
        (status = 200, description = "the visit", body = VisitFileWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such visit", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<VisitFileWire>, Problem> {
    params.finish()?;
    Ok(Json(file(&http, &id.0).await?))
}
