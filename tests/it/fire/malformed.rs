//! 100,000 messages that nobody can read, 20 kB and 1 MB among them, between good ones: ingest goes on, every good one is
//! stored, every bad one is counted, and neither memory nor the quarantine grows without bound.

use std::sync::Arc;
use std::time::Duration;

use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use tokio::runtime::Runtime;

use super::load::{Load, Plan};
use super::town::{Town, turn};
use crate::mosquitto::Mosquitto;

const BAD: u64 = 100_000;
const GOOD: u64 = 5_000;

/// Refused messages of one publisher that the quarantine keeps (src/store/refused.rs).
const KEPT: i64 = 10_000;

/// What the daemon may hold at most: a debug build with its window, its queue and SQLite's cache.
const MEMORY: u64 = 160 * 1024 * 1024;

/// Things that are no message, over and over.
fn bad(number: u64) -> (String, Vec<u8>) {
    let topic = |rest: &str| format!("lift/v1/350582/{rest}");
    let event = topic("maker-b/U-1/event");
    let deep = "[".repeat(2_000);
    match number % 12 {
        0 => (event, Vec::new()),
        1 => (event, b"{".to_vec()),
        2 => (event, b"\xff\xfe\x00".to_vec()),
        3 => (event, format!("{{\"ts\":{deep}").into_bytes()),
        4 => (event, br#"{"ts":1e999,"type":"alarm_pressed"}"#.to_vec()),
        5 => (event, br#"{"ts":NaN}"#.to_vec()),
        6 => (event, br#"{"ts":"2026-11-23T04:00:00Z","ts":"2026-11-23T04:00:00Z","type":"alarm_pressed"}"#.to_vec()),
        7 => (event, br#"{"ts":"yesterday","type":"alarm_pressed"}"#.to_vec()),
        8 => (event, format!("{{\"ts\":{number},\"type\":\"'; drop table event; --\"}}").into_bytes()),
        9 => (topic("maker-b/U-1/nonsense"), b"{}".to_vec()),
        10 => (topic("maker-b/U 1!/event"), b"{}".to_vec()),
        // Good, but U-1 is maker-a's.
        _ => (event, br#"{"ts":"2026-11-23T04:00:00Z","boot":"b","seq":1,"type":"alarm_pressed"}"#.to_vec()),
    }
}

async fn throw(port: u16, tally: Arc<Tally>) {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    let client = Publisher::connect("maker-b", "maker-b", &settings, tally).await.unwrap();
    for number in 0..BAD - 2 {
        let (topic, payload) = bad(number);
        client.publish(topic, payload).await.unwrap();
        let large = match number {
            30_000 => 20_000,
            60_000 => 1_000_000,
            _ => continue,
        };
        client.publish("lift/v1/350582/maker-b/U-1/event".to_owned(), vec![b'x'; large]).await.unwrap();
    }
    assert!(client.finish(Duration::from_secs(60)).await, "the broker takes everything");
}

fn counted(exposition: &str, name: &str) -> u64 {
    let values = exposition.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<f64>().unwrap() as u64).sum()
}

#[test]
fn a_hundred_thousand_malformed_messages_stop_nothing() {
    let _turn = turn();
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), 100);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&[]);
    daemon.says("subscribed");
    let began = tokio::time::Instant::now();
    let load = Load::begin(&runtime, broker.port, Plan { units: 100, rate: 400.0, from: 0, to: GOOD });
    runtime.block_on(throw(broker.port, Arc::new(Tally::default())));
    let story = load.wait(&runtime);
    story.wait_until_delivered(&runtime, &broker, &town);
    let rejected = || counted(&daemon.get("/metrics").1, "liftwatch_messages_rejected_total{");
    // Two clients, so the last of one may come before the last of the other.
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    while rejected() < BAD && tokio::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = began.elapsed();
    assert_eq!(rejected(), BAD, "{}", daemon.get("/metrics").1);
    assert_eq!(daemon.log().matches("\"subscribed\"").count(), 1, "one connection took it all");
    let memory = daemon.peak_memory();
    assert!(memory < MEMORY, "{memory} bytes");
    assert_eq!(daemon.stop(), Some(0));
    let kept = "select count(*) from quarantine";
    let kept: i64 =
        runtime.block_on(async { sqlx::query_scalar(kept).fetch_one(&mut town.reader().await).await.unwrap() });
    // Topics that name no publisher count as one of their own.
    assert!((KEPT..=2 * KEPT).contains(&kept), "{kept} in quarantine");
    assert_eq!(runtime.block_on(story.balance(&town)), super::load::EVEN);
    println!(
        "malformed: {BAD} refused and counted, {kept} kept, {GOOD} good ones stored, {} MB at most, {took:.0?}",
        memory / 1024 / 1024
    );
}
