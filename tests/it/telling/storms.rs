//! Many units at once: a power cut, a region that falls silent, a sensor that flaps. One event is one message, people who
//! are trapped are told each by themselves, and what was held back comes when the event is over, if it still lasts.

use std::collections::BTreeMap;

use liftwatch::domain::event::{EventType, State};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::notify::planner::Policy;
use liftwatch::pipeline::message::Arrival;

use super::{Town, route};
use crate::world::{START, at, cleared, event, event_message, raised, state_message, unit};

/// Everything to the firm and to the inspector, after five seconds.
fn policy() -> Policy {
    let mut firms = route(&[], "maintainer:{maintainer}");
    firms.group_by = vec!["site".parse().unwrap()];
    firms.continues = true;
    let mut inspector = route(&[], "inspector");
    let routes = [&mut firms, &mut inspector].map(|route| {
        route.group_wait = 5 * SECOND;
        route.clone()
    });
    Policy { routes: routes.to_vec(), public_url: Some("https://lifts.example".to_owned()), ..Policy::default() }
}

fn name(n: usize) -> String {
    format!("u-{n:04}")
}

/// A town with `count` units, `per_site` of them at each site, of ten firms.
async fn town(count: usize, per_site: usize) -> Town {
    let mut town = Town::new(policy()).await;
    let row = |n: usize| Unit {
        site: format!("estate-{}", n / per_site),
        maintainer: format!("firm-{}", n % 10),
        ..unit(&name(n))
    };
    town.world.register((0..count).map(row).collect()).await;
    town
}

fn mains(kind: EventType, units: impl Iterator<Item = usize>, at: Timestamp) -> Vec<Arrival> {
    units.map(|n| event_message(&name(n), event(kind, at))).collect()
}

async fn off(town: &mut Town, units: std::ops::Range<usize>) {
    let now = town.world.now;
    town.world.arrive(mains(EventType::MainsOff, units, now)).await;
    town.turn().await;
}

async fn on(town: &mut Town, units: std::ops::Range<usize>) {
    let now = town.world.now;
    town.world.arrive(mains(EventType::MainsOn, units, now)).await;
    town.turn().await;
}

/// Every unit tells its state now.
async fn heartbeats(town: &mut Town, units: std::ops::Range<usize>) {
    let now = town.world.now;
    let states = units.map(|n| state_message(&name(n), State::at(now))).collect();
    town.world.arrive(states).await;
    town.world.pipeline().flush().await.unwrap();
    town.turn().await;
}

/// What each receiver was told, and how often.
fn tally(said: Vec<String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for line in said {
        *tally.entry(line).or_default() += 1;
    }
    tally
}

async fn events(town: &mut Town) -> String {
    let all = "select coalesce(group_concat(kind || ' ' || site || ' ' || units || iif(ends_at is null, '', ' over'), '; '), '') \
         from (select * from area_event order by id)";
    town.world.text(all).await
}

#[tokio::test]
async fn five_units_of_a_site_without_mains_within_two_minutes_are_told_once_to_each_of_its_firms_and_once_as_over() {
    let mut town = town(20, 10).await;
    off(&mut town, 0..4).await;
    town.pass(START + 2 * MINUTE, 10 * SECOND).await;
    assert_eq!(events(&mut town).await, "");
    off(&mut town, 4..5).await;
    assert_eq!(events(&mut town).await, "area_power estate-0 5");
    town.pass(START + 3 * MINUTE, SECOND).await;
    let letters = town.letters();
    let receivers: Vec<&str> = letters.iter().map(|letter| letter.receiver.as_str()).collect();
    let firms: Vec<String> = (0..10).map(|n| format!("maintainer:firm-{n}")).collect();
    assert_eq!(receivers.len(), 11);
    assert!(firms.iter().all(|firm| receivers.contains(&firm.as_str())) && receivers.contains(&"inspector"));
    let message = &letters[0].message;
    assert_eq!(letters[0].says(), ["area_power fired"]);
    assert_eq!(message.items[0].summary_en, "5 units without mains");
    assert_eq!(message.en, "5 units at 1 places in all");
    let id = town.world.text("select id from area_event").await;
    assert_eq!(message.items[0].link, Some(format!("https://lifts.example/areas/{id}")));
    assert_eq!(message.link.as_deref(), Some("https://lifts.example/areas?state=open"));
    on(&mut town, 0..2).await;
    town.pass(START + 20 * MINUTE, MINUTE).await;
    assert_eq!(town.said(), Vec::<String>::new(), "three of five are still without");
    on(&mut town, 2..3).await;
    town.pass(START + DAY, 10 * MINUTE).await;
    let tally = tally(town.said());
    assert_eq!(tally.len(), 11);
    assert!(tally.iter().all(|(line, times)| line.ends_with(": area_power resolved") && *times == 1), "{tally:?}");
    assert_eq!(events(&mut town).await, "area_power estate-0 5 over");
}

#[tokio::test]
async fn four_units_or_five_over_a_longer_time_or_at_two_sites_are_no_event() {
    let mut town = town(20, 10).await;
    off(&mut town, 0..4).await;
    off(&mut town, 10..14).await;
    town.world.now = START + 2 * MINUTE + SECOND;
    off(&mut town, 4..5).await;
    town.pass(START + 10 * MINUTE, 30 * SECOND).await;
    assert_eq!(events(&mut town).await, "");
    assert_eq!(town.said(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_event_stands_for_is_held_until_two_minutes_after_it_and_told_then_if_it_still_fires() {
    let mut town = town(10, 10).await;
    for hours in [0, 2] {
        town.world.now = at(0, hours, 0, 0);
        let now = town.world.now;
        town.world.arrive(vec![event_message(&name(9), raised(FaultCode::DoorOpening, now))]).await;
    }
    town.world.now = at(0, 4, 0, 0);
    heartbeats(&mut town, 0..2).await;
    off(&mut town, 0..8).await;
    town.letters();
    // A third incident of a unit that has its mains, and two that fall silent, of which one comes back.
    let third = at(0, 4, 1, 0);
    town.world.now = third;
    town.world.arrive(vec![event_message(&name(9), raised(FaultCode::DoorOpening, third))]).await;
    town.pass(at(0, 4, 30, 0), 30 * SECOND).await;
    assert_eq!(town.world.told("repeated_fault").await, Vec::<String>::new(), "it has left the outbox");
    assert_eq!(town.world.transitions("repeated_fault").await, ["fired"]);
    assert_eq!(town.world.transitions("silent_unit").await, ["fired", "fired"]);
    let heard = town.said();
    assert!(heard.iter().all(|line| line.ends_with(": area_power fired")), "{heard:?}");
    assert_eq!(town.world.count("select count(*) from inhibition").await, 3);
    heartbeats(&mut town, 0..1).await;
    on(&mut town, 2..8).await;
    town.pass(at(0, 4, 31, 55), 5 * SECOND).await;
    let over = town.said();
    assert!(over.iter().all(|line| line.ends_with(": area_power resolved")), "{over:?}");
    town.pass(at(0, 5, 0, 0), 5 * SECOND).await;
    let inspector: Vec<String> = town.said().into_iter().filter(|line| line.starts_with("inspector")).collect();
    assert!(
        inspector[0].contains("repeated_fault fired") && inspector[0].contains("silent_unit fired"),
        "{inspector:?}"
    );
    let story = town.planner.reader.timeline(&town.world.text("select alert from inhibition limit 1").await).await;
    let story = format!("{:?}", story.unwrap().unwrap());
    assert!(story.contains("Inhibited") && story.contains("area_power") && story.contains("estate-0"), "{story}");
}

#[tokio::test]
async fn people_who_are_trapped_and_critical_faults_are_told_though_the_power_is_out() {
    let mut town = town(10, 10).await;
    off(&mut town, 0..10).await;
    let now = town.world.now;
    for n in [1, 2] {
        town.world.arrive(vec![event_message(&name(n), event(EventType::EntrapmentReported, now))]).await;
    }
    town.turn().await;
    let said = tally(town.said());
    let expected = ["inspector", "maintainer:firm-1", "maintainer:firm-2"];
    assert_eq!(
        said.keys().map(String::as_str).collect::<Vec<_>>(),
        expected.map(|who| format!("{who}: entrapment fired"))
    );
    assert_eq!(said["inspector: entrapment fired"], 2, "each alone, and at once");
}

#[tokio::test]
async fn a_restart_during_the_event_tells_nobody_twice_and_ends_it_in_order() {
    let mut town = town(10, 10).await;
    off(&mut town, 0..10).await;
    town.pass(START + 10 * SECOND, SECOND).await;
    assert_eq!(town.letters().len(), 11);
    town.world.restart().await;
    town.pass(START + HOUR, MINUTE).await;
    assert_eq!(town.letters(), Vec::new());
    on(&mut town, 0..10).await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.letters().len(), 11);
    assert_eq!(events(&mut town).await, "area_power estate-0 10 over");
}

#[tokio::test]
async fn a_site_whose_units_never_say_that_the_mains_are_back_is_no_event_after_a_day() {
    let mut town = town(10, 10).await;
    off(&mut town, 0..10).await;
    town.pass(START + DAY - MINUTE, 30 * MINUTE).await;
    assert_eq!(events(&mut town).await, "area_power estate-0 10");
    town.pass(START + DAY + MINUTE, MINUTE).await;
    assert_eq!(events(&mut town).await, "area_power estate-0 10 over");
}

#[tokio::test]
async fn half_of_a_region_silent_at_once_is_one_message_that_we_are_blind_and_none_of_dead_units() {
    let mut town = town(60, 6).await;
    // Heartbeats are spread over a minute.
    for n in 0..60 {
        town.world.now = START + i64::try_from(n).unwrap() * SECOND;
        heartbeats(&mut town, n..n + 1).await;
    }
    town.pass(START + HOUR, 15 * SECOND).await;
    let said = tally(town.said());
    assert_eq!(said.len(), 11, "{said:?}");
    assert!(said.iter().all(|(line, times)| line.ends_with(": blind_region fired") && *times == 1), "{said:?}");
    assert_eq!(events(&mut town).await, "blind_region  60");
    town.world.restart().await;
    heartbeats(&mut town, 0..50).await;
    while town.world.now < START + 2 * HOUR {
        town.pass(town.world.now + MINUTE, MINUTE).await;
        heartbeats(&mut town, 0..50).await;
    }
    let said = town.said();
    let blind = said.iter().filter(|line| line.ends_with(": blind_region resolved")).count();
    assert_eq!(blind, 11, "{said:?}");
    let silent: Vec<&String> = said.iter().filter(|line| line.starts_with("inspector: silent_unit")).collect();
    assert_eq!(silent.len(), 1, "the ten that stayed silent, in one message: {said:?}");
    assert_eq!(silent[0].matches("silent_unit fired").count(), 10);
}

#[tokio::test]
async fn fewer_than_twenty_or_fewer_than_half_are_units_that_are_silent() {
    let mut town = town(60, 6).await;
    heartbeats(&mut town, 0..60).await;
    while town.world.now < START + 20 * MINUTE {
        town.pass(town.world.now + MINUTE, MINUTE).await;
        heartbeats(&mut town, 0..35).await;
    }
    assert_eq!(events(&mut town).await, "");
    let said = town.said();
    let inspector: Vec<&String> = said.iter().filter(|line| line.starts_with("inspector: silent_unit")).collect();
    assert_eq!(inspector.len(), 1, "{said:?}");
}

#[tokio::test]
async fn a_sensor_that_flaps_tells_once() {
    let mut town = town(1, 1).await;
    let code = FaultCode::UnintendedCarMovement;
    while town.world.now < START + HOUR {
        let now = town.world.now;
        town.world.arrive(vec![event_message(&name(0), raised(code, now))]).await;
        town.pass(now + 10 * SECOND, 5 * SECOND).await;
        let now = town.world.now;
        town.world.arrive(vec![event_message(&name(0), cleared(code, now))]).await;
        town.pass(now + 10 * SECOND, 5 * SECOND).await;
    }
    let said = town.said();
    assert_eq!(said.iter().filter(|line| line.starts_with("inspector: critical_fault fired")).count(), 1);
}

#[tokio::test]
async fn eight_thousand_units_lose_their_mains_within_ten_seconds() {
    const UNITS: usize = 8_000;
    let mut town = town(UNITS, 20).await;
    heartbeats(&mut town, 0..UNITS).await;
    let per_second = UNITS / 10;
    for second in 0..10 {
        let now = START + i64::try_from(second).unwrap() * SECOND;
        town.pass(now, SECOND).await;
        off(&mut town, second * per_second..(second + 1) * per_second).await;
        if second == 3 {
            let trapped = [5, 25].map(|n| event_message(&name(n), event(EventType::EntrapmentReported, now)));
            town.world.arrive(trapped.to_vec()).await;
            town.turn().await;
        }
    }
    town.pass(START + 10 * SECOND, SECOND).await;
    let letters = town.letters();
    let entrapments = letters.iter().filter(|letter| letter.says()[0] == "entrapment fired").count();
    assert_eq!(entrapments, 4, "two to the inspector, two to the firm");
    let first: Vec<_> = letters.iter().filter(|letter| letter.says()[0] == "area_power fired").collect();
    assert_eq!(first.len(), 11, "each receiver once");
    assert!(first.iter().all(|letter| letter.at < START + 10 * SECOND), "the first in under ten seconds");
    let inspector = first.iter().find(|letter| letter.receiver == "inspector").unwrap();
    assert!(inspector.message.count > 20 && inspector.message.items.len() == 20);
    // All of them fall silent; after the interval comes the rest, and then nothing.
    town.pass(START + 12 * MINUTE, MINUTE).await;
    let rest = tally(town.letters().iter().map(|letter| format!("{} {}", letter.receiver, letter.says()[0])).collect());
    assert!(rest.iter().all(|(line, times)| line.ends_with("area_power fired") && *times == 1), "{rest:?}");
    assert_eq!(town.world.count("select sum(units) from area_event").await, 8_000);
    assert_eq!(town.world.count("select count(*) from inhibition").await, 8_000);
    // The power returns.
    for second in 0..10 {
        town.pass(town.world.now + SECOND, SECOND).await;
        heartbeats(&mut town, second * per_second..(second + 1) * per_second).await;
        on(&mut town, second * per_second..(second + 1) * per_second).await;
    }
    for _ in 0..7 {
        heartbeats(&mut town, 0..UNITS).await;
        town.pass(town.world.now + MINUTE, MINUTE).await;
    }
    let end = tally(town.letters().iter().map(|letter| format!("{} {}", letter.receiver, letter.says()[0])).collect());
    assert!(end.iter().all(|(line, times)| line.ends_with("area_power resolved") && *times <= 2), "{end:?}");
    assert_eq!(town.world.count("select count(*) from area_event where ends_at is null").await, 0);
}

#[tokio::test]
async fn units_that_fell_silent_without_mains_do_not_make_a_region_blind_though_their_sites_are_too_small_for_an_event()
{
    let mut town = town(60, 3).await;
    heartbeats(&mut town, 0..60).await;
    off(&mut town, 0..60).await;
    // Two thirds of the controllers have no battery.
    while town.world.now < START + 10 * MINUTE {
        town.pass(town.world.now + MINUTE, MINUTE).await;
        heartbeats(&mut town, 0..20).await;
    }
    let silent = "select count(*) from alert where rule = 'silent_unit' and state = 'firing'";
    assert_eq!(town.world.count(silent).await, 40);
    assert_eq!(events(&mut town).await, "");
}
