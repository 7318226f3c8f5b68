//! Tokens made, revoked and used: each is one small transaction, and enters the ledger with it.

use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::tokens::{NewToken, Revocation};

use super::Pipeline;

impl Pipeline {
    /// Keeps a token and gives its id.
    ///
    /// # Errors
    /// Those of the store; then nothing is kept and it can be asked again.
    pub async fn add_token(&mut self, token: &NewToken, now: Timestamp) -> Result<String, StoreError> {
        let id = format!("t-{:012x}-{:08x}", now.0, fastrand::u32(..));
        let mut change = self.store.begin().await?;
        change.put_token(&id, token, now).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Has a token open nothing from now on.
    ///
    /// # Errors
    /// Those of the store; then nothing is changed and it can be asked again.
    pub async fn revoke_token(&mut self, id: &str, now: Timestamp) -> Result<Revocation, StoreError> {
        let mut change = self.store.begin().await?;
        let done = change.revoke_token(id, now).await?;
        change.commit().await?;
        Ok(done)
    }

    /// Keeps that a token was used now.
    ///
    /// # Errors
    /// Those of the store; then nothing is kept.
    pub async fn use_token(&mut self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        change.use_token(id, now).await?;
        change.commit().await
    }
}
