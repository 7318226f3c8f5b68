//! `worker_in_two_places`: records of one firm have one worker at two sites at one time. Both units have the alert.

use liftwatch::domain::time::{DAY, HOUR, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};

use super::MS;
use crate::world::{UNIT, World, at, unit, visit, visit_message};

const RULE: &str = "worker_in_two_places";

/// Three units: the second at the first one's site, the third at another site of the same firm, the fourth of another firm.
async fn town() -> World {
    let mut world = World::new().await;
    let elsewhere =
        |name: &str, site: &str, firm: &str| Unit { site: site.to_owned(), maintainer: firm.to_owned(), ..unit(name) };
    let units = [
        elsewhere("lift-2", "site-1", "firm-1"),
        elsewhere("lift-3", "site-2", "firm-1"),
        elsewhere("lift-4", "site-3", "firm-2"),
        elsewhere("lift-5", "", "firm-1"),
    ];
    world.register(units.to_vec()).await;
    world
}

async fn tell(world: &mut World, unit: &str, visit: Visit) {
    world.now = world.now.max(visit.ended_at.unwrap_or(visit.ts));
    world.arrive(vec![visit_message(unit, visit)]).await;
}

fn from_to(name: &str, from: Timestamp, to: Timestamp) -> Visit {
    visit(name, VisitKind::Hm, from, to)
}

/// Unit, start and end of each alert.
async fn found(world: &mut World) -> Vec<(String, Timestamp, Option<Timestamp>)> {
    world.alerts(RULE).await.into_iter().map(|alert| (alert.unit, alert.starts, alert.ends)).collect()
}

#[tokio::test]
async fn fires_at_both_units_from_the_moment_at_which_both_visits_had_begun_in_either_order() {
    let (first, second) = (at(1, 8, 0, 0), at(1, 8, 30, 0));
    for swapped in [false, true] {
        let mut world = town().await;
        let mut told =
            vec![(UNIT, from_to("r-1", first, first + HOUR)), ("lift-3", from_to("r-2", second, second + HOUR))];
        if swapped {
            told.reverse();
        }
        for (unit, visit) in told {
            tell(&mut world, unit, visit).await;
        }
        let end = Some(second + 30 * DAY);
        assert_eq!(found(&mut world).await, [(UNIT.to_owned(), second, end), ("lift-3".to_owned(), second, end)]);
        assert!(world.alerts(RULE).await.iter().all(|alert| alert.evidence == 2));
    }
}

#[tokio::test]
async fn both_in_one_batch_are_found_as_well() {
    let mut world = town().await;
    let (from, to) = (at(1, 8, 0, 0), at(1, 9, 0, 0));
    world.now = to;
    world
        .arrive(vec![visit_message(UNIT, from_to("r-1", from, to)), visit_message("lift-3", from_to("r-2", from, to))])
        .await;
    assert_eq!(found(&mut world).await.len(), 2);
}

#[tokio::test]
async fn visits_that_only_touch_do_not_overlap() {
    for (gap, alerts) in [(0, 0), (-MS, 2)] {
        let mut world = town().await;
        let end = at(1, 9, 0, 0);
        tell(&mut world, UNIT, from_to("r-1", end - HOUR, end)).await;
        tell(&mut world, "lift-3", from_to("r-2", end + gap, end + HOUR)).await;
        assert_eq!(found(&mut world).await.len(), alerts, "{gap}");
    }
}

#[tokio::test]
async fn one_site_another_firm_other_workers_no_site_and_no_end_are_no_finding() {
    let mut world = town().await;
    let (from, to) = (at(1, 8, 0, 0), at(1, 9, 0, 0));
    tell(&mut world, UNIT, from_to("r-1", from, to)).await;
    tell(&mut world, "lift-2", from_to("r-2", from, to)).await;
    tell(&mut world, "lift-4", from_to("r-4", from, to)).await;
    tell(&mut world, "lift-5", from_to("r-5", from, to)).await;
    tell(&mut world, "lift-3", Visit { ended_at: None, ..from_to("r-6", from, to) }).await;
    let body = r#"{"workers":["w-9"]}"#.to_owned();
    tell(&mut world, "lift-3", Visit { workers: vec!["w-9".to_owned()], body, ..from_to("r-7", from, to) }).await;
    assert_eq!(found(&mut world).await, []);
}

#[tokio::test]
async fn a_correction_of_either_visit_takes_it_back_from_both() {
    let mut world = town().await;
    let (from, to) = (at(1, 8, 0, 0), at(1, 9, 0, 0));
    tell(&mut world, UNIT, from_to("r-1", from, to)).await;
    tell(&mut world, "lift-3", from_to("r-2", from, to)).await;
    let right = from_to("r-3", to, to + HOUR);
    tell(&mut world, "lift-3", Visit { supersedes: Some("r-2".to_owned()), ..right }).await;
    assert_eq!(found(&mut world).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "fired", "withdrawn", "withdrawn"]);
}

#[tokio::test]
async fn a_restart_and_a_duplicate_change_nothing_and_it_ends_by_itself() {
    let mut world = town().await;
    let (from, to) = (at(1, 8, 0, 0), at(1, 9, 0, 0));
    for _ in 0..2 {
        tell(&mut world, UNIT, from_to("r-1", from, to)).await;
        tell(&mut world, "lift-3", from_to("r-2", from, to)).await;
        world.restart().await;
    }
    assert_eq!(world.told(RULE).await, ["fired", "fired"]);
    world.pass_until(from + 30 * DAY).await;
    assert_eq!(world.told(RULE).await, ["fired", "fired", "resolved", "resolved"]);
}
