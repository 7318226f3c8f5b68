//! liftwatch beside what a user would pick instead: the same messages, the same broker, all figures in one run.
//!
//! `cargo bench --bench peers` installs the others below `target/` by their own package managers and prints one table;
//! docs/PERFORMANCE.md explains it. Lost is what was acknowledged to its publisher and is in no row afterwards.

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
#[expect(dead_code, reason = "the other bench drains through it")]
mod daemon;

#[path = "route/load.rs"]
#[expect(dead_code, reason = "the other bench has a bare subscriber")]
mod load;

#[path = "peers/install.rs"]
mod install;

#[path = "peers/contender.rs"]
mod contender;

#[path = "peers/site.rs"]
mod site;

#[path = "peers/trial.rs"]
mod trial;

#[path = "peers/scrape.rs"]
mod scrape;

use contender::Contender;
use install::Installed;

/// Nobody is asked for more than this at the steady pace, messages per second.
const PACE: u64 = 2_000;

fn main() {
    let messages = std::env::var("BENCH_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let wanted = std::env::var("BENCH_PEERS").unwrap_or_default();
    let installed = install::all();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        rows(&installed, messages, &wanted).await;
        if wanted.is_empty() || wanted.contains("metrics") {
            exporters(&installed).await;
        }
    });
}

/// Who stores rows: how fast, how large, and what is missing afterwards.
async fn rows(installed: &Installed, messages: u64, wanted: &str) {
    println!(
        "{messages} messages at full speed, a tenth for the slow; then three kills and a restart at half of one's own rate, \
         at most {PACE}/s\n"
    );
    println!(
        "| {:<28} | sync ms | rows/s | ratio | peak MB | lost in a flood | pace | lost at 3 kills | lost at a restart | twice |",
        ""
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut first = None;
    for contender in Contender::ALL {
        if !wanted.is_empty() && !wanted.contains(contender.name()) {
            continue;
        }
        let count = if contender.is_slow() { messages / 10 } else { messages };
        let before = trial::sync_cost();
        let speed = trial::full_speed(contender, installed, count).await;
        let after = trial::sync_cost();
        let ratio = speed.rate / *first.get_or_insert(speed.rate);
        let pace = ((speed.rate / 2.0) as u64).clamp(10, PACE);
        let flood = trial::killed_in_a_flood(contender, installed, count).await;
        let kills = trial::killed(contender, installed, pace).await;
        let restart = trial::restarted(contender, installed, pace).await;
        println!(
            "| {:<28} | {before:.1} to {after:.1} | {:.0} | {ratio:.2} | {:.0} | {flood} | {pace} | {kills} | {restart} | {} |",
            contender.label(),
            speed.rate,
            speed.memory,
            flood.twice + kills.twice + restart.twice,
        );
    }
}

/// Who serves `/metrics`.
async fn exporters(installed: &Installed) {
    println!("\n8,000 units, one `state` each, told twice\n");
    println!("| {:<28} | scrape ms | kB | series | peak MB |", "");
    println!("|---|---|---|---|---|");
    for exporter in scrape::Exporter::ALL {
        let figures = scrape::measure(exporter, installed).await;
        println!(
            "| {:<28} | {:.1} | {} | {} | {:.0} |",
            exporter.label(),
            figures.milliseconds,
            figures.bytes / 1_000,
            figures.series,
            figures.memory
        );
    }
}
