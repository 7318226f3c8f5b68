//! What the door knows of those who come: tokens, sessions, wrong tries; and how the door itself stands to the world.

use std::sync::Arc;

use super::attempts::Attempts;
use super::sessions::Sessions;
use super::tokens::TokenBook;
use rustls::ServerConfig;

/// How the listener stands to the world.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// A proxy stands before it, which speaks TLS and says in X-Forwarded-For whom it speaks for.
    pub behind_proxy: bool,
    /// TLS of our own.
    pub tls: Option<Arc<ServerConfig>>,
}

/// What the door knows of those who come.
#[derive(Default)]
pub struct Doorkeeper {
    pub tokens: TokenBook,
    pub sessions: Sessions,
    pub attempts: Attempts,
    pub gate: Gate,
}
