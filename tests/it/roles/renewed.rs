//! A certificate of HTTP that is renewed under the running daemon: new connections are shown the new one, old ones go on, and
//! what cannot be used is told and not used.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::operator::NO_BROKER;
use crate::process::{Folder, until};
use crate::tls::certificates;

/// One connection that stays open.
struct Held {
    client: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Held {
    fn open(port: &str) -> Self {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl: tests/run installs it");
        let (to, from) = (client.stdin.take().unwrap(), BufReader::new(client.stdout.take().unwrap()));
        Self { client, to, from }
    }

    /// The status line of an answer to one more request; empty when the connection has ended.
    fn ask(&mut self) -> String {
        write!(self.to, "GET /-/healthy HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
        let mut line = String::new();
        let mut next = || {
            line.clear();
            self.from.read_line(&mut line).unwrap();
            line.clone()
        };
        let status = next();
        let mut length = 0;
        loop {
            let header = next().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        std::io::Read::read_exact(&mut self.from, &mut vec![0; length]).unwrap();
        status
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.client.kill());
        drop(self.client.wait());
    }
}

/// The serial number that a certificate bears.
fn serial(pem: &[u8]) -> String {
    let mut reader = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(pem).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(pem));
    String::from_utf8(output.stdout).unwrap()
}

/// The serial number of the certificate that a new connection is shown.
fn shown(port: &str) -> String {
    let client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serial(&client.stdout)
}

/// Puts a file into another's place, as whoever renews certificates does.
fn renew(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).unwrap();
    std::fs::rename(beside, to).unwrap();
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_and_a_broken_one_to_nobody() {
    let folder = Folder::new(NO_BROKER, "");
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(first.path());
    certificates(second.path());
    let (cert, key) = (folder.path("http.pem"), folder.path("http.key"));
    let put = |from: &Path| {
        renew(&from.join("server.key"), &key);
        renew(&from.join("server.pem"), &cert);
    };
    put(first.path());
    let config = std::fs::read_to_string(folder.config()).unwrap();
    let tls = "[http]\ntls_cert_file = \"http.pem\"\ntls_key_file = \"http.key\"";
    folder.write("liftwatch.toml", &config.replace("[http]", tls));
    let daemon = folder.serve();
    let port = daemon.authority().rsplit_once(':').unwrap().1.to_owned();
    let serials = [first.path(), second.path()].map(|from| serial(&std::fs::read(from.join("server.pem")).unwrap()));
    assert_ne!(serials[0], serials[1]);
    assert_eq!(shown(&port), serials[0]);
    let mut held = Held::open(&port);
    assert!(held.ask().contains(" 200 "));

    put(second.path());
    until("the new one is shown", || {
        assert!(held.ask().contains(" 200 "), "the old connection goes on");
        shown(&port) == serials[1]
    });
    assert!(daemon.log().contains("the certificate of HTTP was read again"), "{}", daemon.log());

    let unused = || daemon.log().matches("the new certificate is not used; the old one stays").count();
    let before = unused();
    std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\nhalf a file").unwrap();
    until("it says that it does not use half a file", || unused() == before + 1);
    assert_eq!(shown(&port), serials[1]);
    renew(&first.path().join("server.pem"), &cert);
    until("it says that the key does not fit", || daemon.log().contains("does not fit `tls_cert_file`"));
    assert_eq!(shown(&port), serials[1]);

    put(first.path());
    until("what is whole again is shown", || shown(&port) == serials[0]);
    assert_eq!(daemon.stop().code(), Some(0));
}
