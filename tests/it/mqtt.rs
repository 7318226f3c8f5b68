//! The MQTT session against a real broker: what is acknowledged when, and what it survives.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use liftwatch::broker::LinkStatus;
use liftwatch::clock::{Clock, SystemClock};
use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::Reason;
use liftwatch::domain::id::{PublisherId, RegionCode, UnitId};
use liftwatch::ingest::connection::SessionSettings;
use liftwatch::ingest::session::{self, SessionError, SessionParts};
use liftwatch::pipeline::message::{ApplicationAck, Committed, Envelope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::mosquitto::Mosquitto;

const EVENT: &[u8] = br#"{"ts":"2026-11-23T04:00:00.000Z","boot":"b1","seq":1,"type":"alarm_pressed"}"#;

pub struct Running {
    pub out: mpsc::Receiver<Envelope>,
    pub committed: mpsc::UnboundedSender<Committed>,
    pub status: Arc<LinkStatus>,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Result<(), SessionError>>,
}

impl Running {
    pub async fn next(&mut self) -> Envelope {
        tokio::time::timeout(Duration::from_secs(10), self.out.recv()).await.expect("no message came").unwrap()
    }

    pub fn commit(&self, through: u64) {
        self.committed.send(Committed { through, acks: vec![] }).unwrap();
    }

    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(15), self.task).await.expect("did not stop").unwrap().unwrap();
    }
}

pub fn settings(url: &str) -> SessionSettings {
    let mut settings =
        SessionSettings::new(RegionCode::new("350582").unwrap(), url.parse().unwrap(), "liftwatch-test".to_owned());
    settings.keep_alive_seconds = 5;
    settings
}

fn start_unready(settings: SessionSettings, room: usize) -> Running {
    let clock = SystemClock::new();
    let status = Arc::new(LinkStatus::new(settings.region.clone(), clock.now()));
    let (sender, out) = mpsc::channel(room);
    let (committed, done) = mpsc::unbounded_channel();
    let (stop, shutdown) = watch::channel(false);
    let parts = SessionParts {
        index: 0,
        decoder: Arc::new(Decoder::new(&[], std::slice::from_ref(&settings.region)).unwrap()),
        clock: Arc::new(clock),
        out: sender,
        committed: done,
        status: Arc::clone(&status),
        shutdown,
    };
    let task = tokio::spawn(session::run(settings, parts));
    Running { out, committed, status, stop, task }
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn start(settings: SessionSettings) -> Running {
    let running = start_unready(settings, 64);
    until("listening", || running.status.is_listening()).await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_disk_comes_again_and_what_is_does_not() {
    let broker = Mosquitto::start();
    let mut first = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    broker.publish("lift/v1/350582/p/u2/event", EVENT);
    let one = first.next().await;
    let two = first.next().await;
    assert_eq!(one.arrival.decoded.unwrap().address.unit.as_str(), "u1");
    assert!(one.ticket < two.ticket);
    first.commit(one.ticket);
    until("one left", || first.status.unacknowledged() == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.task.abort();
    let _gone = first.task.await;

    let mut second = start(settings(&broker.url())).await;
    let again = second.next().await;
    assert_eq!(again.arrival.topic, "lift/v1/350582/p/u2/event");
    second.commit(again.ticket);
    until("nothing left", || second.status.unacknowledged() == 0).await;
    assert_eq!(second.status.redelivered(), 1);
    second.stop().await;

    let mut third = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u3/event", EVENT);
    assert_eq!(third.next().await.arrival.topic, "lift/v1/350582/p/u3/event");
    third.commit(u64::MAX);
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_its_session_while_it_is_away() {
    let broker = Mosquitto::start();
    start(settings(&broker.url())).await.stop().await;
    for _ in 0..20 {
        broker.publish("lift/v1/350582/p/u1/event", EVENT);
    }
    let mut back = start(settings(&broker.url())).await;
    for _ in 0..20 {
        let envelope = back.next().await;
        back.commit(envelope.ticket);
    }
    assert_eq!(back.status.sessions_lost(), 0);
    back.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_is_refused_and_the_session_goes_on() {
    let broker = Mosquitto::start();
    let mut running = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    broker.publish("lift/v1/350582/p/u1/event", &vec![b'x'; 20_000]);
    broker.publish("lift/v1/350582/p/u1/event", &vec![b'x'; 1_000_000]);
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    let reasons: Vec<_> = [running.next().await, running.next().await, running.next().await, running.next().await]
        .into_iter()
        .map(|envelope| envelope.arrival.decoded.err().map(|rejection| rejection.reason))
        .collect();
    assert_eq!(reasons, [None, Some(Reason::BadJson), Some(Reason::TooLarge), None]);
    assert_eq!(running.status.connects(), 1);
    running.commit(4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_are_refused_when_sent_and_not_asked_for() {
    let broker = Mosquitto::start();
    broker.publish_with("lift/v1/350582/p/u0/event", EVENT, &["-r"]);
    let mut running = start(settings(&broker.url())).await;
    broker.publish_with("lift/v1/350582/p/u1/event", EVENT, &["-r"]);
    let envelope = running.next().await;
    let rejection = envelope.arrival.decoded.unwrap_err();
    assert_eq!((envelope.arrival.topic.as_str(), rejection.reason), ("lift/v1/350582/p/u1/event", Reason::Retained));
    assert_eq!(rejection.unit, Some(UnitId::new("u1").unwrap()));
    running.commit(envelope.ticket);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribes_again_when_the_broker_forgot_us() {
    let mut broker = Mosquitto::start();
    let mut running = start(settings(&broker.url())).await;
    broker.kill();
    until("down", || !running.status.is_connected()).await;
    broker.spawn();
    until("listening again", || running.status.is_listening() && running.status.connects() == 2).await;
    assert_eq!(running.status.sessions_lost(), 1);
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    let envelope = running.next().await;
    running.commit(envelope.ticket);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_of_an_old_connection_acknowledges_nothing_on_the_new_one() {
    let mut broker = Mosquitto::start();
    let mut running = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    let old = running.next().await;
    broker.kill();
    until("down", || !running.status.is_connected()).await;
    broker.spawn();
    until("listening again", || running.status.is_listening()).await;
    broker.publish("lift/v1/350582/p/u2/event", EVENT);
    let new = running.next().await;
    running.commit(old.ticket);
    until("the old one is let go", || running.status.unacknowledged() == 1).await;
    running.task.abort();
    let _gone = running.task.await;
    let mut next = start(settings(&broker.url())).await;
    let again = next.next().await;
    assert_eq!(again.arrival.topic, new.arrival.topic);
    next.commit(again.ticket);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_client_id_is_counted() {
    let broker = Mosquitto::start();
    let one = start(settings(&broker.url())).await;
    let two = start_unready(settings(&broker.url()), 64);
    until("taken over", || one.status.takeovers() + two.status.takeovers() > 0).await;
    one.task.abort();
    two.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_subscription_is_not_listening() {
    // mosquitto grants every subscription and filters later, so a broker of three packets plays the strict one.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let strict = tokio::spawn(async move {
        let (mut line, _) = listener.accept().await.unwrap();
        let mut ignored = [0; 1024];
        assert!(line.read(&mut ignored).await.unwrap() > 0);
        line.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        assert!(line.read(&mut ignored).await.unwrap() > 0);
        let not_authorized = 0x87;
        line.write_all(&[0x90, 4, 0, 1, 0, not_authorized]).await.unwrap();
        line.read(&mut ignored).await.unwrap()
    });
    let mut alone = settings(&url);
    alone.application_ack = false;
    let running = start_unready(alone, 64);
    until("left", || running.status.connects() == 1 && !running.status.is_connected()).await;
    strict.await.unwrap();
    assert!(!running.status.is_listening());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pipeline_holds_the_broker_back_and_loses_nothing() {
    let broker = Mosquitto::start();
    let mut small = settings(&broker.url());
    small.receive_maximum = 16;
    let mut running = start_unready(small, 1);
    until("listening", || running.status.is_listening()).await;
    let lines = "{}\n".repeat(300);
    let port = broker.port.to_string();
    let mut publisher = Command::new("mosquitto_pub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-l", "-t", "lift/v1/350582/p/u1/event"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut publisher.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    assert!(publisher.wait().unwrap().success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.status.unacknowledged() <= 33, "{} held", running.status.unacknowledged());
    for expected in 1..=300 {
        let envelope = running.next().await;
        assert_eq!(envelope.ticket, expected);
        running.commit(envelope.ticket);
    }
    assert_eq!(running.status.connects(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_the_controller_how_far_its_events_are_stored() {
    let broker = Mosquitto::start();
    let running = start(settings(&broker.url())).await;
    let heard = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "liftack/v1/#", "-C", "1", "-v", "-W", "10"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ack = ApplicationAck {
        publisher: PublisherId::new("p").unwrap(),
        unit: UnitId::new("u1").unwrap(),
        boot: "b1".into(),
        first: 7,
        seq: 42,
    };
    running.committed.send(Committed { through: 0, acks: vec![ack] }).unwrap();
    let heard = tokio::task::spawn_blocking(|| heard.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(heard.stdout).unwrap(), "liftack/v1/p/u1 {\"boot\":\"b1\",\"first\":7,\"seq\":42}\n");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_what_was_handed_over() {
    let broker = Mosquitto::start();
    let mut running = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u1/event", EVENT);
    let envelope = running.next().await;
    running.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.task.is_finished());
    running.commit(envelope.ticket);
    tokio::time::timeout(Duration::from_secs(5), running.task).await.unwrap().unwrap().unwrap();

    let mut next = start(settings(&broker.url())).await;
    broker.publish("lift/v1/350582/p/u2/event", EVENT);
    assert_eq!(next.next().await.arrival.topic, "lift/v1/350582/p/u2/event");
    next.commit(u64::MAX);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_names_clients_by_their_user_loses_nothing() {
    let broker = Mosquitto::start_with("allow_anonymous true\nuse_username_as_clientid true\n");
    let mut named = settings(&broker.url());
    named.username = Some("daemon".to_owned());
    let mut running = start_unready(named, 64);
    until("subscribed once", || running.status.is_listening()).await;
    let topic = "lift/v1/350582/p/u1/event";
    let mut heard = std::collections::HashSet::new();
    for number in 0..40 {
        broker.publish_with(topic, format!("{number}").as_bytes(), &["-u", "p"]);
    }
    while heard.len() < 40 {
        let envelope = running.next().await;
        running.commit(envelope.ticket);
        heard.insert(envelope.arrival.payload);
    }
    assert_eq!(running.status.sessions_lost(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_go_by_a_user_of_their_own() {
    let broker = Mosquitto::start_with("allow_anonymous true\nuse_username_as_clientid true\n");
    let mut named = settings(&broker.url());
    named.username = Some("daemon".to_owned());
    named.ack_username = Some("daemon-ack".to_owned());
    let running = start(named).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((running.status.connects(), running.status.is_listening()), (1, true));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_wait_at_the_broker_and_all_come() {
    let broker = Mosquitto::start();
    let running = start_unready(settings(&broker.url()), 8);
    until("listening", || running.status.is_listening()).await;
    let Running { mut out, committed, status, stop, task } = running;
    let large = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        broker.publish("lift/v1/350582/p/u1/event", &large);
    }
    until("the limit is near", || status.unacknowledged() > 60).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(status.unacknowledged() < 80, "{} MB held", status.unacknowledged());
    // A new connection may send some again.
    let mut heard = std::collections::HashSet::new();
    while status.unacknowledged() > 0 {
        let envelope = tokio::time::timeout(Duration::from_secs(10), out.recv()).await.unwrap().unwrap();
        assert_eq!(envelope.arrival.decoded.unwrap_err().reason, Reason::TooLarge);
        heard.insert(envelope.ticket);
        committed.send(Committed { through: envelope.ticket, acks: vec![] }).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(heard.len() >= 100, "{} came", heard.len());
    stop.send(true).unwrap();
    task.await.unwrap().unwrap();
}
