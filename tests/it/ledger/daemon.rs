//! The built daemon keeps, signs and hands out its ledger, and an auditor with the built program checks all of it.

use std::path::Path;

use serde_json::json;

use crate::mosquitto::Mosquitto;
use crate::process::{Folder, run, text, until};
use crate::sinks::stub::{Act, Stub};

/// A secret as Standard Webhooks wants it; it guards nothing.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn folder(broker: &Mosquitto, stub: &Stub) -> (Folder, String) {
    let more = format!(
        "[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 1\n\
         [notify]\nallow_nets = [\"127.0.0.0/8\"]\ncheckpoints = {{ receiver = \"archive\", every_minutes = 1440 }}\n\
         [[receiver]]\nname = \"archive\"\nlanguage = \"en\"\n\
         [[receiver.webhook]]\nurl = \"{}\"\nsecret_files = [\"hook.key\"]\n",
        stub.url()
    );
    let folder = Folder::new(&broker.url(), &more);
    folder.write("hook.key", SECRET);
    let key = folder.path("ledger.key");
    let public = run(&["ledger", "key", "lifts.example/daemon", "--out", text(&key)]).exits(0).out;
    let again = run(&["ledger", "key", "lifts.example/daemon", "--out", text(&key)]).exits(1);
    assert!(again.err.contains("cannot be made"), "a key is never written over: {}", again.err);
    folder.write("ledger.pub", &public);
    folder
        .import(
            "T-1,350582,traction,maker-a,Garden,owner-1,firm-1\nT-2,350582,traction,maker-a,Garden,owner-1,firm-1\n",
        )
        .exits(0);
    (folder, public)
}

fn visit(broker: &Mosquitto, record: &str, kind: &str) {
    let body = json!({
        "ts": "2026-03-01T09:00:00Z", "record_id": record, "kind": kind, "started_at": "2026-03-01T08:00:00Z",
        "ended_at": "2026-03-01T08:40:00Z", "workers": ["w-1", "w-2"],
        "people": {"recorder": {"name": "Somebody", "phone": "1"}}
    });
    broker.publish("lift/v1/350582/maker-a/T-1/visit", body.to_string().as_bytes());
}

#[test]
fn an_auditor_checks_the_package_the_proof_the_tiles_and_the_file_of_a_running_daemon() {
    let broker = Mosquitto::start();
    let stub = Stub::start(Act::status(204));
    let (folder, public) = folder(&broker, &stub);
    let daemon = folder.serve_connected();
    visit(&broker, "r-1", "HM");
    let entries = || daemon.items("/api/v1/ledger/entries?unit=T-1");
    until("the visit is entered", || entries().iter().any(|entry| entry["leaf"]["kind"] == "visit"));
    let entry = entries().into_iter().find(|entry| entry["leaf"]["kind"] == "visit").unwrap();
    assert!(!entry.to_string().contains("Somebody"), "no name is in a leaf: {entry}");
    let index = entry["index"].as_u64().unwrap();
    until("it is signed", || daemon.get(&format!("/api/v1/ledger/entries/{index}/proof")).0 == 200);

    let address = "/api/v1/units/T-1/ledger.zip";
    let package = folder.path("T-1.zip");
    let (status, bytes) = daemon.bytes(address);
    assert_eq!(status, 200);
    std::fs::write(&package, &bytes).unwrap();
    let key = folder.path("ledger.pub");
    let good = run(&["verify", text(&package), "--key", text(&key)]).exits(0).out;
    assert!(good.contains("none missing"), "{good}");
    let stranger = "lifts.example/daemon+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    run(&["verify", text(&package), "--key", stranger]).exits(1);
    assert_eq!(daemon.get("/api/v1/units/T-9/ledger.zip").0, 404);
    until("who took it is entered", || {
        daemon.items("/api/v1/ledger/entries").iter().any(|entry| entry["leaf"]["kind"] == "export")
    });

    let checkpoint = daemon.get("/api/v1/ledger/checkpoint").1;
    let kept = folder.write("kept.checkpoint", &checkpoint);
    assert!(checkpoint.starts_with("lifts.example/daemon\n"), "{checkpoint}");
    let size: usize = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let (status, tile) = daemon.bytes(&format!("/ledger/tile/0/000.p/{size}"));
    assert_eq!((status, tile.len()), (200, 32 * size));
    let (status, bundle) = daemon.bytes(&format!("/ledger/tile/entries/000.p/{size}"));
    assert_eq!(status, 200);
    let first = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    assert!(serde_json::from_slice::<serde_json::Value>(&bundle[2..2 + first]).unwrap()["kind"].is_string());
    assert_eq!(daemon.get("/ledger/tile/0/000").0, 404, "the tile is not full");
    let page = daemon.get("/ledger?unit=T-1&lang=en").1;
    assert!(page.contains(public.trim()) && page.contains("Download this unit"), "{page}");

    let (status, report) = daemon.get("/units/T-1/report?lang=en");
    assert!(status == 200 && report.contains("<svg") && report.contains("lifts.example/daemon\n"), "{report}");

    visit(&broker, "r-2", "TM");
    until("the second visit is entered", || daemon.items("/api/v1/ledger/entries?unit=T-1").len() > 2);
    let database = folder.path("city.db");
    let audit = ["verify", "--db", text(&database), "--key", text(&key), "--checkpoint", text(&kept)];
    let good = run(&audit).exits(0).out;
    assert!(good.contains("good."), "{good}");

    until("the archive has a checkpoint", || !stub.requests().is_empty());
    let told = stub.requests()[0].json();
    assert_eq!(told["type"], "liftwatch.checkpoint", "{told}");
    let sent = folder.write("sent.checkpoint", told["data"]["checkpoint"].as_str().unwrap());
    run(&["verify", "--db", text(&database), "--key", text(&key), "--checkpoint", text(&sent)]).exits(0);
    let plain = told["data"]["text"].as_str().unwrap();
    assert!(plain.contains("\n\n— lifts.example/daemon "), "a mail holds it line by line: {plain}");
    assert!(daemon.stop().success());
    run(&audit).exits(0);
    edit(&database);
    let found = run(&audit).exits(1);
    assert!(found.out.contains("it is not what was recorded, in "), "{} {}", found.out, found.err);
}

/// What an operator with a SQLite shell could do to a visit.
fn edit(database: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Connection};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut file = options.connect().await.unwrap();
        sqlx::query("update visit set kind = 'OY'").execute(&mut file).await.unwrap();
        file.close().await.unwrap();
    });
}
