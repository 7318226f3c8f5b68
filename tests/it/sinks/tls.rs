//! Sinks behind TLS: whom they trust, and that they show who they are where they are asked.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use liftwatch::notify::fill::Values;
use liftwatch::notify::sink::Answer;
use liftwatch::notify::sinks::{alertmanager, mqtt, webhook};

use super::{install_tls, item, loopback, message, secret, send};
use crate::mosquitto::{Mosquitto, free_port};
use crate::process::text;
use crate::tls::certificates;

/// A running receiver, gone when dropped.
struct Https {
    port: u16,
    child: Child,
}

impl Https {
    fn start(dir: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sinks/https.py");
        let mut command = Command::new("python3");
        command.arg(script).args([dir.join("server.pem"), dir.join("server.key")]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { port: port.trim().parse().unwrap(), child }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_certificate_does_not_lead_to_a_trusted_one_is_told_nothing() {
    install_tls();
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let https = Https::start(dir.path());
    let url = format!("https://127.0.0.1:{}", https.port);
    let key = secret(&dir, "hook.key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr");
    let about = message("alerts", vec![item("a-1", "L-1", true)]);
    for (ca, trusted) in [(Some("ca.pem"), true), (Some("stranger.pem"), false), (None, false)] {
        let ca_file = ca.map(|name| dir.path().join(name));
        let settings =
            webhook::Settings { url: url.clone(), secret_files: vec![key.clone()], ca_file: ca_file.clone() };
        let hook = settings.connect(&Values::new(), &loopback()).unwrap();
        let settings = alertmanager::Settings { ca_file, ..alertmanager::Settings::of(vec![url.clone()]) };
        let alertmanager = settings.connect().unwrap();
        for answer in [send(&hook, "d-1", &about).await, send(&alertmanager, "d-2", &about).await] {
            match answer {
                Answer::Delivered { status: Some(204) } => assert!(trusted, "{ca:?}"),
                Answer::Retry { status: None, detail, .. } => {
                    assert!(!trusted, "{ca:?}: {detail}");
                    assert!(detail.to_lowercase().contains("certificate"), "{detail}");
                }
                other => panic!("{ca:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mqtt_sink_opens_a_broker_that_asks_for_certificate_and_password() {
    install_tls();
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let port = free_port();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let _broker = Mosquitto::start_with(&format!(
        "allow_anonymous false\npassword_file {}\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\n",
        path("users"),
        path("ca.pem"),
        path("server.pem"),
        path("server.key"),
    ));
    let settings = mqtt::Settings {
        broker: format!("mqtts://127.0.0.1:{port}").parse().unwrap(),
        client_id: None,
        prefix: "liftalert/v1".to_owned(),
        username: Some("daemon".to_owned()),
        password_file: Some(dir.path().join("password")),
        ca_file: Some(dir.path().join("ca.pem")),
        cert_file: Some(dir.path().join("client.pem")),
        key_file: Some(dir.path().join("client.key")),
    };
    assert_eq!(settings.problems(), []);
    let about = message("alerts", vec![item("a-1", "L-1", true)]);
    let sink = settings.connect(&Values::new()).unwrap();
    assert_eq!(send(&sink, "d-1", &about).await, Answer::Delivered { status: None });

    let forgetful = mqtt::Settings { password_file: Some(dir.path().join("wrong")), ..settings };
    let answer = send(&forgetful.connect(&Values::new()).unwrap(), "d-1", &about).await;
    assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    assert!(!format!("{answer:?}").contains("says me"), "{answer:?}");
}
