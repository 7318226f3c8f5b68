//! `POST /api/v1/visits/{id}/people/{role}/erase`: a person whom a visit names is forgotten. The operator's alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};

use super::answering::body;
use crate::domain::visit::Erasure;
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::{Problem, shortened};
use crate::http::query::{TEXT_LIMIT, written};
use crate::pipeline::action::{Action, Done};
use crate::pipeline::erasing::Erased;

/// Why somebody is erased, and by whom. Both stand in the ledger for good: name an office, and no person.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureForm {
    /// The office that decided it, 1 to 100 characters.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub by: String,
    /// 1 to 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub why: String,
}

/// Who is gone.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ErasedWire {
    pub visit: String,
    pub role: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/api/v1/visits/{id}/people/{role}/erase", post(erase))
}

/// Erases name, phone and salt of a person whom a visit names, for good. The record and its proofs stay. Erasing somebody
/// again answers the same.
#[utoipa::path(post, path = "/api/v1/visits/{id}/people/{role}/erase", tag = "visits",
    params(
        ("id" = String, Path, description = "the visit's id"),
        ("role" = String, Path, description = "the person's role in the record; `confirmed_by` is who confirmed it")),
    request_body = ErasureForm,
    responses(
        (status = 200, description = "gone", body = ErasedWire),
        (status = 400, description = "the path or the body is wrong, or the body names the person", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such visit, or it names nobody in this role", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "the body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "the body is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn erase(
    Admitted(http): Admitted,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<ErasedWire>, Problem> {
    let bad = |_| Problem::new(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8");
    let Path((visit, role)) = path.map_err(bad)?;
    let told: ErasureForm = body(&headers, sent, "{\"by\":…,\"why\":…}").await?;
    let erasure = Erasure { by: http.caller.signs(&told.by)?, why: written("why", &told.why, TEXT_LIMIT)? };
    let action = Action::ErasePerson { visit: visit.clone(), role: role.clone(), erasure };
    match door::ask(&http.actions, action).await? {
        Done::Erased(Erased::Done) => Ok(Json(ErasedWire { visit, role })),
        Done::Erased(Erased::UnknownVisit) => Err(Problem::missing("visit", &visit)),
        Done::Erased(Erased::Unnamed) => {
            let detail = format!("the visit names nobody as {:?}", shortened(&role));
            Err(Problem::new(StatusCode::NOT_FOUND, detail))
        }
        Done::Erased(Erased::Named) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "`by` or `why` names the person; both stand in the ledger for good",
        )),
        other => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("an erasure was answered by {other:?}"))),
    }
}
