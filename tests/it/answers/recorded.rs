//! Answers and silences in the file: what counts as answered, what opens an alert again, what a repeat changes.

use liftwatch::domain::alert::AlertState;
use liftwatch::domain::event::EventType;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::notice::AnswerKind;
use liftwatch::domain::time::{HOUR, SECOND, Timestamp};
use liftwatch::notify::answered::Standing;
use liftwatch::notify::matcher::Labels;
use liftwatch::notify::silence::{self, Silence};
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::answers::{Answer, Answered, Received, Silence as Wish, Silenced};
use liftwatch::store::read::Reader;
use liftwatch::store::read::silences::{SilenceFilter, SilenceState};

use super::{MESSAGE, act, first_alert, say, standing};
use crate::world::{World, at, day, event, raised};

/// Three faults in three days: `repeated_fault` fires from day 3 on, until day 31 if nothing new happens.
async fn firing() -> World {
    let mut world = World::new().await;
    for d in [1, 2, 3] {
        world.pass_until(day(d)).await;
        world.tell(raised(FaultCode::DoorClosing, day(d))).await;
    }
    assert_eq!(world.told("repeated_fault").await, ["fired"]);
    world
}

/// A unit whose passengers are trapped.
async fn trapped() -> World {
    let mut world = World::new().await;
    world.pass_until(day(1)).await;
    world.tell(event(EventType::EntrapmentReported, day(1))).await;
    world
}

async fn done(world: &mut World, action: Action) -> Done {
    let now = world.now;
    world.pipeline().act(&action, now).await.unwrap().0
}

#[tokio::test]
async fn an_acknowledgement_outlives_a_kill_and_holds_until_it_expires() {
    let mut world = trapped().await;
    assert_eq!(standing(&mut world).await, Standing::Open);
    let end = world.now + HOUR;
    assert!(matches!(say(&mut world, AnswerKind::Acknowledged, Some(end)).await, Answered::Recorded(_)));
    world.restart().await;
    assert_eq!(standing(&mut world).await, Standing::Answered { until: Some(end) });
    world.pass_until(end - 1).await;
    assert!(standing(&mut world).await.is_answered());
    world.pass_until(end).await;
    assert_eq!(standing(&mut world).await, Standing::Expired(end));
}

#[tokio::test]
async fn a_note_answers_nothing_and_an_arrival_does() {
    let mut world = trapped().await;
    say(&mut world, AnswerKind::Note, None).await;
    assert_eq!(standing(&mut world).await, Standing::Open);
    say(&mut world, AnswerKind::Arrived, None).await;
    assert!(standing(&mut world).await.is_answered());
    assert_eq!(world.alerts("entrapment").await.len(), 1);
    assert!(world.alerts("entrapment").await[0].firing, "only a release ends an entrapment");
}

#[tokio::test]
async fn an_answer_is_for_the_severity_that_its_giver_knew() {
    let mut world = trapped().await;
    say(&mut world, AnswerKind::Acknowledged, None).await;
    world
        .meddle(
            "update alert set severity = 'warning'; update alert_transition set severity = 'warning'; \
             insert into alert_transition (alert, kind, at, severity) select id, 'escalated', 0, 'critical' from alert; \
             update alert set severity = 'critical'",
        )
        .await;
    assert_eq!(standing(&mut world).await, Standing::Outgrown);
    say(&mut world, AnswerKind::Acknowledged, None).await;
    assert!(standing(&mut world).await.is_answered(), "the same words, said of the new severity, are a new answer");
    assert_eq!(world.count("select count(*) from answer").await, 2);
}

#[tokio::test]
async fn an_alert_that_fires_again_after_its_end_is_open_again() {
    let mut world = firing().await;
    say(&mut world, AnswerKind::Acknowledged, None).await;
    world.pass_until(day(31)).await;
    for d in [10, 11] {
        world.tell(raised(FaultCode::DoorClosing, day(d))).await;
    }
    let transitions = world.transitions("repeated_fault").await;
    assert!(transitions.contains(&"reopened".to_owned()), "{transitions:?}");
    assert_eq!(standing(&mut world).await, Standing::Reopened);
}

#[tokio::test]
async fn a_new_episode_is_another_alert_and_unanswered() {
    let mut world = trapped().await;
    say(&mut world, AnswerKind::Acknowledged, None).await;
    world.tell(event(EventType::PassengerReleased, at(1, 1, 0, 0))).await;
    world.pass_until(at(1, 3, 0, 0)).await;
    world.tell(event(EventType::EntrapmentReported, at(1, 3, 0, 0))).await;
    let newest = world.text("select id from alert where rule = 'entrapment' and state = 'firing'").await;
    assert_ne!(newest, first_alert(&mut world).await);
    let reader = Reader::open(&world.file()).await.unwrap();
    assert!(reader.alert(&newest).await.unwrap().unwrap().answers.is_empty());
}

#[tokio::test]
async fn a_button_pressed_twice_is_one_answer_and_the_same_words_later_are_another() {
    let mut world = trapped().await;
    let first = say(&mut world, AnswerKind::Acknowledged, None).await;
    world.now = world.now + 9 * SECOND;
    assert_eq!(say(&mut world, AnswerKind::Acknowledged, None).await, first);
    let hour = world.now + HOUR;
    assert_ne!(say(&mut world, AnswerKind::Acknowledged, Some(hour)).await, first, "with an end it says more");
    world.now = world.now + 10 * SECOND;
    assert_ne!(say(&mut world, AnswerKind::Acknowledged, None).await, first);
    assert_eq!(world.count("select count(*) from answer").await, 3);
}

#[tokio::test]
async fn what_is_over_can_be_called_false_and_noted_and_no_more_be_taken_in_hand() {
    let mut world = trapped().await;
    world.tell(event(EventType::PassengerReleased, at(1, 1, 0, 0))).await;
    world.pass_until(at(1, 2, 0, 0)).await;
    for kind in [AnswerKind::Acknowledged, AnswerKind::Arrived] {
        assert_eq!(say(&mut world, kind, None).await, Answered::NotWhen(AlertState::Resolved), "{kind}");
    }
    for kind in [AnswerKind::FalseAlarm, AnswerKind::Note] {
        assert!(matches!(say(&mut world, kind, None).await, Answered::Recorded(_)), "{kind}");
    }
    world.meddle("update alert set state = 'withdrawn'").await;
    assert_eq!(say(&mut world, AnswerKind::FalseAlarm, None).await, Answered::NotWhen(AlertState::Withdrawn));
    let nobody = Answer {
        alert: "a-none".to_owned(),
        kind: AnswerKind::Note,
        by: "Lin".to_owned(),
        note: "x".to_owned(),
        expires_at: None,
    };
    assert_eq!(act(&mut world, Action::Answer(nobody)).await, Answered::UnknownAlert);
}

#[tokio::test]
async fn a_received_link_counts_once_and_for_what_the_message_told() {
    let mut world = trapped().await;
    world.meddle(MESSAGE).await;
    // The message told of a warning; what happened after it was made, nobody has read in it.
    world
        .meddle(
            "update alert_transition set severity = 'warning'; \
             insert into alert_transition (alert, kind, at, severity) \
             select id, 'escalated', (select max(at) + 1 from alert_transition), 'critical' from alert",
        )
        .await;
    world.now = world.now + HOUR;
    let receive = Action::Receive { delivery: "d-1".to_owned(), expires_at: None };
    assert_eq!(done(&mut world, receive.clone()).await, Done::Received(Received::Recorded(1)));
    assert_eq!(standing(&mut world).await, Standing::Outgrown);
    world.restart().await;
    world.now = world.now + HOUR;
    assert_eq!(done(&mut world, receive).await, Done::Received(Received::Before));
    assert_eq!(world.count("select received_at from delivery").await, day(1).0 + HOUR);
    assert_eq!(world.text("select received_by from delivery").await, "maintainer:firm-1");
    assert_eq!(world.text("select delivery from answer").await, "d-1");
    let unknown = Action::Receive { delivery: "d-9".to_owned(), expires_at: None };
    assert_eq!(done(&mut world, unknown).await, Done::Received(Received::UnknownDelivery));
}

#[tokio::test]
async fn a_silence_begins_ends_and_leaves_its_trace_across_a_restart() {
    let mut world = trapped().await;
    let wish = |starts_at: Timestamp, ends_at: Timestamp| Wish {
        matchers: silence::stored(&silence::written(&["unit=lift-1"]).unwrap()),
        by: "Lin".to_owned(),
        why: "works".to_owned(),
        starts_at,
        ends_at,
    };
    let now = world.now;
    let Done::Silenced(Silenced::Begun(id)) = done(&mut world, Action::Silence(wish(day(0), now + HOUR))).await else {
        panic!("it did not begin");
    };
    done(&mut world, Action::Silence(wish(now + HOUR, now + 2 * HOUR))).await;
    world.restart().await;
    let reader = Reader::open(&world.file()).await.unwrap();
    let labels = silence::labels(reader.labels_firing().await.unwrap().remove(0));
    assert_eq!((labels.rule.as_str(), labels.maintainer.as_str()), ("entrapment", "firm-1"));
    let row = reader.silence(&id).await.unwrap().unwrap();
    assert_eq!(row.starts_at, now.0, "a start that has passed means now");
    assert!(Silence::try_from(&row).unwrap().covers(&labels, now));
    assert!(!Silence::try_from(&row).unwrap().covers(&Labels { unit: "lift-2".into(), ..labels }, now));
    let in_state = async |state, at: Timestamp| {
        let filter = SilenceFilter { state: Some(state), after: None, limit: 10 };
        reader.silences(&filter, at.0).await.unwrap().items.len()
    };
    assert_eq!((in_state(SilenceState::Active, now).await, in_state(SilenceState::Pending, now).await), (1, 1));
    world.now = world.now + SECOND;
    let now = world.now;
    let end = Action::EndSilence { id: id.clone(), by: "Chen".to_owned() };
    assert_eq!(done(&mut world, end.clone()).await, Done::Silenced(Silenced::Ended));
    assert_eq!(done(&mut world, end).await, Done::Silenced(Silenced::Over));
    assert_eq!((in_state(SilenceState::Active, now).await, in_state(SilenceState::Expired, now).await), (0, 1));
    let row = reader.silence(&id).await.unwrap().unwrap();
    assert_eq!((row.by.as_str(), row.ended_by.as_deref(), row.ends_at), ("Lin", Some("Chen"), now.0));
    let unknown = Action::EndSilence { id: "s-none".to_owned(), by: "Chen".to_owned() };
    assert_eq!(done(&mut world, unknown).await, Done::Silenced(Silenced::UnknownSilence));
}
