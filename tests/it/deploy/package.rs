//! The Debian package: built as `deploy/debian/build` does but for the compiler's profile, held against lintian, installed,
//! removed and purged; and its unit against systemd's own judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{machine, shipped, tool};
use crate::mosquitto::Mosquitto;
use crate::process::{Folder, ended, run, text, until};

const UNIT: &str = "deploy/debian/liftwatch.service";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The package around this build of the program; built once.
pub fn package() -> &'static Path {
    static PACKAGE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = PACKAGE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let release = dir.path().join("release");
        std::fs::create_dir(&release).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_liftwatch"), release.join("liftwatch")).unwrap();
        run(&["manual", text(&root().join("target/manual"))]).exits(0);
        let out = dir.path().join("liftwatch.deb");
        let build = shipped("deploy/debian/build");
        let arguments = "cargo deb --locked --no-build --strip";
        assert!(build.contains(&format!("\nexec {arguments} ")), "{build}");
        let tools = format!("{}:{}", root().join("target/tools/bin").display(), std::env::var("PATH").unwrap());
        let built = Command::new("cargo")
            .args(arguments.split(' ').skip(1))
            .args(["--offline", "--fast", "--output", text(&out)])
            .env("CARGO_TARGET_DIR", dir.path())
            .env("PATH", tools)
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{said}\ncargo-deb: tests/run installs it into target/tools");
        assert!(!said.contains("warning"), "{said}");
        (dir, out)
    });
    file
}

#[test]
fn lintian_finds_nothing_to_mend() {
    let said = tool("lintian", &["--allow-root", "--fail-on", "error,warning", text(package())]);
    assert_eq!(said.lines().filter(|line| line.starts_with("E:") || line.starts_with("W:")).count(), 0, "{said}");
}

#[test]
fn the_package_is_installed_removed_and_purged_and_the_records_stay() {
    let script = "
        dpkg -i /package.deb
        echo \"version $(liftwatch --version)\"
        liftwatch check --config /etc/liftwatch/liftwatch.toml
        stat -c 'secrets %a %U %G' /etc/liftwatch/secrets
        stat -c 'records %a %U' /var/lib/liftwatch
        systemd-analyze verify --man=no liftwatch.service
        for page in /usr/share/man/man1/liftwatch*.1.gz; do man --warnings -l \"$page\" > /dev/null; done
        bash -c '. /usr/share/bash-completion/completions/liftwatch && complete -p liftwatch'
        # A registry, as the user of the service.
        echo 'unit,region,kind,publisher,site,owner,maintainer' > /units.csv
        echo 'T-0001,350582,traction,maker-a,Garden,o,f' >> /units.csv
        runuser -u liftwatch -- liftwatch import units /units.csv --config /etc/liftwatch/liftwatch.toml
        echo secret > /etc/liftwatch/secrets/session.password
        echo '# changed' >> /etc/liftwatch/liftwatch.toml
        # Again, as an upgrade: a changed configuration stays.
        dpkg -i --force-confold /package.deb
        tail -1 /etc/liftwatch/liftwatch.toml
        dpkg -r liftwatch
        ls /etc/liftwatch
        dpkg -P liftwatch
        ls -d /etc/liftwatch || echo 'settings are gone'
        ls /var/lib/liftwatch
    ";
    let said = machine::runs(script, &[(package(), "/package.deb")]);
    for part in [
        concat!(
            "version liftwatch ",
            env!("CARGO_PKG_VERSION"),
            "\nok\nsecrets 2750 root liftwatch\nrecords 750 liftwatch\n"
        ),
        "-F _liftwatch liftwatch\n",
        "1 added, 0 changed, 0 unchanged",
        "# changed\n",
        "liftwatch.toml\nsecrets\n",
        "settings are gone\nliftwatch.db\n",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn the_unit_hands_over_secrets_that_root_alone_may_read() {
    let script = "
        dpkg -i /package.deb
        sed -i -E 's/^#(username|password_file|key_file) =/\\1 =/' /etc/liftwatch/liftwatch.toml
        openssl rand -hex 24 > /etc/liftwatch/secrets/session.password
        liftwatch ledger key lifts.example/packaged --out /etc/liftwatch/secrets/ledger.key
        chown root:root /etc/liftwatch/secrets/*
        chmod 600 /etc/liftwatch/secrets/*
        systemctl start liftwatch
        curl -sS --retry 20 --retry-all-errors --retry-delay 1 --fail http://127.0.0.1:8080/api/v1/ledger/checkpoint
        stat -c 'signed %U' /var/lib/liftwatch/ledger.last
        systemctl stop liftwatch
        # Twin: a unit that hands nothing over reads nothing.
        mkdir /etc/systemd/system/liftwatch.service.d
        printf '[Service]\\nLoadCredential=\\n' > /etc/systemd/system/liftwatch.service.d/none.conf
        systemctl daemon-reload
        systemctl start liftwatch || echo 'does not start without'
        journalctl --unit liftwatch --no-pager | grep 'ledger.key_file: ' | tail -1
    ";
    let said = machine::runs(script, &[(package(), "/package.deb")]);
    for part in ["\nlifts.example/packaged\n", "signed liftwatch\n", "does not start without\n", "Permission denied"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn systemd_finds_little_that_the_unit_leaves_open() {
    // Exposure in tenths: below 1.5 of 10.
    let arguments = |threshold: &str, unit: &str| {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", threshold, unit])
            .output()
            .expect("systemd-analyze: tests/run installs it (systemd)");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let unit = root().join(UNIT);
    let (content, said) = arguments("--threshold=14", text(&unit));
    assert!(content, "{said}");
    let open: String =
        shipped(UNIT).lines().filter(|line| !line.contains("Protect")).map(|line| format!("{line}\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    let twin = dir.path().join("liftwatch.service");
    std::fs::write(&twin, open).unwrap();
    assert!(!arguments("--threshold=14", text(&twin)).0, "an open unit is not noticed");
}

/// Every set of system calls that systemd knows, as it lists them.
fn sets() -> BTreeMap<String, BTreeSet<String>> {
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in tool("systemd-analyze", &["syscall-filter", "--no-pager"]).lines() {
        if line.starts_with('@') {
            line.clone_into(&mut current);
        } else if line.starts_with("    ") && !line.trim_start().starts_with('#') {
            sets.entry(current.clone()).or_default().insert(line.trim().to_owned());
        }
    }
    sets
}

fn members(sets: &BTreeMap<String, BTreeSet<String>>, set: &str) -> BTreeSet<String> {
    let parts = sets.get(set).unwrap_or_else(|| panic!("{set} is no set of systemd's"));
    parts
        .iter()
        .flat_map(|part| if part.starts_with('@') { members(sets, part) } else { [part.clone()].into() })
        .collect()
}

#[test]
fn the_daemon_makes_no_system_call_that_the_unit_forbids() {
    let sets = sets();
    let unit = shipped(UNIT);
    let mut allowed = BTreeSet::new();
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let forbids = line.starts_with('~');
        for set in line.trim_start_matches('~').split(' ') {
            let calls = members(&sets, set);
            if forbids { allowed.retain(|call| !calls.contains(call)) } else { allowed.extend(calls) }
        }
    }
    assert!(allowed.contains("fdatasync") && !allowed.contains("mount"), "{allowed:?}");

    let broker = Mosquitto::start();
    let folder = Folder::new(&broker.url(), "");
    folder.import("T-0001,350582,traction,maker-a,Garden,o,f\n").exits(0);
    let (made, config) = (folder.path("calls"), folder.config());
    let log = std::fs::File::create(folder.path("log")).unwrap();
    let daemon = env!("CARGO_BIN_EXE_liftwatch");
    let mut tracer = Command::new("strace")
        .args(["-f", "-c", "-o", text(&made), daemon, "--log-format", "json", "serve", "--config", text(&config)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("strace: tests/run installs it");
    let said = || std::fs::read_to_string(folder.path("log")).unwrap();
    until("it is subscribed", || said().contains("subscribed"));
    let event = br#"{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":1,"type":"alarm_pressed"}"#;
    broker.publish("lift/v1/350582/maker-a/T-0001/event", event);
    let (_, address) = said().split_once("\"http\":\"").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let address = address.split('"').next().unwrap().to_owned();
    until("the event is stored", || {
        crate::process::get(&format!("http://{address}/api/v1/events")).1.contains("alarm_pressed")
    });
    // strace passes the signal to nobody, so its child is asked.
    let children = format!("/proc/{0}/task/{0}/children", tracer.id());
    let child = std::fs::read_to_string(children).unwrap();
    tool("sh", &["-c", &format!("kill -TERM {}", child.trim())]);
    ended(&mut tracer);

    let calls = std::fs::read_to_string(&made).unwrap();
    let calls: BTreeSet<&str> = calls
        .lines()
        .filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()) && !line.ends_with("total"))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert!(calls.len() > 20, "{calls:?}");
    let forbidden: Vec<&&str> = calls.iter().filter(|call| !allowed.contains(**call)).collect();
    // SQLite gives its files their owner where it runs as root, as this test may and the service does not.
    assert!(forbidden.iter().all(|call| **call == "fchown"), "{forbidden:?}");
}

#[test]
fn the_package_and_its_changelog_are_of_this_version() {
    let changelog = shipped("deploy/debian/changelog");
    let head = concat!("liftwatch (", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(head), "{}", changelog.lines().next().unwrap());
}

#[test]
fn the_packaged_configuration_has_no_key_that_the_full_one_lacks() {
    let full = shipped("config/liftwatch.toml");
    for line in shipped("deploy/debian/liftwatch.toml").lines() {
        let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") else { continue };
        let known = full.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key} = ")));
        assert!(line.starts_with("# ") || known, "config/liftwatch.toml does not have {key}");
    }
}
