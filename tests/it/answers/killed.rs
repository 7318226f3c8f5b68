//! The built daemon, killed as soon as it has answered: what it said was recorded is there when it comes back.

use serde_json::{Value, json};

use crate::process::{Daemon, Folder, until};

/// A lift from 2001, so that `over_age` fires at its import.
const UNITS: &str = "unit,region,kind,publisher,in_service_since\nU-1,350582,traction,maker-a,2001-01-01\n";

fn post(daemon: &Daemon, path: &str, body: &Value) -> Value {
    let (status, answer) = daemon.post(path, "application/json", body.to_string().as_bytes());
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn what_was_answered_before_a_kill_is_there_after_it() {
    // Nothing listens there: people's answers need no broker.
    let folder = Folder::new("mqtt://127.0.0.1:1", "[notify]\nack_timeout = \"8h\"\nsecret_file = \"notify.key\"\n");
    folder.write("notify.key", "a key of this test alone, long enough for it\n");
    let daemon = folder.serve();
    assert_eq!(daemon.post("/api/v1/units", "text/csv", UNITS.as_bytes()).0, 200);
    until("it fires", || !daemon.items("/api/v1/alerts?state=firing").is_empty());
    let alert = daemon.items("/api/v1/alerts?state=firing")[0]["id"].as_str().unwrap().to_owned();
    let wish = json!({"matchers": ["unit=U-1"], "by": "Lin", "why": "works", "ends_at": in_an_hour()});
    let silence = post(&daemon, "/api/v1/silences", &wish)["id"].as_str().unwrap().to_owned();
    let file = post(&daemon, &format!("/api/v1/alerts/{alert}/acknowledge"), &json!({"by": "Lin", "note": "seen"}));
    assert!(file["standing"]["until"].is_string(), "the configured time: {file}");
    daemon.kill();

    let daemon = folder.serve();
    let file = daemon.json(&format!("/api/v1/alerts/{alert}"));
    assert_eq!((&file["answers"][0]["by"], &file["standing"]["answered"]), (&json!("Lin"), &json!(true)), "{file}");
    assert_eq!(daemon.json(&format!("/api/v1/silences/{silence}"))["state"], "active");
    assert_eq!(daemon.get("/r/d-1/forged").0, 404);
    assert!(daemon.stop().success());
}

fn in_an_hour() -> String {
    use liftwatch::clock::{Clock, SystemClock};
    (SystemClock::new().now() + liftwatch::domain::time::HOUR).to_string()
}
