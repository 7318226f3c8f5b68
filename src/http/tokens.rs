//! The tokens that open something, in memory: the daemon alone writes them, so what stands here is what the file says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::domain::time::{MINUTE, Timestamp};
use crate::store::read::{ReadError, Reader};
use crate::store::tokens::TokenRow;
use crate::token::{self, Digest};

/// How often a token's use is written down: seldom enough to cost nothing.
const NOTED_EVERY: i64 = MINUTE;

/// Every token that was ever made.
#[derive(Debug, Default)]
pub struct TokenBook {
    rows: RwLock<Vec<TokenRow>>,
    /// When each token's use was last written down.
    noted: Mutex<HashMap<String, Timestamp>>,
}

impl TokenBook {
    /// Reads them from the file.
    ///
    /// # Errors
    /// [`ReadError`]; then those known before stay.
    pub async fn load(&self, reader: &Reader) -> Result<(), ReadError> {
        let rows = reader.tokens().await?;
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    /// Whether no token was ever made. One that is over does not open the house to everybody again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Every token.
    #[must_use]
    pub fn all(&self) -> Vec<TokenRow> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token of this secret, if it is good at `now`. Each token is compared, and in constant time, so that how long
    /// it takes tells nothing.
    #[must_use]
    pub fn of_secret(&self, secret: &str, now: Timestamp) -> Option<TokenRow> {
        if !token::is_one(secret) {
            return None;
        }
        let digest = Digest::of(secret);
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.iter().fold(None, |found, row| if row.digest.is(&digest) { Some(row) } else { found });
        found.filter(|row| row.is_good(now)).cloned()
    }

    /// The token of this id, if it is good at `now`.
    #[must_use]
    pub fn of_id(&self, id: &str, now: Timestamp) -> Option<TokenRow> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.iter().find(|row| row.id == id && row.is_good(now)).cloned()
    }

    /// Whether the use of a token at `now` is to be written down.
    pub fn is_to_be_noted(&self, id: &str, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let due = noted.get(id).is_none_or(|last| now - *last >= NOTED_EVERY);
        if due {
            noted.insert(id.to_owned(), now);
        }
        due
    }
}
