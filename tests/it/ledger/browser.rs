//! Each role signs in with a real browser at the built daemon, asks for visits, takes their package along, and the built
//! program accepts it; and refuses it after one byte of it was changed.

use serde_json::{Value, json};

use super::package::{file, with_a_byte_changed};
use crate::answers::webdriver::Browser;
use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, Run, run, text, until};

fn token(folder: &Folder, name: &str, role: &str, scope: &[&str]) -> String {
    let config = folder.config();
    let mut arguments = vec!["token", "add", "--config", text(&config), "--name", name, "--role", role];
    scope.iter().for_each(|entry| arguments.extend(["--scope", entry]));
    run(&arguments).exits(0).out.trim().to_owned()
}

fn city(broker: &Mosquitto) -> (Folder, Daemon) {
    let folder = Folder::new(&broker.url(), "[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 1\n");
    let key = folder.path("ledger.key");
    let public = run(&["ledger", "key", "lifts.example/browser", "--out", text(&key)]).exits(0).out;
    folder.write("ledger.pub", &public);
    let units = "T-1,350582,traction,maker-a,Garden,owner-1,firm-1\nT-2,350582,traction,maker-a,Lake,owner-2,firm-2\n";
    folder.import(units).exits(0);
    let daemon = folder.serve_connected();
    for (unit, record, worker) in [("T-1", "r-1", "w-1"), ("T-1", "r-2", "w-2"), ("T-2", "r-3", "w-1")] {
        let body = json!({
            "ts": "2026-03-01T09:00:00Z", "record_id": record, "kind": "HM", "started_at": "2026-03-01T08:00:00Z",
            "ended_at": "2026-03-01T08:40:00Z", "workers": [worker],
        });
        broker.publish(&format!("lift/v1/350582/maker-a/{unit}/visit"), body.to_string().as_bytes());
    }
    until("the visits are entered", || daemon.items("/api/v1/visits").len() == 3);
    until("they are signed", || {
        let entries = daemon.items("/api/v1/ledger/entries");
        let last = entries.iter().rfind(|entry| entry["leaf"]["kind"] == "visit").unwrap();
        daemon.get(&format!("/api/v1/ledger/entries/{}/proof", last["index"])).0 == 200
    });
    (folder, daemon)
}

fn verify(folder: &Folder, package: &[u8]) -> Run {
    let file = folder.path("taken.zip");
    std::fs::write(&file, package).unwrap();
    run(&["verify", text(&file), "--key", text(&folder.path("ledger.pub"))])
}

fn sign_in(browser: &Browser, site: &str, secret: &str) {
    browser.open(&format!("{site}/visits?lang=en"));
    assert!(browser.address().contains("/sign-in?then="), "{}", browser.address());
    browser.fill("input[name=token]", secret);
    browser.click("main button");
    assert_eq!(browser.address(), format!("{site}/visits?lang=en"));
}

/// The role's package of a firm's visits is good, and one with a byte changed is not.
fn take(browser: &Browser, folder: &Folder, role: &str) {
    browser.fill("input[name=maintainer]", "firm-1");
    browser.click("form.filter button");
    let page = browser.page();
    assert!(page.contains("T-1") && !page.contains("T-2"), "{role}: {page}");
    let package = browser.download("a.package", "visits.zip");
    let good = verify(folder, &package).exits(0).out;
    assert!(good.contains("good. 2 visits") && good.contains("NOT shown: that none was left out"), "{role}: {good}");
    assert!(good.contains("maintainer \"firm-1\""), "{role}: {good}");
    let table = file(&package, "records.csv");
    assert!(table.contains("T-1") && !table.contains("T-2"), "{role}: {table}");
    let bad = verify(folder, &with_a_byte_changed(&package, "records.csv")).exits(1);
    assert!(bad.err.contains("records.csv does not say what the proven entries say"), "{role}: {}", bad.err);
}

#[test]
fn each_role_takes_a_package_along_that_the_program_accepts_and_refuses_once_it_is_changed() {
    let broker = Mosquitto::start();
    let (folder, daemon) = city(&broker);
    let site = format!("http://{}", daemon.authority());
    let roles: [(&str, &[&str]); 4] =
        [("auditor", &[]), ("maintainer", &["firm-1"]), ("owner", &["owner-1"]), ("inspector", &["350582"])];
    let secrets = roles.map(|(role, scope)| (role, token(&folder, &format!("{role} of the test"), role, scope)));
    let browser = Browser::start();
    for (role, secret) in &secrets {
        sign_in(&browser, &site, secret);
        let sees_all = matches!(*role, "auditor" | "inspector");
        assert_eq!(browser.page().contains("T-2"), sees_all, "{role}");
        browser.picture(&format!("visits-{role}"));
        take(&browser, &folder, role);
        if sees_all {
            browser.open(&format!("{site}/ledger?unit=T-1"));
            let package = browser.download("a[href$='/ledger.zip']", "ledger-T-1.zip");
            assert!(verify(&folder, &package).exits(0).out.contains("none missing"));
            verify(&folder, &with_a_byte_changed(&package, "report.zh.html")).exits(1);
        }
        browser.open(&format!("{site}/visits?maintainer=firm-2"));
        assert_eq!(browser.page().contains("T-2"), sees_all, "{role}");
        browser.click("form.signed button");
    }
    let auditor = &secrets[0].1;
    let entries: Value = serde_json::from_str(&daemon.get_as("/api/v1/ledger/entries?limit=1000", auditor).1).unwrap();
    let leaves = entries["items"].as_array().unwrap().iter().map(|entry| &entry["leaf"]);
    let exports: Vec<&Value> = leaves.filter(|leaf| leaf["kind"] == "export").map(|leaf| &leaf["body"]).collect();
    assert_eq!(exports.len(), 6, "{exports:?}");
    let of_visits: Vec<&Value> = exports.into_iter().filter(|body| body["visits"]["maintainer"] == "firm-1").collect();
    assert_eq!(of_visits.len(), 4, "{of_visits:?}");
    assert!(of_visits.iter().all(|body| body["by"].as_str().unwrap().starts_with("t-") && body["entries"] == 2));
    let foreign = daemon.get_as("/api/v1/visits.zip?maintainer=firm-2", &secrets[1].1);
    let missing = daemon.get_as("/api/v1/visits.zip?maintainer=firm-9", &secrets[1].1);
    assert_eq!((foreign.0, &foreign), (404, &missing), "another firm's visits are as if they were not");
    assert!(daemon.stop().success());
}

#[test]
fn the_command_line_takes_the_same_visits_from_the_file_and_says_what_is_wrong_with_a_question() {
    let broker = Mosquitto::start();
    let (folder, daemon) = city(&broker);
    let (config, out) = (folder.config(), folder.path("out.zip"));
    let export =
        |more: &[&str]| run(&[&["ledger", "export", "--config", text(&config), "--out", text(&out)], more].concat());
    let told = export(&["--worker", "w-1"]).exits(0).out;
    assert!(told.contains("2 entries") && told.contains("worker \"w-1\""), "{told}");
    let good = verify(&folder, &std::fs::read(&out).unwrap()).exits(0).out;
    assert!(good.contains("good. 2 visits"), "{good}");
    export(&["--maintainer", "firm-1", "--kind", "HM", "--from", "2026-03-01T00:00:00Z"]).exits(0);
    assert_eq!(daemon.bytes("/api/v1/visits.zip?maintainer=firm-1&kind=HM&from=2026-03-01T00:00:00Z").0, 200);
    assert!(export(&["--worker", "w-9"]).exits(1).err.contains("no visit"));
    assert!(export(&["--maintainer", "firm-1", "--corrected"]).exits(1).err.contains("no visit"));
    export(&[]).exits(2);
    export(&["--unit", "T-1", "--worker", "w-1"]).exits(2);
    export(&["--unit", "T-1", "--kind", "HM"]).exits(2);
    let checkpoint = folder.write("kept.checkpoint", &daemon.get("/api/v1/ledger/checkpoint").1);
    let package = folder.path("unit.zip");
    run(&["ledger", "export", "--unit", "T-1", "--config", text(&config), "--out", text(&package)]).exits(0);
    let key = folder.path("ledger.pub");
    run(&["verify", text(&package), "--key", text(&key), "--checkpoint", text(&checkpoint)]).exits(0);
    let told = run(&["verify", text(&package), "--key", text(&key), "--without-reports"]).exits(0).out;
    assert!(told.contains("NOT checked: README.txt and the reports"), "{told}");
}
