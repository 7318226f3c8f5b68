//! The daemon end to end: the built program, a real broker, mosquitto_pub as the controllers, HTTP as the reader.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use serde_json::{Value, json};

use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, REGISTRY_HEADER, until};

/// Two foreign sources beside the canonical one.
const MAPPINGS: &str = r#"
[[mapping]]
name = "city-gb"
family = "gb24476"
topic = "gb/{region}/+/+"
publisher = { topic_level = 3 }
unit = { topic_level = 4 }
booleans = "0/1"
[[mapping]]
name = "gateway"
family = "level_flags"
topic = "es1500/+/state"
publisher = { fixed = "es-gateway" }
unit = { topic_level = 2 }
booleans = "1/2"
flag_prefix = "al_"
"#;

const UNITS: &str = "\
L-1,350582,traction,maker-a,Garden,owner-1,firm-1
L-2,350582,traction,maker-a,Garden,owner-1,firm-1
G-1,350582,traction,acme,Market,owner-2,firm-2
F-1,350582,traction,es-gateway,Market,owner-2,firm-2
";

/// A city with its broker, and the time at which its story begins.
struct City {
    broker: Mosquitto,
    folder: Folder,
    daemon: Daemon,
    start: Timestamp,
}

impl City {
    fn start() -> Self {
        let broker = Mosquitto::start_with("allow_anonymous true\nlog_type all\n");
        let folder = Folder::new(&broker.url(), MAPPINGS);
        let imported = folder.import(UNITS).exits(0);
        assert_eq!(imported.out, "4 added, 0 changed, 0 unchanged\n");
        let daemon = folder.serve_connected();
        // Six hours back, on a whole second, so that times read the same everywhere.
        let now = SystemClock::new().now().0;
        Self { broker, folder, daemon, start: Timestamp(now - now % SECOND - 6 * HOUR) }
    }

    fn at(&self, after: i64) -> String {
        (self.start + after).to_string()
    }

    /// A canonical message of maker-a.
    fn tell(&self, unit: &str, class: &str, payload: &Value) {
        self.publish(&format!("lift/v1/350582/maker-a/{unit}/{class}"), payload);
    }

    fn publish(&self, topic: &str, payload: &Value) {
        self.broker.publish(topic, payload.to_string().as_bytes());
    }

    /// Waits until the API shows so many events of a unit; they come oldest first.
    fn events(&self, unit: &str, count: usize) -> Vec<Value> {
        let path = format!("/api/v1/events?unit={unit}");
        until(&format!("{count} events of {unit}"), || self.daemon.items(&path).len() >= count);
        let mut events = self.daemon.items(&path);
        events.reverse();
        assert_eq!(events.len(), count, "{events:?}");
        events
    }

    /// Waits for the one firing alert of a rule, and shows all of it.
    fn alert(&self, rule: &str) -> Value {
        let path = format!("/api/v1/alerts?rule={rule}&state=firing");
        until(&format!("{rule} fires"), || !self.daemon.items(&path).is_empty());
        let alerts = self.daemon.items(&path);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        self.daemon.json(&format!("/api/v1/alerts/{}", alerts[0]["id"].as_str().unwrap()))
    }

    fn quarantined(&self, reason: &str) -> Value {
        let path = format!("/api/v1/quarantine?reason={reason}");
        until(&format!("{reason} in quarantine"), || !self.daemon.items(&path).is_empty());
        let items = self.daemon.items(&path);
        assert_eq!(items.len(), 1, "{items:?}");
        items[0].clone()
    }
}

/// The application acks from now on, one a line.
struct Acks(Child);

impl Acks {
    fn listen(broker: &Mosquitto) -> Self {
        let listener = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "liftack/v1/#", "-v", "-W", "20"])
            .stdout(Stdio::piped())
            .spawn();
        let listening = Self(listener.unwrap());
        until("mosquitto_sub listens", || broker.log().contains("liftack/v1/#"));
        listening
    }

    /// Reads until this one comes. Messages of one transaction are acknowledged by the last of them, so others need not.
    fn wait_for(mut self, wanted: &str) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut heard = Vec::new();
        for line in lines {
            if line == wanted {
                return;
            }
            heard.push(line);
        }
        panic!("{wanted} never came; there were {heard:?}");
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn words<'a>(events: &'a [Value], field: &str) -> Vec<&'a str> {
    events.iter().map(|event| event[field].as_str().unwrap_or("-")).collect()
}

#[test]
fn a_message_goes_the_whole_way_from_a_controller_to_a_page() {
    let city = City::start();
    three_faults_become_an_alert_with_its_evidence(&city);
    a_state_and_the_papers_of_a_unit_are_shown(&city);
    foreign_payloads_become_the_same_words(&city);
    what_is_refused_is_kept(&city);
    an_unknown_unit_is_kept_and_attached_when_it_is_registered(&city);
    an_entrapment_ends_by_a_persons_word(&city);
    a_broker_that_goes_is_seen_and_what_came_is_stored_at_the_end(city);
}

fn three_faults_become_an_alert_with_its_evidence(city: &City) {
    let acks = Acks::listen(&city.broker);
    for seq in 1..=3 {
        let ts = city.at((seq - 1) * 2 * HOUR);
        let event = json!({"ts": ts, "boot": "b1", "seq": seq, "type": "fault_raised", "code": "door_closing",
            "vendor_code": "E41", "landing": "5", "oil": 1});
        city.tell("L-1", "event", &event);
    }
    let events = city.events("L-1", 3);
    assert_eq!(words(&events, "type"), ["fault_raised"; 3]);
    let first = &events[0];
    assert_eq!(
        json!([first["code"], first["vendor_code"], first["landing"], first["ts"], first["seq"], first["extra"]]),
        json!(["door_closing", "E41", "5", city.at(0), 1, {"oil": 1}])
    );

    let alert = city.alert("repeated_fault");
    let ids: Vec<&Value> = events.iter().map(|event| &event["id"]).collect();
    assert_eq!(alert["evidence"], json!(ids));
    assert_eq!(json!([alert["unit"], alert["severity"], alert["state"]]), json!(["L-1", "warning", "firing"]));
    assert_eq!(alert["starts_at"], events[2]["ts"], "it begins with the third incident");
    assert_eq!(alert["facts"][1]["event"]["vendor_code"], "E41");
    assert_eq!(alert["transitions"][0]["kind"], "fired");
    assert!(!alert["basis"].as_str().unwrap().is_empty());

    let id = alert["id"].as_str().unwrap();
    for (lang, word) in [("en", "Evidence"), ("zh", "证据")] {
        let (status, page) = city.daemon.get(&format!("/alerts/{id}?lang={lang}"));
        assert_eq!(status, 200, "{page}");
        for part in [id, "/units/L-1", "E41", word, alert["summary"][lang].as_str().unwrap()] {
            assert!(page.contains(part), "{part} is not on the page: {page}");
        }
    }

    acks.wait_for(r#"liftack/v1/maker-a/L-1 {"boot":"b1","first":1,"seq":3}"#);
}

fn a_state_and_the_papers_of_a_unit_are_shown(city: &City) {
    let state = json!({"ts": city.at(5 * HOUR), "boot": "b1", "last_seq": 3, "mode": "normal", "moving": false,
        "landing": "5", "door": "closed", "occupied": false, "active_faults": ["door_closing"], "runs": 120_345});
    city.tell("L-1", "state", &state);
    let visit = json!({"ts": city.at(HOUR), "record_id": "r-1", "kind": "HM", "started_at": city.at(-2 * HOUR),
        "ended_at": city.at(-HOUR), "workers": ["w-17", "w-22"], "items": [{"id": "A1-01", "result": "pass"}]});
    city.tell("L-1", "visit", &visit);
    let hazard = json!({"ts": city.at(HOUR), "report_id": "h-1", "reporter": "inspection_body",
        "basis": "GB45067-4.6-b", "use_stopped": true});
    city.tell("L-1", "hazard", &hazard);
    until("the live state is written", || city.daemon.json("/api/v1/units/L-1")["state"].is_object());
    let unit = city.daemon.json("/api/v1/units/L-1");
    assert_eq!(json!([unit["state"]["landing"], unit["state"]["runs"]]), json!(["5", 120_345]));
    assert_eq!(unit["visits"][0]["record_id"], "r-1");
    let hazards = r#"liftwatch_hazards{region="350582",state="received"}"#;
    until("the hazard is counted", || city.daemon.metric(hazards) == Some(1.0));
    // The level that the state tells was an event already: door_closing is still raised since the third fault.
    assert_eq!(city.events("L-1", 3).len(), 3);
    for (class, count) in [("event", 3.0), ("state", 1.0), ("visit", 1.0), ("hazard", 1.0)] {
        let series = format!("liftwatch_messages_received_total{{class=\"{class}\"}}");
        assert_eq!(city.daemon.metric(&series), Some(count), "{series}");
    }
    assert_eq!(city.daemon.metric(r#"liftwatch_events_stored_total{type="fault_raised"}"#), Some(3.0));
}

fn foreign_payloads_become_the_same_words(city: &City) {
    let gb =
        |ts: i64, code: &str| json!({"ts": city.at(ts), "fault_code": code, "car_position": "B2", "occupied": "1"});
    city.publish("gb/350582/acme/G-1", &gb(MINUTE, "04"));
    city.publish("gb/350582/acme/G-1", &gb(2 * MINUTE, "F99"));
    let events = city.events("G-1", 2);
    assert_eq!(words(&events, "code"), ["car_stopped_outside_landing_zone", "other"]);
    assert_eq!(json!([events[0]["landing"], events[1]["vendor_code"]]), json!(["B2", "F99"]));
    assert_eq!(city.daemon.metric("liftwatch_unknown_codes_total"), Some(1.0));

    let flags = |ts: i64, door: &str| json!({"ts": city.at(ts), "door_opening": door, "alarm": "2"});
    for (ts, door) in [(1, "2"), (2, "1"), (3, "1"), (4, "2")] {
        city.publish("es1500/F-1/state", &flags(ts * MINUTE, door));
    }
    let edges = city.events("F-1", 2);
    assert_eq!(words(&edges, "type"), ["fault_raised", "fault_cleared"]);
    assert_eq!(words(&edges, "code"), ["door_opening"; 2]);
    assert_eq!(words(&edges, "ts"), [city.at(2 * MINUTE), city.at(4 * MINUTE)]);
    assert_eq!(words(&edges, "origin"), ["edge"; 2]);
}

fn what_is_refused_is_kept(city: &City) {
    city.broker.publish("lift/v1/350582/maker-a/L-1/event", b"{\"ts\": oops");
    let refused = city.quarantined("bad_json");
    let file = city.daemon.json(&format!("/api/v1/quarantine/{}", refused["id"]));
    assert!(file.to_string().contains("oops"), "{file}");
    let event = json!({"ts": city.at(0), "boot": "b1", "seq": 4, "type": "alarm_pressed"});
    city.publish("lift/v1/350582/maker-b/L-1/event", &event);
    let refused = city.quarantined("foreign_unit");
    assert_eq!(json!([refused["publisher"], refused["unit"]]), json!(["maker-b", "L-1"]));
    until("the operator is told", || city.daemon.log().contains("speaks for units that the registry gives to others"));
    for reason in ["bad_json", "foreign_unit"] {
        let series = format!("liftwatch_messages_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(city.daemon.metric(&series), Some(1.0), "{series}");
    }
    city.events("L-1", 3);
}

fn an_unknown_unit_is_kept_and_attached_when_it_is_registered(city: &City) {
    let event = json!({"ts": city.at(HOUR), "boot": "x", "seq": 1, "type": "fault_raised", "code": "levelling"});
    city.tell("X-9", "event", &event);
    until("X-9 is told", || !city.daemon.items("/api/v1/unregistered").is_empty());
    let unknown = city.daemon.items("/api/v1/unregistered");
    assert_eq!(json!([unknown[0]["unit"], unknown[0]["messages"]]), json!(["X-9", 1]));
    assert_eq!(city.daemon.get("/api/v1/units/X-9").0, 404);
    let csv = format!("{REGISTRY_HEADER}X-9,350582,traction,maker-a,Quay,owner-3,firm-1\n");
    let (status, answer) = city.daemon.post("/api/v1/units", "text/csv", csv.as_bytes());
    assert_eq!((status, answer.as_str()), (200, r#"{"added":1,"changed":0,"unchanged":0}"#));
    assert_eq!(words(&city.events("X-9", 1), "code"), ["levelling"]);
    assert_eq!(city.daemon.items("/api/v1/unregistered").len(), 0);
    let bad = csv.replace("X-9", "X 9");
    let (status, answer) = city.daemon.post("/api/v1/units", "text/csv", bad.as_bytes());
    assert_eq!(status, 422, "{answer}");
}

fn an_entrapment_ends_by_a_persons_word(city: &City) {
    let event = json!({"ts": city.at(5 * HOUR), "boot": "b1", "seq": 1, "type": "entrapment_reported"});
    city.tell("L-2", "event", &event);
    let id = city.alert("entrapment")["id"].as_str().unwrap().to_owned();
    let firing = r#"liftwatch_alerts{region="350582",rule="entrapment",severity="critical",state="firing"}"#;
    assert_eq!(city.daemon.metric(firing), Some(1.0));
    let path = format!("/api/v1/alerts/{id}/release");
    let (status, answer) = city.daemon.post(&path, "application/json", br#"{"reason":"","by":"Lin"}"#);
    assert_eq!(status, 400, "{answer}");
    let word = r#"{"reason":"doors opened by hand, two people out","by":"Lin"}"#;
    let (status, answer) = city.daemon.post(&path, "application/json", word.as_bytes());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(city.daemon.json(&format!("/api/v1/alerts/{id}"))["state"], "resolved");
    let events = city.events("L-2", 2);
    assert_eq!(words(&events, "type"), ["entrapment_reported", "passenger_released"]);
    assert_eq!(events[1]["origin"], "person");
    let (status, _) = city.daemon.post(&path, "application/json", word.as_bytes());
    assert_eq!(status, 409, "nobody is trapped any more");
}

fn a_broker_that_goes_is_seen_and_what_came_is_stored_at_the_end(mut city: City) {
    let connected = r#"liftwatch_mqtt_connected{region="350582"}"#;
    assert_eq!(city.daemon.metric(connected), Some(1.0));
    city.broker.kill();
    until("the broker is missed", || city.daemon.metric(connected) == Some(0.0));
    assert_eq!(city.daemon.get("/-/ready").0, 200, "it may be away for 30 s");
    assert_eq!(city.daemon.get("/-/healthy").0, 200);
    city.broker.spawn();
    until("the broker is back", || city.daemon.metric(connected) == Some(1.0));
    assert!(city.daemon.log().contains("the broker lost the session"), "{}", city.daemon.log());
    for seq in 4..=23 {
        let event = json!({"ts": city.at(3 * HOUR + seq), "boot": "b1", "seq": seq, "type": "alarm_pressed"});
        city.tell("L-1", "event", &event);
    }
    let City { broker, folder, daemon, start } = city;
    assert_eq!(daemon.stop().code(), Some(0));
    let city = City { daemon: folder.serve_connected(), broker, folder, start };
    assert_eq!(words(&city.events("L-1", 23), "type").iter().filter(|kind| **kind == "alarm_pressed").count(), 20);
    assert_eq!(city.alert("repeated_fault")["evidence"].as_array().unwrap().len(), 3);
    assert_eq!(city.daemon.items("/api/v1/quarantine").len(), 2, "what was refused is still there");
}
