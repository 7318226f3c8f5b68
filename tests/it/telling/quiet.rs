//! People answer, and people silence: who is not told, not reminded, not told next, and when that ends.

use liftwatch::domain::event::EventType;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::notify::escalation::{After, Ladder, Step, Unless};
use liftwatch::notify::planner::Policy;
use liftwatch::notify::route::Name;
use liftwatch::pipeline::action::Action;
use liftwatch::pipeline::answers::{Answer, Silence};

use super::{Town, to_firms};
use crate::world::{START, event};

async fn trapped(policy: Policy) -> Town {
    let mut town = Town::new(policy).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town
}

impl Town {
    async fn answer(&mut self, kind: AnswerKind, expires_at: Option<Timestamp>) {
        let alert = self.world.text("select id from alert where rule = 'entrapment'").await;
        let answer = Answer { alert, kind, by: "Wang".to_owned(), note: String::new(), expires_at };
        let now = self.world.now;
        self.world.pipeline().act(&Action::Answer(answer), now).await.unwrap();
    }

    async fn silence(&mut self, ends_at: Timestamp) {
        let silence = Silence {
            matchers: r#"[["rule","=","entrapment"]]"#.to_owned(),
            by: "Wang".to_owned(),
            why: "a drill".to_owned(),
            starts_at: self.world.now,
            ends_at,
        };
        let now = self.world.now;
        self.world.pipeline().act(&Action::Silence(silence), now).await.unwrap();
    }

    /// Kind and minute of each letter since the last look.
    fn kinds(&self) -> Vec<(String, i64)> {
        self.letters().into_iter().map(|letter| (letter.message.kind, (letter.at - START) / MINUTE)).collect()
    }
}

fn with_ladder() -> Policy {
    let step = |after, unless| Step { after, receiver: Name::parse("owner:{owner}").unwrap(), unless };
    let steps = vec![step(After::Period(3 * MINUTE), Unless::Answered), step(After::OnSite, Unless::Arrived)];
    Policy { ladders: vec![Ladder { matchers: Vec::new(), steps }], ..to_firms() }
}

#[tokio::test]
async fn whoever_has_answered_is_not_reminded_until_the_answer_expires() {
    let mut town = trapped(to_firms()).await;
    town.turn().await;
    town.answer(AnswerKind::Acknowledged, Some(START + 6 * HOUR)).await;
    town.letters();
    town.pass(START + 5 * HOUR, 5 * MINUTE).await;
    assert_eq!(town.kinds(), []);
    town.pass(START + 7 * HOUR, 5 * MINUTE).await;
    assert_eq!(town.kinds(), [("reminder".to_owned(), 6 * 60)]);
}

#[tokio::test]
async fn an_answer_stops_the_first_step_and_an_arrival_the_second() {
    let mut town = trapped(with_ladder()).await;
    town.turn().await;
    town.letters();
    town.answer(AnswerKind::Acknowledged, None).await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.kinds(), [("escalation".to_owned(), 61)], "nobody came");

    let mut town = trapped(with_ladder()).await;
    town.turn().await;
    town.letters();
    town.answer(AnswerKind::Arrived, None).await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.kinds(), []);
}

#[tokio::test]
async fn what_begins_in_a_silence_and_outlasts_it_is_told_at_its_end() {
    let mut town = Town::new(to_firms()).await;
    town.silence(START + HOUR).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.kinds(), [("alerts".to_owned(), 60)]);
}

#[tokio::test]
async fn what_begins_and_ends_in_a_silence_is_told_to_nobody() {
    let mut town = Town::new(to_firms()).await;
    town.silence(START + HOUR).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    town.world.tell(event(EventType::PassengerReleased, START + 20 * MINUTE)).await;
    town.turn().await;
    town.pass(START + 2 * HOUR, MINUTE).await;
    assert_eq!(town.kinds(), []);
    assert_eq!(town.world.count("select count(*) from pending").await, 0);
}
