//! Property: what a city is told, in time or up to 60 days late, gives the same alerts whether old rows are pruned or not;
//! and what is kept is what a naive model keeps.

use std::collections::BTreeSet;

use liftwatch::domain::event::{Event, EventType, Mode};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::message::Arrival;
use sqlx::Row;

use crate::world::{START, Seen, World, event, event_message, mode, numbered, raised, unit, visit, visit_message};

const UNITS: [&str; 2] = ["lift-1", "lift-2"];
const DAYS: i64 = 1_600;
const EVENTS_DAYS: i64 = 200;
/// The pipeline takes less than the configuration lets anybody ask for.
const VISITS_YEARS: i64 = 1;

/// A story of two units over more than four years: when each fact reaches us, and what it is.
fn story(random: &mut fastrand::Rng) -> Vec<(Timestamp, Arrival)> {
    let mut told = Vec::new();
    let mut seq = [0; UNITS.len()];
    let mut begun: [Vec<(usize, Timestamp)>; UNITS.len()] = Default::default();
    for _ in 0..260 {
        let place = random.usize(0..UNITS.len());
        // Half of them crowd into some weeks of each year, so that windows are met.
        let on = if random.bool() { random.i64(0..DAYS) } else { random.i64(0..DAYS / 365) * 365 + random.i64(0..40) };
        let at = START + (on * DAY + random.i64(0..72) * 20 * MINUTE);
        let late = if random.u8(0..4) == 0 { random.i64(0..60 * DAY) } else { 0 };
        let arrival = if random.u8(0..3) == 0 {
            // A third of them correct one of their unit that began at most 60 days before we hear of it.
            let name = |number: usize| format!("{}-r{number}", UNITS[place]);
            let kind = if random.u8(0..3) == 0 { VisitKind::Fm } else { VisitKind::Hm };
            let record = visit(&name(told.len()), kind, at, at + random.i64(1..20) * 5 * MINUTE);
            let young =
                |(number, begun): &(usize, Timestamp)| at + late - *begun < 60 * DAY && at >= *begun && *number > 0;
            let corrected: Vec<usize> =
                begun[place].iter().filter(|one| young(one)).map(|(number, _)| *number).collect();
            let corrects = !corrected.is_empty() && random.u8(0..3) == 0;
            let supersedes = corrects.then(|| name(corrected[random.usize(0..corrected.len())]));
            begun[place].push((told.len(), at));
            visit_message(UNITS[place], Visit { supersedes, ..record })
        } else {
            let event = fact(random, at);
            seq[place] += 1;
            let event = if random.bool() { numbered("b1", seq[place], event) } else { event };
            event_message(UNITS[place], event)
        };
        told.push((at + late + 2 * HOUR, arrival));
    }
    told.sort_by_key(|(at, _)| *at);
    told
}

fn fact(random: &mut fastrand::Rng, at: Timestamp) -> Event {
    match random.u8(0..10) {
        0 => mode(Mode::Inspection, at),
        1 => mode(Mode::Normal, at),
        2 => event(EventType::EntrapmentReported, at),
        3 => event(EventType::PassengerReleased, at),
        4 => event(EventType::AlarmPressed, at),
        5 => Event { kind: EventType::FaultCleared, ..raised(FaultCode::SafetyChainOpen, at) },
        6 => raised(FaultCode::SafetyChainOpen, at),
        7 => raised(FaultCode::DoorOpening, at),
        _ => raised(FaultCode::DoorClosing, at),
    }
}

async fn city() -> World {
    let mut world = World::new().await;
    let other = liftwatch::domain::unit::Unit { site: "site-2".to_owned(), ..unit(UNITS[1]) };
    world.register(vec![unit(UNITS[0]), other]).await;
    world
}

/// Alerts that are not long over: of the others a pruned file may have none.
fn recent(alerts: Vec<Seen>, before: Timestamp) -> Vec<Seen> {
    alerts.into_iter().filter(|alert| alert.firing || alert.ends.is_none_or(|end| end >= before)).collect()
}

#[tokio::test]
async fn alerts_are_the_same_with_and_without_pruning_and_what_is_kept_is_what_the_model_keeps() {
    let (mut pruned_events, mut pruned_visits, mut pruned_alerts) = (0, 0, 0);
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut whole, mut pruned) = (city().await, city().await);
        let all = seed % 2 == 0;
        pruned.retain(all.then_some(VISITS_YEARS as u32), Some(EVENTS_DAYS as u32));
        for (at, arrival) in story(&mut random) {
            whole.pass_until(at.max(whole.now)).await;
            whole.arrive(vec![arrival.clone()]).await;
            pruned.pass_until(at.max(pruned.now)).await;
            pruned.arrive(vec![arrival]).await;
            if random.u8(0..12) == 0 {
                pruned.all_is_told().await;
                pruned.prune().await;
                let now = pruned.now;
                whole.pass_until(now).await;
            }
            if random.u8(0..30) == 0 {
                pruned.restart().await;
            }
            let before = if all { pruned.now - VISITS_YEARS * 366 * DAY } else { Timestamp(0) };
            let (expected, found) =
                (recent(whole.all_alerts().await, before), recent(pruned.all_alerts().await, before));
            let differing: Vec<&Seen> = found.iter().filter(|alert| !expected.contains(alert)).collect();
            let missing: Vec<&Seen> = expected.iter().filter(|alert| !found.contains(alert)).collect();
            assert!(found == expected, "seed {seed} at {at}: {differing:#?} instead of {missing:#?}");
        }
        pruned.all_is_told().await;
        pruned.prune().await;
        let now = pruned.now;
        whole.pass_until(now).await;
        let lost = whole.all_alerts().await.len() - pruned.all_alerts().await.len();
        pruned_alerts += lost;
        assert_eq!(lost > 0, all && lost > 0, "seed {seed}: alerts go only if both times are set");
        pruned_events += kept_events(&mut whole, &mut pruned, seed).await;
        if all {
            pruned_visits += kept_visits(&mut whole, &mut pruned, seed).await;
        }
        let audit = liftwatch::store::verify::verify(&pruned.file(), &[], &[]).await.unwrap();
        assert!(audit.is_clean(), "seed {seed}: {:#?}", audit.findings);
    }
    assert!(
        pruned_events > 100 && pruned_visits > 20 && pruned_alerts > 10,
        "{pruned_events} {pruned_visits} {pruned_alerts}"
    );
}

async fn named(world: &mut World) -> BTreeSet<String> {
    let query = "select distinct j.value from alert a, json_each(a.evidence) j";
    let named: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut world.reader().await).await.unwrap();
    named.into_iter().collect()
}

async fn ids(world: &mut World, query: &'static str) -> BTreeSet<String> {
    let ids: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut world.reader().await).await.unwrap();
    ids.into_iter().collect()
}

/// An event stays if it is young, or lasts, or is named. Gives how many went.
async fn kept_events(whole: &mut World, pruned: &mut World, seed: u64) -> usize {
    let before = pruned.now.0 - EVENTS_DAYS * DAY;
    let named = named(pruned).await;
    let rows = sqlx::query("select id, type, code, at, received_at from event")
        .fetch_all(&mut whole.reader().await)
        .await
        .unwrap();
    let expected: BTreeSet<String> = rows
        .iter()
        .filter(|row| {
            let (id, kind): (&str, &str) = (row.get("id"), row.get("type"));
            let young = row.get::<i64, _>("at") >= before || row.get::<i64, _>("received_at") >= before;
            let lasting = !["fault_raised", "fault_cleared", "alarm_pressed"].contains(&kind)
                || row.get::<Option<&str>, _>("code") == Some("safety_chain_open");
            young || lasting || named.contains(id)
        })
        .map(|row| row.get("id"))
        .collect();
    let found = ids(pruned, "select id from event").await;
    let more: Vec<&String> = found.difference(&expected).collect();
    let less: Vec<&String> = expected.difference(&found).collect();
    assert!(found == expected, "seed {seed}: more {more:?}, less {less:?}, now {}", pruned.now);
    rows.len() - expected.len()
}

struct Told {
    id: String,
    unit: String,
    on_demand: bool,
    from: i64,
    over: i64,
    received: i64,
    corrects: Option<String>,
}

/// A chain of visits stays if one of them is young, or named, or has something lasting within a day of its start, or is the
/// last of its kind that is old. Gives how many went.
async fn kept_visits(whole: &mut World, pruned: &mut World, seed: u64) -> usize {
    let before = pruned.now.0 - VISITS_YEARS * 366 * DAY;
    let named = named(pruned).await;
    let query = "select v.*, c.corrected from visit v left join visit_correction c on c.correction = v.id";
    let rows = sqlx::query(query).fetch_all(&mut whole.reader().await).await.unwrap();
    let all: Vec<Told> = rows
        .iter()
        .map(|row| Told {
            id: row.get("id"),
            unit: row.get("unit"),
            on_demand: row.get::<&str, _>("kind") == "FM",
            from: row.get("started_at"),
            over: row.get("ended_at"),
            received: row.get("received_at"),
            corrects: row.get("corrected"),
        })
        .collect();
    let query = "select unit, at from event where type = 'entrapment_reported' \
         or (type = 'fault_raised' and code = 'safety_chain_open')";
    let lasting: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&mut whole.reader().await).await.unwrap();
    let corrected = |visit: &Told| all.iter().any(|other| other.corrects.as_ref() == Some(&visit.id));
    let last = |visit: &Told| {
        !corrected(visit)
            && !all.iter().any(|other| {
                (&other.unit, other.on_demand) == (&visit.unit, visit.on_demand)
                    && other.id > visit.id
                    && other.from < before
                    && !corrected(other)
            })
    };
    let stays = |visit: &Told| {
        visit.received >= before
            || visit.over >= before
            || named.contains(&visit.id)
            || lasting.iter().any(|(unit, at)| *unit == visit.unit && visit.from <= *at && *at <= visit.from + DAY)
            || last(visit)
    };
    let mut kept: BTreeSet<&String> = all.iter().filter(|visit| stays(visit)).map(|visit| &visit.id).collect();
    loop {
        let size = kept.len();
        for visit in &all {
            if let Some(corrects) = &visit.corrects
                && (kept.contains(&visit.id) || kept.contains(corrects))
            {
                kept.extend([&visit.id, corrects]);
            }
        }
        if kept.len() == size {
            break;
        }
    }
    let expected: BTreeSet<String> = kept.into_iter().cloned().collect();
    let found = ids(pruned, "select id from visit").await;
    let more: Vec<&String> = found.difference(&expected).collect();
    let less: Vec<&String> = expected.difference(&found).collect();
    assert!(found == expected, "seed {seed}: more {more:?}, less {less:?}, now {}", pruned.now);
    all.len() - expected.len()
}
