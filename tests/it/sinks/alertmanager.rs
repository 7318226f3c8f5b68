//! The sink against Debian's real Alertmanager: told, told again, resolved, restarted.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use liftwatch::domain::time::Timestamp;
use liftwatch::notify::sink::{Answer, Sink};
use liftwatch::notify::sinks::alertmanager::{Alertmanager, Settings};
use serde_json::Value;

use super::stub::{Act, Stub};
use super::{install_tls, item, message, now, secret, send};
use crate::mosquitto::free_port;

/// A running Alertmanager with an empty memory, gone when dropped.
pub struct Real {
    pub port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Real {
    pub fn start() -> Self {
        Self::start_at(free_port())
    }

    pub fn start_at(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("am.yml"), "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", dir.path().join("am.yml").display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager: tests/run installs it");
        let real = Self { port, child, _dir: dir };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return real;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("alertmanager does not accept connections");
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What fires in it; Alertmanager lists no resolved ones.
    fn firing(&self) -> Vec<Value> {
        let mut answer = ureq::get(format!("{}/api/v2/alerts", self.url())).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    pub fn units(&self) -> Vec<String> {
        let mut units: Vec<String> =
            self.firing().iter().map(|alert| alert["labels"]["unit"].as_str().unwrap().to_owned()).collect();
        units.sort();
        units
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn connect(urls: &[String]) -> Alertmanager {
    install_tls();
    Settings::of(urls.to_vec()).connect().unwrap()
}

fn delivered(answer: &Answer) {
    assert_eq!(*answer, Answer::Delivered { status: Some(200) });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_fires_in_the_real_alertmanager_and_is_resolved_at_once() {
    let real = Real::start();
    let sink = connect(&[real.url()]);
    delivered(&send(&sink, "d-1", &message("alerts", vec![item("a-1", "L-1", true), item("a-2", "L-2", true)])).await);
    let firing = real.firing();
    assert_eq!(real.units(), ["L-1", "L-2"]);
    let alert = firing.iter().find(|alert| alert["labels"]["unit"] == "L-1").unwrap();
    for (label, value) in [
        ("alertname", "entrapment"),
        ("severity", "critical"),
        ("region", "350582"),
        ("site", "花园"),
        ("maintainer", "Lift & Co/东"),
    ] {
        assert_eq!(alert["labels"][label], value, "{alert}");
    }
    assert_eq!(alert["annotations"]["summary_en"], "People trapped for 3 minutes");
    assert_eq!(alert["generatorURL"], "https://lifts.example/alerts/a-1");
    let ends = Timestamp::parse(alert["endsAt"].as_str().unwrap()).unwrap();
    assert!((ends - now() - 300_000).abs() < 10_000, "it ends in five minutes: {alert}");

    delivered(&send(&sink, "d-2", &message("alerts", vec![item("a-1", "L-1", false)])).await);
    assert_eq!(real.units(), ["L-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_that_forgot_everything_knows_it_again_after_the_next_showing() {
    let real = Real::start();
    let sink = connect(&[real.url()]);
    assert_eq!(sink.refresh(), Some(Duration::from_secs(60)));
    let firing: Vec<_> = (0..2_500).map(|at| item("a", &format!("L-{at:04}"), true)).collect();
    delivered(&sink.show(&firing, now()).await);
    assert_eq!(real.units().len(), 2_500);
    let port = real.port;
    drop(real);
    assert!(matches!(sink.show(&firing, now()).await, Answer::Retry { .. }));
    let real = Real::start_at(port);
    assert!(real.units().is_empty(), "it forgets, which is why it is told again");
    delivered(&sink.show(&firing, now()).await);
    assert_eq!(real.units().len(), 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_is_told_and_one_that_is_down_holds_up_nobody() {
    let (one, two) = (Real::start(), Real::start());
    let sink = connect(&[one.url(), two.url(), format!("http://127.0.0.1:{}", free_port())]);
    delivered(&send(&sink, "d-1", &message("alerts", vec![item("a-1", "L-1", true)])).await);
    assert_eq!(one.units(), ["L-1"]);
    assert_eq!(two.units(), ["L-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_times_are_made_such_that_alertmanager_takes_them() {
    let real = Real::start();
    let sink = connect(&[real.url()]);
    let mut backwards = item("a-1", "L-1", false);
    backwards.ends_at = Some(backwards.starts_at - 5_000);
    let mut endless = item("a-2", "L-2", false);
    endless.ends_at = None;
    let mut nameless = item("a-3", "L-3", true);
    (nameless.owner, nameless.site, nameless.link) = (String::new(), String::new(), None);
    let mut ahead = item("a-4", "L-4", true);
    ahead.starts_at = now().0 + 3_600_000;
    delivered(&send(&sink, "d-1", &message("alerts", vec![backwards, endless, nameless, ahead])).await);
    assert_eq!(real.units(), ["L-3", "L-4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_an_alert_of_liftwatchs_own() {
    let real = Real::start();
    delivered(&send(&connect(&[real.url()]), "d-1", &message("heartbeat", Vec::new())).await);
    let firing = real.firing();
    assert_eq!(firing[0]["labels"]["alertname"], "liftwatch");
    assert_eq!(firing[0]["labels"]["kind"], "heartbeat");
}

#[tokio::test]
async fn the_password_travels_as_basic_authentication() {
    install_tls();
    let stub = Stub::start(Act::status(401));
    let dir = tempfile::tempdir().unwrap();
    let password_file = Some(secret(&dir, "password", "open sesame"));
    let settings = Settings { username: Some("aladdin".to_owned()), password_file, ..Settings::of(vec![stub.url()]) };
    let answer = send(&settings.connect().unwrap(), "d-1", &message("test", Vec::new())).await;
    assert!(matches!(answer, Answer::Refused { status: Some(401), .. }), "{answer:?}");
    assert_eq!(stub.requests()[0].headers["authorization"], "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}
