//! The whole story of one alert: what proves it, what became of it, who was told, how each try went, who answered.

use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection};

use super::{ReadError, Reader};

/// Entries of a timeline at most; an alert that is told for years has more tries than anybody reads.
const ENTRIES: usize = 2_000;

/// One thing that happened. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: i64,
    pub what: What,
}

/// What it was. Every word stands in a closed list of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A unit told something that proves the alert.
    Event {
        id: String,
        kind: String,
        code: Option<String>,
    },
    Transition {
        kind: String,
        severity: String,
    },
    /// A message was made for a receiver.
    Notification {
        id: String,
        kind: String,
        receiver: String,
    },
    Attempt(AttemptRow),
    /// The receiver said so by the link in the message.
    Received {
        delivery: String,
        by: String,
    },
    Answer {
        kind: String,
        by: String,
        note: String,
    },
    Escalation {
        step: i64,
        receiver: String,
        why: String,
    },
    /// It was not told, because an area event stood for it.
    Inhibited {
        area: String,
        kind: String,
        site: String,
    },
}

/// One try to send.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AttemptRow {
    pub at: i64,
    pub delivery: String,
    pub receiver: String,
    pub sink: String,
    pub outcome: String,
    pub status: Option<i64>,
    pub detail: String,
    pub duration_ms: i64,
}

impl Reader {
    /// What happened to an alert, the oldest first; `None` if there is no such alert.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn timeline(&self, alert: &str) -> Result<Option<Vec<Entry>>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let mut known = QueryBuilder::<Sqlite>::new("select count(*) from alert where alert.id = ");
        known.push_bind(alert);
        self.scope.of_unit(&mut known, "alert.unit");
        if known.build_query_scalar::<i64>().fetch_one(&mut *tx).await? == 0 {
            return Ok(None);
        }
        Ok(Some(story(tx, alert).await?))
    }
}

/// What happened to an alert or an area event, on a connection that is already reading.
pub(super) async fn story(tx: &mut SqliteConnection, id: &str) -> Result<Vec<Entry>, ReadError> {
    let mut entries = facts(tx, id).await?;
    entries.extend(told(tx, id).await?);
    entries.extend(answers(tx, id).await?);
    // What caused something stands before it, though both have one time.
    entries.sort_by_key(|entry| (entry.at, entry.what.rank()));
    entries.truncate(ENTRIES);
    Ok(entries)
}

impl What {
    const fn rank(&self) -> u8 {
        match self {
            Self::Event { .. } => 0,
            Self::Transition { .. } => 1,
            Self::Escalation { .. } | Self::Inhibited { .. } => 2,
            Self::Notification { .. } => 3,
            Self::Attempt(_) => 4,
            Self::Received { .. } => 5,
            Self::Answer { .. } => 6,
        }
    }
}

async fn facts(tx: &mut SqliteConnection, alert: &str) -> Result<Vec<Entry>, ReadError> {
    let events = "select e.at, e.id, e.type, e.code from alert a, json_each(a.evidence) j \
         join event e on e.id = j.value where a.id = $1";
    let events: Vec<(i64, String, String, Option<String>)> =
        sqlx::query_as(events).bind(alert).fetch_all(&mut *tx).await?;
    let transitions = "select at, kind, severity from alert_transition where alert = $1 order by id";
    let transitions: Vec<(i64, String, String)> = sqlx::query_as(transitions).bind(alert).fetch_all(&mut *tx).await?;
    let event = |(at, id, kind, code)| Entry { at, what: What::Event { id, kind, code } };
    let transition = |(at, kind, severity)| Entry { at, what: What::Transition { kind, severity } };
    Ok(events.into_iter().map(event).chain(transitions.into_iter().map(transition)).collect())
}

async fn told(tx: &mut SqliteConnection, alert: &str) -> Result<Vec<Entry>, ReadError> {
    let notifications = "select n.created_at, n.id, n.kind, n.receiver from notification_alert na \
         join notification n on n.id = na.notification where na.alert = $1 order by n.id limit $2";
    let notifications: Vec<(i64, String, String, String)> =
        sqlx::query_as(notifications).bind(alert).bind(limit()).fetch_all(&mut *tx).await?;
    let inhibited = "select i.at, e.id, e.kind, e.site from inhibition i join area_event e on e.id = i.area \
         where i.alert = $1 order by e.id";
    let inhibited: Vec<(i64, String, String, String)> =
        sqlx::query_as(inhibited).bind(alert).fetch_all(&mut *tx).await?;
    let attempts = "select t.at, t.delivery, d.receiver, d.sink, t.outcome, t.status, t.detail, t.duration_ms \
         from notification_alert na join delivery d on d.notification = na.notification \
         join attempt t on t.delivery = d.id where na.alert = $1 order by t.id limit $2";
    let attempts: Vec<AttemptRow> = sqlx::query_as(attempts).bind(alert).bind(limit()).fetch_all(&mut *tx).await?;
    let received = "select d.received_at, d.id, d.received_by from notification_alert na \
         join delivery d on d.notification = na.notification \
         where na.alert = $1 and d.received_at is not null and d.received_by is not null";
    let received: Vec<(i64, String, String)> = sqlx::query_as(received).bind(alert).fetch_all(&mut *tx).await?;
    let notification = |(at, id, kind, receiver)| Entry { at, what: What::Notification { id, kind, receiver } };
    let mut entries: Vec<Entry> = notifications.into_iter().map(notification).collect();
    let stood_for = |(at, area, kind, site)| Entry { at, what: What::Inhibited { area, kind, site } };
    entries.extend(inhibited.into_iter().map(stood_for));
    entries.extend(attempts.into_iter().map(|row| Entry { at: row.at, what: What::Attempt(row) }));
    entries.extend(received.into_iter().map(|(at, delivery, by)| Entry { at, what: What::Received { delivery, by } }));
    Ok(entries)
}

async fn answers(tx: &mut SqliteConnection, alert: &str) -> Result<Vec<Entry>, ReadError> {
    let answers = "select at, kind, by, note from answer where alert = $1 order by id limit $2";
    let answers: Vec<(i64, String, String, String)> =
        sqlx::query_as(answers).bind(alert).bind(limit()).fetch_all(&mut *tx).await?;
    let steps = "select at, step, receiver, why from escalation where alert = $1 order by told_at, step";
    let steps: Vec<(i64, i64, String, String)> = sqlx::query_as(steps).bind(alert).fetch_all(&mut *tx).await?;
    let answer = |(at, kind, by, note)| Entry { at, what: What::Answer { kind, by, note } };
    let step = |(at, step, receiver, why)| Entry { at, what: What::Escalation { step, receiver, why } };
    Ok(answers.into_iter().map(answer).chain(steps.into_iter().map(step)).collect())
}

fn limit() -> i64 {
    i64::try_from(ENTRIES).unwrap_or(i64::MAX)
}
