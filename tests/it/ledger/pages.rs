//! A file of many pages of visits: whatever is changed is found where it is, at the edges of a page too, and named.

use std::path::{Path, PathBuf};

use liftwatch::checklists::Checklists;
use liftwatch::cli::years::{self, Wanted};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::domain::visit::Erasure;
use liftwatch::simulate::city::{CitySettings, build};
use liftwatch::simulate::maintenance::YearsSettings;
use liftwatch::store::Store;
use liftwatch::store::people::Whereabouts;
use liftwatch::store::verify;
use liftwatch::store::verify::report::Report;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// 2026-11-24T00:00:00Z.
const END: Timestamp = Timestamp(1_795_478_400_000);

struct File {
    folder: tempfile::TempDir,
}

impl File {
    async fn written() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let region = RegionCode::new("350582").unwrap();
        let today = jiff::civil::date(2026, 11, 24);
        let city = build(&CitySettings { units: 12, seed: 1, region, today }).unwrap();
        let checklists = Checklists::default();
        let settings = YearsSettings { seed: 1, end: END, days: 365 };
        let wanted = Wanted { city: &city, checklists: &checklists, settings, key: None };
        let written = years::write(&folder.path().join("whole.db"), &wanted, |_| {}).await.unwrap();
        assert!(written.visits > 256 && written.confirmations > 192, "several pages: {written:?}");
        Self { folder }
    }

    /// A copy in which these statements were run.
    async fn edited(&self, statements: &[&str]) -> PathBuf {
        let copy = self.folder.path().join("copy.db");
        for end in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{end}", copy.display())));
        }
        std::fs::copy(self.folder.path().join("whole.db"), &copy).unwrap();
        let mut open = open(&copy).await;
        for statement in statements {
            let done = sqlx::query(AssertSqlSafe((*statement).to_owned())).execute(&mut open).await;
            assert!(done.unwrap().rows_affected() > 0, "{statement}");
        }
        open.close().await.unwrap();
        copy
    }

    async fn audit(&self, statements: &[&str]) -> Report {
        verify::verify(&self.edited(statements).await, &[], &[]).await.unwrap()
    }

    async fn ask(&self, question: &str) -> String {
        let mut open = open(&self.folder.path().join("whole.db")).await;
        let answer = sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&mut open).await.unwrap();
        open.close().await.unwrap();
        answer
    }
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

#[tokio::test]
async fn a_visit_is_found_wherever_it_stands_in_its_page() {
    let file = File::written().await;
    assert!(file.audit(&[]).await.is_clean());
    let last: usize = file.ask("select cast(count(*) - 1 as text) from visit").await.parse().unwrap();
    for place in [0, 1, 62, 63, 64, 65, 127, 128, last] {
        let one = format!("(select id from visit order by rowid limit 1 offset {place})");
        let id = file.ask(&format!("select {one}")).await;
        // The same to whoever parses it, and not the text that was recorded.
        let respelt = format!("update visit set body = replace(body, '\"items\":', '\"items\": ') where id = {one}");
        let found = file.audit(&[&respelt]).await.findings;
        assert_eq!(found, [format!("visit {id}: it is not what was recorded, in record_sha256")], "{place}");
        let firm = format!("update visit set maintainer = 'another' where id = {one}");
        let found = file.audit(&[&firm]).await.findings;
        assert!(found.contains(&format!("visit {id}: it is not what was recorded, in unit")), "{place}: {found:#?}");
        let deleted = format!("delete from visit where id = {one}");
        let found = file.audit(&[&deleted]).await.findings;
        assert!(
            found.iter().any(|found| found.ends_with("the visit that it records is not there any more")),
            "{place}"
        );
    }
}

#[tokio::test]
async fn a_confirmation_is_found_wherever_it_stands_in_its_page() {
    let file = File::written().await;
    for place in [0, 63, 64, 128] {
        let one = format!("(select visit from visit_confirmation order by visit limit 1 offset {place})");
        let id = file.ask(&format!("select {one}")).await;
        let later = format!("update visit_confirmation set at = at + 1 where visit = {one}");
        let found = file.audit(&[&later]).await.findings;
        assert_eq!(found, [format!("confirmation of visit {id}: it is not what was recorded, in time")], "{place}");
        let person = format!("(select person from visit_person where visit = {one} and role = 'confirmed_by')");
        let other = r#"cast(replace(cast(told as text), '"name":"', '"name":"Other ') as blob)"#;
        let wiped = format!("update person set told = zeroblob(length(told)) where id = {person}");
        for edit in [&format!("update person set told = {other} where id = {person}"), &wiped] {
            let found = file.audit(&[edit]).await.findings;
            assert_eq!(found, [format!("visit {id}: its confirmed_by is not who was recorded")], "{place}");
        }
        let gone = format!("delete from visit_person where visit = {one}");
        let found = file.audit(&[&wiped, &gone]).await.findings;
        let expected = format!("visit {id}: its confirmed_by is gone, and no entry says that somebody erased it");
        assert_eq!(found, [expected], "{place}");
        let unconfirmed = format!("delete from visit_confirmation where visit = {one}");
        let found = file.audit(&[&unconfirmed]).await.findings;
        assert!(found.contains(&format!("visit {id}: its confirmed_by is not who was recorded")), "{found:#?}");
    }
}

#[tokio::test]
async fn entries_are_found_wherever_they_stand_in_their_page() {
    let file = File::written().await;
    for index in [0, 1, 63, 64, 255, 256, 300] {
        let missing = format!("delete from ledger_entry where idx = {index}");
        let found = file.audit(&[&missing]).await.findings;
        assert!(found.contains(&format!("entry {index} is missing; the next one is {}", index + 1)), "{found:#?}");
        let text = format!("update ledger_entry set leaf = cast(leaf as text) where idx = {index}");
        assert!(file.audit(&[&text]).await.is_clean(), "the bytes are those that were hashed");
        let kind = format!("update ledger_entry set kind = kind || char(31) where idx = {index}");
        let found = file.audit(&[&kind]).await.findings;
        assert!(found.contains(&format!("entry {index}: its columns do not say what its leaf says")), "{found:#?}");
        let edited =
            format!("update ledger_entry set leaf = cast(cast(leaf as text) || ' ' as blob) where idx = {index}");
        let found = file.audit(&[&edited]).await.findings;
        let expected = format!("entry {index}: the leaf is not in the canonical form of RFC 8785");
        assert!(found.contains(&expected) && found.iter().any(|found| found.starts_with("tile ")), "{found:#?}");
        let typed = format!("update ledger_entry set kind = cast(kind as blob) where idx = {index}");
        assert!(!file.audit(&[&typed]).await.is_clean(), "{index}: of another type");
    }
    let before_all = "insert into ledger_entry (idx, kind, ref, leaf) values (-7, 'config', '', x'7b7d')";
    let found = file.audit(&[before_all]).await.findings;
    assert!(found.contains(&"entry 0 is missing; the next one is -7".to_owned()), "{found:#?}");
    let far = "insert into ledger_entry (idx, kind, ref, leaf) values (100000, 'config', '', x'7b7d')";
    assert!(file.audit(&[far]).await.findings.iter().any(|found| found.ends_with("the next one is 100000")));
}

#[tokio::test]
async fn a_visit_that_nobody_recorded_is_found_below_above_and_between_all_others() {
    let file = File::written().await;
    let columns = "unit, publisher, kind, started_at, ended_at, body, ts, received_at, region, site, owner, maintainer";
    for place in ["-9223372036854775808", "-1", "9223372036854775807"] {
        let forged = format!(
            "insert into visit (rowid, id, record_id, {columns}) select {place}, 'v-forged', 'forged', {columns} \
             from visit limit 1"
        );
        let found = file.audit(&[&forged]).await.findings;
        assert!(found.contains(&"visit v-forged: no entry records it".to_owned()), "{place}: {found:#?}");
    }
    let moved = "update visit set rowid = -40 where id = (select id from visit order by rowid limit 1 offset 70)";
    assert!(file.audit(&[moved]).await.is_clean(), "where a row stands in the table says nothing");
}

#[tokio::test]
async fn lists_of_workers_are_held_by_their_sum_and_searched_when_it_differs() {
    let file = File::written().await;
    let one = "(worker, visit) = (select worker, visit from visit_worker order by worker, visit limit 1 offset 70)";
    let id = file.ask(&format!("select visit from visit_worker where {one}")).await;
    let other = "(select id from visit order by id desc limit 1)";
    for edit in [
        format!("delete from visit_worker where {one}"),
        format!("update visit_worker set kind = 'XX' where {one}"),
        format!("update visit_worker set maintainer = 'another' where {one}"),
        format!("update visit_worker set worker = cast(worker as blob) where {one}"),
        format!("update visit_worker set kind = kind || char(30) || worker where {one}"),
    ] {
        let found = file.audit(&[&edit]).await.findings;
        let named = format!("visit {id}: the list of worker ");
        assert!(found.iter().any(|found| found.starts_with(&named)), "{edit}: {found:#?}");
    }
    let added = format!("insert into visit_worker select 'w-new', id, maintainer, kind from visit where id = {other}");
    let found = file.audit(&[&added]).await.findings;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("the list of worker w-new's visits does not fit it"), "{found:#?}");
    // Two rows traded for one that has the separators of both in it.
    let merged = "update visit_worker as w set kind = kind || char(30) || (select n.worker || char(31) || n.visit || \
         char(31) || n.maintainer || char(31) || n.kind from visit_worker n where (n.worker, n.visit) > (w.worker, w.visit) \
         order by n.worker, n.visit limit 1) where (worker, visit) = (select min(worker), min(visit) from visit_worker \
         where worker = (select min(worker) from visit_worker))";
    let dropped = "delete from visit_worker where (worker, visit) = (select worker, visit from visit_worker \
         order by worker, visit limit 1 offset 1)";
    assert!(!file.audit(&[merged, dropped]).await.is_clean());
}

#[tokio::test]
async fn who_was_erased_is_counted_and_nobody_is_missed() {
    let file = File::written().await;
    let copy = file.edited(&[]).await;
    let visit = file.ask("select visit from visit_confirmation order by visit limit 1 offset 70").await;
    let mut store = Store::open(&copy).await.unwrap();
    let mut change = store.begin().await.unwrap();
    let Whereabouts::Here(person) = change.person(&visit, "confirmed_by").await.unwrap() else { panic!("{visit}") };
    let erasure = Erasure { by: "office".to_owned(), why: "request 17".to_owned() };
    change.erase_person(&visit, &person, &erasure, END).await.unwrap();
    change.commit().await.unwrap();
    store.close().await.unwrap();
    let report = verify::verify(&copy, &[], &[]).await.unwrap();
    assert_eq!((report.erased, report.findings), (1, Vec::new()));
}
