//! The synthetic city and the replay over real brokers, received by the real session.
#![cfg(feature = "embedded-broker")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::sync::Arc;

use liftwatch::broker::BrokerUrl;
use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::id::{PublisherId, RegionCode};
use liftwatch::registry_csv;
use liftwatch::simulate::broker::EmbeddedBroker;
use liftwatch::simulate::city::{self, CitySettings};
use liftwatch::simulate::controllers::{self, SimulationSettings};
use liftwatch::simulate::publisher::{PublisherSettings, Tally};
use liftwatch::simulate::replay::{self, ReplaySettings};
use liftwatch::simulate::story::{Story, StorySettings};
use tokio::sync::watch;

use crate::mosquitto::Mosquitto;
use crate::mqtt::{settings, start, until};

fn connection(url: &str) -> PublisherSettings {
    let BrokerUrl { host, port, tls } = url.parse().unwrap();
    PublisherSettings { host, port, tls, username: None, password_file: None, ca_file: None }
}

#[test]
fn the_embedded_broker_takes_any_free_port_and_stops_when_dropped() {
    let broker = EmbeddedBroker::start(0).unwrap();
    let address = broker.address();
    assert!(TcpStream::connect(address).is_ok());
    let taken = EmbeddedBroker::start(address.port()).err().unwrap().to_string();
    assert!(taken.starts_with(&format!("port {} of 127.0.0.1 is taken", address.port())), "{taken}");
    drop(broker);
    assert!(TcpStream::connect(address).is_err());
    EmbeddedBroker::start(address.port()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_is_heard_whole_through_the_embedded_broker() {
    let broker = EmbeddedBroker::start(0).unwrap();
    let url = format!("mqtt://{}", broker.address());
    let mut running = start(settings(&url)).await;
    let clock = SystemClock::new();
    let region = RegionCode::new("350582").unwrap();
    let city =
        city::build(&CitySettings { units: 400, seed: 3, region, today: jiff::civil::date(2026, 11, 24) }).unwrap();
    let story = StorySettings { seed: 3, start: clock.now(), speed: 30.0, history_days: 30, power_cut: None };
    let past = Story::new(&city, story.clone()).take_while(|message| message.at < story.start).count();
    let settings = SimulationSettings {
        connection: connection(&url),
        story,
        client_prefix: "liftwatch-sim".to_owned(),
        again_after: Some(controllers::AGAIN_AFTER),
    };
    let tally = Arc::new(Tally::default());
    let (stop, shutdown) = watch::channel(false);
    let counts = Arc::clone(&tally);
    let task = tokio::spawn(async move { controllers::run(&city, settings, &|| clock.now(), counts, shutdown).await });
    let (mut units, mut received) = (HashSet::new(), 0);
    while received < past || units.len() < 380 {
        let envelope = running.next().await;
        received += 1;
        running.commit(envelope.ticket);
        if let Ok(decoded) = envelope.arrival.decoded {
            units.insert(decoded.address.unit);
        }
    }
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(tally.acknowledged(), tally.sent());
    while (received as u64) < tally.sent() {
        let envelope = running.next().await;
        received += 1;
        running.commit(envelope.ticket);
    }
    assert_eq!((running.status.connects(), running.status.redelivered()), (1, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_keeps_a_session_and_what_waits_for_it() {
    let broker = EmbeddedBroker::start(0).unwrap();
    let url = format!("mqtt://{}", broker.address());
    start(settings(&url)).await.stop().await;
    let sent = replay_log(&url).await;
    let mut back = start(settings(&url)).await;
    for _ in 0..sent {
        let envelope = back.next().await;
        back.commit(envelope.ticket);
    }
    assert_eq!(back.status.sessions_lost(), 0);
    back.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_replayed_whole_through_mosquitto() {
    let broker = Mosquitto::start();
    let url = broker.url();
    let mut running = start(settings(&url)).await;
    let (first, second) = tokio::join!(replay_log(&url), async {
        let mut payloads = Vec::new();
        for _ in 0..302 {
            let envelope = running.next().await;
            running.commit(envelope.ticket);
            payloads.push(envelope.arrival.payload);
        }
        payloads
    });
    assert_eq!((first, second.len()), (302, 302));
    assert!(second[1].starts_with(br#"{"ts":"2013-08-01T01:00:00.000Z","type":"fault_raised""#));
    until("acknowledged", || running.status.unacknowledged() == 0).await;
    running.stop().await;
}

/// Replays a synthetic log of 300 rows, of which two mean two events each; gives the number of messages.
async fn replay_log(url: &str) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log.csv");
    let mut text = "time,unit,symptom,category\n".to_owned();
    for row in 0..300 {
        let category = if row % 2 == 0 { "ON" } else { "BROKEN" };
        let category = if row == 150 { "BROKEN" } else { category };
        let symptom = if row == 150 { "flood" } else { "door" };
        writeln!(text, "2013-08-{:02}T{:02}:00:00+00:00,A1,{symptom},{category}", row / 24 + 1, row % 24).unwrap();
    }
    std::fs::write(&file, text).unwrap();
    let settings = ReplaySettings {
        file,
        map: "unit=unit,time=time,category=category,symptom=symptom,raised=BROKEN,cleared=ON".parse().unwrap(),
        connection: connection(url),
        region: RegionCode::new("350582").unwrap(),
        publisher: PublisherId::new("log").unwrap(),
        speed: 0.0,
    };
    let registry = dir.path().join("units.csv");
    assert_eq!(replay::write_registry(&settings, &registry).unwrap(), 1);
    let units = registry_csv::parse(std::fs::File::open(registry).unwrap()).unwrap();
    assert_eq!((units.len(), units[0].id.as_str(), units[0].publisher.as_ref()), (1, "A1", Some(&settings.publisher)));
    let (_stop, shutdown) = watch::channel(false);
    let done = replay::run(&settings, Arc::new(Tally::default()), shutdown).await.unwrap();
    assert_eq!((done.rows, done.units), (300, 1));
    assert_eq!(done.acknowledged, done.messages as u64);
    done.acknowledged
}
