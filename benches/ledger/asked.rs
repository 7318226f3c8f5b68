//! What auditors ask, each question twice: with nothing of the file in memory, and again.

use std::path::Path;
use std::time::Instant;

use liftwatch::domain::id::UnitId;
use liftwatch::domain::time::{DAY, Timestamp};
use liftwatch::ledger::bundle::Bundle;
use liftwatch::ledger::tree::Question;
use liftwatch::package::report::Offset;
use liftwatch::package::{self, Content};
use liftwatch::store::read::Reader;
use liftwatch::store::read::ledger::Filter;
use liftwatch::store::read::overdue::OverdueFilter;
use liftwatch::store::read::visits::VisitFilter;
use rustix::fs::{Advice, fadvise};

use crate::milliseconds;

/// Rows of a page.
const PAGE: u32 = 100;

/// A unit that was visited until the end.
const UNIT: &str = "L004017";

/// Has the system forget the file, and opens it anew.
async fn cold(file: &Path) -> Reader {
    let open = std::fs::File::open(file).unwrap();
    open.sync_all().unwrap();
    fadvise(&open, 0, None, Advice::DontNeed).unwrap();
    Reader::open(file).await.unwrap()
}

macro_rules! twice {
    ($file:expr, $what:expr, $ask:expr) => {{
        let reader = cold($file).await;
        let mut took = [0.0; 2];
        let mut rows = 0;
        for took in &mut took {
            let began = Instant::now();
            rows = $ask(&reader).await;
            *took = milliseconds(began.elapsed());
        }
        reader.close().await;
        println!("    {:<42} {:>4} rows {:>8.1} {:>8.1}", $what, rows, took[0], took[1]);
    }};
}

/// All of them.
pub async fn all(file: &Path, end: Timestamp) {
    println!("  first pages of {PAGE}, in ms                                  cold    again");
    let some = VisitFilter { limit: PAGE, ..VisitFilter::default() };
    let reader = Reader::open(file).await.unwrap();
    let one =
        reader.visits(&VisitFilter { unit: Some(UNIT.to_owned()), ..some.clone() }).await.unwrap().items.remove(0);
    let body: serde_json::Value = serde_json::from_str(&one.body).unwrap();
    let worker = body["workers"][0].as_str().unwrap().to_owned();
    let checkpoints = reader.checkpoints(None, 40).await.unwrap().items;
    let overdue = reader.overdue(&OverdueFilter { limit: 1, ..OverdueFilter::default() }).await.unwrap();
    let alert = overdue.items[0].alert.clone();
    reader.close().await;
    let unit = VisitFilter { unit: Some(UNIT.to_owned()), ..some.clone() };
    let firm = VisitFilter { maintainer: Some(one.maintainer.clone()), ..some.clone() };
    let month = VisitFilter { from: Some((end - 31 * DAY).0), ..firm.clone() };
    let middle = Some((end - 80 * DAY).0);
    let questions = [
        ("records of a unit", unit.clone()),
        ("of a unit, folded", VisitFilter { folded: true, ..unit.clone() }),
        ("of a unit, until a day", VisitFilter { to: middle, folded: true, ..unit }),
        ("of a worker", VisitFilter { worker: Some(worker), ..some.clone() }),
        ("of a firm", firm.clone()),
        ("of a firm and kind, folded", VisitFilter { kind: Some("OY".to_owned()), folded: true, ..firm.clone() }),
        ("of a firm, until a day", VisitFilter { to: middle, ..firm.clone() }),
        ("corrected later", VisitFilter { corrected: true, ..some.clone() }),
        ("of a firm, corrected later", VisitFilter { corrected: true, ..firm }),
        ("of everybody", some),
    ];
    for (what, filter) in questions {
        twice!(file, what, async |reader: &Reader| reader.visits(&filter).await.unwrap().items.len());
    }
    let overdue = OverdueFilter { maintainer: Some(one.maintainer), limit: PAGE, ..OverdueFilter::default() };
    twice!(file, "units of a firm that are overdue", async |reader: &Reader| {
        reader.overdue(&overdue).await.unwrap().items.len()
    });
    let between = Filter { unit: None, from: checkpoints[30].size, before: Some(checkpoints[1].size) };
    twice!(file, "entries between two checkpoints", async |reader: &Reader| {
        reader.entries(&between, PAGE).await.unwrap().items.len()
    });
    twice!(file, "who was told of an alert, and when", async |reader: &Reader| {
        reader.timeline(&alert).await.unwrap().unwrap().len()
    });
    proofs(file, &month).await;
}

async fn proofs(file: &Path, month: &VisitFilter) {
    println!("  proofs, in ms");
    let reader = Reader::open(file).await.unwrap();
    let newest = reader.checkpoints(None, 1).await.unwrap().items.remove(0);
    let earlier = reader.checkpoints(None, 100).await.unwrap().items.pop().unwrap();
    reader.close().await;
    let unit: UnitId = UNIT.parse().unwrap();
    let index = newest.size / 3;
    twice!(file, "an inclusion proof (hashes)", async |reader: &Reader| {
        reader.ask_tree(Question::Inclusion { size: newest.size, index }).await.unwrap().len()
    });
    let reader = Reader::open(file).await.unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    let began = Instant::now();
    for _ in 0..1_000 {
        let index = random.u64(..newest.size);
        reader.ask_tree(Question::Inclusion { size: newest.size, index }).await.unwrap();
    }
    println!(
        "    one of 1,000 of entries anywhere                                  {:>8.2}",
        milliseconds(began.elapsed()) / 1_000.0
    );
    reader.close().await;
    twice!(file, "a unit's package, all its years (entries)", async |reader: &Reader| {
        packed(reader.bundle_of(&unit, None, &newest).await.unwrap())
    });
    twice!(file, "a unit's package, since a checkpoint", async |reader: &Reader| {
        packed(reader.bundle_of(&unit, Some(&earlier), &newest).await.unwrap())
    });
    twice!(file, "a package of a firm's visits of a month", async |reader: &Reader| {
        let selection = reader.selection_of(month, &newest).await.unwrap();
        let entries = selection.entries.len();
        package::pack(&Content::Visits(Box::new(selection)), Offset::CHINA).unwrap();
        entries
    });
    let signed = reader_at(file).await;
    twice!(file, "a unit's package, until an old checkpoint", async |reader: &Reader| {
        reader.bundle_of(&unit, None, &signed).await.unwrap().entries.len()
    });
}

/// Packs a unit's entries; how many they are.
fn packed(bundle: Bundle) -> usize {
    let entries = bundle.entries.len();
    package::pack(&Content::Unit(Box::new(bundle)), Offset::CHINA).unwrap();
    entries
}

/// The checkpoint in the middle of all.
async fn reader_at(file: &Path) -> liftwatch::store::read::ledger::SignedCheckpoint {
    let reader = Reader::open(file).await.unwrap();
    let newest = reader.checkpoints(None, 1).await.unwrap().items.remove(0);
    let middle = reader.checkpoints(Some(newest.size / 2), 1).await.unwrap().items.remove(0);
    reader.close().await;
    middle
}
