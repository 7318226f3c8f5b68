//! What the service manager is told: READY once the daemon serves, WATCHDOG while the writer makes its rounds, STOPPING.
//! Says nothing where no manager listens.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::writer::WriterStatus;

/// Looks within one patience of the manager: one that comes late is made up for by the next.
const LOOKS: u32 = 3;

/// The daemon serves HTTP and has its file: a broker that is away is no reason to call the start failed, because the
/// manager would end it and start it again, and nothing would be watched meanwhile.
pub fn started(status: &Arc<WriterStatus>, stopping: watch::Receiver<bool>) {
    tell(&[NotifyState::Ready]);
    if let Some(patience) = sd_notify::watchdog_enabled() {
        tokio::spawn(reassure(Arc::clone(status), patience / LOOKS, stopping.clone()));
    }
    tokio::spawn(async move {
        let mut stopping = stopping;
        drop(stopping.wait_for(|stop| *stop).await);
        tell(&[NotifyState::Stopping]);
    });
}

/// Tells the manager that we live as long as the writer went round since the last look. One that stands still, as on a
/// disk that answers no more, is reported by silence; waiting for room on a full disk is a round.
async fn reassure(status: Arc<WriterStatus>, every: Duration, mut stopping: watch::Receiver<bool>) {
    let mut seen = status.rounds();
    tell(&[NotifyState::Watchdog]);
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let rounds = status.rounds();
        if rounds == seen {
            tracing::error!("the writer stands still; the service manager is not told that we live");
        } else {
            seen = rounds;
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager cannot be told how it stands");
    }
}
