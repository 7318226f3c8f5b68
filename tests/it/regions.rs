//! Two regions at two brokers in one daemon: each keeps to its own.

use std::process::{Command, Stdio};

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, until};

/// Everything that this broker's controllers are told by application acks, until the listener is ended.
struct Acks(std::process::Child, std::path::PathBuf);

impl Acks {
    fn listen(broker: &Mosquitto, folder: &Folder, name: &str) -> Self {
        let file = folder.path(name);
        let out = std::fs::File::create(&file).unwrap();
        let listener = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "liftack/v1/#", "-v"])
            .stdout(Stdio::from(out))
            .spawn()
            .expect("mosquitto_sub: apt-get install mosquitto-clients");
        let listening = Self(listener, file);
        until("mosquitto_sub listens", || broker.log().contains("liftack/v1/#"));
        listening
    }

    fn heard(&self) -> String {
        std::fs::read_to_string(&self.1).unwrap()
    }
}

impl Drop for Acks {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn event(seq: u64) -> String {
    format!(r#"{{"ts":1795500000000,"boot":"b1","seq":{seq},"type":"fault_raised","code":"door_closing"}}"#)
}

#[test]
fn two_regions_at_two_brokers_keep_to_their_own() {
    let start = || Mosquitto::start_with("allow_anonymous true\nlog_type all\n");
    let (here, there) = (start(), start());
    let second = format!("[[region]]\ncode = \"350583\"\nname = \"南安\"\nbroker = \"{}\"\n", there.url());
    let folder = Folder::new(&here.url(), &second);
    let rows = "J-1,350582,traction,maker-a,,,\nN-1,350583,traction,maker-a,,,\n";
    folder.import(rows).exits(0);
    let daemon = folder.serve();
    for region in ["350582", "350583"] {
        let series = format!("liftwatch_mqtt_connected{{region=\"{region}\"}}");
        until("both regions are heard", || daemon.metric(&series) == Some(1.0));
    }
    until("both subscribed", || daemon.log().matches("subscribed").count() >= 2);
    let (acks_here, acks_there) = (Acks::listen(&here, &folder, "here"), Acks::listen(&there, &folder, "there"));

    here.publish("lift/v1/350582/maker-a/J-1/event", event(1).as_bytes());
    there.publish("lift/v1/350583/maker-a/N-1/event", event(1).as_bytes());
    // The second broker may not speak for the first one's region.
    there.publish("lift/v1/350582/maker-a/J-1/event", event(2).as_bytes());
    there.publish("lift/v1/350583/maker-a/J-1/event", event(3).as_bytes());
    until("acks on both sides", || !acks_here.heard().is_empty() && !acks_there.heard().is_empty());
    until("one refused", || !daemon.items("/api/v1/quarantine").is_empty());

    assert_eq!(acks_here.heard(), "liftack/v1/maker-a/J-1 {\"boot\":\"b1\",\"first\":1,\"seq\":1}\n");
    assert_eq!(acks_there.heard(), "liftack/v1/maker-a/N-1 {\"boot\":\"b1\",\"first\":1,\"seq\":1}\n");
    assert_eq!(daemon.items("/api/v1/events?unit=J-1").len(), 1);
    assert_eq!(daemon.items("/api/v1/events?unit=N-1").len(), 1);
    let refused = daemon.items("/api/v1/quarantine");
    assert_eq!((refused.len(), refused[0]["reason"].as_str()), (1, Some("foreign_region")), "{refused:?}");
    assert!(daemon.stop().success());
}
