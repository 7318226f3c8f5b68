//! SIGINT and SIGTERM as a flag: the first asks to drain, the second ends at once.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Signals so soon after the first are the same wish.
const SECOND_WISH: Duration = Duration::from_secs(1);

/// A flag that turns true at the first signal.
///
/// # Errors
/// The signals cannot be listened to.
pub fn on_signals() -> anyhow::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping: finishing what was received; a second signal stops at once");
        stop.send_replace(true);
        // A terminal and a supervisor may both pass one Ctrl-C on; only what comes a second later is a second wish.
        let same_wish = async {
            loop {
                either(&mut interrupt, &mut terminate).await;
            }
        };
        // It never ends by itself.
        let _: Result<std::convert::Infallible, _> = tokio::time::timeout(SECOND_WISH, same_wish).await;
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(1);
    });
    Ok(stopping)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
