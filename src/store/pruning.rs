//! Deletes rows by age, some at a time: never what rules must know, nor what a row that is kept names.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::detect::history::{LASTING, lasts};
use crate::domain::fault::FaultCode;
use crate::domain::time::Timestamp;
use crate::ledger::leaf::EntryKind;
use crate::ledger::retention::Pruned;

use super::Change;
use super::error::StoreError;
use super::retention::Order;
use super::words::{optional_word, to_json, word};

/// Rows that one transaction looks at. Measured so that it takes no longer than the commit of a full batch
/// (docs/decisions/0018-retention.md).
const fn looked_at(rows: Pruned) -> u32 {
    match rows {
        Pruned::Alert | Pruned::Visit => 100,
        Pruned::Notification => 200,
        Pruned::Event => 1_000,
    }
}

/// How far one transaction came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Rows that went.
    pub removed: u64,
    /// Where to go on; `None` at the end of what is old.
    pub next: Option<String>,
}

/// Rows that were looked at, by their ids.
struct Looked {
    /// Those that may go.
    old: Vec<String>,
    next: Option<String>,
}

impl Looked {
    fn of(
        rows: &[SqliteRow],
        most: u32,
        old: impl Fn(&SqliteRow) -> Result<bool, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut found = Vec::new();
        for row in rows {
            if old(row)? {
                found.push(row.try_get("id")?);
            }
        }
        let full = rows.len() == most as usize;
        let last = rows.last().filter(|_| full).map(|row| row.try_get("id")).transpose()?;
        Ok(Self { old: found, next: last })
    }
}

/// Ids begin with the time that their rows are ordered by: this stands before all of that time or later.
fn place(prefix: &str, at: Timestamp) -> String {
    format!("{prefix}{:012x}", at.0.max(0))
}

impl Change<'_> {
    /// The newest event that a unit told itself and whose time is not doubted, unless a thousand others lie ahead of it.
    /// What we find between states or conclude may have our own time.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn newest_event(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let newest = "select ts from (select ts, clock_suspect, origin from event order by id desc limit 1000) \
             where clock_suspect = 0 and origin = 'reported' limit 1";
        Ok(sqlx::query_scalar(newest).fetch_optional(&mut *self.transaction).await?.map(Timestamp))
    }

    /// Prunes rows after the id `after`, and enters it into the ledger if any went.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn prune(&mut self, order: Order<'_>, after: &str) -> Result<Step, StoreError> {
        let looked = match order.rows {
            Pruned::Alert => self.old_alerts(order, after).await?,
            Pruned::Notification => self.old_notifications(order, after).await?,
            Pruned::Event => self.old_events(order, after).await?,
            Pruned::Visit => self.old_visits(order, after).await?,
        };
        let Looked { old, next } = looked;
        if old.is_empty() {
            return Ok(Step { removed: 0, next });
        }
        let references = match order.rows {
            Pruned::Alert => self.remove_alerts(&old).await?,
            Pruned::Notification => self.remove_notifications(&old).await?,
            Pruned::Event => {
                self.remove(&["delete from event where id in (select value from json_each($1))"], &old).await?
            }
            Pruned::Visit => self.remove_visits(&old).await?,
        };
        let removed = old.len() as u64;
        self.retire(order, removed, &references).await?;
        Ok(Step { removed, next })
    }

    /// Events that no rule must know for ever and that no alert names.
    async fn old_events(&mut self, order: Order<'_>, after: &str) -> Result<Looked, StoreError> {
        let most = looked_at(order.rows);
        let find =
            "select id, unit, type, code, at, received_at from event where id > $1 and id < $2 order by id limit $3";
        let find = sqlx::query(find).bind(after).bind(place("", order.before)).bind(most);
        let rows = find.fetch_all(&mut *self.transaction).await?;
        let units = rows.iter().map(|row| row.try_get("unit")).collect::<Result<HashSet<&str>, _>>()?;
        let named = self.named_by_alerts(&units).await?;
        Looked::of(&rows, most, |row| {
            let (at, received_at): (i64, i64) = (row.try_get("at")?, row.try_get("received_at")?);
            let lasting = lasts(word("event", row.try_get("type")?)?, optional_word("event", row.try_get("code")?)?);
            let id: &str = row.try_get("id")?;
            Ok(at < order.before.0 && received_at < order.before.0 && !lasting && !named.contains(id))
        })
    }

    /// Everything that alerts of these units rest on, and alerts about workers, which name visits of others.
    async fn named_by_alerts(&mut self, units: &HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        let find = "select n.value from json_each($1) j \
             cross join alert a on a.unit = j.value and a.state <> 'withdrawn' \
             cross join json_each(a.evidence) n \
             union select n.value from json_each($1) j \
             cross join alert a on a.unit = j.value and a.state = 'withdrawn' \
             cross join json_each(a.evidence) n";
        let named = sqlx::query_scalar(find).bind(to_json(units)).fetch_all(&mut *self.transaction).await?;
        Ok(named.into_iter().collect())
    }

    /// Alerts that are over and of which nothing was said lately. The newest transition and answer stay: their numbers are
    /// not given again.
    async fn old_alerts(&mut self, order: Order<'_>, after: &str) -> Result<Looked, StoreError> {
        let most = looked_at(order.rows);
        let find = "select a.id, a.state <> 'firing' and a.recorded_at < $4 and coalesce(a.ends_at, 0) < $4 \
             and not exists (select 1 from alert_transition t where t.alert = a.id and (t.at >= $4 \
             or t.id = (select max(id) from alert_transition) \
             or exists (select 1 from outbox o where o.transition = t.id))) \
             and not exists (select 1 from answer n where n.alert = a.id \
             and (n.at >= $4 or n.id = (select max(id) from answer))) \
             and a.id not in (select p.alert from pending p) as old \
             from alert a where a.id > $1 and a.id < $2 order by a.id limit $3";
        let find = sqlx::query(find).bind(after).bind(place("a-", order.before)).bind(most).bind(order.before.0);
        let rows = find.fetch_all(&mut *self.transaction).await?;
        Looked::of(&rows, most, |row| Ok(row.try_get("old")?))
    }

    async fn remove_alerts(&mut self, alerts: &[String]) -> Result<Vec<(EntryKind, Vec<String>)>, StoreError> {
        let ids = to_json(alerts);
        let mut references = Vec::new();
        for (kind, find) in [
            (
                EntryKind::AlertTransition,
                "select cast(t.id as text) from json_each($1) j cross join alert_transition t on t.alert = j.value",
            ),
            (
                EntryKind::Answer,
                "select cast(n.id as text) from json_each($1) j cross join answer n on n.alert = j.value",
            ),
        ] {
            let found = sqlx::query_scalar(find).bind(&ids).fetch_all(&mut *self.transaction).await?;
            references.push((kind, found));
        }
        let statements = [
            "delete from ledger_salt where kind = 'answer' and ref in (select cast(n.id as text) from json_each($1) j \
             cross join answer n on n.alert = j.value)",
            "delete from answer where alert in (select value from json_each($1))",
            "delete from alert_transition where alert in (select value from json_each($1))",
            "delete from escalation where alert in (select value from json_each($1))",
            "delete from inhibition where alert in (select value from json_each($1))",
            "delete from ladder where alert in (select value from json_each($1))",
            "delete from told_alert where alert in (select value from json_each($1))",
            "delete from notification_alert where alert in (select value from json_each($1))",
            "delete from alert where id in (select value from json_each($1))",
        ];
        self.remove(&statements, alerts).await?;
        Ok(references)
    }

    /// Messages that told of nothing that is kept, and that are not on their way.
    async fn old_notifications(&mut self, order: Order<'_>, after: &str) -> Result<Looked, StoreError> {
        let most = looked_at(order.rows);
        let find = "select n.id, not exists (select 1 from notification_alert a where a.notification = n.id) \
             and not exists (select 1 from delivery d where d.notification = n.id and (d.state = 'due' \
             or d.created_at >= $4 or coalesce(d.finished_at, d.received_at, 0) >= $4)) as old \
             from notification n where n.id > $1 and n.id < $2 order by n.id limit $3";
        let find = sqlx::query(find).bind(after).bind(place("n-", order.before)).bind(most).bind(order.before.0);
        let rows = find.fetch_all(&mut *self.transaction).await?;
        Looked::of(&rows, most, |row| Ok(row.try_get("old")?))
    }

    async fn remove_notifications(
        &mut self,
        notifications: &[String],
    ) -> Result<Vec<(EntryKind, Vec<String>)>, StoreError> {
        let statements = [
            "delete from attempt where delivery in (select d.id from json_each($1) j \
             cross join delivery d on d.notification = j.value)",
            "delete from delivery where notification in (select value from json_each($1))",
            "delete from notification where id in (select value from json_each($1))",
        ];
        self.remove(&statements, notifications).await
    }

    /// Visits that went before another of their kind, with all that corrects them and all that they correct: that whole
    /// chain must be old, or all of it stays.
    async fn old_visits(&mut self, order: Order<'_>, after: &str) -> Result<Looked, StoreError> {
        let most = looked_at(order.rows);
        let find = "select id from visit where id > $1 and id < $2 order by id limit $3";
        let bound = place("v-", order.before);
        let find = sqlx::query(find).bind(after).bind(&bound).bind(most);
        let rows = find.fetch_all(&mut *self.transaction).await?;
        let Looked { old: looked, next } = Looked::of(&rows, most, |_| Ok(true))?;
        let chains = sqlx::query(CHAINS).bind(to_json(&looked)).bind(order.before.0).bind(&bound).bind(lasting_codes());
        let rows = chains.fetch_all(&mut *self.transaction).await?;
        let units = rows.iter().map(|row| row.try_get("unit")).collect::<Result<HashSet<&str>, _>>()?;
        let mut named = self.named_by_alerts(&units).await?;
        named.extend(self.named_of_workers(&looked, order.before).await?);
        let mut chains: HashMap<&str, (bool, Vec<&str>)> = HashMap::new();
        for row in &rows {
            let (root, id): (&str, &str) = (row.try_get("root")?, row.try_get("id")?);
            let (goes, members) = chains.entry(root).or_insert((true, Vec::new()));
            *goes &= row.try_get("old")? && !named.contains(id);
            members.push(id);
        }
        let going = chains.values().filter(|(goes, _)| *goes).flat_map(|(_, members)| members.iter());
        let mut old: Vec<String> = going.map(|id| (*id).to_owned()).collect();
        old.sort_unstable();
        old.dedup();
        Ok(Looked { old, next })
    }

    /// What alerts about workers rest on around these visits: such an alert names visits of two units, and each unit has
    /// one.
    async fn named_of_workers(&mut self, visits: &[String], before: Timestamp) -> Result<Vec<String>, StoreError> {
        let find = "select n.value from alert a cross join json_each(a.evidence) n \
             where a.rule = 'worker_in_two_places' and a.starts_at < $2 and (a.ends_at is null or a.ends_at >= \
             (select min(v.started_at) from json_each($1) j cross join visit v on v.id = j.value))";
        let find = sqlx::query_scalar(find).bind(to_json(visits)).bind(before.0);
        Ok(find.fetch_all(&mut *self.transaction).await?)
    }

    async fn remove_visits(&mut self, visits: &[String]) -> Result<Vec<(EntryKind, Vec<String>)>, StoreError> {
        let ids: Vec<&str> = visits.iter().map(String::as_str).collect();
        self.forget_people(&ids).await?;
        let statements = [
            "delete from visit_worker where (worker, visit) in (select w.value, v.id from json_each($1) j \
             cross join visit v on v.id = j.value cross join json_each(iif(json_valid(v.body), v.body, '{}'), '$.workers') w)",
            "delete from visit_correction where corrected in (select value from json_each($1))",
            "delete from visit_confirmation where visit in (select value from json_each($1))",
            "delete from visit where id in (select value from json_each($1))",
        ];
        self.remove(&statements, visits).await?;
        Ok(vec![(EntryKind::Visit, visits.to_vec()), (EntryKind::Confirmation, visits.to_vec())])
    }

    /// Rows without entries of their own go by these statements.
    async fn remove(
        &mut self,
        statements: &[&'static str],
        ids: &[String],
    ) -> Result<Vec<(EntryKind, Vec<String>)>, StoreError> {
        let ids = to_json(ids);
        for statement in statements {
            sqlx::query(*statement).bind(&ids).execute(&mut *self.transaction).await?;
        }
        Ok(Vec::new())
    }
}

/// Each visit with everything that it corrects and that corrects it, and whether nothing but an alert keeps it: it is over
/// and was received and confirmed long enough ago, nothing happened in it that rules know however old it is, and another
/// one of the unit, planned or on demand as it is, ended after it and is old too. That last one is what the next visit is
/// counted from.
const CHAINS: &str = "with recursive chain (root, id) as (select value, value from json_each($1) \
     union select c.root, n.correction from chain c cross join visit_correction n on n.corrected = c.id \
     union select c.root, n.corrected from chain c cross join visit_correction n on n.correction = c.id) \
     select c.root, v.id, v.unit, v.received_at < $2 and coalesce(v.ended_at, v.started_at) < $2 \
     and not exists (select 1 from visit_confirmation n where n.visit = v.id and n.at >= $2) \
     and not exists (select 1 from event e indexed by event_unit \
     where e.at >> 31 in (v.started_at >> 31, (v.started_at + 86400000) >> 31) and e.unit = v.unit and e.at >= v.started_at \
     and e.at <= v.started_at + 86400000 and (e.type = 'entrapment_reported' \
     or (e.type = 'fault_raised' and e.code in (select value from json_each($4))))) \
     and (v.ended_at is null or exists (select 1 from visit_correction n where n.corrected = v.id) \
     or exists (select 1 from visit x indexed by visit_unit where x.unit = v.unit and x.id > v.id and x.id < $3 \
     and x.ended_at is not null and (x.kind = 'FM') = (v.kind = 'FM') \
     and not exists (select 1 from visit_correction n where n.corrected = x.id))) as old \
     from chain c cross join visit v on v.id = c.id";

/// The codes of [`LASTING`] as JSON.
fn lasting_codes() -> String {
    to_json(&LASTING.map(FaultCode::as_str))
}
