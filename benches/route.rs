//! How fast the main route is: a real mosquitto, the real daemon, the same messages, all figures in one run.
//!
//! Both subscribers drain what waited at the broker while they were away, because that is when speed matters: after an
//! outage. `cargo bench --bench route` prints figures and ratios; docs/PERFORMANCE.md explains them. Section `l` needs a
//! daemon that can do without its ledger: `BENCH_SECTIONS=l cargo bench --bench route --features switches`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench stops where something is not as it says, and measures time"
)]

#[path = "../tests/it/mosquitto.rs"]
#[expect(dead_code, reason = "tests publish through it too")]
mod mosquitto;

#[path = "route/daemon.rs"]
mod daemon;

#[path = "route/load.rs"]
mod load;

#[path = "route/alone.rs"]
mod alone;

#[path = "route/unit.rs"]
mod unit;

#[path = "route/ledger.rs"]
mod ledger;

use daemon::City;
use load::Kind;
use mosquitto::Mosquitto;

/// How often (a) and (b) are measured, in turn: the bare subscriber's rate differs by a factor of two from one try to the next.
/// The middle one counts.
const ROUNDS: usize = 5;

/// A number from the environment, or the default.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let messages = setting("BENCH_MESSAGES", 200_000);
    let stored = setting("BENCH_STORED", 1_000_000);
    let sections = std::env::var("BENCH_SECTIONS").unwrap_or_else(|_| "abcdefgp".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(messages, stored, &sections));
}

async fn run(messages: u64, stored: u64, sections: &str) {
    let wanted = |section: char| sections.contains(section);
    if wanted('p') {
        alone::pipeline(messages).await;
    }
    if wanted('g') {
        let past = setting("BENCH_UNIT", 100_000);
        let (empty, crowded) = unit::cost_of_one_event(past).await;
        println!(
            "(g) one event, in its own transaction: unit without a past {empty:.2} ms, with {past} events {crowded:.2} ms, ratio {:.2}",
            crowded / empty
        );
    }
    if !sections.contains(['a', 'b', 'c', 'd', 'f']) {
        return;
    }
    println!("{messages} messages waiting at mosquitto, 8,000 units, QoS 1; rates in messages per second");
    let (mut drains, mut days) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        drains.push(bare(messages).await);
        if wanted('b') || wanted('d') {
            days.push(daemon(8_000, 0, messages, Kind::Event).await);
        }
    }
    drains.sort_by(f64::total_cmp);
    days.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let bare = drains[ROUNDS / 2];
    println!(
        "(a) bare subscriber, stores nothing           {bare:>9.0}   {:.0} to {:.0}",
        drains[0],
        drains[ROUNDS - 1]
    );
    if let Some(events) = days.get(ROUNDS / 2) {
        println!(
            "(b) daemon, durable events                    {:>9.0}   {:.0} to {:.0}   b/a {:.2}",
            events.rate,
            days[0].rate,
            days[ROUNDS - 1].rate,
            events.rate / bare
        );
        println!("(e) peak memory {:.0} MB, the largest of all", days.iter().map(|day| day.memory).fold(0.0, f64::max));
        for size in [stored, 5 * stored].into_iter().filter(|_| wanted('d')) {
            let full = daemon(8_000, size, messages, Kind::Event).await;
            let ratio = full.rate / events.rate;
            println!("(d) the same with {size:>9} stored events     {:>9.0}   of (b) {ratio:.2}", full.rate);
        }
    }
    // Four times as many, because they go by so fast.
    for (section, units, count) in [('c', 8_000, 4 * messages), ('f', 60_000, 4 * messages)] {
        if wanted(section) {
            let states = daemon(units, 0, count, Kind::State).await;
            println!(
                "(c) daemon, heartbeats of {units} units         {:>9.0}   c/a {:.2}",
                states.rate,
                states.rate / bare
            );
            println!("(e) peak memory {:.0} MB", states.memory);
            println!("(f) /metrics    {:.1} ms, {} kB", states.scrape_ms, states.scrape_bytes / 1_000);
        }
    }
    if wanted('l') {
        ledger::with_and_without(messages).await;
    }
}

async fn bare(messages: u64) -> f64 {
    let broker = Mosquitto::start();
    load::open_session(&broker, "bare").await;
    load::publish(&broker, 8_000, messages, Kind::Event).await;
    load::drain(&broker, "bare", messages).await
}

async fn daemon(units: u64, stored: u64, messages: u64, kind: Kind) -> daemon::Figures {
    let broker = Mosquitto::start();
    let city = City::found(&broker, units, stored).await;
    // Its first run leaves a session behind, in which the messages wait.
    city.run_once().await;
    load::publish(&broker, units, messages, kind).await;
    city.drain(messages, kind).await
}
