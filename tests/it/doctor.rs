//! `liftwatch doctor` at real brokers, good and bad: what it says, and that it leaves nothing behind and takes nothing away.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::mosquitto::{Mosquitto, free_port};
use crate::process::{Folder, Run, run, text, until};
use crate::sinks::stub::{Act, Stub};

/// The access rules that docs/OPERATIONS.md names, with the one that lets the doctor try everything.
const RULES: &str = "user daemon\ntopic read lift/v1/#\ntopic write liftack/v1/#\ntopic readwrite liftack/v1/_doctor/#\n\
                     user acks\ntopic write liftack/v1/#\n\
                     user maker-a\ntopic write lift/v1/350582/maker-a/#\n";

const LOGIN: &str = "username = \"daemon\"\npassword_file = \"password\"\n";

/// A broker with users and access rules, and the folder of a city that is one of them.
struct Guarded {
    broker: Mosquitto,
    users: tempfile::TempDir,
}

impl Guarded {
    fn start(rules: &str, more: &str) -> Self {
        let users = tempfile::tempdir().unwrap();
        let (passwords, acl) = (users.path().join("users"), users.path().join("acl"));
        for (user, create) in [("daemon", true), ("acks", false), ("maker-a", false)] {
            let flags: &[&str] = if create { &["-b", "-c"] } else { &["-b"] };
            let arguments = [flags, &[text(&passwords), user, "secret"]].concat();
            let made = Command::new("mosquitto_passwd").args(arguments).output();
            assert!(made.expect("mosquitto_passwd: apt-get install mosquitto").status.success());
        }
        std::fs::write(&acl, rules).unwrap();
        let (passwords, acl) = (text(&passwords), text(&acl));
        let lines = format!("allow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n{more}");
        Self { broker: Mosquitto::start_with(&lines), users }
    }

    fn city(&self, more: &str) -> Folder {
        let folder = Folder::new(&self.broker.url(), more);
        folder.write("password", "secret\n");
        folder.write("wrong", "sesame\n");
        folder
    }

    fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let login = ["-u", "maker-a", "-P", "secret"];
        self.broker.publish_with(topic, payload.as_bytes(), &[&login[..], more].concat());
    }

    /// A configuration file in the folder of the users, for a doctor who is another program than the daemon.
    fn config(&self, more: &str) -> std::path::PathBuf {
        let file = self.users.path().join("doctor.toml");
        let config =
            format!("[[region]]\ncode = \"350582\"\nname = \"晋江\"\nbroker = \"{}\"\n{more}", self.broker.url());
        std::fs::write(&file, config).unwrap();
        std::fs::write(self.users.path().join("password"), "secret").unwrap();
        file
    }
}

fn doctor(config: &Path, more: &[&str]) -> Run {
    run(&[&["doctor", "--config", text(config)], more].concat())
}

/// Fails unless there is one line with this verdict and these words.
#[track_caller]
fn says(run: &Run, verdict: &str, words: &str) {
    let found = run.out.lines().any(|line| line.split(' ').next() == Some(verdict) && line.contains(words));
    assert!(found, "no line says {verdict} … {words}:\n{}{}", run.out, run.err);
}

/// Lines about the region alone: the disk of whoever runs the tests is not what is tested.
fn region<'a>(run: &'a Run, verdict: &str) -> Vec<&'a str> {
    run.out.lines().filter(|line| line.starts_with(verdict) && line.contains("region 350582")).collect()
}

#[test]
fn a_broker_with_its_defaults_is_told_what_it_would_lose() {
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_queued_messages 1000\nsys_interval 1\n");
    let folder = Folder::new(&broker.url(), "");
    let told = doctor(&folder.config(), &[]).exits(1);
    says(&told, "change", "only 1000 of 1500 messages waited");
    says(&told, "change", "our login may publish to controllers' topics");
    says(&told, "ok", "the broker keeps a session while its client is away");
    says(&told, "untried", "no message came to compare it with");
    assert!(told.err.contains("ask for a change"), "{}", told.err);
    // It left no session behind: whoever asks is the only client that the broker knows.
    until("the broker has forgotten every session of the doctor", || {
        let asked = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-C", "1", "-W", "5"])
            .args(["-t", "$SYS/broker/clients/total"])
            .stderr(Stdio::null())
            .output();
        String::from_utf8_lossy(&asked.unwrap().stdout).trim() == "1"
    });
}

#[test]
fn a_broker_set_as_the_manual_says_asks_for_nothing() {
    let city = Guarded::start(RULES, "");
    let folder = city.city(LOGIN);
    let told = doctor(&folder.config(), &[]);
    assert_eq!(region(&told, "change"), Vec::<&str>::new());
    assert_eq!(region(&told, "failed"), Vec::<&str>::new());
    says(&told, "ok", "connects to mqtt://127.0.0.1");
    says(&told, "ok", "may subscribe to lift/v1/350582/+/+/+");
    says(&told, "ok", "our login may not publish to controllers' topics");
    says(&told, "ok", "all of 1500 messages waited");
    says(&told, "ok", "500 messages come at once where so many are allowed");
    says(&told, "ok", "is not there yet; the first start makes it");
    let asks = told.out.lines().filter(|line| line.starts_with("change") || line.starts_with("failed")).count();
    assert_eq!(told.code, i32::from(asks > 0), "{}", told.out);
    assert!(!folder.path("city.db").exists(), "it made a database");
}

#[test]
fn a_login_that_may_not_hear_the_trial_is_told_which_rule_is_missing() {
    let rules = "user daemon\ntopic read lift/v1/#\ntopic write liftack/v1/#\n";
    let told = doctor(&Guarded::start(rules, "").city(LOGIN).config(), &[]);
    says(&told, "untried", "add `topic readwrite liftack/v1/_doctor/#` to its access rules");
    assert_eq!(region(&told, "change"), Vec::<&str>::new());

    let told = doctor(&Guarded::start("user daemon\ntopic read lift/v1/#\n", "").city(LOGIN).config(), &[]).exits(1);
    says(&told, "change", "may not publish acks");
}

#[test]
fn a_wrong_password_and_a_broker_that_is_not_there_are_failures() {
    let city = Guarded::start(RULES, "");
    let told = doctor(&city.city("username = \"daemon\"\npassword_file = \"wrong\"\n").config(), &[]).exits(1);
    says(&told, "failed", "look at username and password_file");
    let nobody = Folder::new(&format!("mqtt://127.0.0.1:{}", free_port()), "");
    let told = doctor(&nobody.config(), &[]).exits(1);
    says(&told, "failed", "look at `broker`");
}

#[test]
fn retained_messages_are_counted_and_a_clock_that_differs_is_told() {
    let city = Guarded::start(RULES, "");
    let folder = city.city(LOGIN);
    for unit in ["L-1", "L-2"] {
        let topic = format!("lift/v1/350582/maker-a/{unit}/state");
        city.publish(&topic, r#"{"ts":"2026-11-23T04:00:00Z"}"#, &["-r"]);
    }
    let told = thread::scope(|scope| {
        let doctor = scope.spawn(|| doctor(&folder.config(), &[]));
        let state = json!({"ts": "2020-11-23T04:00:00Z"}).to_string();
        while !doctor.is_finished() {
            city.publish("lift/v1/350582/maker-a/L-3/state", &state, &[]);
            thread::sleep(Duration::from_millis(200));
        }
        doctor.join().unwrap()
    });
    let told = told.exits(1);
    says(&told, "change", "2 retained messages on its topics");
    says(&told, "change", "s ahead of that of");
}

#[test]
fn a_running_daemon_is_not_disturbed() {
    let city = Guarded::start(RULES, "");
    let folder = city.city(LOGIN);
    let daemon = folder.serve_connected();
    let told = doctor(&folder.config(), &[]);
    says(&told, "untried", "a running daemon has it");
    says(&told, "ok", "all of 1500 messages waited");
    assert_eq!(daemon.log().matches("\"connected").count(), 1, "{}", daemon.log());
    assert_eq!(daemon.items("/api/v1/quarantine").len(), 0, "the trial reached the daemon");
}

#[test]
fn a_database_is_found_whole_or_damaged_and_its_folder_missing() {
    let folder = Folder::new(&format!("mqtt://127.0.0.1:{}", free_port()), "");
    let rows: String = (0..2_000).map(|unit| format!("L-{unit},350582,traction,maker-a,Garden,o,m\n")).collect();
    folder.import(&rows).exits(0);
    says(&doctor(&folder.config(), &[]), "ok", "SQLite finds it whole");

    let file = folder.path("city.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let (half, end) = (bytes.len() / 2, bytes.len());
    bytes[half..end].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    says(&doctor(&folder.config(), &[]).exits(1), "failed", "is damaged");
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "it wrote to the file");

    let config = std::fs::read_to_string(folder.config()).unwrap().replace("city.db", "absent/city.db");
    folder.write("liftwatch.toml", &config);
    says(&doctor(&folder.config(), &[]).exits(1), "failed", "make it, or change [store] path");
}

#[test]
fn where_the_broker_names_clients_by_their_user_nothing_that_waits_for_the_daemon_is_lost() {
    let city = Guarded::start(RULES, "use_username_as_clientid true\n");
    let acks = "client_id = \"daemon\"\nack_username = \"acks\"\nack_password_file = \"password\"\n";
    let folder = city.city(&format!("{LOGIN}{acks}"));
    folder.import("L-1,350582,traction,maker-a,Garden,o,m\n").exits(0);
    assert!(folder.serve_connected().stop().success());
    let event = |seq: u64| json!({"ts": "2026-11-23T04:00:00Z", "boot": "b1", "seq": seq, "type": "alarm_pressed"});
    for seq in 1..=5 {
        city.publish("lift/v1/350582/maker-a/L-1/event", &event(seq).to_string(), &[]);
    }
    // With the very login of the session, as a configuration without ack_username has it; and with that for acks.
    for more in [LOGIN.to_owned(), format!("{LOGIN}{acks}")] {
        let told = doctor(&city.config(&more), &[]);
        says(&told, "untried", "the broker names clients by their user");
    }
    let daemon = folder.serve_connected();
    until("all five events have come", || daemon.items("/api/v1/events?unit=L-1").len() == 5);
}

#[test]
fn a_test_message_goes_out_by_each_sink_and_its_answer_is_shown() {
    let (good, bad) = (Stub::start(Act::json("{}")), Stub::start(Act::status(500)));
    let receivers = |url: &str| {
        format!(
            "[notify]\nallow_nets = [\"127.0.0.0/8\"]\n[[receiver]]\nname = \"duty\"\n[[receiver.webhook]]\nurl = \"{}/\"\n\
             secret_files = [\"hook.key\"]\n[[receiver.webhook]]\nurl = \"{url}/\"\nsecret_files = [\"hook.key\"]\n\
             [[receiver]]\nname = \"maintainer:{{maintainer}}\"\n[[receiver.webhook]]\n\
             url = \"{}/{{maintainer}}\"\nsecret_files = [\"hook.key\"]\n",
            good.url(),
            good.url()
        )
    };
    let nobody = format!("mqtt://127.0.0.1:{}", free_port());
    let folder = Folder::new(&nobody, &receivers(&bad.url()));
    folder.write("hook.key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

    let told = doctor(&folder.config(), &[]);
    says(&told, "ok", "receiver duty webhook-0: its settings are good");
    says(&told, "untried", "receiver maintainer:{maintainer}: stands for each maintainer");
    assert!(good.requests().is_empty(), "a message without being asked");

    let told = doctor(&folder.config(), &["--send-test", "duty"]).exits(1);
    says(&told, "ok", "receiver duty webhook-0: took the test message (200)");
    says(&told, "failed", "receiver duty webhook-1: could not take the test message now (500)");
    let told = doctor(&folder.config(), &["--send-test", "maintainer:firm-a"]).exits(1);
    says(&told, "ok", "receiver maintainer:firm-a webhook-0: took the test message (200)");
    let requests = good.requests();
    assert_eq!(requests.iter().map(|request| request.target.as_str()).collect::<Vec<_>>(), ["/", "/firm-a"]);
    assert!(String::from_utf8_lossy(&requests[0].body).contains("测试"), "{requests:?}");

    let told = doctor(&folder.config(), &["--send-test", "dutty"]).exits(1);
    says(&told, "failed", "has none of this name; it has: duty, maintainer:{maintainer}");
}
