//! `evidence_gap`: events that a unit numbered and sent, and that did not arrive. It is about what reached us, so its
//! times are ours.

use liftwatch::detect::Settings;
use liftwatch::domain::event::{Event, EventType, State};
use liftwatch::domain::time::{DAY, SECOND, Timestamp};

use super::{MS, heartbeat};
use crate::world::{START, UNIT, World, at, day, event, event_message, numbered};

const RULE: &str = "evidence_gap";

/// When the gap is seen.
const SEEN: Timestamp = Timestamp(START.0 + 10 * SECOND);

/// A missing event may still be on its way for so long.
const GRACE: i64 = 60 * SECOND;

fn pressed(boot: &str, seq: u64) -> Event {
    let ts = START + i64::try_from(seq).unwrap() * SECOND;
    numbered(boot, seq, event(EventType::AlarmPressed, ts))
}

/// Numbered events arrive together.
async fn tell(world: &mut World, boot: &str, numbers: &[u64]) {
    world.arrive(numbers.iter().map(|seq| event_message(UNIT, pressed(boot, *seq))).collect()).await;
}

/// Numbers 5 and 8 of a boot have arrived: 6 and 7 are missing.
async fn missing_two() -> World {
    let mut world = World::new().await;
    world.now = SEEN;
    tell(&mut world, "b1", &[5, 8]).await;
    world
}

async fn missing(world: &mut World) -> Vec<(i64, i64)> {
    let query = "select from_seq, to_seq from gap where closed_at is null order by boot, from_seq";
    sqlx::query_as(query).fetch_all(&mut world.reader().await).await.unwrap()
}

#[tokio::test]
async fn fires_when_the_grace_is_over_and_says_what_is_missing() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (SEEN + GRACE, Some(SEEN + 30 * DAY), true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("info", 1));
    let summary = world.text("select summary_en from alert where rule = 'evidence_gap'").await;
    assert_eq!(summary, "2 events missing: sequence 6 to 7 of boot b1");
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn does_not_fire_within_the_grace_nor_without_a_gap() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    let mut world = World::new().await;
    tell(&mut world, "b1", &[5, 6, 7]).await;
    world.pass_until(day(1)).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.count("select count(*) from gap").await, 0);
}

#[tokio::test]
async fn events_that_come_within_the_grace_leave_no_alert_in_whatever_order() {
    let mut world = missing_two().await;
    world.now = SEEN + GRACE;
    tell(&mut world, "b1", &[7]).await;
    tell(&mut world, "b1", &[6]).await;
    world.pass_until(day(1)).await;
    assert_eq!(world.alerts(RULE).await.iter().filter(|alert| alert.firing).count(), 0);
    assert_eq!(world.episodes(RULE).await, [], "filled as the grace ends is filled in time");
}

#[tokio::test]
async fn fires_once_while_numbers_are_missing_and_further_gaps_join_it() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    world.pass_until(day(1)).await;
    tell(&mut world, "b1", &[9, 12]).await;
    world.pass_until(day(2)).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(day(31)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_at_which_the_last_missing_number_arrives() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    world.now = at(0, 1, 0, 0);
    tell(&mut world, "b1", &[6]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), true)], "one is still missing");
    assert_eq!(missing(&mut world).await, [(7, 7)]);
    world.now = at(0, 2, 0, 0) + MS;
    tell(&mut world, "b1", &[7]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(at(0, 2, 0, 0) + MS), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_number_out_of_the_middle_splits_the_gap_and_the_finding_stays_one() {
    let mut world = World::new().await;
    world.now = SEEN;
    tell(&mut world, "b1", &[1, 9]).await;
    world.pass_until(SEEN + GRACE).await;
    world.now = at(0, 1, 0, 0);
    tell(&mut world, "b1", &[5]).await;
    assert_eq!(missing(&mut world).await, [(2, 4), (6, 8)]);
    world.now = at(0, 2, 0, 0);
    tell(&mut world, "b1", &[2, 3, 4]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), true)]);
    world.now = at(0, 3, 0, 0);
    tell(&mut world, "b1", &[8, 7, 6]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(at(0, 3, 0, 0)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_gap_that_is_never_filled_is_shown_for_thirty_days() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    world.pass_until(SEEN + 30 * DAY - MS).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), true)]);
    world.pass_until(SEEN + 30 * DAY).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), false)]);
    assert_eq!(missing(&mut world).await, [(6, 7)], "the gap itself stays on record");
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_resolves_when_it_is_heard() {
    let mut world = missing_two().await;
    heartbeat(&mut world, SEEN + SECOND).await;
    world.pass_until(SEEN + GRACE).await;
    world.pass_until(day(40)).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), true)]);
    heartbeat(&mut world, day(41)).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), false)]);
}

#[tokio::test]
async fn a_duplicate_opens_and_closes_nothing() {
    let mut world = missing_two().await;
    tell(&mut world, "b1", &[8, 5, 8]).await;
    assert_eq!(missing(&mut world).await, [(6, 7)]);
    world.pass_until(SEEN + GRACE).await;
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_event_closes_the_gap_when_it_arrives_and_not_when_it_happened() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    world.now = day(5);
    tell(&mut world, "b1", &[6, 7]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(day(5)), false)]);
}

#[tokio::test]
async fn an_event_that_comes_after_the_gap_was_given_up_changes_no_episode() {
    let mut world = missing_two().await;
    world.pass_until(SEEN + GRACE).await;
    world.pass_until(day(40)).await;
    tell(&mut world, "b1", &[6, 7]).await;
    world.tell(event(EventType::MainsOn, day(1))).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(SEEN + 30 * DAY), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
    assert_eq!(missing(&mut world).await, []);
}

#[tokio::test]
async fn survives_a_restart_with_its_numbering() {
    let mut world = missing_two().await;
    world.restart().await;
    world.pass_until(SEEN + GRACE).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    world.restart().await;
    world.now = at(0, 1, 0, 0);
    tell(&mut world, "b1", &[9]).await;
    assert_eq!(missing(&mut world).await, [(6, 7)], "nine follows eight");
    tell(&mut world, "b1", &[7, 6]).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + GRACE, Some(at(0, 1, 0, 0)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn nothing_is_said_of_numbers_before_the_first_that_we_heard() {
    let mut world = World::new().await;
    tell(&mut world, "b1", &[4_711]).await;
    assert_eq!(missing(&mut world).await, []);
}

#[tokio::test]
async fn a_new_boot_that_begins_at_one_or_zero_is_no_gap() {
    for first in [0, 1] {
        let mut world = World::new().await;
        tell(&mut world, "b1", &[5, 6]).await;
        tell(&mut world, "b2", &[first, first + 1]).await;
        assert_eq!(missing(&mut world).await, [], "from {first}");
    }
}

#[tokio::test]
async fn a_reboot_whose_first_numbers_never_came_is_a_gap() {
    let mut world = World::new().await;
    tell(&mut world, "b1", &[5, 6]).await;
    world.now = SEEN;
    tell(&mut world, "b2", &[3]).await;
    assert_eq!(missing(&mut world).await, [(1, 2)]);
    world.pass_until(SEEN + GRACE).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}

#[tokio::test]
async fn an_announced_number_finds_a_lost_last_event() {
    let mut world = World::new().await;
    tell(&mut world, "b1", &[5, 6]).await;
    let state = State { boot: Some("b1".into()), last_seq: Some(7), ..State::at(SEEN) };
    world.tell_state(State { last_seq: Some(6), ..state.clone() }).await;
    assert_eq!(missing(&mut world).await, []);
    world.tell_state(state.clone()).await;
    assert_eq!(missing(&mut world).await, [(7, 7)]);
    world.tell_state(State { ts: SEEN + SECOND, ..state }).await;
    assert_eq!(missing(&mut world).await, [(7, 7)], "said again, found once");
    world.pass_until(SEEN + GRACE).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    tell(&mut world, "b1", &[7]).await;
    assert_eq!(missing(&mut world).await, []);
}

#[tokio::test]
async fn a_number_that_a_unit_announces_when_we_first_hear_of_it_is_no_gap() {
    let mut world = World::new().await;
    world.tell_state(State { boot: Some("b1".into()), last_seq: Some(41), ..State::at(SEEN) }).await;
    assert_eq!(missing(&mut world).await, []);
    tell(&mut world, "b1", &[43]).await;
    assert_eq!(missing(&mut world).await, [(42, 42)]);
}

#[tokio::test]
async fn an_announced_number_of_a_new_boot_finds_that_all_its_events_are_lost() {
    let mut world = World::new().await;
    tell(&mut world, "b1", &[5]).await;
    world.tell_state(State { boot: Some("b2".into()), last_seq: Some(2), ..State::at(SEEN) }).await;
    assert_eq!(missing(&mut world).await, [(1, 2)]);
}

#[tokio::test]
async fn grace_and_hold_are_those_of_the_settings() {
    let mut settings = Settings::default();
    (settings.evidence_gap.grace_seconds, settings.evidence_gap.hold_days) = (5, 2);
    let mut world = World::with(settings).await;
    world.now = SEEN;
    tell(&mut world, "b1", &[5, 8]).await;
    world.pass_until(SEEN + 5 * SECOND).await;
    assert_eq!(world.episodes(RULE).await, [(SEEN + 5 * SECOND, Some(SEEN + 2 * DAY), true)]);
}
