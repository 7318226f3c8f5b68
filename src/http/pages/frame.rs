//! What every page has around its content, and in which language its reader reads.

use std::convert::Infallible;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header, request};
use axum::response::{Html, IntoResponse, Response};

use crate::domain::access::Role;
use crate::http::admitted::Admitted;
use crate::http::caller::Caller;
use crate::http::phrases::{Language, Phrases, negotiate};
use crate::http::problem::Problem;

/// Who reads: in which language, and how this page is reached in the other one.
#[derive(Debug, Clone)]
pub struct Reading {
    pub language: Language,
    /// The language stands in the query, so the cookie is to keep it.
    pub asked: bool,
    path: String,
    /// The query without `lang` and `after`, as it came.
    kept: String,
    caller: Caller,
}

impl Reading {
    /// Who sent these headers and this address.
    #[must_use]
    pub fn of(parts: &request::Parts) -> Self {
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
            caller: parts.extensions.get::<Admitted>().map_or(Caller::Stranger, |seen| seen.0.caller.clone()),
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
            signed_in: self.caller.name().map(str::to_owned),
            watches: self.caller.role().is_none_or(|role| matches!(role, Role::Auditor | Role::Inspector)),
            inspects: self.caller.role().is_none_or(|role| role == Role::Inspector),
            attends: self.caller.role().is_none_or(|role| matches!(role, Role::Inspector | Role::Maintainer)),
            maintains: self.caller.role().is_none_or(|role| role == Role::Maintainer),
            confirms: self.caller.role().is_none_or(|role| role == Role::Owner),
            answers: self.caller.role().is_none_or(|role| role != Role::Auditor),
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
    /// The name of the token that was signed in with; nobody with one is asked for a name.
    pub signed_in: Option<String>,
    /// The reader may see what is refused and silenced.
    pub watches: bool,
    /// The reader may silence, release and call false.
    pub inspects: bool,
    /// The reader may take an alert in hand.
    pub attends: bool,
    /// The reader may record visits.
    pub maintains: bool,
    /// The reader may confirm visits.
    pub confirms: bool,
    /// The reader may write to an alert.
    pub answers: bool,
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
