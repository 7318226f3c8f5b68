//! What our side of a kept MQTT session holds: nothing. The library would otherwise refuse every SUBSCRIBE on a session
//! that a new process resumes, without a word to the caller.

use rumqttc::{PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

/// Answers the library's question for the session's local state. The receiving session publishes nothing, and what it
/// received and did not acknowledge the broker sends again, so an empty state is the true one.
#[derive(Debug)]
pub struct NothingInFlight {
    /// The client's own limit of publishes in flight; the library compares.
    pub limit: u16,
}

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let empty = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: None,
            outgoing_inflight_upper_limit: Some(self.limit),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async move { Ok(Some(empty)) })
    }

    fn save<'a>(&'a self, _key: &'a SessionStoreKey, _session: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
