//! The built daemon with a real broker and receivers that misbehave: killed again and again, every alert reaches its
//! receiver, every repeat has the same key; one receiver that hangs delays no other.

mod forgetful;

mod digest;

mod rerouted;

mod storm;

mod mended;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::time::Timestamp;
use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::Instant;

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, until, until_within};
use crate::sinks::stub::{Act, Request, Stub};

const KILLS: usize = 100;

/// A secret as Standard Webhooks wants it; it guards nothing.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Every firm is told at once by a webhook of its own.
fn webhooks(url: &str) -> String {
    format!(
        "[notify]\nallow_nets = [\"127.0.0.0/8\"]\n\
         [[receiver]]\nname = \"maintainer:{{maintainer}}\"\nlanguage = \"en\"\n\
         [[receiver.webhook]]\nurl = \"{url}/{{maintainer}}\"\nsecret_files = [\"hook.key\"]\n\
         [[route]]\nmatch = [\"rule=entrapment\"]\nreceiver = \"maintainer:{{maintainer}}\"\ngroup_wait = \"0s\"\n"
    )
}

fn city(broker: &Mosquitto, stub: &Stub, units: u64, firm: impl Fn(u64) -> String) -> Folder {
    let folder = Folder::new(&broker.url(), &webhooks(&stub.url()));
    folder.write("hook.key", SECRET);
    let rows: String =
        (0..units).map(|unit| format!("U-{unit},350582,traction,maker-a,Garden,owner-1,{}\n", firm(unit))).collect();
    folder.import(&rows).exits(0);
    folder
}

async fn publisher(port: u16) -> Publisher {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    Publisher::connect("maker-a", "maker-a", &settings, Arc::new(Tally::default())).await.unwrap()
}

async fn tell(client: &Publisher, unit: u64, seq: u64, kind: &str, at: Timestamp) {
    let payload = json!({"ts": at.to_string(), "boot": "b1", "seq": seq, "type": kind}).to_string();
    client.publish(format!("lift/v1/350582/maker-a/U-{unit}/event"), payload.into_bytes()).await.unwrap();
}

/// What a request says: the alerts with what is said of each.
fn changes(request: &Request) -> Vec<(String, String)> {
    let body = request.json();
    let text = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
    let alerts = body["data"]["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| (text(alert, "id"), text(alert, "change"))).collect()
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

async fn column(file: &Path, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(&mut open(file).await).await.unwrap()
}

#[test]
fn a_hundred_kills_and_a_receiver_that_fails_at_random_lose_no_alert_and_change_no_key() {
    let healthy = Arc::new(AtomicBool::new(false));
    let taken: Arc<Mutex<Vec<Request>>> = Arc::default();
    let (well, kept) = (Arc::clone(&healthy), Arc::clone(&taken));
    let stub = Stub::scripted(move |request| {
        let chance = if well.load(Ordering::SeqCst) { 100 } else { fastrand::u32(..100) };
        match chance {
            0..=19 => Act::status(500),
            20..=34 => Act::Close,
            35..=44 => Act::Hang,
            _ => {
                kept.lock().unwrap().push(request.clone());
                Act::status(204)
            }
        }
    });
    let broker = Mosquitto::start();
    let folder = city(&broker, &stub, 40, |unit| format!("firm-{}", unit % 5));
    let file = folder.path("city.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut daemon = folder.serve_connected();
    let port = broker.port;
    let sending = runtime.spawn(async move {
        let client = publisher(port).await;
        let start = SystemClock::new().now();
        for seq in 1..=10 {
            for unit in 0..40 {
                let kind = if seq % 2 == 1 { "entrapment_reported" } else { "passenger_released" };
                // Far enough apart that each is an entrapment of its own.
                let hours = i64::try_from(seq).unwrap() * 3 - 40;
                tell(&client, unit, seq, kind, start + hours * 3_600_000).await;
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
        assert!(client.finish(Duration::from_secs(20)).await, "the broker takes everything");
    });
    let mut rng = fastrand::Rng::with_seed(11);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(rng.u64(50..700)));
        daemon.kill();
        daemon = folder.spawn();
    }
    runtime.block_on(sending).unwrap();
    daemon.kill();
    healthy.store(true, Ordering::SeqCst);
    // Nobody wants to wait for a quarter of an hour's pause.
    let soon = sqlx::query("update delivery set due_at = 0 where state = 'due'");
    runtime.block_on(async { soon.execute(&mut open(&file).await).await.unwrap() });
    let daemon = folder.serve();
    let settled = "select cast((select count(*) from outbox) + (select count(*) from pending) + \
         (select count(*) from delivery where state <> 'delivered') as text)";
    until_within(Duration::from_secs(60), "everything is told", || {
        let events = daemon.items("/api/v1/events").len();
        events == 400 && runtime.block_on(column(&file, settled)) == ["0"]
    });

    let taken = taken.lock().unwrap();
    let mut last: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in taken.iter() {
        for (alert, change) in changes(request) {
            last.entry(alert).or_default().insert(change);
        }
    }
    let alerts = daemon.items("/api/v1/alerts?rule=entrapment");
    assert_eq!(alerts.len(), 200);
    for alert in &alerts {
        let heard = last.get(alert["id"].as_str().unwrap()).unwrap_or_else(|| panic!("nobody heard of {alert}"));
        assert!(heard.contains("resolved"), "nobody heard that it ended: {alert}");
    }
    keys_are_the_same_at_every_try(&stub.requests());
    let all: BTreeSet<String> = runtime.block_on(column(&file, "select id from delivery")).into_iter().collect();
    let sent: BTreeSet<String> = stub.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(sent, all, "what was sent is on record, and what is on record was sent");
    let tries = stub.requests().len();
    println!("{tries} tries of {} deliveries, {} taken, {KILLS} kills", all.len(), taken.len());
    assert!(tries > all.len() * 5 / 4, "it failed often: {tries} tries of {}", all.len());
    assert_eq!(daemon.stop().code(), Some(0));
}

fn keys_are_the_same_at_every_try(requests: &[Request]) {
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    let mut keys: BTreeMap<String, &str> = BTreeMap::new();
    for request in requests {
        let key = request.headers["webhook-id"].as_str();
        assert_eq!(*bodies.entry(key).or_insert(&request.body), &*request.body, "a repeat says the same");
        let notification = request.json()["data"]["notification"].as_str().unwrap().to_owned();
        assert_eq!(*keys.entry(notification).or_insert(key), key, "a repeat has the same key");
    }
}

#[test]
fn one_receiver_of_twenty_that_hangs_delays_no_other() {
    let arrived: Arc<Mutex<Vec<(String, String, Instant)>>> = Arc::default();
    let kept = Arc::clone(&arrived);
    let stub = Stub::scripted(move |request| {
        let now = Instant::now();
        for (alert, _) in changes(request) {
            let unit = request.json()["data"]["alerts"][0]["unit"].as_str().unwrap().to_owned();
            kept.lock().unwrap().push((unit, alert, now));
        }
        if request.target == "/firm-7" { Act::Hang } else { Act::status(200) }
    });
    let broker = Mosquitto::start();
    let folder = city(&broker, &stub, 600, |unit| format!("firm-{}", unit % 20));
    let daemon = folder.serve_connected();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sent: Vec<Instant> = runtime.block_on(async {
        let client = publisher(broker.port).await;
        let mut sent = Vec::new();
        for unit in 0..600 {
            sent.push(Instant::now());
            tell(&client, unit, 1, "entrapment_reported", SystemClock::new().now()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(client.finish(Duration::from_secs(20)).await);
        sent
    });
    let others = || -> Vec<Duration> {
        let mut first: BTreeMap<usize, Instant> = BTreeMap::new();
        for (unit, _, at) in arrived.lock().unwrap().iter() {
            first.entry(unit.strip_prefix("U-").unwrap().parse().unwrap()).or_insert(*at);
        }
        first.iter().filter(|(unit, _)| **unit % 20 != 7).map(|(unit, at)| *at - sent[*unit]).collect()
    };
    until("the others are told", || others().len() == 570);
    let mut delays = others();
    delays.sort();
    let (p50, p99) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
    println!("from the broker to the receiver: p50 {p50:?}, p99 {p99:?}, the slowest {:?}", delays.last().unwrap());
    assert!(p99 < Duration::from_secs(2), "p50 {p50:?}, p99 {p99:?}");
    let waiting = daemon.items("/api/v1/deliveries?state=due&receiver=maintainer:firm-7");
    assert_eq!(waiting.len(), 30);
    assert_eq!(daemon.stop().code(), Some(0), "it stops although a receiver hangs");
}

#[test]
fn an_entrapment_reaches_its_firm_and_its_story_tells_so() {
    let stub = Stub::start(Act::status(204));
    let broker = Mosquitto::start();
    let folder = city(&broker, &stub, 1, |_| "firm-1".to_owned());
    let daemon = folder.serve_connected();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = publisher(broker.port).await;
        tell(&client, 0, 1, "entrapment_reported", SystemClock::new().now()).await;
        assert!(client.finish(Duration::from_secs(20)).await);
    });
    until("it is told", || daemon.items("/api/v1/deliveries?state=delivered").len() == 1);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/firm-1");
    let delivery = daemon.items("/api/v1/deliveries").remove(0);
    assert_eq!(delivery["id"], requests[0].headers["webhook-id"].as_str());
    assert_eq!((&delivery["last_status"], &delivery["attempts"]), (&json!(204), &json!(1)));
    let alert = daemon.items("/api/v1/alerts").remove(0)["id"].as_str().unwrap().to_owned();
    let story = daemon.json(&format!("/api/v1/alerts/{alert}/timeline"));
    let entries: Vec<&str> =
        story["entries"].as_array().unwrap().iter().map(|entry| entry["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["event", "transition", "notification", "attempt"]);
    let (status, page) = daemon.get(&format!("/alerts/{alert}?lang=en"));
    assert!(status == 200 && page.contains("maintainer:firm-1 · webhook-0 · Delivered · 204"), "{page}");
    assert_eq!(daemon.metric("liftwatch_deliveries_total{outcome=\"delivered\",sink=\"webhook\"}"), Some(1.0));
    assert_eq!(daemon.metric("liftwatch_outbox_entries"), Some(0.0));
    let (status, body) =
        daemon.post(&format!("/api/v1/deliveries/{}/resend", delivery["id"].as_str().unwrap()), "", b"");
    assert_eq!(status, 409, "{body}");
    assert_eq!(daemon.post("/api/v1/deliveries/d-0/resend", "", b"").0, 404);
}
