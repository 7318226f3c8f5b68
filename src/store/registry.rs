//! The registry's rows, and when each unit must be looked at next.

use std::collections::HashMap;

use jiff::civil::Date;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;

use super::Change;
use super::entries;
use super::error::StoreError;
use super::rows::each_row;
use super::words::{optional_word, to_json, word};

const TABLE: &str = "unit";

impl Change<'_> {
    /// Every unit of the registry, by id.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn units(&mut self) -> Result<Vec<Unit>, StoreError> {
        let mut units = Vec::new();
        let all = "select * from unit where id > $1 order by id limit $2";
        each_row(&mut self.transaction, all, |row| {
            units.push(unit(row)?);
            Ok(())
        })
        .await?;
        Ok(units)
    }

    /// Adds or replaces one row of the registry.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_unit(&mut self, unit: &Unit, now: Timestamp) -> Result<(), StoreError> {
        let put = "insert into unit (id, registration_code, region, site, address, kind, maker, model, \
             in_service_since, owner, maintainer, publisher, stops, latitude, longitude, maintenance_interval_days, \
             last_inspection, changed_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
             on conflict (id) do update set registration_code = excluded.registration_code, \
             region = excluded.region, site = excluded.site, address = excluded.address, kind = excluded.kind, \
             maker = excluded.maker, model = excluded.model, in_service_since = excluded.in_service_since, \
             owner = excluded.owner, maintainer = excluded.maintainer, publisher = excluded.publisher, \
             stops = excluded.stops, latitude = excluded.latitude, longitude = excluded.longitude, \
             maintenance_interval_days = excluded.maintenance_interval_days, \
             last_inspection = excluded.last_inspection, changed_at = excluded.changed_at";
        sqlx::query(put)
            .bind(unit.id.as_str())
            .bind(&unit.registration_code)
            .bind(unit.region.as_str())
            .bind(&unit.site)
            .bind(&unit.address)
            .bind(unit.kind.as_str())
            .bind(&unit.maker)
            .bind(&unit.model)
            .bind(unit.in_service_since.map(|day| day.to_string()))
            .bind(&unit.owner)
            .bind(&unit.maintainer)
            .bind(unit.publisher.as_ref().map(PublisherId::as_str))
            .bind(unit.stops)
            .bind(unit.position.map(|(latitude, _)| latitude))
            .bind(unit.position.map(|(_, longitude)| longitude))
            .bind(unit.maintenance_interval_days)
            .bind(unit.last_inspection.map(|day| day.to_string()))
            .bind(now.0)
            .execute(&mut *self.transaction)
            .await?;
        self.enter(entries::unit(unit, now));
        Ok(())
    }

    /// Sets when verdicts of these units could change without a new fact.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn set_next_checks(&mut self, checks: &[(UnitId, Option<Timestamp>)]) -> Result<(), StoreError> {
        let rows: Vec<(&str, Option<i64>)> =
            checks.iter().map(|(unit, at)| (unit.as_str(), at.map(|at| at.0))).collect();
        let set = "update unit set next_check_at = j.value ->> 1 from json_each($1) j where unit.id = j.value ->> 0";
        sqlx::query(set).bind(to_json(&rows)).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// When each of these units must be looked at next; those without such a moment are left out.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn next_checks(&mut self, units: &[&UnitId]) -> Result<HashMap<UnitId, Timestamp>, StoreError> {
        let units: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
        let find = "select unit.id, unit.next_check_at from json_each($1) j cross join unit on unit.id = j.value \
             where unit.next_check_at is not null";
        let rows = sqlx::query(find).bind(to_json(&units)).fetch_all(&mut *self.transaction).await?;
        rows.iter()
            .map(|row| Ok((word(TABLE, row.try_get("id")?)?, Timestamp(row.try_get("next_check_at")?))))
            .collect()
    }

    /// Has every unit looked at again at `now`: the rules have changed.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn check_all_at(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let set = "update unit set next_check_at = min(coalesce(next_check_at, $1), $1)";
        sqlx::query(set).bind(now.0).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Up to `limit` units whose next check is due, the longest due first, each with when it fell due.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn due(&mut self, now: Timestamp, limit: u32) -> Result<Vec<(UnitId, Timestamp)>, StoreError> {
        let due = "select id, next_check_at from unit where next_check_at <= $1 order by next_check_at limit $2";
        let rows = sqlx::query(due).bind(now.0).bind(limit).fetch_all(&mut *self.transaction).await?;
        rows.iter()
            .map(|row| Ok((word(TABLE, row.try_get("id")?)?, Timestamp(row.try_get("next_check_at")?))))
            .collect()
    }
}

/// Reads a whole registry row.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn unit(row: &SqliteRow) -> Result<Unit, StoreError> {
    let position: (Option<f64>, Option<f64>) = (row.try_get("latitude")?, row.try_get("longitude")?);
    Ok(Unit {
        id: word(TABLE, row.try_get("id")?)?,
        registration_code: row.try_get("registration_code")?,
        region: word(TABLE, row.try_get("region")?)?,
        site: row.try_get("site")?,
        address: row.try_get("address")?,
        kind: word(TABLE, row.try_get("kind")?)?,
        maker: row.try_get("maker")?,
        model: row.try_get("model")?,
        in_service_since: optional_word::<Date>(TABLE, row.try_get("in_service_since")?)?,
        owner: row.try_get("owner")?,
        maintainer: row.try_get("maintainer")?,
        publisher: optional_word(TABLE, row.try_get("publisher")?)?,
        stops: row.try_get("stops")?,
        position: position.0.zip(position.1),
        maintenance_interval_days: row.try_get("maintenance_interval_days")?,
        last_inspection: optional_word::<Date>(TABLE, row.try_get("last_inspection")?)?,
    })
}
