//! The daemon's own actions on the way of a message to its receiver: plan, claim, report; and a person's wish to resend.

use crate::domain::notice::DeliveryState;
use crate::domain::time::Timestamp;
use crate::store::deliveries::{Reported, Room};
use crate::store::error::StoreError;
use crate::store::notify::Plan;

use super::Pipeline;
use super::action::Done;
use super::message::Outcome;

impl Pipeline {
    /// Makes a plan durable.
    pub(super) async fn apply(&mut self, plan: &Plan, now: Timestamp) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        change.apply(plan, now).await?;
        change.commit().await?;
        Ok((Done::Planned, Outcome::default()))
    }

    /// Records tries and leases what is due, in one transaction: a sender that is busy needs one commit a round.
    pub(super) async fn deliver(
        &mut self,
        reported: &[Reported],
        rooms: &[Room],
        now: Timestamp,
    ) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        for tried in reported {
            change.report(tried, now).await?;
        }
        let mut claimed = Vec::new();
        for room in rooms {
            claimed.extend(change.claim(room, now).await?);
        }
        change.commit().await?;
        Ok((Done::Claimed(claimed), Outcome::default()))
    }

    /// Has a delivery that was given up sent again.
    pub(super) async fn resend(&mut self, delivery: &str, now: Timestamp) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        let done = match change.resend(delivery, now).await? {
            None => Done::UnknownDelivery,
            Some(DeliveryState::Dead) => Done::Resending,
            Some(_) => Done::NotDead,
        };
        change.commit().await?;
        Ok((done, Outcome::default()))
    }
}
