//! Sinks against the real thing where Debian or its makers have one, against a stub where nobody has.

pub mod stub;

mod settings;

mod webhook;

pub mod alertmanager;

mod mqtt;

mod email;

mod robots;

mod tls;

use std::path::PathBuf;

use liftwatch::domain::time::Timestamp;
use liftwatch::notify::guard::Net;
use liftwatch::notify::message::{Item, Message};
use liftwatch::notify::sink::{Answer, Parcel, Sink, Text};

/// As the command line does before anything speaks TLS.
fn install_tls() {
    let _already = rustls::crypto::ring::default_provider().install_default();
}

fn loopback() -> Vec<Net> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

#[expect(clippy::disallowed_methods, reason = "receivers hold what we say against their own clocks")]
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

fn item(alert: &str, unit: &str, firing: bool) -> Item {
    Item {
        alert: alert.to_owned(),
        rule: "entrapment".to_owned(),
        severity: "critical".to_owned(),
        change: if firing { "firing" } else { "resolved" }.to_owned(),
        firing,
        starts_at: now().0 - 60_000,
        ends_at: (!firing).then(|| now().0 - 1_000),
        unit: unit.to_owned(),
        region: "350582".to_owned(),
        site: "花园".to_owned(),
        address: "学府路 1 号".to_owned(),
        owner: "物业".to_owned(),
        maintainer: "Lift & Co/东".to_owned(),
        summary_zh: "困人 3 分钟".to_owned(),
        summary_en: "People trapped for 3 minutes".to_owned(),
        basis: "TSG T5002-2017".to_owned(),
        expected_zh: "3 分钟内答复".to_owned(),
        expected_en: "Answer within 3 minutes".to_owned(),
        expected_by: Some(now().0 + 180_000),
        link: Some("https://lifts.example/alerts/a-1".to_owned()),
    }
}

fn message(kind: &str, items: Vec<Item>) -> Message {
    Message {
        id: "n-1".to_owned(),
        kind: kind.to_owned(),
        receiver: "maintainer:a".to_owned(),
        group: "site=花园".to_owned(),
        created_at: now().0,
        count: items.len(),
        items,
        link: Some("https://lifts.example/alerts".to_owned()),
        zh: String::new(),
        en: String::new(),
        checkpoint: String::new(),
    }
}

fn text() -> Text {
    Text {
        subject: "危急：花园困人".to_owned(),
        plain: "花园 L-1 困人 3 分钟\n3 分钟内答复".to_owned(),
        html: "<p>花园 L-1 困人 3 分钟</p>".to_owned(),
        markdown: "**花园** L-1 困人 3 分钟".to_owned(),
    }
}

async fn send(sink: &dyn Sink, key: &str, message: &Message) -> Answer {
    sink.send(Parcel { key, attempt: 1, message, text: &text(), now: now() }).await
}

/// A file with a secret, in a folder that lives as long as the test.
fn secret(dir: &tempfile::TempDir, name: &str, secret: &str) -> PathBuf {
    let file = dir.path().join(name);
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    file
}
