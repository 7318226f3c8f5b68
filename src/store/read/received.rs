//! What the page behind a message's "received" link shows.

use sqlx::{QueryBuilder, Row, Sqlite};

use super::alerts::{AlertRow, SELECT};
use super::areas::{self, AreaSeen};
use super::deliveries::of_link;
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
    /// The message that a delivery carried, and those that were sent as one with it, with at most `limit` of its alerts; `None` if there is no such delivery.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn received(&self, delivery: &str, limit: u32) -> Result<Option<ReceivedFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select d.receiver, d.received_by, d.received_at, n.created_at, \
             exists (select 1 from delivery o where (o.id = d.id or o.digest = d.id) and o.received_at is null) as open, \
             (select count(distinct na.alert) from delivery o join notification_alert na \
             on na.notification = o.notification where o.id = d.id or o.digest = d.id) as alerts \
             from delivery d join notification n on n.id = d.notification where d.id = $1";
        let Some(row) = sqlx::query(find).bind(delivery).fetch_optional(&mut *tx).await? else { return Ok(None) };
        let open: bool = row.get("open");
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and a.id in (");
        of_link(&mut query, delivery)
            .push(") order by case a.severity when 'critical' then 0 when 'warning' then 1 else 2 end, a.id limit ");
        query.push_bind(limit);
        Ok(Some(ReceivedFile {
            receiver: row.get("receiver"),
            received_by: row.get::<Option<String>, _>("received_by").filter(|_| !open),
            received_at: row.get::<Option<i64>, _>("received_at").filter(|_| !open),
            created_at: row.get("created_at"),
            count: row.get("alerts"),
            areas: areas::told(tx, delivery, limit).await?,
            alerts: query.build_query_as::<AlertRow>().fetch_all(&mut *tx).await?,
        }))
    }
}
