//! A folder per payload case: tests/cases/decode/<case>/ holds the topic, the payload and what it must become.
//!
//! `topic.txt`; `input.json` or `input.bin`; `mapping.toml` where the topic is a foreign one; `expected.json` for
//! what `liftwatch decode` shows, or `expected_error.txt` for the refusal. `BLESS=1` writes the expected files anew:
//! read the difference before you believe it.

use std::fs;
use std::path::{Path, PathBuf};

use liftwatch::decode::Decoder;
use liftwatch::decode::explain::{explain, value};
use liftwatch::decode::mapping::{Fact, Rejection};
use liftwatch::decode::settings::MappingSettings;
use liftwatch::domain::id::{PublisherId, RegionCode, UnitId};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    mapping: Vec<MappingSettings>,
}

fn region() -> RegionCode {
    RegionCode::new("350582").unwrap()
}

fn decoder(toml: &str) -> Decoder {
    let file: File = toml::from_str(toml).unwrap();
    Decoder::new(&file.mapping, &[region()]).unwrap()
}

fn payload(case: &Path) -> Vec<u8> {
    let text = case.join("input.json");
    fs::read(if text.exists() { text } else { case.join("input.bin") }).unwrap()
}

fn outcome(case: &Path) -> Result<String, Rejection> {
    let mapping = fs::read_to_string(case.join("mapping.toml"));
    let decoder = mapping.map_or_else(|_| Decoder::new(&[], &[region()]).unwrap(), |toml| decoder(&toml));
    let topic = fs::read_to_string(case.join("topic.txt")).unwrap();
    let topic = topic.trim_end_matches('\n');
    let decoded = decoder.decode(&region(), topic, &payload(case))?;
    assert!(!decoded.facts.is_empty(), "{}: a message that is neither refused nor tells anything", case.display());
    Ok(format!("{:#}", value(decoder.taker(&region(), topic).unwrap_or("canonical"), &decoded)))
}

#[test]
fn every_case_becomes_what_it_says() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/decode");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 60, "the corpus is gone");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for case in &cases {
        let (name, found) = match outcome(case) {
            Ok(facts) => ("expected.json", facts),
            Err(rejection) => ("expected_error.txt", rejection.to_string()),
        };
        if bless {
            for stale in ["expected.json", "expected_error.txt"] {
                let _ = fs::remove_file(case.join(stale));
            }
            fs::write(case.join(name), format!("{found}\n")).unwrap();
        }
        let expected = fs::read_to_string(case.join(name)).unwrap_or_default();
        if expected.trim_end() != found {
            wrong.push(format!("{}/{name}\n  expected {}\n  found    {found}", case.display(), expected.trim_end()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const GB: &str = r#"
[[mapping]]
name = "gb"
family = "gb24476"
topic = "gb/{region}/+/+"
publisher = { topic_level = 3 }
unit = { topic_level = 4 }
booleans = "0/1"
"#;

/// docs/DECODING.md, code by code.
#[test]
fn every_gb_code_has_its_meaning() {
    let decoder = decoder(GB);
    for (code, meaning) in [
        ("01", "fault_raised safety_chain_open"),
        ("02", "fault_raised door_closing"),
        ("03", "fault_raised door_opening"),
        ("04", "fault_raised car_stopped_outside_landing_zone"),
        ("05", "fault_raised unintended_car_movement"),
        ("06", "fault_raised runtime_limit_exceeded"),
        ("07", "fault_raised position_lost"),
        ("08", "fault_raised start_failure"),
        ("09", "fault_raised overhead_overrun"),
        ("10", "fault_raised pit_overrun"),
        ("11", "entrapment_reported"),
        ("40", "mode_changed normal"),
        ("41", "mains_off"),
        ("42", "mode_changed out_of_service"),
        ("43", "mode_changed inspection"),
        ("44", "mode_changed fire_recall"),
        ("45", "mode_changed firefighter"),
        ("46", "mode_changed emergency_power"),
        ("47", "mode_changed earthquake"),
        ("61", "fault_raised safety_chain_open"),
        ("62", "fault_raised overspeed"),
        ("63", "fault_raised unintended_reversal"),
        ("64", "fault_raised missing_step"),
        ("65", "fault_raised start_failure"),
        ("90", "alarm_pressed"),
        ("91", "fault_raised pit_overrun"),
        ("92", "fault_raised overhead_overrun"),
        ("93", "entrapment_reported"),
        ("17", "fault_raised other"),
    ] {
        let payload = format!(r#"{{"ts":"2026-11-23T04:00:00Z","code":"{code}"}}"#);
        let decoded = decoder.decode(&region(), "gb/350582/acme/L1", payload.as_bytes()).unwrap();
        let [Fact::Event(event)] = decoded.facts.as_slice() else { panic!("{code}: {:?}", decoded.facts) };
        let mut found = event.kind.to_string();
        if let Some(fault) = &event.fault {
            found = format!("{found} {}", fault.code);
            assert_eq!(fault.vendor_code.as_deref(), Some(code));
        }
        if let Some(mode) = event.mode {
            found = format!("{found} {mode}");
        }
        assert_eq!(found, meaning, "{code}");
        assert_eq!(decoded.unknown_codes.is_empty(), code != "17");
    }
}

#[test]
fn every_service_mode_has_its_word() {
    let decoder = decoder(GB);
    let words = "out_of_service normal inspection fire_recall firefighter emergency_power earthquake unknown";
    for (number, word) in words.split(' ').enumerate() {
        let payload = format!(r#"{{"ts":1763870400000,"service_mode":{number}}}"#);
        let decoded = decoder.decode(&region(), "gb/350582/acme/L1", payload.as_bytes()).unwrap();
        let [Fact::State(state)] = decoded.facts.as_slice() else { panic!("{number}: {:?}", decoded.facts) };
        assert_eq!(state.mode.unwrap().as_str(), word);
    }
}

#[test]
fn a_mapping_that_cannot_work_is_refused_with_its_key() {
    let base = "[[mapping]]\nname = \"gb\"\npublisher = { topic_level = 2 }\nunit = { topic_level = 3 }\n";
    for (settings, expected) in [
        (
            "family = \"gb24476\"\ntopic = \"gb/+/+\"",
            "mapping \"gb\": booleans: missing: \"0/1\" (1 is yes) or \"1/2\" (1 is yes, 2 is no); a payload does not tell which",
        ),
        (
            "family = \"gb24476\"\ntopic = \"lift/v1/350582/a/b/state\"\nbooleans = \"0/1\"",
            "mapping \"gb\": topic: \"lift/v1/350582/a/b/state\" takes topics under lift/v1/, which are the built-in binding's",
        ),
        (
            "family = \"gb24476\"\ntopic = \"lift/#\"\nbooleans = \"0/1\"",
            "mapping \"gb\": topic: \"lift/#\" takes topics under lift/v1/, which are the built-in binding's",
        ),
        (
            "family = \"gb24476\"\ntopic = \"#\"\nbooleans = \"0/1\"",
            "mapping \"gb\": topic: begins with a wildcard: it would take the canonical topics too",
        ),
        (
            "family = \"gb24476\"\ntopic = \"$share/x/gb/+/+\"\nbooleans = \"0/1\"",
            "mapping \"gb\": topic: begins with `$`: shared subscriptions break the order of a unit's messages",
        ),
        (
            "family = \"gb24476\"\ntopic = \"gb/+\"\nbooleans = \"0/1\"",
            "mapping \"gb\": unit.topic_level: level 3 of a topic that has 2",
        ),
        (
            "family = \"gb24476\"\ntopic = \"gb/+/+\"\nbooleans = \"0/1\"\nregions = [\"110000\"]",
            "mapping \"gb\": regions: \"110000\" is the code of no [[region]]",
        ),
        (
            "family = \"gb24476\"\ntopic = \"gb/+/+\"\nbooleans = \"0/1\"\ncodes = { 5 = \"doors\" }",
            "mapping \"gb\": codes.5: \"doors\" is no meaning: none, a fault code, mode:<mode>, alarm_pressed, entrapment_reported, passenger_released, mains_off or mains_on",
        ),
        (
            "family = \"gb24476\"\ntopic = \"gb/+/+\"\nbooleans = \"0/1\"\nvalues = { service_mode = { 9 = \"idle\" } }",
            "mapping \"gb\": values.service_mode.9: unknown mode \"idle\"; known: out_of_service, normal, inspection, fire_recall, firefighter, emergency_power, earthquake, unknown",
        ),
        (
            "family = \"gb24476\"\ntopic = \"gb/+/+\"\nbooleans = \"0/1\"\nutc_offset = \"8\"",
            "mapping \"gb\": utc_offset: \"8\" is not an offset such as \"+08:00\"",
        ),
        (
            "family = \"level_flags\"\ntopic = \"gb/+/+\"\nbooleans = \"0/1\"\ncodes_as = \"levels\"",
            "mapping \"gb\": codes_as: flags are levels always",
        ),
        (
            "family = \"canonical\"\ntopic = \"gb/+/+\"",
            "mapping \"gb\": class: missing: the canonical family must know where it stands",
        ),
        (
            "family = \"canonical\"\ntopic = \"gb/+/+\"\nclass = { fixed = \"event\" }\nbooleans = \"0/1\"",
            "mapping \"gb\": booleans: has no meaning for the canonical family",
        ),
    ] {
        let file: File = toml::from_str(&format!("{base}{settings}\n")).unwrap();
        let error = Decoder::new(&file.mapping, &[region()]).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

#[test]
fn two_mappings_that_share_a_topic_are_refused() {
    let other = GB.replace("name = \"gb\"", "name = \"other\"").replace("gb/{region}/+/+", "gb/+/acme/#");
    let file: File = toml::from_str(&format!("{GB}{other}")).unwrap();
    let error = Decoder::new(&file.mapping, &[region()]).err().map(|error| error.to_string());
    let expected = "mapping \"other\": topic: \"gb/+/acme/#\" takes topics that \"gb/350582/+/+\" of mapping \"gb\" takes too (region 350582)";
    assert_eq!(error.as_deref(), Some(expected));
}

#[test]
fn a_session_subscribes_to_its_region_and_the_mappings_that_it_uses() {
    let here = RegionCode::new("350582").unwrap();
    let there = RegionCode::new("110000").unwrap();
    let file: File = toml::from_str(&GB.replace("name = \"gb\"", "name = \"gb\"\nregions = [\"350582\"]")).unwrap();
    let decoder = Decoder::new(&file.mapping, &[here.clone(), there.clone()]).unwrap();
    assert_eq!(decoder.filters(&here), ["lift/v1/350582/+/+/+", "gb/350582/+/+"]);
    assert_eq!(decoder.filters(&there), ["lift/v1/110000/+/+/+"]);
}

#[test]
fn explain_names_the_mapping_that_takes_the_topic() {
    let decoder = decoder(GB);
    let payload = br#"{"ts":1763870400000,"service_mode":1}"#;
    let shown = explain(&decoder, &[region()], Some("gb"), "gb/350582/acme/L1", payload).unwrap();
    assert!(shown.contains("\"mapping\": \"gb\""), "{shown}");
    let wrong = explain(&decoder, &[region()], Some("canonical"), "gb/350582/acme/L1", payload).unwrap_err();
    assert_eq!(wrong.detail, "topic \"gb/350582/acme/L1\" is taken by mapping \"gb\", not by \"canonical\"");
    let unknown = explain(&decoder, &[region()], Some("nope"), "gb/350582/acme/L1", payload).unwrap_err();
    assert_eq!(unknown.detail, "no mapping is called \"nope\"; known: canonical, gb");
    let any_region = explain(&decoder, &[], None, "lift/v1/110000/acme/L1/state", payload).unwrap();
    assert!(any_region.contains("\"region\": \"110000\""), "{any_region}");
}

#[test]
fn a_refusal_names_publisher_and_unit_as_far_as_they_are_known() {
    let decoder = decoder(GB);
    for (topic, payload, publisher, unit) in [
        ("lift/v1/350582/acme/L1/state", "{", Some("acme"), Some("L1")),
        ("lift/v1/350582/acme/L 1/state", "{}", Some("acme"), None),
        ("lift/v1/110000/acme/L1/state", "{}", Some("acme"), Some("L1")),
        ("gb/350582/acme/L1", "{", Some("acme"), Some("L1")),
        ("gb/350582/acme/L1", "{}", Some("acme"), Some("L1")),
        ("gb/350582/acme/L 1", "{}", Some("acme"), None),
        ("nobody", "{}", None, None),
    ] {
        let refused = decoder.decode(&region(), topic, payload.as_bytes()).unwrap_err();
        assert_eq!(refused.publisher.as_ref().map(PublisherId::as_str), publisher, "{topic} {payload}");
        assert_eq!(refused.unit.as_ref().map(UnitId::as_str), unit, "{topic} {payload}");
    }
}

/// The guide's examples are configuration that works, and its table is the code's.
#[test]
fn the_guide_shows_mappings_that_load_and_codes_as_they_are() {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DECODING.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    decoder(&blocks.concat());

    let decoder = decoder(GB);
    let table = guide.lines().filter(|line| line.starts_with("| ") && line.contains(" | "));
    let cells = table.flat_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect::<Vec<_>>()
    });
    let codes: Vec<_> = cells.filter(|(code, _)| code.len() == 2 && code.bytes().all(|b| b.is_ascii_digit())).collect();
    assert_eq!(codes.len(), 29);
    for (code, meaning) in codes {
        let payload = format!(r#"{{"ts":"2026-11-23T04:00:00Z","code":"{code}"}}"#);
        let decoded = decoder.decode(&region(), "gb/350582/acme/L1", payload.as_bytes()).unwrap();
        let found = match &decoded.facts[..] {
            [Fact::State(_)] => "none".to_owned(),
            [Fact::Event(event)] => match (&event.fault, event.mode) {
                (Some(fault), _) => fault.code.to_string(),
                (None, Some(mode)) => format!("mode:{mode}"),
                (None, None) => event.kind.to_string(),
            },
            other => panic!("{code}: {other:?}"),
        };
        assert_eq!(found, meaning.split(' ').next().unwrap(), "{code}");
    }
}
