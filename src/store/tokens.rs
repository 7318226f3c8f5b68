//! Tokens as they are made, used and revoked. A token's row never goes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Change;
use super::entries;
use super::error::StoreError;
use super::words::{flag, json, to_json, word};
use crate::domain::access::Access;
use crate::domain::time::Timestamp;
use crate::token::Digest;

const TABLE: &str = "token";

/// A token to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub digest: Digest,
    pub access: Access,
    /// Whose it is, for people.
    pub name: String,
    /// From then on it opens nothing.
    pub expires_at: Option<Timestamp>,
}

/// A token as it is kept. Its secret is nowhere; the hash stays in the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub id: String,
    pub digest: Digest,
    pub access: Access,
    pub name: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl TokenRow {
    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// How far a token's revocation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    Done,
    /// It was revoked before; nothing changed.
    Before,
    UnknownToken,
}

impl Change<'_> {
    /// Keeps a token under this id.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_token(&mut self, id: &str, token: &NewToken, now: Timestamp) -> Result<(), StoreError> {
        let put = "insert into token (id, digest, role, scope, personal, name, created_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8)";
        sqlx::query(put)
            .bind(id)
            .bind(token.digest.0.as_slice())
            .bind(token.access.role.as_str())
            .bind(to_json(&token.access.scope))
            .bind(token.access.personal)
            .bind(&token.name)
            .bind(now.0)
            .bind(token.expires_at.map(|at| at.0))
            .execute(&mut *self.transaction)
            .await?;
        self.enter(entries::token(id, &token.access, &token.name, token.expires_at, now));
        Ok(())
    }

    /// Has a token open nothing from now on.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn revoke_token(&mut self, id: &str, now: Timestamp) -> Result<Revocation, StoreError> {
        let find = sqlx::query("select revoked_at from token where id = $1").bind(id);
        let Some(row) = find.fetch_optional(&mut *self.transaction).await? else { return Ok(Revocation::UnknownToken) };
        if row.try_get::<Option<i64>, _>("revoked_at")?.is_some() {
            return Ok(Revocation::Before);
        }
        let revoke = sqlx::query("update token set revoked_at = $2 where id = $1").bind(id).bind(now.0);
        revoke.execute(&mut *self.transaction).await?;
        self.enter(entries::token_revoked(id, now));
        Ok(Revocation::Done)
    }

    /// Keeps when a token was last used.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn use_token(&mut self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let used = "update token set last_used_at = max(coalesce(last_used_at, $2), $2) where id = $1";
        sqlx::query(used).bind(id).bind(at.0).execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// Reads a whole row.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn token(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    let wrong = |what: String| StoreError::Row { table: TABLE, what };
    let role = word(TABLE, row.try_get("role")?)?;
    let personal = flag(TABLE, "personal", row.try_get("personal")?)?;
    let scope = json(TABLE, row.try_get("scope")?)?;
    let at = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp));
    Ok(TokenRow {
        id: row.try_get("id")?,
        digest: Digest::from_slice(row.try_get("digest")?).ok_or_else(|| wrong("a hash has 32 bytes".to_owned()))?,
        access: Access::new(role, scope, personal).map_err(|error| wrong(error.to_string()))?,
        name: row.try_get("name")?,
        created_at: Timestamp(row.try_get("created_at")?),
        expires_at: at("expires_at")?,
        revoked_at: at("revoked_at")?,
        last_used_at: at("last_used_at")?,
    })
}
