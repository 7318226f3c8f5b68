//! The daemon's clock is set back by hours while something is to be told.

use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{HOUR, MINUTE, SECOND};
use liftwatch::notify::planner::Policy;

use super::{Town, route, to_firms};
use crate::world::{START, event, event_message, raised, unit};

#[tokio::test]
async fn a_message_that_was_made_before_the_clock_was_set_back_is_sent_at_once() {
    let mut town = Town::new(to_firms()).await;
    town.world.now = START + 5 * HOUR;
    town.world.tell(event(EventType::EntrapmentReported, START + 5 * HOUR)).await;
    town.plan().await;
    town.world.now = START + HOUR;
    town.send().await;
    assert_eq!(town.said(), ["maintainer:firm-1: entrapment fired"]);
}

#[tokio::test]
async fn what_waits_for_its_group_is_told_within_an_interval_of_the_new_time() {
    let mut grouped = route(&[], "duty");
    grouped.group_wait = 30 * SECOND;
    let mut town = Town::new(Policy { routes: vec![grouped], ..Policy::default() }).await;
    town.world.now = START + 5 * HOUR;
    town.world.tell(raised(FaultCode::UnintendedCarMovement, START + 5 * HOUR)).await;
    town.turn().await;
    assert_eq!(town.said(), Vec::<String>::new(), "it waits for others");
    town.world.now = START + HOUR;
    town.turn().await;
    assert_eq!(town.said(), ["duty: critical_fault fired"]);
}

#[tokio::test]
async fn a_group_that_was_told_before_the_clock_was_set_back_is_told_again_within_an_interval_of_the_new_time() {
    let mut town = Town::new(Policy { routes: vec![route(&[], "duty")], ..Policy::default() }).await;
    town.world.register(vec![unit("lift-2")]).await;
    town.world.now = START + 5 * HOUR;
    town.world.tell(raised(FaultCode::UnintendedCarMovement, START + 5 * HOUR)).await;
    town.turn().await;
    assert_eq!(town.said(), ["duty: critical_fault fired"]);
    town.world.now = START + HOUR;
    let second = event_message("lift-2", raised(FaultCode::UnintendedCarMovement, START + HOUR));
    town.world.arrive(vec![second]).await;
    town.turn().await;
    assert_eq!(town.said(), Vec::<String>::new());
    town.pass(START + HOUR + 5 * MINUTE, 10 * SECOND).await;
    assert_eq!(town.said(), ["duty: critical_fault fired"]);
}
