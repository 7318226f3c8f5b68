//! What the running parts say of themselves: the links to the brokers, and the writing side of the store.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// How one region's broker link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub region: String,
    /// The region's name for people.
    pub name: String,
    /// `None` while connected; else for how long it is down, by the monotonic clock.
    pub down_for: Option<Duration>,
    /// When the last message came, in this process.
    pub last_message: Option<Timestamp>,
    /// By how many milliseconds our clock is ahead of what the latest messages say.
    pub clock_offset: Option<i64>,
}

/// How the store's writing side stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Storage {
    /// Why nothing can be written, while that is so.
    pub fault: Option<String>,
    pub last_commit: Option<Timestamp>,
    /// Room for this process on the disk of the database; `None` when the system does not say.
    pub free_bytes: Option<u64>,
}

/// What the running parts say of themselves; the room that wires them answers.
pub trait Vitals: Send + Sync {
    /// Every region's link, in the order of the configuration.
    fn links(&self) -> Vec<Link>;
    /// The writing side of the store.
    fn storage(&self) -> Storage;
    /// What certificates are used for, and until when the first of each use to end holds; as read at the start.
    fn certificates(&self) -> Vec<(String, Timestamp)>;
    /// What this process holds of the machine's memory, in bytes; `None` where the system does not tell.
    fn resident_memory(&self) -> Option<u64> {
        None
    }
}
