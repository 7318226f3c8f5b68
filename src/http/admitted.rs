//! What a handler gets once somebody is let in: everything it works with, cut down to what that somebody may see.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request};

use super::caller::Caller;
use super::handles::Http;
use super::problem::Problem;

/// Somebody who was let in. The reader inside shows what this caller may see and nothing else.
#[derive(Clone)]
pub struct Admitted(pub Arc<Http>);

impl Admitted {
    /// Lets a caller in.
    #[must_use]
    pub fn new(house: &Http, caller: Caller) -> Self {
        let reader = house.reader.within(caller.scope());
        Self(Arc::new(Http { reader, caller, ..house.clone() }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        // The door puts it there (admit.rs); a route that the door does not watch shows nothing.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a request has passed no door");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault in the daemon; its log says where")
        })
    }
}

/// Who asks, where anybody may.
pub struct Asking(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        let admitted = parts.extensions.get::<Admitted>();
        Ok(Self(admitted.map_or(Caller::Stranger, |admitted| admitted.0.caller.clone())))
    }
}
