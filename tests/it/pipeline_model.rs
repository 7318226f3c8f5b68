//! Property: whatever the order of arrival, the batches, the duplicates and the restarts, the alerts in the file are
//! those of the naive model over the set of facts.

use std::collections::BTreeSet;

use liftwatch::domain::event::{Event, EventType, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::message::Arrival;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Episode, Known};
use crate::world::{START, UNIT, World, event, event_message, visit, visit_message};

/// Facts lie in 150 days, on a grid of 20 minutes: windows, merges and ties meet often.
const GRID: i64 = 20 * MINUTE;
const CELLS: i64 = 150 * 72;

#[derive(Debug, Clone)]
enum Told {
    Event(Event),
    Visit(Visit),
}

fn moment() -> impl Strategy<Value = Timestamp> {
    // Half of the facts crowd into a few days, so that hours matter beside months.
    prop_oneof![(0..CELLS).boxed(), (0..400_i64).boxed()].prop_map(|cell| START + cell * GRID)
}

fn fault() -> impl Strategy<Value = Fault> {
    let other = select(vec!["E1", "E2"]).prop_map(|code| (FaultCode::Other, Some(code.into())));
    let known = select(vec![FaultCode::DoorClosing, FaultCode::SafetyChainOpen, FaultCode::UnintendedCarMovement])
        .prop_map(|code| (code, None));
    prop_oneof![1 => other, 4 => known].prop_map(|(code, vendor_code)| Fault { code, vendor_code })
}

fn told() -> impl Strategy<Value = Told> {
    let faults = (moment(), fault(), any::<bool>(), any::<Option<bool>>()).prop_map(|(ts, fault, raised, moving)| {
        let kind = if raised { EventType::FaultRaised } else { EventType::FaultCleared };
        Told::Event(Event { fault: Some(fault), moving, ..event(kind, ts) })
    });
    let raised = (moment(), fault())
        .prop_map(|(ts, fault)| Told::Event(Event { fault: Some(fault), ..event(EventType::FaultRaised, ts) }));
    let modes = (moment(), select(vec![Mode::Inspection, Mode::Normal, Mode::Normal]))
        .prop_map(|(ts, mode)| Told::Event(Event { mode: Some(mode), ..event(EventType::ModeChanged, ts) }));
    let plain = vec![
        EventType::MainsOff,
        EventType::MainsOn,
        EventType::EntrapmentReported,
        EventType::PassengerReleased,
        EventType::PassengerReleased,
        EventType::AlarmPressed,
    ];
    let others = (moment(), select(plain)).prop_map(|(ts, kind)| Told::Event(event(kind, ts)));
    let visits = (moment(), 1..30_i64, select(vec![VisitKind::Fm, VisitKind::Hm]), 0..8_u8, 0..3_u8).prop_map(
        |(from, cells, kind, name, corrects)| {
            // One in four is over before its list can have been worked through.
            let length = if cells % 4 == 0 { 5 * MINUTE } else { cells * GRID };
            let mut record = visit(&format!("r{name}"), kind, from, from + length);
            // One in three corrects a record that may or may not be there, and may come before it.
            record.supersedes = (corrects == 0).then(|| format!("r{}", name / 2));
            Told::Visit(record)
        },
    );
    prop_oneof![5 => raised, 2 => faults, 2 => modes, 3 => others, 2 => visits]
}

/// Identity makes one fact of what has the same identity; and at one moment a unit has one mode, mains on or off, and
/// nobody both trapped and released.
fn one_of_each(told: Vec<Told>) -> Vec<Told> {
    let mut taken = BTreeSet::new();
    let mut kept = told;
    kept.retain(|told| match told {
        Told::Visit(visit) => taken.insert(format!("visit {}", visit.record_id)),
        Told::Event(event) => {
            let group = match event.kind {
                EventType::MainsOff | EventType::MainsOn => "mains".to_owned(),
                EventType::EntrapmentReported | EventType::PassengerReleased => "trapped".to_owned(),
                EventType::ModeChanged => "mode".to_owned(),
                kind => format!("{kind} {:?}", event.fault),
            };
            taken.insert(format!("{} {group}", event.ts))
        }
    });
    kept
}

fn arrival(told: &Told) -> Arrival {
    match told {
        Told::Event(event) => event_message(UNIT, event.clone()),
        Told::Visit(visit) => visit_message(UNIT, visit.clone()),
    }
}

fn time_of(told: &Told) -> Timestamp {
    match told {
        Told::Event(event) => event.ts,
        Told::Visit(visit) => visit.ended_at.unwrap(),
    }
}

fn known(told: &[Told]) -> Known {
    let mut known = Known { events: Vec::new(), visits: Vec::new() };
    for told in told {
        match told {
            Told::Event(event) => known.events.push(event.clone()),
            Told::Visit(visit) => known.visits.push(visit.clone()),
        }
    }
    known
}

async fn episodes(world: &mut World) -> BTreeSet<Episode> {
    let rules = [
        "repeated_fault",
        "repeated_fault_watch",
        "repeated_entrapment",
        "fault_after_repair",
        "critical_fault",
        "entrapment",
        "maintenance_overdue",
        "visit_too_short",
    ];
    let mut found = BTreeSet::new();
    for alert in world.all_alerts().await {
        let Some(rule) = rules.iter().find(|rule| **rule == alert.rule) else { continue };
        let over = alert.ends.is_some_and(|end| end <= world.now);
        assert_eq!(alert.firing, !over, "state and end agree: {alert:?}");
        let level = match *rule {
            "repeated_entrapment" => 1 + u8::from(alert.severity == "critical"),
            "maintenance_overdue" | "visit_too_short" => alert.level,
            _ => 1,
        };
        found.insert((*rule, alert.starts, alert.ends, level));
    }
    found
}

/// How a history is told: in which order, in batches of which sizes, with which facts told twice, with restarts.
#[derive(Debug, Clone)]
struct Telling {
    order: Vec<usize>,
    batches: Vec<usize>,
    twice: Vec<bool>,
    restarts: Vec<bool>,
}

fn telling(facts: usize) -> impl Strategy<Value = Telling> {
    let order = Just((0..facts).collect::<Vec<usize>>()).prop_shuffle();
    (order, vec(1..9_usize, facts), vec(prop::bool::weighted(0.15), facts), vec(prop::bool::weighted(0.1), facts))
        .prop_map(|(order, batches, twice, restarts)| Telling { order, batches, twice, restarts })
}

fn history_and_telling() -> impl Strategy<Value = (Vec<Told>, Telling)> {
    vec(told(), 1..40).prop_map(one_of_each).prop_flat_map(|facts| {
        let telling = telling(facts.len());
        (Just(facts), telling)
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Tells the history late, all at one moment after its end.
async fn tell_late(facts: &[Told], telling: &Telling) -> (World, Timestamp) {
    let mut world = World::new().await;
    let now = START + (CELLS + 40) * GRID;
    world.now = now;
    let mut waiting: Vec<usize> = Vec::new();
    for index in &telling.order {
        waiting.push(*index);
        if telling.twice[*index] {
            waiting.insert(waiting.len() / 2, *index);
        }
    }
    let mut rest = &waiting[..];
    for (size, restart) in telling.batches.iter().zip(&telling.restarts).cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        world.arrive(batch.iter().map(|index| arrival(&facts[*index])).collect()).await;
        if *restart {
            world.restart().await;
        }
        rest = after;
    }
    world.pass_until(now).await;
    (world, now)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shuffled_duplicated_late_history_gives_the_models_alerts((facts, telling) in history_and_telling()) {
        block_on(async {
            let (mut world, now) = tell_late(&facts, &telling).await;
            let found = episodes(&mut world).await;
            prop_assert_eq!(found, known(&facts).episodes(now));
            Ok(())
        })?;
    }

    #[test]
    fn a_history_told_as_it_happens_gives_the_models_alerts_at_every_moment(
        (facts, telling) in history_and_telling(),
    ) {
        block_on(async {
            let mut world = World::new().await;
            let mut in_time: Vec<(Timestamp, usize)> =
                facts.iter().enumerate().map(|(index, told)| (time_of(told), index)).collect();
            in_time.sort();
            let mut told_so_far = Vec::new();
            for (place, (at, index)) in in_time.iter().enumerate() {
                world.pass_until(*at).await;
                world.arrive(vec![arrival(&facts[*index])]).await;
                told_so_far.push(facts[*index].clone());
                if telling.restarts[place] {
                    world.restart().await;
                    world.pass_until(*at).await;
                }
                prop_assert_eq!(episodes(&mut world).await, known(&told_so_far).episodes(*at));
            }
            Ok(())
        })?;
    }
}

proptest! {
    // Each case is some two hundred transactions.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn silences_and_restarts_in_between_change_no_episode_once_the_unit_is_heard(
        (facts, telling) in history_and_telling(),
    ) {
        block_on(async {
            let mut world = World::new().await;
            let mut in_time: Vec<(Timestamp, usize)> =
                facts.iter().enumerate().map(|(index, told)| (time_of(told), index)).collect();
            in_time.sort();
            for (place, (at, index)) in in_time.iter().enumerate() {
                let now = world.now.max(*at);
                world.pass_until(now).await;
                world.arrive(vec![arrival(&facts[*index])]).await;
                world.tell_state(State::at(now + MINUTE)).await;
                if telling.twice[place] {
                    // Late facts in between, which the unit had kept: an earlier one is told again.
                    world.arrive(vec![arrival(&facts[in_time[place / 2].1])]).await;
                }
                world.pass_until(now + 5 * MINUTE).await;
                if telling.restarts[place] {
                    world.restart().await;
                }
            }
            let now = START + (CELLS + 40) * GRID;
            world.pass_until(now).await;
            let silences = world.alerts("silent_unit").await.len();
            prop_assert_eq!(silences, facts.len(), "each fact is followed by a silence of its own");
            world.tell_state(State::at(now)).await;
            prop_assert_eq!(episodes(&mut world).await, known(&facts).episodes(now));
            Ok(())
        })?;
    }
}
