//! The pipeline against senders, clocks and numbers that mean harm or know no better.

use std::time::Instant;

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::Class;
use liftwatch::domain::event::{Event, EventType, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::message::Arrival;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::world::{
    PUBLISHER, REGION, START, UNIT, World, at, cleared, day, event, event_message, numbered, raised, region,
    state_message, unit, unit_id, visit, visit_message,
};

const CODE: FaultCode = FaultCode::DoorClosing;

#[tokio::test]
async fn a_new_units_boots_are_joined_in_the_order_in_which_they_came_whatever_the_batch() {
    let messages = || {
        vec![
            event_message(UNIT, numbered("z-old", 41, raised(CODE, at(0, 1, 0, 0)))),
            event_message(UNIT, numbered("a-new", 1, raised(CODE, at(0, 2, 0, 0)))),
        ]
    };
    let mut one_by_one = World::new().await;
    one_by_one.now = at(0, 3, 0, 0);
    for message in messages() {
        one_by_one.arrive(vec![message]).await;
    }
    let mut together = World::new().await;
    together.now = at(0, 3, 0, 0);
    together.arrive(messages()).await;
    let gaps = "select count(*) from gap";
    assert_eq!(one_by_one.count(gaps).await, 0);
    assert_eq!(together.count(gaps).await, 0, "the old boot was joined, not missed");
}

/// A gap found at 1:00:00 is an alert from 1:01:00 on.
async fn with_a_gap() -> World {
    let mut world = World::new().await;
    world.now = at(0, 1, 0, 0);
    world.arrive(vec![event_message(UNIT, numbered("b", 1, event(EventType::MainsOn, world.now)))]).await;
    world.arrive(vec![event_message(UNIT, numbered("b", 3, event(EventType::MainsOff, world.now)))]).await;
    world
}

#[tokio::test]
async fn an_alert_that_is_due_begins_when_it_was_due_though_an_event_comes_before_the_sweep() {
    let mut world = with_a_gap().await;
    world.tell(raised(CODE, at(0, 1, 1, 30))).await;
    world.pass_until(at(0, 1, 2, 0)).await;
    assert_eq!(world.episodes("evidence_gap").await.first().map(|episode| episode.0), Some(at(0, 1, 1, 0)));
}

#[tokio::test]
async fn a_record_of_the_far_future_takes_no_alert_away_that_lies_before_it() {
    for started_at in [at(0, 2, 0, 0), day(400), Timestamp(253_402_207_200_000)] {
        let mut world = with_a_gap().await;
        let planned = Visit { ended_at: None, ..visit("r-1", VisitKind::Hm, started_at, started_at) };
        world.arrive(vec![visit_message(UNIT, planned)]).await;
        world.pass_until(at(0, 1, 1, 5)).await;
        let begun = world.episodes("evidence_gap").await.first().map(|episode| episode.0);
        assert_eq!(begun, Some(at(0, 1, 1, 0)), "visit at {started_at}");
    }
}

#[tokio::test]
async fn a_birthday_is_not_moved_by_an_event_that_is_a_little_ahead() {
    let mut world = World::new().await;
    // In use for 13 years at midnight of 2026-01-03 in Shanghai, which is 16:00 UTC of the day before.
    let aged = Unit { in_service_since: Some(jiff::civil::date(2013, 1, 3)), ..unit(UNIT) };
    world.register(vec![aged]).await;
    let birthday = at(1, 16, 0, 0);
    world.now = birthday - 2 * MINUTE;
    world.arrive(vec![event_message(UNIT, raised(CODE, birthday + 2 * MINUTE))]).await;
    world.pass_until(birthday + 10 * MINUTE).await;
    assert_eq!(world.episodes("over_age").await, [(birthday, None, true)]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_and_is_set_back_hides_no_silence() {
    let mut world = World::new().await;
    world.now = day(30);
    world.tell_state(State::at(day(30))).await;
    world.now = day(1);
    let now = world.now;
    world.pipeline().fleet_mut().listen_anew(now);
    world.pass_until(day(1) + HOUR).await;
    assert_eq!(world.alerts("silent_unit").await.len(), 1);

    // The same through a restart.
    let mut world = World::new().await;
    world.now = day(30);
    world.tell_state(State::at(day(30))).await;
    world.pipeline().flush().await.unwrap();
    world.now = day(1);
    world.restart().await;
    world.pass_until(day(1) + HOUR).await;
    assert_eq!(world.alerts("silent_unit").await.len(), 1);
}

#[tokio::test]
async fn clocks_that_were_ahead_and_are_set_back_hide_no_edges() {
    for restart in [false, true] {
        let mut world = World::new().await;
        let flags = |ts, on| State { entrapment: Some(on), mode: Some(Mode::Normal), ..State::at(ts) };
        world.tell_state(State { mode: Some(Mode::Earthquake), ..flags(day(30), false) }).await;
        world.now = day(1);
        let now = world.now;
        if restart {
            world.restart().await;
        } else {
            world.pipeline().fleet_mut().listen_anew(now);
        }
        world.tell_state(flags(day(1) + MINUTE, true)).await;
        assert_eq!(world.alerts("entrapment").await.len(), 1, "restart {restart}");
    }
}

#[tokio::test]
async fn a_person_releases_people_whatever_the_clock_did() {
    let mut world = World::new().await;
    world.tell(event(EventType::EntrapmentReported, day(30))).await;
    world.now = day(1);
    let release = Action::ReleasePassengers { unit: unit_id(UNIT), by: "w".to_owned(), reason: "out".to_owned() };
    let now = world.now;
    let (done, _) = world.pipeline().act(&release, now).await.unwrap();
    assert!(matches!(done, Done::Released { .. }));
    world.pass_until(day(1) + HOUR).await;
    let episodes = world.episodes("entrapment").await;
    assert_eq!(episodes.len(), 1);
    assert!(episodes[0].1.is_some(), "{episodes:?}");
}

#[tokio::test]
async fn a_visit_hides_the_faults_of_a_day_at_most() {
    let mut world = World::new().await;
    world.now = day(1);
    world.arrive(vec![visit_message(UNIT, visit("r-1", VisitKind::Hm, day(0), day(9_000)))]).await;
    for d in 3..6 {
        world.tell(raised(CODE, day(d))).await;
    }
    assert_eq!(world.alerts("repeated_fault").await.len(), 1);
}

#[tokio::test]
async fn a_visit_that_supersedes_itself_still_counts() {
    let mut world = World::new().await;
    world.now = day(10);
    let itself = Visit { supersedes: Some("r-1".to_owned()), ..visit("r-1", VisitKind::Hm, day(1), day(1) + HOUR) };
    world.arrive(vec![visit_message(UNIT, itself)]).await;
    let faults = [day(1) + MINUTE, day(3), day(5)];
    world.arrive(faults.into_iter().map(|ts| event_message(UNIT, raised(CODE, ts))).collect()).await;
    assert_eq!(world.alerts("repeated_fault").await, [], "the first fault lies inside the visit");
}

#[tokio::test]
async fn a_state_that_repeats_a_fault_without_the_vendors_code_makes_no_edge_and_ends_no_alert() {
    let mut world = World::new().await;
    let code = FaultCode::UnintendedCarMovement;
    let told =
        Event { fault: Some(Fault { code, vendor_code: Some("E77".to_owned()) }), ..raised(code, at(0, 1, 0, 0)) };
    world.tell(told).await;
    let active = |ts| State { active_faults: Some(vec![Fault { code, vendor_code: None }]), ..State::at(ts) };
    for minute in 1..4 {
        world.tell_state(active(at(0, 1, minute, 0))).await;
    }
    assert_eq!(world.episodes("critical_fault").await, [(at(0, 1, 0, 0), None, true)]);
    assert_eq!(world.count("select count(*) from event").await, 1);
    world.tell_state(State { active_faults: Some(vec![]), ..State::at(at(0, 2, 0, 0)) }).await;
    assert_eq!(world.episodes("critical_fault").await, [(at(0, 1, 0, 0), Some(at(0, 2, 0, 0)), false)]);
}

#[tokio::test]
async fn two_flags_for_one_fault_are_one_edge_and_no_conflict() {
    let mut world = World::new().await;
    let flag = |name: &str| Fault { code: CODE, vendor_code: Some(name.to_owned()) };
    let with =
        |names: &[&str], ts| State { active_faults: Some(names.iter().map(|n| flag(n)).collect()), ..State::at(ts) };
    world.tell_state(with(&["f2", "f1"], at(0, 1, 0, 0))).await;
    world.tell_state(with(&["f2"], at(0, 1, 1, 0))).await;
    world.tell_state(with(&[], at(0, 1, 2, 0))).await;
    assert_eq!(world.count("select count(*) from quarantine").await, 0);
    assert_eq!(world.count("select count(*) from event").await, 2, "raised once, cleared once");
}

/// As SQLite does it on a full disk: the statement fails, and the transaction around it is gone.
#[tokio::test]
async fn a_transaction_that_the_engine_rolled_back_by_itself_can_be_tried_again() {
    let mut world = World::new().await;
    world.meddle("create trigger no_room before insert on event begin select raise(rollback, 'full'); end").await;
    let batch = [event_message(UNIT, raised(CODE, day(0)))];
    for _ in 0..3 {
        world.pipeline().take(&batch, day(0)).await.unwrap_err();
    }
    world.meddle("drop trigger no_room").await;
    world.pipeline().take(&batch, day(0)).await.unwrap();
    assert_eq!(world.count("select count(*) from event").await, 1);
    assert_eq!(world.pipeline().take(&batch, day(0)).await.unwrap().duplicates, 1);
}

#[tokio::test]
async fn a_duplicate_of_what_ended_in_the_same_moment_begins_nothing_again() {
    let told = |duplicate: bool| async move {
        let mut world = World::new().await;
        let begun = event_message(UNIT, raised(CODE, at(0, 1, 0, 0)));
        world.now = at(0, 1, 0, 1);
        world.arrive(vec![begun.clone(), event_message(UNIT, cleared(CODE, at(0, 1, 0, 0)))]).await;
        if duplicate {
            world.arrive(vec![begun]).await;
        }
        world.tell_state(State { active_faults: Some(vec![]), ..State::at(at(0, 1, 1, 0)) }).await;
        world.count("select count(*) from event").await
    };
    assert_eq!(told(true).await, told(false).await);
}

/// How long the last of the batches takes, told one after the other.
async fn last_of(world: &mut World, batches: impl Iterator<Item = Vec<Arrival>>) -> std::time::Duration {
    let mut last = std::time::Duration::ZERO;
    for batch in batches {
        let began = Instant::now();
        world.arrive(batch).await;
        last = began.elapsed();
    }
    last
}

#[tokio::test]
async fn a_sender_that_counts_by_two_does_not_slow_the_city_down() {
    let mut world = World::new().await;
    world.now = day(1);
    let message = |seq: u64| {
        let ts = day(1) + i64::try_from(seq).unwrap();
        event_message(UNIT, numbered("b", seq * 2, event(EventType::AlarmPressed, ts)))
    };
    let batches = (0..2).map(|batch| (batch * 2_000..(batch + 1) * 2_000).map(message).collect());
    let last = last_of(&mut world, batches).await;
    let began = Instant::now();
    world.arrive(vec![message(6_000)]).await;
    let one = began.elapsed();
    eprintln!("4,000 gaps: last batch {last:?}, one message {one:?}");
    assert!(one < std::time::Duration::from_millis(1_000), "one message took {one:?}");
}

#[tokio::test]
async fn a_flood_of_an_unknown_unit_does_not_slow_the_city_down() {
    let mut world = World::new().await;
    world.now = day(1);
    let message = |n: i64| event_message("lift-404", raised(CODE, day(1) + n));
    let last =
        last_of(&mut world, (0..6).map(|batch| (batch * 2_000..(batch + 1) * 2_000).map(message).collect())).await;
    eprintln!("12,000 messages of an unknown unit: last batch {last:?}");
    assert_eq!(world.count("select count(*) from unregistered_message").await, 10_000);
    assert!(last < std::time::Duration::from_secs(3), "the last batch took {last:?}");
}

#[tokio::test]
async fn a_unit_with_thousands_of_visits_does_not_slow_the_city_down() {
    let mut world = World::new().await;
    world.now = day(1);
    let message = |n: i64| {
        let name = format!("r-{n}");
        let from = day(0) + n;
        visit_message(UNIT, Visit { supersedes: Some(format!("x-{n}")), ..visit(&name, VisitKind::Hm, from, from + 1) })
    };
    last_of(&mut world, (0..3).map(|batch| (batch * 2_000..(batch + 1) * 2_000).map(message).collect())).await;
    let began = Instant::now();
    world.tell(raised(CODE, day(1) + HOUR)).await;
    let one = began.elapsed();
    eprintln!("6,000 visits: one message {one:?}");
    assert!(one < std::time::Duration::from_secs(1), "one message took {one:?}");
}

#[tokio::test]
async fn a_sensor_that_flaps_for_weeks_is_measured() {
    let mut world = World::new().await;
    world.now = day(20);
    let message = |n: i64| event_message(UNIT, raised(CODE, day(1) + n * 20 * SECOND));
    let last =
        last_of(&mut world, (0..20).map(|batch| (batch * 2_000..(batch + 1) * 2_000).map(message).collect())).await;
    let began = Instant::now();
    world.tell(raised(CODE, day(20))).await;
    eprintln!("40,000 faults of one unit: last batch {last:?}, one message {:?}", began.elapsed());
}

/// Text within the contract's limits for codes: no control characters, up to 64 of anything else.
fn code_text() -> impl Strategy<Value = String> {
    let odd = select(vec!["🛗", "\u{feff}", "\u{202e}", "'\"\\;--", "\u{10ffff}", "é", " ", "%", "{}", "=1+1", "电梯"]);
    proptest::collection::vec(odd, 1..20).prop_map(|parts| parts.concat())
}

fn time() -> impl Strategy<Value = Value> {
    let edge = [0, -1, 1, i64::MIN, i64::MAX, 253_402_207_200_000, -377_705_023_201_000, 4_102_444_800_000];
    prop_oneof![
        select(edge.to_vec()).prop_map(Value::from),
        (START.0 - 2 * DAY..START.0 + 3 * DAY).prop_map(Value::from),
        (START.0..START.0 + 3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!("9999-12-30T22:00:00Z")),
        Just(json!("-009999-01-02T02:00:00Z")),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, select(vec![(1 << 53) - 1, (1 << 53) - 2, 1 << 53, u64::MAX, i64::MAX as u64])]
}

fn boot() -> impl Strategy<Value = String> {
    select(vec!["b".to_owned(), "B".to_owned(), "1".to_owned(), "01".to_owned(), "1e3".to_owned(), "x".repeat(64)])
}

fn event_payload() -> impl Strategy<Value = Value> {
    let kind = select(EventType::ALL.to_vec());
    let code = prop_oneof![select(FaultCode::ALL.to_vec()).prop_map(|code| code.to_string()), code_text()];
    let numbered = proptest::option::of((boot(), number()));
    (time(), kind, code, code_text(), select(Mode::ALL.to_vec()), numbered, any::<String>()).prop_map(
        |(ts, kind, code, vendor, mode, numbered, extra)| {
            let mut payload = json!({
                "ts": ts, "type": kind.as_str(), "code": code, "mode": mode.as_str(),
                "vendor_code": vendor.chars().take(64).collect::<String>(), "extra\u{0}\n": extra,
            });
            if let Some((boot, seq)) = numbered {
                payload["boot"] = boot.into();
                payload["seq"] = seq.into();
            }
            payload
        },
    )
}

fn state_payload() -> impl Strategy<Value = Value> {
    let bools = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let faults = proptest::collection::vec(code_text(), 0..64);
    (time(), boot(), number(), bools, faults, number()).prop_map(|(ts, boot, last, bools, faults, runs)| {
        let (moving, occupied, alarm, entrapment, mains_off) = bools;
        json!({
            "ts": ts, "boot": boot, "last_seq": last, "moving": moving, "occupied": occupied, "door": "closed",
            "alarm": alarm, "entrapment": entrapment, "mains_off": mains_off, "active_faults": faults, "runs": runs,
        })
    })
}

fn visit_payload() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![select(vec!["r1".to_owned(), "r2".to_owned(), "r3".to_owned()]), code_text()];
    let others = (proptest::option::of(name()), proptest::option::of(time()), any::<String>());
    (time(), name(), time(), others).prop_map(|(ts, name, started_at, (supersedes, ended_at, note))| {
        json!({
            "ts": ts, "record_id": name, "kind": "FM", "started_at": started_at, "ended_at": ended_at,
            "supersedes": supersedes, "note\u{0}": note,
        })
    })
}

fn hazard_payload() -> impl Strategy<Value = Value> {
    (time(), code_text(), code_text(), ".{0,40}").prop_map(|(ts, name, basis, text)| {
        json!({
            "ts": ts, "report_id": name, "reporter": "inspection_body", "basis": basis, "use_stopped": true,
            "text": format!("{text}\u{0}\u{7f}"),
        })
    })
}

fn payload() -> impl Strategy<Value = (Class, Value)> {
    prop_oneof![
        5 => event_payload().prop_map(|payload| (Class::Event, payload)),
        3 => state_payload().prop_map(|payload| (Class::State, payload)),
        2 => visit_payload().prop_map(|payload| (Class::Visit, payload)),
        1 => hazard_payload().prop_map(|payload| (Class::Hazard, payload)),
    ]
}

fn message() -> impl Strategy<Value = (Class, Arrival)> {
    let unit = select(vec![UNIT, "LIFT-1", "lift-404", "lift-2"]);
    let publisher = select(vec![PUBLISHER, PUBLISHER, PUBLISHER, "stranger"]);
    (unit, publisher, payload()).prop_map(|(unit, publisher, (class, payload))| {
        let topic = format!("lift/v1/{REGION}/{publisher}/{unit}/{class}");
        let payload = payload.to_string().into_bytes();
        let decoded = Decoder::new(&[], &[region()]).unwrap().decode(&region(), &topic, &payload);
        (class, Arrival { region: region(), topic, payload, received_at: START, decoded })
    })
}

/// Takes the batches, with sweeps, a restart and a late registration between them: nothing fails, every message is
/// accounted for.
async fn survives(batches: Vec<Vec<(Class, Arrival)>>) {
    let mut world = World::new().await;
    let any_publisher = |name: &str| Unit { publisher: None, ..unit(name) };
    world.register(vec![any_publisher("LIFT-1")]).await;
    let (mut told, mut accounted, mut states) = (0, 0, 0);
    let mut count = |outcome: &liftwatch::pipeline::message::Outcome| {
        // Edges are our own; a state that is a plain heartbeat leaves no row.
        let reported = outcome.events.iter().filter(|record| record.event.origin.as_str() == "reported").count();
        accounted += reported + outcome.visits + outcome.hazards + outcome.refused.len() + outcome.unregistered.len();
        accounted += usize::try_from(outcome.duplicates).unwrap();
    };
    for batch in batches {
        told += batch.len();
        states += batch.iter().filter(|(class, arrival)| *class == Class::State && arrival.decoded.is_ok()).count();
        let outcome = world.arrive(batch.into_iter().map(|(_, arrival)| arrival).collect()).await;
        count(&outcome);
        world.pass_until(world.now + 37 * MINUTE).await;
        world.pipeline().flush().await.unwrap();
    }
    assert!((told - states..=told + states * 140).contains(&accounted), "{told} told, {accounted} accounted for");
    let waiting = world.count("select count(*) from unregistered_message where unit = 'lift-2'").await;
    world.register(vec![any_publisher("lift-2")]).await;
    let left = world.count("select count(*) from unregistered_message where unit = 'lift-2'").await;
    assert_eq!(left, 0, "of {waiting} kept messages");
    world.restart().await;
    world.pass_until(world.now + 40 * DAY).await;
    world.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_that_can_be_read_stops_the_pipeline(
        batches in proptest::collection::vec(proptest::collection::vec(message(), 0..30), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(survives(batches));
    }
}

/// Takes the batches; where `failing`, each is tried first while the store takes no events, and then again.
async fn dump_of(batches: &[Vec<(Class, Arrival)>], failing: bool) -> Vec<String> {
    let mut world = World::new().await;
    for batch in batches {
        let now = world.now;
        let arrivals: Vec<Arrival> =
            batch.iter().map(|(_, arrival)| Arrival { received_at: now, ..arrival.clone() }).collect();
        let mut done = false;
        if failing {
            world.meddle("create trigger no_room before insert on event begin select raise(abort, 'full'); end").await;
            done = world.pipeline().take(&arrivals, now).await.is_ok();
            world.meddle("drop trigger no_room").await;
        }
        if !done {
            world.pipeline().take(&arrivals, now).await.unwrap();
        }
        world.pass_until(now + 7 * MINUTE).await;
    }
    world.dump().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_that_failed_and_is_tried_again_leaves_no_trace_of_its_failure(
        batches in proptest::collection::vec(proptest::collection::vec(message(), 1..20), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (plain, failed) = runtime.block_on(async { (dump_of(&batches, false).await, dump_of(&batches, true).await) });
        prop_assert_eq!(plain, failed);
    }
}

#[tokio::test]
async fn a_state_of_any_time_is_kept_or_ignored() {
    let mut world = World::new().await;
    for ts in [i64::MIN / 1_000, -377_705_023_201_000, -1, 0, 253_402_207_200_000] {
        world.arrive(vec![state_message(UNIT, State { alarm: Some(true), ..State::at(Timestamp(ts)) })]).await;
    }
    world.pass_until(day(1)).await;
    world.restart().await;
}
