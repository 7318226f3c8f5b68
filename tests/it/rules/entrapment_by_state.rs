//! `entrapment`, as we conclude it: occupied, stopped and the door not open for longer than 120 seconds.

use liftwatch::domain::event::{Door, EventType, Mode, State};
use liftwatch::domain::time::{MINUTE, SECOND, Timestamp};
use liftwatch::pipeline::action::Action;

use super::{MS, heartbeat};
use crate::world::{UNIT, World, at, day, event, mode, state_message, unit_id};

const RULE: &str = "entrapment";

fn looks_trapped(ts: Timestamp) -> State {
    State { occupied: Some(true), moving: Some(false), door: Some(Door::Closed), ..State::at(ts) }
}

/// `s` seconds after the start.
fn second(s: i64) -> Timestamp {
    at(0, 0, 0, s)
}

#[tokio::test]
async fn fires_at_the_limit_by_the_units_clock_from_the_first_such_state_on() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.tell_state(looks_trapped(second(60))).await;
    world.tell_state(looks_trapped(second(120) - MS)).await;
    assert_eq!(world.episodes(RULE).await, [], "not yet");
    world.tell_state(looks_trapped(second(120))).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
    assert_eq!(world.text("select origin from event where type = 'entrapment_reported'").await, "derived");
}

#[tokio::test]
async fn fires_at_the_limit_by_our_clock_when_the_unit_says_nothing_more() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(second(120) - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(second(120)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn by_our_clock_the_limit_counts_from_receipt_and_the_episode_from_the_units_time() {
    let mut world = World::new().await;
    world.now = second(300);
    world.arrive(vec![state_message(UNIT, looks_trapped(second(0)))]).await;
    world.pass_until(second(420) - MS).await;
    assert_eq!(world.episodes(RULE).await, [], "one old state does not show that it lasted");
    world.pass_until(second(420)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn does_not_fire_while_one_of_its_signs_is_missing() {
    let signs = looks_trapped(second(0));
    for state in [
        State { occupied: Some(false), ..signs.clone() },
        State { moving: Some(true), ..signs.clone() },
        State { door: Some(Door::Open), ..signs.clone() },
        State { door: Some(Door::Unknown), ..signs.clone() },
        State { occupied: None, ..signs.clone() },
        State { moving: None, ..signs.clone() },
        State { door: None, ..signs.clone() },
    ] {
        let mut world = World::new().await;
        world.tell_state(state.clone()).await;
        world.tell_state(State { ts: second(200), ..state.clone() }).await;
        world.pass_until(second(400)).await;
        assert_eq!(world.episodes(RULE).await, [], "{state:?}");
    }
}

#[tokio::test]
async fn a_door_that_opens_or_closes_for_too_long_is_not_open() {
    for door in [Door::Opening, Door::Closing] {
        let mut world = World::new().await;
        world.tell_state(State { door: Some(door), ..looks_trapped(second(0)) }).await;
        world.pass_until(second(120)).await;
        assert_eq!(world.episodes(RULE).await.len(), 1, "{door}");
    }
}

#[tokio::test]
async fn a_door_that_opens_in_between_begins_the_limit_anew() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.tell_state(State { door: Some(Door::Open), ..looks_trapped(second(100)) }).await;
    world.tell_state(looks_trapped(second(110))).await;
    world.pass_until(second(229)).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(second(230)).await;
    assert_eq!(world.episodes(RULE).await, [(second(110), None, true)]);
}

#[tokio::test]
async fn a_state_that_says_nothing_of_it_does_not_begin_the_limit_anew() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    heartbeat(&mut world, second(60)).await;
    world.tell_state(looks_trapped(second(120))).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn does_not_fire_for_workers_in_inspection_mode() {
    let mut world = World::new().await;
    world.tell_state(State { mode: Some(Mode::Inspection), ..looks_trapped(second(0)) }).await;
    world.tell_state(looks_trapped(second(200))).await;
    world.pass_until(second(600)).await;
    assert_eq!(world.episodes(RULE).await, []);
    let mut world = World::new().await;
    world.tell(mode(Mode::Inspection, second(0))).await;
    world.tell_state(looks_trapped(second(1))).await;
    world.pass_until(second(600)).await;
    assert_eq!(world.episodes(RULE).await, [], "told as an event");
}

#[tokio::test]
async fn does_not_fire_when_inspection_mode_begins_within_the_limit() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.tell(mode(Mode::Inspection, second(30))).await;
    world.pass_until(second(600)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn fires_once_while_it_lasts() {
    let mut world = World::new().await;
    for minute in 0..30 {
        world.tell_state(looks_trapped(second(60 * minute))).await;
        world.pass_until(second(60 * minute + 30)).await;
    }
    assert_eq!(world.told(RULE).await, ["fired"]);
    assert_eq!(world.count("select count(*) from event").await, 1);
}

#[tokio::test]
async fn is_not_ended_by_a_door_that_opens_and_fires_once_when_it_looks_so_again() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(second(120)).await;
    world.tell_state(State { door: Some(Door::Open), occupied: Some(false), ..looks_trapped(second(300)) }).await;
    world.pass_until(second(310)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)], "only a person ends it");
    world.tell_state(looks_trapped(second(320))).await;
    world.pass_until(second(440)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn after_the_release_a_car_that_still_looks_so_fires_again_after_the_limit() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(second(120)).await;
    world.now = second(600);
    let (by, reason) = ("inspector-1".to_owned(), "seen on site".to_owned());
    let action = Action::ReleasePassengers { unit: unit_id(UNIT), by, reason };
    let now = world.now;
    world.pipeline().act(&action, now).await.unwrap();
    world.tell_state(looks_trapped(second(610))).await;
    world.tell_state(looks_trapped(second(720))).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), Some(second(600)), false)]);
    world.tell_state(looks_trapped(second(730))).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), Some(second(600)), false), (second(610), None, true)]);
}

#[tokio::test]
async fn fires_and_keeps_firing_though_the_unit_falls_silent() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(at(0, 1, 0, 0)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
    assert_eq!(world.alerts("silent_unit").await.len(), 1);
    heartbeat(&mut world, day(2)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn a_duplicate_state_does_not_show_that_it_lasted() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.tell_state(State { occupied: Some(false), ..looks_trapped(second(10)) }).await;
    world.now = second(200);
    world.arrive(vec![state_message(UNIT, looks_trapped(second(0)))]).await;
    world.pass_until(second(600)).await;
    assert_eq!(world.episodes(RULE).await, [], "the car was empty after it");
}

#[tokio::test]
async fn states_that_come_late_and_together_give_the_episode_that_they_should_have_given() {
    let mut world = World::new().await;
    world.now = at(0, 2, 0, 0);
    let late = [0, 60, 120].map(|s| state_message(UNIT, looks_trapped(second(s))));
    world.arrive(late.to_vec()).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn survives_a_restart_within_the_limit_which_begins_anew_by_our_clock() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.now = second(60);
    world.restart().await;
    world.pass_until(second(180) - MS).await;
    assert_eq!(world.episodes(RULE).await, [], "what it said in the meantime may still wait at the broker");
    world.pass_until(second(180)).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)], "it said nothing more");
}

#[tokio::test]
async fn survives_a_restart_within_the_limit_by_the_units_clock() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.restart().await;
    world.tell_state(looks_trapped(second(120))).await;
    assert_eq!(world.episodes(RULE).await, [(second(0), None, true)]);
}

#[tokio::test]
async fn survives_a_restart_after_it_fired_without_a_second_event() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(second(120)).await;
    world.restart().await;
    for minute in 3..9 {
        world.tell_state(looks_trapped(second(60 * minute))).await;
        world.pass_until(second(60 * minute + 30)).await;
    }
    assert_eq!(world.told(RULE).await, ["fired"]);
    assert_eq!(world.count("select count(*) from event").await, 1);
}

#[tokio::test]
async fn a_unit_that_flags_it_in_the_first_such_state_makes_one_event_and_no_conflict() {
    let mut world = World::new().await;
    let flagged = |ts| State { entrapment: Some(true), landing: Some("5".into()), ..looks_trapped(ts) };
    world.tell_state(flagged(second(0))).await;
    world.tell_state(flagged(second(60))).await;
    let outcome = world.tell_state(flagged(second(120))).await;
    assert_eq!(outcome.refused, []);
    assert_eq!(world.count("select count(*) from event").await, 1);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_report_of_the_unit_itself_and_our_own_conclusion_are_one_episode() {
    let mut world = World::new().await;
    world.tell_state(looks_trapped(second(0))).await;
    world.tell(event(EventType::EntrapmentReported, second(40))).await;
    world.tell_state(looks_trapped(second(120))).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn the_limit_is_that_of_the_settings() {
    let mut settings = liftwatch::detect::Settings::default();
    settings.entrapment.limit_seconds = 30;
    let mut world = World::with(settings).await;
    world.tell_state(looks_trapped(second(0))).await;
    world.pass_until(day(0) + 30 * SECOND - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(day(0) + MINUTE).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}
