//! How soon people are told: a real mosquitto, the real daemon, twenty firms behind signed webhooks, of which one hangs.
//!
//! `cargo bench --bench telling` prints figures, `cargo bench --bench telling -- looks` the last line alone; docs/PERFORMANCE.md explains them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench stops where something is not as it says, and measures time"
)]

#[path = "../tests/it/mosquitto.rs"]
#[expect(dead_code, reason = "tests publish through it too")]
mod mosquitto;

#[path = "telling/city.rs"]
mod city;

#[path = "telling/firms.rs"]
mod firms;

#[path = "telling/looks.rs"]
mod looks;

#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "tests ask it for more")]
mod world;

use std::time::{Duration, Instant};

use city::City;
use firms::{Firms, HANGING};

/// Firms, one webhook each.
const FIRMS: u64 = 20;

/// Entrapments told one after the other while the load runs.
const TOLD: u64 = 400;

/// Entrapments told at once, each a message of its own.
const BURST: u64 = 10_000;

/// Heartbeats of 8,000 units, one a minute each.
const CITY_LOAD: u64 = 133;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if std::env::args().any(|argument| argument == "looks") {
            return looks::held(8_000).await;
        }
        println!("from publishing an entrapment to the request at its firm's webhook, one firm of {FIRMS} hanging");
        latency("at 133 heartbeats/s", Some(CITY_LOAD)).await;
        latency("heartbeats as fast as they are taken", None).await;
        burst().await;
        looks::held(8_000).await;
    });
}

async fn latency(what: &str, pace: Option<u64>) {
    let firms = Firms::open().await;
    let city = City::found(8_000, FIRMS, firms.port).await;
    let beats = city.heartbeats(pace);
    let client = city.publisher("bench-told").await;
    let mut sent = Vec::new();
    for unit in 0..TOLD {
        sent.push(Instant::now());
        city.entrapment(&client, unit).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let others: Vec<u64> = (0..TOLD).filter(|unit| unit % FIRMS != HANGING).collect();
    firms.have(others.len()).await;
    let first = firms.first();
    let mut delays: Vec<Duration> =
        others.iter().map(|unit| first[unit] - sent[usize::try_from(*unit).unwrap()]).collect();
    delays.sort();
    let at = |share: usize| delays[(delays.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!("(h) {what:38} p50 {:>6.1} ms   p99 {:>6.1} ms", at(50), at(99));
    beats.abort();
}

async fn burst() {
    let firms = Firms::open().await;
    let city = City::found(BURST, FIRMS, firms.port).await;
    let client = city.publisher("bench-burst").await;
    let began = Instant::now();
    for unit in 0..BURST {
        city.entrapment(&client, unit).await;
    }
    let others = BURST - BURST / FIRMS;
    firms.have(usize::try_from(others).unwrap()).await;
    let took = firms.last() - began;
    println!(
        "(i) {others} messages of {BURST} entrapments told at once: {:.0} messages/s, the last after {:.1} s",
        others as f64 / took.as_secs_f64(),
        took.as_secs_f64()
    );
}
