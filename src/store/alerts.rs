//! Alerts, their transitions, and what must be told of them: written together or not at all.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::alert::{Alert, AlertState, Severity, Span, Step, Summary, TransitionKind};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;

use super::Change;
use super::entries;
use super::error::StoreError;
use super::words::{flag, json, to_json, word};

const TABLE: &str = "alert";

/// One change of an alert, as it is recorded.
pub struct Recorded<'a> {
    pub alert: &'a Alert,
    pub kind: TransitionKind,
    /// Whether receivers are to hear of it.
    pub tell: bool,
}

impl Change<'_> {
    /// Writes the alert as it is now, the transition, and the outbox's row if somebody must be told.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn record(&mut self, change: Recorded<'_>, now: Timestamp) -> Result<(), StoreError> {
        let Recorded { alert, kind, tell } = change;
        let steps: Vec<(i64, u8)> = alert.span.steps.iter().map(|step| (step.at.0, step.level)).collect();
        let put = "insert or replace into alert (id, rule, rule_version, unit, severity, level, state, starts_at, \
             ends_at, steps, evidence, basis, summary_zh, summary_en, recorded_at, resolved_at, late, superseded_by) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
        sqlx::query(put)
            .bind(&alert.id)
            .bind(&alert.rule)
            .bind(&alert.rule_version)
            .bind(alert.unit.as_str())
            .bind(alert.severity.as_str())
            .bind(alert.level)
            .bind(alert.state.as_str())
            .bind(alert.span.start.0)
            .bind(alert.span.end.map(|at| at.0))
            .bind(to_json(&steps))
            .bind(to_json(&alert.span.evidence))
            .bind(&alert.basis)
            .bind(&alert.span.summary.zh)
            .bind(&alert.span.summary.en)
            .bind(alert.recorded_at.0)
            .bind(alert.resolved_at.map(|at| at.0))
            .bind(alert.late)
            .bind(alert.superseded_by.as_deref())
            .execute(&mut *self.transaction)
            .await?;
        let transition =
            sqlx::query("insert into alert_transition (alert, kind, at, severity) values ($1, $2, $3, $4)")
                .bind(&alert.id)
                .bind(kind.as_str())
                .bind(now.0)
                .bind(alert.severity.as_str())
                .execute(&mut *self.transaction)
                .await?
                .last_insert_rowid();
        self.enter(entries::transition(transition, kind, now, alert));
        if tell {
            let outbox = "insert into outbox (transition, created_at) values ($1, $2)";
            sqlx::query(outbox).bind(transition).bind(now.0).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// The units that have a firing alert of this rule.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn units_firing(&mut self, rule: &str) -> Result<Vec<(UnitId, Timestamp)>, StoreError> {
        let find = "select unit, starts_at from alert where rule = $1 and state = 'firing'";
        let rows = sqlx::query(find).bind(rule).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((word(TABLE, row.try_get("unit")?)?, Timestamp(row.try_get("starts_at")?)))).collect()
    }
}

/// Reads a whole alert row.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn alert(row: &SqliteRow) -> Result<Alert, StoreError> {
    let steps: Vec<(i64, u8)> = json(TABLE, row.try_get("steps")?)?;
    Ok(Alert {
        id: row.try_get("id")?,
        rule: row.try_get("rule")?,
        rule_version: row.try_get("rule_version")?,
        unit: word(TABLE, row.try_get("unit")?)?,
        level: row.try_get("level")?,
        severity: word::<Severity>(TABLE, row.try_get("severity")?)?,
        state: word::<AlertState>(TABLE, row.try_get("state")?)?,
        span: Span {
            start: Timestamp(row.try_get("starts_at")?),
            end: row.try_get::<Option<i64>, _>("ends_at")?.map(Timestamp),
            steps: steps.into_iter().map(|(at, level)| Step { at: Timestamp(at), level }).collect(),
            evidence: json(TABLE, row.try_get("evidence")?)?,
            summary: Summary { zh: row.try_get("summary_zh")?, en: row.try_get("summary_en")? },
        },
        recorded_at: Timestamp(row.try_get("recorded_at")?),
        resolved_at: row.try_get::<Option<i64>, _>("resolved_at")?.map(Timestamp),
        late: flag(TABLE, "late", row.try_get("late")?)?,
        basis: row.try_get("basis")?,
        superseded_by: row.try_get("superseded_by")?,
    })
}
