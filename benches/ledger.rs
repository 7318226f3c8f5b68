//! Ten years of a city in one file: how fast records enter the ledger, and how long its answers take.
//!
//! `cargo bench --bench ledger` makes the file through the store's own transactions, visit by visit, and prints every
//! figure in one run; docs/PERFORMANCE.md explains them. `BENCH_VISITS` is how many (2,100,000: 8,000 units, 26 visits a
//! year, ten years).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench stops where something is not as it says, and measures time"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use liftwatch::domain::id::{PublisherId, UnitId};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind, VisitRecord};
use liftwatch::ledger::checkpoint::{SigningKey, generate};
use liftwatch::ledger::tree::Question;
use liftwatch::package;
use liftwatch::store::Store;
use liftwatch::store::read::Reader;
use liftwatch::store::read::visits::VisitFilter;
use liftwatch::store::verify;

const UNITS: u64 = 8_000;
const FIRMS: u64 = 25;
const WORKERS: u64 = 300;
/// Visits in one transaction.
const BATCH: u64 = 500;
/// 2016-01-01T00:00:00Z.
const START: i64 = 1_451_606_400_000;
/// Between two visits of the city, so that 2.1 million take ten years.
const BETWEEN: i64 = 150_000;

fn main() {
    let visits = std::env::var("BENCH_VISITS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(visits));
}

async fn run(visits: u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("liftwatch.db");
    let key: SigningKey = generate("lifts.example/bench").unwrap().0.parse().unwrap();
    let early = (visits / 20).max(1);
    println!("{visits} visits of {UNITS} units, {BATCH} in a transaction");
    let mut random = fastrand::Rng::with_seed(1);
    fill(&file, 0..early, &mut random).await;
    ask(&file, early, &key).await;
    let took = fill(&file, early..visits, &mut random).await;
    let rate = (visits - early) as f64 / took.as_secs_f64();
    println!("records stored and entered into the ledger     {rate:>9.0} /s");
    ask(&file, visits, &key).await;
    check(&file, &key).await;
}

/// Stores visits as the pipeline does: the row, the workers and the leaf in one transaction.
async fn fill(file: &Path, numbers: std::ops::Range<u64>, random: &mut fastrand::Rng) -> Duration {
    let mut store = Store::open(file).await.unwrap();
    let began = Instant::now();
    let mut next = numbers.start;
    while next < numbers.end {
        let until = numbers.end.min(next + BATCH);
        let mut change = store.begin().await.unwrap();
        let visits: Vec<VisitRecord> = (next..until).map(|number| visit(number, random)).collect();
        change.insert_visits(&visits).await.unwrap();
        change.commit().await.unwrap();
        next = until;
    }
    let took = began.elapsed();
    store.close().await.unwrap();
    took
}

fn visit(number: u64, random: &mut fastrand::Rng) -> VisitRecord {
    let unit = UnitId::new(&format!("B{:06}", number % UNITS)).unwrap();
    let started_at = Timestamp(START + number as i64 * BETWEEN);
    let ended_at = started_at + 40 * MINUTE;
    let workers: Vec<String> = (0..2).map(|_| format!("w-{}", random.u64(..WORKERS))).collect();
    let firm = number % UNITS % FIRMS;
    let items: Vec<String> = (1..=31).map(|item| format!(r#"{{"id":"A{item:02}","result":"pass"}}"#)).collect();
    let body = format!(
        r#"{{"ended_at":"{ended_at}","items":[{}],"kind":"HM","record_id":"r-{number}","started_at":"{started_at}","ts":"{ended_at}","workers":["{}","{}"]}}"#,
        items.join(","),
        workers[0],
        workers[1]
    );
    let record = Visit {
        ts: ended_at,
        record_id: format!("r-{number}"),
        kind: if number.is_multiple_of(12) { VisitKind::Sm } else { VisitKind::Hm },
        started_at,
        ended_at: Some(ended_at),
        workers,
        supersedes: None,
        supersedes_publisher: None,
        people: Vec::new(),
        body,
    };
    VisitRecord {
        id: format!("v-{:012x}-{:016x}", started_at.0, random.u64(..)),
        unit,
        publisher: PublisherId::new(&format!("firm-{firm}")).unwrap(),
        received_at: ended_at + HOUR,
        visit: record,
        sealed: Vec::new(),
    }
}

/// Closes the stretch as the signer does, and asks what auditors ask.
async fn ask(file: &Path, visits: u64, key: &SigningKey) {
    let now = Timestamp(START + visits as i64 * BETWEEN + HOUR);
    let mut store = Store::open(file).await.unwrap();
    let mut change = store.begin().await.unwrap();
    let began = Instant::now();
    let head = change.close_stretch(now).await.unwrap();
    change.keep_checkpoint(head.size, &key.sign(head), now).await.unwrap();
    change.commit().await.unwrap();
    println!("with {visits} visits, {} entries:", head.size);
    println!("  a checkpoint                                 {:>9.1} ms", milliseconds(began.elapsed()));
    store.close().await.unwrap();

    let reader = Reader::open(file).await.unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    let began = Instant::now();
    for _ in 0..200 {
        let index = random.u64(..head.size);
        reader.ask_tree(Question::Inclusion { size: head.size, index }).await.unwrap();
    }
    println!("  an inclusion proof                           {:>9.2} ms", milliseconds(began.elapsed()) / 200.0);
    let began = Instant::now();
    let stretch = reader.stretch(None, None).await.unwrap();
    let bundle = reader.bundle_of(&"B000017".parse().unwrap(), None, &stretch.to).await.unwrap();
    let packed = package::pack(&bundle, &[]).unwrap();
    let (entries, size) = (bundle.entries.len(), packed.len() / 1024);
    println!("  a unit's package: {entries} entries, {size} KiB      {:>9.1} ms", milliseconds(began.elapsed()));
    let some = VisitFilter { limit: 100, ..VisitFilter::default() };
    let middle = START + visits as i64 * BETWEEN / 2;
    let questions = [
        ("all, the newest", VisitFilter { ..some.clone() }),
        ("of a unit", VisitFilter { unit: Some("B000017".to_owned()), ..some.clone() }),
        (
            "of a unit, until the middle",
            VisitFilter { unit: Some("B000017".to_owned()), to: Some(middle), ..some.clone() },
        ),
        ("of a worker", VisitFilter { worker: Some("w-17".to_owned()), ..some.clone() }),
        ("of a kind, folded", VisitFilter { kind: Some("SM".to_owned()), folded: true, ..some.clone() }),
        ("corrected later (there is none)", VisitFilter { corrected: true, ..some }),
    ];
    for (what, filter) in questions {
        let began = Instant::now();
        let page = reader.visits(&filter).await.unwrap();
        let (rows, took) = (page.items.len(), milliseconds(began.elapsed()));
        println!("  first page of visits, {what:<32} {rows:>4} rows {took:>7.1} ms");
    }
    reader.close().await;
    let bytes = std::fs::metadata(file).unwrap().len();
    println!("  the file: {} MiB, {} bytes a visit", bytes >> 20, bytes / visits);
}

async fn check(file: &Path, key: &SigningKey) {
    let began = Instant::now();
    let report = verify::verify(file, Some(&key.public()), &[]).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let took = began.elapsed();
    let rate = report.entries as f64 / took.as_secs_f64();
    println!("the whole file verified, rows and all: {:.1} s   {rate:>9.0} entries/s", took.as_secs_f64());
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
