//! The file: who may open it, what is refused without a byte written, and what its schema promises to the queries.

use std::path::{Path, PathBuf};

use liftwatch::detect::history::LASTING;
use liftwatch::domain::fault::FaultCode;
use liftwatch::store::Store;
use liftwatch::store::error::{Remedy, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::world::{UNIT, World, day, raised, visit, visit_message};

/// A file that a daemon has worked with and closed, and its folder.
async fn closed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("liftwatch.db");
    Store::open(&file).await.unwrap().close().await.unwrap();
    (folder, file)
}

async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap()
}

async fn run(file: &Path, statements: &'static str) {
    let mut connection = connect(file).await;
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn refused(file: &Path) -> StoreError {
    match Store::open(file).await {
        Ok(_) => panic!("{} was opened", file.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_told_so_and_may_have_it_when_the_first_is_gone() {
    let (_folder, file) = closed().await;
    let first = Store::open(&file).await.unwrap();
    let error = refused(&file).await;
    assert!(matches!(error, StoreError::AlreadyRunning { .. }), "{error}");
    assert!(error.to_string().contains("in use by another liftwatch"), "{error}");
    drop(first);
    Store::open(&file).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("nowhere").join("liftwatch.db")).await;
    assert!(matches!(error, StoreError::Lock { .. }) && error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_and_not_touched() {
    let (_folder, file) = closed().await;
    run(
        &file,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'later', true, x'00', 0)",
    )
    .await;
    let before = std::fs::read(&file).unwrap();
    let error = refused(&file).await;
    assert!(matches!(error, StoreError::Newer { version: 9_999, .. }), "{error}");
    assert!(std::fs::read(&file).unwrap() == before, "it was written to");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.db");
    run(&file, "create table film (title text); insert into film values ('Speed')").await;
    let before = std::fs::read(&file).unwrap();
    let error = refused(&file).await;
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert!(std::fs::read(&file).unwrap() == before, "it was written to");
    assert!(!folder.path().join("other.db-wal").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    let text = "Lift 5 stuck again.\n".repeat(500);
    std::fs::write(&file, &text).unwrap();
    let error = refused(&file).await;
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// A file with rows in many tables, closed.
async fn with_rows(folder: &Path) -> PathBuf {
    let mut world = World::new().await;
    for days in 0..40 {
        world.tell(raised(FaultCode::DoorClosing, day(days))).await;
        let record = visit(&format!("r-{days}"), liftwatch::domain::visit::VisitKind::Hm, day(days), day(days));
        world.arrive(vec![visit_message(UNIT, record)]).await;
    }
    let file = folder.join("good.db");
    world.close().await;
    std::fs::copy(world.file(), &file).unwrap();
    file
}

#[tokio::test]
async fn random_bytes_over_any_page_are_damage_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(with_rows(folder.path()).await).unwrap();
    let mut random = fastrand::Rng::with_seed(2026);
    let pages = good.len() / 4_096;
    assert!(pages > 20, "only {pages} pages");
    for page in 0..pages {
        let mut bad = good.clone();
        // The first hundred bytes say what the file is; without them it is no database at all.
        let from = page * 4_096 + if page == 0 { 100 } else { 0 };
        random.fill(&mut bad[from..(page + 1) * 4_096]);
        let file = folder.path().join(format!("bad-{page}.db"));
        std::fs::write(&file, &bad).unwrap();
        let error = refused(&file).await;
        assert!(matches!(error, StoreError::Damaged { .. }), "page {page}: {error}");
        assert_eq!(error.remedy(), Remedy::Stop);
        assert!(error.to_string().contains("restore a backup"), "it says what to do: {error}");
        assert!(std::fs::read(&file).unwrap() == bad, "page {page}: it was written to");
        std::fs::remove_file(&file).unwrap();
    }
}

#[tokio::test]
async fn a_file_cut_short_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(with_rows(folder.path()).await).unwrap();
    let file = folder.path().join("short.db");
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    let error = refused(&file).await;
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

/// `BLESS=1 cargo test` writes the schema anew; read the difference before committing it.
#[tokio::test]
async fn the_schema_is_the_one_in_the_golden_file() {
    let (_folder, file) = closed().await;
    let query = "select sql || ';' from sqlite_schema where sql is not null and name <> '_sqlx_migrations' \
         order by type desc, name";
    let statements: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connect(&file).await).await.unwrap();
    let schema = statements.join("\n\n") + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schema.sql");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &schema).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(expected == schema, "the schema is not that of {}:\n{schema}", golden.display());
}

#[tokio::test]
async fn a_commit_is_on_disk_when_it_returns() {
    let (_folder, file) = closed().await;
    let mut store = Store::open(&file).await.unwrap();
    let (journal, synchronous) = store.durability().await.unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2), "a write-ahead log, and full synchronisation");
}

/// A source file's text with the line breaks of its string literals taken out.
fn source(path: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    words(&text.lines().map(|line| line.trim().trim_end_matches('\\')).collect::<Vec<_>>().join(" "))
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} after {from:?}")).0
}

#[tokio::test]
async fn the_lasting_events_of_index_query_and_rule_are_the_same() {
    let schema = source("src/store/migrations/0001_main_route.sql");
    let index = between(&schema, "create index event_lasting on event (unit, at) where ", ";");
    let history = source("src/store/history.rs");
    let query = between(&history, "on e.unit = j.value ->> 0 where (", ") and not (");
    assert_eq!(query.replace("e.type", "type").replace("e.code", "code"), index);
    let codes: Vec<&str> = LASTING.iter().map(|code| code.as_str()).collect();
    assert!(index.ends_with(&format!("code in ('{}')", codes.join("', '"))), "{index}");
}

#[tokio::test]
async fn the_history_query_reads_by_its_two_indexes() {
    let (_folder, file) = closed().await;
    let history = source("src/store/history.rs");
    let stretches = source("src/store/stretch.rs");
    let (head, tail) =
        (between(&stretches, "concat!( \"", "\", $since"), between(&stretches, "$since, \"", "\", $query"));
    let query = between(&history, "const EVENTS: &str = with_stretches!( \"$2\", \"", "\" );");
    let query = format!("explain query plan {head}$2{tail}{query}");
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(query)).bind("[]").bind(0).fetch_all(&mut connect(&file).await).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    let uses = |index: &str| plan.iter().any(|step| step.starts_with("SEARCH e USING") && step.contains(index));
    assert!(uses("event_unit (<expr>=? AND unit=? AND at>?)"), "{plan:#?}");
    assert!(uses("event_lasting (unit=?)"), "{plan:#?}");
    assert!(!plan.iter().any(|step| step.starts_with("SCAN e")), "{plan:#?}");
}

#[tokio::test]
async fn a_units_visits_are_found_by_index_however_many_there_are() {
    let (_folder, file) = closed().await;
    let history = source("src/store/history.rs");
    for (name, tables) in [("VISITS", ["v", "x", "e"]), ("ELSEWHERE", ["n", "x", "o"]), ("SILENCES", ["a", "a", "a"])] {
        let query = format!("explain query plan {}", between(&history, &format!("const {name}: &str = \""), "\";"));
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(query)).bind("[]").fetch_all(&mut connect(&file).await).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        for table in tables {
            assert!(plan.iter().any(|step| step.starts_with(&format!("SEARCH {table} "))), "{name} {table}: {plan:#?}");
            assert!(
                !plan
                    .iter()
                    .any(|step| step.starts_with(&format!("SCAN {table} ")) || step == &format!("SCAN {table}")),
                "{name}: {plan:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_scrape_looks_for_alerts_once_and_not_once_for_each_unit() {
    let (_folder, file) = closed().await;
    let gauges = source("src/store/read/gauges.rs");
    let query = format!("explain query plan {}", between(&gauges, "const REGIONS: &str = \"", "\";"));
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(query)).bind(0).bind("").fetch_all(&mut connect(&file).await).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert!(plan.iter().any(|step| step.starts_with("LIST SUBQUERY")), "{plan:#?}");
    assert!(!plan.iter().any(|step| step.contains("CORRELATED")), "{plan:#?}");
}

#[tokio::test]
async fn sqlite_is_compiled_without_locks_that_all_connections_share() {
    let (_folder, file) = closed().await;
    let options: Vec<String> =
        sqlx::query_scalar("pragma compile_options").fetch_all(&mut connect(&file).await).await.unwrap();
    for option in ["DEFAULT_MEMSTATUS=0", "DISABLE_PAGECACHE_OVERFLOW_STATS"] {
        assert!(options.contains(&option.to_owned()), "{options:#?}: see .cargo/config.toml");
    }
    assert!(!options.contains(&"ENABLE_MEMORY_MANAGEMENT".to_owned()), "{options:#?}");
}
