//! How far a session's shutdown has come: the disk first, then the last acknowledgements, then DISCONNECT.

use std::time::Duration;

use tokio::time::Instant;

/// How long a shutdown waits for what was handed over to reach the disk.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the last acknowledgements to leave.
pub const GOODBYE: Duration = Duration::from_secs(2);

/// How far a shutdown has come.
#[derive(Clone, Copy, PartialEq)]
pub enum Leaving {
    No,
    /// Taking nothing new; waiting until then for the disk.
    Draining(Instant),
    /// DISCONNECT is queued behind the last acknowledgements; waiting until then for it to leave.
    Goodbye(Instant),
}

impl Leaving {
    /// Until when this step is waited for.
    #[must_use]
    pub const fn until(self) -> Option<Instant> {
        match self {
            Self::No => None,
            Self::Draining(until) | Self::Goodbye(until) => Some(until),
        }
    }
}
