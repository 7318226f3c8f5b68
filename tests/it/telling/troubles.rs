//! What the operator is told of publishers who speak for others' units, and of client ids that are taken.

use liftwatch::decode::Decoder;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::notify::planner::Policy;
use liftwatch::pipeline::message::Arrival;

use super::{Town, to_firms};
use crate::world::{START, UNIT, region};

fn with_operator() -> Policy {
    Policy { operator: Some("duty".to_owned()), public_url: Some("https://lifts.example".to_owned()), ..to_firms() }
}

/// What `publisher` tells of the unit, which the registry gives to another.
fn from(publisher: &str, at: Timestamp) -> Arrival {
    told_by(&format!("lift/v1/350582/{publisher}/{UNIT}/event"), at)
}

/// A fault by this topic, at the broker of the test's region.
fn told_by(topic: &str, at: Timestamp) -> Arrival {
    let topic = topic.to_owned();
    let payload = format!(r#"{{"ts":"{at}","type":"fault_raised","code":"door_closing"}}"#);
    let decoded = Decoder::new(&[], &[region()]).unwrap().decode(&region(), &topic, payload.as_bytes());
    Arrival { region: region(), topic, payload: payload.into(), received_at: at, decoded }
}

impl Town {
    async fn foreign(&mut self, publisher: &str) {
        let now = self.world.now;
        self.world.arrive(vec![from(publisher, now)]).await;
        self.turn().await;
    }

    async fn tells(&mut self, topic: &str) {
        let now = self.world.now;
        self.world.arrive(vec![told_by(topic, now)]).await;
        self.turn().await;
    }

    /// What the operator heard: (when, in English).
    fn duty(&self) -> Vec<(Timestamp, String)> {
        self.letters().into_iter().map(|letter| (letter.at, letter.message.en)).collect()
    }
}

#[tokio::test]
async fn a_publisher_who_speaks_for_anothers_unit_is_told_of_once_a_day_with_the_count() {
    let mut town = Town::new(with_operator()).await;
    town.foreign("maker-9").await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    let message = &letters[0].message;
    assert_eq!((letters[0].receiver.as_str(), message.kind.as_str()), ("duty", "operator"));
    let said = format!("maker-9 (1 messages, 1 units such as {UNIT})");
    assert!(message.en.contains(&said), "{}", message.en);
    let said = format!("maker-9（1 条消息，1 台电梯，如 {UNIT}）");
    assert!(message.zh.contains(&said), "{}", message.zh);
    assert_eq!(message.link.as_deref(), Some("https://lifts.example/quarantine?reason=foreign_unit"));

    for _ in 0..3 {
        town.world.now = town.world.now + HOUR;
        town.foreign("maker-9").await;
    }
    assert_eq!(town.duty(), []);
    assert_eq!(town.wake, Some(START + DAY));
    town.pass(START + DAY, HOUR).await;
    let duty = town.duty();
    assert_eq!(duty.len(), 1);
    assert!(duty[0].1.contains("maker-9 (3 messages"), "{duty:?}");
    town.pass(START + 4 * DAY, HOUR).await;
    assert_eq!(town.duty(), [], "nothing new");
}

#[tokio::test]
async fn another_publisher_is_told_of_five_minutes_later_and_several_in_one_message() {
    let mut town = Town::new(with_operator()).await;
    town.foreign("maker-7").await;
    town.world.now = START + SECOND;
    town.foreign("maker-8").await;
    town.foreign("maker-9").await;
    assert_eq!(town.duty().len(), 1);
    town.pass(START + 10 * MINUTE, MINUTE).await;
    let duty = town.duty();
    assert_eq!(duty.len(), 1);
    assert!(duty[0].0 >= START + 5 * MINUTE && duty[0].1.contains("2 publishers"), "{duty:?}");
    assert!(duty[0].1.contains("maker-8") && duty[0].1.contains("maker-9"), "{duty:?}");
}

#[tokio::test]
async fn units_that_the_registry_lacks_are_told_of_once_a_day_as_long_as_they_tell_something() {
    let mut town = Town::new(with_operator()).await;
    town.tells("lift/v1/350582/maker-1/X-1/event").await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    let message = &letters[0].message;
    assert!(message.en.contains("maker-1 (1 messages, 1 units such as X-1)"), "{}", message.en);
    assert!(message.zh.contains("maker-1（1 条消息，1 台电梯，如 X-1）"), "{}", message.zh);
    assert_eq!(message.link.as_deref(), Some("https://lifts.example/quarantine#strangers"));

    town.world.now = town.world.now + HOUR;
    town.tells("lift/v1/350582/maker-1/X-2/event").await;
    town.tells("lift/v1/350582/maker-1/X-3/event").await;
    assert_eq!(town.duty(), [], "once a day");
    town.pass(START + DAY, HOUR).await;
    let duty = town.duty();
    assert_eq!(duty.len(), 1);
    assert!(duty[0].1.contains("maker-1 (2 messages, 2 units such as X-2)"), "{duty:?}");
    town.pass(START + 4 * DAY, HOUR).await;
    assert_eq!(town.duty(), [], "they say nothing any more");
    town.tells("lift/v1/350582/maker-1/X-1/event").await;
    assert!(town.duty()[0].1.contains("1 units such as X-1"), "it tells again");
}

#[tokio::test]
async fn messages_of_another_regions_units_are_told_of_once_a_day() {
    let mut town = Town::new(with_operator()).await;
    town.tells("lift/v1/350583/maker-5/N-1/event").await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    let message = &letters[0].message;
    assert!(message.en.contains("another region") && message.en.contains("maker-5 (1 messages, 1 units such as N-1)"));
    assert!(message.zh.contains("maker-5（1 条消息，1 台电梯，如 N-1）"), "{}", message.zh);
    assert_eq!(message.link.as_deref(), Some("https://lifts.example/quarantine?reason=foreign_region"));
    town.world.now = town.world.now + HOUR;
    town.tells("lift/v1/350583/maker-5/N-2/event").await;
    assert_eq!(town.duty(), []);
    // A publisher that cannot be read has no name.
    town.tells("lift/v1/350583/may be/N-2/event").await;
    town.pass(START + DAY, HOUR).await;
    let all: String = town.duty().into_iter().map(|(_, text)| text).collect();
    assert!(all.contains("? (1 messages") && all.contains("maker-5 (1 messages, 1 units such as N-2)"), "{all}");
}

#[tokio::test]
async fn without_an_operator_nobody_is_told_and_the_one_who_comes_hears_all_of_it() {
    let mut town = Town::new(to_firms()).await;
    town.foreign("maker-9").await;
    town.world.now = START + 3 * DAY;
    town.foreign("maker-9").await;
    assert_eq!(town.duty(), []);
    town.planner.policy = with_operator();
    town.turn().await;
    assert!(town.duty()[0].1.contains("maker-9 (2 messages"));
}

#[tokio::test]
async fn a_client_id_that_is_taken_is_told_of_once_a_day_while_it_goes_on() {
    let mut town = Town::new(with_operator()).await;
    town.turn().await;
    assert_eq!(town.duty(), []);
    for hour in 0..30 {
        town.line.note_takeover(town.world.now);
        town.pass(START + (hour + 1) * HOUR, HOUR).await;
    }
    town.pass(START + 5 * DAY, HOUR).await;
    let duty = town.duty();
    let times: Vec<Timestamp> = duty.iter().map(|told| told.0).collect();
    assert_eq!(times, [START + HOUR, START + HOUR + DAY, START + HOUR + 2 * DAY], "{duty:?}");
    assert!(duty[0].1.contains("350582 (1 times)"), "{duty:?}");
}

#[tokio::test]
async fn a_clock_that_was_set_back_holds_no_trouble_and_no_heartbeat_back() {
    let heartbeat = Some(("duty".to_owned(), DAY));
    let mut town = Town::new(Policy { heartbeat, ..with_operator() }).await;
    town.world.now = START + 100 * DAY;
    town.foreign("maker-9").await;
    assert_eq!(town.duty().len(), 2);
    town.world.now = START;
    town.foreign("maker-9").await;
    assert_eq!(town.duty().len(), 2);
    town.turn().await;
    assert_eq!(town.duty().len(), 0);
}
