//! The way of the daemon's own actions to the pipeline and of its answer back.

use tokio::sync::{mpsc, oneshot};

use crate::pipeline::action::{Action, Asked, Done, NotNow};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The store takes no writes now; worth another try.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The writer has ended.
    #[error("the daemon is stopping or its store is lost")]
    Gone,
}

/// Hands an action over and waits until it is on disk.
///
/// # Errors
/// [`Unanswered`].
pub async fn ask(door: &mpsc::Sender<Asked>, action: Action) -> Result<Done, Unanswered> {
    let (reply, answer) = oneshot::channel();
    door.send(Asked { action, reply }).await.map_err(|_| Unanswered::Gone)?;
    Ok(answer.await.map_err(|_| Unanswered::Gone)??)
}
