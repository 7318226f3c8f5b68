//! A SHA-256 hash in the tree, and how it is written: standard Base64, as C2SP's formats want it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tlog_tiles::tlog;

/// Bytes of a hash.
pub const LENGTH: usize = 32;

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; LENGTH]);

/// Text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no hash: 44 characters of Base64 stand for 32 bytes")]
pub struct NotAHash(pub String);

impl Hash {
    /// The hash of a leaf: SHA-256 of a zero byte and the leaf's bytes (RFC 6962 §2.1).
    #[must_use]
    pub fn of_leaf(bytes: &[u8]) -> Self {
        Self(tlog::record_hash(bytes).0)
    }

    /// The hash of two neighbours: SHA-256 of a one byte and both (RFC 6962 §2.1).
    #[must_use]
    pub fn of_node(left: Self, right: Self) -> Self {
        Self(tlog::node_hash(left.inner(), right.inner()).0)
    }

    /// The root of a tree without leaves: SHA-256 of nothing.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// From 32 bytes; `None` for any other number.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn inner(self) -> tlog::Hash {
        tlog::Hash(self.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = STANDARD.decode(text).map_err(|_| NotAHash(text.to_owned()))?;
        Self::from_slice(&bytes).ok_or_else(|| NotAHash(text.to_owned()))
    }
}
