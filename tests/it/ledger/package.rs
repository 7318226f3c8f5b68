//! What an auditor takes along: complete or refused.

use liftwatch::ledger::bundle::Bundle;
use liftwatch::package::{PackageError, pack, verify};
use liftwatch::store::read::ledger::Stretch;
use serde_json::Value;

use super::chronicle::{Chronicle, UNITS};

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
            let shown = verify(&pack(&bundle, &[]).unwrap(), &city.public).unwrap();
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
    let shown = verify(&pack(&bundle, &[]).unwrap(), &city.public).unwrap();
    assert!(shown.entries.is_empty());
}

#[tokio::test]
async fn an_entry_that_is_left_out_is_missed_wherever_it_stood() {
    let city = Chronicle::written().await;
    let whole = bundle(&city, "lift-2", false).await;
    for left_out in 0..whole.entries.len() {
        let mut bundle = whole.clone();
        bundle.entries.remove(left_out);
        let refused = verify(&pack(&bundle, &[]).unwrap(), &city.public).unwrap_err();
        assert!(refused.to_string().contains("is missing"), "{left_out}: {refused}");
    }
    let mut swapped = whole.clone();
    swapped.entries.swap(0, 1);
    assert!(verify(&pack(&swapped, &[]).unwrap(), &city.public).is_err());
}

#[tokio::test]
async fn no_text_or_number_of_the_proofs_can_be_edited() {
    let city = Chronicle::written().await;
    let whole = serde_json::to_value(bundle(&city, "lift-3", false).await).unwrap();
    let mut places = Vec::new();
    gather(&whole, String::new(), &mut places);
    assert!(places.len() > 60, "{}", places.len());
    for place in places {
        let mut edited = whole.clone();
        match edited.pointer_mut(&place).unwrap() {
            Value::Number(number) => *edited.pointer_mut(&place).unwrap() = (number.as_u64().unwrap() + 1).into(),
            Value::String(text) => {
                // In the middle, where nothing is only form.
                let middle = (text.len() / 2..).find(|at| text.is_char_boundary(*at)).unwrap();
                let new = if text[middle..].starts_with('A') { "B" } else { "A" };
                let end = middle + text[middle..].chars().next().map_or(0, char::len_utf8);
                text.replace_range(middle..end, new);
            }
            other => panic!("{place}: {other}"),
        }
        let edited: Bundle = serde_json::from_value(edited).unwrap();
        let packed = match pack(&edited, &[]) {
            Ok(packed) => packed,
            Err(PackageError::Entry { .. }) => continue,
            Err(other) => panic!("{place}: {other}"),
        };
        assert!(verify(&packed, &city.public).is_err(), "{place} was edited, and nobody saw it");
    }
}

/// Pointers to every text and number.
fn gather(value: &Value, place: String, places: &mut Vec<String>) {
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
async fn an_edited_table_beside_good_proofs_is_refused() {
    let city = Chronicle::written().await;
    let packed = pack(&bundle(&city, "lift-1", true).await, &[]).unwrap();
    let mut edited = packed.clone();
    let place = find(&packed, b"records.csv", b",visit,");
    edited[place + 1] = b'V';
    assert!(verify(&edited, &city.public).is_err());
}

/// Where `text` stands behind `name` in a package that is not compressed.
fn find(package: &[u8], name: &[u8], text: &[u8]) -> usize {
    let at = |from: usize, wanted: &[u8]| {
        from + package[from..].windows(wanted.len()).position(|window| window == wanted).unwrap()
    };
    at(at(0, name), text)
}
