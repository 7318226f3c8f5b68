//! Starts whoever signs the ledger, if a key is configured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pipeline::action::Asked;
use crate::signer::{Settings, Signer, SignerTask};
use crate::store::read::Reader;

/// Starts the signer, or says that nothing is signed.
///
/// # Errors
/// The key's file has changed since the configuration was read, and is no key any more.
pub fn start(
    settings: &Settings,
    reader: &Reader,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    door: &mpsc::Sender<Asked>,
    stopping: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Some(signer) = Signer::configured(settings).context("[ledger] key_file")? else {
        tracing::warn!("[ledger] key_file is not set: the ledger is kept, and nothing of it is signed");
        return Ok(());
    };
    tracing::info!(public_key = %signer.public(), "checkpoints of the ledger are signed; auditors need this public key");
    let task = SignerTask {
        signer,
        every: Duration::from_secs(settings.every_seconds.into()),
        reader: reader.clone(),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
        door: door.clone(),
        shutdown: stopping.clone(),
    };
    tokio::spawn(task.run());
    Ok(())
}
