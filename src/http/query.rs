//! What stands in a request's query, path and body: read strictly, refused with the name of what is wrong.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::{HeaderMap, StatusCode, header, request};

use super::problem::{Problem, shortened};
use crate::domain::time::Timestamp;

/// Rows of a page if the client does not say.
pub const DEFAULT_LIMIT: u32 = 100;
/// Rows of a page at most.
pub const MAX_LIMIT: u32 = 1_000;
/// Characters of a text that a person writes, such as a reason, at most.
pub const TEXT_LIMIT: usize = 500;
/// Characters of a person's name at most.
pub const NAME_LIMIT: usize = 100;
/// Characters of a parameter at most: longer than any id or name that we keep.
const MAX_VALUE: usize = 256;

/// The query's parameters; each is taken once, and one that nobody takes is refused.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the query is not application/x-www-form-urlencoded"))?;
        Ok(Self { pairs, known: Vec::new() })
    }
}

impl Params {
    /// The parameter's text; absent and empty are the same, so that a form's empty field asks for nothing.
    ///
    /// # Errors
    /// A [`Problem`] when it stands twice or is longer than any value that we keep.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.known.push(name);
        let mut found = None;
        for (_, value) in self.pairs.extract_if(.., |(key, _)| key == name) {
            if found.is_some() {
                return Err(Problem::parameter(name, "given twice; give it once"));
            }
            found = Some(value);
        }
        match found {
            Some(value) if value.is_empty() => Ok(None),
            Some(value) if value.chars().count() > MAX_VALUE => {
                Err(Problem::parameter(name, format!("longer than {MAX_VALUE} characters")))
            }
            Some(value) if value.contains('\0') => Err(Problem::parameter(name, "holds a NUL character")),
            found => Ok(found),
        }
    }

    /// A value that has a form of its own.
    ///
    /// # Errors
    /// A [`Problem`] that says what the form is.
    pub fn parsed<T>(&mut self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| Problem::parameter(name, format!("{:?}: {error}", shortened(&text))))
    }

    /// One of a closed list of words.
    ///
    /// # Errors
    /// A [`Problem`] that lists the words.
    pub fn word(&mut self, name: &'static str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().find(|word| **word == text).copied();
        let wrong = || Problem::parameter(name, format!("{:?} is none of the allowed values", shortened(&text)));
        found.map(Some).ok_or_else(|| wrong().allowing(words.iter().copied()))
    }

    /// A point in time in milliseconds, from RFC 3339 with a zone.
    ///
    /// # Errors
    /// A [`Problem`] that shows the form.
    pub fn time(&mut self, name: &'static str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // A `+` that was not escaped arrives as a blank; the only blank in this form is that one.
        let parsed = Timestamp::parse(&text.replace(' ', "+"));
        parsed
            .map(|at| Some(at.0))
            .map_err(|error| Problem::parameter(name, format!("{:?} is {error}", shortened(&text))))
    }

    /// How many rows, 1 to 1,000; 100 if not said.
    ///
    /// # Errors
    /// A [`Problem`] that says the bounds.
    pub fn limit(&mut self) -> Result<u32, Problem> {
        let Some(text) = self.text("limit")? else { return Ok(DEFAULT_LIMIT) };
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
            _ => Err(Problem::parameter(
                "limit",
                format!("{:?} is not a whole number from 1 to {MAX_LIMIT}", shortened(&text)),
            )),
        }
    }

    /// Refuses what nobody took: a misspelt filter must not answer with everything.
    ///
    /// # Errors
    /// A [`Problem`] that names the parameter and those that there are.
    pub fn finish(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::parameter(name, "unknown parameter").allowing(self.known)),
        }
    }
}

/// The `{id}` of a path.
#[derive(Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let bad = |_: PathRejection| Problem::new(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8");
        let Path(id) = Path::<String>::from_request_parts(parts, state).await.map_err(bad)?;
        Ok(Self(id))
    }
}

impl Id {
    /// The id as the number of a row.
    ///
    /// # Errors
    /// 404: what is no number is no row's either.
    pub fn number(&self, what: &str) -> Result<i64, Problem> {
        self.0.parse().map_err(|_| Problem::missing(what, &self.0))
    }
}

/// A text that a person wrote: trimmed, not empty, not endless.
///
/// # Errors
/// 400 with the field's name.
pub fn written(name: &str, text: &str, limit: usize) -> Result<String, Problem> {
    match optional(name, text, limit)? {
        text if text.is_empty() => Err(Problem::parameter(name, format!("must have 1 to {limit} characters"))),
        text => Ok(text),
    }
}

/// The same where nothing need be written.
///
/// # Errors
/// 400 with the field's name.
pub fn optional(name: &str, text: &str, limit: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > limit {
        return Err(Problem::parameter(name, format!("must have at most {limit} characters")));
    }
    if text.contains('\0') {
        return Err(Problem::parameter(name, "holds a NUL character"));
    }
    Ok(text.to_owned())
}

/// Reads a body of one media type and at most `limit` bytes.
///
/// A form of another site cannot send these media types without asking first, so the check is a guard as well.
///
/// # Errors
/// 415 for another media type, 413 for more bytes, 400 for a body that breaks off.
pub async fn read_body(headers: &HeaderMap, body: Body, media: &str, limit: usize) -> Result<Vec<u8>, Problem> {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = told.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case(media) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send Content-Type: {media}")));
    }
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, limit).await.map_err(|error| {
        let broken = length.is_some_and(|length| length <= limit);
        tracing::debug!(error = %error, "a request's body was not read");
        if broken { Problem::new(StatusCode::BAD_REQUEST, "the body broke off") } else { too_large() }
    })?;
    Ok(bytes.into())
}
