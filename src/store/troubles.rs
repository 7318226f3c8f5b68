//! What the operator was told of troubles around liftwatch: written as part of a plan.

use crate::domain::notice::TroubleKind;
use crate::domain::time::Timestamp;

use super::Change;
use super::error::StoreError;

/// A trouble that the operator is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TroubleTold {
    pub kind: TroubleKind,
    /// The publisher or the region.
    pub subject: String,
    /// How far it was told; grows with the trouble.
    pub upto: i64,
}

impl Change<'_> {
    /// Records that the operator is told of these.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_troubles(&mut self, told: &[TroubleTold], now: Timestamp) -> Result<(), StoreError> {
        for row in told {
            let put = "insert or replace into trouble_told (kind, subject, told_at, upto) values ($1, $2, $3, $4)";
            sqlx::query(put)
                .bind(row.kind.as_str())
                .bind(&row.subject)
                .bind(now.0)
                .bind(row.upto)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }
}
