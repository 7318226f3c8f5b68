//! What is to be told, to whom, and how it stands: what the planner and the dispatcher ask.

use std::collections::HashMap;

use sqlx::{FromRow, SqliteConnection};

use super::{ReadError, Reader};
use crate::store::notify::PendingRow;
use crate::store::words::to_json;

/// What a message says of an alert, as it stands now. Times in milliseconds; texts are empty where the unit has left the
/// registry.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AlertFacts {
    pub id: String,
    pub rule: String,
    pub severity: String,
    pub state: String,
    pub starts_at: i64,
    pub ends_at: Option<i64>,
    pub basis: String,
    pub summary_zh: String,
    pub summary_en: String,
    pub unit: String,
    pub region: String,
    pub site: String,
    pub address: String,
    pub owner: String,
    pub maintainer: String,
    /// How many units it is about: 1, unless it is an area event.
    pub units: i64,
}

impl AlertFacts {
    /// Whether it is an area event, and no alert of one unit.
    #[must_use]
    pub fn is_area(&self) -> bool {
        self.unit.is_empty()
    }
}

/// A transition in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OutboxRow {
    pub id: i64,
    pub transition: i64,
    /// A word of [`crate::domain::alert::TransitionKind`].
    pub kind: String,
    pub created_at: i64,
    pub alert: String,
}

/// An alert that a group knows as firing.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MemberRow {
    pub alert: String,
    pub told_at: i64,
}

/// One group of one receiver, with all that waits in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFile {
    pub receiver: String,
    pub group_key: String,
    pub notified_at: Option<i64>,
    /// Interval and repeat of the route by which it was told last, in milliseconds.
    pub timing: Option<(i64, i64)>,
    pub due_at: Option<i64>,
    pub pending: Vec<PendingRow>,
    pub members: Vec<MemberRow>,
}

/// A delivery given up that the operator has not been told of.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeadRow {
    pub id: String,
    pub receiver: String,
    pub sink: String,
    /// What the last try said.
    pub detail: Option<String>,
}

/// A way to a receiver on which something is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LaneRow {
    pub receiver: String,
    pub sink: String,
    /// When the first delivery is due that nobody is sending.
    pub due_at: i64,
}

/// An alert whose ladder may have a step that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Climber {
    pub alert: AlertFacts,
    pub told_at: i64,
    /// Steps that were taken since.
    pub taken: Vec<i64>,
}

/// Somebody who knows of an alert as firing, and in which group. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KnownRow {
    pub alert: String,
    pub receiver: String,
    pub group_key: String,
    pub interval_ms: i64,
    pub repeat_ms: i64,
}

/// What is in the outbox.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    pub rows: Vec<OutboxRow>,
    pub facts: HashMap<String, AlertFacts>,
    /// Who knows of these alerts as firing.
    pub known: Vec<KnownRow>,
    /// (maintainer, owner) of the units where an area event is, by its id.
    pub around: HashMap<String, Vec<(String, String)>>,
}

/// An area event is told like an alert, of a place in place of a unit.
const FACTS: &str = "select a.id, a.rule, a.severity, a.state, a.starts_at, a.ends_at, a.basis, a.summary_zh, \
     a.summary_en, a.unit, coalesce(u.region, '') as region, coalesce(u.site, '') as site, \
     coalesce(u.address, '') as address, coalesce(u.owner, '') as owner, coalesce(u.maintainer, '') as maintainer, \
     1 as units from json_each($1) j join alert a on a.id = j.value left join unit u on u.id = a.unit \
     union all select e.id, e.kind, e.severity, iif(e.ends_at is null, 'firing', 'resolved'), e.starts_at, e.ends_at, \
     e.basis, e.summary_zh, e.summary_en, '', e.region, e.site, '', '', '', e.units \
     from json_each($1) j join area_event e on e.id = j.value";

impl Reader {
    /// The outbox's oldest rows, what is known of their alerts, and who knows of them.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn outbox(&self, limit: u32) -> Result<Outbox, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select o.id, o.transition, t.kind, o.created_at, t.alert from outbox o \
             join alert_transition t on t.id = o.transition order by o.id limit $1";
        let rows: Vec<OutboxRow> = sqlx::query_as(find).bind(limit).fetch_all(&mut *tx).await?;
        let ids: Vec<&str> = rows.iter().map(|row| row.alert.as_str()).collect();
        let known = "select t.alert, t.receiver, t.group_key, g.interval_ms, g.repeat_ms from told_alert t \
             join told_group g on g.receiver = t.receiver and g.group_key = t.group_key \
             where t.alert in (select value from json_each($1))";
        let known = sqlx::query_as(known).bind(to_json(&ids)).fetch_all(&mut *tx).await?;
        let around = around(tx, &ids).await?;
        let facts = facts(tx, ids).await?;
        Ok(Outbox { rows, facts, known, around })
    }

    /// The groups that `keys` name, those in which something waits, and those that are due, with their alerts.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn groups(
        &self,
        keys: &[(String, String)],
        now: i64,
    ) -> Result<(Vec<GroupFile>, HashMap<String, AlertFacts>), ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select distinct receiver, group_key from (\
             select receiver, group_key from pending union all \
             select receiver, group_key from told_group where due_at <= $1 union all \
             select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each($2))";
        let keys: Vec<(String, String)> =
            sqlx::query_as(find).bind(now).bind(to_json(keys)).fetch_all(&mut *tx).await?;
        let groups = files(tx, keys).await?;
        let mut ids: Vec<&str> = Vec::new();
        for group in &groups {
            ids.extend(group.pending.iter().map(|row| row.alert.as_str()));
            ids.extend(group.members.iter().map(|row| row.alert.as_str()));
        }
        let facts = facts(tx, ids).await?;
        Ok((groups, facts))
    }

    /// Alerts whose ladders are due.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn climbers(&self, now: i64, limit: u32) -> Result<Vec<Climber>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select alert, told_at from ladder where due_at <= $1 order by due_at limit $2";
        let rows: Vec<(String, i64)> = sqlx::query_as(find).bind(now).bind(limit).fetch_all(&mut *tx).await?;
        let mut facts = facts(tx, rows.iter().map(|(alert, _)| alert.as_str()).collect()).await?;
        let mut climbers = Vec::new();
        for (alert, told_at) in rows {
            let taken = "select step from escalation where alert = $1 and told_at = $2";
            let taken = sqlx::query_scalar(taken).bind(&alert).bind(told_at).fetch_all(&mut *tx).await?;
            if let Some(alert) = facts.remove(&alert) {
                climbers.push(Climber { alert, told_at, taken });
            }
        }
        Ok(climbers)
    }

    /// When a group was told last, if it is remembered.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn told_at(&self, receiver: &str, group_key: &str) -> Result<Option<i64>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select notified_at from told_group where receiver = $1 and group_key = $2";
        Ok(sqlx::query_scalar(find).bind(receiver).bind(group_key).fetch_optional(&mut *snapshot.tx).await?)
    }

    /// When a group or a ladder is to be looked at next although nothing happens.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn next_look(&self) -> Result<Option<i64>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select min(due_at) from (select min(due_at) as due_at from told_group where due_at is not null \
             union all select min(due_at) from ladder where due_at is not null)";
        Ok(sqlx::query_scalar(find).fetch_one(&mut *snapshot.tx).await?)
    }

    /// Sinks that said that they are no more: (receiver, sink, what they said).
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn disabled_sinks(&self) -> Result<Vec<(String, String, String)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select receiver, sink, detail from disabled_sink order by receiver, sink";
        Ok(sqlx::query_as(find).fetch_all(&mut *snapshot.tx).await?)
    }

    /// Deliveries given up that the operator has not been told of, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn untold_dead(&self, limit: u32) -> Result<Vec<DeadRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select id, receiver, sink, \
             (select detail from attempt a where a.delivery = d.id order by a.id desc limit 1) as detail \
             from delivery d where state = 'dead' and dead_told = 0 order by id limit $1";
        Ok(sqlx::query_as(find).bind(limit).fetch_all(&mut *snapshot.tx).await?)
    }

    /// On which ways something is to be sent, and when the first of it that nobody is sending is due.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn lanes_due(&self, now: i64) -> Result<Vec<LaneRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        // What was made later than now was made before the clock was set back.
        let find = "select receiver, sink, min(iif(created_at > $1, $1, due_at)) as due_at from delivery where state = 'due' \
             and (lease_until is null or lease_until <= $1) group by receiver, sink";
        Ok(sqlx::query_as(find).bind(now).fetch_all(&mut *snapshot.tx).await?)
    }

    /// Receivers that know of alerts as firing.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn receivers_told(&self) -> Result<Vec<String>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select distinct receiver from told_alert order by receiver";
        Ok(sqlx::query_scalar(find).fetch_all(&mut *snapshot.tx).await?)
    }

    /// The alerts that fire and that a receiver was told of.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn firing_for(&self, receiver: &str) -> Result<Vec<AlertFacts>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select distinct t.alert from told_alert t left join alert a on a.id = t.alert \
             left join area_event e on e.id = t.alert where t.receiver = $1 \
             and (a.state = 'firing' or (e.id is not null and e.ends_at is null)) order by t.alert";
        let ids: Vec<String> = sqlx::query_scalar(find).bind(receiver).fetch_all(&mut *tx).await?;
        let facts = facts(tx, ids.iter().map(String::as_str).collect()).await?;
        Ok(ids.iter().filter_map(|id| facts.get(id).cloned()).collect())
    }
}

/// What is kept of these groups, in three questions however many they are: in a storm they are thousands.
async fn files(tx: &mut SqliteConnection, keys: Vec<(String, String)>) -> Result<Vec<GroupFile>, ReadError> {
    let names = to_json(&keys);
    let places: HashMap<(String, String), usize> = keys.iter().cloned().zip(0..).collect();
    let file = |(receiver, group_key)| GroupFile { receiver, group_key, ..GroupFile::default() };
    let mut files: Vec<GroupFile> = keys.into_iter().map(file).collect();
    let told = "select t.receiver, t.group_key, notified_at, interval_ms, repeat_ms, due_at from json_each($1) k \
         join told_group t on t.receiver = k.value ->> 0 and t.group_key = k.value ->> 1";
    let told: Vec<(String, String, i64, i64, i64, Option<i64>)> =
        sqlx::query_as(told).bind(&names).fetch_all(&mut *tx).await?;
    for (receiver, group_key, notified_at, interval, repeat, due_at) in told {
        let Some(place) = places.get(&(receiver, group_key)) else { continue };
        let file = &mut files[*place];
        (file.notified_at, file.timing, file.due_at) = (Some(notified_at), Some((interval, repeat)), due_at);
    }
    let pending = "select p.receiver, p.group_key, transition, alert, kind, created_at, wait_ms, interval_ms, repeat_ms \
         from json_each($1) k join pending p on p.receiver = k.value ->> 0 and p.group_key = k.value ->> 1 \
         order by transition";
    let pending: Vec<PendingRow> = sqlx::query_as(pending).bind(&names).fetch_all(&mut *tx).await?;
    for row in pending {
        let Some(place) = places.get(&(row.receiver.clone(), row.group_key.clone())) else { continue };
        files[*place].pending.push(row);
    }
    let members = "select t.receiver, t.group_key, alert, told_at from json_each($1) k \
         join told_alert t on t.receiver = k.value ->> 0 and t.group_key = k.value ->> 1 order by alert";
    let members: Vec<(String, String, String, i64)> = sqlx::query_as(members).bind(&names).fetch_all(&mut *tx).await?;
    for (receiver, group_key, alert, told_at) in members {
        let Some(place) = places.get(&(receiver, group_key)) else { continue };
        files[*place].members.push(MemberRow { alert, told_at });
    }
    Ok(files)
}

async fn facts(tx: &mut SqliteConnection, mut ids: Vec<&str>) -> Result<HashMap<String, AlertFacts>, ReadError> {
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<AlertFacts> = sqlx::query_as(FACTS).bind(to_json(&ids)).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

async fn around(tx: &mut SqliteConnection, ids: &[&str]) -> Result<HashMap<String, Vec<(String, String)>>, ReadError> {
    let find = "select distinct e.id, u.maintainer, u.owner from json_each($1) j join area_event e on e.id = j.value \
         join unit u on u.region = e.region and (e.site = '' or u.site = e.site) order by 1, 2, 3";
    let rows: Vec<(String, String, String)> = sqlx::query_as(find).bind(to_json(&ids)).fetch_all(tx).await?;
    let mut around: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for (area, maintainer, owner) in rows {
        around.entry(area).or_default().push((maintainer, owner));
    }
    Ok(around)
}
