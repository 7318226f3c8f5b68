//! From an alert to its receivers, on a clock that the scenario sets: who is told, when, how often, and what is recorded.

mod receivers;

mod escalated;

mod storms;

mod quiet;

mod troubles;

mod clocks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use liftwatch::broker::LinkStatus;
use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::notify::backoff;
use liftwatch::notify::directory::{Directory, Receiver, Way};
use liftwatch::notify::message::Message;
use liftwatch::notify::planner::{Planner, Policy};
use liftwatch::notify::route::{Name, Route};
use liftwatch::notify::sending::{self, Tried};
use liftwatch::notify::sink::{Answer, Parcel, Sending, Sink, Text};
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::store::deliveries::{Claimed, Room};
use liftwatch::store::read::Reader;

use crate::world::{START, UNIT, World, event, event_message, raised, region, unit};

/// A message as it reached a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub at: Timestamp,
    pub receiver: String,
    pub key: String,
    pub attempt: u32,
    pub message: Message,
}

impl Letter {
    /// The rule and change of each alert, or the message's kind if it has none.
    pub fn says(&self) -> Vec<String> {
        let items = &self.message.items;
        if items.is_empty() {
            return vec![self.message.kind.clone()];
        }
        items.iter().map(|item| format!("{} {}", item.rule, item.change)).collect()
    }
}

/// What receivers answer, by name; those without an entry take everything.
pub type Answers = Arc<Mutex<HashMap<String, Answer>>>;

/// A sink that keeps what it is sent.
struct Recording {
    receiver: String,
    letters: Arc<Mutex<Vec<Letter>>>,
    answers: Answers,
}

impl Sink for Recording {
    fn kind(&self) -> &'static str {
        "recording"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        let Parcel { key, attempt, message, now, .. } = parcel;
        self.letters.lock().unwrap().push(Letter {
            at: now,
            receiver: self.receiver.clone(),
            key: key.to_owned(),
            attempt,
            message: message.clone(),
        });
        let answer = self.answers.lock().unwrap().get(&self.receiver).cloned();
        Box::pin(async move { answer.unwrap_or(Answer::Delivered { status: Some(200) }) })
    }
}

/// A city whose alerts are told.
pub struct Town {
    pub world: World,
    planner: Planner,
    letters: Arc<Mutex<Vec<Letter>>>,
    pub answers: Answers,
    /// When the planner wants to look again.
    pub wake: Option<Timestamp>,
    /// How the region's line to its broker stands.
    pub line: Arc<LinkStatus>,
}

/// A route to a receiver, told at once and again after four hours.
pub fn route(matchers: &[&str], receiver: &str) -> Route {
    Route {
        matchers: matchers.iter().map(|text| text.parse().unwrap()).collect(),
        receiver: Name::parse(receiver).unwrap(),
        group_by: Vec::new(),
        group_wait: 0,
        group_interval: 5 * MINUTE,
        repeat_interval: 4 * HOUR,
        continues: false,
    }
}

/// Everything to the firm.
pub fn to_firms() -> Policy {
    Policy { routes: vec![route(&[], "maintainer:{maintainer}")], ..Policy::default() }
}

impl Town {
    pub async fn new(policy: Policy) -> Self {
        let world = World::new().await;
        let letters = Arc::new(Mutex::new(Vec::new()));
        let answers = Answers::default();
        let (kept, given) = (Arc::clone(&letters), Arc::clone(&answers));
        let directory = Directory::new(Box::new(move |name: &str| {
            if name.starts_with("nobody") {
                return None;
            }
            let (letters, answers) = (Arc::clone(&kept), Arc::clone(&given));
            let sink = Box::new(Recording { receiver: name.to_owned(), letters, answers });
            let ways = vec![Way { label: "recording-0".to_owned(), sink }];
            Some(Receiver { ways, wording: Box::new(|_, _| Text::default()) })
        }));
        let reader = Reader::open(&world.file()).await.unwrap();
        let line = Arc::new(LinkStatus::new(region(), world.now));
        let lines = vec![Arc::clone(&line)];
        let planner = Planner { reader, directory: Arc::new(directory), policy, lines };
        Self { world, planner, letters, answers, wake: None, line }
    }

    /// What a receiver answers from now on.
    pub fn answers(&self, receiver: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(receiver.to_owned(), answer);
    }

    /// Plans until there is nothing to plan, then sends what is due, once.
    pub async fn turn(&mut self) {
        self.plan().await;
        self.send().await;
        self.plan().await;
    }

    pub async fn plan(&mut self) {
        let now = self.world.now;
        for _ in 0..20 {
            let (plan, wake) = self.planner.plan(now).await.unwrap();
            self.wake = wake;
            if plan.is_empty() {
                return;
            }
            let (done, _) = self.world.pipeline().act(&Action::Notify(plan), now).await.unwrap();
            assert_eq!(done, Done::Planned);
        }
        panic!("plans never end");
    }

    /// What a sender may send now.
    pub async fn claim(&mut self) -> Vec<Claimed> {
        let now = self.world.now;
        let lanes = self.planner.reader.lanes_due(now.0).await.unwrap();
        let rooms = lanes
            .into_iter()
            .filter(|lane| lane.due_at <= now.0)
            .map(|lane| Room { receiver: lane.receiver, sink: lane.sink, deliveries: 1_000, folded: false })
            .collect();
        let action = Action::Deliver { reported: Vec::new(), rooms };
        match self.world.pipeline().act(&action, now).await.unwrap().0 {
            Done::Claimed(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    pub async fn send(&mut self) {
        let now = self.world.now;
        let claimed = self.claim().await;
        let mut reported = Vec::new();
        for delivery in claimed {
            let answer = sending::attempt(std::slice::from_ref(&delivery), &self.planner.directory, now).await;
            // The whole pause, so that the scenario's times are the same every time.
            reported.push(Tried { at: now, duration_ms: 0, now }.report(&delivery, answer, 1.0));
        }
        let action = Action::Deliver { reported, rooms: Vec::new() };
        self.world.pipeline().act(&action, now).await.unwrap();
    }

    /// Lets time pass until `then`; at every `step` time is swept, and what is due is told.
    pub async fn pass(&mut self, then: Timestamp, step: i64) {
        while self.world.now < then {
            let next = then.min(self.world.now + step);
            self.world.pass_until(next).await;
            self.turn().await;
        }
    }

    /// What arrived since the last look.
    pub fn letters(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.letters.lock().unwrap())
    }

    /// What each of them said.
    pub fn said(&self) -> Vec<String> {
        self.letters().iter().map(|letter| format!("{}: {}", letter.receiver, letter.says().join(", "))).collect()
    }
}

#[tokio::test]
async fn a_firm_is_told_when_its_lift_traps_people_and_when_they_are_out() {
    let mut town = Town::new(to_firms()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].says(), ["entrapment fired"]);
    let item = &letters[0].message.items[0];
    assert_eq!((letters[0].receiver.as_str(), item.unit.as_str()), ("maintainer:firm-1", UNIT));
    assert!(item.expected_by.is_some(), "by when somebody must answer");
    assert_eq!(town.world.count("select count(*) from outbox").await, 0);
    assert_eq!(town.world.count("select count(*) from attempt where outcome = 'delivered'").await, 1);
    town.world.tell(event(EventType::PassengerReleased, START + 20 * MINUTE)).await;
    town.turn().await;
    assert_eq!(town.said(), ["maintainer:firm-1: entrapment resolved"]);
    assert_eq!(town.world.count("select count(*) from told_alert").await, 0);
}

#[tokio::test]
async fn the_same_message_is_never_planned_twice() {
    let mut town = Town::new(to_firms()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    for _ in 0..5 {
        town.turn().await;
    }
    assert_eq!(town.said(), ["maintainer:firm-1: entrapment fired"]);
}

#[tokio::test]
async fn without_a_route_the_outbox_is_drained_and_nobody_is_told() {
    let mut town = Town::new(Policy::default()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    assert_eq!(town.said(), Vec::<String>::new());
    assert_eq!(town.world.count("select count(*) from outbox").await, 0);
    assert_eq!(town.world.count("select count(*) from alert_transition").await, 1);
}

#[tokio::test]
async fn what_begins_while_a_group_waits_is_told_in_one_message() {
    let mut grouped = route(&[], "duty");
    grouped.group_wait = 10 * SECOND;
    let mut town = Town::new(Policy { routes: vec![grouped], ..Policy::default() }).await;
    let names: Vec<String> = (0..30).map(|n| format!("lift-{n:02}")).collect();
    town.world.register(names.iter().map(|name| unit(name)).collect()).await;
    for name in &names {
        town.world.arrive(vec![event_message(name, raised(FaultCode::UnintendedCarMovement, town.world.now))]).await;
        town.turn().await;
        town.world.now = town.world.now + 100;
    }
    assert_eq!(town.letters(), Vec::new());
    assert_eq!(town.wake, Some(START + 10 * SECOND));
    town.pass(START + 11 * SECOND, SECOND).await;
    let letters = town.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].message.count, letters[0].message.items.len()), (30, 20));
}

#[tokio::test]
async fn an_alert_that_nobody_answers_is_told_again_until_it_ends() {
    let mut town = Town::new(to_firms()).await;
    town.world.tell(event(EventType::EntrapmentReported, START + MINUTE)).await;
    town.turn().await;
    town.pass(START + 9 * HOUR, 10 * MINUTE).await;
    let kinds: Vec<String> = town
        .letters()
        .into_iter()
        .filter(|letter| letter.says()[0].starts_with("entrapment"))
        .map(|letter| letter.message.kind)
        .collect();
    assert_eq!(kinds, ["alerts", "reminder", "reminder"]);
}

#[tokio::test]
async fn a_heartbeat_comes_on_its_schedule() {
    let heartbeat = Some(("duty".to_owned(), DAY));
    let mut town = Town::new(Policy { heartbeat, ..Policy::default() }).await;
    town.turn().await;
    town.pass(START + 3 * DAY - HOUR, HOUR).await;
    let times: Vec<Timestamp> = town.letters().iter().map(|letter| letter.at).collect();
    assert_eq!(times, [START, START + DAY, START + 2 * DAY]);
}

#[test]
fn a_delivery_is_tried_for_72_hours() {
    assert_eq!(backoff::PATIENCE, 72 * HOUR);
    assert_eq!(sending::LONGEST, Duration::from_secs(15));
}
