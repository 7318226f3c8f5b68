//! Ten years of a city's maintenance in one file: how fast records enter the ledger, what auditors wait for, how long the
//! whole file takes to be verified.
//!
//! `cargo bench --bench ledger` has the simulator write half a year and then ten years of 8,000 units (0.1 and 2.1 million
//! visits), signed each day, and prints every figure in one run; docs/PERFORMANCE.md explains them. `BENCH_DAYS` names
//! other lengths, in days; `BENCH_FOLDER` a folder whose disk has room (14 GB). `BENCH_FILE` names a file that is kept, and
//! asked again if it is there.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench stops where something is not as it says, and measures time"
)]

#[path = "ledger/lists.rs"]
mod lists;

#[path = "ledger/judged.rs"]
mod judged;

#[path = "ledger/asked.rs"]
mod asked;

#[path = "ledger/verified.rs"]
mod verified;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use liftwatch::cli::years::{self, Wanted, Written};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::ledger::checkpoint::{SigningKey, generate};
use liftwatch::simulate::city::{City, CitySettings, build};
use liftwatch::simulate::maintenance::YearsSettings;

const UNITS: usize = 8_000;

/// The midnight on which all of it ends: 2026-11-24.
const END: Timestamp = Timestamp(1_795_478_400_000);

/// Days of the first and of the second file.
const DAYS: &str = "175,3650";

fn main() {
    let days = std::env::var("BENCH_DAYS").unwrap_or_else(|_| DAYS.to_owned());
    let days: Vec<u32> = days.split(',').map(|days| days.parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for days in days {
        runtime.block_on(run(days));
    }
}

async fn run(days: u32) {
    let folder = std::env::var_os("BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let file = std::env::var_os("BENCH_FILE").map_or_else(|| folder.path().join("liftwatch.db"), PathBuf::from);
    let key_file = file.with_extension("key");
    if !file.exists() {
        std::fs::write(&key_file, generate("lifts.example/bench").unwrap().0).unwrap();
        let key = std::fs::read_to_string(&key_file).unwrap().parse().unwrap();
        made(&file, days, &key).await;
    }
    let key = std::fs::read_to_string(&key_file).unwrap().parse().unwrap();
    asked::all(&file, END).await;
    verified::whole(&file, &key).await;
}

async fn made(file: &Path, days: u32, key: &SigningKey) {
    let region = RegionCode::new("350582").unwrap();
    let today = jiff::civil::date(2026, 11, 24);
    let city = build(&CitySettings { units: UNITS, seed: 42, region, today }).unwrap();
    println!("{days} days of {UNITS} units, a transaction and a checkpoint for each day");
    let written = fill(file, &city, days, key).await;
    judged::overdue_and_told(file, END, key).await;
    let bytes = std::fs::metadata(file).unwrap().len();
    println!("  the file                                     {:>9} MiB", bytes >> 20);
    println!("    a visit, all that belongs to it            {:>9} bytes", bytes / written.visits);
    println!("    of which the record's own text             {:>9} bytes", written.bytes / written.visits);
}

async fn fill(file: &Path, city: &City, days: u32, key: &SigningKey) -> Written {
    let checklists = lists::of_the_regulation();
    let settings = YearsSettings { seed: 42, end: END, days };
    let wanted = Wanted { city, checklists: &checklists, settings, key: Some(key) };
    let (began, spent) = (Instant::now(), cpu());
    // The last tenth by itself: whether it becomes slower as the file grows.
    let mut at_tenth: Option<(Instant, Written)> = None;
    let written = years::write(file, &wanted, |written| {
        if at_tenth.is_none() && written.days * 10 >= u64::from(days) * 9 {
            at_tenth = Some((Instant::now(), *written));
        }
    });
    let written = written.await.unwrap();
    let (took, spent) = (began.elapsed().as_secs_f64(), (cpu() - spent).as_secs_f64());
    let entries = written.visits + written.confirmations;
    println!("  visits                                       {:>9}", written.visits);
    println!("  owners' confirmations                        {:>9}", written.confirmations);
    println!("  appended, with the ledger");
    println!("    visits, each with its confirmation         {:>9.0} /s", written.visits as f64 / took);
    println!("    entries                                    {:>9.0} /s", entries as f64 / took);
    if let Some((at, then)) = at_tenth {
        let rate = (written.visits - then.visits) as f64 / at.elapsed().as_secs_f64();
        println!("    visits, the last tenth alone               {rate:>9.0} /s");
    }
    println!("    took {took:.1} s, {spent:.1} s of a processor");
    written
}

/// Processor time of this process so far; the machine may have other work. In ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
