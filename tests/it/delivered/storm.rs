//! The built daemon, a real mosquitto and the simulated city, whose power fails within ten seconds: each receiver is told
//! once in an interval, people who are trapped each by themselves, and no flood comes when the power does.
//!
//! 800 units. `LIFTWATCH_STORM=8000` with a release build is the city, with a cut of five minutes, in which half of the
//! units fall silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::{MINUTE, SECOND, Timestamp};
use liftwatch::simulate::city::{self, City, CitySettings};
use liftwatch::simulate::controllers::{self, SimulationSettings};
use liftwatch::simulate::publisher::{PublisherSettings, Tally};
use liftwatch::simulate::registry_csv;
use liftwatch::simulate::story::{PowerCut, StorySettings};
use serde_json::Value;
use tokio::sync::watch;

use super::SECRET;
use crate::mosquitto::Mosquitto;
use crate::process::{Folder, run, text, until_within};
use crate::sinks::stub::{Act, Stub};

/// How large a storm. Times in milliseconds.
struct Size {
    units: usize,
    cut: PowerCut,
    /// Between two messages of a group.
    interval: i64,
}

fn size() -> Size {
    match std::env::var("LIFTWATCH_STORM") {
        Ok(units) => Size {
            units: units.parse().expect("LIFTWATCH_STORM is a number of units"),
            cut: PowerCut { after: 70 * SECOND, lasts: 5 * MINUTE },
            interval: MINUTE,
        },
        Err(_) => Size { units: 800, cut: PowerCut { after: 5 * SECOND, lasts: 35 * SECOND }, interval: 15 * SECOND },
    }
}

/// A message as it came.
struct Letter {
    at: Timestamp,
    receiver: String,
    count: u64,
    link: String,
    rule: String,
    change: String,
    units: Vec<String>,
    /// When the oldest of its alerts began.
    since: Timestamp,
}

impl Letter {
    fn of(at: Timestamp, receiver: &str, body: &Value) -> Self {
        let data = &body["data"];
        let alerts = data["alerts"].as_array().unwrap();
        let word = |name: &str| alerts[0][name].as_str().unwrap().to_owned();
        let began = alerts.iter().map(|alert| Timestamp::parse(alert["starts_at"].as_str().unwrap()).unwrap());
        Self {
            at,
            receiver: receiver.to_owned(),
            count: data["count"].as_u64().unwrap(),
            link: data["link"].as_str().unwrap().to_owned(),
            rule: word("rule"),
            change: word("change"),
            units: alerts.iter().map(|alert| alert["unit"].as_str().unwrap().to_owned()).collect(),
            since: began.min().unwrap(),
        }
    }
}

fn folder(broker: &Mosquitto, stub: &Stub, city: &City, interval: i64) -> Folder {
    let (url, seconds) = (stub.url(), interval / SECOND);
    let one = |name: &str, path: &str| {
        format!(
            "[[receiver]]\nname = \"{name}\"\nlanguage = \"en\"\n\
             [[receiver.webhook]]\nurl = \"{url}/{path}\"\nsecret_files = [\"hook.key\"]\n"
        )
    };
    let route = |receiver: &str, more: &str| {
        format!(
            "[[route]]\nmatch = [\"rule!=over_age\"]\nreceiver = \"{receiver}\"\n{more}group_wait = \"5s\"\n\
             group_interval = \"{seconds}s\"\n"
        )
    };
    let more = format!(
        "[notify]\nallow_nets = [\"127.0.0.0/8\"]\npublic_url = \"https://lifts.example\"\n{}{}{}{}",
        one("maintainer:{maintainer}", "{maintainer}"),
        one("inspector", "inspector"),
        route("maintainer:{maintainer}", "group_by = [\"site\"]\ncontinue = true\n"),
        route("inspector", ""),
    );
    let folder = Folder::new(&broker.url(), &more);
    folder.write("hook.key", SECRET);
    let registry = folder.path("city.csv");
    registry_csv::write(&city.units, std::fs::File::create(&registry).unwrap()).unwrap();
    run(&["import", "units", text(&registry), "--config", text(&folder.config())]).exits(0);
    folder
}

fn made_up(units: usize) -> City {
    let region = RegionCode::new("350582").unwrap();
    city::build(&CitySettings { units, seed: 11, region, today: jiff::civil::date(2026, 11, 24) }).unwrap()
}

/// How many sites have units enough for an area event.
fn large_sites(city: &City) -> usize {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    city.sites.iter().for_each(|site| *sizes.entry(*site).or_default() += 1);
    sizes.values().filter(|units| **units >= 6).count()
}

#[test]
fn a_city_without_power_is_told_once_an_interval_its_entrapments_singly_and_its_return_without_a_flood() {
    let Size { units, cut, interval } = size();
    let city = made_up(units);
    let letters: Arc<Mutex<Vec<Letter>>> = Arc::default();
    let kept = Arc::clone(&letters);
    let stub = Stub::scripted(move |request| {
        kept.lock().unwrap().push(Letter::of(SystemClock::new().now(), &request.target, &request.json()));
        Act::status(204)
    });
    let broker = Mosquitto::start();
    let folder = folder(&broker, &stub, &city, interval);
    let daemon = folder.serve_connected();
    let clock = SystemClock::new();
    let start = clock.now() + SECOND;
    let settings = SimulationSettings {
        connection: PublisherSettings {
            host: "127.0.0.1".to_owned(),
            port: broker.port,
            tls: false,
            username: None,
            password_file: None,
            ca_file: None,
        },
        story: StorySettings { seed: 11, start, speed: 1.0, history_days: 0, power_cut: Some(cut) },
        client_prefix: "storm".to_owned(),
        again_after: Some(controllers::AGAIN_AFTER),
    };
    let sites = large_sites(&city);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let telling = runtime.spawn(async move {
        let clock = SystemClock::new();
        controllers::run(&city, settings, &|| clock.now(), Arc::new(Tally::default()), shutdown).await
    });
    let (fails, returns) = (start + cut.after, start + cut.after + cut.lasts);
    let patience = |until: Timestamp| {
        Duration::from_millis(u64::try_from(until - clock.now()).unwrap_or(0)) + Duration::from_secs(30)
    };
    until_within(patience(fails + 10 * SECOND), "every large site is an event", || {
        daemon.items("/api/v1/areas?state=open").len() >= sites
    });
    until_within(patience(returns + 10 * SECOND), "every event is over", || {
        clock.now() > returns + 10 * SECOND && daemon.items("/api/v1/areas?state=open").is_empty()
    });
    // What was held back is told two minutes after the end; the short storm has nothing that would be.
    let quiet = if units > 800 { 2 * MINUTE + interval } else { interval } + 5 * SECOND;
    std::thread::sleep(Duration::from_millis(u64::try_from(quiet).unwrap()));
    stop.send(true).unwrap();
    runtime.block_on(telling).unwrap().unwrap();

    let letters = std::mem::take(&mut *letters.lock().unwrap());
    let reached: i64 = daemon.items("/api/v1/areas").iter().map(|area| area["units"].as_i64().unwrap()).sum();
    assert!(daemon.stop().success());
    let area: Vec<&Letter> = letters.iter().filter(|letter| letter.rule == "area_power").collect();
    let first = area.iter().map(|letter| letter.at).min().expect("somebody is told");
    assert!(first < fails + 10 * SECOND, "the first after {} ms", first - fails);
    let mut by_receiver: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
    for letter in &area {
        by_receiver.entry(&letter.receiver).or_default().push(letter);
    }
    let mut most = 0;
    for (receiver, heard) in &by_receiver {
        most = most.max(heard.len());
        for pair in heard.windows(2) {
            let gap = pair[1].at - pair[0].at;
            assert!(gap > interval - SECOND, "{receiver} is told again after {gap} ms");
        }
        let begun = heard.iter().filter(|letter| letter.change == "fired").count();
        assert!(heard.len() <= 5 && begun <= 3, "{receiver}: {} messages, {begun} of a beginning", heard.len());
        assert_eq!(heard[0].link, "https://lifts.example/areas?state=open");
    }
    let inspector = &by_receiver["/inspector"][0];
    assert!(inspector.count >= 5, "{} events in the first message", inspector.count);

    let trapped: Vec<&Letter> =
        letters.iter().filter(|letter| letter.rule == "entrapment" && letter.change == "fired").collect();
    let people: BTreeSet<&str> = trapped.iter().flat_map(|letter| &letter.units).map(String::as_str).collect();
    assert!(trapped.iter().all(|letter| letter.count == 1), "each alone");
    assert_eq!((people.len(), trapped.len()), (units / 200, units / 200 * 2), "to the firm and to the inspector");
    let latest = trapped.iter().map(|letter| letter.at - letter.since).max().unwrap();
    assert!(latest < 10 * SECOND, "an entrapment is told after {latest} ms");
    let others = letters.iter().filter(|letter| letter.rule != "area_power" && letter.rule != "entrapment").count();
    assert!(others <= 5 + units / 100, "{others} messages of other rules");
    println!(
        "{units} units at {sites} large sites, {reached} in area events: {} messages to {} receivers in all, {most} about \
         areas to one at most, the first {} ms after the power failed, entrapments within {latest} ms, {others} of other rules",
        letters.len(),
        by_receiver.len(),
        first - fails,
    );
}
