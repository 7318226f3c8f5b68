//! `/visits/{id}`: one maintenance visit with its answers, its corrections and the owner's confirmation; the code for the unit.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::frame::{Frame, Reading, page};
use super::show::{Desk, Moment};
use crate::checklists::Checked;
use crate::domain::visit::CONFIRMER;
use crate::http::admitted::Admitted;
use crate::http::api::recording::confirm_by;
use crate::http::api::visits::checked;
use crate::http::form::Filled;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::qr;
use crate::store::read::visits::{VisitFile, VisitRow};

struct ItemLine {
    id: String,
    /// Empty where the list does not have it.
    what: String,
    result: String,
    /// Something is to be asked: failed, unknown, or answered in another way than the list asks for.
    note: String,
}

struct PersonLine {
    role: String,
    /// Empty if it was erased.
    told: String,
}

struct ChainLine {
    id: String,
    record_id: String,
    publisher: String,
    received: Moment,
    reason: String,
    /// It is this page's.
    this: bool,
    /// A later record replaces it.
    replaced: bool,
}

struct Confirmation {
    by: String,
    at: Moment,
    note: String,
}

#[derive(Template)]
#[template(path = "visit.html")]
struct VisitPage {
    frame: Frame,
    visit: VisitRow,
    kind: String,
    starts: Moment,
    ends: Option<Moment>,
    received: Moment,
    workers: String,
    codes: Vec<String>,
    next_due: String,
    reason: String,
    items: Vec<ItemLine>,
    unanswered: usize,
    people: Vec<PersonLine>,
    /// What stands in the place of somebody who is not shown.
    gone: &'static str,
    /// (hash, note)
    photos: Vec<(String, String)>,
    chain: Vec<ChainLine>,
    /// Those that correct it.
    newer: Vec<String>,
    confirmation: Option<Confirmation>,
    /// The whole record.
    record: String,
}

/// What a person fills in to confirm.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmForm {
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/visits/{id}", get(one))
        .route("/visits/{id}/confirmation", post(confirm).get(back))
        .route("/units/{id}/qr.svg", get(code))
}

async fn back(id: Id) -> Redirect {
    Redirect::to(&visit_page(&id.0))
}

/// The address of a visit's page.
#[must_use]
pub fn visit_page(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.chars().all(plain) { format!("/visits/{id}") } else { "/units".to_owned() }
}

async fn one(Admitted(http): Admitted, reading: Reading, id: Id) -> Result<Response, Problem> {
    let desk = Desk::of(&http, reading.language);
    let file = crate::http::api::visits::read(&http, &id.0).await?;
    page(&sheet(file, &http, &desk, &reading))
}

async fn confirm(Admitted(http): Admitted, id: Id, Filled(form): Filled<ConfirmForm>) -> Result<Redirect, Problem> {
    confirm_by(&http, &id.0, &form.by, &form.note).await?;
    Ok(back(id).await)
}

/// The QR code of a unit's page, under the address that is configured or else the one that was asked.
async fn code(
    Admitted(http): Admitted,
    id: Id,
    headers: HeaderMap,
    mut params: Params,
) -> Result<impl IntoResponse, Problem> {
    params.text("lang")?;
    params.finish()?;
    http.reader.unit_brief(&id.0).await?.ok_or_else(|| Problem::missing("unit", &id.0))?;
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let site = http.maintenance.public_url.clone().unwrap_or_else(|| format!("http://{asked}"));
    let svg = qr::svg(&qr::address(&site, &id.0)).map_err(|error| Problem::parameter("id", error.to_string()))?;
    let kind: (HeaderName, &str) = (header::CONTENT_TYPE, "image/svg+xml");
    Ok(([kind], svg))
}

fn text(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_default().to_owned()
}

fn list(record: &Value, field: &str) -> Vec<Value> {
    record[field].as_array().cloned().unwrap_or_default()
}

fn sheet(file: VisitFile, http: &Http, desk: &Desk, reading: &Reading) -> VisitPage {
    let language = desk.language;
    let record: Value = serde_json::from_str(&file.visit.body).unwrap_or_default();
    let checks = checked(&file, &http.maintenance.checklists).map(|(_, checked)| checked).unwrap_or_default();
    let codes = list(&record, "problem_codes");
    let codes = codes.iter().filter_map(Value::as_str).map(|code| language.word("problem_code", code)).collect();
    let workers: Vec<String> = list(&record, "workers").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    VisitPage {
        frame: reading.frame(language.word("visit", &file.visit.kind), "/visits"),
        kind: language.word("visit", &file.visit.kind),
        starts: Moment::of(file.visit.started_at, desk),
        ends: file.visit.ended_at.map(|at| Moment::of(at, desk)),
        received: Moment::of(file.visit.received_at, desk),
        workers: workers.join(if language == Language::Zh { "、" } else { ", " }),
        codes,
        next_due: text(&record, "next_due"),
        reason: text(&record, "reason"),
        items: items(&record, &file, http, &checks, language),
        unanswered: checks.unanswered.len(),
        people: people(&record, &file, language),
        gone: if http.caller.sees_persons() { language.phrases().erased } else { language.phrases().withheld },
        photos: list(&record, "photos").iter().map(|photo| (text(photo, "sha256"), text(photo, "note"))).collect(),
        chain: file.chain.iter().map(|row| chain_line(row, &file.visit.id, desk)).collect(),
        newer: file.visit.corrections(),
        confirmation: confirmation(&file, desk),
        record: serde_json::to_string_pretty(&record).unwrap_or_default(),
        visit: file.visit,
    }
}

fn items(record: &Value, file: &VisitFile, http: &Http, checks: &Checked, language: Language) -> Vec<ItemLine> {
    let t = language.phrases();
    let kind = file.unit_kind.as_deref().and_then(|kind| kind.parse().ok());
    let known = kind.and_then(|kind| http.maintenance.checklists.of(kind));
    let line = |item: &Value| {
        let id = text(item, "id");
        let result = match &item["result"] {
            Value::String(word) => language.word("result", word),
            other => format!("{other} {}", item["unit"].as_str().unwrap_or_default()).trim().to_owned(),
        };
        let listed = known.and_then(|list| list.find(&id));
        let has = |ids: &[String]| ids.contains(&id);
        let note = match () {
            () if has(&checks.unknown) => t.item_unknown,
            () if has(&checks.ill_fitting) => t.item_ill_fitting,
            () if has(&checks.failed) => t.item_failed,
            () => "",
        };
        let what = listed.map(|item| if language == Language::Zh { &item.zh } else { &item.en }.clone());
        ItemLine { what: what.unwrap_or_default(), result, note: note.to_owned(), id }
    };
    list(record, "items").iter().map(line).collect()
}

fn people(record: &Value, file: &VisitFile, language: Language) -> Vec<PersonLine> {
    let roles = record["people"].as_object().cloned().unwrap_or_default();
    let told = |role: &str| {
        let row = file.people.iter().find(|row| row.role == role)?;
        let parts = [row.name.as_deref(), row.phone.as_deref()];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    let line = |role: &String| PersonLine { told: told(role).unwrap_or_default(), role: language.word("role", role) };
    roles.keys().map(line).collect()
}

fn chain_line(row: &VisitRow, this: &str, desk: &Desk) -> ChainLine {
    let record: Value = serde_json::from_str(&row.body).unwrap_or_default();
    ChainLine {
        id: row.id.clone(),
        record_id: row.record_id.clone(),
        publisher: row.publisher.clone(),
        received: Moment::of(row.received_at, desk),
        reason: text(&record, "reason"),
        this: row.id == this,
        replaced: !row.corrections().is_empty(),
    }
}

fn confirmation(file: &VisitFile, desk: &Desk) -> Option<Confirmation> {
    let (at, body) = file.confirmation.as_ref()?;
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let by = file.people.iter().find(|row| row.role == CONFIRMER).and_then(|row| row.name.clone());
    Some(Confirmation { by: by.unwrap_or_default(), at: Moment::of(*at, desk), note: text(&told, "note") })
}
