//! The way of people's actions to the pipeline and of its answer back: http asks, whoever holds the writer answers.

use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use crate::pipeline::action::{Action, Asked, Done, NotNow};
use axum::http::StatusCode;

/// Hands an action over and waits until it is on disk.
///
/// # Errors
/// 503 if the writer has gone or its store takes no writes.
pub async fn ask(door: &mpsc::Sender<Asked>, action: Action) -> Result<Done, Problem> {
    let gone = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping or its store is lost");
    let (reply, answer) = oneshot::channel();
    door.send(Asked { action, reply }).await.map_err(|_| gone())?;
    let done = answer.await.map_err(|_| gone())?;
    done.map_err(|NotNow(why)| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))
}
