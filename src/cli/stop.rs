//! SIGINT and SIGTERM as a flag: the first asks to drain, the second ends at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

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
