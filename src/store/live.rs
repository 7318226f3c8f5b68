//! One row per unit of what is told again and again: levels and what looks like people trapped (in the transaction of
//! their edges), and the latest state.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite};

use smol_str::SmolStr;

use crate::domain::event::{Door, Mode, State};
use crate::domain::fault::Fault;
use crate::domain::id::UnitId;
use crate::domain::levels::Levels;
use crate::domain::time::Timestamp;
use crate::fleet::{Tracked, Trapped};

use super::Change;
use super::error::StoreError;
use super::rows::{each_row, write_rows};
use super::words::{json, optional_word, to_json, word};

/// Latest states that one statement stores: those of a whole city at once would take 16 MB for a moment, since SQLite keeps
/// a list in three forms while it reads it.
const STATES_PER_STATEMENT: usize = 500;

/// When a unit was last heard, and the latest state that it told.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRow {
    pub unit: UnitId,
    pub heard_at: Timestamp,
    /// `None` for a unit that has told events but never its state.
    pub state: Option<State>,
}

/// A state as a row keeps it and the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRow {
    pub ts: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boot: Option<SmolStr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub moving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub direction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub landing: Option<SmolStr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_unlocking_zone: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occupied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub active_faults: Option<Vec<(String, Option<SmolStr>)>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door_cycles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelsRow {
    mode: Option<String>,
    mode_as_of: i64,
    faults: Vec<(String, Option<SmolStr>)>,
    faults_as_of: i64,
    alarm: bool,
    entrapment: bool,
    mains_off: bool,
    signals_as_of: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trapped: Option<TrappedRow>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trapped_as_of: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrappedRow {
    since: i64,
    heard_at: i64,
    told: bool,
}

impl Change<'_> {
    /// What is tracked of every unit that has told any level; the numbering that counts now is not stored.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn tracked(&mut self) -> Result<HashMap<UnitId, Tracked>, StoreError> {
        let mut found = HashMap::new();
        let all = "select unit, body from unit_flags where unit > $1 order by unit limit $2";
        each_row(&mut self.transaction, all, |row| {
            let body: LevelsRow = json("unit_flags", row.try_get("body")?)?;
            found.insert(word("unit_flags", row.try_get("unit")?)?, tracked(body)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Stores what is tracked of these units.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_tracked<'a>(
        &mut self,
        tracked: impl Iterator<Item = (&'a UnitId, &'a Tracked)>,
    ) -> Result<(), StoreError> {
        let rows: Vec<(&UnitId, &Tracked)> = tracked.collect();
        write_rows(&mut self.transaction, &rows, |rows| {
            let mut put = QueryBuilder::<Sqlite>::new("insert or rollback into unit_flags (unit, body) ");
            put.push_values(rows, |mut row, (unit, tracked)| {
                row.push_bind(unit.shared()).push_bind(to_json(&levels_row(tracked)));
            });
            put.push(" on conflict (unit) do update set body = excluded.body");
            put
        })
        .await
    }

    /// When each unit was last heard, and its latest state.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn live(&mut self) -> Result<Vec<LiveRow>, StoreError> {
        let mut found = Vec::new();
        let all = "select unit, heard_at, state from unit_live where unit > $1 order by unit limit $2";
        each_row(&mut self.transaction, all, |row| {
            let body: Option<String> = row.try_get("state")?;
            let state = body.map(|body| json("unit_live", &body).and_then(state)).transpose()?;
            let heard_at = Timestamp(row.try_get("heard_at")?);
            found.push(LiveRow { unit: word("unit_live", row.try_get("unit")?)?, heard_at, state });
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Stores when units were last heard, and their latest state.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_live(&mut self, rows: &[LiveRow]) -> Result<(), StoreError> {
        let put = "insert into unit_live (unit, heard_at, state_at, state) \
             select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 from json_each($1) j where true \
             on conflict (unit) do update set heard_at = excluded.heard_at, state_at = excluded.state_at, \
             state = excluded.state";
        for rows in rows.chunks(STATES_PER_STATEMENT) {
            let rows: Vec<(&str, i64, Option<i64>, Option<String>)> = rows
                .iter()
                .map(|row| {
                    let state = row.state.as_ref();
                    let body = state.map(|state| to_json(&state_row(state)));
                    (row.unit.as_str(), row.heard_at.0, state.map(|state| state.ts.0), body)
                })
                .collect();
            sqlx::query(put).bind(to_json(&rows)).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }
}

fn fault_row(fault: &Fault) -> (String, Option<SmolStr>) {
    (fault.code.to_string(), fault.vendor_code.clone())
}

fn faults(table: &'static str, rows: Vec<(String, Option<SmolStr>)>) -> Result<Vec<Fault>, StoreError> {
    rows.into_iter().map(|(code, vendor_code)| Ok(Fault { code: word(table, &code)?, vendor_code })).collect()
}

fn levels_row(tracked: &Tracked) -> LevelsRow {
    let levels = &tracked.levels;
    let trapped = |trapped: &Trapped| {
        let Trapped { since, heard_at, told } = *trapped;
        TrappedRow { since: since.0, heard_at: heard_at.0, told }
    };
    LevelsRow {
        mode: levels.mode.map(|mode| mode.to_string()),
        mode_as_of: levels.mode_as_of.0,
        faults: levels.faults.iter().map(fault_row).collect(),
        faults_as_of: levels.faults_as_of.0,
        alarm: levels.alarm,
        entrapment: levels.entrapment,
        mains_off: levels.mains_off,
        signals_as_of: levels.signals_as_of.0,
        trapped: tracked.trapped.as_ref().map(trapped),
        trapped_as_of: tracked.trapped_as_of.map(|at| at.0),
    }
}

fn tracked(row: LevelsRow) -> Result<Tracked, StoreError> {
    let trapped =
        |TrappedRow { since, heard_at, told }| Trapped { since: Timestamp(since), heard_at: Timestamp(heard_at), told };
    Ok(Tracked {
        trapped: row.trapped.map(trapped),
        trapped_as_of: row.trapped_as_of.map(Timestamp),
        numbering: None,
        levels: Levels {
            mode: optional_word("unit_flags", row.mode.as_deref())?,
            mode_as_of: Timestamp(row.mode_as_of),
            faults: faults("unit_flags", row.faults)?,
            faults_as_of: Timestamp(row.faults_as_of),
            ended: Vec::new(),
            alarm: row.alarm,
            entrapment: row.entrapment,
            mains_off: row.mains_off,
            signals_as_of: Timestamp(row.signals_as_of),
        },
    })
}

fn state_row(state: &State) -> StateRow {
    StateRow {
        ts: state.ts.0,
        boot: state.boot.clone(),
        last_seq: state.last_seq,
        mode: state.mode.map(|mode| mode.to_string()),
        moving: state.moving,
        direction: state.direction.map(|direction| direction.to_string()),
        landing: state.landing.clone(),
        door: state.door.map(|door| door.to_string()),
        in_unlocking_zone: state.in_unlocking_zone,
        occupied: state.occupied,
        active_faults: state.active_faults.as_ref().map(|faults| faults.iter().map(fault_row).collect()),
        runs: state.runs,
        door_cycles: state.door_cycles,
        run_seconds: state.run_seconds,
    }
}

fn state(row: StateRow) -> Result<State, StoreError> {
    const TABLE: &str = "unit_live";
    Ok(State {
        boot: row.boot,
        last_seq: row.last_seq,
        mode: optional_word::<Mode>(TABLE, row.mode.as_deref())?,
        moving: row.moving,
        direction: optional_word(TABLE, row.direction.as_deref())?,
        landing: row.landing,
        door: optional_word::<Door>(TABLE, row.door.as_deref())?,
        in_unlocking_zone: row.in_unlocking_zone,
        occupied: row.occupied,
        active_faults: row.active_faults.map(|rows| faults(TABLE, rows)).transpose()?,
        runs: row.runs,
        door_cycles: row.door_cycles,
        run_seconds: row.run_seconds,
        ..State::at(Timestamp(row.ts))
    })
}
