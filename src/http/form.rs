//! Forms of our own pages. What another site's page sends is refused, for any site can send a form without asking.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::query::read_body;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// Bytes of a form at most.
const LIMIT: usize = 64 * 1024;

/// A form that one of our own pages sent. Programs use the API, which takes JSON.
#[derive(Debug)]
pub struct Filled<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Filled<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // The guard has refused foreign origins (`guard.rs`); every browser names the origin of a form that it posts.
        if !request.headers().contains_key(header::ORIGIN) {
            let detail = "only a page of this site may send a form; programs use /api/v1";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, FORM, LIMIT).await?;
        let whole = Request::from_parts(parts, Body::from(bytes));
        match axum::Form::<T>::from_request(whole, state).await {
            Ok(axum::Form(filled)) => Ok(Self(filled)),
            Err(wrong) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the form is wrong: {wrong}"))),
        }
    }
}
