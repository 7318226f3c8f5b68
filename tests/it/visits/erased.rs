//! Erasing a person: from every place that holds the name, in the file's own bytes, with every proof left as it was.

use std::path::Path;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::Erasure;
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::erasing::Erased;
use liftwatch::store::backup::backup;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{arrive, message, record, with};
use crate::process::{Folder, run, text};
use crate::world::{START, UNIT, World, day, unit};

/// Which of these texts stand in a file, or in what SQLite keeps beside it.
fn found<'t>(file: &Path, texts: &'t [String]) -> Vec<&'t String> {
    let mut bytes = std::fs::read(file).unwrap();
    let log = file.with_extension("db-wal");
    bytes.extend(std::fs::read(log).unwrap_or_default());
    texts.iter().filter(|text| bytes.windows(text.len()).any(|some| some == text.as_bytes())).collect()
}

async fn erase(world: &mut World, visit: &str, role: &str, why: &str) -> Erased {
    let erasure = Erasure { by: "data protection office".to_owned(), why: why.to_owned() };
    let action = Action::ErasePerson { visit: visit.to_owned(), role: role.to_owned(), erasure };
    let now = world.now;
    match world.pipeline().act(&action, now).await.unwrap().0 {
        Done::Erased(erased) => erased,
        other => panic!("{other:?}"),
    }
}

async fn clean(world: &World) -> u64 {
    let audit = liftwatch::store::verify::verify(&world.file(), &[], &[]).await.unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.findings);
    audit.erased
}

/// A name and a phone that nobody else has.
fn somebody(number: usize) -> (String, String) {
    (format!("Lin-{number:06}-Shifu"), format!("139{number:08}"))
}

/// SQLite moves rows from page to page as a table grows, and leaves what it moved where it was. So few names in one page show
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_people_the_erased_ones_are_in_no_byte_of_the_file_its_log_or_a_backup() {
    let mut world = World::new().await;
    let mut random = fastrand::Rng::with_seed(5);
    let mut names: Vec<usize> = (0..2_000).collect();
    random.shuffle(&mut names);
    for batch in names.chunks(7) {
        let told: Vec<Value> = batch
            .iter()
            .map(|number| {
                let (name, phone) = somebody(*number);
                let from = Timestamp(START.0 + i64::try_from(*number).unwrap() * MINUTE);
                let people = json!({"people": {"recorder": {"name": name, "phone": phone}}});
                with(&record(&format!("r-{number}"), from), people)
            })
            .collect();
        arrive(&mut world, &told).await;
    }
    let gone: Vec<usize> = names.into_iter().take(200).collect();
    let texts: Vec<String> = gone.iter().flat_map(|number| <[String; 2]>::from(somebody(*number))).collect();
    assert_eq!(found(&world.file(), &texts).len(), texts.len(), "they are there before");
    let find = "select id from visit where record_id = $1";
    for number in &gone {
        let find = sqlx::query_scalar(find).bind(format!("r-{number}"));
        let visit: String = find.fetch_one(&mut world.reader().await).await.unwrap();
        assert_eq!(erase(&mut world, &visit, "recorder", "request 17 of 2026").await, Erased::Done);
    }
    assert!(found(&world.file(), &texts).is_empty(), "{:?}", found(&world.file(), &texts));
    assert_eq!(clean(&world).await, 200);
    let copy = world.file().with_file_name("copy.db");
    backup(&world.file(), &copy).await.unwrap();
    assert!(found(&copy, &texts).is_empty());
    let (kept, _) = somebody((0..2_000).find(|number| !gone.contains(number)).unwrap());
    assert_eq!(found(&copy, std::slice::from_ref(&kept)).len(), 1, "the others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_again_changes_nothing_and_who_is_not_there_is_not_erased() {
    let mut world = World::new().await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let visit = world.text("select id from visit").await;
    let confirm = Action::ConfirmVisit { visit: visit.clone(), by: "Chen Wei".to_owned(), note: "seen".to_owned() };
    let now = world.now;
    world.pipeline().act(&confirm, now).await.unwrap();
    let size = "select count(*) from ledger_entry";
    let before = world.count(size).await;
    assert_eq!(erase(&mut world, "v-none", "recorder", "x").await, Erased::UnknownVisit);
    assert_eq!(erase(&mut world, &visit, "job_manager", "x").await, Erased::Unnamed);
    for telling in ["林工 asked for it", "of 13900000001"] {
        assert_eq!(erase(&mut world, &visit, "recorder", telling).await, Erased::Named);
    }
    assert_eq!(world.count(size).await, before);
    for _ in 0..2 {
        assert_eq!(erase(&mut world, &visit, "recorder", "request 17 of 2026").await, Erased::Done);
        assert_eq!(world.count(size).await, before + 1, "one entry, however often it is asked");
    }
    let entry = world.text("select cast(leaf as text) from ledger_entry order by idx desc limit 1").await;
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let told = json!({"role": "recorder", "by": "data protection office", "why": "request 17 of 2026"});
    assert_eq!((&entry["kind"], &entry["body"], &entry["ref"]), (&json!("erasure"), &told, &json!(visit)));
    assert_eq!(erase(&mut world, &visit, "confirmed_by", "x").await, Erased::Done);
    assert!(found(&world.file(), &["Chen Wei".to_owned(), "13900000001".to_owned()]).is_empty());
    assert_eq!(clean(&world).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_messages_that_name_the_person_are_blanked_and_others_are_not() {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    let first = record("r-1", day(1));
    arrive(&mut world, std::slice::from_ref(&first)).await;
    // The same name in another record, spelt by JSON's escapes, and one that names somebody else.
    arrive(&mut world, &[with(&first, json!({"problem_codes": ["S5"]}))]).await;
    let other = json!({"people": {"recorder": {"name": "Wu", "phone": "13700000007"}}});
    arrive(&mut world, &[with(&first, other)]).await;
    let mut escaped =
        message(UNIT, &with(&first, json!({"problem_codes": ["S6"], "people": {"recorder": {"name": "林工"}}})));
    escaped.payload = String::from_utf8(escaped.payload).unwrap().replace("林工", "\\u6797\\u5de5").into_bytes();
    world.arrive(vec![escaped]).await;
    assert_eq!(world.count("select count(*) from quarantine where reason = 'conflict'").await, 3);
    let visit = world.text("select id from visit").await;
    assert_eq!(erase(&mut world, &visit, "recorder", "x").await, Erased::Done);
    let texts = ["林工", "13900000001", "\\u6797\\u5de5"].map(str::to_owned);
    assert!(found(&world.file(), &texts).is_empty(), "{:?}", found(&world.file(), &texts));
    let kept = "select group_concat(length(trim(cast(payload as text))) > 0, ' ') from quarantine order by id";
    assert_eq!(world.text(kept).await, "0 1 0");
    assert_eq!(found(&world.file(), &["13700000007".to_owned()]).len(), 1);
}

/// The log cannot be emptied under somebody who reads an older state; nobody waits for them, and it is done after them.
#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_reads_an_older_state_the_log_keeps_the_name_and_no_longer() {
    let mut world = World::new().await;
    arrive(&mut world, &[record("r-1", day(1))]).await;
    let visit = world.text("select id from visit").await;
    let name = ["13900000001".to_owned()];
    let mut reader = world.reader().await;
    let mut reading = reader.begin().await.unwrap();
    let _: i64 = sqlx::query_scalar("select count(*) from visit").fetch_one(&mut *reading).await.unwrap();
    assert_eq!(erase(&mut world, &visit, "recorder", "x").await, Erased::Done);
    let clock = SystemClock::new();
    let begin = clock.monotonic();
    world.pass_until(day(10)).await;
    assert!(clock.monotonic() - begin < std::time::Duration::from_secs(5), "the writer waits for no reader");
    assert_eq!(found(&world.file(), &name).len(), 1, "the reader holds it");
    reading.rollback().await.unwrap();
    world.pass_until(day(10) + HOUR).await;
    assert!(found(&world.file(), &name).is_empty());
}

#[test]
fn the_command_erases_beside_the_running_daemon_and_without_it_and_no_page_shows_the_name() {
    let folder = Folder::new("mqtt://127.0.0.1:1", "");
    folder.import("u-1,350582,traction,maker-a,site,owner-a,firm-a\n").exits(0);
    let daemon = folder.serve();
    let record = r#"{"record_id":"r-1","kind":"HM","started_at":"2026-11-20T04:00:00Z","workers":["w-1"],"people":{"recorder":{"name":"Lin Yi","phone":"13900000001"},"job_manager":{"name":"Chen Er"}}}"#;
    let (status, made) = daemon.post("/api/v1/units/u-1/visits", "application/json", record.as_bytes());
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, config) = (made["id"].as_str().unwrap(), folder.config());
    let erase = |role: &str, why: &str| {
        run(&["erase", "--visit", id, "--role", role, "--by", "office", "--why", why, "--config", text(&config)])
    };
    assert!(daemon.get(&format!("/api/v1/visits/{id}")).1.contains("Lin Yi"));
    for _ in 0..2 {
        assert_eq!(erase("recorder", "request 17").exits(0).out, "erased\n");
    }
    assert!(erase("emergency", "x").exits(1).err.contains("names nobody"));
    assert!(erase("job_manager", "Chen Er wants it").exits(1).err.contains("names the person"));
    let path = format!("/api/v1/visits/{id}");
    let (_, shown) = daemon.get(&path);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["people"]["recorder"], json!({"erased": true, "withheld": false, "name": null, "phone": null}));
    let quarantine = "/api/v1/quarantine/export";
    for path in [path.as_str(), &format!("/visits/{id}?lang=en"), "/ledger", "/api/v1/ledger/entries", quarantine] {
        let (status, body) = daemon.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("Lin Yi") && !body.contains("13900000001"), "{path}: {body}");
    }
    for (path, status) in [("v-none/people/recorder", 404), (&format!("{id}/people/emergency"), 404)] {
        let body = br#"{"by":"office","why":"x"}"#;
        let answer = daemon.post(&format!("/api/v1/visits/{path}/erase"), "application/json", body);
        assert_eq!(answer.0, status, "{answer:?}");
    }
    let (status, _) = daemon.post(&format!("/api/v1/visits/{id}/people/recorder/erase"), "application/json", b"{}");
    assert_eq!(status, 400, "who and why are needed");
    let texts = ["Lin Yi".to_owned(), "13900000001".to_owned()];
    assert!(found(&folder.path("city.db"), &texts).is_empty());
    assert!(daemon.stop().success());
    assert_eq!(erase("job_manager", "request 18").exits(0).out, "erased\n");
    let texts = [&texts[..], &["Chen Er".to_owned()]].concat();
    assert!(found(&folder.path("city.db"), &texts).is_empty());
    let good = run(&["verify", "--config", text(&config)]).exits(0).out;
    assert!(good.contains("2 names were erased"), "{good}");
    let missing = ["erase", "--visit", "v-none", "--role", "x", "--by", "o", "--why", "x", "--config", text(&config)];
    assert!(run(&missing).exits(1).err.contains("no visit"));
}
