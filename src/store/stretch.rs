//! Stretches of 2^31 ms (25 days), by which the index of units' events goes before it goes by unit: an event that comes
//! now changes pages of these weeks alone, however many years are stored.

use sqlx::SqliteConnection;

/// A query that knows the table `stretch (n)`: every stretch in which something happened at or after a moment, the latest
/// first. The moment is an SQL expression; a unit's events in one are `e.at >> 31 = n and e.unit = …`.
macro_rules! with_stretches {
    ($since:literal, $query:literal) => {
        concat!(
            "with recursive stretch (n) as (select max(at >> 31) from event union all \
             select (select max(at >> 31) from event where at >> 31 < s.n) from stretch s where s.n > ",
            $since,
            " >> 31) ",
            $query
        )
    };
}

pub(crate) use with_stretches;

/// Every stretch in which something happened at or after `since`, the latest first.
///
/// # Errors
/// Those of the engine.
pub(in crate::store) async fn stretches(reader: &mut SqliteConnection, since: i64) -> Result<Vec<i64>, sqlx::Error> {
    let all = with_stretches!("$1", "select n from stretch where n >= $1 >> 31 order by n desc");
    sqlx::query_scalar(all).bind(since).fetch_all(reader).await
}
