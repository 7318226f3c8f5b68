//! A region that goes to a server of its own, and a broker that goes to another machine: what was recorded comes along, and
//! what was told meanwhile arrives.

use std::path::Path;

use liftwatch::clock::{Clock, SystemClock};

use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, Run, run, text, until};
use crate::sinks::stub::{Act, Stub};

const STAYS: &str = "lift/v1/350582/maker-a/J-1";
const MOVES: &str = "lift/v1/350583/maker-a/N-1";

/// The section of the region that moves.
fn region(broker: &Mosquitto) -> String {
    format!("[[region]]\ncode = \"350583\"\nname = \"南安\"\nbroker = \"{}\"\nclient_id = \"second\"\n", broker.url())
}

/// Signing, and telling by one hook of this region or of the others.
fn rest(hook: &Stub, matching: &str) -> String {
    format!(
        "[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 1\n[notify]\nallow_nets = [\"127.0.0.0/8\"]\n\
         [[receiver]]\nname = \"duty\"\nlanguage = \"en\"\n[[receiver.webhook]]\nurl = \"{}\"\n\
         secret_files = [\"hook.key\"]\n[[route]]\nreceiver = \"duty\"\ngroup_wait = \"0s\"\nmatch = [{matching}]\n",
        hook.url()
    )
}

fn key(folder: &Folder, name: &str) {
    folder.write("hook.key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let key = folder.path("ledger.key");
    let public = run(&["ledger", "key", name, "--out", text(&key)]).exits(0).out;
    folder.write("ledger.pub", &public);
}

fn event(seq: u64, kind: &str) -> String {
    format!(r#"{{"ts":"{}","boot":"b1","seq":{seq},"type":"{kind}"}}"#, SystemClock::new().now())
}

fn visit(record: &str) -> String {
    format!(
        r#"{{"ts":"2026-11-20T09:00:00Z","record_id":"{record}","kind":"HM","started_at":"2026-11-20T08:00:00Z","ended_at":"2026-11-20T08:40:00Z","workers":["w-{record}"]}}"#
    )
}

fn tell(broker: &Mosquitto, unit: &str, class: &str, message: &str) {
    broker.publish(&format!("{unit}/{class}"), message.as_bytes());
}

fn state(daemon: &Daemon, unit: &str) -> Vec<String> {
    let alerts = daemon.items(&format!("/api/v1/alerts?rule=entrapment&unit={unit}"));
    alerts.iter().map(|alert| alert["state"].as_str().unwrap().to_owned()).collect()
}

/// The newest checkpoint once it covers everything, kept in a file.
fn keep(daemon: &Daemon, folder: &Folder, name: &str) -> std::path::PathBuf {
    let entries = daemon.metric("liftwatch_ledger_entries").unwrap();
    let newest = || daemon.get("/api/v1/ledger/checkpoint").1;
    let size = |note: &str| note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0.0);
    until("what is entered is signed", || size(&newest()) >= entries);
    folder.write(name, &newest())
}

fn audit(file: &Path, keys: &[&Path], kept: &[&Path]) -> Run {
    let mut arguments = vec!["verify", "--db", text(file)];
    arguments.extend(keys.iter().flat_map(|key| ["--key", text(key)]));
    arguments.extend(kept.iter().flat_map(|kept| ["--checkpoint", text(kept)]));
    run(&arguments)
}

/// Which units the hook was told of, in its messages of alerts.
fn told(hook: &Stub) -> String {
    hook.requests().iter().map(|request| request.json().to_string()).collect()
}

#[test]
fn a_region_moves_with_its_past_and_what_waits_and_the_ledger_goes_on_under_a_new_name() {
    let (here, there) = (Mosquitto::start(), Mosquitto::start());
    let (hook, new_hook) = (Stub::start(Act::status(204)), Stub::start(Act::status(204)));
    let old = Folder::new(&here.url(), &(region(&there) + &rest(&hook, "")));
    key(&old, "lifts.example/both");
    old.import("J-1,350582,traction,maker-a,Garden,o,f\nN-1,350583,traction,maker-a,Harbour,o,f\n").exits(0);
    let daemon = old.serve();
    until("both are heard", || daemon.log().matches("subscribed").count() >= 2);
    for (broker, unit) in [(&here, STAYS), (&there, MOVES)] {
        tell(broker, unit, "visit", &visit(&format!("r-{}", &unit[unit.len() - 3..])));
        tell(broker, unit, "event", &event(1, "entrapment_reported"));
    }
    for unit in ["J-1", "N-1"] {
        until("people are trapped", || state(&daemon, unit) == ["firing"]);
        until("somebody is told", || told(&hook).contains(unit));
    }
    let kept = keep(&daemon, &old, "before");
    assert!(daemon.stop().success());

    // The old server without the region; a copy of all that it has goes to the new one.
    let copy = old.path("moving.db");
    run(&["backup", "--config", text(&old.config()), "--to", text(&copy)]).exits(0);
    let config = std::fs::read_to_string(old.config()).unwrap();
    let without = config.replace(&region(&there), "").replace("match = []", "match = [\"region!=350583\"]");
    assert_ne!(config, without);
    old.write("liftwatch.toml", &without);
    tell(&there, MOVES, "event", &event(2, "passenger_released"));
    let daemon = old.serve_connected();

    let new = Folder::new(&there.url(), "");
    let config = std::fs::read_to_string(new.config()).unwrap();
    let (head, _) = config.split_once("[[region]]").unwrap();
    new.write("liftwatch.toml", &(head.to_owned() + &region(&there) + &rest(&new_hook, "\"region=350583\"")));
    key(&new, "lifts.example/nanan");
    std::fs::copy(&copy, new.path("city.db")).unwrap();
    let moved = new.serve_connected();
    until("what waited at the broker has come", || state(&moved, "N-1") == ["resolved"]);
    until("the end is told here", || told(&new_hook).contains("N-1"));
    assert_eq!(moved.items("/api/v1/visits?unit=N-1").len(), 1);
    assert_eq!(moved.items("/api/v1/units").len(), 2);
    assert_eq!(moved.items("/api/v1/events?unit=N-1").len(), 2);
    tell(&there, MOVES, "visit", &visit("r-2"));
    until("life goes on", || moved.items("/api/v1/visits?unit=N-1").len() == 2);

    // The old one keeps the past, hears nothing more of it, and tells nobody.
    assert_eq!(state(&daemon, "N-1"), ["firing"]);
    tell(&here, STAYS, "event", &event(2, "passenger_released"));
    until("its own region goes on", || state(&daemon, "J-1") == ["resolved"]);
    until("and is told", || told(&hook).matches("J-1").count() > 1);
    assert!(!told(&new_hook).contains("J-1"), "{}", told(&new_hook));

    let (kept_old, kept_new) = (keep(&daemon, &old, "after"), keep(&moved, &new, "after"));
    let note = std::fs::read_to_string(&kept_new).unwrap();
    assert!(note.starts_with("lifts.example/nanan\n"), "{note}");
    assert!(daemon.stop().success() && moved.stop().success());
    let (old_key, new_key) = (old.path("ledger.pub"), new.path("ledger.pub"));
    audit(&old.path("city.db"), &[&old_key], &[&kept, &kept_old]).exits(0);
    let (here, there) = (new.path("city.db"), [old_key.as_path(), new_key.as_path()]);
    let good = audit(&here, &there, &[&kept, &kept_new]).exits(0).out;
    assert!(good.contains(": good. "), "{good}");
    let stranger = audit(&here, &[&new_key], &[]).exits(1).out;
    assert!(stranger.contains("lifts.example/nanan is on it"), "a name that nobody gave is believed: {stranger}");
    audit(&here, &there, &[&kept_old]).exits(1);
}

#[test]
fn a_broker_moves_with_its_folder_and_what_waits_in_it() {
    let store = tempfile::tempdir().unwrap();
    let lasting =
        |folder: &Path| format!("allow_anonymous true\npersistence true\npersistence_location {}/\n", text(folder));
    let mut broker = Mosquitto::start_with(&lasting(store.path()));
    let folder = Folder::new(&broker.url(), "");
    folder.import("J-1,350582,traction,maker-a,Garden,o,f\n").exits(0);
    let daemon = folder.serve_connected();
    assert!(daemon.stop().success());
    for seq in 1..=20 {
        tell(&broker, STAYS, "event", &event(seq, "alarm_pressed"));
    }
    broker.stop();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(store.path().join("mosquitto.db"), elsewhere.path().join("mosquitto.db")).unwrap();
    let new = Mosquitto::start_with(&lasting(elsewhere.path()));
    let config = std::fs::read_to_string(folder.config()).unwrap();
    folder.write("liftwatch.toml", &config.replace(&broker.url(), &new.url()));
    let daemon = folder.serve_connected();
    until("what waited has come", || daemon.items("/api/v1/events").len() == 20);
    assert!(!daemon.log().contains("lost"), "the session came along: {}", daemon.log());
    assert_eq!(daemon.stop().code(), Some(0));
}
