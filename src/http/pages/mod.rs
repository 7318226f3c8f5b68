//! Pages for people, made on the server, without scripts, in Chinese and English. One file per page, its markup in templates/.

pub mod show;

pub mod city;

pub mod alerts;

pub mod units;

pub mod quarantine;

use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::Http;
use super::phrases::{Language, Phrases, negotiate};
use super::problem::Problem;

/// The whole look of the pages.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Every page and the stylesheet.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .merge(city::routes())
        .merge(alerts::routes())
        .merge(units::routes())
        .merge(quarantine::routes())
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], STYLE)
}

/// Who reads: in which language, and how this page is reached in the other one.
#[derive(Debug, Clone)]
pub struct Reading {
    pub language: Language,
    /// The language stands in the query, so the cookie is to keep it.
    asked: bool,
    path: String,
    /// The query without `lang` and `after`, as it came.
    kept: String,
}

impl Reading {
    fn of(parts: &request::Parts) -> Self {
        let query = parts.uri.query().unwrap_or("");
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        let kept = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("lang=") && !pair.starts_with("after="));
        Self {
            language: negotiate(
                asked,
                told(&parts.headers, &header::COOKIE),
                told(&parts.headers, &header::ACCEPT_LANGUAGE),
            ),
            asked: asked.and_then(Language::named).is_some(),
            path: parts.uri.path().to_owned(),
            kept: kept.map(|pair| format!("{pair}&")).collect(),
        }
    }

    /// This page's address up to where one more parameter can be written.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}?{}", self.path, self.kept)
    }

    /// What every page has around its content; `tab` is the path of the part that it belongs to.
    #[must_use]
    pub fn frame(&self, title: impl Into<String>, tab: &'static str) -> Frame {
        let other = self.language.other();
        Frame {
            tag: self.language.tag(),
            t: self.language.phrases(),
            title: title.into(),
            tab,
            other_tag: other.tag(),
            switch: format!("{}lang={}", self.address(), other.code()),
            version: env!("CARGO_PKG_VERSION"),
            refresh: false,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reading {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

fn told<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// What every page has around its content.
#[derive(Debug)]
pub struct Frame {
    pub tag: &'static str,
    pub t: &'static Phrases,
    pub title: String,
    pub tab: &'static str,
    pub other_tag: &'static str,
    /// This page in the other language.
    pub switch: String,
    pub version: &'static str,
    /// Whether the page loads itself again every 10 seconds.
    pub refresh: bool,
}

/// A page that says why it cannot be shown.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    problem: Problem,
}

/// Renders a page.
///
/// # Errors
/// A [`Problem`] if a template failed, which only a formatter that failed can cause.
pub fn page(template: &impl Template) -> Result<Response, Problem> {
    match template.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(error = %error, "a page could not be rendered");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered"))
        }
    }
}

/// Shows refusals as pages where a person asked for a page, and keeps the language that was asked for.
pub async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/") || path.starts_with("/-/") || path == "/metrics" || path == "/style.css" {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let reading = Reading::of(&parts);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let shown = ProblemPage { frame: reading.frame(reading.language.phrases().problem, ""), problem }.render();
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
        headers.insert(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}
