//! docs/INSTALL.md: every block of commands, in its order, on a machine of its own, with real paths, ports and systemd.

use super::package::package;
use super::{machine, shipped};

/// The fenced blocks of commands.
fn blocks(guide: &str) -> Vec<String> {
    let parts = guide.split("\n```sh\n").skip(1);
    parts.map(|part| part.split_once("\n```\n").expect("a block ends").0.to_owned()).collect()
}

/// Where the guide finds the package.
const PACKAGE: &str = concat!("/srv/start/liftwatch_", env!("CARGO_PKG_VERSION"), "-1_amd64.deb");

/// Before the first command: in the folder with the package, without traces of earlier installations. tests/run has
/// installed the packages; without lists of newer ones apt is content with them and needs no network.
const PREPARED: &str = "
rm -rf /var/lib/apt/lists/*
hostname lifts
echo '127.0.0.1 localhost lifts' > /etc/hosts
rm -rf /etc/liftwatch /var/lib/liftwatch /etc/mosquitto/certs /etc/prometheus/liftwatch
export HOME=/srv/start
cd /srv/start
begun=$SECONDS
";

/// Makes the machine another one, as it is after the guide's first step: nothing of ours is left but what was carried over.
const ANOTHER_SERVER: &str = "
dpkg --purge liftwatch
rm -rf /etc/liftwatch /var/lib/liftwatch /var/backups/liftwatch /etc/mosquitto /var/lib/mosquitto
apt-get install -y --no-install-recommends /srv/start/liftwatch_*.deb
! systemctl is-active liftwatch mosquitto
";

#[test]
fn every_command_of_the_guide_works_from_a_firing_alert_to_a_restored_city_that_moved() {
    let guide = shipped("docs/INSTALL.md");
    let blocks = blocks(&guide);
    assert!(blocks.len() >= 16, "{} blocks", blocks.len());
    let mut script = PREPARED.to_owned();
    for block in &blocks {
        if block.starts_with("tar -xzf moving.tar.gz") {
            script += ANOTHER_SERVER;
        }
        // The package lies where the guide begins, and a later step stands elsewhere.
        script += &block.replace(" ./liftwatch_", " /srv/start/liftwatch_");
        script += "\n";
    }
    script += "
        echo; echo \"took $((SECONDS - begun)) s\"
        events() { curl -sS --fail http://127.0.0.1:8080/api/v1/events; }
        events
        ls -l /var/backups/liftwatch /var/lib/liftwatch
        grep -h -m 1 lifts.example /var/lib/liftwatch/*.last
        cat /etc/mosquitto/daemon.acl
        stat -c 'owner %U' /var/lib/liftwatch/liftwatch.db
        curl -sS http://127.0.0.1:9090/api/v1/query?query=liftwatch_ready
        ss -ltnH | sort
        systemctl show liftwatch --property ActiveState,NRestarts,Type,WatchdogUSec,StatusText
        journalctl --unit liftwatch --no-pager | tail -20
        systemctl stop liftwatch
        systemctl show liftwatch --property Result
    ";
    let said = machine::runs(&script, &[(package(), PACKAGE)]);
    let took: u64 = said.split_once("\ntook ").unwrap().1.split_once(" s\n").unwrap().0.parse().unwrap();
    assert!(took < 15 * 60, "{took} s");
    for part in [
        "\"ready\":true",
        "LiftwatchWatchdog",
        "entrapment_reported",
        "moving.db",
        "lifts.example/350582-2\n",
        "topic read lift/v1/350582/#",
        "owner liftwatch",
        "NRestarts=0\n",
        "ActiveState=active\n",
        "WatchdogUSec=2min\n",
        "Result=success\n",
        "127.0.0.1:8080 ",
        "127.0.0.1:9090 ",
        "127.0.0.1:9093 ",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert_eq!(said.matches(".db: good. ").count(), 2, "the backup, and the ledger under both names\n{said}");
    for open in ["0.0.0.0:8080", "*:9090", "*:9093", "0.0.0.0:1883"] {
        assert!(!said.contains(open), "{open} is open to everybody\n{said}");
    }
}

#[test]
fn twin_guide_with_a_command_that_fails_is_caught() {
    let things = [(package(), PACKAGE)];
    machine::runs(&format!("{PREPARED}true | true\n"), &things);
    assert!(
        !machine::run(&format!("{PREPARED}false | true\ntrue\n"), &things).status.success(),
        "a failure is passed over"
    );
}
