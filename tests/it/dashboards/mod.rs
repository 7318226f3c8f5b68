//! The dashboards: what a good one has, and every query of every panel against a real Prometheus that scrapes the real
//! daemon of a simulated city.

mod board;
mod lint;
mod prometheus;
mod schema;
mod wall;

use std::process::Command;

use board::{Board, boards};
use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::words;

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

#[test]
fn the_files_are_what_their_script_makes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards/make");
    let checked = Command::new("python3").args(["-B", script, "--check"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn dashboards_call_faults_and_rules_what_the_pages_call_them() {
    let file = include_str!("../../../dashboards/make/words.py");
    for code in FaultCode::ALL {
        let line = format!("\"{}\": \"{} · {}\",", code.as_str(), code.zh(), code.en());
        assert!(file.contains(&line), "dashboards/make/words.py has no line {line}");
    }
    let rules: Vec<&str> = words::rules().collect();
    assert!(rules.contains(&"entrapment"));
    for (list, code) in rules
        .iter()
        .map(|rule| ("rule", *rule))
        .chain(SEVERITIES.map(|severity| ("severity", severity)))
        .chain(EventType::ALL.iter().map(|kind| ("event", kind.as_str())))
    {
        let (zh, en) = words::find(list, code).unwrap();
        assert!(
            file.contains(&format!("\"{zh} · {en}\"")),
            "dashboards/make/words.py does not call {code} {zh} · {en}"
        );
    }
}

#[test]
fn every_dashboard_keeps_the_rules_of_good_ones() {
    let faults: Vec<String> = boards().iter().flat_map(lint::faults).collect();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    assert!(boards().len() >= 4, "a dashboard is missing");
}

/// A change to a good dashboard, and the fault that must be found after it.
type Spoiler = (fn(&mut serde_json::Value), &'static str);

#[test]
fn the_rules_see_what_breaks_them() {
    let spoilers: [Spoiler; 13] = [
        (|json| json["id"] = 7.into(), "has an id"),
        (|json| json["editable"] = true.into(), "is editable"),
        (|json| json["title"] = "City".into(), "title is not bilingual"),
        (|json| json["panels"][0]["title"] = "People trapped".into(), "title is not bilingual"),
        (|json| json["panels"][0]["description"] = "".into(), "description is not bilingual"),
        (|json| json["panels"][1]["id"] = 1.into(), "id 1 stands twice"),
        (|json| json["panels"][1]["gridPos"]["x"] = 0.into(), "overlaps"),
        (|json| json["panels"][0]["fieldConfig"]["defaults"]["unit"] = serde_json::Value::Null, "has no unit"),
        (|json| json["panels"][0]["targets"][0]["datasource"]["uid"] = "p1".into(), "does not use ${datasource}"),
        (|json| json["panels"][0]["targets"][0]["expr"] = "liftwatch_duplicates_total".into(), "not under rate"),
        (|json| json["panels"][0]["targets"][0]["expr"] = "rate(liftwatch_duplicates_total[5m])".into(), "[5m]"),
        (|json| json["panels"][0]["fieldConfig"]["defaults"]["mappings"] = serde_json::json!([]), "colour alone"),
        (|json| json["templating"]["list"][0]["name"] = "other".into(), "no variable datasource"),
    ];
    let good = boards().into_iter().find(|board| board.name == "city").unwrap();
    for (spoil, fault) in spoilers {
        let mut json = good.json.clone();
        spoil(&mut json);
        let faults = lint::faults(&Board { name: "spoilt".to_owned(), json });
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault} is not among {faults:?}");
    }
}
