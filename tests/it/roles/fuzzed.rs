//! The API as a fuzzer sees it: schemathesis makes requests out of the OpenAPI document and holds every answer against it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, run, text, until};

/// Seconds; it goes on until they are spent.
const BUDGET: &str = "40";

/// What is held against the document. What a schema cannot say is left out: that an empty parameter is as none
/// (docs/API.md), and which texts are ids, times, names and matchers.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance";

/// A city with something to find at each address: an alert, events, a gap, a refused message, a visit, a checkpoint.
fn furnished(broker: &Mosquitto) -> (Folder, crate::process::Daemon) {
    let folder = Folder::new(&broker.url(), "[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 1\n");
    run(&["ledger", "key", "lifts.example/fuzzed", "--out", text(&folder.path("ledger.key"))]).exits(0);
    folder.import("u-1,350582,traction,maker-a,site,owner-a,firm-a\n").exits(0);
    let daemon = folder.serve_connected();
    for (class, payload) in [
        ("event", r#"{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":1,"type":"entrapment_reported"}"#),
        ("event", r#"{"ts":"2026-11-23T04:01:00Z","boot":"b1","seq":3,"type":"alarm_pressed"}"#),
        ("event", "no JSON"),
    ] {
        broker.publish(&format!("lift/v1/350582/maker-a/u-1/{class}"), payload.as_bytes());
    }
    let visit = r#"{"record_id":"r-1","kind":"HM","started_at":"2026-11-20T04:00:00Z","workers":["w-1"]}"#;
    assert_eq!(daemon.post("/api/v1/units/u-1/visits", "application/json", visit.as_bytes()).0, 201);
    until("something stands at each address", || {
        ["alerts", "events", "gaps", "quarantine"]
            .iter()
            .all(|list| !daemon.items(&format!("/api/v1/{list}")).is_empty())
    });
    until("there is a package of the visit", || daemon.bytes("/api/v1/visits.zip").0 == 200);
    (folder, daemon)
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_have() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/schemathesis");
    assert!(
        library.join("schemathesis").exists(),
        "schemathesis is not in {}; tests/run installs it",
        library.display()
    );
    let broker = Mosquitto::start();
    let (folder, daemon) = furnished(&broker);
    let alert = daemon.items("/api/v1/alerts")[0]["id"].as_str().unwrap().to_owned();
    let visit = daemon.items("/api/v1/visits")[0]["id"].as_str().unwrap().to_owned();
    let named = |path: &str, parameter: &str, value: &str| {
        format!("[[operations]]\ninclude-path = \"{path}\"\nparameters = {{ \"path.{parameter}\" = \"{value}\" }}\n")
    };
    let mut config = String::new();
    for more in ["", "/timeline", "/acknowledge", "/arrived", "/false-alarm", "/note"] {
        config += &named(&format!("/api/v1/alerts/{{id}}{more}"), "id", &alert);
    }
    config += &named("/api/v1/visits/{id}", "id", &visit);
    config += &named("/api/v1/units/{id}", "id", "u-1");
    config += &named("/api/v1/units/{id}/visits", "id", "u-1");
    config += &named("/api/v1/ledger/entries/{index}", "index", "0");
    folder.write("schemathesis.toml", &config);
    // Whether it is ready may truly be no.
    let asked = Command::new("python3")
        .args(["-m", "schemathesis.cli", "run", &format!("http://{}/api/v1/openapi.json", daemon.authority())])
        .args(["--max-time", BUDGET, "--phases", "examples,coverage,fuzzing", "--seed", "1", "-w", "2"])
        .args(["--checks", CHECKS, "--continue-on-failure", "--exclude-path", "/-/ready", "--no-color"])
        .current_dir(folder.path(""))
        .env("PYTHONPATH", text(&library))
        .stdin(Stdio::null())
        .output()
        .expect("python3 is in Debian's package python3, which tests/run installs");
    let told = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{told}\n{}", String::from_utf8_lossy(&asked.stderr));
    assert!(told.contains("generated"), "{told}");
    assert_eq!(daemon.get("/-/healthy").0, 200, "it lives on");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
