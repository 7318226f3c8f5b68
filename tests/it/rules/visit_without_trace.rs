//! `visit_without_trace`: a finished visit of which the unit told nothing, although it could have.

use liftwatch::domain::event::{Event, EventType, Mode, State};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};

use super::MS;
use crate::world::{UNIT, World, at, day, event, mode, raised, visit, visit_message};

const RULE: &str = "visit_without_trace";
const NEAR: i64 = 30 * MINUTE;

/// The visit of day 10, from 08:00 to 09:00.
fn of_day_ten() -> Visit {
    visit("r-1", VisitKind::Hm, at(10, 8, 0, 0), at(10, 9, 0, 0))
}

/// A unit that has told inspection mode on day 1, so that it would tell it again.
async fn that_tells_modes() -> World {
    let mut world = World::new().await;
    world.tell(mode(Mode::Inspection, day(1))).await;
    world.tell(mode(Mode::Normal, day(1) + HOUR)).await;
    world
}

/// The record arrives, and the time passes in which the unit may still tell of the visit.
async fn recorded(world: &mut World, visit: Visit) {
    world.now = world.now.max(visit.ended_at.unwrap_or(visit.ts));
    world.arrive(vec![visit_message(UNIT, visit)]).await;
    let later = world.now + HOUR;
    world.pass_until(later).await;
}

async fn after(told: Vec<Event>) -> Vec<(Timestamp, Option<Timestamp>, bool)> {
    let mut world = that_tells_modes().await;
    for event in told {
        world.tell(event).await;
    }
    recorded(&mut world, of_day_ten()).await;
    world.episodes(RULE).await
}

#[tokio::test]
async fn fires_half_an_hour_after_a_visit_without_inspection_mode_or_event() {
    let found = at(10, 9, 30, 0);
    assert_eq!(after(vec![]).await, [(found, Some(found + 30 * DAY), true)]);
}

#[tokio::test]
async fn does_not_fire_when_the_unit_told_anything_in_the_visit_or_near_it() {
    let (start, end) = (at(10, 8, 0, 0), at(10, 9, 0, 0));
    for told in [
        mode(Mode::Inspection, start + MINUTE),
        mode(Mode::Normal, start - NEAR),
        raised(FaultCode::DoorClosing, end + NEAR),
        event(EventType::MainsOff, start),
    ] {
        assert_eq!(after(vec![told.clone()]).await, [], "{told:?}");
    }
    let too_far = [raised(FaultCode::DoorClosing, start - NEAR - MS), raised(FaultCode::Levelling, end + NEAR + MS)];
    for told in too_far {
        assert_eq!(after(vec![told.clone()]).await.len(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn does_not_fire_while_an_inspection_mode_that_began_before_still_holds() {
    assert_eq!(after(vec![mode(Mode::Inspection, day(9))]).await, []);
}

#[tokio::test]
async fn says_nothing_of_a_unit_that_never_told_inspection_mode() {
    let mut world = World::new().await;
    world.tell(mode(Mode::Normal, day(1))).await;
    recorded(&mut world, of_day_ten()).await;
    assert_eq!(world.episodes(RULE).await, [], "it may not be able to tell it");
    world.tell(mode(Mode::Inspection, day(12))).await;
    assert_eq!(world.episodes(RULE).await, [], "it could not when the visit took place, as far as we know");
}

#[tokio::test]
async fn fires_when_the_unit_was_silent_during_the_whole_visit_whether_it_tells_modes_or_not() {
    let mut world = World::new().await;
    world.tell_state(State::at(at(10, 7, 59, 0))).await;
    world.pass_until(at(10, 8, 30, 0)).await;
    recorded(&mut world, of_day_ten()).await;
    let found = at(10, 9, 30, 0);
    assert_eq!(world.episodes(RULE).await, [(found, Some(found + 30 * DAY), true)]);
    // It is heard again, which says nothing of the visit.
    let now = world.now + MINUTE;
    world.tell_state(State::at(now)).await;
    world.restart().await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    let mut world = World::new().await;
    world.tell_state(State::at(at(10, 8, 20, 0))).await;
    world.pass_until(at(10, 8, 50, 0)).await;
    recorded(&mut world, of_day_ten()).await;
    assert_eq!(world.episodes(RULE).await, [], "it was heard in the visit");
}

#[tokio::test]
async fn a_late_inspection_mode_withdraws_it_and_a_correction_too() {
    let mut world = that_tells_modes().await;
    recorded(&mut world, of_day_ten()).await;
    world.tell(mode(Mode::Inspection, at(10, 8, 5, 0))).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn"]);
    let mut world = that_tells_modes().await;
    world.tell(mode(Mode::Inspection, at(10, 14, 0, 0))).await;
    world.tell(mode(Mode::Normal, at(10, 15, 0, 0))).await;
    recorded(&mut world, of_day_ten()).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    let right = visit("r-2", VisitKind::Hm, at(10, 14, 0, 0), at(10, 15, 0, 0));
    recorded(&mut world, Visit { supersedes: Some("r-1".to_owned()), ..right }).await;
    assert_eq!(world.episodes(RULE).await, [], "the visit was in the afternoon");
}
