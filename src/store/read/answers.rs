//! What people answered to alerts, with what each of them knew of the alert.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{ReadError, Reader};

/// One answer, with what its giver knew of the alert.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AnswerRow {
    pub id: i64,
    pub alert: String,
    /// A word of [`crate::domain::notice::AnswerKind`].
    pub kind: String,
    pub at: i64,
    pub by: String,
    pub note: String,
    pub expires_at: Option<i64>,
    /// The message whose link was used.
    pub delivery: Option<String>,
    /// The alert's severity that whoever answered knew of.
    pub severity: String,
    /// The alert fired again since.
    pub reopened: bool,
}

/// Columns of an answer. Without a transition that it knew of, it was given for the alert as it is.
const ANSWER: &str = "select n.id, n.alert, n.kind, n.at, n.by, n.note, n.expires_at, n.delivery, \
     coalesce(t.severity, a.severity) as severity, exists (select 1 from alert_transition r \
     where r.alert = n.alert and r.id > n.transition and r.kind = 'reopened') as reopened \
     from answer n join alert a on a.id = n.alert left join alert_transition t on t.id = n.transition";

impl Reader {
    /// Every answer to each of these alerts, in the order in which they were given; an alert without one is left out.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn answers_to(&self, alerts: &[String]) -> Result<HashMap<String, Vec<AnswerRow>>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let ids = serde_json::to_string(alerts).expect("texts always serialise");
        let mut query = QueryBuilder::<Sqlite>::new(ANSWER);
        query.push(" where n.alert in (select value from json_each(").push_bind(ids).push(")) order by n.id");
        let rows = query.build_query_as::<AnswerRow>().fetch_all(&mut *snapshot.tx).await?;
        let mut answers: HashMap<String, Vec<AnswerRow>> = HashMap::new();
        for row in rows {
            answers.entry(row.alert.clone()).or_default().push(row);
        }
        Ok(answers)
    }
}

/// The answers to one alert, on a connection that is already reading.
pub(super) async fn of(tx: &mut SqliteConnection, alert: &str) -> Result<Vec<AnswerRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(ANSWER);
    query.push(" where n.alert = ").push_bind(alert).push(" order by n.id");
    Ok(query.build_query_as::<AnswerRow>().fetch_all(tx).await?)
}

/// How many alerts have an answer of each kind: (rule, publisher, answer, alerts).
pub(super) async fn tally(tx: &mut SqliteConnection) -> Result<Vec<(String, String, String, i64)>, ReadError> {
    let count = "select a.rule, coalesce(u.publisher, ''), n.kind, count(distinct n.alert) from answer n \
         join alert a on a.id = n.alert left join unit u on u.id = a.unit where a.state <> 'withdrawn' \
         group by 1, 2, 3 order by 1, 2, 3";
    Ok(sqlx::query_as(count).fetch_all(tx).await?)
}
