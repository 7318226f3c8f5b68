//! Pages for people, made on the server, in Chinese and English. One file per page, its markup in templates/.

pub mod frame;

pub mod show;

pub mod story;

pub mod city;

pub mod answering;

pub mod alerts;

pub mod silences;

pub mod areas;

pub mod received;

pub mod sign_in;

pub mod units;

pub mod visits;

pub mod visit_list;

pub mod overdue;

pub mod visit_form;

pub mod quarantine;

pub mod ledger;

pub mod report;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use frame::{Frame, Reading};

use super::handles::Http;
use super::phrases::Language;
use super::problem::Problem;

/// The whole look of the pages.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Every page and the stylesheet.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .merge(city::routes())
        .merge(alerts::routes())
        .merge(answering::routes())
        .merge(silences::routes())
        .merge(areas::routes())
        .merge(received::routes())
        .merge(sign_in::routes())
        .merge(units::routes())
        .merge(visits::routes())
        .merge(visit_list::routes())
        .merge(overdue::routes())
        .merge(visit_form::routes())
        .merge(quarantine::routes())
        .merge(ledger::routes())
        .merge(report::routes())
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], STYLE)
}

/// A page that says why it cannot be shown.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    lead: String,
    problem: Problem,
}

/// Shows refusals as pages where a person asked for a page, and keeps the language that was asked for.
pub async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/")
        || path.starts_with("/-/")
        || path.starts_with("/ledger/")
        || path.starts_with("/admin/")
        || path == "/metrics"
        || path == "/style.css"
        || path == "/visit.js"
    {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let reading = Reading::of(&parts);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let lead = reading.language.word("problem", &problem.status.to_string());
        let shown =
            ProblemPage { lead, frame: reading.frame(reading.language.phrases().problem, ""), problem }.render();
        let allow = response.headers().get(header::ALLOW).cloned();
        response = (response.status(), Html(shown.unwrap_or_default())).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(reading.language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    if reading.asked {
        let cookie = match reading.language {
            Language::Zh => "lang=zh; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
            Language::En => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
        };
        headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}
