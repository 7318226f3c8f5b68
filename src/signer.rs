//! Signs a checkpoint of the ledger when it has grown, and never two that contradict each other.
//!
//! What was signed last is kept in a file of its own beside the key, written before the checkpoint is given out. So a
//! database that was put back to an earlier state is noticed: its tree does not continue what was signed, and nothing
//! is signed any more until a person has looked.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::domain::time::{DAY, SECOND};
use crate::ledger::checkpoint::{Head, NotAKey, NotSigned, PublicKey, SigningKey};
use crate::notify::door::{self, Unanswered};
use crate::pipeline::action::{Action, Asked, Done};
use crate::store::read::Reader;
use crate::store::read::ledger::ProofError;

/// `[ledger]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Holds the signing key; without it entries are kept and nothing is signed.
    pub key_file: Option<PathBuf>,
    /// Holds the checkpoint that was signed last; `<key_file>.last` where it is not given. Never put back from a backup.
    pub last_file: Option<PathBuf>,
    /// The least time between two checkpoints, in seconds.
    pub every_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { key_file: None, last_file: None, every_seconds: 60 }
    }
}

impl Settings {
    /// Where what was signed last is kept; `None` without a key.
    #[must_use]
    pub fn last_file(&self) -> Option<PathBuf> {
        self.last_file.clone().or_else(|| {
            let mut path = self.key_file.clone()?.into_os_string();
            path.push(".last");
            Some(path.into())
        })
    }

    /// The key, if one is configured.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with its file.
    pub fn key(&self) -> Result<Option<SigningKey>, KeyError> {
        let Some(path) = &self.key_file else { return Ok(None) };
        let failed = |source| KeyError::Unreadable { path: path.clone(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Ok(Some(text.parse().map_err(|source| KeyError::NotAKey { path: path.clone(), source })?))
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}", path = path.display())]
    NotAKey { path: PathBuf, source: NotAKey },
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file holds less than was signed.
    #[error(
        "the ledger has {size} entries, and a checkpoint over {signed} was signed: an older state of the database was put \
         back. Put the newer one back if there is one; docs/LEDGER.md, \"When nothing is signed\", says what else to do"
    )]
    Shrunk { size: u64, signed: u64 },
    /// The file holds something else than was signed.
    #[error(
        "the first {signed} entries are not those that were signed: the database was put back to an earlier state and went \
         on, or it was edited. Nothing is signed until a person has looked; docs/LEDGER.md, \"When nothing is signed\""
    )]
    Forked { signed: u64 },
    #[error("{path}: what was signed last cannot be read: {what}; nothing is signed without it", path = path.display())]
    Last { path: PathBuf, what: String },
    #[error("{path}: what is to be signed cannot be noted: {source}", path = path.display())]
    Note { path: PathBuf, source: std::io::Error },
    #[error("the tree cannot be read: {0}")]
    Tree(#[from] ProofError),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// The key and the file that remembers what it signed.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    public: PublicKey,
    last_file: PathBuf,
}

impl Signer {
    /// The signer that a configuration asks for; `None` without a key.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with the key's file.
    pub fn configured(settings: &Settings) -> Result<Option<Self>, KeyError> {
        let (Some(key), Some(last_file)) = (settings.key()?, settings.last_file()) else { return Ok(None) };
        Ok(Some(Self { public: key.public(), key, last_file }))
    }

    /// The key by which others check what is signed.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What was signed last; `None` if nothing was.
    ///
    /// # Errors
    /// [`Refusal::Last`]: the file is there and is not a checkpoint of this key.
    pub fn last(&self) -> Result<Option<Head>, Refusal> {
        let failed = |what: String| Refusal::Last { path: self.last_file.clone(), what };
        match std::fs::read_to_string(&self.last_file) {
            Ok(note) => Ok(Some(self.public.open(&note).map_err(|error: NotSigned| failed(error.to_string()))?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Signs a head that continues what was signed last. When it returns, the disk knows that it was signed.
    ///
    /// # Errors
    /// [`Refusal`] says why it must not be signed.
    pub async fn sign(&self, head: Head, reader: &Reader) -> Result<String, Refusal> {
        if let Some(last) = self.last()? {
            if head.size < last.size {
                return Err(Refusal::Shrunk { size: head.size, signed: last.size });
            }
            if reader.ledger_head(last.size).await? != last {
                return Err(Refusal::Forked { signed: last.size });
            }
        }
        let note = self.key.sign(head);
        let failed = |source| Refusal::Note { path: self.last_file.clone(), source };
        replace(&self.last_file, note.as_bytes()).map_err(failed)?;
        Ok(note)
    }
}

/// Puts new content in the place of a file's, so that after a power cut one of the two is there, whole.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The task that signs.
pub struct SignerTask {
    pub signer: Signer,
    /// The least time between two checkpoints.
    pub every: Duration,
    pub reader: Reader,
    pub clock: Arc<dyn Clock>,
    pub door: mpsc::Sender<Asked>,
    pub shutdown: watch::Receiver<bool>,
}

impl SignerTask {
    /// Signs until shutdown: once after the start, then whenever the ledger has grown, and daily if it has not.
    pub async fn run(mut self) {
        let mut timer = tokio::time::interval(self.every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told: Option<String> = None;
        loop {
            tokio::select! {
                _ = timer.tick() => {}
                _ = self.shutdown.wait_for(|stop| *stop) => return,
            }
            match self.round().await {
                Ok(()) => told = None,
                Err(Refusal::Unanswered(Unanswered::Gone)) => return,
                Err(refusal) => {
                    // The same refusal every minute would bury everything else.
                    let problem = refusal.to_string();
                    if told.as_ref() != Some(&problem) {
                        tracing::error!(problem, "no checkpoint of the ledger is signed");
                        told = Some(problem);
                    }
                }
            }
        }
    }

    async fn round(&self) -> Result<(), Refusal> {
        // Refused before anything is added: an entry that only says how far each unit has come would hide the state.
        let last = self.signer.last()?;
        let kept = self.reader.checkpoint(None).await.map_err(ProofError::Read)?;
        let Done::Closed(head) = door::ask(&self.door, Action::CloseStretch).await? else { return Ok(()) };
        let fresh = kept.as_ref().is_some_and(|kept| self.clock.now() - kept.at < DAY - SECOND);
        let signed = kept.as_ref().map(|kept| kept.size);
        if fresh && signed == Some(head.size) && last.is_some_and(|last| last.size == head.size) {
            return Ok(());
        }
        let note = self.signer.sign(head, &self.reader).await?;
        door::ask(&self.door, Action::KeepCheckpoint { size: head.size, note }).await?;
        Ok(())
    }
}
