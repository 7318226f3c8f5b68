//! What the page behind a message's "received" link shows.

use sqlx::{QueryBuilder, Row, Sqlite};

use super::alerts::{AlertRow, SELECT};
use super::areas::{self, AreaSeen};
use super::{ReadError, Reader};

/// A message that was sent, as the page behind its link shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedFile {
    pub receiver: String,
    pub created_at: i64,
    pub received_by: Option<String>,
    pub received_at: Option<i64>,
    /// How many alerts it told of.
    pub count: i64,
    /// The first of them, the worst first.
    pub alerts: Vec<AlertRow>,
    /// The area events among them, the largest first.
    pub areas: Vec<AreaSeen>,
}

impl Reader {
    /// The message that a delivery carried, with at most `limit` of its alerts; `None` if there is no such delivery.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn received(&self, delivery: &str, limit: u32) -> Result<Option<ReceivedFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select d.receiver, d.received_by, d.received_at, n.id, n.created_at, \
             (select count(*) from notification_alert na where na.notification = n.id) \
             from delivery d join notification n on n.id = d.notification where d.id = $1";
        let Some(row) = sqlx::query(find).bind(delivery).fetch_optional(&mut *tx).await? else { return Ok(None) };
        let message: String = row.get(3);
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and a.id in (select alert from notification_alert where notification = ");
        query
            .push_bind(message.clone())
            .push(") order by case a.severity when 'critical' then 0 when 'warning' then 1 else 2 end, a.id limit ");
        query.push_bind(limit);
        Ok(Some(ReceivedFile {
            receiver: row.get(0),
            received_by: row.get(1),
            received_at: row.get(2),
            created_at: row.get(4),
            count: row.get(5),
            areas: areas::told(tx, &message, limit).await?,
            alerts: query.build_query_as::<AlertRow>().fetch_all(&mut *tx).await?,
        }))
    }
}
