//! Visits that somebody asked for: each proven, what belongs to them beside them, and no word of completeness.

use liftwatch::domain::time::{HOUR, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::ledger::bundle::NotShown;
use liftwatch::ledger::leaf;
use liftwatch::ledger::selection::{Chosen, Selection};
use liftwatch::package::report::Offset;
use liftwatch::package::{Content, PackageError, Proven, Texts};
use liftwatch::pipeline::action::Action;
use liftwatch::store::read::ledger::BundleError;
use liftwatch::store::read::scope::Scope;
use liftwatch::store::read::visits::VisitFilter;

use super::chronicle::Chronicle;
use super::package::{file, files, gather, with_a_byte_changed, zipped};
use crate::world::{day, unit, visit, visit_message};

fn filter() -> VisitFilter {
    VisitFilter { folded: true, limit: 100, ..VisitFilter::default() }
}

fn of_firm(name: &str) -> VisitFilter {
    VisitFilter { maintainer: Some(name.to_owned()), ..filter() }
}

fn by_worker(worker: &str, record: Visit) -> Visit {
    let body = record.body.replace("w-1", worker);
    Visit { workers: vec![worker.to_owned(), "w-2".to_owned()], body, ..record }
}

fn planned(name: &str, kind: VisitKind, number: i64) -> Visit {
    visit(name, kind, day(number), day(number) + HOUR)
}

async fn record(city: &mut Chronicle, unit: &str, record: Visit) -> String {
    city.world.now = (city.world.now + HOUR).max(record.started_at + 2 * HOUR);
    city.world.arrive(vec![visit_message(unit, record)]).await;
    city.world.text("select id from visit order by received_at desc limit 1").await
}

/// Two firms; `lift-3` is firm-2's. A correction that was confirmed, and one that came after the checkpoint.
async fn city() -> Chronicle {
    let mut city = Chronicle::empty().await;
    city.world.register(vec![Unit { maintainer: "firm-2".to_owned(), ..unit("lift-3") }]).await;
    record(&mut city, "lift-1", planned("r-1", VisitKind::Hm, 1)).await;
    record(&mut city, "lift-2", by_worker("w-3", planned("r-2", VisitKind::Tm, 2))).await;
    record(&mut city, "lift-3", planned("r-3", VisitKind::Hm, 3)).await;
    let better = Visit { supersedes: Some("r-1".to_owned()), ..planned("r-1b", VisitKind::Hm, 1) };
    let better = record(&mut city, "lift-1", better).await;
    let now = city.world.now;
    let confirm = Action::ConfirmVisit { visit: better, by: "owner".to_owned(), note: "seen".to_owned() };
    city.world.pipeline().act(&confirm, now).await.unwrap();
    record(&mut city, "lift-1", planned("r-4", VisitKind::Fm, 4)).await;
    city.sign().await;
    let late = Visit { supersedes: Some("r-4".to_owned()), ..planned("r-4b", VisitKind::Fm, 4) };
    record(&mut city, "lift-1", late).await;
    record(&mut city, "lift-2", planned("r-5", VisitKind::Hm, 5)).await;
    city
}

async fn selected(city: &Chronicle, filter: &VisitFilter) -> Result<Selection, BundleError> {
    let reader = city.reader().await;
    let to = reader.checkpoint(None).await.unwrap().unwrap();
    reader.selection_of(filter, &to).await
}

fn packed(selection: &Selection) -> Vec<u8> {
    liftwatch::package::pack(&Content::Visits(Box::new(selection.clone())), Offset::CHINA).unwrap()
}

fn verify(city: &Chronicle, packed: &[u8]) -> Result<Chosen, PackageError> {
    match liftwatch::package::verify(packed, &city.public, Texts::Checked)? {
        Proven::Visits(chosen) => Ok(chosen),
        Proven::Unit(shown) => panic!("{shown:?}"),
    }
}

/// The kinds of entries, and the records of visits, in the order of the log.
fn told(selection: &Selection) -> Vec<String> {
    let entries = selection.entries.iter().map(|entry| leaf::read(entry.leaf.as_bytes()).unwrap());
    entries
        .map(|read| match read.body.unwrap()["record_id"].as_str() {
            Some(record) => record.to_owned(),
            None => read.kind.to_string(),
        })
        .collect()
}

#[tokio::test]
async fn the_visits_of_a_firm_or_a_worker_come_with_what_belongs_to_them_and_with_nothing_else() {
    let city = city().await;
    let worker = |name: &str| VisitFilter { worker: Some(name.to_owned()), ..filter() };
    let whole = ["r-1", "r-2", "r-1b", "confirmation", "r-4"];
    let cases: [(VisitFilter, &[&str], usize); 9] = [
        (of_firm("firm-1"), &whole, 3),
        (of_firm("firm-2"), &["r-3"], 1),
        (VisitFilter { folded: false, ..of_firm("firm-1") }, &whole, 4),
        (worker("w-1"), &["r-1", "r-3", "r-1b", "confirmation", "r-4"], 3),
        (worker("w-3"), &["r-2"], 1),
        (VisitFilter { kind: Some("TM".to_owned()), ..of_firm("firm-1") }, &["r-2"], 1),
        (VisitFilter { corrected: true, folded: false, ..filter() }, &["r-1", "r-1b", "confirmation"], 1),
        (VisitFilter { from: Some(day(2).0), to: Some(day(4).0), ..filter() }, &["r-2", "r-3"], 2),
        (VisitFilter { unit: Some("lift-2".to_owned()), ..worker("w-3") }, &["r-2"], 1),
    ];
    for (filter, entries, visits) in cases {
        let selection = selected(&city, &filter).await.unwrap();
        assert_eq!(told(&selection), entries, "{filter:?}");
        let chosen = verify(&city, &packed(&selection)).unwrap();
        assert_eq!((chosen.visits, chosen.belonging), (visits, entries.len() - visits), "{filter:?}");
    }
    for nothing in [worker("w-9"), of_firm("firm-9"), of_firm("'; drop table visit; --")] {
        assert!(matches!(selected(&city, &nothing).await, Err(BundleError::NoVisits)), "{nothing:?}");
    }
}

#[tokio::test]
async fn a_firm_gets_its_own_visits_and_another_firms_are_as_if_they_were_not() {
    let city = city().await;
    let reader = city.reader().await.within(Scope::Maintainers(vec!["firm-2".to_owned()]));
    let to = reader.checkpoint(None).await.unwrap().unwrap();
    let own = reader.selection_of(&filter(), &to).await.unwrap();
    assert_eq!(told(&own), ["r-3"]);
    assert_eq!(own.question.maintainer.as_deref(), Some("firm-2"), "the question says to whom it was cut down");
    verify(&city, &packed(&own)).unwrap();
    assert!(matches!(reader.selection_of(&of_firm("firm-1"), &to).await, Err(BundleError::NoVisits)));
    let unit = VisitFilter { unit: Some("lift-1".to_owned()), ..filter() };
    assert!(matches!(reader.selection_of(&unit, &to).await, Err(BundleError::NoVisits)));
}

#[tokio::test]
async fn a_package_without_some_of_the_visits_is_good_and_says_itself_that_it_does_not_show_otherwise() {
    let city = city().await;
    let mut selection = selected(&city, &of_firm("firm-1")).await.unwrap();
    selection.entries.remove(1);
    let packed = packed(&selection);
    verify(&city, &packed).unwrap();
    assert!(file(&packed, "README.txt").contains("WHAT IT DOES NOT SHOW: that no record was left out"));
    assert!(file(&packed, "report.en.html").contains("It does not prove that none was left out"));
    assert!(file(&packed, "report.zh.html").contains("不表明没有遗漏"));
}

#[tokio::test]
async fn what_was_not_asked_for_stands_twice_or_is_not_in_the_log_is_refused_by_its_index() {
    let city = city().await;
    let selection = selected(&city, &of_firm("firm-1")).await.unwrap();
    let foreign = selected(&city, &of_firm("firm-2")).await.unwrap();
    let refused = |selection: &Selection| match verify(&city, &packed(selection)) {
        Err(PackageError::NotShown(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut more = selection.clone();
    more.entries.push(foreign.entries[0].clone());
    more.entries.sort_by_key(|entry| entry.index);
    assert_eq!(refused(&more), NotShown::Unasked { index: foreign.entries[0].index });
    // A confirmation whose visit is not there belongs to nothing.
    let mut alone = selection.clone();
    let confirmation = alone.entries.remove(3);
    assert!(confirmation.leaf.contains("\"kind\":\"confirmation\""));
    let mut stray = foreign.clone();
    stray.entries.push(confirmation.clone());
    assert_eq!(refused(&stray), NotShown::Unasked { index: confirmation.index });
    let mut twice = selection.clone();
    twice.entries.insert(1, twice.entries[0].clone());
    assert_eq!(refused(&twice), NotShown::OutOfOrder { index: selection.entries[0].index });
    let mut swapped = selection.clone();
    swapped.entries.swap(0, 1);
    assert!(matches!(refused(&swapped), NotShown::OutOfOrder { .. }));
    let mut none = selection.clone();
    none.entries.clear();
    assert_eq!(refused(&none), NotShown::Nothing);
    let mut other = selection.clone();
    other.question.kind = Some("OY".to_owned());
    assert!(matches!(refused(&other), NotShown::Unasked { .. }));
    let mut early = selection.clone();
    early.closing = selection.entries[0].clone();
    assert_eq!(refused(&early), NotShown::NotClosing);
}

#[tokio::test]
async fn no_text_or_number_of_a_selection_can_be_edited() {
    let city = city().await;
    let asked =
        VisitFilter { from: Some(day(1).0), to: Some(day(9).0), kind: Some("HM".to_owned()), ..of_firm("firm-1") };
    let whole = serde_json::to_value(selected(&city, &asked).await.unwrap()).unwrap();
    let mut places = Vec::new();
    gather(&whole, String::new(), &mut places);
    assert!(places.len() > 20, "{}", places.len());
    for place in places {
        let edited: Selection = serde_json::from_value(super::package::edited(&whole, &place)).unwrap();
        match liftwatch::package::pack(&Content::Visits(Box::new(edited)), Offset::CHINA) {
            Ok(packed) => assert!(verify(&city, &packed).is_err(), "{place} was edited, and nobody saw it"),
            Err(PackageError::Entry { .. }) => {}
            Err(other) => panic!("{place}: {other}"),
        }
    }
}

#[tokio::test]
async fn every_file_of_a_selection_is_held_against_its_proofs() {
    let city = city().await;
    let packed = packed(&selected(&city, &of_firm("firm-1")).await.unwrap());
    verify(&city, &zipped(&files(&packed))).unwrap();
    for (name, _) in files(&packed) {
        let refused = verify(&city, &with_a_byte_changed(&packed, &name)).unwrap_err();
        let about = name == "selection.json" || refused.to_string().starts_with(&format!("{name} does not say"));
        assert!(about, "{name}: {refused}");
    }
}

#[tokio::test]
async fn hostile_names_stay_text_in_the_table_and_on_paper() {
    const HOSTILE: [&str; 6] = [
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>\"'&",
        "\"><img src=x onerror=alert(1)>",
        "+1+1",
        "@SUM(1)\r\n=1",
        "</style></td></table>{{ 7*7 }}",
    ];
    let mut city = Chronicle::empty().await;
    for (number, text) in (1..).zip(HOSTILE) {
        let hostile =
            Unit { maintainer: text.to_owned(), site: text.to_owned(), owner: text.to_owned(), ..unit("lift-1") };
        city.world.register(vec![hostile]).await;
        let mut hostile = by_worker("x", planned(text, VisitKind::Hm, number));
        hostile.workers = vec![text.to_owned()];
        hostile.body = serde_json::json!({
            "workers": [text], "reason": text, "problem_codes": [text], "next_due": text,
            "items": [{"id": text, "result": "fail", "unit": text}],
        })
        .to_string();
        hostile.supersedes = Some(text.chars().rev().collect());
        record(&mut city, "lift-1", hostile).await;
    }
    city.sign().await;
    for text in HOSTILE {
        for filter in [of_firm(text), VisitFilter { worker: Some(text.to_owned()), ..filter() }] {
            let selection = selected(&city, &filter).await.unwrap();
            let packed = packed(&selection);
            let chosen = verify(&city, &packed).unwrap();
            assert!(!chosen.question.to_string().contains(['\r', '\n']), "a terminal shows it as it is");
            for name in ["report.zh.html", "report.en.html"] {
                let paper = file(&packed, name);
                for markup in ["<script", "<img", "</style></td>", "onerror=alert(1)>\""] {
                    assert!(!paper.contains(markup), "{name} has {markup} of {text}");
                }
                assert_eq!(paper.matches("</style>").count(), 1, "{name}: {text}");
            }
            let table = file(&packed, "records.csv");
            let mut table = csv::Reader::from_reader(table.trim_start_matches('\u{feff}').as_bytes());
            for row in table.records() {
                for cell in &row.unwrap() {
                    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell}");
                }
            }
        }
    }
}

#[tokio::test]
async fn more_visits_than_a_package_holds_are_refused_and_the_asker_is_told_what_to_do() {
    let mut city = city().await;
    let many = "with recursive n (i) as (select 1 union all select i + 1 from n where i <= 20000) \
         insert into visit (id, unit, publisher, record_id, kind, started_at, body, ts, received_at, region, site, owner, maintainer) \
         select printf('v-%012x', i), 'lift-2', 'people', 'm-' || i, 'HM', i, '{}', i, i, '350582', 's', 'o', 'firm-3' from n";
    city.world.meddle(many).await;
    let refused = selected(&city, &of_firm("firm-3")).await.unwrap_err();
    assert!(matches!(refused, BundleError::TooMany(20_000)), "{refused}");
    assert!(refused.to_string().contains("narrow the period"), "{refused}");
    let narrow = VisitFilter { to: Some(Timestamp(1_000).0), ..of_firm("firm-3") };
    assert!(matches!(selected(&city, &narrow).await, Err(BundleError::NoVisits)), "none of these is in the log");
}
