//! A broker, the daemon with a route to every firm, and what the city's lifts tell.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use tokio::task::JoinHandle;

use crate::mosquitto::Mosquitto;

/// A secret as Standard Webhooks wants it; it guards nothing.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Ended when dropped.
pub struct City {
    broker: Mosquitto,
    units: u64,
    daemon: Child,
    _folder: tempfile::TempDir,
}

impl Drop for City {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl City {
    /// Registers the units in turn with the firms, and returns when the daemon hears the broker.
    pub async fn found(units: u64, firms: u64, port: u16) -> Self {
        let broker = Mosquitto::start();
        let folder = tempfile::tempdir().unwrap();
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "[store]\npath = \"city.db\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n\
             [[region]]\ncode = \"350582\"\nbroker = \"{}\"\n\
             [notify]\nallow_nets = [\"127.0.0.0/8\"]\n\
             [[receiver]]\nname = \"maintainer:{{maintainer}}\"\n\
             [[receiver.webhook]]\nurl = \"http://127.0.0.1:{port}/{{maintainer}}\"\nsecret_files = [\"hook.key\"]\n\
             [[route]]\nmatch = [\"rule=entrapment\"]\nreceiver = \"maintainer:{{maintainer}}\"\ngroup_wait = \"0s\"\n",
            broker.url()
        );
        let file = folder.path().join("liftwatch.toml");
        std::fs::write(&file, config).unwrap();
        std::fs::write(folder.path().join("hook.key"), SECRET).unwrap();
        let rows = (0..units).map(|unit| format!("U-{unit},350582,traction,bench,firm-{}\n", unit % firms));
        let registry = folder.path().join("units.csv");
        std::fs::write(&registry, format!("unit,region,kind,publisher,maintainer\n{}", rows.collect::<String>()))
            .unwrap();
        let liftwatch = || Command::new(env!("CARGO_BIN_EXE_liftwatch"));
        let import = liftwatch().args(["import", "units"]).arg(&registry).arg("--config").arg(&file).output().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        let serve = liftwatch().args(["serve", "--log", "error", "--config"]).arg(&file).stdout(Stdio::null()).spawn();
        let city = Self { broker, units, daemon: serve.unwrap(), _folder: folder };
        let ready = format!("http://127.0.0.1:{http}/-/ready");
        while !tokio::task::spawn_blocking({
            let ready = ready.clone();
            move || ureq::get(&ready).call().is_ok()
        })
        .await
        .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        city
    }

    pub async fn publisher(&self, name: &str) -> Publisher {
        connect(self.broker.port, name).await
    }

    /// People are trapped in the unit, now.
    pub async fn entrapment(&self, client: &Publisher, unit: u64) {
        let now = jiff::Timestamp::now().as_millisecond();
        let payload = format!(r#"{{"ts":{now},"boot":"b1","seq":1,"type":"entrapment_reported"}}"#);
        client.publish(format!("lift/v1/350582/bench/U-{unit}/event"), payload.into_bytes()).await.unwrap();
    }

    /// Heartbeats round robin, so many in a second or as fast as the broker takes them, until it is aborted.
    pub fn heartbeats(&self, pace: Option<u64>) -> JoinHandle<()> {
        let (port, units) = (self.broker.port, self.units);
        tokio::spawn(async move {
            let client = connect(port, "bench-beats").await;
            for number in 0.. {
                if let Some(pace) = pace {
                    tokio::time::sleep(Duration::from_secs_f64(1.0 / pace as f64)).await;
                }
                let now = jiff::Timestamp::now().as_millisecond();
                let payload =
                    format!(r#"{{"ts":{now},"mode":"normal","moving":false,"occupied":false,"door":"closed"}}"#);
                let topic = format!("lift/v1/350582/bench/U-{}/state", number % units);
                client.publish(topic, payload.into_bytes()).await.unwrap();
            }
        })
    }
}

async fn connect(port: u16, name: &str) -> Publisher {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    Publisher::connect(name, "bench", &settings, Arc::new(Tally::default())).await.unwrap()
}
