//! The wall: mosquitto, the daemon, a simulated city and Prometheus, all real; then every query of every panel, and a
//! fault that moves the panels that it should.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::time::DAY;
use serde_json::{Value, json};

use super::board::{Board, Query, boards, text};
use super::prometheus::Prometheus;
use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, liftwatch, run, text as path_text, until_within};

const UNITS: &str = "300";

/// What the panels of a full wall may take to fill: the simulated past is 30 days of 300 units, and the figures of 30
/// days are made anew once a minute.
const PATIENCE: Duration = Duration::from_secs(150);

/// Every alert is also shown on topics of the city's broker, so that deliveries are counted.
fn telling(broker: &Mosquitto) -> String {
    format!(
        "[[receiver]]\nname = \"board\"\n[[receiver.mqtt]]\nbroker = \"{}\"\nclient_id = \"liftwatch-alerts\"\n\
         [[route]]\nreceiver = \"board\"\ngroup_wait = \"0s\"\n",
        broker.url()
    )
}

/// Everything that a wall needs, running.
struct Wall {
    prometheus: Prometheus,
    simulator: Child,
    daemon: Daemon,
    broker: Mosquitto,
    _folder: Folder,
}

impl Wall {
    fn start() -> Self {
        let broker = Mosquitto::start();
        let signing = "[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 2\n";
        let folder = Folder::new(&broker.url(), &(telling(&broker) + signing));
        run(&["ledger", "key", "lifts.example/wall", "--out", path_text(&folder.path("ledger.key"))]).exits(0);
        let registry = folder.path("city.csv");
        run(&["simulate", "--units", UNITS, "--registry", path_text(&registry)]).exits(0);
        run(&["import", "units", path_text(&registry), "--config", path_text(&folder.config())]).exits(0);
        let daemon = folder.serve_connected();
        let prometheus = Prometheus::start(&folder.path(""), &daemon.authority());
        // Last, so that nothing can fail before there is somebody who ends it.
        let simulator = liftwatch(&["simulate", "--units", UNITS, "--speed", "120", "--broker", &broker.url()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { prometheus, simulator, daemon, broker, _folder: folder }
    }

    /// Tells the city something as a unit's controller, whose topic the registry gives.
    fn tell(&self, unit: &str, class: &str, body: &Value) {
        let publisher = self.daemon.json(&format!("/api/v1/units/{unit}"))["publisher"].as_str().unwrap().to_owned();
        self.broker.publish(&format!("lift/v1/350582/{publisher}/{unit}/{class}"), body.to_string().as_bytes());
    }

    fn entrapment(&self, unit: &str, kind: &str) {
        let now = SystemClock::new().now().to_string();
        self.tell(unit, "event", &json!({"ts": now, "type": kind}));
    }

    fn answer(&self, alert: &str, what: &str, body: &Value) {
        let path = format!("/api/v1/alerts/{alert}/{what}");
        let (status, said) = self.daemon.post(&path, "application/json", body.to_string().as_bytes());
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }

    /// A unit of the registry for which nothing fires.
    fn quiet_units(&self) -> Vec<String> {
        let fires: Vec<Value> = self.daemon.items("/api/v1/alerts?state=firing");
        let fires: Vec<&str> = fires.iter().map(|alert| text(&alert["unit"])).collect();
        let units = self.daemon.items("/api/v1/units");
        let quiet = units.iter().map(|unit| text(&unit["id"])).filter(|unit| !fires.contains(unit));
        quiet.map(str::to_owned).collect()
    }

    /// What a panel shows: the value of its one series.
    fn shows(&self, queries: &[(Query, String)], panel: &str) -> f64 {
        let (query, expr) = queries.iter().find(|(query, _)| query.panel.contains(panel)).unwrap();
        let now = self.prometheus.now(expr);
        assert_eq!(now.len(), 1, "{}: {now:?}", query.name);
        now[0].1
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        drop(self.simulator.kill());
        drop(self.simulator.wait());
    }
}

/// A text with Grafana's variables in it, filled.
fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = text.to_owned();
    // Longer names first: $site must not be taken for the begin of another.
    let mut names: Vec<&String> = values.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        filled = filled.replace(&format!("${{{name}}}"), &values[name]).replace(&format!("${name}"), &values[name]);
    }
    filled
}

/// The values of a dashboard's variables, as Grafana would ask for them: all of those that may be many, else the first.
fn variables(board: &Board, prometheus: &Prometheus, chosen: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> = [("__rate_interval", "15s"), ("__range", "60s"), ("__interval", "1s")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    for variable in board.variables() {
        let name = text(&variable["name"]);
        let value = match text(&variable["type"]) {
            "query" => {
                let query = filled(text(&variable["query"]["query"]), &values);
                let (matching, label) = query
                    .strip_prefix("label_values(")
                    .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", "))
                    .unwrap_or_else(|| panic!("{query} is no label_values"));
                let found = prometheus.label_values(matching, label);
                assert!(!found.is_empty(), "{}: variable {name} has no values: {query}", board.name);
                if let Some((_, wanted)) = chosen.iter().find(|(chosen, _)| *chosen == name) {
                    assert!(found.iter().any(|value| value == wanted), "{wanted} is no {name}: {found:?}");
                    (*wanted).to_owned()
                } else if variable["multi"] == true {
                    text(&variable["allValue"]).to_owned()
                } else {
                    found[0].clone()
                }
            }
            "custom" => text(&variable["current"]["value"]).to_owned(),
            "datasource" => "prometheus".to_owned(),
            other => panic!("{}: variable {name} is a {other}", board.name),
        };
        values.insert(name.to_owned(), value);
    }
    values
}

fn queries(board: &Board, prometheus: &Prometheus, chosen: &[(&str, &str)]) -> Vec<(Query, String)> {
    let values = variables(board, prometheus, chosen);
    let fill = |query: Query| {
        let expr = filled(&query.expr, &values);
        assert!(!expr.contains('$'), "{}: a variable is left in {expr}", query.name);
        (query, expr)
    };
    board.queries().into_iter().map(fill).collect()
}

/// What is empty or refused now.
fn empty(all: &[(Query, String)], prometheus: &Prometheus) -> String {
    let mut faults = String::new();
    for (query, expr) in all {
        let found =
            if query.instant { prometheus.instant(expr).map(|series| series.len()) } else { prometheus.points(expr) };
        match found {
            Ok(0) => writeln!(faults, "{}: nothing for {expr}", query.name).unwrap(),
            Ok(_) => {}
            Err(error) => writeln!(faults, "{}: {error} for {expr}", query.name).unwrap(),
        }
    }
    faults
}

/// What people do in this city: one entrapment is answered, one alert was false, one hazard is reported.
fn live(wall: &Wall) -> String {
    let quiet = wall.quiet_units();
    let (trapped, other) = (&quiet[0], &quiet[1]);
    wall.entrapment(trapped, "entrapment_reported");
    let ts = SystemClock::new().now();
    let hazard = json!({"ts": ts.to_string(), "report_id": "rep-1", "reporter": "inspection_body",
        "basis": "GB45067-4.6-b", "use_stopped": true, "text": "door lock bridged", "evidence_sha256": []});
    wall.tell(other, "hazard", &hazard);
    let visit = json!({"ts": ts.to_string(), "record_id": "r-1", "kind": "HM", "started_at": (ts - DAY).to_string(),
        "ended_at": (ts - DAY + 3_600_000).to_string(), "workers": ["w-1", "w-2"], "items": [], "problem_codes": ["S0"]});
    wall.tell(trapped, "visit", &visit);
    let mut alert = String::new();
    until_within(PATIENCE, "the entrapment fires", || {
        let items = wall.daemon.items(&format!("/api/v1/alerts?state=firing&rule=entrapment&unit={trapped}"));
        alert = items.first().map(|alert| text(&alert["id"]).to_owned()).unwrap_or_default();
        !alert.is_empty()
    });
    wall.answer(&alert, "acknowledge", &json!({"by": "duty room"}));
    wall.answer(&alert, "arrived", &json!({"by": "w-17"}));
    let others = wall.daemon.items("/api/v1/alerts?rule=over_age");
    wall.answer(text(&others[0]["id"]), "false-alarm", &json!({"by": "office", "reason": "renewed last year"}));
    trapped.clone()
}

#[test]
fn every_panel_shows_something_and_an_entrapment_moves_those_that_it_should() {
    let wall = Wall::start();
    let prometheus = &wall.prometheus;
    until_within(PATIENCE, "the past is told", || {
        !prometheus.now("liftwatch_recent_incidents{window=\"30d\"} > 20").is_empty()
    });
    let trapped = live(&wall);
    until_within(PATIENCE, "the unit has series", || {
        !prometheus.now(&format!("liftwatch_unit_recent_incidents{{unit=\"{trapped}\"}}")).is_empty()
    });

    let look = || -> String {
        let of = |board: &Board| empty(&queries(board, prometheus, &[("unit", &trapped)]), prometheus);
        boards().iter().map(of).collect()
    };
    let mut faults = look();
    for _ in 0..PATIENCE.as_secs() / 2 {
        if faults.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_secs(2));
        faults = look();
    }
    assert!(faults.is_empty(), "{faults}");
    let (status, exposition) = wall.daemon.get("/metrics");
    assert_eq!(status, 200);
    promtool_takes(&exposition);
    says(&wall);
    moves(&wall);
}

/// What people and lifts did before stands on the wall, each in its number.
fn says(wall: &Wall) {
    let prometheus = &wall.prometheus;
    let board = |name: &str| boards().into_iter().find(|board| board.name == name).unwrap();
    let city = queries(&board("city"), prometheus, &[]);
    assert!((wall.shows(&city, "Open major hazards") - 1.0).abs() < 0.1);
    let units = prometheus.now("sum(liftwatch_units)")[0].1;
    assert!((units - 300.0).abs() < 0.1);
    let share = wall.shows(&city, "False alarms");
    assert!(share > 0.0 && share < 0.5, "{share} of the alerts are false");
    let heard = wall.shows(&city, "Units that we hear");
    assert!(heard > 0.9 && heard <= 1.0, "{heard} of the units are heard");

    let firms = queries(&board("sites-and-firms"), prometheus, &[("min_units", "1")]);
    let wait = firms.iter().find(|(_, expr)| expr.contains("recent_answer_seconds{answer=\"arrived\"")).unwrap();
    let waits = prometheus.now(&wait.1);
    assert!(waits.len() == 1 && (0.0..120.0).contains(&waits[0].1), "{waits:?}");

    let daemon = queries(&board("daemon"), prometheus, &[]);
    assert!((wall.shows(&daemon, "Broker links") - 1.0).abs() < 0.1);
    assert!(wall.shows(&daemon, "Dead letters").abs() < 0.1);
    let never = wall.shows(&daemon, "Certificates");
    assert!((never - 1e10).abs() < 0.1, "the broker of this test has no TLS, and the panel says {never}");
    let refused = || wall.shows(&daemon, "Messages refused");
    let before = refused();
    for _ in 0..20 {
        wall.broker.publish("lift/v1/350582/maker-a/nobody/event", b"not JSON");
    }
    until_within(PATIENCE, "refusals show", || refused() > before + 0.5);
}

/// One more entrapment, told by mosquitto_pub: what it must move moves by one, for its own site, and back again only when
/// somebody reports the release.
fn moves(wall: &Wall) {
    let city = boards().into_iter().find(|board| board.name == "city").unwrap();
    let unit = wall.quiet_units().pop().unwrap();
    let file = wall.daemon.json(&format!("/api/v1/units/{unit}"));
    let site = text(&file["site"]).to_owned();
    let prometheus = &wall.prometheus;
    let all = queries(&city, prometheus, &[]);
    let own = queries(&city, prometheus, &[("site", &site)]);
    let trapped = |queries: &[(Query, String)]| wall.shows(queries, "Lifts with people trapped");
    let (critical, before) = (wall.shows(&own, "Open critical alerts"), trapped(&own));
    assert!(trapped(&all) >= 1.0, "the first entrapment is still there");

    wall.entrapment(&unit, "entrapment_reported");
    until_within(PATIENCE, "one more unit with people trapped", || trapped(&own) >= before + 1.0);
    assert!(wall.shows(&own, "Open critical alerts") >= critical + 1.0);
    let ages = &own.iter().find(|(query, _)| query.panel.contains("against their deadlines")).unwrap().1;
    let row = prometheus.now(ages).into_iter().find(|(labels, _)| labels["unit"] == *unit).unwrap();
    assert!((0.0..60.0).contains(&row.1), "{row:?}");
    assert_eq!((text(&row.0["rule"]), text(&row.0["site"])), ("entrapment", site.as_str()));
    // The county's law gives an hour; see src/notify/expected.rs.
    let left = &own.iter().filter(|(query, _)| query.panel.contains("against their deadlines")).nth(1).unwrap().1;
    let row = prometheus.now(left).into_iter().find(|(labels, _)| labels["unit"] == *unit).unwrap();
    assert!((3_500.0..=3_600.0).contains(&row.1), "{row:?}");

    wall.entrapment(&unit, "passenger_released");
    until_within(PATIENCE, "the release takes it off the wall", || {
        prometheus.now(ages).iter().all(|(labels, _)| labels["unit"] != *unit || labels["rule"] != "entrapment")
    });
}

fn promtool_takes(exposition: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is in Debian's package prometheus, which tests/run installs");
    promtool.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
