//! What the simulated city tells: repeatable, in order, and with the numbers of a real city.

use std::collections::{BTreeSet, HashMap, HashSet};

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::Fact;
use liftwatch::domain::event::Origin;
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::{MINUTE, SECOND, Timestamp};
use liftwatch::registry_csv;
use liftwatch::simulate::city::{CitySettings, build};
use liftwatch::simulate::registry_csv::write;
use liftwatch::simulate::story::{Message, PowerCut, Story, StorySettings};

const START: Timestamp = Timestamp(1_795_000_000_000);

fn story(units: usize, seed: u64, speed: f64) -> Story {
    let region = RegionCode::new("350582").unwrap();
    let city = build(&CitySettings { units, seed, region, today: jiff::civil::date(2026, 11, 24) }).unwrap();
    Story::new(&city, StorySettings { seed, start: START, speed, history_days: 30, power_cut: None })
}

fn past(units: usize) -> Vec<Message> {
    story(units, 1, 1.0).take_while(|message| message.at < START).collect()
}

fn field(message: &Message, name: &str) -> Option<serde_json::Value> {
    serde_json::from_slice::<serde_json::Value>(&message.payload).ok()?.get(name).cloned()
}

#[test]
fn is_the_same_byte_for_byte_and_in_order_of_time() {
    let one: Vec<Message> = story(300, 5, 60.0).take(20_000).collect();
    let two: Vec<Message> = story(300, 5, 60.0).take(20_000).collect();
    assert_eq!(one, two);
    assert!(one.is_sorted_by_key(|message| message.at));
    assert!(one.last().unwrap().at > START);
    assert_ne!(one, story(300, 6, 60.0).take(20_000).collect::<Vec<_>>());
}

#[test]
fn numbers_within_a_boot_have_few_gaps_and_repeats_are_whole() {
    let mut seen: HashMap<(String, String), Vec<u64>> = HashMap::new();
    let mut bodies: HashMap<(String, String, u64), Vec<u8>> = HashMap::new();
    let mut repeats = 0;
    for message in past(4_000) {
        let (Some(boot), Some(seq)) = (field(&message, "boot"), field(&message, "seq")) else { continue };
        let key = (message.topic.clone(), boot.to_string());
        let seq = seq.as_u64().unwrap();
        if let Some(before) = bodies.insert((key.0.clone(), key.1.clone(), seq), message.payload.clone()) {
            assert_eq!(before, message.payload);
            repeats += 1;
            continue;
        }
        seen.entry(key).or_default().push(seq);
    }
    let gaps: u64 = seen.values().map(|numbers| numbers.last().unwrap() - numbers.len() as u64).sum();
    assert!((1..20).contains(&gaps), "{gaps} gaps");
    assert!(repeats > 50, "{repeats} repeats");
}

#[test]
fn the_month_before_looks_like_a_city() {
    let mut raised: HashMap<String, u32> = HashMap::new();
    let mut kinds: HashMap<String, u32> = HashMap::new();
    let mut seen = HashSet::new();
    for message in past(8_000) {
        let Some(kind) = field(&message, "type") else { continue };
        if !seen.insert((message.topic.clone(), message.payload.clone())) {
            continue;
        }
        *kinds.entry(kind.as_str().unwrap().to_owned()).or_default() += 1;
        if kind == "fault_raised" {
            *raised.entry(message.topic).or_default() += 1;
        }
    }
    let faults: u32 = raised.values().sum();
    let a_year = f64::from(faults) / 8_000.0 * 365.0 / 30.0;
    assert!((2.0..6.0).contains(&a_year), "{a_year} faults a unit and year");
    let entrapped = f64::from(kinds["entrapment_reported"]) / 80.0;
    assert!((0.4..1.5).contains(&entrapped), "{entrapped} % of units entrapped people in a month");
    let repeated = raised.values().filter(|faults| **faults >= 3).count();
    assert!((40..400).contains(&repeated), "{repeated} units with 3 faults or more");
    assert!(kinds["mains_off"] > 20 && kinds["mode_changed"] > 10_000, "{kinds:?}");
}

#[test]
fn live_heartbeats_are_spread_over_the_minute_and_run_faster_with_speed() {
    let live: Vec<Message> =
        story(600, 1, 60.0).skip_while(|message| message.at < START).take_while(|m| m.at < START + 10_000).collect();
    let beats = live.iter().filter(|message| message.topic.ends_with("/state")).count();
    assert!((5_800..=6_000).contains(&beats), "{beats}");
    let first = live.iter().filter(|m| m.topic.ends_with("/state") && m.at < START + 100).count();
    assert!((50..=61).contains(&first), "{first}");
}

#[test]
fn the_daemon_understands_every_message_but_the_nonsense() {
    let region = RegionCode::new("350582").unwrap();
    let decoder = Decoder::new(&[], std::slice::from_ref(&region)).unwrap();
    let mut refused = Vec::new();
    let (mut states, mut visits) = (0, 0);
    for message in story(500, 2, 60.0).take(40_000) {
        let decoded = match decoder.decode(&region, &message.topic, &message.payload) {
            Ok(decoded) => decoded,
            Err(rejection) => {
                refused.push(format!("{}: {}", rejection.reason, rejection.detail));
                continue;
            }
        };
        assert!(decoded.unknown_codes.is_empty(), "{:?}", decoded.unknown_codes);
        for fact in decoded.facts {
            match fact {
                Fact::State(state) => {
                    states += 1;
                    assert_eq!(state.ts, message.at);
                }
                Fact::Event(event) => {
                    assert_eq!((event.ts, event.origin), (message.at, Origin::Reported));
                    assert!(event.extra.is_none(), "{:?}", event.extra);
                }
                Fact::Visit(visit) => {
                    visits += 1;
                    assert!(visit.ended_at.unwrap() > visit.started_at);
                }
                Fact::Hazard(_) => {}
            }
        }
    }
    assert!(states > 20_000 && visits > 500, "{states} states, {visits} visits");
    assert!(!refused.is_empty() && refused.len() < 80, "{refused:#?}");
}

#[test]
fn the_city_can_be_imported() {
    let region = RegionCode::new("350582").unwrap();
    let settings = CitySettings { units: 500, seed: 1, region, today: jiff::civil::date(2026, 11, 24) };
    let city = build(&settings).unwrap();
    let mut file = Vec::new();
    write(&city.units, &mut file).unwrap();
    let read = registry_csv::parse(file.as_slice()).unwrap();
    assert_eq!(read.len(), 500);
    let exact = |unit: &liftwatch::domain::unit::Unit| {
        let mut unit = unit.clone();
        unit.position = None;
        unit
    };
    assert!(city.units.iter().zip(&read).all(|(made, read)| exact(made) == exact(read)));
}

#[test]
fn a_power_cut_takes_every_unit_within_ten_seconds_and_traps_some() {
    let region = RegionCode::new("350582").unwrap();
    let city = build(&CitySettings { units: 800, seed: 7, region, today: jiff::civil::date(2026, 11, 24) }).unwrap();
    let power_cut = Some(PowerCut { after: MINUTE, lasts: 5 * MINUTE });
    let settings = StorySettings { seed: 7, start: START, speed: 1.0, history_days: 0, power_cut };
    let end = START + 8 * MINUTE;
    let told: Vec<Message> = Story::new(&city, settings).take_while(|message| message.at < end).collect();
    let about = |kind: &str| -> Vec<&Message> {
        let kind = format!("\"type\":\"{kind}\"");
        told.iter().filter(|message| String::from_utf8_lossy(&message.payload).contains(&kind)).collect()
    };
    let units = |messages: &[&Message]| messages.iter().map(|message| message.topic.clone()).collect::<BTreeSet<_>>();
    let (off, on) = (about("mains_off"), about("mains_on"));
    assert!(units(&off).len() > 790 && units(&off) == units(&on), "{} {}", units(&off).len(), units(&on).len());
    let within = |messages: &[&Message], from: Timestamp| {
        messages.iter().all(|message| (from..from + 10 * SECOND).contains(&message.at))
    };
    assert!(within(&off, START + MINUTE) && within(&on, START + 6 * MINUTE));
    let trapped = about("entrapment_reported");
    assert_eq!(units(&trapped).len(), 4);
    assert_eq!(units(&trapped), units(&about("passenger_released")));
    let dark = told
        .iter()
        .filter(|message| message.topic.ends_with("/state"))
        .filter(|message| (START + 2 * MINUTE..START + 3 * MINUTE).contains(&message.at));
    assert!((300..500).contains(&dark.count()), "half of the units are silent");
}
