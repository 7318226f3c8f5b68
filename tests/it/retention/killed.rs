//! The built daemon prunes what its configuration lets it, is killed in the middle, and leaves a file that verifies.

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::detect::Settings;
use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, Timestamp};
use liftwatch::domain::visit::VisitKind;
use serde_json::Value;

use crate::process::{Folder, run, text, until};
use crate::world::{World, event, event_message, raised, unit, visit, visit_message};

const NO_BROKER: &str = "mqtt://127.0.0.1:1";
const RETENTION: &str = "[retention]\nvisits_years = 4\nevents_days = 200\n";

/// Six years of a unit before now, in the file that the daemon will open.
async fn past(folder: &Folder) {
    let now = SystemClock::new().now();
    let begin = Timestamp(now.0 - 6 * 366 * DAY);
    let own = tempfile::tempdir().unwrap();
    let mut world = World::in_folder(own.path(), Settings::default(), begin).await;
    world.register(vec![unit("lift-1")]).await;
    for n in 0..6 * 24 {
        let at = begin + n * 15 * DAY;
        world.now = at + HOUR;
        let record = visit(&format!("r-{n}"), VisitKind::Hm, at, at + HOUR);
        world.arrive(vec![visit_message("lift-1", record)]).await;
        let mut told: Vec<_> =
            (0..20).map(|m| event_message("lift-1", event(EventType::AlarmPressed, at + m * HOUR))).collect();
        told.push(event_message("lift-1", raised(FaultCode::DoorClosing, at + HOUR)));
        world.now = at + DAY;
        world.arrive(told).await;
        world.pass_until(at + 2 * DAY).await;
    }
    world.close().await;
    std::fs::copy(world.file(), folder.path("city.db")).unwrap();
}

fn rows(folder: &Folder, table: &str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::ConnectOptions;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path("city.db")).read_only(true);
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(count).fetch_one(&mut options.connect().await.unwrap()).await.unwrap()
    })
}

#[test]
fn killed_in_the_middle_of_pruning_the_file_verifies_and_the_next_daemon_goes_on() {
    let folder = Folder::new(NO_BROKER, RETENTION);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(past(&folder));
    let config = folder.config();
    let good = || run(&["verify", "--config", text(&config)]).exits(0);
    good();
    let before = (rows(&folder, "event"), rows(&folder, "visit"));
    assert_eq!(before, (6 * 24 * 21, 6 * 24));
    let mut left = before;
    // In alerts, in events before and after some went, and in visits.
    for kill in [1, 3, 4, 5, 4] {
        let mut daemon = folder.spawn_with(&[("LIFTWATCH_TEST_CRASH", &format!("in_pruning:{kill}"))]);
        until("it dies in the middle", || daemon.child.try_wait().unwrap().is_some());
        good();
        let now = (rows(&folder, "event"), rows(&folder, "visit"));
        assert!(now.0 <= left.0 && now.1 <= left.1, "{now:?} after {left:?}");
        left = now;
    }
    assert!(left.0 < before.0, "some of it was committed before: {left:?}");
    let daemon = folder.serve();
    let metric = |series: &str| daemon.metric(series).unwrap_or(0.0);
    until("everything old is gone", || rows(&folder, "event") <= 15 * 21 && rows(&folder, "visit") <= 4 * 25);
    until("it is counted", || metric("liftwatch_pruned_rows_total{kind=\"visit\"}") > 0.0);
    let oldest = metric("liftwatch_oldest_row_timestamp_seconds{kind=\"visit\"}");
    let age = SystemClock::new().now().0 as f64 / 1_000.0 - oldest;
    assert!(age > 4.0 * 365.0 * 86_400.0 && age < 4.2 * 365.0 * 86_400.0, "{age}");
    let entries = daemon.items("/api/v1/ledger/entries?unit=lift-1");
    let gone = entries.iter().find(|entry| entry["leaf"] == Value::Null).expect("an entry without its leaf");
    for path in ["", "/proof"] {
        let (status, problem) = daemon.get(&format!("/api/v1/ledger/entries/{}{path}", gone["index"]));
        assert!(status == 410 && problem.contains("as entry "), "{status} {problem}");
    }
    assert_eq!(daemon.bytes("/ledger/tile/entries/000").0, 410);
    let page = daemon.get("/ledger?unit=lift-1&lang=en").1;
    assert!(page.contains("pruned by age"), "{page}");
    assert!(daemon.stop().success());
    good();
    let index = gone["index"].to_string();
    for leaf in [&["--leaf"][..], &[]] {
        let prove = [&["ledger", "prove", &index, "--config", text(&config)], leaf].concat();
        assert!(run(&prove).exits(1).err.contains("pruned by age"));
    }
}
