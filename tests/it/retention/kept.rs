//! What stays however old it is, and what goes with what.

use liftwatch::domain::event::{EventType, Mode};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::{Person, Visit, VisitKind};
use liftwatch::pipeline::action::Action;
use liftwatch::pipeline::answers::Answer;

use crate::world::{START, UNIT, World, at, cleared, day, event, mode, raised, unit, visit, visit_message};

const YEAR: i64 = 366;

async fn check(world: &World) {
    let audit = liftwatch::store::verify::verify(&world.file(), &[], &[]).await.unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.findings);
}

async fn events(world: &mut World) -> String {
    world.text("select coalesce(group_concat(type, ' '), '') from (select type from event order by at)").await
}

async fn visits(world: &mut World) -> String {
    world
        .text("select coalesce(group_concat(record_id, ' '), '') from (select record_id from visit order by record_id)")
        .await
}

/// The record reaches us when it ends.
async fn record(world: &mut World, told: Visit) {
    world.now = world.now.max(told.ended_at.unwrap());
    world.arrive(vec![visit_message(UNIT, told)]).await;
}

fn served(name: &str, on: i64) -> Visit {
    visit(name, VisitKind::Hm, at(on, 8, 0, 0), at(on, 9, 0, 0))
}

#[tokio::test]
async fn nothing_is_pruned_until_somebody_says_so() {
    let mut world = World::new().await;
    world.tell(raised(FaultCode::DoorClosing, day(1))).await;
    record(&mut world, served("r-1", 1)).await;
    record(&mut world, served("r-2", 2)).await;
    world.now = day(30 * YEAR);
    assert_eq!(world.prune().await, 0);
    assert_eq!(
        (world.count("select count(*) from event").await, world.count("select count(*) from visit").await),
        (1, 2)
    );
}

#[tokio::test]
async fn events_go_when_they_are_old_but_not_those_that_rules_know_however_old_they_are() {
    let mut world = World::new().await;
    for told in [
        mode(Mode::Normal, day(1)),
        raised(FaultCode::DoorClosing, day(2)),
        cleared(FaultCode::DoorClosing, day(2) + MINUTE),
        event(EventType::AlarmPressed, day(3)),
        event(EventType::MainsOff, day(4)),
        event(EventType::MainsOn, day(4) + HOUR),
        event(EventType::EntrapmentReported, day(5)),
        event(EventType::PassengerReleased, day(5) + HOUR),
        raised(FaultCode::OpenedWhileRunning, day(6)),
        cleared(FaultCode::OpenedWhileRunning, day(6) + HOUR),
        raised(FaultCode::DoorClosing, day(60)),
    ] {
        world.tell(told).await;
    }
    world.retain(None, Some(200));
    world.now = day(201);
    assert_eq!(
        world.prune().await,
        0,
        "the oldest that may go is of the second day, and 200 days are over with the next"
    );
    world.now = day(205);
    assert_eq!(world.prune().await, 3);
    let lasting = "mode_changed mains_off mains_on entrapment_reported passenger_released fault_raised fault_cleared";
    assert_eq!(events(&mut world).await, format!("{lasting} fault_raised"));
    let entry = "select json_extract(cast(leaf as text), '$.body.rows') || ' ' || json_extract(cast(leaf as text), '$.body.count') \
         || ' ' || json_extract(cast(leaf as text), '$.body.setting') from ledger_entry where kind = 'retention'";
    assert_eq!(world.text(entry).await, "event 3 events_days = 200");
    world.now = day(260);
    assert_eq!(world.prune().await, 1);
    check(&world).await;
}

/// A clock that was wrong, or a controller that kept an event for long: it is kept from its receipt on as well.
#[tokio::test]
async fn an_old_event_that_came_yesterday_is_kept_as_long_as_any_other() {
    let mut world = World::new().await;
    world.retain(None, Some(200));
    world.now = day(300);
    world.tell(raised(FaultCode::DoorClosing, day(1))).await;
    assert_eq!(world.prune().await, 0);
    world.now = day(500);
    assert_eq!(world.prune().await, 1);
}

#[tokio::test]
async fn what_a_kept_alert_rests_on_stays_with_it_and_goes_after_it() {
    let mut world = World::new().await;
    for n in 0..5 {
        world.tell(raised(FaultCode::DoorClosing, at(n, 1, 0, 0))).await;
    }
    world.pass_until(day(60)).await;
    world.pass_until(day(120)).await;
    world.all_is_told().await;
    assert_eq!(world.episodes("repeated_fault").await.len(), 1);
    // Three of them made it fire, and the watch needs a fourth.
    world.retain(None, Some(200));
    world.now = day(4 * YEAR);
    assert_eq!(world.prune().await, 1);
    assert_eq!(world.count("select count(*) from event").await, 4);
    assert_eq!(world.alerts("repeated_fault").await.len(), 1, "alerts are kept as long as no time is set for both");
    check(&world).await;
    world.retain(Some(4), Some(200));
    let answered = "select id from alert where rule = 'repeated_fault'";
    let alert = world.text(answered).await;
    let note =
        Answer { alert, kind: AnswerKind::Note, by: "Lin".to_owned(), note: "seen".to_owned(), expires_at: None };
    let now = world.now;
    world.pipeline().act(&Action::Answer(note), now).await.unwrap();
    world.tell(event(EventType::EntrapmentReported, day(4 * YEAR + 100))).await;
    world.tell(event(EventType::PassengerReleased, day(4 * YEAR + 101))).await;
    world.all_is_told().await;
    world.now = day(4 * YEAR + 130);
    // The watch's alert goes, and with it the one event that it alone rests on; the other one was spoken of lately.
    assert_eq!(world.prune().await, 2);
    assert_eq!(
        world.text("select group_concat(rule, ' ') from (select rule from alert order by rule)").await,
        "entrapment repeated_fault"
    );
    world.now = day(9 * YEAR);
    let left = world.prune().await;
    assert_eq!(
        (left, world.count("select count(*) from event").await),
        (0, 5),
        "the newest answer and transition stay"
    );
    check(&world).await;
}

#[tokio::test]
async fn of_visits_the_last_before_the_bound_stays_planned_and_on_demand() {
    let mut world = World::new().await;
    record(&mut world, served("a", 1)).await;
    for (name, on) in [("x", 3), ("y", 4)] {
        record(&mut world, Visit { kind: VisitKind::Fm, ..served(name, on) }).await;
    }
    for (name, on) in [("b", 15), ("c", 30)] {
        record(&mut world, served(name, on)).await;
    }
    world.retain(Some(4), None);
    world.now = day(4 * YEAR + 16);
    assert_eq!(world.prune().await, 2);
    assert_eq!(visits(&mut world).await, "b c y");
    let overdue = world.episodes("maintenance_overdue").await;
    world.now = day(10 * YEAR);
    assert_eq!(world.prune().await, 1);
    assert_eq!(visits(&mut world).await, "c y");
    assert_eq!(world.episodes("maintenance_overdue").await, overdue, "it is still the last visit that is late");
    check(&world).await;
}

#[tokio::test]
async fn a_chain_of_corrections_goes_as_a_whole_and_a_late_confirmation_holds_it() {
    let mut world = World::new().await;
    record(&mut world, served("a", 1)).await;
    record(&mut world, Visit { supersedes: Some("a".to_owned()), ..served("b", 1) }).await;
    record(&mut world, served("c", 14)).await;
    record(&mut world, served("d", 27)).await;
    world.now = day(400);
    record(&mut world, Visit { supersedes: Some("b".to_owned()), ..served("b2", 1) }).await;
    world.now = day(800);
    let id = world.text("select id from visit where record_id = 'c'").await;
    let confirm = Action::ConfirmVisit { visit: id, by: "Chen".to_owned(), note: String::new() };
    let now = world.now;
    world.pipeline().act(&confirm, now).await.unwrap();
    world.retain(Some(4), None);
    world.now = day(4 * YEAR + 100);
    assert_eq!(world.prune().await, 0, "b2 came on the 400th day, c was confirmed on the 800th, d is the last");
    world.now = day(4 * YEAR + 401);
    assert_eq!(world.prune().await, 3);
    assert_eq!(visits(&mut world).await, "c d");
    assert_eq!(world.count("select count(*) from visit_correction").await, 0);
    world.now = day(4 * YEAR + 801);
    assert_eq!(world.prune().await, 1);
    assert_eq!(world.count("select count(*) from visit_confirmation").await, 0);
    check(&world).await;
}

#[tokio::test]
async fn a_visit_in_which_something_lasting_happened_or_that_an_alert_names_stays() {
    let mut world = World::new().await;
    world.register(vec![liftwatch::domain::unit::Unit { site: "site-2".to_owned(), ..unit("lift-2") }]).await;
    // In its time a critical fault that does not count, because of the visit.
    world.now = at(1, 8, 30, 0);
    world.tell(raised(FaultCode::OpenedWhileRunning, at(1, 8, 30, 0))).await;
    record(&mut world, served("inside", 1)).await;
    record(&mut world, visit("short", VisitKind::Hm, at(14, 8, 0, 0), at(14, 8, 5, 0))).await;
    record(&mut world, served("plain", 27)).await;
    // One worker at two sites: each of both alerts names both visits.
    record(&mut world, served("here", 40)).await;
    world.arrive(vec![visit_message("lift-2", served("there", 40))]).await;
    record(&mut world, served("last", 53)).await;
    world.arrive(vec![visit_message("lift-2", served("last-2", 53))]).await;
    world.pass_until(day(200)).await;
    assert_eq!(world.alerts("worker_in_two_places").await.len(), 2);
    check(&world).await;
    let before = world.all_alerts().await;
    world.retain(Some(4), None);
    world.now = day(4 * YEAR + 200);
    assert_eq!(world.prune().await, 1);
    assert_eq!(visits(&mut world).await, "here inside last last-2 short there");
    let overdue = |alerts: Vec<crate::world::Seen>| {
        alerts.into_iter().filter(|alert| alert.rule != "maintenance_overdue").collect::<Vec<_>>()
    };
    assert_eq!(overdue(world.all_alerts().await), overdue(before));
    check(&world).await;
    // A late fact has the unit judged over all that lasts: the fault inside the visit still does not count.
    world.tell(mode(Mode::Normal, day(2))).await;
    assert_eq!(world.alerts("critical_fault").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_visit_its_people_and_workers_go_and_no_byte_of_a_name_stays() {
    let mut world = World::new().await;
    for n in 0..40 {
        let people = vec![Person {
            role: "recorder".to_owned(),
            name: Some(format!("Lin-{n:04}-Shifu")),
            phone: Some(format!("1390000{n:04}")),
        }];
        record(&mut world, Visit { people, ..served(&format!("r-{n:02}"), n) }).await;
    }
    world.retain(Some(4), None);
    world.now = day(4 * YEAR + 20);
    assert_eq!(world.prune().await, 20, "of the first 21 the last one stays");
    let bytes = [
        std::fs::read(world.file()).unwrap(),
        std::fs::read(world.file().with_extension("db-wal")).unwrap_or_default(),
    ]
    .concat();
    for n in 0..40 {
        for text in [format!("Lin-{n:04}-Shifu"), format!("1390000{n:04}")] {
            let there = bytes.windows(text.len()).any(|some| some == text.as_bytes());
            assert_eq!(there, n >= 20, "{text}");
        }
    }
    for table in ["visit", "visit_person", "(select distinct visit from visit_worker)"] {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut world.reader().await).await.unwrap();
        assert_eq!(rows, 20, "{table}");
    }
    check(&world).await;
}

/// What was told goes with the alerts that it told of, and what told of nothing in particular by its own age.
#[tokio::test]
async fn messages_go_when_nothing_is_left_of_what_they_told() {
    let mut world = World::new().await;
    for on in [0, 1, 2, 60, 61, 62, 3_000, 3_001, 3_002] {
        world.tell(raised(FaultCode::DoorClosing, at(on, 1, 0, 0))).await;
        // In time, so that what ends is recorded when it does.
        if [2, 62].contains(&on) {
            for later in [on + 40, on + 100] {
                let then = if on == 2 { day(50) } else { day(later) };
                world.pass_until(then).await;
            }
        }
    }
    world.pass_until(day(3_100)).await;
    let told = format!(
        "insert into notification select 'n-' || substr(id, 3), 'duty', 'alerts', 'g', recorded_at, '{{}}' from alert; \
         insert into notification_alert select 'n-' || substr(id, 3), id from alert; \
         insert into notification values ('n-{:012x}-0', 'duty', 'heartbeat', 'h', {}, '{{}}'); \
         insert into delivery (id, notification, receiver, sink, state, created_at, due_at, finished_at) \
         select 'd-' || substr(id, 3), id, 'duty', 'webhook-0', 'delivered', created_at, created_at, created_at from notification; \
         insert into attempt (delivery, at, duration_ms, outcome, detail) select id, created_at, 1, 'delivered', '' from delivery; \
         delete from outbox",
        day(5).0,
        day(5).0
    );
    let told: &'static str = Box::leak(told.into_boxed_str());
    world.meddle(told).await;
    let counted = "select (select count(*) from notification) || ' ' || (select count(*) from delivery) || ' ' || \
         (select count(*) from attempt) || ' ' || (select count(*) from notification_alert) || ' ' || (select count(*) from alert)";
    assert_eq!(world.text(counted).await, "5 5 5 4 4");
    world.retain(Some(4), Some(200));
    world.now = day(3_110);
    world.prune().await;
    let alerts = world.count("select count(*) from alert").await;
    assert_eq!(world.text(counted).await, format!("{alerts} {alerts} {alerts} {alerts} {alerts}"));
    assert!(world.all_alerts().await.iter().all(|alert| alert.starts > Timestamp(START.0 + 2_000 * DAY)));
    check(&world).await;
}

/// Nobody has set the clock, and it is thirty years ahead.
#[tokio::test]
async fn a_clock_that_no_unit_agrees_with_prunes_nothing() {
    let mut world = World::new().await;
    assert_eq!(world.pipeline().agreed(day(1)).await.unwrap(), Timestamp(0), "nobody has told anything");
    for n in 0..3 {
        world.tell(event(EventType::AlarmPressed, at(n, 1, 0, 0))).await;
    }
    world.retain(Some(4), Some(200));
    let ahead = day(30 * YEAR);
    let agreed = world.pipeline().agreed(ahead).await.unwrap();
    assert_eq!(agreed, at(2 + 31, 1, 0, 0));
    // A message with a doubted time agrees with nobody.
    world.now = day(4);
    world.arrive(vec![crate::world::event_message(UNIT, event(EventType::AlarmPressed, ahead))]).await;
    assert_eq!(world.pipeline().agreed(ahead).await.unwrap(), agreed);
    // Neither does a state with a doubted time, nor what a person tells us while our clock is wrong.
    world.now = ahead;
    world.tell_state(liftwatch::domain::event::State::at(Timestamp(0))).await;
    assert_eq!(world.pipeline().agreed(ahead).await.unwrap(), agreed);
    world.pipeline().sweep(ahead).await.unwrap();
    for _ in 0..10 {
        assert_eq!(world.pipeline().tidy(ahead, agreed).await.unwrap().pruned, []);
    }
    world.now = day(300);
    world.tell_state(liftwatch::domain::event::State::at(day(300))).await;
    assert_eq!(world.pipeline().agreed(day(301)).await.unwrap(), day(301));
    world.restart().await;
    assert!(world.prune().await >= 3);
}
