//! Who has signed in on the pages. A session is a random number in a cookie; what it stands for is kept here, in memory, so
//! that signing out ends it, and a restart ends all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::{HOUR, Timestamp};
use crate::token::{self, Digest};

/// Sessions at once; the one that was used least lately goes first.
const SESSIONS: usize = 1_000;
/// A session that is not used for so long is over: a working day.
const IDLE: i64 = 12 * HOUR;

struct Session {
    token: String,
    used: Timestamp,
}

/// Every session.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins a session of a token, and gives the number for the cookie.
    pub fn begin(&self, token: &str, now: Timestamp) -> String {
        let number = token::draw();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now - session.used < IDLE);
        if sessions.len() >= SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.and_then(|key| sessions.remove(&key));
        }
        // Kept by its hash, and looked up by that: how long it takes tells nothing of the number.
        sessions.insert(Digest::of(&number).0, Session { token: token.to_owned(), used: now });
        number
    }

    /// The id of the token that a session stands for.
    pub fn token_of(&self, number: &str, now: Timestamp) -> Option<String> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&Digest::of(number).0).filter(|session| now - session.used < IDLE)?;
        session.used = now;
        Some(session.token.clone())
    }

    /// Ends a session.
    pub fn end(&self, number: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(number).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_session_ends_when_it_is_ended_or_lies_idle() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.begin("t-1", NOW), sessions.begin("t-2", NOW));
        assert_eq!(sessions.token_of(&one, NOW + IDLE - 1).as_deref(), Some("t-1"));
        assert_eq!(sessions.token_of(&other, NOW + IDLE), None);
        sessions.end(&one);
        assert_eq!(sessions.token_of(&one, NOW + IDLE), None);
        assert_eq!(sessions.token_of("", NOW), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let sessions = Sessions::default();
        let first = sessions.begin("t-0", NOW);
        for number in 1..=SESSIONS as i64 {
            sessions.begin("t-1", NOW + number);
        }
        assert_eq!(sessions.token_of(&first, NOW + 1), None);
        assert_eq!(sessions.0.lock().unwrap().len(), SESSIONS);
    }
}
