//! Errors as RFC 9457 problem details: what was asked, what is wrong with it, what would be right.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::store::read::ReadError;

/// One refusal as the client reads it. `type` is left out, which means `about:blank`: the title says what the status says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// The status's own phrase.
    #[schema(example = "Bad Request")]
    pub title: &'static str,
    /// HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The query parameter or field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Every value that would have been right, where the list is closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Each wrong line of a refused import, or each wrong field of a refused record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl Problem {
    /// A refusal with a status and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            allowed: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// 404 for something that a name was given for.
    #[must_use]
    pub fn missing(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no {what} {:?}", shortened(id)))
    }

    /// 400 for one parameter.
    #[must_use]
    pub fn parameter(name: &str, wrong: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, wrong);
        problem.detail = format!("{name}: {}", problem.detail);
        problem.parameter = Some(shortened(name));
        problem
    }

    /// The same with the values that would have been right.
    #[must_use]
    pub fn allowing<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed = values.into_iter().map(str::to_owned).collect();
        self
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What a stranger sent, cut so that an answer never grows with it.
#[must_use]
pub fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLong => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            ReadError::NoSuchPlace(place) => Self::parameter(
                "after",
                format!("no row {:?} to go on from; use the `next` of a page", shortened(&place)),
            ),
            ReadError::Pruned { .. } => Self::new(StatusCode::GONE, error.to_string()),
            ReadError::Database(_) | ReadError::Row { .. } => {
                tracing::error!(error = %error, "a reader's question has no answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database gave no answer; the daemon's log says why")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status_code(), body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        // Pages show the same refusal as HTML (src/http/pages/mod.rs).
        response.extensions_mut().insert(self);
        response
    }
}
