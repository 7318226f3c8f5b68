//! Starts whoever signs the ledger, if a key is configured.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::pipeline::action::Asked;
use crate::signer::{Settings, Signer, SignerTask};
use crate::store::read::Reader;

/// Starts the signer, or says that nothing is signed.
pub fn start(
    settings: &Settings,
    reader: &Reader,
    clock: &Arc<dyn Clock>,
    door: &mpsc::Sender<Asked>,
    stopping: &watch::Receiver<bool>,
) {
    let signer = match Signer::configured(settings) {
        Ok(Some(signer)) => signer,
        Ok(None) => {
            tracing::warn!("[ledger] key_file is not set: the ledger is kept, and nothing of it is signed");
            return;
        }
        // The file was good when the settings were read.
        Err(error) => {
            tracing::error!(%error, "nothing of the ledger is signed: mend [ledger] key_file, and restart");
            return;
        }
    };
    tracing::info!(public_key = %signer.public(), "checkpoints of the ledger are signed; auditors need this public key");
    let task = SignerTask {
        signer,
        every: Duration::from_secs(settings.every_seconds.into()),
        reader: reader.clone(),
        clock: Arc::clone(clock),
        door: door.clone(),
        shutdown: stopping.clone(),
    };
    tokio::spawn(task.run());
}
