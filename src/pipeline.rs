//! The one transaction; here only the part that people's actions enter by.

use tokio::sync::oneshot;

use crate::domain::id::UnitId;

/// What a person asks of the daemon; the answer comes after the commit.
#[derive(Debug)]
pub enum Action {
    /// A person says that the trapped passengers are out; the only thing that ends an entrapment beside the unit's own event.
    ReleasePassengers {
        unit: UnitId,
        /// Who says so.
        by: String,
        /// How they know.
        reason: String,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The registry as CSV, the same as `import units FILE.csv`; atomic.
    ImportUnits { csv: Vec<u8>, reply: oneshot::Sender<Result<Imported, Refusal>> },
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
}

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request cannot be done as it stands: each line says where and why.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The state does not allow it, such as a release where nobody is trapped.
    #[error("{0}")]
    Conflict(String),
    /// The store does not take writes now.
    #[error("{0}")]
    Unavailable(String),
}
