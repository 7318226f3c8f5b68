//! The ledger after leaves were pruned: proofs, packages and heads go on, what is gone says so, and what somebody takes
//! away without a word is found.

use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::DAY;
use liftwatch::domain::visit::VisitKind;
use liftwatch::ledger::checkpoint::Head;
use liftwatch::ledger::hash::Hash;
use liftwatch::ledger::proof::{check_consistency, check_inclusion};
use liftwatch::ledger::tree::Question;
use liftwatch::pipeline::action::Action;
use liftwatch::pipeline::answers::Answer;
use liftwatch::store::read::ReadError;
use liftwatch::store::read::ledger::{BundleError, Filter};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::ledger::chronicle::Chronicle;
use crate::ledger::package::{pack, verify};
use crate::world::{at, event_message, raised, visit, visit_message};

const UNIT: &str = "lift-2";
const YEARS: i64 = 8;

/// Eight years of a unit, signed each month: two visits and a fault a month, and three faults in a row each spring, of which
/// somebody says something.
async fn lived() -> Chronicle {
    let mut city = Chronicle::empty().await;
    for month in 0..YEARS * 12 {
        let on = month * 30;
        for (n, later) in [0, 15].into_iter().enumerate() {
            let day = on + later;
            let record = visit(&format!("r-{month}-{n}"), VisitKind::Hm, at(day, 8, 0, 0), at(day, 9, 0, 0));
            city.world.now = at(day, 9, 0, 0);
            city.world.arrive(vec![visit_message(UNIT, record)]).await;
        }
        for later in 16..if month % 12 == 2 { 20 } else { 17 } {
            city.world.now = at(on + later, 10, 0, 0);
            let event = raised(FaultCode::DoorClosing, city.world.now);
            city.world.arrive(vec![event_message(UNIT, event)]).await;
        }
        if month % 12 == 2 {
            let alert =
                city.world.text("select id from alert where rule = 'repeated_fault' order by recorded_at desc").await;
            let note = "seen".to_owned();
            let answer = Answer { alert, kind: AnswerKind::Note, by: "Lin".to_owned(), note, expires_at: None };
            let now = city.world.now;
            city.world.pipeline().act(&Action::Answer(answer), now).await.unwrap();
        }
        city.world.pass_until(at(on + 29, 0, 0, 0)).await;
        city.sign().await;
    }
    city.world.all_is_told().await;
    city
}

/// The same, and what is older than four years is pruned.
async fn pruned() -> Chronicle {
    let mut city = lived().await;
    city.world.retain(Some(4), Some(400));
    assert!(city.world.prune().await > 90);
    city.sign().await;
    city
}

async fn count(city: &mut Chronicle, kind: &str) -> (i64, i64) {
    let query = "select count(*) filter (where leaf is null), count(*) from ledger_entry where kind = $1";
    sqlx::query_as(query).bind(kind.to_owned()).fetch_one(&mut city.world.reader().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pruned_entries_keep_hash_and_place_and_everything_else_stays_provable() {
    let mut city = lived().await;
    let reader = city.reader().await;
    let before = reader.ledger_head(city.public.open(city.notes.last().unwrap()).unwrap().size).await.unwrap();
    city.world.retain(Some(4), Some(400));
    city.world.prune().await;
    city.sign().await;
    for (kind, least) in [("visit", 80), ("alert_transition", 5), ("answer", 3)] {
        let (gone, all) = count(&mut city, kind).await;
        assert!(gone >= least && gone < all, "{kind}: {gone} of {all}");
    }
    assert_eq!(count(&mut city, "heads").await.0, 0);
    // The head of before is a beginning of the head of now, each old checkpoint of both.
    let reader = city.reader().await;
    let heads: Vec<Head> = city.notes.iter().map(|note| city.public.open(note).unwrap()).collect();
    let now = *heads.last().unwrap();
    assert_eq!(reader.ledger_head(before.size).await.unwrap(), before);
    for head in heads.iter().step_by(7) {
        let path = reader.ask_tree(Question::Consistency { size: now.size, from: head.size }).await.unwrap();
        check_consistency(&path, *head, now).unwrap();
    }
    // Whoever has kept a leaf can still prove it: the hash is in the tree.
    let page = reader.listed(&Filter::default(), 1_000).await.unwrap();
    for listed in page.items {
        let path = reader.ask_tree(Question::Inclusion { size: now.size, index: listed.index }).await.unwrap();
        check_inclusion(&path, now, listed.index, listed.hash).unwrap();
        match reader.entry(listed.index).await {
            Ok(entry) => assert_eq!(listed.leaf, entry.map(|entry| entry.leaf)),
            Err(ReadError::Pruned { index, by }) => {
                assert_eq!((index, listed.leaf), (listed.index, None));
                let told = reader.entry(by).await.unwrap().unwrap();
                assert!(String::from_utf8(told.leaf).unwrap().contains("\"kind\":\"retention\""));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let (file, city) = city.into_file().await;
    let audit = city.audit(&file).await;
    assert!(audit.is_clean(), "{:#?}", audit.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_over_a_pruned_stretch_says_from_when_on_it_can_be_taken_and_from_then_on_it_is_whole() {
    let city = pruned().await;
    let reader = city.reader().await;
    let unit = UNIT.parse().unwrap();
    let stretch = reader.stretch(None, None).await.unwrap();
    let refused = reader.bundle_of(&unit, None, &stretch.to).await.unwrap_err();
    let told = refused.to_string();
    let BundleError::Pruned { since: Some(since), .. } = refused else { panic!("{told}") };
    assert!(told.contains("pruned by age") && told.contains(&since.to_string()), "{told}");
    let stretch = reader.stretch(Some(since), None).await.unwrap();
    let bundle = reader.bundle_of(&unit, stretch.from.as_ref(), &stretch.to).await.unwrap();
    let shown = verify(&pack(&bundle).unwrap(), &city).unwrap();
    assert!(shown.entries.len() > 90, "{}", shown.entries.len());
    // Of a stretch before it, how far the unit had come can still be shown: it is nothing that was pruned.
    let early = reader.stretch(Some(since), Some(since)).await.unwrap();
    let bundle = reader.bundle_of(&unit, early.from.as_ref(), &early.to).await.unwrap();
    assert!(verify(&pack(&bundle).unwrap(), &city).unwrap().entries.is_empty());
    let other = reader.bundle_of(&"lift-1".parse().unwrap(), None, &stretch.to).await.unwrap();
    verify(&pack(&other).unwrap(), &city).unwrap();
}

async fn open(file: &std::path::Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

/// The twin of pruning: the same by hand, without an entry that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_vanished_without_an_entry_is_found() {
    let (file, city) = lived().await.into_file().await;
    assert!(city.audit(&file).await.is_clean());
    let mut open = open(&file).await;
    let find = "select idx, ref, leaf from ledger_entry where kind = 'visit' order by idx limit 1";
    let (index, visit, leaf): (i64, String, Vec<u8>) = sqlx::query_as(find).fetch_one(&mut open).await.unwrap();
    let take = sqlx::query("update ledger_entry set leaf = null, hash = $2, ref = '' where idx = $1");
    take.bind(index).bind(Hash::of_leaf(&leaf).0.to_vec()).execute(&mut open).await.unwrap();
    for statement in ["delete from visit where id = $1", "delete from visit_worker where visit = $1"] {
        sqlx::query(statement).bind(&visit).execute(&mut open).await.unwrap();
    }
    open.close().await.unwrap();
    let found = city.audit(&file).await;
    assert_eq!(found.findings, [format!("entry {index}: its leaf is gone, and no entry says that it was pruned")]);
    let refused = city.reader().await.entry(index as u64).await.unwrap_err();
    assert!(refused.to_string().contains("run liftwatch verify"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_edits_of_a_pruned_ledger_are_found() {
    let (file, city) = pruned().await.into_file().await;
    let clean = city.audit(&file).await;
    assert!(clean.is_clean(), "{:#?}", clean.findings);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let mut random = fastrand::Rng::with_seed(77);
    let edits = [
        "delete from ledger_entry where idx = $1",
        "update ledger_entry set hash = zeroblob(32) where idx = $1",
        "update ledger_entry set hash = x'00' where idx = $1",
        "update ledger_entry set kind = iif(kind = 'visit', 'answer', 'visit') where idx = $1",
        "update ledger_entry set unit = 'lift-1' where idx = $1",
        "update ledger_entry set unit = 'no unit' where idx = $1",
        "update ledger_entry set number = number + 1 where idx = $1",
        "update ledger_entry set unit = null, number = null where idx = $1",
        "update ledger_entry set ref = 'v-1' where idx = $1",
        "update ledger_entry set leaf = '{}', hash = null where idx = $1",
        "update ledger_entry set leaf = (select leaf from ledger_entry where leaf is not null limit 1), hash = null where idx = $1",
        "delete from ledger_entry where kind = 'retention'",
        "update ledger_entry set leaf = cast(replace(cast(leaf as text), '[', '[[0,0],') as blob) where kind = 'retention' and $1",
    ];
    let find = "select idx from ledger_entry where leaf is null";
    let gone: Vec<i64> = sqlx::query_scalar(find).fetch_all(&mut open(&file).await).await.unwrap();
    for (number, edit) in edits.iter().cycle().take(52).enumerate() {
        std::fs::copy(&file, &copy).unwrap();
        let mut open = open(&copy).await;
        let index = gone[random.usize(..gone.len())];
        let done = sqlx::query(*edit).bind(index).execute(&mut open).await;
        open.close().await.unwrap();
        // What the engine itself refuses did not happen.
        if done.is_ok_and(|done| done.rows_affected() > 0) {
            let found = city.audit(&copy).await;
            assert!(!found.is_clean(), "edit {number} of entry {index} was not found: {edit}");
        }
    }
}

/// A day of trickle, and the years of a city that are pruned at once: the ledger says how much and by which setting.
#[tokio::test(flavor = "multi_thread")]
async fn each_pruning_is_entered_with_its_setting_and_its_bound() {
    let mut city = pruned().await;
    let told = "select group_concat(distinct json_extract(cast(leaf as text), '$.body.rows') || ': ' || \
         json_extract(cast(leaf as text), '$.body.setting')) from ledger_entry where kind = 'retention'";
    assert_eq!(city.world.text(told).await, "alert: visits_years = 4,event: events_days = 400,visit: visits_years = 4");
    let counted = "select sum(json_extract(cast(leaf as text), '$.body.count')) from ledger_entry where kind = 'retention' \
         and json_extract(cast(leaf as text), '$.body.rows') = 'visit'";
    let visits = city.world.count("select count(*) from visit").await;
    assert_eq!(city.world.count(counted).await + visits, YEARS * 24);
    let retentions = "select count(*) from ledger_entry where kind = 'retention'";
    let entries = city.world.count(retentions).await;
    city.world.now = city.world.now + DAY;
    assert_eq!(city.world.prune().await, 0);
    assert_eq!(city.world.count(retentions).await, entries, "nothing went, nothing is entered");
}
