//! `over_age`: information at 13 and 14 years in use, a warning at 15; by the registry and the calendar alone.

use jiff::civil::{Date, date};
use liftwatch::detect::Settings;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::domain::unit::Unit;

use super::{MS, heartbeat, tell_faults};
use crate::world::{START, UNIT, World, day, unit};

const RULE: &str = "over_age";

fn since(day: Date) -> Unit {
    Unit { in_service_since: Some(day), ..unit(UNIT) }
}

async fn in_use_since(day: Date) -> World {
    let mut world = World::new().await;
    world.register(vec![since(day)]).await;
    world
}

/// Midnight in Asia/Shanghai.
fn midnight(day: &str) -> Timestamp {
    Timestamp::parse(&format!("{day}T00:00:00+08:00")).unwrap()
}

async fn severity(world: &mut World) -> String {
    world.alerts(RULE).await[0].severity.clone()
}

#[tokio::test]
async fn fires_as_information_at_midnight_of_the_thirteenth_birthday_where_the_unit_stands() {
    let mut world = in_use_since(date(2013, 3, 15)).await;
    let birthday = midnight("2026-03-15");
    world.pass_until(birthday - MS).await;
    assert_eq!(world.episodes(RULE).await, [], "does not fire before it");
    world.pass_until(birthday).await;
    assert_eq!(world.episodes(RULE).await, [(birthday, None, true)]);
    assert_eq!(severity(&mut world).await, "info");
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn gives_notice_again_at_fourteen_and_warns_at_fifteen_in_one_alert() {
    let mut world = in_use_since(date(2013, 3, 15)).await;
    let mut seen = Vec::new();
    for birthday in ["2026-03-15", "2027-03-15", "2028-03-15", "2029-03-15"] {
        world.pass_until(midnight(birthday) - MS).await;
        seen.push(world.told(RULE).await.len());
        world.pass_until(midnight(birthday)).await;
        seen.push(world.told(RULE).await.len());
    }
    assert_eq!(seen, [0, 1, 1, 2, 2, 3, 3, 3], "told at each birthday, and at sixteen no more");
    assert_eq!(world.told(RULE).await, ["fired", "escalated", "escalated"]);
    assert_eq!(world.alerts(RULE).await.len(), 1);
    assert_eq!(severity(&mut world).await, "warning");
}

#[tokio::test]
async fn a_unit_that_is_over_age_at_its_import_fires_once_with_the_start_that_the_law_gives_it() {
    let mut world = in_use_since(date(2005, 7, 1)).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2018-07-01"), None, true)]);
    assert_eq!(severity(&mut world).await, "warning");
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_unit_of_the_twenty_ninth_of_february_has_its_birthday_on_the_twenty_eighth() {
    let mut world = in_use_since(date(2012, 2, 29)).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2025-02-28"), None, true)]);
    world.pass_until(midnight("2026-02-28") - MS).await;
    assert_eq!(world.told(RULE).await, ["fired"]);
    world.pass_until(midnight("2026-02-28")).await;
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

#[tokio::test]
async fn a_unit_without_a_date_of_use_is_not_judged() {
    let mut world = World::new().await;
    world.pass_until(day(3_000)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn fires_once_though_the_registry_is_imported_again_and_the_unit_has_faults() {
    let mut world = in_use_since(date(2005, 7, 1)).await;
    world.register(vec![since(date(2005, 7, 1))]).await;
    world.register(vec![Unit { site: "site-2".to_owned(), ..since(date(2005, 7, 1)) }]).await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[START - MS, day(1), day(2)]).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2018-07-01"), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_corrected_date_of_use_that_makes_the_unit_young_withdraws_the_alert() {
    let mut world = in_use_since(date(2005, 7, 1)).await;
    world.register(vec![since(date(2015, 7, 1))]).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn"]);
    world.pass_until(midnight("2028-07-01")).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2028-07-01"), None, true)], "its own birthday still comes");
}

#[tokio::test]
async fn a_corrected_date_of_use_among_the_old_moves_the_start_of_the_same_alert() {
    let mut world = in_use_since(date(2005, 7, 1)).await;
    world.register(vec![since(date(2004, 7, 1))]).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2017-07-01"), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn age_does_not_recover_so_silence_and_being_heard_change_nothing() {
    let mut world = in_use_since(date(2005, 7, 1)).await;
    heartbeat(&mut world, day(1)).await;
    world.pass_until(day(10)).await;
    heartbeat(&mut world, day(11)).await;
    assert_eq!(world.episodes(RULE).await, [(midnight("2018-07-01"), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn survives_a_restart_over_a_birthday() {
    let mut world = in_use_since(date(2011, 3, 15)).await;
    assert_eq!(severity(&mut world).await, "info");
    world.now = midnight("2026-03-16");
    world.restart().await;
    world.pass_until(midnight("2026-03-16")).await;
    assert_eq!(severity(&mut world).await, "warning");
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

#[tokio::test]
async fn the_years_are_those_of_the_settings_and_no_notice_comes_after_the_limit() {
    let mut settings = Settings::default();
    settings.over_age.notice_years = vec![30, 19];
    settings.over_age.limit_years = 20;
    let mut world = World::with(settings).await;
    world.register(vec![since(date(2007, 3, 15))]).await;
    world.pass_until(midnight("2026-03-15")).await;
    assert_eq!(severity(&mut world).await, "info");
    world.pass_until(midnight("2027-03-15")).await;
    assert_eq!(severity(&mut world).await, "warning");
    world.pass_until(midnight("2037-03-15")).await;
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}
