//! `visit_too_short`: a finished visit that took less time than its kind needs.

use liftwatch::domain::time::{DAY, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};

use super::MS;
use crate::world::{UNIT, World, day, visit, visit_message};

const RULE: &str = "visit_too_short";

async fn took(world: &mut World, name: &str, kind: VisitKind, from: Timestamp, millis: i64) {
    tell(world, visit(name, kind, from, from + millis)).await;
}

async fn tell(world: &mut World, visit: Visit) {
    world.now = world.now.max(visit.ended_at.unwrap_or(visit.ts));
    world.arrive(vec![visit_message(UNIT, visit)]).await;
}

#[tokio::test]
async fn fires_at_the_end_of_a_visit_below_the_least_time_of_its_kind_and_not_at_it() {
    let least = [(VisitKind::Hm, 10), (VisitKind::Tm, 15), (VisitKind::Sm, 20), (VisitKind::Oy, 25)];
    for (kind, minutes) in least {
        let mut world = World::new().await;
        took(&mut world, "r-1", kind, day(1), minutes * MINUTE).await;
        assert_eq!(world.episodes(RULE).await, [], "{kind}");
        took(&mut world, "r-2", kind, day(2), minutes * MINUTE - MS).await;
        let end = day(2) + minutes * MINUTE - MS;
        assert_eq!(world.episodes(RULE).await, [(end, Some(end + 30 * DAY), true)], "{kind}");
    }
}

#[tokio::test]
async fn says_nothing_of_callbacks_nor_of_visits_that_have_not_ended() {
    let mut world = World::new().await;
    took(&mut world, "r-1", VisitKind::Fm, day(1), MINUTE).await;
    tell(&mut world, Visit { ended_at: None, ..visit("r-2", VisitKind::Oy, day(2), day(2)) }).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn further_ones_within_the_hold_gather_in_one_alert_and_raise_its_level() {
    let mut world = World::new().await;
    for (name, d) in [("r-1", 1), ("r-2", 16), ("r-3", 31)] {
        took(&mut world, name, VisitKind::Hm, day(d), 3 * MINUTE).await;
    }
    let alerts = world.alerts(RULE).await;
    assert_eq!((alerts.len(), alerts[0].level, alerts[0].evidence), (1, 3, 3), "{alerts:?}");
    assert_eq!(alerts[0].ends, Some(day(61) + 3 * MINUTE));
    assert_eq!(world.told(RULE).await, ["fired", "escalated", "escalated"]);
    world.pass_until(day(62)).await;
    assert_eq!(world.told(RULE).await.last().unwrap(), "resolved");
}

#[tokio::test]
async fn a_correction_of_the_times_takes_it_back_and_a_restart_changes_nothing() {
    let mut world = World::new().await;
    took(&mut world, "r-1", VisitKind::Hm, day(1), 3 * MINUTE).await;
    world.restart().await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    let corrected = visit("r-2", VisitKind::Hm, day(1), day(1) + 50 * MINUTE);
    tell(&mut world, Visit { supersedes: Some("r-1".to_owned()), ..corrected }).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn"]);
}
