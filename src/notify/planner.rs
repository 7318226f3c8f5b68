//! Looks at the outbox after each commit that changed an alert, and when something is due by time; hands the pipeline a
//! plan. Remembers nothing between two looks: a crash before the plan's commit just plans again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::broker::LinkStatus;
use crate::clock::Clock;
use crate::domain::notice::TroubleKind;
use crate::domain::time::Timestamp;
use crate::pipeline::action::{Action, Asked};
use crate::store::areas::AreaRow;
use crate::store::notify::Plan;
use crate::store::read::notify::{AlertFacts, GroupFile};
use crate::store::read::silences::{SilenceFilter, SilenceState};
use crate::store::read::troubles::{Foreign, TroubleRow};
use crate::store::read::{ReadError, Reader};

use super::affairs::{self, Affairs};
use super::area;
use super::directory::Directory;
use super::door::{self, Unanswered};
use super::escalation::Ladder;
use super::letter::Place;
use super::plan::{self, Desk};
use super::quiet::Quiet;
use super::route::Route;

/// Outbox rows that one look takes: as many as a batch has messages.
const ROWS: u32 = 2_000;

/// Silences in force that are looked at; the oldest beyond them are not.
const SILENCES: u32 = 1_000;

/// Deliveries given up that one message to the operator counts.
const DEAD: u32 = 100;

/// It looks at least so often: the clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Between two tries while the store takes no writes.
const RETRY: Duration = Duration::from_secs(1);

/// Who is told, as the configuration says it.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub routes: Vec<Route>,
    /// Who is told next when nobody answers.
    pub ladders: Vec<Ladder>,
    /// Where our pages are, for links; without a slash at its end.
    pub public_url: Option<String>,
    /// As in [`super::settings::Notify`].
    pub town_regions: Option<Vec<String>>,
    /// When many units are one event.
    pub areas: area::Settings,
    /// Who hears of deliveries given up, and of troubles around liftwatch.
    pub operator: Option<String>,
    /// Who is told every so many milliseconds that we live.
    pub heartbeat: Option<(String, i64)>,
    /// Who is sent the ledger's newest checkpoint every so many milliseconds.
    pub checkpoints: Option<(String, i64)>,
}

/// Makes plans.
pub struct Planner {
    pub reader: Reader,
    pub directory: Arc<Directory>,
    pub policy: Policy,
    /// How the regions' lines to their brokers stand.
    pub lines: Vec<Arc<LinkStatus>>,
}

impl Planner {
    /// What is to be written now, and when to look again, should nothing happen before.
    ///
    /// # Errors
    /// The database gives no answer.
    pub async fn plan(&self, now: Timestamp) -> Result<(Plan, Option<Timestamp>), ReadError> {
        let disabled = self.reader.disabled_sinks().await?;
        let disabled = disabled.into_iter().map(|(receiver, sink, said)| ((receiver, sink), said)).collect();
        let mut plan = Plan::default();
        let outbox = self.reader.outbox(ROWS).await?;
        // After the outbox: what is in it may be part of an event that the same commit made.
        let areas = self.areas(&mut plan, now).await?;
        let routes = &self.policy.routes;
        plan::route(routes, &outbox, &mut plan);
        // Rows that are left are looked at as soon as this plan is on disk.
        let more = outbox.rows.len() == ROWS as usize || plan.areas.iter().any(|change| change.tell.is_some());
        let more = more.then_some(now);
        let mut facts = outbox.facts;
        let (groups, known) = self.groups(&plan, now).await?;
        facts.extend(known);
        let climbers = self.reader.climbers(now.0, ROWS).await?;
        facts.extend(climbers.iter().map(|climber| (climber.alert.id.clone(), climber.alert.clone())));
        let mut quiet = self.quiet(&facts, now).await?;
        self.inhibit(&areas, &facts, &mut quiet, &mut plan, now).await?;
        let due = self.reader.next_look().await?.map(Timestamp).filter(|at| *at > now);
        let own = self.affairs().await?;

        let place = Place { public_url: self.policy.public_url.as_deref(), towns: self.policy.town_regions.as_deref() };
        let ladders = &self.policy.ladders;
        let desk = Desk { directory: &self.directory, place, ladders, disabled: &disabled, quiet: &quiet, now };
        let mut wakes = vec![more, due];
        for file in &groups {
            wakes.push(desk.decide(file, &facts, &mut plan));
        }
        for climber in &climbers {
            wakes.push(desk.climb(climber, &mut plan));
        }
        if !plan.ladders.is_empty() {
            wakes.push(plan.ladders.iter().filter_map(|row| row.due_at).min().map(Timestamp));
        }
        let Policy { operator, heartbeat, checkpoints, .. } = &self.policy;
        let told = own.tell(&desk, operator.as_deref(), heartbeat.as_ref(), checkpoints.as_ref(), &mut plan);
        wakes.push(told);
        plan.skip_what_is_told();
        Ok((plan, wakes.into_iter().flatten().min()))
    }

    /// What becomes of area events, and all of them as they are then.
    async fn areas(&self, plan: &mut Plan, now: Timestamp) -> Result<Vec<AreaRow>, ReadError> {
        let settings = &self.policy.areas;
        let facts = self.reader.area_facts((now - area::HORIZON).0, settings.blind.units).await?;
        plan.areas = area::changes(settings, &facts, now);
        Ok(area::after(facts.known, &plan.areas))
    }

    /// Which alerts are not told now because an area event says it of all of them.
    async fn inhibit(
        &self,
        areas: &[AreaRow],
        facts: &HashMap<String, AlertFacts>,
        quiet: &mut Quiet,
        plan: &mut Plan,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        let mut inhibited = Vec::new();
        let places = area::by_place(areas);
        for facts in facts.values() {
            let here = area::at(&places, facts);
            let stands = here.filter_map(|area| Some((area, area::stands_for(area, facts, now)?)));
            for (area, until) in stands {
                quiet.hold(&facts.id, until);
                inhibited.push((facts.id.clone(), area.id.clone()));
            }
            if let Some(until) = area::settles_at(&self.policy.areas, facts).filter(|at| *at > now) {
                quiet.hold(&facts.id, until);
            }
        }
        if !inhibited.is_empty() {
            plan.inhibited = self.reader.unrecorded(&inhibited).await?;
        }
        Ok(())
    }

    /// What people said of these alerts.
    async fn quiet(&self, facts: &HashMap<String, AlertFacts>, now: Timestamp) -> Result<Quiet, ReadError> {
        let ids: Vec<String> = facts.keys().cloned().collect();
        let active = SilenceFilter { state: Some(SilenceState::Active), after: None, limit: SILENCES };
        let silences = self.reader.silences(&active, now.0).await?.items;
        let answers = self.reader.answers_to(&ids).await?;
        Ok(Quiet::of(facts.values(), &silences, &answers, now))
    }

    /// The groups to decide over, with what the plan adds to them.
    async fn groups(
        &self,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(Vec<GroupFile>, HashMap<String, AlertFacts>), ReadError> {
        let mut keys: Vec<(String, String)> =
            plan.pending.iter().map(|row| (row.receiver.clone(), row.group_key.clone())).collect();
        keys.extend(plan.moved.iter().map(|moved| (moved.receiver.clone(), moved.from.clone())));
        keys.sort_unstable();
        keys.dedup();
        let (mut groups, facts) = self.reader.groups(&keys, now.0).await?;
        let places: HashMap<(String, String), usize> = groups
            .iter()
            .enumerate()
            .map(|(place, file)| ((file.receiver.clone(), file.group_key.clone()), place))
            .collect();
        for row in &plan.pending {
            if let Some(place) = places.get(&(row.receiver.clone(), row.group_key.clone())) {
                groups[*place].pending.push(row.clone());
            }
        }
        for moved in &plan.moved {
            let at = |group: &String| places.get(&(moved.receiver.clone(), group.clone())).copied();
            let (Some(from), Some(to)) = (at(&moved.from), at(&moved.to)) else { continue };
            let place = groups[from].members.iter().position(|member| member.alert == moved.alert);
            if let Some(place) = place {
                let member = groups[from].members.remove(place);
                groups[to].members.push(member);
            }
        }
        Ok((groups, facts))
    }

    /// What liftwatch has to say of itself.
    async fn affairs(&self) -> Result<Affairs, ReadError> {
        let told_at = async |receiver: Option<&str>, group: &str| match receiver {
            Some(receiver) => Ok::<_, ReadError>(self.reader.told_at(receiver, group).await?.map(Timestamp)),
            None => Ok(None),
        };
        let operator = self.policy.operator.as_deref();
        let heartbeat = self.policy.heartbeat.as_ref().map(|(receiver, _)| receiver.as_str());
        let checkpoints = self.policy.checkpoints.as_ref().map(|(receiver, _)| receiver.as_str());
        let checkpoint = match checkpoints {
            Some(_) => self.reader.checkpoint(None).await?.map(|kept| kept.note),
            None => None,
        };
        let mut troubles = Vec::new();
        for kind in TroubleKind::ALL.iter().copied().filter(|_| operator.is_some()) {
            let rows = match kind {
                TroubleKind::ForeignUnit => self.reader.refused_publishers(Foreign::Unit).await?,
                TroubleKind::ForeignRegion => self.reader.refused_publishers(Foreign::Region).await?,
                TroubleKind::UnknownUnit => self.reader.unregistered_publishers().await?,
                TroubleKind::ClientIdTaken => self.taken().await?,
            };
            if !rows.is_empty() {
                troubles.push((kind, rows, told_at(operator, &affairs::trouble_group(kind)).await?));
            }
        }
        Ok(Affairs {
            dead: self.reader.untold_dead(DEAD).await?,
            dead_at: told_at(operator, affairs::DEAD_GROUP).await?,
            heartbeat_at: told_at(heartbeat, affairs::HEARTBEAT_GROUP).await?,
            checkpoint,
            checkpoint_at: told_at(checkpoints, affairs::CHECKPOINT_GROUP).await?,
            troubles,
        })
    }

    /// Regions whose client id another client took since the process began.
    async fn taken(&self) -> Result<Vec<TroubleRow>, ReadError> {
        let mut rows = Vec::new();
        for line in &self.lines {
            let Some(at) = line.taken_over_at() else { continue };
            let subject = line.region.to_string();
            let told = self.reader.trouble_told(TroubleKind::ClientIdTaken, &subject).await?;
            let times = i64::try_from(line.takeovers()).unwrap_or(i64::MAX);
            rows.push(TroubleRow { subject, latest: at.0, told, times, units: None });
        }
        Ok(rows)
    }
}

/// What the planner's task is wired to.
pub struct PlannerTask {
    pub planner: Planner,
    pub clock: Arc<dyn Clock>,
    pub door: mpsc::Sender<Asked>,
    /// Rung by whoever has committed a change of an alert.
    pub changed: Arc<Notify>,
    /// Rung for the dispatcher when there is something to send.
    pub posted: Arc<Notify>,
    pub shutdown: watch::Receiver<bool>,
}

impl PlannerTask {
    /// Plans until shutdown.
    pub async fn run(mut self) {
        loop {
            let sleep = self.look().await;
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                _ = self.shutdown.wait_for(|stop| *stop) => return,
            }
            if *self.shutdown.borrow() {
                return;
            }
        }
    }

    /// One look; the answer is how long to sleep if nobody rings.
    async fn look(&self) -> Duration {
        let now = self.clock.now();
        let (plan, wake) = match self.planner.plan(now).await {
            Ok(planned) => planned,
            Err(error) => {
                tracing::warn!(error = %error, "who is to be told cannot be read; it is tried again");
                return RETRY;
            }
        };
        let posts = !plan.notifications.is_empty();
        if !plan.is_empty() {
            match door::ask(&self.door, Action::Notify(plan)).await {
                Ok(_) => {}
                // The writer says what is wrong.
                Err(Unanswered::NotNow(_)) => return RETRY,
                Err(Unanswered::Gone) => return LONGEST_SLEEP,
            }
        }
        if posts {
            self.posted.notify_one();
        }
        let until = wake.map_or(i64::MAX, |at| (at - now).max(0));
        Duration::from_millis(u64::try_from(until).unwrap_or(0)).min(LONGEST_SLEEP)
    }
}
