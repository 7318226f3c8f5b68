//! The built daemon and a group robot that takes twenty messages a minute: the twentieth holds the rest.

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use serde_json::Value;

use super::publisher;
use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, until};
use crate::sinks::stub::{Act, Stub};

const UNITS: u64 = 35;

fn folder(broker: &Mosquitto, stub: &Stub) -> Folder {
    let more = format!(
        "[notify]\nallow_nets = [\"127.0.0.0/8\"]\nsecret_file = \"links.key\"\npublic_url = \"http://lifts.example\"\n\
         [[receiver]]\nname = \"group\"\nlanguage = \"en\"\n\
         [[receiver.wecom]]\nkey_file = \"robot.key\"\nurl = \"{}/cgi-bin/webhook/send\"\n\
         [[route]]\nmatch = [\"rule=entrapment\"]\nreceiver = \"group\"\n",
        stub.url()
    );
    let folder = Folder::new(&broker.url(), &more);
    folder.write("links.key", &"k".repeat(48));
    folder.write("robot.key", "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa");
    let row = |unit: u64| format!("U-{unit:02},350582,traction,maker-a,Garden,owner-1,firm-1\n");
    folder.import(&(0..UNITS).map(row).collect::<String>()).exits(0);
    folder
}

#[test]
fn the_twentieth_message_of_a_minute_is_a_digest_of_all_that_waits() {
    let stub = Stub::start(Act::json(r#"{"errcode":0,"errmsg":"ok"}"#));
    let broker = Mosquitto::start();
    let folder = folder(&broker, &stub);
    // The session is there; what follows waits at the broker and comes at once.
    assert!(folder.serve_connected().stop().success());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = publisher(broker.port).await;
        for unit in 0..UNITS {
            let topic = format!("lift/v1/350582/maker-a/U-{unit:02}/event");
            let payload = serde_json::json!({"ts": SystemClock::new().now().to_string(), "boot": "b1", "seq": 1,
                "type": "entrapment_reported"});
            client.publish(topic, payload.to_string().into_bytes()).await.unwrap();
        }
        assert!(client.finish(Duration::from_secs(20)).await);
    });
    let daemon = folder.serve();
    let delivered = || daemon.items("/api/v1/deliveries?state=delivered").len();
    until("every message is delivered", || delivered() == usize::try_from(UNITS).unwrap());
    let texts: Vec<String> = stub
        .requests()
        .iter()
        .map(|request| request.json()["markdown"]["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts.len(), 20, "{texts:?}");
    let (digest, singles) = texts.split_last().unwrap();
    assert!(digest.contains("Digest") && digest.contains("16"), "{digest}");
    for unit in 0..UNITS {
        let name = format!("U-{unit:02}");
        let told = texts.iter().filter(|text| text.contains(&name)).count();
        assert_eq!(told, 1, "{name} is told once: {texts:?}");
    }
    assert!(singles.iter().all(|text| !text.contains("Digest")), "{singles:?}");
    let sent: std::collections::BTreeSet<String> =
        daemon.items("/api/v1/deliveries").iter().map(|delivery| delivery["last_status"].to_string()).collect();
    assert_eq!(sent.into_iter().collect::<Vec<_>>(), ["200"]);
    receives(&daemon, digest, 16);
    receives(&daemon, &singles[3], 1);
    assert_eq!(answered(&daemon), 17, "a link that is used again changes nothing");
    assert!(daemon.stop().success());
}

/// Alerts that somebody has acknowledged.
fn answered(daemon: &Daemon) -> usize {
    let file = |alert: &Value| daemon.json(&format!("/api/v1/alerts/{}", alert["id"].as_str().unwrap()));
    let answers = |alert: &Value| file(alert)["answers"].as_array().unwrap().len();
    let told: Vec<usize> = daemon.items("/api/v1/alerts?rule=entrapment").iter().map(answers).collect();
    assert!(told.iter().all(|answers| *answers <= 1), "one answer by one link: {told:?}");
    told.iter().sum()
}

/// Follows the "received" link of a message: the page names all that it told, and the button acknowledges all of it.
fn receives(daemon: &Daemon, text: &str, alerts: usize) {
    let (_, link) = text.split_once("http://lifts.example/r/").expect("a link");
    let link = format!("/r/{}", link.split([')', '\n', ' ']).next().unwrap());
    let told = (0..UNITS).map(|unit| format!("U-{unit:02}")).filter(|unit| text.contains(unit)).collect::<Vec<_>>();
    assert_eq!(told.len(), alerts, "{text}");
    let (status, page) = daemon.get(&format!("{link}?lang=en"));
    assert_eq!(status, 200, "{page}");
    for unit in &told {
        assert!(page.contains(unit), "{unit} is not on the page that stands for it: {page}");
    }
    let before = answered(daemon);
    for _ in 0..2 {
        daemon.post(&link, "application/x-www-form-urlencoded", b"");
        assert_eq!(answered(daemon), before + alerts);
    }
    assert!(daemon.get(&format!("{link}?lang=en")).1.contains("Recorded as received"));
}
