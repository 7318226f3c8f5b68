//! `/api/v1/deliveries`: who was sent what and how it went; and sending again what was given up.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::wire::{PageWire, time};
use crate::http::admitted::Admitted;
use crate::http::door;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::{Id, Params};
use crate::pipeline::action::{Action, Done};
use crate::store::read::deliveries::{DeliveryFilter, DeliveryRow};

/// One message on its way to one receiver by one sink.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct DeliveryWire {
    /// The idempotency key that the receiver sees, the same at every try.
    pub id: String,
    pub notification: String,
    /// alerts, reminder, escalation, heartbeat, operator, digest or test.
    pub kind: String,
    pub receiver: String,
    /// Kind and place of the sink, such as webhook-0.
    pub sink: String,
    /// due, delivered or dead.
    pub state: String,
    /// When it was made, or sent again by a person.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it is tried next; null when it is not.
    #[schema(required, format = DateTime)]
    pub due_at: Option<String>,
    pub attempts: i64,
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
    /// Who said that it was received.
    #[schema(required)]
    pub received_by: Option<String>,
    #[schema(required, format = DateTime)]
    pub received_at: Option<String>,
    /// What the receiver answered last.
    #[schema(required)]
    pub last_status: Option<i64>,
    #[schema(required)]
    pub last_detail: Option<String>,
}

impl From<DeliveryRow> for DeliveryWire {
    fn from(row: DeliveryRow) -> Self {
        Self {
            due_at: (row.state == "due").then(|| time(row.due_at)),
            id: row.id,
            notification: row.notification,
            kind: row.kind,
            receiver: row.receiver,
            sink: row.sink,
            state: row.state,
            created_at: time(row.created_at),
            attempts: row.attempts,
            finished_at: row.finished_at.map(time),
            received_by: row.received_by,
            received_at: row.received_at.map(time),
            last_status: row.last_status,
            last_detail: row.last_detail,
        }
    }
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/api/v1/deliveries", get(list))
        .route("/api/v1/deliveries/{id}", get(one))
        .route("/api/v1/deliveries/{id}/resend", post(resend))
}

/// Deliveries, the newest first. Those that are `dead` wait for a person.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries",
    params(
        ("state" = Option<String>, Query, description = "due, delivered or dead"),
        ("receiver" = Option<String>, Query, description = "to this receiver"),
        ("after" = Option<String>, Query, description = "the `next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "rows, 100 if not said")),
    responses(
        (status = 200, description = "a page", body = PageWire<DeliveryWire>),
        (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "the question took too long", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    Admitted(http): Admitted,
    mut params: Params,
) -> Result<Json<PageWire<DeliveryWire>>, Problem> {
    let filter = DeliveryFilter {
        state: params.word("state", &["due", "delivered", "dead"])?.map(str::to_owned),
        receiver: params.text("receiver")?,
        after: params.text("after")?,
        limit: params.limit()?,
    };
    params.finish()?;
    Ok(Json(PageWire::of(http.reader.deliveries(&filter).await?, DeliveryWire::from)))
}

/// One delivery.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "the delivery's id")),
    responses(
        (status = 200, description = "the delivery", body = DeliveryWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such delivery", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the database gave no answer", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<DeliveryWire>, Problem> {
    params.finish()?;
    Ok(Json(found(&http, &id).await?))
}

/// Sends a delivery again that was given up, under its key, and for 72 hours anew; opens its sink if that was gone.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/resend", tag = "deliveries",
    params(("id" = String, Path, description = "the delivery's id")),
    responses(
        (status = 200, description = "on its way; the delivery as it stands now", body = DeliveryWire),
        (status = 400, description = "the path or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "no such delivery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "it is on its way, or has arrived", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "the store takes no writes", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn resend(Admitted(http): Admitted, id: Id, params: Params) -> Result<Json<DeliveryWire>, Problem> {
    params.finish()?;
    match door::ask(&http.actions, Action::Resend { delivery: id.0.clone() }).await? {
        Done::UnknownDelivery => return Err(Problem::missing("delivery", &id.0)),
        Done::NotDead => {
            return Err(Problem::new(StatusCode::CONFLICT, "it was not given up: it is on its way, or has arrived"));
        }
        _ => {}
    }
    Ok(Json(found(&http, &id).await?))
}

async fn found(http: &Http, id: &Id) -> Result<DeliveryWire, Problem> {
    let found = http.reader.delivery(&id.0).await?;
    Ok(found.ok_or_else(|| Problem::missing("delivery", &id.0))?.into())
}
