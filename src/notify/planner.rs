//! Looks at the outbox after each commit that changed an alert, and when something is due by time; hands the pipeline a
//! plan. Remembers nothing between two looks: a crash before the plan's commit just plans again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Clock;
use crate::domain::notice::NotificationKind;
use crate::domain::time::{MINUTE, Timestamp};
use crate::pipeline::action::{Action, Asked};
use crate::store::areas::AreaRow;
use crate::store::notify::{GroupMemory, GroupTold, Plan};
use crate::store::read::notify::{AlertFacts, DeadRow, GroupFile};
use crate::store::read::silences::{SilenceFilter, SilenceState};
use crate::store::read::{ReadError, Reader};

use super::area;
use super::directory::Directory;
use super::door::{self, Unanswered};
use super::escalation::Ladder;
use super::fresh;
use super::letter::{self, Place};
use super::plan::{self, Desk};
use super::quiet::Quiet;
use super::route::Route;

/// Outbox rows that one look takes: as many as a batch has messages.
const ROWS: u32 = 2_000;

/// Silences in force that are looked at; the oldest beyond them are not.
const SILENCES: u32 = 1_000;

/// Deliveries given up that one message to the operator counts.
const DEAD: u32 = 100;

/// The least time between two such messages, in milliseconds.
const DEAD_INTERVAL: i64 = 5 * MINUTE;

/// The group of messages about liftwatch itself.
const DEAD_GROUP: &str = "liftwatch:dead";
const HEARTBEAT_GROUP: &str = "liftwatch:heartbeat";

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
    /// Who hears of deliveries given up.
    pub operator: Option<String>,
    /// Who is told every so many milliseconds that we live.
    pub heartbeat: Option<(String, i64)>,
}

/// Makes plans.
pub struct Planner {
    pub reader: Reader,
    pub directory: Arc<Directory>,
    pub policy: Policy,
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
        let own = self.own_affairs().await?;

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
        wakes.push(self.dead(&desk, own.dead, own.dead_at, &mut plan));
        wakes.push(self.heartbeat(&desk, own.heartbeat_at, &mut plan));
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
            let ids: Vec<String> = inhibited.iter().map(|(alert, _)| alert.clone()).collect();
            let recorded = self.reader.inhibitions(&ids).await?;
            inhibited.retain(|pair| !recorded.contains(pair));
            plan.inhibited = inhibited;
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

    async fn own_affairs(&self) -> Result<OwnAffairs, ReadError> {
        let dead_at = match &self.policy.operator {
            Some(operator) => self.reader.told_at(operator, DEAD_GROUP).await?,
            None => None,
        };
        let heartbeat_at = match &self.policy.heartbeat {
            Some((receiver, _)) => self.reader.told_at(receiver, HEARTBEAT_GROUP).await?,
            None => None,
        };
        let dead = self.reader.untold_dead(DEAD).await?;
        Ok(OwnAffairs { dead, dead_at: dead_at.map(Timestamp), heartbeat_at: heartbeat_at.map(Timestamp) })
    }

    /// Tells the operator of deliveries that were given up, several at once; never of those to the operator.
    fn dead(&self, desk: &Desk<'_>, rows: Vec<DeadRow>, last: Option<Timestamp>, plan: &mut Plan) -> Option<Timestamp> {
        let operator = self.policy.operator.as_deref();
        let (about, own): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| operator.is_some_and(|operator| operator != row.receiver));
        plan.dead_told.extend(own.into_iter().map(|row| row.id));
        let operator = operator.filter(|_| !about.is_empty())?;
        if let Some(next) = last.map(|last| last + DEAD_INTERVAL).filter(|next| *next > desk.now) {
            return Some(next);
        }
        let id = fresh::id('n', desk.now);
        let message = letter::dead(&desk.envelope(&id, operator, DEAD_GROUP), &about);
        plan.notifications.push(desk.post(NotificationKind::Operator, &message, Vec::new()));
        plan.groups.push(told_at(operator, DEAD_GROUP, DEAD_INTERVAL, desk.now));
        plan.dead_told.extend(about.into_iter().map(|row| row.id));
        None
    }

    fn heartbeat(&self, desk: &Desk<'_>, last: Option<Timestamp>, plan: &mut Plan) -> Option<Timestamp> {
        let (receiver, every) = self.policy.heartbeat.as_ref()?;
        if let Some(next) = last.map(|last| last + *every).filter(|next| *next > desk.now) {
            return Some(next);
        }
        let id = fresh::id('n', desk.now);
        let message = letter::heartbeat(&desk.envelope(&id, receiver, HEARTBEAT_GROUP));
        plan.notifications.push(desk.post(NotificationKind::Heartbeat, &message, Vec::new()));
        plan.groups.push(told_at(receiver, HEARTBEAT_GROUP, *every, desk.now));
        Some(desk.now + *every)
    }
}

/// What liftwatch has to say of itself, and when it did so last.
struct OwnAffairs {
    dead: Vec<DeadRow>,
    dead_at: Option<Timestamp>,
    heartbeat_at: Option<Timestamp>,
}

fn told_at(receiver: &str, group_key: &str, every: i64, now: Timestamp) -> GroupTold {
    GroupTold {
        receiver: receiver.to_owned(),
        group_key: group_key.to_owned(),
        transitions: Vec::new(),
        joined: Vec::new(),
        left: Vec::new(),
        memory: Some(GroupMemory { notified_at: now.0, interval_ms: every, repeat_ms: every, due_at: None }),
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
