//! The messages, the publisher, and the bare subscriber that they are also drained by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use rumqttc::{AsyncClient, BrokerSessionResumePolicy, Event, EventLoop, Incoming, MqttOptions, QoS};

use crate::mosquitto::Mosquitto;

pub const REGION: &str = "350582";
pub const PUBLISHER: &str = "bench";

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Faults that no rule has an alert for.
    Event,
    /// The same, but each unit's eleventh is one that has an alert.
    Grave,
    State,
}

impl Kind {
    /// The class level of its topic.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Event | Self::Grave => "event",
            Self::State => "state",
        }
    }
}

/// The name of a unit.
pub fn unit(number: u64) -> String {
    format!("B{number:06}")
}

/// Topic and payload of message `number`: each unit in turn raises a fault and clears it again.
pub fn message(number: u64, units: u64, began: i64, kind: Kind) -> (String, Vec<u8>) {
    let unit = unit(number % units);
    let at = began + i64::try_from(number).unwrap();
    let payload = match kind {
        Kind::Event | Kind::Grave => {
            let seq = number / units + 1;
            let what = if seq % 2 == 1 { "fault_raised" } else { "fault_cleared" };
            let grave = kind == Kind::Grave && (seq == 11 || seq == 12);
            let code = if grave { "opened_while_running" } else { "door_closing" };
            format!(
                r#"{{"ts":{at},"boot":"b1","seq":{seq},"type":"{what}","code":"{code}","vendor_code":"E41","landing":"5"}}"#
            )
        }
        Kind::State => format!(
            r#"{{"ts":{at},"boot":"b1","last_seq":0,"mode":"normal","moving":false,"direction":"none","landing":"5","door":"closed","in_unlocking_zone":true,"occupied":false,"active_faults":[],"runs":{number},"door_cycles":250111,"run_seconds":804221}}"#
        ),
    };
    (format!("lift/v1/{REGION}/{PUBLISHER}/{unit}/{}", kind.class()), payload.into_bytes())
}

/// Publishes `messages` round robin over the units, and returns when the broker has them all.
pub async fn publish(broker: &Mosquitto, units: u64, messages: u64, kind: Kind) {
    publish_at(broker.port, units, messages, kind, None).await;
}

/// As [`publish`], so many in a second, or as fast as the broker takes them.
pub async fn publish_at(port: u16, units: u64, messages: u64, kind: Kind, pace: Option<u64>) {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    let publisher = Publisher::connect("bench-load", PUBLISHER, &settings, Arc::new(Tally::default())).await.unwrap();
    let began = jiff::Timestamp::now().as_millisecond() - i64::try_from(messages).unwrap();
    let start = tokio::time::Instant::now();
    for number in 0..messages {
        if let Some(pace) = pace.filter(|pace| number % (pace / 100).max(1) == 0) {
            tokio::time::sleep_until(start + Duration::from_secs_f64(number as f64 / pace as f64)).await;
        }
        let (topic, payload) = message(number, units, began, kind);
        publisher.publish(topic, payload).await.unwrap();
    }
    assert!(publisher.finish(Duration::from_secs(120)).await, "the broker took everything");
}

fn session(broker: &Mosquitto, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, ("127.0.0.1".to_owned(), broker.port));
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(u32::MAX));
    options.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
    options.set_receive_maximum(Some(8_192));
    options.set_read_batch_size(128);
    options.set_outgoing_inflight_upper_limit(16);
    options.set_max_request_batch(256);
    AsyncClient::builder(options).build()
}

/// Leaves a session behind that has subscribed.
pub async fn open_session(broker: &Mosquitto, name: &str) {
    let (client, mut events) = session(broker, name);
    client.subscribe(format!("lift/v1/{REGION}/+/+/+"), QoS::AtLeastOnce).await.unwrap();
    loop {
        if let Event::Incoming(Incoming::SubAck(_)) = events.poll().await.unwrap() {
            break;
        }
    }
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
}

/// Takes everything that waits, acknowledging at receipt; messages per second from the first to the last.
pub async fn drain(broker: &Mosquitto, name: &str, messages: u64) -> f64 {
    let (_client, mut events) = session(broker, name);
    let (mut received, mut began) = (0, None);
    while received < messages {
        if let Event::Incoming(Incoming::Publish(_)) = events.poll().await.unwrap() {
            began.get_or_insert_with(Instant::now);
            received += 1;
        }
    }
    messages as f64 / began.unwrap().elapsed().as_secs_f64()
}
