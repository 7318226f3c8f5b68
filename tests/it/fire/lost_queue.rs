//! The broker dies with everything that waits in it, while the daemon is away. Simulated controllers that use the
//! application ack bring it all back; those that do not lose it, and the daemon says what it misses.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::simulate::city::{CitySettings, build};
use liftwatch::simulate::lift::Number;
use liftwatch::simulate::story::{Story, StorySettings};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tokio::runtime::Runtime;

use super::town::turn;
use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, Run, ended, liftwatch, run, signal, text, until};

/// Of a city that loses none of its numbers by itself; the test says so if it does.
const SEED: u64 = 6;
const UNITS: usize = 1_000;
/// A heartbeat of each unit every two seconds.
const SPEED: f64 = 30.0;

/// Every event of the city from its past to `end`.
fn told(start: Timestamp, end: Timestamp) -> BTreeSet<Number> {
    let region = RegionCode::new("350582").unwrap();
    let today = jiff::civil::date(2026, 11, 24);
    let city = build(&CitySettings { units: UNITS, seed: SEED, region, today }).unwrap();
    let story = Story::new(&city, StorySettings { seed: SEED, start, speed: SPEED, history_days: 30, power_cut: None });
    story.take_while(|message| message.at <= end).filter_map(|message| message.number).collect()
}

/// Whether a number below one that was told was never told.
fn has_holes(told: &BTreeSet<Number>) -> bool {
    told.iter().any(|number| number.seq > 1 && !told.contains(&Number { seq: number.seq - 1, ..number.clone() }))
}

fn simulate(start: Timestamp, arguments: &[&str]) -> Command {
    let (units, seed, speed, start) = (UNITS.to_string(), SEED.to_string(), SPEED.to_string(), start.to_string());
    let city = ["simulate", "--units", &units, "--seed", &seed, "--speed", &speed, "--start", &start];
    liftwatch(&[&city[..], arguments].concat())
}

/// What came of it.
struct Aftermath {
    /// Told before the broker was back, and not stored.
    missing: usize,
    told: usize,
    /// Stored and never told.
    extra: usize,
    /// Numbers that the daemon knows to be missing.
    known_missing: u64,
    /// Gaps that were found, and closed again.
    closed: usize,
    alerts: usize,
    city: Run,
}

struct Attack {
    folder: Folder,
    broker: Mosquitto,
    runtime: Runtime,
    start: Timestamp,
}

impl Attack {
    fn prepare() -> Self {
        let broker = Mosquitto::start();
        let folder = Folder::new(&broker.url(), "[rules.evidence_gap]\ngrace_seconds = 1\n");
        let start = SystemClock::new().now();
        let units = folder.path("units.csv");
        assert!(simulate(start, &["--registry", text(&units)]).output().unwrap().status.success());
        run(&["import", "units", text(&units), "--config", text(&folder.config())]).exits(0);
        Self { folder, broker, runtime: Runtime::new().unwrap(), start }
    }

    fn stored(&self) -> BTreeSet<Number> {
        self.runtime.block_on(async {
            let file = SqliteConnectOptions::new().filename(self.folder.path("city.db")).read_only(true);
            let query = "select unit, boot, seq from event where boot is not null";
            let rows = sqlx::query(query).fetch_all(&mut file.connect().await.unwrap()).await.unwrap();
            let number = |row: &sqlx::sqlite::SqliteRow| Number {
                unit: row.get("unit"),
                boot: row.get("boot"),
                seq: u64::try_from(row.get::<i64, _>("seq")).unwrap(),
            };
            rows.iter().map(number).collect()
        })
    }

    /// Waits until so many heartbeats have gone through the broker from now on.
    fn heartbeats(&self, count: usize) {
        let port = self.broker.port.to_string();
        let heard = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port, "-t", "lift/v1/+/+/+/state", "-C", &count.to_string(), "-W", "60"])
            .stdout(Stdio::null())
            .status();
        assert!(heard.expect("mosquitto_sub: apt-get install mosquitto-clients").success(), "the city has gone silent");
    }

    /// The daemon dies early in the city's month, the rest of it waits at the broker, and the broker dies with it; then
    /// the broker is back, and later the daemon.
    fn make(&mut self, again_after: &str) -> (Child, Daemon, BTreeSet<Number>) {
        let daemon = self.folder.serve_connected();
        let url = self.broker.url();
        let mut city = simulate(self.start, &["--broker", &url, "--again-after", again_after]);
        let city = city.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("a part is stored", || self.stored().len() >= 200);
        daemon.kill();
        // The past goes first, so when hearts beat, all of it is with the broker.
        self.heartbeats(1_000);
        self.broker.kill();
        self.broker.spawn();
        let told = told(self.start, SystemClock::new().now());
        assert!(!has_holes(&told), "the city itself loses events: take another seed");
        assert!(self.stored().len() < told.len() / 2, "{} of {} are stored already", self.stored().len(), told.len());
        // What is told again now finds no session: nobody will ever have it.
        self.heartbeats(1_000);
        (city, self.folder.serve_connected(), told)
    }

    fn aftermath(&self, mut city: Child, daemon: &Daemon, told: &BTreeSet<Number>) -> Aftermath {
        let gaps = daemon.items("/api/v1/gaps");
        let alerts = daemon.items("/api/v1/alerts?rule=evidence_gap&state=firing").len();
        signal(&city, "TERM");
        let status = ended(&mut city);
        let output = city.wait_with_output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let city = Run { code: status.code().unwrap(), out: said(&output.stdout), err: said(&output.stderr) };
        let (stored, ever) = (self.stored(), self::told(self.start, SystemClock::new().now()));
        let open = gaps.iter().filter(|gap| gap["closed_at"].is_null());
        Aftermath {
            missing: told.difference(&stored).count(),
            told: told.len(),
            extra: stored.difference(&ever).count(),
            known_missing: open.map(|gap| gap["missing"].as_u64().unwrap()).sum(),
            closed: gaps.iter().filter(|gap| !gap["closed_at"].is_null()).count(),
            alerts,
            city,
        }
    }
}

#[test]
fn a_lost_queue_is_told_again_by_controllers_that_use_the_application_ack() {
    let _turn = turn();
    let mut attack = Attack::prepare();
    let (city, daemon, told) = attack.make("3");
    until("every event is stored after all", || told.is_subset(&attack.stored()));
    until("no gap is open", || daemon.items("/api/v1/gaps?state=open").is_empty());
    let after = attack.aftermath(city, &daemon, &told);
    println!(
        "broker killed with its queue, application ack used: {} events, missing {}, extra {}, {} gaps found and closed; {}",
        after.told,
        after.missing,
        after.extra,
        after.closed,
        after.city.out.lines().last().unwrap_or_default()
    );
    assert_eq!((after.missing, after.extra, after.known_missing), (0, 0, 0));
    assert!(after.closed > 0, "heartbeats announce what is missing before it is told again");
    let city = after.city.exits(0);
    assert!(city.out.contains(" events sent again, ") && !city.out.contains("\n0 events sent again"), "{}", city.out);
    assert!(city.out.contains(" 0 given up"), "{}", city.out);
    assert!(daemon.items("/api/v1/quarantine?reason=conflict").is_empty(), "what is told again is a duplicate");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn twin_whose_controllers_do_not_use_the_application_ack_is_caught() {
    let _turn = turn();
    let mut attack = Attack::prepare();
    let (city, daemon, told) = attack.make("0");
    attack.heartbeats(2_000);
    until("an alert says so", || !daemon.items("/api/v1/alerts?rule=evidence_gap&state=firing").is_empty());
    let mut missed = Vec::new();
    until("the daemon knows all that heartbeats announced", || {
        missed.push(daemon.items("/api/v1/gaps?state=open").len());
        matches!(missed[..], [.., a, b, c, d] if a == b && b == c && c == d && a > 0)
    });
    let after = attack.aftermath(city, &daemon, &told);
    println!(
        "broker killed with its queue, application ack not used: {} of {} events lost; the daemon misses {} numbers in \
         {} alerts",
        after.missing, after.told, after.known_missing, after.alerts
    );
    assert!(after.missing > 0 && after.known_missing > 0 && after.alerts > 0);
    after.city.exits(0);
    assert_eq!(daemon.stop().code(), Some(0));
}
