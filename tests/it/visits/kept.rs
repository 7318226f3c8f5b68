//! What is kept of a record: identity with and without the people named in it, corrections and their order, what is refused.

use liftwatch::decode::mapping::Reason;
use liftwatch::domain::id::UnitId;
use liftwatch::domain::visit::Erasure;
use liftwatch::pipeline::action::Action;
use liftwatch::store::Store;
use serde_json::json;

use super::{arrive, message, record, with};
use crate::world::{UNIT, World, day, unit};

const CORRECTIONS: &str = "select coalesce(group_concat(o.record_id || '<' || n.record_id, ' '), '') from \
     (select * from visit_correction order by correction) c join visit o on o.id = c.corrected join visit n on n.id = c.correction";

#[tokio::test]
async fn names_and_phones_stand_apart_from_the_record_which_commits_to_them() {
    let mut world = World::new().await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let body = world.text("select body from visit").await;
    assert!(!body.contains("林工") && !body.contains("13900000001"), "{body}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let commitment = told["people"]["recorder"].as_str().unwrap();
    assert_eq!((commitment.len(), told["next_due"].as_str()), (64, Some("2026-02-01")));
    assert_eq!(
        world.text("select role || ' ' || name || ' ' || phone || ' ' || length(salt) from named_person").await,
        "recorder 林工 13900000001 32"
    );
    // Whoever has the salt can compute it.
    let salt = world.text("select hex(salt) from named_person").await;
    let person = liftwatch::domain::visit::Person {
        role: "recorder".to_owned(),
        name: Some("林工".to_owned()),
        phone: Some("13900000001".to_owned()),
    };
    let salt: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&salt[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert_eq!(liftwatch::ledger::commitment::of_person(&person, &salt), commitment);
}

#[tokio::test]
async fn the_same_record_is_a_duplicate_and_another_name_or_phone_is_a_conflict() {
    let mut world = World::new().await;
    let first = record("r-1", day(1));
    assert_eq!(arrive(&mut world, &[first.clone(), first.clone()]).await.duplicates, 1, "within one batch");
    world.restart().await;
    assert_eq!(arrive(&mut world, std::slice::from_ref(&first)).await.duplicates, 1);
    for people in [
        json!({"recorder": {"name": "林工", "phone": "13900000002"}}),
        json!({"recorder": {"name": "林工"}}),
        json!({"recorder": {"name": "林工", "phone": "13900000001"}, "job_manager": {"name": "陈工"}}),
        json!({"job_manager": {"name": "林工", "phone": "13900000001"}}),
        json!(null),
    ] {
        let outcome = arrive(&mut world, &[with(&first, json!({"people": people}))]).await;
        assert_eq!(outcome.refused.first().map(|(reason, _)| *reason), Some(Reason::Conflict), "{people}");
    }
    assert_eq!(world.count("select count(*) from quarantine where reason = 'conflict'").await, 5);
    assert_eq!(world.count("select count(*) from visit").await, 1);
}

#[tokio::test]
async fn once_somebody_is_erased_the_rest_decides_what_is_the_same() {
    let mut world = World::new().await;
    let first = record("r-1", day(1));
    arrive(&mut world, std::slice::from_ref(&first)).await;
    let body = world.text("select body from visit").await;
    let id = world.text("select id from visit").await;
    let erasure = Erasure { by: "office".to_owned(), why: "request 17".to_owned() };
    let erase = Action::ErasePerson { visit: id, role: "recorder".to_owned(), erasure };
    world.pipeline().act(&erase, day(9)).await.unwrap();
    world.close().await;
    let audit = liftwatch::store::verify::verify(&world.file(), &[], &[]).await.unwrap();
    assert!(audit.is_clean() && audit.erased == 1, "every proof still holds: {audit:?}");
    world.restart().await;
    assert_eq!(world.text("select body from visit").await, body, "the record has not changed");
    let anybody = with(&first, json!({"people": {"recorder": {"name": "somebody"}}}));
    assert_eq!(arrive(&mut world, &[anybody]).await.duplicates, 1);
    assert_eq!(world.count("select count(*) from visit_person").await, 0, "a duplicate brings nobody back");
    let other = with(&first, json!({"problem_codes": ["S5"]}));
    assert_eq!(arrive(&mut world, &[other]).await.refused.len(), 1);
}

#[tokio::test]
async fn a_correction_is_joined_with_what_it_corrects_in_either_order() {
    for swapped in [false, true] {
        let mut world = World::new().await;
        let correction = with(&record("r-2", day(1)), json!({"supersedes": "r-1", "reason": "wrong day"}));
        let mut told = vec![record("r-1", day(1)), correction];
        if swapped {
            told.reverse();
        }
        for one in &told {
            arrive(&mut world, std::slice::from_ref(one)).await;
        }
        assert_eq!(world.text(CORRECTIONS).await, "r-1<r-2");
    }
}

#[tokio::test]
async fn records_that_correct_each_other_do_not_vanish_the_one_that_closes_the_circle_is_refused() {
    let chain = |name: &str, corrects: &str| with(&record(name, day(1)), json!({"supersedes": corrects}));
    for at_once in [false, true] {
        let mut world = World::new().await;
        let told = [chain("a", "b"), chain("b", "c"), chain("c", "a")];
        let mut refused = Vec::new();
        if at_once {
            refused = arrive(&mut world, &told).await.refused;
        } else {
            for one in told {
                refused.extend(arrive(&mut world, &[one]).await.refused);
            }
        }
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].1.contains("corrects this record in turn"), "{refused:?}");
        assert_eq!(world.text(CORRECTIONS).await, "b<a");
        assert_eq!(world.count("select count(*) from visit").await, 2);
        assert_eq!(world.count("select count(*) from quarantine where reason = 'conflict'").await, 1);
    }
}

#[tokio::test]
async fn a_correction_stays_with_its_unit_and_with_its_publisher() {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let moved = with(&record("r-2", day(1)), json!({"supersedes": "r-1"}));
    let outcome = world.arrive(vec![message("lift-2", &moved)]).await;
    assert!(outcome.refused[0].1.contains("a correction stays with its unit"), "{:?}", outcome.refused);
    let foreign = with(&record("r-3", day(1)), json!({"supersedes": "r-1", "supersedes_publisher": "maker-2"}));
    let outcome = arrive(&mut world, &[foreign]).await;
    assert!(outcome.refused[0].1.contains("its own records alone"), "{:?}", outcome.refused);
    assert_eq!(world.count("select count(*) from visit").await, 1);
    // What comes first for another unit cannot be told apart from a mistake: both stand.
    let early = with(&record("r-4", day(1)), json!({"supersedes": "r-5"}));
    world.arrive(vec![message("lift-2", &early)]).await;
    arrive(&mut world, &[record("r-5", day(1))]).await;
    assert_eq!(world.text(CORRECTIONS).await, "");
}

#[tokio::test]
async fn nobody_may_publish_under_the_name_of_what_people_record() {
    let mut world = World::new().await;
    world.register(vec![liftwatch::domain::unit::Unit { publisher: None, ..unit(UNIT) }]).await;
    let arrival = message(UNIT, &record("r-1", day(1)));
    let mut decoded = arrival.decoded.clone().unwrap();
    decoded.address.publisher = liftwatch::domain::id::PublisherId::new("people").unwrap();
    decoded.address.unit = UnitId::new(UNIT).unwrap();
    let outcome = world.arrive(vec![liftwatch::pipeline::message::Arrival { decoded: Ok(decoded), ..arrival }]).await;
    assert_eq!(outcome.refused[0].0, Reason::ForeignUnit);
}

#[tokio::test]
async fn a_chain_has_an_end() {
    let mut world = World::new().await;
    arrive(&mut world, &[record("r-0", day(1))]).await;
    let mut refused = Vec::new();
    for n in 1..=103 {
        let next = with(&record(&format!("r-{n}"), day(1)), json!({"supersedes": format!("r-{}", n - 1)}));
        refused.extend(arrive(&mut world, &[next]).await.refused);
    }
    assert!(!refused.is_empty() && refused[0].1.contains("write a new record"), "{refused:?}");
    assert!(world.count("select count(*) from visit").await >= 100);
}

#[tokio::test]
async fn a_file_of_the_schema_before_keeps_its_visits_and_breaks_their_circles() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("liftwatch.db");
    Store::open(&file).await.unwrap().close().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
    // Back to the schema before, with what it could hold.
    let before = "drop table visit; drop table visit_worker; drop table visit_correction; drop view named_person; \
         drop table visit_person; drop table person; \
         drop table visit_confirmation; delete from _sqlx_migrations where version = 3; \
         create table visit (id text primary key, unit text not null, publisher text not null, record_id text not null, \
         kind text not null, started_at integer not null, ended_at integer, supersedes text, body text not null, \
         ts integer not null, received_at integer not null, unique (publisher, record_id)) without rowid; \
         create index visit_unit on visit (unit, started_at); \
         create index visit_supersedes on visit (publisher, supersedes) where supersedes is not null; \
         insert into visit values \
         ('v-01', 'lift-1', 'p', 'a', 'HM', 1, 2, null, '{\"workers\":[\"w-1\",\"w-2\"]}', 1, 1), \
         ('v-02', 'lift-1', 'p', 'b', 'HM', 1, 2, 'a', '{\"workers\":[\"w-1\"]}', 1, 1), \
         ('v-03', 'lift-1', 'p', 'c', 'HM', 1, 2, 'd', 'not json', 1, 1), \
         ('v-04', 'lift-1', 'p', 'd', 'HM', 1, 2, 'c', '{}', 1, 1), \
         ('v-05', 'lift-2', 'p', 'e', 'HM', 1, 2, 'a', '{}', 1, 1), \
         ('v-06', 'lift-1', 'p', 'f', 'HM', 1, 2, 'f', '{}', 1, 1)";
    sqlx::raw_sql(before).execute(&mut raw).await.unwrap();
    sqlx::Connection::close(raw).await.unwrap();
    Store::open(&file).await.unwrap().close().await.unwrap();
    let mut raw = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let corrections: Vec<String> = sqlx::query_scalar("select corrected || '<' || correction from visit_correction")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    assert_eq!(corrections, ["v-01<v-02"], "circles, other units and itself correct nothing");
    let workers: Vec<String> = sqlx::query_scalar("select worker || ' ' || visit from visit_worker order by 1")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    assert_eq!(workers, ["w-1 v-01", "w-1 v-02", "w-2 v-01"]);
}

#[tokio::test]
async fn a_refusal_never_shows_a_name_or_a_phone() {
    let mut world = World::new().await;
    let told = "13900000009\u{7}";
    for people in [
        json!({"recorder": {"name": told}}),
        json!({"recorder": {"phone": told}}),
        json!({"recorder": {"shoe": told}}),
        json!({told: {"name": "x"}}),
    ] {
        let outcome = arrive(&mut world, &[with(&record("r-1", day(1)), json!({"people": people}))]).await;
        assert!(!outcome.refused[0].1.contains("13900000009"), "it is logged: {}", outcome.refused[0].1);
    }
}
