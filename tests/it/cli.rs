//! The command line as operators and scripts meet it: exit codes, messages, help, and nothing that panics.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::mosquitto::free_port;
use crate::process::{Folder, REGISTRY_HEADER, Run, run, run_with_input, text};

/// A broker address at which nobody listens.
fn nobody() -> String {
    format!("mqtt://127.0.0.1:{}", free_port())
}

const EVENT: &[u8] = br#"{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":1,"type":"fault_raised","code":"levelling"}"#;
const TOPIC: &str = "lift/v1/350582/maker-a/L-1/event";

/// Neither stream may show that the program fell over instead of saying what is wrong.
fn says_what_is_wrong(run: &Run) {
    assert!(!run.err.contains("panicked") && !run.err.contains("RUST_BACKTRACE"), "{}", run.err);
    assert!(!run.err.trim().is_empty(), "it fails without a word");
}

#[test]
fn check_says_ok_or_the_file_the_line_and_the_key() {
    let root = env!("CARGO_MANIFEST_DIR");
    assert_eq!(run(&["check", "--config", &format!("{root}/config/liftwatch.toml")]).exits(0).out, "ok\n");
    let folder = Folder::new("mqtt://127.0.0.1", "client_ids = \"x\"\n");
    let config = folder.config();
    for arguments in [["check", "--config"], ["serve", "--config"]] {
        let refused = run(&[&arguments[..], &[text(&config)]].concat()).exits(1);
        let expected = format!("{}:9: region.client_ids: unknown key", text(&config));
        assert!(refused.err.contains(&expected), "{expected} is not in {}", refused.err);
    }
    let absent = text(&folder.path("absent.toml")).to_owned();
    let refused = run(&["check", "--config", &absent]).exits(1);
    assert!(refused.err.contains(&absent), "{}", refused.err);
    let empty = folder.write("empty.toml", "");
    let refused = run(&["serve", "--config", text(&empty)]).exits(1);
    assert!(refused.err.contains("no [[region]]"), "{}", refused.err);
}

/// Who hears, for [`check_routes_says_who_would_be_told_and_why`].
const ROUTES: &str = r#"
[notify]
town_regions = ["350582"]
[[receiver]]
name = "duty"
[[receiver.alertmanager]]
urls = ["http://127.0.0.1:9093"]
[[receiver]]
name = "maintainer:{maintainer}"
[[receiver.webhook]]
url = "https://hooks.example/{maintainer}"
secret_files = ["{maintainer}.key"]
[[route]]
match = ["severity=critical"]
receiver = "duty"
continue = true
[[route]]
receiver = "maintainer:{maintainer}"
group_by = ["site"]
group_wait = "30s"
[[escalation]]
match = ["rule=entrapment"]
steps = [
  { after = "3m", receiver = "duty" },
  { after = "on_site", unless = "arrived", receiver = "maintainer:{maintainer}" },
]
"#;

#[test]
fn check_routes_says_who_would_be_told_and_why() {
    let folder = Folder::new("mqtt://127.0.0.1", ROUTES);
    let config = folder.config();
    let asked = |labels: &[&str]| run(&[&["check", "--config", text(&config), "--routes"], labels].concat());
    assert_eq!(
        asked(&["severity=warning", "rule=over_age", "maintainer=闽安", "site=A \"1\""]).exits(0).out,
        r#"route 1 {severity="critical"}: passed over: severity="warning" does not meet severity="critical"
route 2 {}: maintainer:闽安 is told 30s after the first of group {}:{site="A \"1\""}, at most every 5m, and again every 4h
told: maintainer:闽安 by webhook-0 ([[receiver]] "maintainer:{maintainer}")
"#
    );
    assert_eq!(
        asked(&["severity=critical", "rule=entrapment", "unit=T-1", "region=350582"]).exits(0).out,
        r#"route 1 {severity="critical"}: duty is told of each change at once, alone in group {severity="critical"}:{rule="entrapment",unit="T-1"}, and again every 4h; the next routes are asked too
route 2 {}: passed over: maintainer:{maintainer} needs a maintainer, and there is none
told: duty by alertmanager-0 ([[receiver]] "duty")
after 3m, if nobody has answered: duty by alertmanager-0 ([[receiver]] "duty")
after 30m, if nobody is on site: nobody, for maintainer:{maintainer} needs a maintainer
"#
    );
    assert!(asked(&["severity=info"]).exits(0).out.ends_with("\ntold: nobody\n"));
    let wrong = asked(&["severiti=info"]).exits(1);
    assert!(wrong.err.contains("severiti") && wrong.err.contains("known: rule, severity, region"), "{}", wrong.err);
    assert!(asked(&["severity"]).exits(1).err.contains("must be label=value"));
    let none = folder.write("none.toml", "");
    let told = run(&["check", "--config", text(&none), "--routes", "severity=info"]).exits(0);
    assert_eq!(told.out, "there is no [[route]]\ntold: nobody\n");
    let checked = run(&["check", "--config", text(&none)]).exits(0);
    assert!(checked.err.contains("nobody is told of them"), "{}", checked.err);
}

#[test]
fn wrong_usage_is_2_and_says_what_is_known() {
    for arguments in [
        &["serve", "--confg", "x"][..],
        &["serve"],
        &["dance"],
        &[],
        &["import"],
        &["import", "units"],
        &["decode", "-"],
        &["simulate", "--units", "0"],
        &["simulate", "--speed", "fast"],
        &["simulate", "--start", "yesterday"],
        &["simulate", "--broker", "http://x"],
        &["replay", "x.csv", "--map", "colour=red"],
        &["demo", "--http", "8080"],
        &["--log", "a=b=c", "check", "--config", "x"],
        &["--log-format", "xml", "check", "--config", "x"],
    ] {
        let refused = run(arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.err);
        says_what_is_wrong(&refused);
    }
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    let top = run(&["--help"]).exits(0).out;
    assert!(top.contains("75 already running"), "{top}");
    let named = top.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> =
        named.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).collect();
    for command in commands.iter().filter(|command| **command != "help") {
        let arguments = if *command == "import" { vec!["import", "units"] } else { vec![*command] };
        let help = run(&[&arguments[..], &["--help"]].concat()).exits(0).out;
        assert!(help.contains("Example"), "{help}");
        assert!(help.contains(&format!("  liftwatch {}", arguments.join(" "))), "{help}");
    }
    for command in ["serve", "check", "import", "decode", "simulate", "replay", "demo"] {
        assert!(commands.contains(&command), "{commands:?}");
    }
}

#[test]
fn the_second_daemon_on_a_file_exits_75() {
    let folder = Folder::new(&nobody(), "");
    let _first = folder.serve();
    let refused = run(&["serve", "--config", text(&folder.config())]).exits(75);
    for part in [text(&folder.path("city.db")), "in use by another liftwatch", "[store] path"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
}

#[test]
fn a_busy_http_port_is_said_with_the_key_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new(&nobody(), "");
    let config = std::fs::read_to_string(folder.config()).unwrap();
    folder.write("liftwatch.toml", &config.replace("127.0.0.1:0", &address));
    let refused = run(&["serve", "--config", text(&folder.config())]).exits(1);
    for part in [address.as_str(), "in use", "[http] listen"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
}

#[test]
fn an_import_takes_all_or_tells_each_bad_line() {
    let folder = Folder::new(&nobody(), "");
    let good = "L-1,350582,traction,maker-a,Garden,o,f\nL-2,350582,escalator,maker-a,Garden,o,f\n";
    let refused =
        folder.import(&format!("{good}L 3,350582,traction,,,,\nL-4,3505,traction,,,,\nL-5,350582,rope,,,,\n"));
    let refused = refused.exits(1);
    for part in ["units.csv: line 4: unit: ", "units.csv: line 5: region: ", "units.csv: line 6: kind: "] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    assert!(refused.err.contains("nothing is imported"), "{}", refused.err);
    assert_eq!(folder.import(good).exits(0).out, "2 added, 0 changed, 0 unchanged\n", "so nothing was");
    assert_eq!(folder.import(good).exits(0).out, "0 added, 0 changed, 2 unchanged\n");
    let moved = good.replace("L-2,350582,escalator,maker-a,Garden", "L-2,350582,escalator,maker-a,Quay");
    assert_eq!(folder.import(&moved).exits(0).out, "0 added, 1 changed, 1 unchanged\n");
    let absent = text(&folder.path("absent.csv")).to_owned();
    let refused = run(&["import", "units", &absent, "--config", text(&folder.config())]).exits(1);
    assert!(refused.err.contains(&absent), "{}", refused.err);
}

#[test]
fn an_import_beside_a_daemon_exits_75_with_the_line_that_works() {
    let folder = Folder::new(&nobody(), "");
    let daemon = folder.serve();
    let rows = "L-1,350582,traction,maker-a,Garden,o,f\n";
    let refused = folder.import(rows).exits(75);
    let file = folder.path("units.csv");
    let line = format!(
        "curl --unix-socket {} -H 'content-type: text/csv' --data-binary @{} http://localhost/api/v1/units",
        text(&folder.path("city.db.sock")),
        text(&file)
    );
    assert!(refused.err.contains(&line), "{line} is not in {}", refused.err);
    let (status, answer) = daemon.post("/api/v1/units", "text/csv", &std::fs::read(&file).unwrap());
    assert_eq!((status, answer.as_str()), (200, r#"{"added":1,"changed":0,"unchanged":0}"#));
    let (_, answer) = daemon.post("/api/v1/units", "text/csv", format!("{REGISTRY_HEADER}{rows}").as_bytes());
    assert_eq!(answer, r#"{"added":0,"changed":0,"unchanged":1}"#);
}

#[test]
fn decode_shows_what_a_payload_becomes() {
    let folder = Folder::new("mqtt://127.0.0.1", "");
    let file = folder.path("event.json");
    std::fs::write(&file, EVENT).unwrap();
    let from_file = run(&["decode", "--topic", TOPIC, text(&file)]).exits(0).out;
    let from_input = run_with_input(&["decode", "--topic", TOPIC, "-"], EVENT).exits(0).out;
    assert_eq!(from_file, from_input);
    let shown: Value = serde_json::from_str(&from_file).unwrap();
    assert!(shown.to_string().contains(r#""levelling""#), "{shown}");
    let refused = run_with_input(&["decode", "--topic", TOPIC, "-"], b"{\"ts\": oops").exits(1);
    assert!(refused.err.starts_with("liftwatch: refused, bad_json"), "{}", refused.err);
    assert_eq!(refused.out, "");
    let refused = run(&["decode", "--topic", TOPIC, "--mapping", "city-gb", text(&file)]).exits(1);
    assert!(
        refused.err.contains("no mapping is called \"city-gb\"") && refused.err.contains("--config"),
        "{}",
        refused.err
    );
}

#[test]
fn json_logs_are_one_object_a_line() {
    let folder = Folder::new(&nobody(), "");
    let daemon = folder.serve();
    crate::process::until("the broker is missed", || daemon.log().contains("no connection to the broker"));
    let log = daemon.log();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message", "target"] {
            assert!(entry[field].is_string(), "{field} is not in {line}");
        }
    }
    assert_eq!(daemon.stop().code(), Some(0), "a broker that was never there does not hold the end up");
}

#[test]
fn nothing_falls_over_an_empty_input() {
    let folder = Folder::new("mqtt://127.0.0.1", "");
    let config = folder.config();
    let null = "/dev/null";
    for arguments in [
        &["serve", "--config", null][..],
        &["import", "units", null, "--config", text(&config)],
        &["import", "units", null, "--config", null],
        &["decode", "--topic", TOPIC, null],
        &["decode", "--topic", TOPIC, "-"],
        &["decode", "--topic", "", null],
        &["decode", "--topic", TOPIC, "--config", null, null],
        &["replay", null, "--broker", &nobody()],
        &["replay", null, "--registry", text(&folder.path("out.csv"))],
        &["simulate", "--units", "1", "--broker", &nobody()],
        &["simulate", "--units", "1", "--registry", "/dev/null/x"],
        &["demo", "--units", "1", "--http", "127.0.0.1:0", "--dir", "/dev/null"],
    ] {
        let refused = run(arguments);
        assert_eq!(refused.code, 1, "{arguments:?}: {} {}", refused.out, refused.err);
        says_what_is_wrong(&refused);
    }
    assert_eq!(run(&["check", "--config", null]).exits(0).out, "ok\n", "an empty file is all defaults");
    assert_eq!(json!(run(&["--version"]).exits(0).out), json!(format!("liftwatch {}\n", env!("CARGO_PKG_VERSION"))));
}
