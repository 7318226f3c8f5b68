//! The MQTT sink at a real broker: retained while it fires, cleared when it ends, told again to a broker that forgot.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use liftwatch::notify::fill::Values;
use liftwatch::notify::message::Item;
use liftwatch::notify::sink::{Answer, Sink};
use liftwatch::notify::sinks::mqtt::{Mqtt, Settings};
use serde_json::Value;

use super::{install_tls, item, message, now, secret, send};
use crate::mosquitto::{Mosquitto, free_port};

const DELIVERED: Answer = Answer::Delivered { status: None };
const L1: &str = "liftalert/v1/Lift & Co%2F东/L-1";

fn settings(url: &str) -> Settings {
    install_tls();
    Settings {
        broker: url.parse().unwrap(),
        client_id: None,
        prefix: "liftalert/v1".to_owned(),
        username: None,
        password_file: None,
        ca_file: None,
        cert_file: None,
        key_file: None,
    }
}

fn connect(broker: &Mosquitto) -> Mqtt {
    settings(&broker.url()).connect(&Values::new()).unwrap()
}

/// What a client reads within a second, by topic.
fn read(broker: &Mosquitto, arguments: &[&str]) -> BTreeMap<String, Value> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "liftalert/#", "-W", "1"]);
    let output = command.args(["-F", "%t\t%p"]).args(arguments).stdin(Stdio::null()).output();
    let output = String::from_utf8(output.expect("mosquitto_sub: tests/run installs it").stdout).unwrap();
    let message = |line: &str| {
        let (topic, payload) = line.split_once('\t').unwrap();
        (topic.to_owned(), serde_json::from_str(payload).unwrap_or(Value::Null))
    };
    output.lines().map(message).collect()
}

fn retained(broker: &Mosquitto) -> BTreeMap<String, Value> {
    read(broker, &["--retained-only"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_units_topic_shows_what_fires_and_is_cleared_when_nothing_does() {
    let broker = Mosquitto::start();
    let sink = connect(&broker);
    assert_eq!(sink.show(&[], now()).await, DELIVERED);
    let both = vec![item("a-1", "L-1", true), item("a-2", "L-1", true), item("a-3", "L-2", true)];
    assert_eq!(send(&sink, "d-1", &message("alerts", both)).await, DELIVERED);
    let shown = retained(&broker);
    assert_eq!(shown.len(), 2, "{shown:?}");
    let alerts = shown[L1]["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2);
    assert_eq!(alerts[0]["id"], "a-1");
    assert_eq!(alerts[0]["expected"]["zh"], "3 分钟内答复");
    assert_eq!((shown[L1]["unit"].as_str(), shown[L1]["site"].as_str()), (Some("L-1"), Some("花园")));

    assert_eq!(send(&sink, "d-2", &message("alerts", vec![item("a-1", "L-1", false)])).await, DELIVERED);
    assert_eq!(retained(&broker)[L1]["alerts"].as_array().unwrap().len(), 1);
    let rest = vec![item("a-2", "L-1", false), item("a-3", "L-2", false)];
    assert_eq!(send(&sink, "d-3", &message("alerts", rest)).await, DELIVERED);
    assert!(retained(&broker).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_clears_nothing_that_still_fires_and_everything_that_does_not() {
    let broker = Mosquitto::start();
    let firing = [item("a-1", "L-1", true), item("a-2", "L-1", true), item("a-3", "L-2", true)];
    assert_eq!(connect(&broker).show(&firing, now()).await, DELIVERED);
    let sink = connect(&broker);
    let ended = vec![item("a-1", "L-1", false), item("a-3", "L-2", false)];
    assert_eq!(send(&sink, "d-1", &message("alerts", ended)).await, DELIVERED);
    assert_eq!(retained(&broker).len(), 2, "it does not know yet what else fires");
    assert_eq!(sink.show(&firing[1..2], now()).await, DELIVERED);
    let shown = retained(&broker);
    assert_eq!(shown.keys().collect::<Vec<_>>(), [L1]);
    assert_eq!(shown[L1]["alerts"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_everything_has_it_again_after_the_next_showing() {
    let mut broker = Mosquitto::start();
    let sink = connect(&broker);
    let firing: Vec<_> = (0..8_000).map(|at| item("a", &format!("L-{at}"), true)).collect();
    assert_eq!(sink.show(&firing, now()).await, DELIVERED);
    broker.kill();
    broker.spawn();
    let mut answer = sink.show(&firing, now()).await;
    if answer != DELIVERED {
        // The line may not have noticed yet that it is broken.
        answer = sink.show(&firing, now()).await;
    }
    assert_eq!(answer, DELIVERED);
    assert_eq!(retained(&broker).len(), 8_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_told_once_and_not_kept() {
    let broker = Mosquitto::start();
    let sink = connect(&broker);
    assert_eq!(sink.show(&[], now()).await, DELIVERED);
    let heard = std::thread::scope(|scope| {
        let listening = scope.spawn(|| read(&broker, &["-C", "1", "-W", "10"]));
        std::thread::sleep(Duration::from_millis(500));
        let runtime = tokio::runtime::Handle::current();
        let message = message("heartbeat", Vec::new());
        let answer = tokio::task::block_in_place(|| runtime.block_on(send(&sink, "d-1", &message)));
        assert_eq!(answer, DELIVERED);
        listening.join().unwrap()
    });
    let told = &heard["liftalert/v1/_liftwatch/heartbeat"];
    assert_eq!((told["kind"].as_str(), told["id"].as_str()), (Some("heartbeat"), Some("d-1")));
    assert!(retained(&broker).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_or_forbids_the_topic_is_told_of() {
    let away = settings(&format!("mqtt://127.0.0.1:{}", free_port())).connect(&Values::new()).unwrap();
    let begun = tokio::time::Instant::now();
    let answer = send(&away, "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await;
    assert!(matches!(&answer, Answer::Retry { detail, .. } if detail.contains("no connection")), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(12));

    let dir = tempfile::tempdir().unwrap();
    let acl = secret(&dir, "acl", "user nobody");
    let strict = Mosquitto::start_with(&format!("allow_anonymous true\nacl_file {}\n", acl.display()));
    let answer = send(&connect(&strict), "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await;
    assert!(matches!(&answer, Answer::Refused { detail, .. } if detail.contains("NotAuthorized")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_firms_of_one_receiver_do_not_push_each_other_out() {
    let broker = Mosquitto::start();
    let settings = Settings { client_id: Some("alerts".to_owned()), ..settings(&broker.url()) };
    let firm = |name: &str| settings.connect(&Values::from([("maintainer".to_owned(), name.to_owned())])).unwrap();
    let (one, two) = (firm("one"), firm("两"));
    for at in 0..3 {
        for sink in [&one, &two] {
            let told = message("alerts", vec![item(&format!("a-{at}"), "L-1", true)]);
            assert_eq!(send(sink, "d-1", &told).await, DELIVERED);
        }
    }
    assert!(!broker.log().contains("already connected"), "{}", broker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_event_stands_on_a_topic_of_its_place_for_every_firm_and_is_cleared_at_its_end() {
    let broker = Mosquitto::start();
    let sink = connect(&broker);
    assert_eq!(sink.show(&[], now()).await, DELIVERED);
    let area = |id: &str, rule: &str, site: &str, firing: bool| Item {
        rule: rule.to_owned(),
        site: site.to_owned(),
        maintainer: String::new(),
        ..item(id, "", firing)
    };
    let begun = vec![area("x-1", "area_power", "东/园", true), area("x-2", "blind_region", "", true)];
    assert_eq!(send(&sink, "d-1", &message("alerts", begun)).await, DELIVERED);
    let shown = retained(&broker);
    let topics: Vec<&str> = shown.keys().map(String::as_str).collect();
    assert_eq!(topics, ["liftalert/v1/_area/350582", "liftalert/v1/_area/350582 东%2F园"]);
    let site = &shown[topics[1]];
    assert_eq!((site["unit"].as_str(), site["site"].as_str()), (Some(""), Some("东/园")));
    assert_eq!(
        (site["alerts"][0]["id"].as_str(), site["alerts"][0]["rule"].as_str()),
        (Some("x-1"), Some("area_power"))
    );
    let over = vec![area("x-1", "area_power", "东/园", false)];
    assert_eq!(send(&sink, "d-2", &message("alerts", over)).await, DELIVERED);
    assert_eq!(retained(&broker).keys().collect::<Vec<_>>(), ["liftalert/v1/_area/350582"]);
}
