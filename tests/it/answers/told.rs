//! Answers and silences as receivers notice them: who is reminded, who is spared, and what is told when that ends.

use liftwatch::domain::event::EventType;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::notify::silence;
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::answers::{Received, Silence as Wish, Silenced};

use super::say;
use crate::telling::{Town, to_firms};
use crate::world::{START, event};

const STEP: i64 = 10 * MINUTE;
/// When the people are trapped.
const TRAPPED: Timestamp = Timestamp(START.0 + MINUTE);

/// The firm has been told that people are trapped; it is reminded every four hours.
async fn told() -> (Town, String) {
    let mut town = Town::new(to_firms()).await;
    town.world.tell(event(EventType::EntrapmentReported, TRAPPED)).await;
    town.turn().await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    (town, letters[0].key.clone())
}

/// The kind and time of everything about the entrapment that came since the last look.
async fn kinds(town: &Town) -> Vec<(String, i64)> {
    let letters = town.letters().into_iter().filter(|letter| letter.says()[0].starts_with("entrapment"));
    letters.map(|letter| (letter.message.kind, (letter.at - START) / MINUTE)).collect()
}

async fn silence(town: &mut Town, ends_at: Timestamp) -> String {
    let wish = Wish {
        matchers: silence::stored(&silence::written(&["rule=entrapment"]).unwrap()),
        by: "Lin".to_owned(),
        why: "drill".to_owned(),
        starts_at: town.world.now,
        ends_at,
    };
    let now = town.world.now;
    match town.world.pipeline().act(&Action::Silence(wish), now).await.unwrap().0 {
        Done::Silenced(Silenced::Begun(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_has_answered_is_not_reminded_until_the_answer_expires() {
    let (mut town, _) = told().await;
    town.pass(START + HOUR, STEP).await;
    say(&mut town.world, AnswerKind::Acknowledged, Some(START + 6 * HOUR)).await;
    town.pass(START + 6 * HOUR - 1, STEP).await;
    assert_eq!(kinds(&town).await, []);
    assert_eq!(town.wake, Some(START + 6 * HOUR));
    town.pass(START + 6 * HOUR, 1).await;
    assert_eq!(kinds(&town).await, [("reminder".to_owned(), 360)]);
}

#[tokio::test]
async fn an_answer_without_an_end_that_is_followed_by_one_with_an_end_ends_with_it() {
    let (mut town, _) = told().await;
    say(&mut town.world, AnswerKind::Acknowledged, None).await;
    town.pass(START + 5 * HOUR, STEP).await;
    say(&mut town.world, AnswerKind::Acknowledged, Some(START + 6 * HOUR)).await;
    town.pass(START + 6 * HOUR - MINUTE, STEP).await;
    assert_eq!(kinds(&town).await, []);
    town.pass(START + 7 * HOUR, STEP).await;
    assert_eq!(kinds(&town).await.len(), 1);
}

#[tokio::test]
async fn a_link_pressed_ends_the_reminders_and_a_note_does_not() {
    let (mut town, key) = told().await;
    say(&mut town.world, AnswerKind::Note, None).await;
    town.pass(START + 5 * HOUR, STEP).await;
    assert_eq!(kinds(&town).await.len(), 1);
    let now = town.world.now;
    let receive = Action::Receive { delivery: key, expires_at: None };
    let done = town.world.pipeline().act(&receive, now).await.unwrap().0;
    assert_eq!(done, Done::Received(Received::Recorded(1)));
    town.pass(START + 20 * HOUR, STEP).await;
    assert_eq!(kinds(&town).await, []);
}

#[tokio::test]
async fn what_fires_under_a_silence_is_told_when_it_ends_and_what_is_over_by_then_is_not() {
    let mut town = Town::new(to_firms()).await;
    silence(&mut town, START + 2 * HOUR).await;
    town.world.tell(event(EventType::EntrapmentReported, TRAPPED)).await;
    town.turn().await;
    assert_eq!(town.wake, Some(START + 2 * HOUR));
    town.pass(START + 2 * HOUR - SECOND, STEP).await;
    assert_eq!(kinds(&town).await, []);
    town.pass(START + 2 * HOUR, SECOND).await;
    assert_eq!(kinds(&town).await, [("alerts".to_owned(), 120)]);

    let mut town = Town::new(to_firms()).await;
    silence(&mut town, START + 2 * HOUR).await;
    town.world.tell(event(EventType::EntrapmentReported, TRAPPED)).await;
    town.turn().await;
    town.world.tell(event(EventType::PassengerReleased, START + HOUR)).await;
    town.turn().await;
    town.pass(START + 3 * HOUR, STEP).await;
    assert_eq!(kinds(&town).await, []);
    assert_eq!(town.world.count("select count(*) from pending").await, 0);
}

#[tokio::test]
async fn a_silence_ended_by_hand_lets_through_at_once_what_it_held() {
    let mut town = Town::new(to_firms()).await;
    let id = silence(&mut town, START + 20 * HOUR).await;
    town.world.tell(event(EventType::EntrapmentReported, TRAPPED)).await;
    town.pass(START + HOUR, STEP).await;
    assert_eq!(kinds(&town).await, []);
    let now = town.world.now;
    town.world.pipeline().act(&Action::EndSilence { id, by: "Chen".to_owned() }, now).await.unwrap();
    town.turn().await;
    assert_eq!(kinds(&town).await, [("alerts".to_owned(), 60)]);
}

#[tokio::test]
async fn a_silence_of_what_was_told_spares_reminders_until_it_ends_and_survives_a_restart() {
    let (mut town, _) = told().await;
    let id = silence(&mut town, START + 20 * HOUR).await;
    town.pass(START + 5 * HOUR, STEP).await;
    town.world.restart().await;
    town.pass(START + 9 * HOUR, STEP).await;
    assert_eq!(kinds(&town).await, []);
    let now = town.world.now;
    town.world.pipeline().act(&Action::EndSilence { id, by: "Chen".to_owned() }, now).await.unwrap();
    town.turn().await;
    assert_eq!(kinds(&town).await, [("reminder".to_owned(), 540)]);
}
