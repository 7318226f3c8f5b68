//! Troubles around liftwatch that its operator must put right, and how far he knows of them.

use super::{ReadError, Reader};
use crate::domain::notice::TroubleKind;

/// Publishers that are counted for one look; the others come with the next one.
const COUNTED: usize = 100;

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
    /// Publishers with refused messages of units that the registry gives to others. `latest` is the newest message's
    /// place in quarantine.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn foreign_publishers(&self) -> Result<Vec<TroubleRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        // From publisher to publisher: each may have ten thousand messages there.
        let find = "with recursive found (name) as (\
             select min(publisher) from quarantine where reason = 'foreign_unit' union all \
             select (select min(q.publisher) from quarantine q where q.reason = 'foreign_unit' \
             and q.publisher > found.name) from found where found.name is not null), \
             newest (name, latest) as (select name, (select max(q.id) from quarantine q \
             where q.reason = 'foreign_unit' and q.publisher = found.name) from found where name is not null) \
             select name, latest, t.told_at, t.upto from newest \
             left join trouble_told t on t.kind = 'foreign_unit' and t.subject = name order by name";
        let found: Vec<(String, i64, Option<i64>, Option<i64>)> = sqlx::query_as(find).fetch_all(&mut *tx).await?;
        let news = found.into_iter().filter(|(_, latest, _, upto)| upto.is_none_or(|upto| *latest > upto));
        let mut rows = Vec::new();
        for (subject, latest, told_at, upto) in news.take(COUNTED) {
            let count = "select count(*), count(distinct unit), coalesce(min(unit), '') from quarantine \
                 where reason = 'foreign_unit' and publisher = $1 and id > $2";
            let (times, units, unit): (i64, i64, String) =
                sqlx::query_as(count).bind(&subject).bind(upto.unwrap_or(0)).fetch_one(&mut *tx).await?;
            rows.push(TroubleRow { subject, latest, told: told_at.zip(upto), times, units: Some((units, unit)) });
        }
        Ok(rows)
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
