//! The whole file verified, and its parts by themselves.

use std::path::Path;
use std::time::Instant;

use liftwatch::ledger::checkpoint::SigningKey;
use liftwatch::store::verify;
use liftwatch::store::verify::report::Report;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::cpu;

async fn open(file: &Path) -> SqliteConnection {
    verify::options(file).connect().await.unwrap()
}

/// SQLite's own check, the log alone, and all of it.
pub async fn whole(file: &Path, key: &SigningKey) {
    let mut reader = open(file).await;
    let began = Instant::now();
    let verdict: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut reader).await.unwrap();
    assert_eq!(verdict, "ok");
    println!("  SQLite's integrity check alone               {:>9.1} s", began.elapsed().as_secs_f64());

    let (began, spent) = (Instant::now(), cpu());
    let mut report = Report::default();
    verify::log::check(&mut reader, &[key.public()], &[], &mut report).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    told("the log alone: entries, tree, checkpoints", &report, began, spent);

    let (began, spent) = (Instant::now(), cpu());
    let report = verify::verify(file, &[key.public()], &[]).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    told("the whole file: SQLite, log, rows, people", &report, began, spent);
}

fn told(what: &str, report: &Report, began: Instant, spent: std::time::Duration) {
    let (took, spent) = (began.elapsed().as_secs_f64(), (cpu() - spent).as_secs_f64());
    println!(
        "  {what:<44} {took:>8.1} s, {spent:.1} s of a processor, {:.0} entries/s ({} entries, {} rows, {} checkpoints)",
        report.entries as f64 / took,
        report.entries,
        report.rows,
        report.checkpoints
    );
}
