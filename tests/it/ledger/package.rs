//! What an auditor takes along: complete or refused.

use std::io::{Cursor, Read, Write};

use liftwatch::ledger::bundle::{Bundle, Shown};
use liftwatch::package::report::Offset;
use liftwatch::package::{Content, PackageError, Proven, Texts};
use liftwatch::store::read::ledger::Stretch;
use serde_json::Value;

use super::chronicle::{Chronicle, UNITS};

/// Every file of a unit's package beside its proofs.
const BESIDE: [&str; 5] = ["README.txt", "records.csv", "records.jsonl", "report.zh.html", "report.en.html"];

pub fn pack(bundle: &Bundle) -> Result<Vec<u8>, PackageError> {
    liftwatch::package::pack(&Content::Unit(Box::new(bundle.clone())), Offset::CHINA)
}

pub fn verify(packed: &[u8], city: &Chronicle) -> Result<Shown, PackageError> {
    match liftwatch::package::verify(packed, &city.public, Texts::Checked)? {
        Proven::Unit(shown) => Ok(shown),
        Proven::Visits(chosen) => panic!("{chosen:?}"),
    }
}

/// The files of a package.
pub fn files(packed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
    let each = 0..zip.len();
    let read = each.map(|number| {
        let mut file = zip.by_index(number).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    });
    read.collect()
}

/// One file of a package as text.
pub fn file(packed: &[u8], name: &str) -> String {
    let content = files(packed).into_iter().find(|(own, _)| own == name).unwrap().1;
    String::from_utf8(content).unwrap()
}

/// A package of these files.
pub fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The package with one byte of this file changed, and a good checksum over it.
pub fn with_a_byte_changed(packed: &[u8], name: &str) -> Vec<u8> {
    let mut files = files(packed);
    let content = &mut files.iter_mut().find(|(own, _)| own == name).unwrap().1;
    let middle = content.len() / 2;
    let at = (middle..content.len()).find(|at| content[*at].is_ascii_alphanumeric()).unwrap();
    content[at] = if content[at] == b'x' { b'y' } else { b'x' };
    zipped(&files)
}

async fn bundle(city: &Chronicle, unit: &str, whole: bool) -> Bundle {
    let reader = city.reader().await;
    let from = if whole { None } else { Some(crate::world::day(5)) };
    let Stretch { from, to } = reader.stretch(from, None).await.unwrap();
    assert_eq!(from.is_none(), whole);
    reader.bundle_of(&unit.parse().unwrap(), from.as_ref(), &to).await.unwrap()
}

#[tokio::test]
async fn a_package_shows_every_entry_of_its_unit_in_the_stretch() {
    let city = Chronicle::written().await;
    for unit in UNITS {
        for whole in [true, false] {
            let bundle = bundle(&city, unit, whole).await;
            let shown = verify(&pack(&bundle).unwrap(), &city).unwrap();
            assert_eq!(shown.unit.as_str(), unit);
            let from = shown.from.map_or(0, |head| head.size);
            let recorded: i64 = sqlx::query_scalar("select count(*) from ledger_entry where unit = $1 and idx >= $2")
                .bind(unit)
                .bind(from as i64)
                .fetch_one(&mut city.world.reader().await)
                .await
                .unwrap();
            assert_eq!(shown.entries.len() as i64, recorded, "{unit}, whole: {whole}");
            assert!(recorded > 3);
        }
    }
}

#[tokio::test]
async fn a_unit_without_entries_is_shown_to_have_none() {
    let city = Chronicle::written().await;
    let bundle = bundle(&city, "lift-25", true).await;
    let shown = verify(&pack(&bundle).unwrap(), &city).unwrap();
    assert!(shown.entries.is_empty());
}

#[tokio::test]
async fn an_entry_that_is_left_out_is_missed_wherever_it_stood() {
    let city = Chronicle::written().await;
    let whole = bundle(&city, "lift-2", false).await;
    for left_out in 0..whole.entries.len() {
        let mut bundle = whole.clone();
        bundle.entries.remove(left_out);
        let refused = verify(&pack(&bundle).unwrap(), &city).unwrap_err();
        assert!(refused.to_string().contains("is missing"), "{left_out}: {refused}");
    }
    let mut swapped = whole.clone();
    swapped.entries.swap(0, 1);
    assert!(verify(&pack(&swapped).unwrap(), &city).is_err());
}

#[tokio::test]
async fn no_text_or_number_of_the_proofs_can_be_edited() {
    let city = Chronicle::written().await;
    let whole = serde_json::to_value(bundle(&city, "lift-3", false).await).unwrap();
    let mut places = Vec::new();
    gather(&whole, String::new(), &mut places);
    assert!(places.len() > 60, "{}", places.len());
    for place in places {
        let edited: Bundle = serde_json::from_value(edited(&whole, &place)).unwrap();
        let packed = match pack(&edited) {
            Ok(packed) => packed,
            Err(PackageError::Entry { .. }) => continue,
            Err(other) => panic!("{place}: {other}"),
        };
        assert!(verify(&packed, &city).is_err(), "{place} was edited, and nobody saw it");
    }
}

/// The proofs with one text or number changed.
pub fn edited(whole: &Value, place: &str) -> Value {
    let mut edited = whole.clone();
    match edited.pointer_mut(place).unwrap() {
        Value::Number(number) => *edited.pointer_mut(place).unwrap() = (number.as_u64().unwrap() + 1).into(),
        Value::String(text) => {
            // In the middle, where nothing is only form.
            let middle = (text.len() / 2..).find(|at| text.is_char_boundary(*at)).unwrap();
            let new = if text[middle..].starts_with('A') { "B" } else { "A" };
            let end = middle + text[middle..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(middle..end, new);
        }
        other => panic!("{place}: {other}"),
    }
    edited
}

/// Pointers to every text and number.
pub fn gather(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| gather(item, format!("{place}/{index}"), places));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, item)| gather(item, format!("{place}/{name}"), places));
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) => places.push(place),
        Value::Null | Value::Bool(_) => {}
    }
}

#[tokio::test]
async fn a_file_beside_good_proofs_that_says_something_else_is_refused_by_its_name() {
    let city = Chronicle::written().await;
    let packed = pack(&bundle(&city, "lift-1", true).await).unwrap();
    verify(&zipped(&files(&packed)), &city).unwrap();
    for name in BESIDE {
        let refused = verify(&with_a_byte_changed(&packed, name), &city).unwrap_err();
        assert!(matches!(refused, PackageError::Differs(told) if told == name), "{name}: {refused}");
        let without: Vec<_> = files(&packed).into_iter().filter(|(own, _)| own != name).collect();
        assert!(verify(&zipped(&without), &city).is_err(), "{name}");
    }
    let mut more = files(&packed);
    more.push(("statement.pdf".to_owned(), b"all is well".to_vec()));
    let refused = verify(&zipped(&more), &city).unwrap_err();
    assert!(refused.to_string().contains("statement.pdf"), "{refused}");
    let none: Vec<_> = files(&packed).into_iter().filter(|(own, _)| own != "proofs.json").collect();
    assert!(matches!(verify(&zipped(&none), &city).unwrap_err(), PackageError::NoProofs));
}

#[tokio::test]
async fn a_package_of_another_version_is_refused_with_what_to_do_and_its_tables_are_held_all_the_same() {
    let city = Chronicle::written().await;
    let packed = pack(&bundle(&city, "lift-1", true).await).unwrap();
    let own = format!("liftwatch {}\"", env!("CARGO_PKG_VERSION"));
    let mut files = files(&packed);
    for (_, content) in files.iter_mut().filter(|(name, _)| name.starts_with("report.")) {
        *content = String::from_utf8(content.clone()).unwrap().replace(&own, "liftwatch 0.0.9\"").into_bytes();
    }
    let other = zipped(&files);
    let refused = verify(&other, &city).unwrap_err().to_string();
    assert!(refused.contains("0.0.9") && refused.contains("--without-reports"), "{refused}");
    let without = |packed: &[u8]| liftwatch::package::verify(packed, &city.public, Texts::LeftOut);
    without(&other).unwrap();
    for name in ["records.csv", "records.jsonl"] {
        let bad = with_a_byte_changed(&other, name);
        assert!(matches!(without(&bad).unwrap_err(), PackageError::Differs(told) if told == name));
    }
}

#[tokio::test]
async fn the_same_entries_are_the_same_file_and_papers_may_show_times_elsewhere() {
    let city = Chronicle::written().await;
    let bundle = bundle(&city, "lift-1", true).await;
    let packed = pack(&bundle).unwrap();
    assert_eq!(packed, pack(&bundle).unwrap());
    let west = Offset::new(-300).unwrap();
    let elsewhere = liftwatch::package::pack(&Content::Unit(Box::new(bundle)), west).unwrap();
    verify(&elsewhere, &city).unwrap();
    let (here, there) = (file(&packed, "report.en.html"), file(&elsewhere, "report.en.html"));
    assert!(here.contains("UTC+08:00") && there.contains("UTC-05:00") && here != there);
    // The visit of the first day, at eight by UTC.
    assert!(here.contains("2026-01-01 16:00:00 – 16:40:00"), "{here}");
    assert!(there.contains("2026-01-01 03:00:00 – 03:40:00"), "{there}");
}

#[tokio::test]
async fn the_paper_has_the_checkpoint_and_reads_in_both_languages_without_anything_from_elsewhere() {
    let city = Chronicle::written().await;
    let packed = pack(&bundle(&city, "lift-1", false).await).unwrap();
    let (zh, en) = (file(&packed, "report.zh.html"), file(&packed, "report.en.html"));
    assert!(zh.contains("半月维保") && zh.contains("作业人员 w-1、w-2") && zh.contains("无一遗漏"), "{zh}");
    assert!(en.contains("Half-month") && en.contains("Workers w-1, w-2") && en.contains("none is missing"), "{en}");
    for paper in [zh, en] {
        assert!(paper.contains(city.notes.last().unwrap().trim()) && paper.contains("<svg"), "{paper}");
        let fetched = ["src=", "href=", "url(", "@import", "<script"];
        // The drawing names its language by an address that nobody fetches.
        let own = paper.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!fetched.iter().any(|word| own.contains(word)) && !own.contains("http:"), "{paper}");
    }
}
