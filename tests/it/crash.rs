//! kill -9 under load, again and again: what the broker took from controllers is stored, once, with the alerts it means.
//! Beside it a careless subscriber, which acknowledges before it stores, shows that the check would see a loss.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::event::{Event, EventType};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, SECOND, Timestamp};
use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use rumqttc::{AckMode, AsyncClient, BrokerSessionResumePolicy, Incoming, MqttOptions, SessionMode};
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::model::{Episode, Known};
use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, until, until_within};
use crate::world::{cleared, event, raised};

const UNITS: u64 = 50;
const EACH: u64 = 600;
const KILLS: usize = 10;
/// Messages a second: so that the daemon is killed while messages come in, and not only while it catches up.
const RATE: f64 = 3_000.0;

/// Between two times at which the careless subscriber stores.
const STORES_EVERY: Duration = Duration::from_millis(100);

/// A unit's number and the event's.
type Number = (u64, u64);

/// What was sent and what is stored of it.
struct Delivery {
    sent: BTreeSet<Number>,
    stored: Vec<Number>,
}

impl Delivery {
    fn lost(&self) -> usize {
        let stored: BTreeSet<&Number> = self.stored.iter().collect();
        self.sent.iter().filter(|number| !stored.contains(number)).count()
    }

    fn twice(&self) -> usize {
        self.stored.len() - self.stored.iter().collect::<BTreeSet<&Number>>().len()
    }
}

/// Everything that happens, one unit after the other in turn: two events a day for 300 days.
fn story(start: Timestamp) -> Vec<(Number, Event)> {
    let mut rng = fastrand::Rng::with_seed(7);
    let codes = [FaultCode::DoorClosing, FaultCode::Levelling, FaultCode::SafetyChainOpen];
    let mut story = Vec::new();
    for seq in 1..=EACH {
        for unit in 0..UNITS {
            // Off by a unit's own seconds, so that no two moments are one.
            let ts = start + (i64::try_from(seq).unwrap() * 12 * HOUR + i64::try_from(unit).unwrap() * SECOND);
            let code = codes[rng.usize(..codes.len())];
            let happens = match rng.u32(..100) {
                0..=5 => raised(code, ts),
                6..=11 => cleared(code, ts),
                12 => event(EventType::EntrapmentReported, ts),
                13..=15 => event(EventType::PassengerReleased, ts),
                _ => event(EventType::AlarmPressed, ts),
            };
            story.push(((unit, seq), happens));
        }
    }
    story
}

fn topic(unit: u64) -> String {
    format!("lift/v1/350582/maker-a/U-{unit}/event")
}

fn payload(seq: u64, event: &Event) -> Vec<u8> {
    let mut payload = json!({"ts": event.ts.to_string(), "boot": "b1", "seq": seq, "type": event.kind.as_str()});
    if let Some(fault) = &event.fault {
        payload["code"] = json!(fault.code.as_str());
    }
    payload.to_string().into_bytes()
}

async fn publisher(broker_port: u16, tally: &Arc<Tally>) -> Publisher {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port: broker_port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    Publisher::connect("maker-a", "maker-a", &settings, Arc::clone(tally)).await.unwrap()
}

/// Sends the story at [`RATE`], one message in twenty a second time a little later.
async fn send(port: u16, story: Vec<(Number, Event)>, tally: Arc<Tally>) {
    let client = publisher(port, &tally).await;
    let mut rng = fastrand::Rng::with_seed(8);
    let mut again: Vec<(String, Vec<u8>)> = Vec::new();
    let begin = Instant::now();
    for (place, ((unit, seq), event)) in story.iter().enumerate() {
        let message = (topic(*unit), payload(*seq, event));
        if rng.u32(..20) == 0 {
            again.push(message.clone());
        }
        client.publish(message.0, message.1).await.unwrap();
        if place % 500 == 499 {
            for (topic, payload) in again.drain(..) {
                client.publish(topic, payload).await.unwrap();
            }
            tokio::time::sleep_until(begin + Duration::from_secs_f64(place as f64 / RATE)).await;
        }
    }
    for (topic, payload) in again {
        client.publish(topic, payload).await.unwrap();
    }
    assert!(client.finish(Duration::from_secs(20)).await, "the broker takes everything");
}

#[test]
fn kill_9_under_load_loses_nothing_and_doubles_nothing() {
    let broker = Mosquitto::start();
    let folder = Folder::new(&broker.url(), "");
    let rows = (0..UNITS).map(|unit| format!("U-{unit},350582,traction,maker-a,Garden,owner-1,firm-1\n"));
    folder.import(&rows.collect::<String>()).exits(0);
    let start = SystemClock::new().now() - 310 * DAY;
    let story = story(start);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tally = Arc::new(Tally::default());
    let recorded = || runtime.block_on(rows_stored(&folder.path("city.db")));
    let whole = UNITS * EACH;

    // The first life takes the session up, so that the broker keeps what comes from then on.
    let mut daemon = folder.serve_connected();
    let sending = runtime.spawn(send(broker.port, story.clone(), Arc::clone(&tally)));
    let mut rng = fastrand::Rng::with_seed(9);
    let mut at_kills = vec![0];
    for kill in 0..KILLS {
        // Two of three die while they store, the third while it may still be starting.
        if kill % 3 < 2 {
            let before = *at_kills.last().unwrap();
            until("it stores more", || recorded() > before || before == whole);
        }
        std::thread::sleep(Duration::from_millis(rng.u64(0..400)));
        daemon.kill();
        at_kills.push(recorded());
        daemon = folder.spawn();
    }
    daemon.kill();
    let daemon = folder.serve();
    runtime.block_on(sending).unwrap();
    assert_eq!((tally.acknowledged(), tally.refused()), (tally.sent(), 0));
    assert!(tally.sent() > whole, "some went twice");
    let amid = at_kills.iter().filter(|rows| (1..whole).contains(rows)).collect::<BTreeSet<_>>();
    assert!(amid.len() >= 3, "killed while storing, and stored more in between: {at_kills:?}");

    until_within(Duration::from_secs(60), "everything is stored", || recorded() >= whole);
    let stored = daemon.items("/api/v1/events").iter().map(number).collect();
    let delivery = Delivery { sent: story.iter().map(|(number, _)| *number).collect(), stored };
    assert_eq!((delivery.lost(), delivery.twice(), delivery.stored.len() as u64), (0, 0, whole));
    assert_eq!(daemon.items("/api/v1/quarantine").len(), 0);
    assert_eq!(daemon.items("/api/v1/gaps?state=open").len(), 0, "no number is missing");
    alerts_are_the_models(&daemon, &story);
    assert_eq!(daemon.stop().code(), Some(0));
}

/// How many events the file holds.
async fn rows_stored(file: &Path) -> u64 {
    let mut reader = SqliteConnectOptions::new().filename(file).read_only(true).connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from event").fetch_one(&mut reader).await.unwrap();
    u64::try_from(rows).unwrap()
}

fn number(event: &serde_json::Value) -> Number {
    let unit = event["unit"].as_str().unwrap().strip_prefix("U-").unwrap().parse().unwrap();
    (unit, event["seq"].as_u64().unwrap())
}

/// Holds every unit's alerts against what the naive model says of the story.
fn alerts_are_the_models(daemon: &Daemon, story: &[(Number, Event)]) {
    let now = SystemClock::new().now();
    let mut known: BTreeMap<u64, Known> = BTreeMap::new();
    for ((unit, _), event) in story.iter().filter(|(_, event)| event.kind != EventType::AlarmPressed) {
        let known = known.entry(*unit).or_insert_with(|| Known { events: Vec::new(), visits: Vec::new() });
        known.events.push(event.clone());
    }
    let mut recorded: HashMap<u64, BTreeSet<Episode>> = HashMap::new();
    let rules = [
        "repeated_fault",
        "repeated_fault_watch",
        "repeated_entrapment",
        "fault_after_repair",
        "critical_fault",
        "entrapment",
    ];
    let mut count = 0;
    for alert in daemon.items("/api/v1/alerts?state=all") {
        let name = alert["rule"].as_str().unwrap();
        let rule = rules.iter().find(|rule| **rule == name).unwrap_or_else(|| panic!("{alert}"));
        let time = |field: &str| alert[field].as_str().map(|text| Timestamp::parse(text).unwrap());
        let level =
            if name == "repeated_entrapment" { u8::try_from(alert["level"].as_i64().unwrap()).unwrap() } else { 1 };
        let unit = alert["unit"].as_str().unwrap().strip_prefix("U-").unwrap().parse().unwrap();
        recorded.entry(unit).or_default().insert((rule, time("starts_at").unwrap(), time("ends_at"), level));
        count += 1;
    }
    for (unit, known) in &known {
        assert_eq!(recorded.remove(unit).unwrap_or_default(), known.episodes(now), "unit {unit}");
    }
    assert!(recorded.is_empty() && count > UNITS, "{count} alerts");
}

/// Takes the daemon's session over, and lets the library acknowledge each message when it comes; stores a little later
/// what has gathered, unless it dies before. It dies so long after it has connected; without a `life`, when nothing
/// has come for two seconds.
async fn careless(url: &str, stored: &mut Vec<Number>, life: Option<Duration>) {
    let settings = crate::mqtt::settings(url);
    let mut options = MqttOptions::new(settings.client_id, (settings.broker.host, settings.broker.port));
    options.set_session_mode(SessionMode::Persistent);
    options.set_session_expiry_interval(Some(u32::MAX));
    options.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
    options.set_ack_mode(AckMode::Automatic);
    let (_client, mut line) = AsyncClient::builder(options).build();
    let (gather, mut gathered) = mpsc::unbounded_channel();
    let (connected, accepted) = oneshot::channel();
    let reading = tokio::spawn(async move {
        let mut connected = Some(connected);
        loop {
            match line.poll().await {
                Ok(rumqttc::Event::Incoming(Incoming::Publish(message))) => {
                    // After its death nobody gathers any more.
                    drop(gather.send(message));
                }
                Ok(rumqttc::Event::Incoming(Incoming::ConnAck(_))) => drop(connected.take().map(|tell| tell.send(()))),
                Ok(_) => {}
                // Without a pause, a task that meets one error after another could not even be ended.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(20), accepted).await.expect("connected").unwrap();
    let death = life.map(|life| Instant::now() + life);
    let mut quiet_since = Instant::now();
    while death.map_or(quiet_since.elapsed() < Duration::from_secs(2), |death| Instant::now() + STORES_EVERY < death) {
        tokio::time::sleep(STORES_EVERY).await;
        while let Ok(message) = gathered.try_recv() {
            let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            let topic = String::from_utf8(message.topic.to_vec()).unwrap();
            let unit = topic.split('/').nth(4).unwrap().strip_prefix("U-").unwrap().parse().unwrap();
            stored.push((unit, body["seq"].as_u64().unwrap()));
            quiet_since = Instant::now();
        }
    }
    if let Some(death) = death {
        tokio::time::sleep_until(death).await;
    }
    reading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_acknowledges_before_it_stores_is_caught() {
    let broker = Mosquitto::start();
    let mut stored = Vec::new();
    // The daemon's own session subscribes; the careless one takes it over.
    crate::mqtt::start(crate::mqtt::settings(&broker.url())).await.stop().await;
    let story: Vec<(Number, Event)> = story(Timestamp(1_767_225_600_000)).into_iter().take(12_000).collect();
    let sent = story.iter().map(|(number, _)| *number).collect();
    let sending = tokio::spawn(send(broker.port, story, Arc::new(Tally::default())));
    let mut rng = fastrand::Rng::with_seed(10);
    for _ in 0..5 {
        careless(&broker.url(), &mut stored, Some(Duration::from_millis(rng.u64(250..600)))).await;
    }
    sending.await.unwrap();
    careless(&broker.url(), &mut stored, None).await;
    let delivery = Delivery { sent, stored };
    assert!(delivery.lost() > 0, "{} stored", delivery.stored.len());
    assert!(delivery.stored.len() > 1_000, "it did work: {} stored", delivery.stored.len());
}
