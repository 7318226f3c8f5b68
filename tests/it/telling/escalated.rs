//! Nobody answers: the next in the ladder is told, each step once, and hears of the end.

use liftwatch::domain::event::EventType;
use liftwatch::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::notify::escalation::{After, Ladder, Step, Unless};
use liftwatch::notify::planner::Policy;
use liftwatch::notify::route::Name;

use super::{Town, to_firms};
use crate::world::{START, event};

fn step(after: After, receiver: &str, unless: Unless) -> Step {
    Step { after, receiver: Name::parse(receiver).unwrap(), unless }
}

/// Firm first; after three minutes without an answer the owner, without anybody on site in time the inspector.
fn with_ladder() -> Policy {
    let steps = vec![
        step(After::Period(3 * MINUTE), "owner:{owner}", Unless::Answered),
        step(After::OnSite, "inspector", Unless::Arrived),
    ];
    let ladders = vec![Ladder { matchers: vec!["rule=entrapment".parse().unwrap()], steps }];
    Policy { ladders, ..to_firms() }
}

#[tokio::test]
async fn an_entrapment_that_nobody_answers_climbs_the_ladder_at_its_deadlines_and_everybody_hears_of_its_end() {
    let mut town = Town::new(with_ladder()).await;
    let began = START + MINUTE;
    town.world.tell(event(EventType::EntrapmentReported, began)).await;
    town.turn().await;
    assert_eq!(town.wake, Some(began + 3 * MINUTE));
    town.pass(began + 2 * HOUR, 30 * SECOND).await;
    let heard: Vec<(String, String, Timestamp)> =
        town.letters().into_iter().map(|letter| (letter.receiver, letter.message.kind, letter.at)).collect();
    // The unit's region is a county, where somebody must be on site within 60 minutes.
    let expected = [
        ("maintainer:firm-1", "alerts", began),
        ("owner:owner-1", "escalation", began + 3 * MINUTE),
        ("inspector", "escalation", began + HOUR),
    ];
    assert_eq!(heard, expected.map(|(receiver, kind, at)| (receiver.to_owned(), kind.to_owned(), at)));
    assert_eq!(
        town.world.text("select group_concat(step || ' ' || receiver || ' ' || why, '; ') from escalation").await,
        "0 owner:owner-1 answered; 1 inspector arrived"
    );
    let now = town.world.now;
    town.world.tell(event(EventType::PassengerReleased, now)).await;
    town.turn().await;
    let mut said = town.said();
    said.sort();
    assert_eq!(
        said,
        [
            "inspector: entrapment resolved",
            "maintainer:firm-1: entrapment resolved",
            "owner:owner-1: entrapment resolved"
        ]
    );
    town.pass(now + HOUR, 5 * MINUTE).await;
    assert_eq!(town.world.count("select count(*) from ladder").await, 0, "the ladder is over");
    assert_eq!(town.world.count("select count(*) from told_alert").await, 0);
}

#[tokio::test]
async fn an_entrapment_that_ends_in_time_climbs_no_ladder() {
    let mut town = Town::new(with_ladder()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    town.world.tell(event(EventType::PassengerReleased, START + 3 * MINUTE)).await;
    town.turn().await;
    town.letters();
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.said(), Vec::<String>::new());
    assert_eq!(town.world.count("select count(*) from escalation").await, 0);
}

#[tokio::test]
async fn a_restart_takes_no_step_twice() {
    let mut town = Town::new(with_ladder()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    town.pass(START + 5 * MINUTE, 30 * SECOND).await;
    town.world.restart().await;
    town.pass(START + 10 * MINUTE, 30 * SECOND).await;
    let owner = town.letters().into_iter().filter(|letter| letter.receiver == "owner:owner-1").count();
    assert_eq!(owner, 1);
}
