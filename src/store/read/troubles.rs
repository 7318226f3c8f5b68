//! Troubles around liftwatch that its operator must put right, and how far he knows of them.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{ReadError, Reader};
use crate::domain::notice::TroubleKind;

/// Publishers that are counted for one look; the others come with the next one.
const COUNTED: usize = 100;

/// Why what a publisher sends is refused and the operator told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// The registry gives the unit to another.
    Unit,
    /// The registry has the unit in another region.
    Region,
}

impl Foreign {
    /// The reason in quarantine, which is the kind of trouble as well.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "foreign_unit",
            Self::Region => "foreign_region",
        }
    }
}

/// Publisher, how far its trouble has come, and when and how far it was told.
type Found = (String, i64, Option<i64>, Option<i64>);

/// One trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TroubleRow {
    /// The publisher or the region.
    pub subject: String,
    /// Grows with the trouble.
    pub latest: i64,
    /// When the operator was last told (ms), and of how much of it.
    pub told: Option<(i64, i64)>,
    /// How often since it was told.
    pub times: i64,
    /// How many units since it was told, and one of them; none where it is not about units.
    pub units: Option<(i64, String)>,
}

impl Reader {
    /// Publishers with messages that were refused for this reason: because the registry gives their units to others, or
    /// has them in another region. `latest` is the newest message's place in quarantine.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn refused_publishers(&self, kind: Foreign) -> Result<Vec<TroubleRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        // As it stands in the text, since the index of each reason is a partial one.
        let reason = kind.as_str();
        // From publisher to publisher: each may have ten thousand messages there.
        let find = format!(
            "with recursive found (name) as (\
             select min(publisher) from quarantine where reason = '{reason}' union all \
             select (select min(q.publisher) from quarantine q where q.reason = '{reason}' \
             and q.publisher > found.name) from found where found.name is not null), \
             newest (name, latest) as (select name, (select max(q.id) from quarantine q \
             where q.reason = '{reason}' and q.publisher = found.name) from found where name is not null) \
             select name, latest, t.told_at, t.upto from newest \
             left join trouble_told t on t.kind = '{reason}' and t.subject = name order by name"
        );
        let found: Vec<Found> = sqlx::query_as(AssertSqlSafe(find)).fetch_all(&mut *tx).await?;
        let count = format!(
            "select count(*), count(distinct unit), coalesce(min(unit), '') from quarantine \
             where reason = '{reason}' and publisher = $1 and id > $2"
        );
        news(tx, found, &count).await
    }

    /// Publishers who tell of units that the registry does not have. `latest` is when one of them told something last;
    /// the messages are all that came of the units that told something since.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn unregistered_publishers(&self) -> Result<Vec<TroubleRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let find = "select publisher, max(last_at), t.told_at, t.upto from unregistered_unit u \
             left join trouble_told t on t.kind = 'unknown_unit' and t.subject = publisher \
             where not exists (select 1 from unit where unit.id = u.unit) group by publisher order by publisher";
        let found: Vec<Found> = sqlx::query_as(find).fetch_all(&mut *tx).await?;
        let count = "select coalesce(sum(messages), 0), count(*), coalesce(min(unit), '') from unregistered_unit u \
             where publisher = $1 and last_at > $2 and not exists (select 1 from unit where unit.id = u.unit)";
        news(tx, found, count).await
    }

    /// When the operator was last told of a trouble (ms), and of how much of it.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn trouble_told(&self, kind: TroubleKind, subject: &str) -> Result<Option<(i64, i64)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select told_at, upto from trouble_told where kind = $1 and subject = $2";
        let told = sqlx::query_as(find).bind(kind.as_str()).bind(subject);
        Ok(told.fetch_optional(&mut *snapshot.tx).await?)
    }
}

/// What of it was not told yet, counted from where it was told; `count` gives messages, units, and one of them.
async fn news(tx: &mut SqliteConnection, found: Vec<Found>, count: &str) -> Result<Vec<TroubleRow>, ReadError> {
    let untold = found.into_iter().filter(|(_, latest, _, upto)| upto.is_none_or(|upto| *latest > upto));
    let mut rows = Vec::new();
    for (subject, latest, told_at, upto) in untold.take(COUNTED) {
        let counted = sqlx::query_as(AssertSqlSafe(count.to_owned())).bind(&subject).bind(upto.unwrap_or(0));
        let (times, units, unit): (i64, i64, String) = counted.fetch_one(&mut *tx).await?;
        rows.push(TroubleRow { subject, latest, told: told_at.zip(upto), times, units: Some((units, unit)) });
    }
    Ok(rows)
}
