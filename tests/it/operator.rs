//! The built daemon with a real broker: what its operator is told of troubles around it, once, whatever is restarted.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, until};
use crate::sinks::stub::{Act, Stub};

/// A secret as Standard Webhooks wants it; it guards nothing.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn folder(broker: &Mosquitto, stub: &Stub) -> Folder {
    let more = format!(
        "client_id = \"lifts-of-the-city\"\n\
         [notify]\nallow_nets = [\"127.0.0.0/8\"]\noperator = \"duty\"\n\
         [[receiver]]\nname = \"duty\"\nlanguage = \"en\"\n\
         [[receiver.webhook]]\nurl = \"{}\"\nsecret_files = [\"hook.key\"]\n",
        stub.url()
    );
    let folder = Folder::new(&broker.url(), &more);
    folder.write("hook.key", SECRET);
    folder.import("T-1,350582,traction,maker-a,Garden,owner-1,firm-1\n").exits(0);
    folder
}

fn texts(stub: &Stub) -> Vec<String> {
    let requests = stub.requests();
    requests.iter().map(|request| request.json()["data"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Another client with the daemon's id; gone when dropped.
struct Thief(Child);

impl Thief {
    fn connect(broker: &Mosquitto, client_id: &str) -> Self {
        let port = broker.port.to_string();
        let arguments = ["-V", "5", "-h", "127.0.0.1", "-p", &port, "-i", client_id, "-t", "nothing"];
        let child = Command::new("mosquitto_sub").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("mosquitto_sub: apt-get install mosquitto-clients"))
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_publisher_of_anothers_units_is_told_of_once_and_not_again_after_a_restart() {
    let broker = Mosquitto::start();
    let stub = Stub::start(Act::status(204));
    let folder = folder(&broker, &stub);
    let daemon = folder.serve_connected();
    let tell = |seq: u32| {
        let payload = json!({"ts": 1_700_000_000_000_i64, "boot": "b1", "seq": seq, "type": "alarm_pressed"});
        broker.publish("lift/v1/350582/maker-b/T-1/event", payload.to_string().as_bytes());
    };
    tell(1);
    until("the operator heard of it", || daemon.items("/api/v1/deliveries?state=delivered").len() == 1);
    daemon.kill();
    let daemon = folder.serve_connected();
    tell(2);
    until("it is refused too", || daemon.items("/api/v1/quarantine").len() == 2);
    until("the planner has looked", || daemon.json("/api/v1/deliveries")["items"].as_array().unwrap().len() == 1);
    assert!(daemon.stop().success());
    let texts = texts(&stub);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("maker-b (1 messages, 1 units such as T-1)"), "{texts:?}");
}

#[test]
fn units_that_the_registry_lacks_are_told_of_once_and_not_again_after_a_restart() {
    let broker = Mosquitto::start();
    let stub = Stub::start(Act::status(204));
    let folder = folder(&broker, &stub);
    let daemon = folder.serve_connected();
    let tell = |unit: &str| {
        let payload = json!({"ts": 1_700_000_000_000_i64, "type": "alarm_pressed"});
        broker.publish(&format!("lift/v1/350582/maker-a/{unit}/event"), payload.to_string().as_bytes());
    };
    tell("X-1");
    until("the operator heard of it", || daemon.items("/api/v1/deliveries?state=delivered").len() == 1);
    daemon.kill();
    let daemon = folder.serve_connected();
    tell("X-2");
    until("it is kept too", || daemon.items("/api/v1/unregistered").len() == 2);
    until("the planner has looked", || daemon.json("/api/v1/deliveries")["items"].as_array().unwrap().len() == 1);
    assert!(daemon.stop().success());
    let texts = texts(&stub);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("maker-a (1 messages, 1 units such as X-1)"), "{texts:?}");
}

#[test]
fn a_client_id_that_another_takes_is_told_of_once() {
    let broker = Mosquitto::start();
    let stub = Stub::start(Act::status(204));
    let folder = folder(&broker, &stub);
    let daemon = folder.serve_connected();
    let mut thieves = Vec::new();
    until("the operator hears of it", || {
        // A mosquitto_sub that lost its id connects again by itself, so one thief would do; more make it quicker.
        if thieves.len() < 8 {
            thieves.push(Thief::connect(&broker, "lifts-of-the-city"));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        !stub.requests().is_empty()
    });
    drop(thieves);
    let texts = texts(&stub);
    assert!(texts[0].contains("Another client uses our MQTT client id") && texts[0].contains("350582"), "{texts:?}");
    daemon.kill();
    // After a restart the fight goes on, and the operator knows of it.
    let daemon = folder.serve_connected();
    let _thief = Thief::connect(&broker, "lifts-of-the-city");
    until("it is taken again", || daemon.log().contains("more than 3 connections"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(daemon.stop().success());
    assert_eq!(stub.requests().len(), 1);
}
