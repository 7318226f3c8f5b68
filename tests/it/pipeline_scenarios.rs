//! The pipeline as scenarios: duplicates, conflicts, what is refused and what waits, level flags, acks, imports.

mod levels;

mod refused;

use liftwatch::decode::mapping::Reason;
use liftwatch::domain::event::{Event, EventType, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::id::PublisherId;
use liftwatch::domain::time::{DAY, HOUR, MINUTE};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::action::{Action, Done, ImportReport};
use liftwatch::pipeline::message::{ApplicationAck, Arrival};

use crate::world::{
    PUBLISHER, START, UNIT, World, at, cleared, day, event, event_message, hazard_message, mode, numbered, raised,
    state_message, unit, unit_id, visit, visit_message,
};

const CODE: FaultCode = FaultCode::DoorClosing;

/// A history that touches every table that messages can touch, in the order of its times.
fn history() -> Vec<Arrival> {
    let faults = Some(vec![Fault { code: FaultCode::Levelling, vendor_code: None }]);
    let announced = State { boot: Some("b1".into()), last_seq: Some(9), ..State::at(day(4)) };
    vec![
        event_message(UNIT, raised(CODE, day(0))),
        event_message(UNIT, numbered("b1", 1, raised(CODE, day(1)))),
        event_message(UNIT, numbered("b1", 3, raised(FaultCode::PitOverrun, day(1) + HOUR))),
        state_message(UNIT, State { active_faults: faults.clone(), mode: Some(Mode::Normal), ..State::at(day(2)) }),
        state_message(UNIT, State { active_faults: faults, ..State::at(day(2) + MINUTE) }),
        state_message(UNIT, State { active_faults: Some(vec![]), alarm: Some(true), ..State::at(day(3)) }),
        visit_message(UNIT, visit("r-1", VisitKind::Fm, day(3), day(3) + HOUR)),
        hazard_message(UNIT, "h-1", "bridged"),
        event_message(UNIT, numbered("b1", 4, event(EventType::EntrapmentReported, day(4)))),
        event_message(UNIT, numbered("b1", 5, event(EventType::PassengerReleased, day(4) + HOUR))),
        state_message(UNIT, announced),
        event_message("lift-404", raised(CODE, day(4))),
        event_message(UNIT, raised(CODE, day(5))),
    ]
}

/// Tells each message on its own, a minute apart from day 5 on, and then what `after` says.
async fn told(after: impl Fn(usize, &[Arrival]) -> Vec<Arrival>) -> World {
    let mut world = World::new().await;
    world.now = day(5);
    let history = history();
    for (place, message) in history.iter().enumerate() {
        world.arrive(vec![message.clone()]).await;
        world.arrive(after(place, &history)).await;
        world.now = world.now + MINUTE;
    }
    world.pass_until(day(6)).await;
    world
}

/// The counters of messages of units that the registry does not have count messages, and so duplicates too.
fn facts(dump: Vec<String>) -> Vec<String> {
    dump.into_iter().filter(|row| !row.starts_with("unregistered_")).collect()
}

#[tokio::test]
async fn duplicates_change_no_table() {
    let mut plain = told(|_, _| Vec::new()).await;
    let expected = facts(plain.dump().await);
    assert!(expected.iter().any(|row| row.starts_with("outbox")) && expected.iter().any(|row| row.starts_with("gap")));
    let mut at_once = told(|place, history| vec![history[place].clone()]).await;
    assert_eq!(facts(at_once.dump().await), expected, "each message twice in a row");
    let mut all_before = told(|place, history| history[..=place].to_vec()).await;
    assert_eq!(facts(all_before.dump().await), expected, "everything again after each message");
}

#[tokio::test]
async fn duplicates_in_one_batch_change_no_table() {
    let mut worlds = Vec::new();
    for twice in [false, true] {
        let mut world = World::new().await;
        world.now = day(5);
        let mut batch = history();
        if twice {
            batch.extend(history());
        }
        world.arrive(batch).await;
        worlds.push(facts(world.dump().await));
    }
    assert_eq!(worlds[0], worlds[1]);
}

#[tokio::test]
async fn duplicates_are_counted() {
    let mut world = World::new().await;
    let message = event_message(UNIT, raised(CODE, day(0)));
    let outcome = world.arrive(vec![message.clone(), message.clone()]).await;
    assert_eq!((outcome.events.len(), outcome.duplicates), (1, 1));
    let outcome = world.arrive(vec![message]).await;
    assert_eq!((outcome.events.len(), outcome.duplicates, outcome.refused.len()), (0, 1, 0));
}

#[tokio::test]
async fn the_same_number_with_other_content_is_a_conflict_kept_with_its_message() {
    let mut world = World::new().await;
    world.tell(numbered("b1", 7, raised(CODE, day(0)))).await;
    let other = event_message(UNIT, numbered("b1", 7, raised(FaultCode::Levelling, day(1))));
    world.now = day(1);
    let outcome = world.arrive(vec![other.clone()]).await;
    let reasons: Vec<Reason> = outcome.refused.iter().map(|(reason, _)| *reason).collect();
    assert_eq!((reasons, outcome.events.len()), (vec![Reason::Conflict], 0));
    assert_eq!(world.count("select count(*) from event").await, 1, "what was first stays");
    assert_eq!(world.text("select code from event").await, "door_closing");
    assert_eq!(world.text("select cast(payload as text) from quarantine").await.as_bytes(), other.payload);
    let kept = "select reason || ' ' || publisher || ' ' || unit from quarantine";
    assert_eq!(world.text(kept).await, "conflict maker-1 lift-1");
}

#[tokio::test]
async fn an_event_without_a_number_that_says_more_than_before_is_a_conflict() {
    let mut world = World::new().await;
    world.tell(raised(CODE, day(0))).await;
    let more = Event { landing: Some("5".into()), ..raised(CODE, day(0)) };
    let outcome = world.arrive(vec![event_message(UNIT, more)]).await;
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(world.count("select count(*) from event").await, 1);
}

#[tokio::test]
async fn a_visit_or_hazard_with_a_used_name_and_other_content_is_a_conflict() {
    let mut world = World::new().await;
    world.now = day(2);
    let repair = visit("r-1", VisitKind::Fm, day(0), day(1));
    world.arrive(vec![visit_message(UNIT, repair.clone()), hazard_message(UNIT, "h-1", "bridged")]).await;
    let longer = Visit { body: "{\"another\":1}".to_owned(), ended_at: Some(day(2)), ..repair };
    let outcome = world.arrive(vec![visit_message(UNIT, longer), hazard_message(UNIT, "h-1", "worn")]).await;
    let reasons: Vec<Reason> = outcome.refused.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [Reason::Conflict, Reason::Conflict]);
    assert_eq!(world.count("select ended_at from visit").await, day(1).0);
    assert_eq!(world.count("select count(*) from quarantine where reason = 'conflict'").await, 2);
}

#[tokio::test]
async fn a_suspect_clock_is_flagged_and_its_event_counts_when_it_was_received() {
    let mut world = World::new().await;
    for (ahead, suspect, counts_at) in [
        (6 * MINUTE, 1, START),
        (5 * MINUTE, 0, START + 5 * MINUTE),
        (4 * MINUTE, 0, START + 4 * MINUTE),
        (-40 * 365 * DAY, 1, START),
    ] {
        let message = event_message(UNIT, event(EventType::AlarmPressed, START + ahead));
        let outcome = world.arrive(vec![message]).await;
        let record = &outcome.events[0];
        assert_eq!((record.at, record.event.ts), (counts_at, START + ahead));
        assert_eq!(i64::from(record.clock_suspect), suspect, "{ahead} ms ahead");
    }
    assert_eq!(world.count("select sum(clock_suspect) from event").await, 2);
    assert_eq!(
        world.count("select count(*) from event where clock_suspect and at = received_at and ts <> at").await,
        2
    );
}

fn ack(boot: &str, first: u64, seq: u64) -> ApplicationAck {
    let publisher = PublisherId::new(PUBLISHER).unwrap();
    ApplicationAck { publisher, unit: unit_id(UNIT), boot: boot.into(), first, seq }
}

#[tokio::test]
async fn the_application_ack_names_the_highest_number_without_a_gap() {
    let mut world = World::new().await;
    let pressed = |boot: &str, seq| event_message(UNIT, numbered(boot, seq, event(EventType::AlarmPressed, START)));
    assert_eq!(world.arrive(vec![pressed("b1", 5), pressed("b1", 6)]).await.acks, [ack("b1", 5, 6)]);
    assert_eq!(world.arrive(vec![pressed("b1", 9)]).await.acks, [ack("b1", 5, 6)], "7 and 8 are missing");
    assert_eq!(world.arrive(vec![pressed("b1", 8)]).await.acks, [ack("b1", 5, 6)]);
    world.restart().await;
    assert_eq!(world.arrive(vec![pressed("b1", 7)]).await.acks, [ack("b1", 5, 9)]);
    let mut acks = world.arrive(vec![pressed("b2", 1), pressed("b1", 10)]).await.acks;
    acks.sort();
    assert_eq!(acks, [ack("b1", 5, 10), ack("b2", 1, 1)]);
}

#[tokio::test]
async fn the_application_ack_covers_nothing_before_the_first_event_that_came() {
    let mut world = World::new().await;
    let pressed = |seq| event_message(UNIT, numbered("b1", seq, event(EventType::AlarmPressed, START)));
    assert_eq!(
        world.arrive(vec![pressed(6)]).await.acks,
        [ack("b1", 6, 6)],
        "1 to 5 may be lost and not told again yet"
    );
    assert_eq!(world.arrive(vec![pressed(3)]).await.acks, [ack("b1", 3, 3)], "4 and 5 are missing");
    assert_eq!(world.arrive(vec![pressed(4), pressed(5)]).await.acks, [ack("b1", 3, 6)]);

    let mut world = World::new().await;
    let announced = State { boot: Some("b1".into()), last_seq: Some(5), ..State::at(START) };
    world.arrive(vec![state_message(UNIT, announced)]).await;
    assert_eq!(world.arrive(vec![pressed(6)]).await.acks, [ack("b1", 6, 6)]);
    assert_eq!(world.arrive(vec![pressed(5)]).await.acks, [ack("b1", 5, 6)]);
}

#[tokio::test]
async fn a_duplicate_and_a_conflict_are_acked_too_or_their_sender_would_repeat_them_for_ever() {
    let mut world = World::new().await;
    let pressed = event_message(UNIT, numbered("b1", 5, event(EventType::AlarmPressed, START)));
    world.arrive(vec![pressed.clone()]).await;
    assert_eq!(world.arrive(vec![pressed]).await.acks, [ack("b1", 5, 5)]);
    let conflict = event_message(UNIT, numbered("b1", 5, raised(CODE, START)));
    assert_eq!(world.arrive(vec![conflict]).await.acks, [ack("b1", 5, 5)]);
}

#[tokio::test]
async fn an_event_without_a_number_and_a_state_get_no_ack() {
    let mut world = World::new().await;
    let announced = State { boot: Some("b1".into()), last_seq: Some(3), ..State::at(START) };
    let messages = vec![event_message(UNIT, raised(CODE, START)), state_message(UNIT, announced)];
    assert_eq!(world.arrive(messages).await.acks, []);
}

#[tokio::test]
async fn each_told_transition_has_its_row_in_the_outbox_and_no_other_has() {
    let mut world = told(|_, _| Vec::new()).await;
    world.tell(cleared(FaultCode::PitOverrun, day(6))).await;
    world.tell(mode(Mode::Inspection, day(4))).await;
    let kinds = "select group_concat(distinct t.kind) from outbox o join alert_transition t on t.id = o.transition";
    let told: Vec<String> = world.text(kinds).await.split(',').map(str::to_owned).collect();
    assert!(told.contains(&"fired".to_owned()) && told.contains(&"withdrawn".to_owned()), "{told:?}");
    let wrong = "select count(*) from alert_transition t join alert a on a.id = t.alert \
         left join outbox o on o.transition = t.id \
         where (o.id is not null) <> (t.kind in ('fired', 'resolved', 'escalated', 'reopened')) \
         and t.kind <> 'withdrawn'";
    assert_eq!(world.count(wrong).await, 0);
    let orphans = "select count(*) from outbox where transition not in (select id from alert_transition)";
    assert_eq!(world.count(orphans).await, 0);
}

#[tokio::test]
async fn one_transaction_has_one_timestamp() {
    let mut world = World::new().await;
    world.now = day(9);
    world.arrive(history()).await;
    for query in [
        "select count(*) from event where received_at <> $1",
        "select count(*) from alert where recorded_at <> $1 or resolved_at <> $1",
        "select count(*) from alert_transition where at <> $1",
        "select count(*) from outbox where created_at <> $1",
        "select count(*) from gap where found_at <> $1",
        "select count(*) from unregistered_unit where first_at <> $1 or last_at <> $1",
    ] {
        let others: i64 = sqlx::query_scalar(query).bind(day(9).0).fetch_one(&mut world.reader().await).await.unwrap();
        assert_eq!(others, 0, "{query}");
    }
    assert!(world.count("select count(*) from outbox").await > 0);
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing_and_succeeds_when_it_is_given_again() {
    let mut whole = World::new().await;
    whole.now = day(9);
    whole.arrive(history()).await;
    let expected = whole.dump().await;

    let mut world = World::new().await;
    world.now = day(9);
    let before = world.dump().await;
    world
        .meddle(
            "create trigger refuse before insert on quarantine begin select raise(abort, 'no'); end; \
         create trigger refuse_told before insert on outbox begin select raise(abort, 'no'); end",
        )
        .await;
    let now = world.now;
    let batch: Vec<Arrival> = history().into_iter().map(|arrival| Arrival { received_at: now, ..arrival }).collect();
    for _ in 0..2 {
        world.pipeline().take(&batch, now).await.unwrap_err();
    }
    world.meddle("drop trigger refuse; drop trigger refuse_told").await;
    let rows = facts_without_live(world.dump().await);
    assert_eq!(rows, facts_without_live(before), "nothing of it is stored");
    world.pipeline().take(&batch, now).await.unwrap();
    assert_eq!(world.dump().await, expected);
}

/// When a unit was heard may run ahead of the store.
fn facts_without_live(dump: Vec<String>) -> Vec<String> {
    dump.into_iter().filter(|row| !row.starts_with("unit_live")).collect()
}

#[tokio::test]
async fn an_import_is_atomic_and_idempotent() {
    let mut world = World::new().await;
    let rows = vec![unit("lift-2"), unit("lift-3"), Unit { site: "site-9".to_owned(), ..unit(UNIT) }];
    world
        .meddle(
            "create trigger refuse before insert on unit when new.id = 'lift-3' begin select raise(abort, 'no'); end",
        )
        .await;
    let before = world.dump().await;
    let now = world.now;
    world.pipeline().act(&Action::ImportUnits(rows.clone()), now).await.unwrap_err();
    assert_eq!(world.dump().await, before, "none of it is taken");
    assert!(world.pipeline().fleet().get(&unit_id("lift-2")).is_none());
    world.meddle("drop trigger refuse").await;
    let report = Done::Imported(ImportReport { added: 2, changed: 1, unchanged: 0 });
    assert_eq!(world.register(rows.clone()).await, report);
    let after = world.dump().await;
    world.now = day(1);
    assert_eq!(world.register(rows).await, Done::Imported(ImportReport { added: 0, changed: 0, unchanged: 3 }));
    assert_eq!(world.dump().await, after);
}

#[tokio::test]
async fn an_alert_that_a_late_inspection_mode_withdraws_is_told() {
    let mut world = World::new().await;
    for days in 0..3 {
        world.tell(raised(CODE, day(days))).await;
    }
    world.tell(mode(Mode::Inspection, at(1, 23, 0, 0))).await;
    assert_eq!(world.told("repeated_fault").await, ["fired", "withdrawn"]);
}

#[tokio::test]
async fn nothing_new_needs_no_transaction() {
    let mut world = World::new().await;
    world.tell_state(State { mode: Some(Mode::Normal), ..State::at(day(0)) }).await;
    let before = world.dump().await;
    world.meddle("create trigger refuse before insert on unit_flags begin select raise(abort, 'no'); end").await;
    world.tell_state(State { mode: Some(Mode::Normal), ..State::at(day(0) + MINUTE) }).await;
    world.meddle("drop trigger refuse").await;
    let after = facts_without_live(world.dump().await);
    assert_eq!(after, facts_without_live(before));
}
