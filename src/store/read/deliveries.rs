//! Deliveries as people look at them: how each stands, and every try.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::{Page, ReadError, Reader};

/// One delivery. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeliveryRow {
    pub id: String,
    pub notification: String,
    /// A word of [`crate::domain::notice::NotificationKind`].
    pub kind: String,
    pub receiver: String,
    pub sink: String,
    pub state: String,
    pub created_at: i64,
    pub due_at: i64,
    pub attempts: i64,
    pub finished_at: Option<i64>,
    pub received_by: Option<String>,
    pub received_at: Option<i64>,
    /// What the last try said; empty before the first.
    pub last_status: Option<i64>,
    pub last_detail: Option<String>,
}

/// Which deliveries, newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub state: Option<String>,
    pub receiver: Option<String>,
    pub after: Option<String>,
    pub limit: u32,
}

const SELECT: &str = "select d.id, d.notification, n.kind, d.receiver, d.sink, d.state, d.created_at, d.due_at, \
     d.attempts, d.finished_at, d.received_by, d.received_at, \
     (select status from attempt a where a.delivery = d.id order by a.id desc limit 1) as last_status, \
     (select detail from attempt a where a.delivery = d.id order by a.id desc limit 1) as last_detail \
     from delivery d join notification n on n.id = d.notification where true";

/// What is told by all that a delivery's link stands for.
pub(super) fn of_link<'q>(query: &'q mut QueryBuilder<Sqlite>, delivery: &str) -> &'q mut QueryBuilder<Sqlite> {
    query.push("select na.alert from delivery d join notification_alert na on na.notification = d.notification ");
    query.push("where d.id = ").push_bind(delivery.to_owned()).push(" or d.digest = ").push_bind(delivery.to_owned())
}

impl Reader {
    /// A page of deliveries.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Page<DeliveryRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        if filter.state.as_deref() == Some("dead") {
            // As a constant, so that SQLite sees that the index of the dead applies.
            query.push(" and d.state = 'dead'");
        } else if let Some(state) = &filter.state {
            query.push(" and d.state = ").push_bind(state.clone());
        }
        if let Some(receiver) = &filter.receiver {
            query.push(" and d.receiver = ").push_bind(receiver.clone());
        }
        if let Some(after) = &filter.after {
            query.push(" and d.id < ").push_bind(after.clone());
        }
        self.concerns(&mut query);
        query.push(" order by d.id desc limit ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build_query_as::<DeliveryRow>().fetch_all(&mut *snapshot.tx).await?;
        Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
    }

    /// One delivery; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn delivery(&self, id: &str) -> Result<Option<DeliveryRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and d.id = ").push_bind(id);
        self.concerns(&mut query);
        Ok(query.build_query_as::<DeliveryRow>().fetch_optional(&mut *snapshot.tx).await?)
    }

    /// Adds ` and …`: the message tells of something, and of nothing that the asker may not see.
    fn concerns(&self, query: &mut QueryBuilder<Sqlite>) {
        if !self.scope.is_narrow() {
            return;
        }
        let told = "(select 1 from notification_alert na join alert a on a.id = na.alert where na.notification = n.id";
        query.push(" and exists ").push(told).push(")");
        query.push(" and not exists ").push(told).push(" and not exists (select 1 from unit u where u.id = a.unit");
        self.scope.of_row(query, "u");
        query.push("))");
        // What is said of a whole area is said of units of many.
        query.push(" and not exists (select 1 from notification_alert na join area_event e on e.id = na.alert ");
        query.push("where na.notification = n.id)");
    }
}
