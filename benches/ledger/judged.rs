//! What the daemon makes of the records: the real pipeline judges every unit, the real planner says who is told.

use std::path::Path;
use std::sync::Arc;

use liftwatch::decode::Decoder;
use liftwatch::detect::{Rules, Settings};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::{MINUTE, SECOND, Timestamp};
use liftwatch::ledger::checkpoint::SigningKey;
use liftwatch::notify::directory::Directory;
use liftwatch::notify::planner::{Planner, Policy};
use liftwatch::notify::route::{Name, Route};
use liftwatch::pipeline::Pipeline;
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::store::Store;
use liftwatch::store::read::Reader;
use liftwatch::store::read::overdue::OverdueFilter;

/// Judges the city and plans its messages.
pub async fn overdue_and_told(file: &Path, now: Timestamp, key: &SigningKey) {
    let began = std::time::Instant::now();
    let settings = Settings::default();
    let rules = Rules::new(&settings, &jiff::tz::TimeZone::UTC);
    let decoder = Arc::new(Decoder::new(&[], &[RegionCode::new("350582").unwrap()]).unwrap());
    let store = Store::open(file).await.unwrap();
    let mut pipeline = Pipeline::open(store, decoder, &settings, rules, now).await.unwrap();
    for second in 1..=10 {
        pipeline.sweep(now + second * SECOND).await.unwrap();
    }
    let reader = Reader::open(file).await.unwrap();
    let directory = Arc::new(Directory::new(Box::new(|_: &str| None)));
    let route = Route {
        matchers: Vec::new(),
        receiver: Name::parse("maintainer:{maintainer}").unwrap(),
        group_by: Vec::new(),
        group_wait: 0,
        group_interval: 5 * MINUTE,
        repeat_interval: 240 * MINUTE,
        continues: false,
    };
    let policy = Policy { routes: vec![route], ..Policy::default() };
    let planner = Planner { reader: Reader::open(file).await.unwrap(), directory, policy, lines: Vec::new() };
    let then = now + MINUTE;
    loop {
        let (plan, _) = planner.plan(then).await.unwrap();
        if plan.is_empty() {
            break;
        }
        pipeline.act(&Action::Notify(plan), then).await.unwrap();
    }
    let (Done::Closed(head), _) = pipeline.act(&Action::CloseStretch, then).await.unwrap() else { panic!("closed") };
    let checkpoint = Action::KeepCheckpoint { size: head.size, note: key.sign(head) };
    pipeline.act(&checkpoint, then).await.unwrap();
    pipeline.close().await.unwrap();
    let overdue = reader.overdue(&OverdueFilter { limit: 1_000, ..OverdueFilter::default() }).await.unwrap();
    println!(
        "  opened, every unit judged and told of          {:>7.1} s, {} units overdue",
        began.elapsed().as_secs_f64(),
        overdue.items.len()
    );
    reader.close().await;
}
