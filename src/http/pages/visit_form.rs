//! `/units/{id}/visit/new`: the form by which somebody in front of the unit records a visit. Works without its script, which
//! only adds the hashes of photos.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::frame::{Frame, Reading, page};
use super::show::Desk;
use super::visits::visit_page;
use crate::checklists::{AnswerKind, Checklist, PassFail};
use crate::domain::visit::{ROLES, VisitKind};
use crate::http::admitted::Admitted;
use crate::http::api::recording::record;
use crate::http::form::Filled;
use crate::http::handles::Http;
use crate::http::phrases::Language;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::store::read::visits::VisitRow;

/// Hashes photos in the browser; a photo itself never leaves it.
const SCRIPT: &str = include_str!("../../../templates/visit.js");

/// This page alone may run our own script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Severe-hazard codes (docs/SOURCES.md).
const CODES: [&str; 8] = ["S0", "S1", "S2", "S3", "S4", "S5", "S6", "S7"];

/// An item's field is called so, and then by its id.
const ITEM: &str = "item-";

struct Choice {
    value: &'static str,
    word: String,
    chosen: bool,
}

struct Field {
    /// Name of the form's field.
    name: String,
    what: String,
    id: String,
    kind: &'static str,
    unit: String,
    choices: Vec<Choice>,
    value: String,
}

struct RoleField {
    role: &'static str,
    word: String,
}

struct Corrected {
    id: String,
    record_id: String,
    publisher: String,
}

#[derive(Template)]
#[template(path = "visit_new.html")]
struct FormPage {
    frame: Frame,
    unit: String,
    site: String,
    /// Each kind as a link, so that the list changes without a script.
    kinds: Vec<Choice>,
    kind: &'static str,
    record_id: String,
    starts: String,
    ends: String,
    workers: [String; 2],
    fields: Vec<Field>,
    codes: Vec<Choice>,
    next_due: String,
    roles: Vec<RoleField>,
    corrects: Option<Corrected>,
    zone: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/units/{id}/visit/new", get(show).post(send)).route("/visit.js", get(script))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], SCRIPT)
}

async fn show(Admitted(http): Admitted, reading: Reading, id: Id, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let kinds: Vec<&'static str> = VisitKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let wanted = params.word("kind", &kinds)?;
    let corrects = params.text("corrects")?;
    params.finish()?;
    let unit = http.reader.unit_brief(&id.0).await?.ok_or_else(|| Problem::missing("unit", &id.0))?;
    let earlier = match corrects {
        Some(visit) => {
            let file = http.reader.visit(&visit).await?.filter(|file| file.visit.unit == id.0);
            Some(file.ok_or_else(|| Problem::missing("visit", &visit))?.visit)
        }
        None => None,
    };
    let desk = Desk::of(&http, reading.language);
    let kind = wanted.map(str::to_owned).or_else(|| earlier.as_ref().map(|visit| visit.kind.clone()));
    let kind: VisitKind = kind.and_then(|kind| kind.parse().ok()).unwrap_or(VisitKind::Hm);
    let list = unit.kind.parse().ok().and_then(|of| http.maintenance.checklists.of(of));
    let (starts, ends) = match &earlier {
        Some(visit) => (visit.started_at, visit.ended_at),
        None => (desk.now.0, Some(desk.now.0)),
    };
    let language = reading.language;
    let told = earlier.as_ref().and_then(|visit| serde_json::from_str::<Value>(&visit.body).ok()).unwrap_or_default();
    let due = desk.now.plus_days(unit.maintenance_interval_days);
    let mut response = page(&FormPage {
        frame: reading.frame(language.phrases().record_visit, "/units"),
        unit: id.0,
        site: unit.site,
        kinds: choices("visit", &kinds, |code| code == kind.as_str(), language),
        kind: kind.as_str(),
        record_id: format!("form-{:012x}-{:016x}", desk.now.0, fastrand::u64(..)),
        starts: desk.calendar.written(starts),
        ends: ends.map(|at| desk.calendar.written(at)).unwrap_or_default(),
        workers: [0, 1].map(|place| told["workers"][place].as_str().unwrap_or_default().to_owned()),
        fields: list.map(|list| fields(list, kind, &told, language)).unwrap_or_default(),
        codes: choices("problem_code", &CODES, |code| code == "S0", language),
        next_due: desk.calendar.written(due.0).chars().take(10).collect(),
        roles: ROLES.iter().map(|role| RoleField { role, word: language.word("role", role) }).collect(),
        corrects: earlier.map(corrected),
        zone: desk.calendar.zone.iana_name().unwrap_or("UTC+08:00").to_owned(),
    })?;
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn corrected(visit: VisitRow) -> Corrected {
    Corrected { id: visit.id, record_id: visit.record_id, publisher: visit.publisher }
}

fn choices(list: &str, words: &[&'static str], chosen: impl Fn(&str) -> bool, language: Language) -> Vec<Choice> {
    words.iter().map(|word| Choice { value: word, word: language.word(list, word), chosen: chosen(word) }).collect()
}

/// A field for each item of the list, filled with what an earlier record answered.
fn fields(list: &Checklist, kind: VisitKind, told: &Value, language: Language) -> Vec<Field> {
    let empty = Vec::new();
    let answered = told["items"].as_array().unwrap_or(&empty);
    let answer = |id: &str| {
        let item = answered.iter().find(|item| item["id"].as_str() == Some(id));
        item.map_or(String::new(), |item| match &item["result"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let words: Vec<&'static str> = PassFail::ALL.iter().map(|word| word.as_str()).collect();
    list.items(kind)
        .map(|item| {
            let value = answer(&item.id);
            let picked = item.answer == AnswerKind::PassFail;
            Field {
                name: format!("{ITEM}{}", item.id),
                what: if language == Language::Zh { &item.zh } else { &item.en }.clone(),
                id: item.id.clone(),
                kind: item.answer.as_str(),
                unit: item.unit.clone().unwrap_or_default(),
                choices: if picked { choices("result", &words, |word| word == value, language) } else { Vec::new() },
                value,
            }
        })
        .collect()
}

async fn send(
    Admitted(http): Admitted,
    id: Id,
    Filled(filled): Filled<Vec<(String, String)>>,
) -> Result<Redirect, Problem> {
    let unit = http.reader.unit_brief(&id.0).await?.ok_or_else(|| Problem::missing("unit", &id.0))?;
    let list = unit.kind.parse().ok().and_then(|of| http.maintenance.checklists.of(of));
    let record_of_form = as_record(&filled, list, &http)?;
    let (visit, _) = record(&http, &id.0, record_of_form.to_string().as_bytes()).await?;
    Ok(Redirect::to(&visit_page(&visit)))
}

/// The record that a filled form stands for. What is empty was not told.
fn as_record(filled: &[(String, String)], list: Option<&Checklist>, http: &Http) -> Result<Value, Problem> {
    let mut record = Map::new();
    let mut items = Vec::new();
    let mut people: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, value) in filled {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "record_id" | "kind" | "next_due" | "supersedes" | "supersedes_publisher" | "reason" => {
                record.insert(name.clone(), json!(value));
            }
            "started_at" | "ended_at" => {
                let at = http.calendar.instant(value);
                let at =
                    at.ok_or_else(|| Problem::parameter(name, "must be a day and a time, such as 2026-11-24T08:30"))?;
                record.insert(name.clone(), json!(at.to_string()));
            }
            "workers" | "problem_codes" => lists.entry(name).or_default().push(json!(value)),
            "photos" => {
                let (sha256, note) = value.split_once(' ').unwrap_or((value, ""));
                let note = (!note.is_empty()).then_some(note);
                lists.entry(name).or_default().push(json!({ "sha256": sha256, "note": note }));
            }
            other => match (other.strip_prefix(ITEM), other.split_once('.')) {
                (Some(id), _) => items.push(item(id, value, list)),
                (None, Some((role, part @ ("name" | "phone")))) if ROLES.contains(&role) => {
                    people.entry(role).or_default().insert(part.to_owned(), json!(value));
                }
                _ => return Err(Problem::parameter(other, "unknown field")),
            },
        }
    }
    record.extend(lists.into_iter().map(|(name, list)| (name.to_owned(), Value::Array(list))));
    if !items.is_empty() {
        record.insert("items".to_owned(), Value::Array(items));
    }
    if !people.is_empty() {
        record.insert("people".to_owned(), json!(people));
    }
    Ok(Value::Object(record))
}

/// A number where the list asks for one and one was written; else what was written.
fn item(id: &str, value: &str, list: Option<&Checklist>) -> Value {
    let listed = list.and_then(|list| list.find(id));
    let number = listed.filter(|item| item.answer == AnswerKind::Number).and_then(|item| {
        let number: f64 = value.replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(json!({ "id": id, "result": number, "unit": item.unit }))
    });
    number.unwrap_or_else(|| json!({ "id": id, "result": value }))
}
