//! /metrics: names, help, types and labels are a contract; values come from the made-up city.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;

use liftwatch::domain::time::{HOUR, Timestamp};
use liftwatch::http::recent::Kept;
use liftwatch::store::read::Reader;

use crate::city::{City, NOW, city, database};

async fn scrape(city: &City) -> (String, String) {
    let url = format!("{}/metrics", city.address);
    tokio::task::spawn_blocking(move || {
        let mut response = ureq::get(&url).call().unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, response.body_mut().read_to_string().unwrap())
    })
    .await
    .unwrap()
}

/// The file sizes depend on the page cache of the day.
fn without_sizes(text: &str) -> String {
    let size = |line: &&str| line.starts_with("liftwatch_database_bytes ") || line.starts_with("liftwatch_wal_bytes ");
    let lines = text
        .lines()
        .map(|line| if size(&line) { format!("{} N", line.split(' ').next().unwrap()) } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn count_everything(city: &City) {
    let metrics = &city.metrics;
    metrics.message_received("event");
    metrics.rejected("bad_json");
    metrics.duplicates(1);
    metrics.conflict();
    metrics.gaps(3);
    metrics.event_stored(EventType::FaultRaised);
    metrics.incident(FaultCode::DoorClosing);
    metrics.batch(17);
    metrics.commit(Duration::from_millis(4));
    metrics.event_delay(-3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exposition_is_the_golden_one() {
    let city = city(0).await;
    count_everything(&city);
    let (kind, text) = scrape(&city).await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = without_sizes(&text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/metrics.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    let differs = text.lines().zip(golden.lines()).find(|(now, before)| now != before);
    let advice = "if the change is meant, run again with UPDATE_GOLDEN=1 and say so in the changelog";
    assert!(text == golden, "{advice}; first difference, now and golden: {differs:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_mend() {
    let city = city(0).await;
    count_everything(&city);
    let (_, text) = scrape(&city).await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is in Debian's package prometheus, which tests/run installs");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_alerts_beyond_the_cap_are_counted_and_not_shown() {
    let city = city(0).await;
    let (_, text) = scrape(&city).await;
    assert!(text.contains("liftwatch_alert_firing_truncated 0\n"));
    sqlx::raw_sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200) \
         insert into alert select 'b-' || i, 'over_age', '1', 'jj-' || i, 'warning', 1, 'firing', i, null, '[]', '[]', '', '', '', i, null, 0, null from n",
    )
    .execute(&city.writer)
    .await
    .unwrap();
    let (_, text) = scrape(&city).await;
    let series: Vec<&str> = text.lines().filter(|line| line.starts_with("liftwatch_alert_firing{")).collect();
    assert_eq!(series.len(), 1_000);
    assert!(series.iter().any(|line| line.contains("rule=\"entrapment\"")), "the worst come first");
    assert!(text.contains("liftwatch_alert_firing_truncated 207\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_30_days_serve_for_a_minute_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let writer = database(&dir).await;
    let reader = Reader::open(&dir.path().join("liftwatch.db")).await.unwrap();
    let kept = Kept::default();
    let units = async |now: Timestamp| {
        let figured = kept.figures(&reader, now, HOUR).await.unwrap();
        figured.recent.maintainers.iter().map(|firm| firm.figures.units).sum::<i64>()
    };
    assert_eq!(units(NOW).await, 0);
    let row = "insert into unit values ('a', '', '350582', 's', '', 'traction', '', '', null, '', 'f', null, null, null, null, 15, null, 0, null)";
    sqlx::raw_sql(row).execute(&writer).await.unwrap();
    assert_eq!(units(NOW + 59_999).await, 0);
    assert_eq!(units(NOW + 60_000).await, 1);
    sqlx::raw_sql("delete from unit").execute(&writer).await.unwrap();
    assert_eq!(units(NOW + 60_001).await, 1);
    // A clock that was set back does not keep them.
    assert_eq!(units(NOW).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_names_every_metric() {
    let city = city(0).await;
    count_everything(&city);
    let (_, text) = scrape(&city).await;
    let guide = include_str!("../../docs/METRICS.md");
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(guide.contains(&format!("`{name}`")), "docs/METRICS.md does not name {name}");
    }
}
