//! What people answered: a row per answer, never changed; and the mark on a delivery whose link was used.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite};

use crate::domain::alert::AlertState;
use crate::domain::notice::AnswerKind;
use crate::domain::time::Timestamp;

use super::Change;
use super::entries::{self, AnswerRow};
use super::error::StoreError;
use super::words::{optional_word, word};

/// An answer on its way into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAnswer<'a> {
    pub alert: &'a str,
    pub kind: AnswerKind,
    pub by: &'a str,
    pub note: &'a str,
    /// Of an acknowledgement: from then on it does not count any more.
    pub expires_at: Option<Timestamp>,
}

/// The newest answer to an alert, as far as a repeat of it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAnswer {
    pub id: i64,
    pub kind: AnswerKind,
    pub at: Timestamp,
    pub by: String,
    pub note: String,
    pub expires_at: Option<Timestamp>,
}

/// A delivery whose link somebody uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedDelivery {
    pub receiver: String,
    /// Its link was not used yet, or stands for more than when it was.
    pub open: bool,
}

/// The alerts that are told by what a delivery's link stands for: itself, and all that was sent in one message with it.
const ALERTS_OF_LINK: &str = "select na.alert from delivery d \
     join notification_alert na on na.notification = d.notification where d.id = $1 or d.digest = $1";

/// Answers with the unit of their alert.
pub const ANSWERS: &str = "select w.*, a.unit from answer w left join alert a on a.id = w.alert";

impl Change<'_> {
    /// Where an alert stands; `None` if there is no such alert.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn alert_state(&mut self, alert: &str) -> Result<Option<AlertState>, StoreError> {
        let find = sqlx::query_scalar("select state from alert where id = $1").bind(alert);
        let state: Option<String> = find.fetch_optional(&mut *self.transaction).await?;
        state.map(|state| word("alert", &state)).transpose()
    }

    /// The newest answer that is newer than the alert's newest transition.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn last_answer(&mut self, alert: &str) -> Result<Option<LastAnswer>, StoreError> {
        let find = "select id, kind, at, by, note, expires_at from answer where alert = $1 and transition = \
             (select coalesce(max(t.id), 0) from alert_transition t where t.alert = $1) order by id desc limit 1";
        let Some(row) = sqlx::query(find).bind(alert).fetch_optional(&mut *self.transaction).await? else {
            return Ok(None);
        };
        Ok(Some(LastAnswer {
            id: row.try_get("id")?,
            kind: word("answer", row.try_get("kind")?)?,
            at: Timestamp(row.try_get("at")?),
            by: row.try_get("by")?,
            note: row.try_get("note")?,
            expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        }))
    }

    /// Writes an answer to the alert as it stands now, and gives the row's number. Its groups and its
    /// ladder are to be looked at again: when somebody must be reminded may have changed.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_answer(&mut self, answer: &NewAnswer<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let put = "insert into answer (alert, kind, at, by, note, expires_at, transition) values ($1, $2, $3, $4, $5, $6, \
             (select coalesce(max(t.id), 0) from alert_transition t where t.alert = $1))";
        let done = sqlx::query(put)
            .bind(answer.alert)
            .bind(answer.kind.as_str())
            .bind(now.0)
            .bind(answer.by)
            .bind(answer.note)
            .bind(answer.expires_at.map(|at| at.0))
            .execute(&mut *self.transaction)
            .await?;
        let id = done.last_insert_rowid();
        self.enter_answers("where w.id = $1", id).await?;
        self.look_again("select $1", answer.alert, now).await?;
        Ok(id)
    }

    /// The delivery that a link belongs to.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn linked_delivery(&mut self, delivery: &str) -> Result<Option<LinkedDelivery>, StoreError> {
        let find = "select receiver, exists (select 1 from delivery o where (o.id = $1 or o.digest = $1) \
             and o.received_at is null) as open from delivery where id = $1";
        let find = sqlx::query(find).bind(delivery);
        let Some(row) = find.fetch_optional(&mut *self.transaction).await? else { return Ok(None) };
        Ok(Some(LinkedDelivery { receiver: row.try_get("receiver")?, open: row.try_get("open")? }))
    }

    /// Notes who received a delivery and all that was sent in one message with it, and acknowledges in their name what
    /// they told and still fires: for each alert as it stood when the newest message on it was made, because nobody has
    /// seen more through this link. Gives how many.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_received(
        &mut self,
        delivery: &str,
        by: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let before: i64 =
            sqlx::query_scalar("select coalesce(max(id), 0) from answer").fetch_one(&mut *self.transaction).await?;
        let acknowledge = "insert into answer (alert, kind, at, by, note, expires_at, delivery, transition) \
             select told.alert, $2, $3, $4, '', $5, told.delivery, coalesce((select max(t.id) from alert_transition t \
             where t.alert = told.alert and t.at <= told.created_at), 0) from \
             (select a.id as alert, d.id as delivery, max(n.created_at) as created_at \
             from delivery d join notification n on n.id = d.notification \
             join notification_alert na on na.notification = n.id join alert a on a.id = na.alert \
             where (d.id = $1 or d.digest = $1) and d.received_at is null and a.state = 'firing' group by a.id) told \
             order by told.alert";
        let done = sqlx::query(acknowledge)
            .bind(delivery)
            .bind(AnswerKind::Acknowledged.as_str())
            .bind(now.0)
            .bind(by)
            .bind(expires_at.map(|at| at.0))
            .execute(&mut *self.transaction)
            .await?;
        let mark = "update delivery set received_by = $2, received_at = $3 \
             where (id = $1 or digest = $1) and received_at is null";
        sqlx::query(mark).bind(delivery).bind(by).bind(now.0).execute(&mut *self.transaction).await?;
        self.enter_answers("where w.id > $1", before).await?;
        self.look_again(ALERTS_OF_LINK, delivery, now).await?;
        Ok(done.rows_affected())
    }

    /// Enters answers that were just written into the ledger.
    async fn enter_answers<'q, T>(&mut self, which: &'static str, key: T) -> Result<(), StoreError>
    where
        T: sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite> + Send + 'q,
    {
        let find = format!("{ANSWERS} {which} order by w.id");
        let rows = sqlx::query(AssertSqlSafe(find)).bind(key).fetch_all(&mut *self.transaction).await?;
        for row in &rows {
            self.enter(entries::answer(&answer_row(row)?));
        }
        Ok(())
    }

    /// Makes the groups and ladders of alerts due: an answer may have taken the place of one that lasts longer.
    async fn look_again(&mut self, alerts: &'static str, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let groups = format!(
            "update told_group set due_at = $2 where (receiver, group_key) in \
             (select receiver, group_key from told_alert where alert in ({alerts}))"
        );
        let ladders = format!("update ladder set due_at = $2 where alert in ({alerts})");
        for statement in [groups, ladders] {
            let again = sqlx::query(AssertSqlSafe(statement)).bind(id).bind(now.0);
            again.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }
}

/// Reads an answer's whole row, as [`ANSWERS`] selects it.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn answer_row(row: &SqliteRow) -> Result<AnswerRow, StoreError> {
    Ok(AnswerRow {
        id: row.try_get("id")?,
        alert: row.try_get("alert")?,
        unit: optional_word("answer", row.try_get("unit")?)?,
        kind: word("answer", row.try_get("kind")?)?,
        at: Timestamp(row.try_get("at")?),
        by: row.try_get("by")?,
        note: row.try_get("note")?,
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        delivery: row.try_get("delivery")?,
        transition: row.try_get("transition")?,
    })
}
