//! The daemon at a broker that asks for everything: TLS, a client certificate, a user and a password. And what it says when
//! one of them is wrong.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::mosquitto::{Mosquitto, free_port};
use crate::process::{Daemon, Folder, run, text, until};

const EVENT: &[u8] = br#"{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":1,"type":"alarm_pressed"}"#;

fn tool(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A key, and a request or a self-signed certificate beside it.
fn new_key(dir: &Path, name: &str, out: &str, more: &[&str]) {
    let (key, out) = (dir.join(format!("{name}.key")), dir.join(out));
    let subject = format!("/CN={name}");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", &subject];
    tool("openssl", &[&["req"][..], more, &curve, &["-keyout", text(&key), "-out", text(&out)]].concat());
}

/// Certificates for one test: `ca.pem`, `stranger.pem` (another authority), `server.pem`, `client.pem`, their keys, and
/// the passwords of `daemon` and `maker-a`.
pub fn certificates(dir: &Path) {
    for authority in ["ca", "stranger"] {
        new_key(dir, authority, &format!("{authority}.pem"), &["-x509", "-days", "2"]);
    }
    for (name, extension) in [
        ("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"),
        ("client", "extendedKeyUsage=clientAuth\n"),
    ] {
        let request = format!("{name}.csr");
        new_key(dir, name, &request, &[]);
        let extensions = dir.join(format!("{name}.ext"));
        std::fs::write(&extensions, format!("basicConstraints=CA:FALSE\n{extension}")).unwrap();
        let (request, out) = (dir.join(request), dir.join(format!("{name}.pem")));
        let (ca, ca_key) = (dir.join("ca.pem"), dir.join("ca.key"));
        let signing = ["x509", "-req", "-days", "2", "-CAcreateserial", "-CA", text(&ca), "-CAkey", text(&ca_key)];
        let files = ["-in", text(&request), "-out", text(&out), "-extfile", text(&extensions)];
        tool("openssl", &[&signing[..], &files].concat());
    }
    let users = dir.join("users");
    tool("mosquitto_passwd", &["-b", "-c", text(&users), "daemon", "open sesame"]);
    tool("mosquitto_passwd", &["-b", text(&users), "maker-a", "secret"]);
    std::fs::write(dir.join("password"), "open sesame\n").unwrap();
    std::fs::write(dir.join("wrong"), "open says me\n").unwrap();
}

/// A broker behind TLS, and the folder with everything that opens it.
struct Walled {
    dir: tempfile::TempDir,
    port: u16,
    _broker: Mosquitto,
}

impl Walled {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let port = free_port();
        let file = |name: &str| text(&dir.path().join(name)).to_owned();
        let broker = Mosquitto::start_with(&format!(
            "allow_anonymous false\npassword_file {}\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
             require_certificate true\n",
            file("users"),
            file("ca.pem"),
            file("server.pem"),
            file("server.key"),
        ));
        Self { dir, port, _broker: broker }
    }

    fn file(&self, name: &str) -> String {
        text(&self.dir.path().join(name)).to_owned()
    }

    /// A daemon's folder with this authority and password, and with a client certificate or without.
    fn folder(&self, ca: &str, password: &str, certificate: bool) -> Folder {
        let mut keys = format!(
            "username = \"daemon\"\npassword_file = \"{}\"\nca_file = \"{}\"\n",
            self.file(password),
            self.file(ca)
        );
        if certificate {
            keys +=
                &format!("cert_file = \"{}\"\nkey_file = \"{}\"\n", self.file("client.pem"), self.file("client.key"));
        }
        Folder::new(&format!("mqtts://127.0.0.1:{}", self.port), &keys)
    }

    fn publish(&self, topic: &str, payload: &[u8]) {
        let payload = std::str::from_utf8(payload).unwrap();
        let port = self.port.to_string();
        let wall = [self.file("ca.pem"), self.file("client.pem"), self.file("client.key")];
        let files = ["--cafile", &wall[0], "--cert", &wall[1], "--key", &wall[2], "-u", "maker-a", "-P", "secret"];
        let message = ["-V", "5", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload];
        tool("mosquitto_pub", &[&message[..], &files].concat());
    }
}

#[test]
fn an_event_comes_through_tls_with_a_client_certificate_and_a_password() {
    let walled = Walled::start();
    let folder = walled.folder("ca.pem", "password", true);
    folder.import("L-1,350582,traction,maker-a,Garden,o,f\n").exits(0);
    let daemon = folder.serve_connected();
    walled.publish("lift/v1/350582/maker-a/L-1/event", EVENT);
    until("the event is stored", || daemon.items("/api/v1/events").len() == 1);
    assert!(!daemon.log().contains("sesame"), "a password is never logged");
    tells_what_alerts_rest_on(&daemon, &walled);
    assert_eq!(daemon.stop().code(), Some(0));
}

/// Seconds since 1970 at which openssl says that a certificate ends.
fn end_of(file: &str) -> f64 {
    let script = format!("date -d \"$(openssl x509 -enddate -noout -in {file} | cut -d= -f2)\" +%s");
    let said = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().parse().unwrap()
}

fn tells_what_alerts_rest_on(daemon: &Daemon, walled: &Walled) {
    let certificate =
        |what: &str| daemon.metric(&format!("liftwatch_certificate_expiry_timestamp_seconds{{use=\"{what}\"}}"));
    assert_eq!(certificate("broker_ca"), Some(end_of(&walled.file("ca.pem"))));
    assert_eq!(certificate("broker_client"), Some(end_of(&walled.file("client.pem"))));
    let told_at = 1_795_406_400.0; // EVENT's ts
    let received_at = daemon.metric(r#"liftwatch_last_message_timestamp_seconds{region="350582"}"#).unwrap();
    let offset = daemon.metric(r#"liftwatch_clock_offset_seconds{region="350582"}"#).unwrap();
    assert!((received_at - told_at - offset).abs() < 0.01, "{received_at} - {told_at} is not {offset}");
    assert!(daemon.metric("liftwatch_disk_free_bytes").unwrap() > 1e6);
    assert_eq!(daemon.metric("liftwatch_ready"), Some(1.0));
}

/// Waits until the daemon has said why it is not connected, and holds that it stays up.
fn says_why(daemon: &Daemon, words: &[&str]) {
    until("it says that it is not connected", || daemon.log().contains("no connection to the broker"));
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("no connection to the broker")).unwrap();
    assert!(words.iter().any(|word| line.contains(word)), "none of {words:?} is in {line}");
    assert!(!log.contains("subscribed"), "{log}");
    assert_eq!(daemon.metric(r#"liftwatch_mqtt_connected{region="350582"}"#), Some(0.0));
    assert_eq!(daemon.get("/-/healthy").0, 200);
}

#[test]
fn a_wall_that_does_not_open_is_told_with_its_reason_and_the_daemon_stays_up() {
    let walled = Walled::start();
    let folders = [
        walled.folder("stranger.pem", "password", true),
        walled.folder("ca.pem", "password", false),
        walled.folder("ca.pem", "wrong", true),
    ];
    let [stranger, unarmed, forgetful] = folders.each_ref().map(Folder::serve);
    says_why(&stranger, &["UnknownIssuer", "unknown issuer"]);
    says_why(&unarmed, &["CertificateRequired", "certificate"]);
    says_why(&forgetful, &["NotAuthorized", "BadUserNamePassword", "not authorized"]);
    for daemon in [stranger, unarmed, forgetful] {
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

#[test]
fn a_file_that_is_not_there_or_no_certificate_ends_the_start_with_its_key_and_name() {
    let walled = Walled::start();
    for (ca, password, key, wrong) in [
        ("absent.pem", "password", "ca_file", "absent.pem"),
        ("users", "password", "ca_file", "users"),
        ("ca.pem", "absent", "password_file", "absent"),
    ] {
        let folder = walled.folder(ca, password, true);
        let refused = run(&["serve", "--config", text(&folder.config())]).exits(1);
        for part in [key, &walled.file(wrong)] {
            assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
        }
    }
}
