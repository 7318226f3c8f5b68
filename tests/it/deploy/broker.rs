//! `deploy/mosquitto`: who may do what at which door, what waits for an absent daemon, and what survives the broker.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::{shipped, swap, tool};
use crate::mosquitto::free_port;
use crate::process::{Daemon, Folder, ended, run, signal, text, until, until_within};

const UNITS: &str = "T-0001,350582,traction,maker-a,Garden,o,f\nT-0002,350582,traction,maker-b,Garden,o,f\n";

/// The shipped broker, its certificates, and the daemon's folder.
struct City {
    dir: tempfile::TempDir,
    publishers: u16,
    daemon: u16,
    broker: Option<Child>,
    folder: Folder,
}

/// A key and a certificate for a common name, signed by the folder's authority (or by a stranger's).
fn certificate(dir: &Path, name: &str, authority: &str, extension: &str) {
    let file = |ending: &str| text(&dir.join(format!("{name}.{ending}"))).to_owned();
    let curve = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let subject = format!("/CN={name}");
    tool("openssl", &[&curve[..], &["-subj", &subject, "-keyout", &file("key"), "-out", &file("csr")]].concat());
    std::fs::write(dir.join(format!("{name}.ext")), format!("basicConstraints=CA:FALSE\n{extension}\n")).unwrap();
    let (ca, key) = (dir.join(format!("{authority}.pem")), dir.join(format!("{authority}.key")));
    let signing = ["x509", "-req", "-days", "2", "-CAcreateserial", "-CA", text(&ca), "-CAkey", text(&key)];
    let files = ["-in", &file("csr"), "-out", &file("pem"), "-extfile", &file("ext")];
    tool("openssl", &[&signing[..], &files].concat());
}

impl City {
    /// As shipped, but for what `change` does to the configuration.
    fn start(change: impl Fn(&str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (certs, lib) = (dir.path().join("certs"), dir.path().join("lib"));
        std::fs::create_dir(&certs).unwrap();
        std::fs::create_dir(&lib).unwrap();
        for authority in ["ca", "stranger"] {
            let (key, out) = (certs.join(format!("{authority}.key")), certs.join(format!("{authority}.pem")));
            let curve =
                ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=authority"];
            let files = ["-keyout", text(&key), "-out", text(&out)];
            tool("openssl", &[&["req", "-x509", "-days", "2"][..], &curve, &files].concat());
        }
        certificate(&certs, "server", "ca", "subjectAltName=IP:127.0.0.1");
        certificate(&certs, "maker-a", "ca", "extendedKeyUsage=clientAuth");
        certificate(&certs, "maker-b", "ca", "extendedKeyUsage=clientAuth");
        certificate(&certs, "intruder", "stranger", "extendedKeyUsage=clientAuth");
        let (publishers, daemon) = (free_port(), free_port());
        let place = text(dir.path()).to_owned();
        for acl in ["publishers.acl", "daemon.acl"] {
            std::fs::write(dir.path().join(acl), shipped(&format!("deploy/mosquitto/{acl}"))).unwrap();
        }
        let passwd = dir.path().join("passwd");
        tool("mosquitto_passwd", &["-b", "-c", text(&passwd), "liftwatch-350582", "open sesame"]);
        tool("mosquitto_passwd", &["-b", text(&passwd), "liftwatch-350582-ack", "open acks"]);
        let config = shipped("deploy/mosquitto/mosquitto.conf");
        let config = swap(&config, "listener 8883\n", &format!("listener {publishers} 127.0.0.1\n"), 1);
        let config = swap(&config, "listener 1883 127.0.0.1\n", &format!("listener {daemon} 127.0.0.1\n"), 1);
        let config = config.replace("/etc/mosquitto", &place).replace("/var/lib/mosquitto", text(&lib));
        std::fs::write(dir.path().join("mosquitto.conf"), change(&config)).unwrap();
        // Started by root, mosquitto becomes its own user, which must read and write here.
        let grant = format!("chmod 755 {place} && if [ \"$(id -u)\" = 0 ]; then chown -R mosquitto: {place}; fi");
        tool("sh", &["-c", &grant]);
        let mut city = Self { folder: folder(daemon), dir, publishers, daemon, broker: None };
        city.folder.import(UNITS).exits(0);
        city.start_broker();
        city
    }

    fn start_broker(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf")).stdout(Stdio::null()).stderr(log);
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        self.broker = Some(command.spawn().unwrap_or_else(|error| panic!("mosquitto: {error}; tests/run installs it")));
        let port = self.daemon;
        until("the broker listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    fn stop_broker(&mut self, how: &str) {
        let mut broker = self.broker.take().unwrap();
        signal(&broker, how);
        ended(&mut broker);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// A client program at the publishers' door with this certificate; `None` shows none.
    fn client(&self, program: &str, certificate: Option<&str>, arguments: &[&str]) -> Command {
        let file = |name: String| text(&self.dir.path().join("certs").join(name)).to_owned();
        let mut command = Command::new(program);
        command.args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-p",
            &self.publishers.to_string(),
            "--cafile",
            &file("ca.pem".into()),
        ]);
        if let Some(name) = certificate {
            command.args(["--cert", &file(format!("{name}.pem")), "--key", &file(format!("{name}.key"))]);
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn publish(&self, certificate: Option<&str>, topic: &str, payload: &str) -> Output {
        self.client("mosquitto_pub", certificate, &["-q", "1", "-t", topic, "-m", payload]).output().unwrap()
    }

    /// So many events of T-0001 in one connection, and nothing until the broker has them all.
    fn publish_many(&self, events: u64) {
        let topic = "lift/v1/350582/maker-a/T-0001/event";
        let mut command = self.client("mosquitto_pub", Some("maker-a"), &["-q", "1", "-t", topic, "-l"]);
        let mut client = command.stdin(Stdio::piped()).spawn().unwrap();
        let lines: String = (1..=events).map(|seq| event(seq) + "\n").collect();
        client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(client.wait_with_output().unwrap().status.success());
    }
}

impl Drop for City {
    fn drop(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            drop(broker.kill());
            drop(broker.wait());
        }
    }
}

/// A daemon's folder for the second door, as the guide says.
fn folder(port: u16) -> Folder {
    let keys = "client_id = \"liftwatch-350582\"\nusername = \"liftwatch-350582\"\npassword_file = \"session.password\"\n\
         ack_username = \"liftwatch-350582-ack\"\nack_password_file = \"ack.password\"\n";
    let folder = Folder::new(&format!("mqtt://127.0.0.1:{port}"), keys);
    folder.write("session.password", "open sesame\n");
    folder.write("ack.password", "open acks\n");
    folder
}

fn event(seq: u64) -> String {
    format!(r#"{{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":{seq},"type":"alarm_pressed"}}"#)
}

fn stored(daemon: &Daemon) -> Option<f64> {
    daemon.metric(r#"liftwatch_events_stored_total{type="alarm_pressed"}"#)
}

fn refused(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() || said.contains("Not authorized"), "it was let in: {said}");
    said
}

#[test]
fn a_publisher_writes_below_its_own_name_alone() {
    let city = City::start(str::to_owned);
    let daemon = city.folder.serve_connected();
    let foreign = city.publish(Some("maker-a"), "lift/v1/350582/maker-b/T-0002/event", &event(1));
    assert!(refused(&foreign).contains("Not authorized"));
    assert!(refused(&city.publish(Some("maker-a"), "liftack/v1/maker-a/T-0001", "{}")).contains("Not authorized"));
    refused(&city.publish(None, "lift/v1/350582/maker-a/T-0001/event", &event(1)));
    refused(&city.publish(Some("intruder"), "lift/v1/350582/maker-a/T-0001/event", &event(1)));
    let (port, loopback) = (city.daemon.to_string(), ["-V", "5", "-h", "127.0.0.1", "-q", "1", "-t"]);
    let anonymous = ["lift/v1/350582/maker-a/T-0001/event", "-m", "{}", "-p", &port];
    refused(&Command::new("mosquitto_pub").args([&loopback[..], &anonymous].concat()).output().unwrap());

    let own = city.publish(Some("maker-a"), "lift/v1/350582/maker-a/T-0001/event", &event(1));
    assert!(own.status.success(), "{own:?}");
    until("its own event is stored", || stored(&daemon) == Some(1.0));
    let units: Vec<String> = daemon.items("/api/v1/events").iter().map(|event| event["unit"].to_string()).collect();
    assert_eq!(units, ["\"T-0001\""], "and nothing of the others is");
    assert!(daemon.items("/api/v1/quarantine").is_empty());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_publisher_hears_its_own_acks_and_nothing_of_others() {
    let city = City::start(str::to_owned);
    let listen =
        |certificate, topic| city.client("mosquitto_sub", Some(certificate), &["-t", topic, "-W", "5"]).spawn();
    let (own, nosy) = (listen("maker-a", "liftack/v1/#").unwrap(), listen("maker-b", "#").unwrap());
    until("both are connected", || city.log().matches("as maker-").count() == 2);
    // Their subscriptions are on the way.
    std::thread::sleep(Duration::from_secs(1));
    let port = city.daemon.to_string();
    let door = ["-V", "5", "-h", "127.0.0.1", "-p", &port, "-u", "liftwatch-350582-ack", "-P", "open acks"];
    tool("mosquitto_pub", &[&door[..], &["-q", "1", "-t", "liftack/v1/maker-a/T-0001", "-m", "covered"]].concat());
    let heard = |client: Child| String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((heard(own), heard(nosy)), ("covered\n".to_owned(), String::new()));
}

/// A device asks for everything under the daemon's client id: whether the daemon's line broke, whether an event came
/// through, and what the device heard of it.
fn robbed(city: &City) -> (bool, bool, String) {
    let daemon = city.folder.serve_connected();
    let robber = ["-i", "liftwatch-350582", "-c", "-t", "lift/v1/#", "-q", "1", "-W", "4"];
    let robber = city.client("mosquitto_sub", Some("maker-b"), &robber).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(city.publish(Some("maker-a"), "lift/v1/350582/maker-a/T-0001/event", &event(1)).status.success());
    let heard = String::from_utf8(robber.wait_with_output().unwrap().stdout).unwrap();
    let broke = daemon.log().contains("no connection to the broker");
    let came = stored(&daemon) == Some(1.0);
    assert_eq!(daemon.stop().code(), Some(0));
    (broke, came, heard)
}

#[test]
fn a_publisher_cannot_take_the_daemons_session() {
    assert_eq!(robbed(&City::start(str::to_owned)), (false, true, String::new()));
}

#[test]
fn twin_whose_clients_choose_their_ids_loses_the_session() {
    let city = City::start(|config| config.replacen("use_username_as_clientid true\n", "", 1));
    assert!(robbed(&city).0, "the robbery is not noticed");
}

/// Stores what waits at the broker, and says how many events that were.
fn taken_up(city: &City, expected: u64) -> f64 {
    let daemon = city.folder.serve_connected();
    let mut last = (0.0, Instant::now());
    until_within(Duration::from_secs(60), "all is stored, or nothing more comes", || {
        let now = stored(&daemon).unwrap();
        if now > last.0 {
            last = (now, Instant::now());
        }
        now >= expected as f64 || last.1.elapsed() > Duration::from_secs(5)
    });
    assert_eq!(daemon.stop().code(), Some(0));
    last.0
}

/// A daemon that was there, so that the broker has a session to keep messages for.
fn leaves_a_session(city: &City) {
    assert_eq!(city.folder.serve_connected().stop().code(), Some(0));
}

#[test]
fn five_thousand_messages_wait_for_the_daemon_over_a_clean_restart_of_the_broker() {
    let mut city = City::start(str::to_owned);
    leaves_a_session(&city);
    city.publish_many(5_000);
    city.stop_broker("TERM");
    city.start_broker();
    assert_eq!(taken_up(&city, 5_000), 5_000.0);
}

#[test]
fn five_thousand_messages_survive_a_killed_broker_once_it_has_saved_them() {
    let mut city = City::start(str::to_owned);
    leaves_a_session(&city);
    city.publish_many(5_000);
    let written = |file: &Path| std::fs::metadata(file).and_then(|file| file.modified());
    let published = written(&city.folder.write("published", "")).unwrap();
    let file = city.dir.path().join("lib/mosquitto.db");
    // The promise is 60 s; a slow machine gets half as much again.
    until_within(Duration::from_secs(90), "the broker saves by itself", || {
        written(&file).is_ok_and(|saved| saved > published)
    });
    city.stop_broker("KILL");
    city.start_broker();
    assert_eq!(taken_up(&city, 5_000), 5_000.0);
}

#[test]
fn twin_with_the_default_queue_loses_four_thousand() {
    let city = City::start(|config| swap(config, "max_queued_messages 3000000\n", "", 1));
    leaves_a_session(&city);
    city.publish_many(5_000);
    let stored = taken_up(&city, 5_000);
    assert!((1_000.0..1_100.0).contains(&stored), "{stored} of 5,000 came");
}

#[test]
fn the_doctor_has_nothing_to_change_at_it() {
    let city = City::start(str::to_owned);
    let said = run(&["doctor", "--config", text(&city.folder.config())]);
    // Where clients are named by their user it takes the daemon's place for nothing that waits, and tries no more.
    assert!(said.out.lines().any(|line| line.starts_with("untried region 350582: ")), "{}", said.out);
    assert!(!said.out.lines().any(|line| line.starts_with("change") || line.starts_with("failed")), "{}", said.out);
}

#[test]
fn what_the_guide_says_of_the_broker_is_what_is_shipped() {
    let config = shipped("deploy/mosquitto/mosquitto.conf");
    assert!(!config.contains("protocol websockets"), "such a listener binds every interface");
    for needed in ["max_queued_messages 3000000", "autosave_interval 60", "persistent_client_expiration 14d"] {
        assert!(config.lines().any(|line| line == needed), "{needed}");
    }
}
