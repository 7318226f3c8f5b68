//! The pipeline against senders, clocks and numbers that mean harm or know no better.

mod poison;

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::event::{Event, EventType, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::message::Arrival;

use crate::world::{
    UNIT, World, at, cleared, day, event, event_message, numbered, raised, state_message, unit, unit_id, visit,
    visit_message,
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
    let told = Event { fault: Some(Fault { code, vendor_code: Some("E77".into()) }), ..raised(code, at(0, 1, 0, 0)) };
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
    let flag = |name: &str| Fault { code: CODE, vendor_code: Some(name.into()) };
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
async fn last_of(world: &mut World, batches: impl Iterator<Item = Vec<Arrival>>) -> Duration {
    let mut last = Duration::ZERO;
    for batch in batches {
        let began = SystemClock::new();
        world.arrive(batch).await;
        last = began.monotonic();
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
    let began = SystemClock::new();
    world.arrive(vec![message(6_000)]).await;
    let one = began.monotonic();
    eprintln!("4,000 gaps: last batch {last:?}, one message {one:?}");
    assert!(one < Duration::from_millis(1_000), "one message took {one:?}");
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
    assert!(last < Duration::from_secs(3), "the last batch took {last:?}");
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
    let began = SystemClock::new();
    world.tell(raised(CODE, day(1) + HOUR)).await;
    let one = began.monotonic();
    eprintln!("6,000 visits: one message {one:?}");
    assert!(one < Duration::from_secs(1), "one message took {one:?}");
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
