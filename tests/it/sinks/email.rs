//! Mail at a real SMTP server: aiosmtpd, behind STARTTLS with a password, behind TLS, and in the open.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use liftwatch::notify::fill::Values;
use liftwatch::notify::sink::Answer;
use liftwatch::notify::sinks::email::{Email, Settings, Tls};
use serde_json::Value;

use super::{install_tls, item, message, secret, send};
use crate::tls::certificates;

/// A running mailbox, gone when dropped.
struct Mailbox {
    port: u16,
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Mailbox {
    fn start(mode: &str, dir: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sinks/mailbox.py");
        // Debian's own Python: the package python3-aiosmtpd belongs to it.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([mode.into(), dir.join("server.pem"), dir.join("server.key")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("/usr/bin/python3: tests/run installs it");
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        says.read_line(&mut port).unwrap();
        let port = port.trim().parse().expect("the mailbox did not start; tests/run installs python3-aiosmtpd");
        Self { port, child, says }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn settings(port: u16, tls: Tls) -> Settings {
    install_tls();
    Settings {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        tls,
        username: None,
        password_file: None,
        from: "liftwatch <lifts@city.example>".to_owned(),
        to: vec!["duty@firms.example".to_owned()],
        ca_file: None,
    }
}

fn connect(settings: &Settings) -> Email {
    settings.connect(&Values::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_travels_by_starttls_with_a_password_and_is_the_same_at_every_try() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let mut mailbox = Mailbox::start("starttls", dir.path());
    let settings = Settings {
        username: Some("daemon".to_owned()),
        password_file: Some(dir.path().join("password")),
        ca_file: Some(dir.path().join("ca.pem")),
        to: vec!["duty@firms.example".to_owned(), "王工 <wang@firms.example>".to_owned()],
        ..settings(mailbox.port, Tls::Starttls)
    };
    let message = message("alerts", vec![item("a-1", "L-1", true)]);
    let sink = connect(&settings);
    for _ in 0..2 {
        assert_eq!(send(&sink, "d-1", &message).await, Answer::Delivered { status: Some(250) });
    }
    let (mail, again) = (mailbox.next(), mailbox.next());
    assert_eq!(mail, again);
    assert_eq!(mail["from"], "lifts@city.example");
    assert_eq!(mail["to"], serde_json::json!(["duty@firms.example", "wang@firms.example"]));
    assert_eq!((mail["tls"].as_bool(), mail["authenticated"].as_bool()), (Some(true), Some(true)));
    assert_eq!(mail["subject"], "危急：花园困人");
    assert_eq!(mail["id"], "<d-1@city.example>");
    assert_eq!(mail["date"].as_f64().unwrap() as i64, message.created_at / 1000);
    assert_eq!(mail["automatic"], "auto-generated");
    assert_eq!(mail["plain"].as_str().unwrap().trim(), "花园 L-1 困人 3 分钟\r\n3 分钟内答复");
    assert_eq!(mail["html"].as_str().unwrap().trim(), "<p>花园 L-1 困人 3 分钟</p>");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_travels_by_tls_from_the_first_byte_or_in_the_open_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    for (mode, tls) in [("implicit", Tls::Implicit), ("none", Tls::None)] {
        let mut mailbox = Mailbox::start(mode, dir.path());
        let ca_file = (tls == Tls::Implicit).then(|| dir.path().join("ca.pem"));
        let sink = connect(&Settings { ca_file, ..settings(mailbox.port, tls) });
        let answer = send(&sink, "d-1", &message("test", Vec::new())).await;
        assert_eq!(answer, Answer::Delivered { status: Some(250) });
        assert_eq!(mailbox.next()["tls"].as_bool(), Some(tls == Tls::Implicit));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_no_tls_or_a_strangers_certificate_gets_no_mail() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let (open, implicit) = (Mailbox::start("none", dir.path()), Mailbox::start("implicit", dir.path()));
    let authority = |name: &str| Some(dir.path().join(name));
    for settings in [
        Settings { ca_file: authority("ca.pem"), ..settings(open.port, Tls::Starttls) },
        Settings { ca_file: authority("stranger.pem"), ..settings(implicit.port, Tls::Implicit) },
        settings(implicit.port, Tls::Implicit),
    ] {
        let answer = send(&connect(&settings), "d-1", &message("test", Vec::new())).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_answers_decides_whether_it_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let mailbox = Mailbox::start("implicit", dir.path());
    let base = Settings { ca_file: Some(dir.path().join("ca.pem")), ..settings(mailbox.port, Tls::Implicit) };
    let to = async |to: &str| {
        let settings = Settings { to: vec![to.to_owned()], ..base.clone() };
        send(&connect(&settings), "d-1", &message("test", Vec::new())).await
    };
    let gone = to("gone@firms.example").await;
    assert!(
        matches!(&gone, Answer::Refused { status: Some(550), detail } if detail.contains("no such mailbox")),
        "{gone:?}"
    );
    let later = to("later@firms.example").await;
    assert!(matches!(later, Answer::Retry { status: Some(451), .. }), "{later:?}");
    let password_file = Some(secret(&dir, "wrong-password", "open says me"));
    let wrong = Settings { username: Some("daemon".to_owned()), password_file, ..base.clone() };
    let answer = send(&connect(&wrong), "d-1", &message("test", Vec::new())).await;
    assert!(matches!(&answer, Answer::Refused { status: Some(535), .. }), "{answer:?}");
    assert!(!format!("{answer:?}").contains("says me"));
    let away = Settings { port: Some(crate::mosquitto::free_port()), ..base };
    assert!(matches!(send(&connect(&away), "d-1", &message("test", Vec::new())).await, Answer::Retry { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_costs_less_than_fifteen_seconds() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = connect(&settings(silent.local_addr().unwrap().port(), Tls::None));
    let begun = tokio::time::Instant::now();
    let answer = send(&sink, "d-1", &message("test", Vec::new())).await;
    assert!(matches!(answer, Answer::Retry { status: None, .. }), "{answer:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}
