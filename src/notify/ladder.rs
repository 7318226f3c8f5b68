//! Climbs the ladders of alerts that nobody answers: which step is due, who is told, and what is remembered of it. Pure.

use std::collections::BTreeSet;

use crate::domain::alert::TransitionKind;
use crate::domain::notice::NotificationKind;
use crate::domain::time::Timestamp;
use crate::store::notify::{EscalationRow, GroupMemory, GroupTold, LadderRow, Plan};
use crate::store::read::notify::{AlertFacts, Climber};

use super::escalation::{self, Standing, Unless};
use super::expected;
use super::fresh;
use super::letter;
use super::plan::{Desk, NEVER, escalation_group};

impl Desk<'_> {
    /// An alert began, or grew worse, at `since`: its deadlines count from there.
    pub fn begin_ladder(&self, facts: &AlertFacts, since: i64, plan: &mut Plan) {
        if escalation::ladder(self.ladders, &letter::labels(facts)).is_none() {
            return;
        }
        let known = plan.ladders.iter().any(|row| row.alert == facts.id && row.told_at >= since);
        if !known {
            plan.ladders.push(LadderRow { alert: facts.id.clone(), told_at: since, due_at: Some(since) });
        }
    }

    /// Takes the steps of one alert that are due.
    pub fn climb(&self, climber: &Climber, plan: &mut Plan) -> Option<Timestamp> {
        let facts = &climber.alert;
        let labels = letter::labels(facts);
        let firing = facts.state == "firing";
        let ladder = escalation::ladder(self.ladders, &labels).filter(|_| firing);
        let Some(ladder) = ladder else {
            plan.ladders_over.push(facts.id.clone());
            return None;
        };
        let silenced = self.quiet.silenced.get(&facts.id).copied();
        let answered = self.quiet.answered.get(&facts.id);
        let standing = Standing {
            told_at: Timestamp(climber.told_at),
            firing,
            answered: answered.is_some() || silenced.is_some(),
            arrived: self.quiet.arrived.contains(&facts.id) || silenced.is_some(),
            taken: climber.taken.iter().filter_map(|step| usize::try_from(*step).ok()).collect::<BTreeSet<_>>(),
            on_site: expected::on_site(&facts.region, self.place.towns),
        };
        let climb = escalation::climb(ladder, &labels, &standing, self.now);
        for (step, receiver) in climb.steps {
            let why = match ladder.steps[step].unless {
                Unless::Answered => "answered",
                Unless::Arrived => "arrived",
            };
            if let Some(receiver) = &receiver {
                self.escalate(facts, receiver, plan);
            }
            plan.escalations.push(EscalationRow {
                alert: facts.id.clone(),
                told_at: climber.told_at,
                step: i64::try_from(step).unwrap_or(i64::MAX),
                receiver: receiver.unwrap_or_default(),
                why: why.to_owned(),
            });
        }
        // What an answer holds back is looked at again when the answer ends.
        let wake = self.quiet.until(&facts.id).into_iter().chain(climb.wake).min();
        let due_at = wake.map(|at| at.0);
        plan.ladders.push(LadderRow { alert: facts.id.clone(), told_at: climber.told_at, due_at });
        wake
    }

    fn escalate(&self, facts: &AlertFacts, receiver: &str, plan: &mut Plan) {
        let id = fresh::id('n', self.now);
        let group_key = escalation_group(&facts.id);
        let kind = NotificationKind::Escalation;
        let message =
            letter::alerts(&self.envelope(&id, receiver, &group_key), kind, &[(facts, TransitionKind::Fired)]);
        plan.notifications.push(self.post(kind, &message, vec![facts.id.clone()]));
        let memory = GroupMemory { notified_at: self.now.0, interval_ms: 0, repeat_ms: NEVER, due_at: None };
        plan.groups.push(GroupTold {
            receiver: receiver.to_owned(),
            group_key,
            transitions: Vec::new(),
            joined: vec![facts.id.clone()],
            left: Vec::new(),
            memory: Some(memory),
        });
    }
}
