//! Every token as it is kept.

use super::{ReadError, Reader};
use crate::store::tokens::{TokenRow, token};

impl Reader {
    /// Every token that was ever made, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer, or which row cannot be understood.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, ReadError> {
        let all = "select * from token order by id";
        let rows = sqlx::query(all).fetch_all(&mut *self.snapshot().await?.tx).await?;
        let wrong = |error: crate::store::error::StoreError| ReadError::Row {
            table: "token",
            id: String::new(),
            what: error.to_string(),
        };
        rows.iter().map(|row| token(row).map_err(wrong)).collect()
    }
}
