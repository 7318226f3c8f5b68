//! Alerts with what proves them: the list, and one alert with its evidence and its transitions.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::answers::{self, AnswerRow};
use super::events::EventRow;
use super::gaps::GapRow;
use super::scope::Scope;
use super::visits::VisitRow;
use super::{Page, ReadError, Reader};

/// Columns of an alert and the place of its unit; every query of alerts begins with this.
pub(super) const SELECT: &str = "select a.id, a.rule, a.rule_version, a.unit, u.region, u.site, u.address, a.severity, a.level, a.state, \
     a.starts_at, a.ends_at, a.evidence, a.basis, a.summary_zh, a.summary_en, a.recorded_at, a.resolved_at, \
     a.late, a.superseded_by from alert a left join unit u on u.id = a.unit where true";

/// One alert, and where its unit stands.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AlertRow {
    pub id: String,
    pub rule: String,
    pub rule_version: String,
    pub unit: String,
    /// `None` if the unit has left the registry; so with `site` and `address`.
    pub region: Option<String>,
    pub site: Option<String>,
    pub address: Option<String>,
    pub severity: String,
    pub level: i64,
    pub state: String,
    pub starts_at: i64,
    /// May lie ahead while firing: when the condition ceases if nothing new happens.
    pub ends_at: Option<i64>,
    /// JSON list of ids.
    pub evidence: String,
    pub basis: String,
    pub summary_zh: String,
    pub summary_en: String,
    pub recorded_at: i64,
    pub resolved_at: Option<i64>,
    pub late: bool,
    pub superseded_by: Option<String>,
}

impl AlertRow {
    /// The ids of what proves it, in order of time.
    ///
    /// # Errors
    /// [`ReadError::Row`] if the column holds no list of texts.
    pub fn evidence_ids(&self) -> Result<Vec<String>, ReadError> {
        serde_json::from_str(&self.evidence).map_err(|error| ReadError::Row {
            table: "alert",
            id: self.id.clone(),
            what: format!("evidence is no list of ids: {error}"),
        })
    }
}

/// One change of an alert.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TransitionRow {
    pub kind: String,
    pub at: i64,
    pub severity: String,
}

/// One thing that an alert rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum EvidenceRow {
    Event(EventRow),
    Visit(VisitRow),
    Gap(GapRow),
    /// The id names nothing that is here.
    Missing(String),
}

/// An alert with all that proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertFile {
    pub alert: AlertRow,
    pub evidence: Vec<EvidenceRow>,
    pub transitions: Vec<TransitionRow>,
    /// In the order in which they were given.
    pub answers: Vec<AnswerRow>,
}

/// Which alerts, newest first.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    pub rule: Option<String>,
    pub unit: Option<String>,
    pub region: Option<String>,
    /// Those that were not told, or not at once, because of this area event.
    pub area: Option<String>,
    /// `firing`, `resolved` or `withdrawn`; `None` is firing and resolved together.
    pub state: Option<String>,
    pub after: Option<String>,
    pub limit: u32,
}

impl Reader {
    /// How many alerts fire.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn firing(&self) -> Result<i64, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("select count(*) from alert where state = 'firing'");
        self.scope.of_unit(&mut query, "alert.unit");
        Ok(query.build_query_scalar().fetch_one(&mut *self.snapshot().await?.tx).await?)
    }

    /// A page of alerts, the newest recorded first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Page<AlertRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        page(&mut snapshot.tx, filter, &self.scope).await
    }

    /// Those of these alerts that there are, the oldest recorded first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn alerts_named(&self, ids: &[String]) -> Result<Vec<AlertRow>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        let ids = serde_json::to_string(ids).expect("texts always serialise");
        query.push(" and a.id in (select value from json_each(").push_bind(ids).push("))");
        self.scope.of_unit(&mut query, "a.unit");
        query.push(" order by a.id");
        Ok(query.build_query_as::<AlertRow>().fetch_all(&mut *self.snapshot().await?.tx).await?)
    }

    /// Whether there is this alert, where the asker may see it.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn has_alert(&self, id: &str) -> Result<bool, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("select 1 from alert where alert.id = ");
        query.push_bind(id);
        self.scope.of_unit(&mut query, "alert.unit");
        let found: Option<i64> = query.build_query_scalar().fetch_optional(&mut *self.snapshot().await?.tx).await?;
        Ok(found.is_some())
    }

    /// One alert with its evidence, transitions and answers; `None` if there is no such alert.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn alert(&self, id: &str) -> Result<Option<AlertFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut snapshot.tx;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and a.id = ").push_bind(id);
        self.scope.of_unit(&mut query, "a.unit");
        let Some(alert) = query.build_query_as::<AlertRow>().fetch_optional(&mut **tx).await? else { return Ok(None) };
        let mut evidence = Vec::new();
        for id in alert.evidence_ids()? {
            evidence.push(evidence_row(tx, id).await?);
        }
        let transitions =
            sqlx::query_as("select kind, at, severity from alert_transition where alert = $1 order by id")
                .bind(id)
                .fetch_all(&mut **tx)
                .await?;
        let answers = answers::of(tx, id).await?;
        Ok(Some(AlertFile { alert, evidence, transitions, answers }))
    }
}

/// The page that `filter` asks for, on a connection that is already reading.
pub(super) async fn page(
    tx: &mut SqliteConnection,
    filter: &AlertFilter,
    scope: &Scope,
) -> Result<Page<AlertRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    if filter.state.as_deref() != Some("withdrawn") {
        // Beside `state = …` as well: only then does SQLite see that the partial index of units applies.
        query.push(" and a.state <> 'withdrawn'");
    }
    if let Some(state) = &filter.state {
        query.push(" and a.state = ").push_bind(state.clone());
    }
    if let Some(rule) = &filter.rule {
        query.push(" and a.rule = ").push_bind(rule.clone());
    }
    if let Some(unit) = &filter.unit {
        query.push(" and a.unit = ").push_bind(unit.clone());
    }
    if let Some(region) = &filter.region {
        query.push(" and u.region = ").push_bind(region.clone());
    }
    if let Some(area) = &filter.area {
        query.push(" and a.id in (select alert from inhibition where area = ").push_bind(area.clone()).push(")");
    }
    if let Some(after) = &filter.after {
        query.push(" and a.id < ").push_bind(after.clone());
    }
    scope.of_unit(&mut query, "a.unit");
    query.push(" order by a.id desc limit ").push_bind(i64::from(filter.limit) + 1);
    let rows = query.build_query_as::<AlertRow>().fetch_all(tx).await?;
    Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
}

/// Looks an id up where its form says it lives: `v-…` a visit, `gap-…` a gap, else an event.
async fn evidence_row(tx: &mut SqliteConnection, id: String) -> Result<EvidenceRow, ReadError> {
    if let Some(number) = id.strip_prefix("gap-").and_then(|text| text.parse::<i64>().ok()) {
        let found = super::gaps::one(tx, number).await?;
        return Ok(found.map_or(EvidenceRow::Missing(id), EvidenceRow::Gap));
    }
    if id.starts_with("v-") {
        let found = super::visits::one(tx, &id).await?;
        return Ok(found.map_or(EvidenceRow::Missing(id), EvidenceRow::Visit));
    }
    let found = super::events::one(tx, &id).await?;
    Ok(found.map_or(EvidenceRow::Missing(id), EvidenceRow::Event))
}

/// How many alerts fire, by rule and severity, in the order of the rules' names.
pub(super) async fn firing_by_rule(
    tx: &mut SqliteConnection,
    scope: &Scope,
) -> Result<Vec<(String, String, i64)>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new("select rule, severity, count(*) from alert where state = 'firing'");
    scope.of_unit(&mut query, "alert.unit");
    query.push(" group by rule, severity order by rule, severity");
    let rows = query.build().fetch_all(tx).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
