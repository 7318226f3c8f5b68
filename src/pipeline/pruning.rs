//! Prunes what is old: a little after each sweep, and never what verdicts still rest on.

use crate::domain::time::{DAY, Timestamp};
use crate::ledger::retention::Pruned;
use crate::store::error::StoreError;
use crate::store::retention::Order;
use crate::switches::{self, Stage};

use super::Pipeline;
use super::message::Outcome;
use super::retention::Settings;

/// How far our clock is believed beyond the newest moment that any unit told of. Our choice: a city that hears of nothing for
/// so long has another trouble than old rows.
const BELIEVED: i64 = 31 * DAY;

impl Pipeline {
    /// Has rows pruned by age from now on.
    pub fn retain(&mut self, settings: Settings) {
        self.retention.set(settings);
    }

    /// Whether this day's look at what is old has not come to its end.
    #[must_use]
    pub fn is_pruning(&self) -> bool {
        self.retention.is_looking()
    }

    /// Whether the next [`Pipeline::tidy`] begins a look, so that it needs to know what is old.
    #[must_use]
    pub fn begins_to_prune(&self, now: Timestamp) -> bool {
        self.retention.begins(now)
    }

    /// The time by which rows are old: ours, as far as units agree. A machine that starts with its clock years ahead must not
    /// empty the file.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn agreed(&mut self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let mut change = self.store.begin().await?;
        let event = change.newest_event().await?;
        change.commit().await?;
        let state = self.fleet.iter().filter_map(|entry| entry.told_at).max();
        Ok(event.max(state).map_or(Timestamp(0), |told| (told + BELIEVED).min(now)))
    }

    /// After a sweep: prunes a little of what is old as of `agreed`, and empties the write-ahead log of what is to be
    /// forgotten.
    ///
    /// # Errors
    /// Those of the store; the next call tries again.
    pub async fn tidy(&mut self, now: Timestamp, agreed: Timestamp) -> Result<Outcome, StoreError> {
        let pruned = self.prune(now, agreed).await?;
        self.fold().await?;
        Ok(Outcome { pruned: pruned.into_iter().collect(), ..Outcome::default() })
    }

    /// One transaction of it. Gives how many rows of which kind went; if it fails, the look begins anew.
    async fn prune(&mut self, now: Timestamp, agreed: Timestamp) -> Result<Option<(Pruned, u64)>, StoreError> {
        let Some(mut round) = self.retention.round(now, agreed) else { return Ok(None) };
        let Some((rows, before, setting)) = self.retention.next(&mut round) else {
            self.unfolded |= round.people;
            self.retention.ended(&round);
            return Ok(None);
        };
        let mut change = self.store.begin().await?;
        let step = change.prune(Order { rows, before, setting: &setting, now }, &round.after).await?;
        switches::pass(Stage::InPruning);
        change.commit().await?;
        self.retention.stepped(round, rows, before, &step);
        Ok((step.removed > 0).then_some((rows, step.removed)))
    }
}
