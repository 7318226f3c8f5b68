//! Receivers that do not take what they are told: retries, dead letters, resending by hand, leases.

use std::collections::BTreeSet;
use std::time::Duration;

use liftwatch::domain::event::EventType;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::notify::planner::Policy;
use liftwatch::notify::sink::Answer;
use liftwatch::pipeline::action::{Action, Done};

use super::{Town, route, to_firms};
use crate::world::{START, event};

const FIRM: &str = "maintainer:firm-1";

fn unavailable() -> Answer {
    Answer::Retry { status: Some(503), detail: "down".to_owned(), after: None }
}

async fn trapped(policy: Policy) -> Town {
    let mut town = Town::new(policy).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town
}

fn with_operator() -> Policy {
    Policy { operator: Some("duty".to_owned()), ..to_firms() }
}

/// When the firm was tried, from the first try on, in seconds.
fn tries(town: &Town) -> Vec<i64> {
    town.letters()
        .iter()
        .filter(|letter| letter.receiver == FIRM && letter.message.kind == "alerts")
        .map(|letter| (letter.at - (START + MINUTE)) / SECOND)
        .collect()
}

#[tokio::test]
async fn a_receiver_that_is_down_is_tried_ever_more_seldom_and_then_told_under_the_same_key() {
    let mut town = trapped(to_firms()).await;
    town.answers(FIRM, unavailable());
    town.turn().await;
    town.pass(START + MINUTE + 40 * SECOND, SECOND).await;
    town.answers(FIRM, Answer::Delivered { status: Some(200) });
    town.pass(START + 5 * MINUTE, SECOND).await;
    let letters = town.letters();
    let times: Vec<i64> = letters.iter().map(|letter| (letter.at - (START + MINUTE)) / SECOND).collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63]);
    let keys: BTreeSet<&str> = letters.iter().map(|letter| letter.key.as_str()).collect();
    assert_eq!(keys.len(), 1, "one key for all tries");
    assert_eq!(letters.iter().map(|letter| letter.attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        town.world.text("select group_concat(outcome) from attempt").await,
        "retry,retry,retry,retry,retry,retry,delivered"
    );
}

#[tokio::test]
async fn a_receiver_that_names_a_time_is_not_tried_before() {
    let mut town = trapped(to_firms()).await;
    let after = Some(Duration::from_secs(90));
    town.answers(FIRM, Answer::Retry { status: Some(429), detail: String::new(), after });
    town.turn().await;
    town.pass(START + 4 * MINUTE + 30 * SECOND, SECOND).await;
    assert_eq!(tries(&town), [0, 90, 180]);
}

#[tokio::test]
async fn a_message_that_is_not_wanted_is_given_up_after_an_hour_and_the_operator_hears_of_it() {
    let mut town = trapped(with_operator()).await;
    town.answers(FIRM, Answer::Refused { status: Some(400), detail: "no such room".to_owned() });
    town.turn().await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    let letters = town.letters();
    let firm: Vec<i64> =
        letters.iter().filter(|letter| letter.receiver == FIRM).map(|letter| (letter.at - START) / MINUTE).collect();
    assert_eq!(firm, [1, 31, 61]);
    let duty: Vec<_> = letters.iter().filter(|letter| letter.receiver == "duty").collect();
    assert_eq!(duty.len(), 1);
    assert_eq!(duty[0].message.kind, "operator");
    assert!(duty[0].message.en.contains("no such room"), "{}", duty[0].message.en);
    assert_eq!(town.world.count("select count(*) from delivery where state = 'dead'").await, 1);
}

#[tokio::test]
async fn after_72_hours_without_an_answer_a_message_is_given_up() {
    let mut town = trapped(with_operator()).await;
    town.answers(FIRM, unavailable());
    town.turn().await;
    let given_up = "select count(*) from delivery d join notification n on n.id = d.notification \
         where d.state = 'dead' and n.kind = 'alerts'";
    town.pass(START + 71 * HOUR, 15 * MINUTE).await;
    assert_eq!(town.world.count(given_up).await, 0);
    town.pass(START + 73 * HOUR, 15 * MINUTE).await;
    assert_eq!(town.world.count(given_up).await, 1);
    assert!(town.said().contains(&"duty: operator".to_owned()));
}

#[tokio::test]
async fn the_death_of_a_message_to_the_operator_is_told_to_nobody() {
    let mut town = trapped(with_operator()).await;
    town.answers(FIRM, Answer::Gone { status: Some(410), detail: "gone".to_owned() });
    town.answers("duty", Answer::Gone { status: Some(410), detail: "gone".to_owned() });
    town.turn().await;
    town.pass(START + HOUR, MINUTE).await;
    let duty = town.letters().into_iter().filter(|letter| letter.receiver == "duty").count();
    assert_eq!(duty, 1);
    assert_eq!(town.world.count("select count(*) from delivery where state = 'dead' and dead_told = 0").await, 0);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_tried_again_until_a_person_says_so() {
    let mut town = trapped(to_firms()).await;
    town.answers(FIRM, Answer::Gone { status: Some(410), detail: "moved away".to_owned() });
    town.turn().await;
    town.world.tell(event(EventType::PassengerReleased, START + 5 * MINUTE)).await;
    town.turn().await;
    assert_eq!(tries(&town), [0], "the second is dead at its birth");
    assert_eq!(town.world.count("select count(*) from delivery where state = 'dead'").await, 2);
    town.answers(FIRM, Answer::Delivered { status: Some(200) });
    let dead = town.world.text("select min(id) from delivery").await;
    let now = town.world.now;
    let resend = Action::Resend { delivery: dead };
    assert_eq!(town.world.pipeline().act(&resend, now).await.unwrap().0, Done::Resending);
    assert_eq!(town.world.pipeline().act(&resend, now).await.unwrap().0, Done::NotDead);
    town.turn().await;
    assert_eq!(tries(&town), [4 * 60]);
    let unknown = Action::Resend { delivery: "d-0".to_owned() };
    assert_eq!(town.world.pipeline().act(&unknown, now).await.unwrap().0, Done::UnknownDelivery);
    town.world.tell(event(EventType::EntrapmentReported, now + DAY)).await;
    town.turn().await;
    assert!(town.said().contains(&format!("{FIRM}: entrapment fired")), "its way is open again");
}

#[tokio::test]
async fn a_receiver_that_the_configuration_does_not_have_leaves_a_dead_letter_and_no_silence() {
    let policy = Policy { routes: vec![route(&[], "nobody")], operator: Some("duty".to_owned()), ..Policy::default() };
    let mut town = trapped(policy).await;
    town.turn().await;
    town.turn().await;
    assert_eq!(town.said(), ["duty: operator"]);
    assert_eq!(town.world.count("select count(*) from delivery where state = 'dead'").await, 1);
}

#[tokio::test]
async fn one_receiver_that_is_down_keeps_no_other_back() {
    let mut first = route(&[], "down");
    first.continues = true;
    let mut town = trapped(Policy { routes: vec![first, route(&[], "up")], ..Policy::default() }).await;
    town.answers("down", unavailable());
    town.turn().await;
    town.world.tell(event(EventType::PassengerReleased, START + 2 * MINUTE)).await;
    town.turn().await;
    let said = town.said();
    assert!(said.contains(&"up: entrapment fired".to_owned()) && said.contains(&"up: entrapment resolved".to_owned()));
}

#[tokio::test]
async fn what_is_leased_is_not_claimed_twice_until_the_lease_ends() {
    let mut town = trapped(to_firms()).await;
    town.plan().await;
    assert_eq!(town.claim().await.len(), 1);
    assert_eq!(town.claim().await.len(), 0);
    town.world.now = town.world.now + 61 * SECOND;
    let again = town.claim().await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].attempts, 0, "nobody has reported a try");
}

#[tokio::test]
async fn a_restart_ends_leases_and_sends_again_under_the_same_key() {
    let mut town = trapped(to_firms()).await;
    town.plan().await;
    let before = town.claim().await;
    town.world.restart().await;
    let after = town.claim().await;
    assert_eq!((after.len(), &after[0].id), (1, &before[0].id));
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_a_lease() {
    let mut town = trapped(to_firms()).await;
    town.plan().await;
    assert_eq!(town.claim().await.len(), 1);
    town.world.meddle("update delivery set lease_until = lease_until + 3600000").await;
    let now: Timestamp = town.world.now;
    let rooms = vec![liftwatch::store::deliveries::Room {
        receiver: FIRM.to_owned(),
        sink: "recording-0".to_owned(),
        deliveries: 10,
        folded: false,
    }];
    let action = Action::Deliver { reported: Vec::new(), rooms };
    let (done, _) = town.world.pipeline().act(&action, now).await.unwrap();
    assert!(matches!(done, Done::Claimed(claimed) if claimed.len() == 1));
}
