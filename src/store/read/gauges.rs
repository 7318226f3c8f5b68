//! What /metrics says of the city, read from the database at each scrape and never counted in process.

use sqlx::{Row, SqliteConnection};

use super::{ReadError, Reader};

/// One firing alert as a series.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FiringRow {
    pub id: String,
    pub rule: String,
    pub severity: String,
    pub unit: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
    /// Milliseconds.
    pub starts_at: i64,
}

/// One region's units.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RegionRow {
    pub region: String,
    /// Heard lately.
    pub online: i64,
    /// Told their state before, and were not heard lately.
    pub silent: i64,
    /// Never told their state.
    pub unmonitored: i64,
    pub over_age: i64,
    pub overdue: i64,
}

/// How many transitions are to be routed and messages to be sent, the oldest of them, and how many were given up.
const WAITING: &str = "select count(*), min(created_at), (select count(*) from delivery where state = 'dead') from \
     (select created_at from outbox union all select created_at from delivery where state = 'due')";

/// Overdue is what the rule says, and nothing of its own: pages, alerts and this gauge must not differ. Its alerts are gathered
/// once: looked for unit by unit, those of all units would be walked for each.
const REGIONS: &str = "select u.region, coalesce(sum(l.heard_at >= $1), 0) as online, \
     coalesce(sum(l.state_at is not null and l.heard_at < $1), 0) as silent, \
     sum(l.state_at is null) as unmonitored, coalesce(sum(u.in_service_since <= $2), 0) as over_age, \
     coalesce(sum(u.id in (select unit from alert where rule = 'maintenance_overdue' and state = 'firing')), 0) as overdue \
     from unit u left join unit_live l on l.unit = u.id group by u.region order by u.region";

/// rule, severity, state, region, publisher, alerts
pub type Tally = (String, String, String, String, String, i64);

/// Everything that the domain gauges need, from one snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gauges {
    /// (region, kind, units)
    pub units: Vec<(String, String, i64)>,
    pub regions: Vec<RegionRow>,
    /// (rule, severity, state, region, publisher, alerts)
    pub alerts: Vec<Tally>,
    /// (rule, publisher, answer, alerts)
    pub answered: Vec<(String, String, String, i64)>,
    /// The worst first, then the oldest; at most as many as were asked for.
    pub firing: Vec<FiringRow>,
    /// (state, region, hazards)
    pub hazards: Vec<(String, String, i64)>,
    pub outbox_entries: i64,
    /// Milliseconds; `None` when nothing waits.
    pub outbox_oldest: Option<i64>,
    pub dead_letters: i64,
    pub ledger_entries: i64,
    /// When the newest checkpoint was signed, in milliseconds; `None` if none was.
    pub ledger_checkpoint: Option<i64>,
    /// (kind, milliseconds) of the oldest row that is kept.
    pub oldest: Vec<(&'static str, i64)>,
    pub database_bytes: i64,
    pub wal_bytes: i64,
}

impl Reader {
    /// Reads the gauges. `heard_since` is milliseconds, `old_since` a civil date; `firing` caps the firing alerts.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn gauges(&self, heard_since: i64, old_since: &str, firing: u32) -> Result<Gauges, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let units =
            sqlx::query_as("select region, kind, count(*) from unit group by region, kind order by region, kind")
                .fetch_all(&mut *tx)
                .await?;
        let regions = sqlx::query_as(REGIONS).bind(heard_since).bind(old_since).fetch_all(&mut *tx).await?;
        let alerts = tally(tx).await?;
        let firing = sqlx::query_as(
            "select a.id, a.rule, a.severity, a.unit, coalesce(u.region, '') as region, coalesce(u.site, '') as site, \
             coalesce(u.maintainer, '') as maintainer, a.starts_at \
             from alert a left join unit u on u.id = a.unit where a.state = 'firing' \
             order by case a.severity when 'critical' then 0 when 'warning' then 1 else 2 end, a.id limit $1",
        )
        .bind(firing)
        .fetch_all(&mut *tx)
        .await?;
        let hazards = sqlx::query_as(
            "select h.state, coalesce(u.region, ''), count(*) from hazard h left join unit u on u.id = h.unit \
             group by 1, 2 order by 1, 2",
        )
        .fetch_all(&mut *tx)
        .await?;
        let answered = super::answers::tally(tx).await?;
        let outbox = sqlx::query(WAITING).fetch_one(&mut *tx).await?;
        let ledger = "select (select coalesce(max(idx) + 1, 0) from ledger_entry), \
             (select at from ledger_checkpoint order by size desc limit 1)";
        let (ledger_entries, ledger_checkpoint) = sqlx::query_as(ledger).fetch_one(&mut *tx).await?;
        Ok(Gauges {
            units,
            regions,
            alerts,
            answered,
            firing,
            hazards,
            outbox_entries: outbox.get(0),
            outbox_oldest: outbox.get(1),
            dead_letters: outbox.get(2),
            ledger_entries,
            ledger_checkpoint,
            oldest: oldest(tx).await?,
            database_bytes: bytes_of(&self.path),
            wal_bytes: bytes_of(&self.path.with_file_name(log_name(&self.path))),
        })
    }
}

/// How many alerts there are: (rule, severity, state, region, publisher, alerts).
async fn tally(tx: &mut SqliteConnection) -> Result<Vec<Tally>, ReadError> {
    let count = "select a.rule, a.severity, a.state, coalesce(u.region, ''), coalesce(u.publisher, ''), sum(a.n) from \
         (select rule, severity, state, unit, count(*) as n from alert where state <> 'withdrawn' \
         group by rule, severity, state, unit) a \
         left join unit u on u.id = a.unit group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5";
    Ok(sqlx::query_as(count).fetch_all(tx).await?)
}

/// The oldest row of each kind that age prunes, as its id tells: they begin with the time that rows are ordered by.
async fn oldest(tx: &mut SqliteConnection) -> Result<Vec<(&'static str, i64)>, ReadError> {
    let first = "select (select min(id) from alert), (select min(id) from notification), (select min(id) from event), \
         (select min(id) from visit)";
    let row = sqlx::query(first).fetch_one(tx).await?;
    let mut oldest = Vec::new();
    for (column, (kind, prefix)) in
        [("alert", "a-"), ("notification", "n-"), ("event", ""), ("visit", "v-")].iter().enumerate()
    {
        let id: Option<String> = row.get(column);
        let digits = id.as_deref().and_then(|id| id.strip_prefix(prefix)?.get(..12));
        oldest.extend(digits.and_then(|digits| i64::from_str_radix(digits, 16).ok()).map(|at| (*kind, at)));
    }
    Ok(oldest)
}

fn log_name(path: &std::path::Path) -> std::ffi::OsString {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("-wal");
    name
}

/// Zero for a file that is not there: SQLite removes the log when the last connection closes.
fn bytes_of(path: &std::path::Path) -> i64 {
    std::fs::metadata(path).map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX))
}
