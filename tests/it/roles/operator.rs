//! Tokens by the command line, beside a running daemon and without one; and the listener that strangers can reach.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::process::{Daemon, Folder, liftwatch, run, text, until};
use crate::tls::certificates;

/// A broker that nobody needs here: the daemon waits for it and serves all the same.
pub const NO_BROKER: &str = "mqtt://127.0.0.1:1";

fn add(folder: &Folder, arguments: &[&str]) -> String {
    let config = folder.config();
    let told = run(&[&["token", "add", "--config", text(&config), "--name", "test"], arguments].concat()).exits(0);
    let secret = told.out.trim().to_owned();
    assert!(secret.starts_with("lw_") && secret.len() == 46, "{secret}");
    assert!(!told.err.contains(&secret), "{}", told.err);
    secret
}

fn ids(folder: &Folder) -> Vec<(String, String)> {
    let config = folder.config();
    let listed = run(&["token", "list", "--config", text(&config)]).exits(0).out;
    let rows = listed.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| (row[0].to_owned(), row[8].to_owned())).collect()
}

fn status(daemon: &Daemon, path: &str, secret: &str) -> u16 {
    daemon.get_as(path, secret).0
}

#[test]
fn a_token_is_made_and_revoked_beside_the_running_daemon_and_without_it() {
    let folder = Folder::new(NO_BROKER, "");
    folder.import("u-1,350582,traction,maker-a,site,owner-a,firm-a\nu-2,350583,traction,maker-a,site,owner-b,firm-b\n");
    let before = add(&folder, &["--role", "auditor"]);
    let daemon = folder.serve();
    assert!(daemon.log().contains("needs a token"), "{}", daemon.log());
    assert_eq!(daemon.get("/api/v1/units").0, 401);
    assert_eq!(status(&daemon, "/api/v1/units", &before), 200);

    let during = add(&folder, &["--role", "maintainer", "--scope", "firm-a", "--expires", "90d"]);
    assert_eq!(status(&daemon, "/api/v1/units/u-1", &during), 200);
    assert_eq!(status(&daemon, "/api/v1/units/u-2", &during), 404);

    let listed = ids(&folder);
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|(_, state)| state == "good"), "{listed:?}");
    let (id, config) = (listed[1].0.clone(), folder.config());
    let revoke = ["token", "revoke", &id, "--config", text(&config)];
    assert_eq!(run(&revoke).exits(0).out, "revoked\n");
    assert_eq!(run(&revoke).exits(0).out, "it was revoked before\n");
    assert_eq!(status(&daemon, "/api/v1/units/u-1", &during), 401);
    run(&["token", "revoke", "t-nobody", "--config", text(&config)]).exits(1);
    run(&["token", "add", "--role", "inspector", "--name", "x", "--config", text(&config)]).exits(1);
    run(&["token", "add", "--role", "king", "--name", "x", "--config", text(&config)]).exits(2);

    assert_eq!(ids(&folder)[1].1, "revoked");
    let (_, entries) = daemon.get_as("/api/v1/ledger/entries?limit=1000", &before);
    let entries: Value = serde_json::from_str(&entries).unwrap();
    let told: Vec<&Value> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["leaf"])
        .filter(|leaf| leaf["kind"] == "token")
        .collect();
    let changes: Vec<&str> = told.iter().map(|leaf| leaf["body"]["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["added", "added", "revoked"], "{told:?}");
    until("the use is noted", || {
        let listed = run(&["token", "list", "--config", text(&config)]).out;
        listed.lines().nth(1).is_some_and(|line| line.split('\t').nth(7) != Some("-"))
    });
    assert!(daemon.stop().success());
    assert!(!folder.path("city.db.sock").exists(), "the socket goes with its daemon");
    assert_eq!(run(&revoke).exits(0).out, "it was revoked before\n");
    for secret in [&before, &during] {
        for file in ["city.db", "serve-0.log"] {
            let bytes = std::fs::read(folder.path(file)).unwrap();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file} has the secret");
        }
    }
    run(&["verify", "--config", text(&config)]).exits(0);
}

#[test]
fn the_socket_is_the_operators_alone_and_takes_an_import() {
    let folder = Folder::new(NO_BROKER, "");
    let secret = add(&folder, &["--role", "auditor"]);
    let daemon = folder.serve();
    let socket = folder.path("city.db.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let told = folder.import("u-1,350582,traction,maker-a,site,owner-a,firm-a\n").exits(75);
    assert!(told.err.contains("--unix-socket") && told.err.contains(text(&socket)), "{}", told.err);
    let file = folder.path("units.csv");
    let sent = std::process::Command::new("curl")
        .args(["-sS", "--fail-with-body", "--unix-socket", text(&socket), "-H", "content-type: text/csv"])
        .args(["--data-binary", &format!("@{}", text(&file)), "http://localhost/api/v1/units"])
        .output()
        .expect("curl is in Debian's package curl, which tests/run installs");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
    assert_eq!(status(&daemon, "/api/v1/units/u-1", &secret), 200);
    assert_eq!(daemon.post("/api/v1/units", "text/csv", b"x").0, 401);
}

#[test]
fn a_listener_for_strangers_speaks_tls_or_stands_behind_a_proxy() {
    let folder = Folder::new(NO_BROKER, "");
    certificates(&folder.path(""));
    let listen = |more: &str| {
        let config = format!(
            "[store]\npath = \"city.db\"\n[http]\nlisten = \"0.0.0.0:0\"\n{more}\n[[region]]\ncode = \"350582\"\nbroker = \"{NO_BROKER}\"\n"
        );
        folder.write("liftwatch.toml", &config);
    };
    listen("");
    let refused = run(&["check", "--config", text(&folder.config())]).exits(1);
    assert!(refused.err.contains("http.listen") && refused.err.contains("tls_cert_file"), "{}", refused.err);
    listen("tls_cert_file = \"server.pem\"\ntls_key_file = \"client.key\"");
    let refused = run(&["check", "--config", text(&folder.config())]).exits(1);
    assert!(refused.err.contains("http.tls_key_file: does not fit"), "{}", refused.err);

    listen("tls_cert_file = \"server.pem\"\ntls_key_file = \"server.key\"");
    let mut daemon = folder.spawn();
    until("the daemon serves", || daemon.log().contains("started") || daemon.child.try_wait().unwrap().is_some());
    assert!(daemon.log().contains("serves nobody"), "{}", daemon.log());
    let port = daemon.log().split("0.0.0.0:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let ask = |path: &str, more: &[&str]| {
        let (ca, url) = (folder.path("ca.pem"), format!("https://127.0.0.1:{port}{path}"));
        let asked = std::process::Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", text(&ca), &url])
            .args(more)
            .output()
            .expect("curl is in Debian's package curl, which tests/run installs");
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap()
    };
    assert_eq!(ask("/-/healthy", &[]), "200");
    assert_eq!(ask("/api/v1/units", &[]), "401", "nobody has a token, so nobody is let in");
    let secret = add(&folder, &["--role", "auditor"]);
    assert_eq!(ask("/api/v1/units", &["-H", &format!("authorization: Bearer {secret}")]), "200");
    let plain =
        std::process::Command::new("curl").args(["-sS", &format!("http://127.0.0.1:{port}/")]).output().unwrap();
    assert!(!plain.status.success(), "no HTTP without TLS");
    assert!(daemon.stop().success());
}

#[test]
fn behind_a_proxy_the_last_address_that_it_names_is_who_asks() {
    let folder = Folder::new(NO_BROKER, "");
    let config = std::fs::read_to_string(folder.config()).unwrap();
    folder.write("liftwatch.toml", &config.replace("[http]", "[http]\nbehind_proxy = true"));
    let daemon = folder.serve();
    assert_eq!(
        daemon.get("/api/v1/units").0,
        401,
        "a proxy lets in whoever comes, so nobody is let in without a token"
    );
    assert_eq!(daemon.get("/metrics").0, 401, "nor is a program behind a proxy one of this machine");
    let secret = add(&folder, &["--role", "auditor"]);
    assert_eq!(status(&daemon, "/metrics", &secret), 200);
    drop(liftwatch(&["--version"]));
}

#[test]
fn people_are_shown_to_those_who_may_see_them_and_each_look_enters_the_ledger() {
    let folder = Folder::new(NO_BROKER, "");
    folder.import("u-1,350582,traction,maker-a,site,owner-a,firm-a\n").exits(0);
    let daemon = folder.serve();
    let record = r#"{"record_id":"r-1","kind":"HM","started_at":"2026-11-20T04:00:00Z","workers":["w-1"],"people":{"safety_officer":{"name":"Lin Yi","phone":"13900000001"}}}"#;
    let (status_of, made) = daemon.post("/api/v1/units/u-1/visits", "application/json", record.as_bytes());
    assert_eq!(status_of, 201, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let path = format!("/api/v1/visits/{}", made["id"].as_str().unwrap());

    let blind = add(&folder, &["--role", "inspector", "--scope", "35"]);
    let seeing = add(&folder, &["--role", "inspector", "--scope", "35", "--personal"]);
    let auditor = add(&folder, &["--role", "auditor"]);
    let page = path.trim_start_matches("/api/v1").to_owned();
    for path in [&path, &page] {
        let (_, shown) = daemon.get_as(path, &blind);
        assert!(!shown.contains("Lin Yi") && !shown.contains("13900000001"), "{shown}");
    }
    assert!(daemon.get_as(&path, &blind).1.contains(r#""withheld":true"#));
    assert!(daemon.get_as(&path, &seeing).1.contains("Lin Yi"));
    assert!(daemon.get_as(&page, &seeing).1.contains("13900000001"));
    let (_, entries) = daemon.get_as("/api/v1/ledger/entries?limit=1000", &auditor);
    let entries: Value = serde_json::from_str(&entries).unwrap();
    let looks = entries["items"].as_array().unwrap().iter().filter(|row| row["leaf"]["kind"] == "export");
    let looks: Vec<(&str, &str)> = looks
        .map(|row| &row["leaf"]["body"])
        .map(|body| (body["people_of"].as_str().unwrap(), body["by"].as_str().unwrap()))
        .collect();
    assert_eq!(looks, [(made["id"].as_str().unwrap(), ids(&folder)[1].0.as_str()); 2]);
}
