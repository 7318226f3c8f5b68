//! Routes and matchers against those who made them: Debian's amtool says of the same routes who hears of the same alert.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use liftwatch::notify::matcher::{Label, Labels, Matcher, Op, quoted};
use liftwatch::notify::route::{Route, receivers};

const LABELS: [Label; 4] = [Label::Severity, Label::Region, Label::Site, Label::Maintainer];
/// What labels hold; the empty one is a label that the alert does not have.
const VALUES: [&str; 8] = ["critical", "warning", "350582", "350502", "Tower \"A\", east", "a\\b", "闽安电梯", ""];
const EXPRESSIONS: [&str; 8] =
    ["crit.*|warning", "3505.*", "3505", "Tower.+", ".*", ".+", "a\\\\b|闽.{3}", "|critical"];

fn any<T: Copy>(random: &mut fastrand::Rng, list: &[T]) -> T {
    list[random.usize(..list.len())]
}

fn matcher(random: &mut fastrand::Rng) -> Matcher {
    let op = any(random, Op::ALL);
    let values = if matches!(op, Op::Equal | Op::NotEqual) { &VALUES } else { &EXPRESSIONS };
    Matcher::new(any(random, &LABELS), op, any(random, values).to_owned()).unwrap()
}

fn routes(random: &mut fastrand::Rng) -> Vec<Route> {
    let route = |position: usize, random: &mut fastrand::Rng| {
        let mut route: Route = toml::from_str(&format!("receiver = \"r{position}\"")).unwrap();
        route.matchers = (0..random.usize(..4)).map(|_| matcher(random)).collect();
        route.continues = random.bool();
        route
    };
    (0..random.usize(1..7)).map(|position| route(position, random)).collect()
}

/// The same routes in Alertmanager's file. Whom no route tells hears nothing.
fn written(routes: &[Route]) -> String {
    let mut text = "route:\n  receiver: nobody\n  routes:\n".to_owned();
    let mut receivers = "receivers:\n- name: nobody\n".to_owned();
    for route in routes {
        let matchers: Vec<String> =
            route.matchers.iter().map(|matcher| format!("'{}'", matcher.to_string().replace('\'', "''"))).collect();
        writeln!(text, "  - receiver: {}\n    continue: {}", route.receiver, route.continues).unwrap();
        writeln!(text, "    matchers: [{}]", matchers.join(", ")).unwrap();
        writeln!(receivers, "- name: {}", route.receiver).unwrap();
    }
    text + &receivers
}

fn amtool(config: &Path, labels: &Labels) -> BTreeSet<String> {
    let said = LABELS.iter().filter(|label| !labels.get(**label).is_empty());
    let said = said.map(|label| format!("{label}={}", quoted(labels.get(*label))));
    let output = Command::new("amtool")
        .args(["config", "routes", "test"])
        .arg(format!("--config.file={}", config.display()))
        .args(said)
        .output()
        .expect("amtool: tests/run installs it (prometheus-alertmanager)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    told.trim().split(',').filter(|name| *name != "nobody").map(str::to_owned).collect()
}

#[test]
fn amtool_tells_the_same_receivers_of_the_same_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("alertmanager.yml");
    let (mut told, mut several) = (0, 0);
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let routes = routes(&mut random);
        std::fs::write(&config, written(&routes)).unwrap();
        for _ in 0..12 {
            let mut labels = Labels::default();
            for label in LABELS {
                labels.set(label, any(&mut random, &VALUES).to_owned());
            }
            let ours: BTreeSet<String> = receivers(&routes, &labels).into_iter().map(|h| h.receiver).collect();
            assert_eq!(ours, amtool(&config, &labels), "{labels:?}\n{}", written(&routes));
            told += usize::from(!ours.is_empty());
            several += usize::from(ours.len() > 1);
        }
    }
    assert!(told > 100 && several > 30, "{told} of 300 told to somebody, {several} to several");
}
