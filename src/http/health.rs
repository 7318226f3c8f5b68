//! Whether the daemon lives, and whether it does its work: `/-/healthy` and `/-/ready`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use super::handles::Http;

/// A link that is down for longer makes the daemon not ready (docs/OPERATIONS.md).
const LINK_PATIENCE: Duration = Duration::from_secs(30);

/// Whether work is being done, and what hinders it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Readiness {
    pub ready: bool,
    /// One sentence for each thing that is in the way.
    pub reasons: Vec<String>,
}

/// The two checks.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/-/healthy", get(healthy)).route("/-/ready", get(ready))
}

/// The process answers; says nothing of brokers or disks, so that a supervisor does not restart it for them.
#[utoipa::path(get, path = "/-/healthy", tag = "operation", responses((status = 200, description = "the process answers", body = String, content_type = "text/plain")))]
pub async fn healthy() -> &'static str {
    "healthy\n"
}

/// Whether messages can come in and be kept.
#[utoipa::path(get, path = "/-/ready", tag = "operation", responses(
    (status = 200, description = "every link is up and the store takes writes", body = Readiness),
    (status = 503, description = "the reasons say what is in the way", body = Readiness)))]
pub async fn ready(State(http): State<Arc<Http>>) -> (StatusCode, Json<Readiness>) {
    let readiness = readiness(&http).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Asks everybody who could be in the way.
pub async fn readiness(http: &Http) -> Readiness {
    let mut reasons = Vec::new();
    for link in http.vitals.links() {
        if let Some(down) = link.down_for.filter(|down| *down > LINK_PATIENCE) {
            reasons.push(format!("region {}: no connection to its broker for {} s", link.region, down.as_secs()));
        }
    }
    if let Some(fault) = http.vitals.storage().fault {
        reasons.push(format!("storage: {fault}"));
    }
    if let Err(error) = http.reader.answers().await {
        reasons.push(format!("storage: {error}"));
    }
    Readiness { ready: reasons.is_empty(), reasons }
}
