//! `repeated_fault`: three incidents in thirty days.

use liftwatch::detect::Settings;
use liftwatch::domain::fault::FaultCode;

use super::{MS, heartbeat, tell_faults, tell_faults_at_once};
use crate::world::{World, at, day, raised};

const RULE: &str = "repeated_fault";
const CODE: FaultCode = FaultCode::DoorClosing;

/// Three incidents on the first three days: it fires on day 2 and ceases on day 30.
async fn firing() -> World {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    world
}

#[tokio::test]
async fn fires_at_the_third_incident_with_its_evidence() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    assert_eq!((alert.starts, alert.ends, alert.firing), (day(2), Some(day(30)), true));
    assert_eq!((alert.severity.as_str(), alert.evidence), ("warning", 3));
    assert_eq!(world.told(RULE).await, ["fired"]);
    let summary = world.text("select summary_en from alert where rule = 'repeated_fault'").await;
    assert_eq!(summary, "3 incidents within 30 days: door closing");
}

#[tokio::test]
async fn does_not_fire_at_two_incidents() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
    world.pass_until(day(29)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn does_not_count_an_incident_exactly_thirty_days_old() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(30)]).await;
    assert_eq!(world.episodes(RULE).await, []);

    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(30) - MS]).await;
    assert_eq!(
        world.episodes(RULE).await,
        [(day(30) - MS, Some(day(30)), true)],
        "a hold of one millisecond is a hold"
    );
}

#[tokio::test]
async fn fires_once_while_firing_and_each_further_incident_moves_the_end() {
    let mut world = firing().await;
    tell_faults(&mut world, CODE, &[day(3), day(4)]).await;
    world.pass_until(day(10)).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(32)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_at_which_the_first_incident_leaves_the_window() {
    let mut world = firing().await;
    world.pass_until(day(30) - MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), true)]);
    world.pass_until(day(30)).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn an_incident_that_comes_as_another_leaves_keeps_the_episode_one() {
    let mut world = firing().await;
    tell_faults(&mut world, CODE, &[day(30)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(31)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_resolves_when_it_is_heard() {
    let mut world = firing().await;
    heartbeat(&mut world, day(3)).await;
    world.pass_until(at(3, 1, 0, 0)).await;
    world.pass_until(day(40)).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), true)], "silence is not recovery");
    heartbeat(&mut world, day(41)).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), false)], "it ended when the condition did");
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
    assert_eq!(world.count("select resolved_at from alert where rule = 'repeated_fault'").await, day(41).0);
}

#[tokio::test]
async fn counts_a_duplicate_once() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(1), day(0), day(1)]).await;
    tell_faults_at_once(&mut world, CODE, &[day(0), day(0), day(1)]).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_late_fault_gives_the_episode_that_it_should_have_given() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(2)]).await;
    world.pass_until(day(10)).await;
    world.tell(raised(CODE, day(1))).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn late_faults_whose_episode_is_over_are_recorded_late_and_told_to_nobody() {
    let mut world = World::new().await;
    world.pass_until(day(100)).await;
    tell_faults_at_once(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
    assert_eq!(world.transitions(RULE).await, ["recorded_late"]);
    assert_eq!(world.count("select late from alert where rule = 'repeated_fault'").await, 1);
}

#[tokio::test]
async fn a_late_fault_widens_a_firing_episode_without_telling_it_again() {
    let mut world = firing().await;
    world.pass_until(day(10)).await;
    world.tell(raised(CODE, at(2, 12, 0, 0))).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(31)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
    assert_eq!(world.transitions(RULE).await, ["fired", "revised"]);
}

#[tokio::test]
async fn a_late_fault_moves_the_start_of_the_same_alert() {
    let mut world = firing().await;
    let before = world.text("select id from alert where rule = 'repeated_fault'").await;
    world.tell(raised(CODE, at(0, 12, 0, 0))).await;
    assert_eq!(world.episodes(RULE).await, [(day(1), Some(at(30, 12, 0, 0)), true)]);
    assert_eq!(world.text("select id from alert where rule = 'repeated_fault'").await, before);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_fault_that_makes_a_resolved_episode_hold_again_is_told_as_reopened() {
    let mut world = firing().await;
    world.pass_until(day(31)).await;
    tell_faults_at_once(&mut world, CODE, &[day(10), day(11)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(32)), true)]);
    world.pass_until(day(32)).await;
    assert_eq!(world.told(RULE).await, ["fired", "resolved", "reopened", "resolved"]);
}

#[tokio::test]
async fn late_faults_that_join_two_episodes_leave_one_and_name_the_one_that_took_the_other() {
    let mut world = firing().await;
    world.pass_until(day(31)).await;
    tell_faults(&mut world, CODE, &[day(40), day(41), day(42)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), false), (day(42), Some(day(70)), true)]);
    tell_faults_at_once(&mut world, CODE, &[day(20), day(21), day(22)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(70)), true)]);
    let told = world.told(RULE).await;
    assert_eq!(told[..3], ["fired", "resolved", "fired"]);
    assert_eq!(told[3..], ["reopened", "withdrawn"]);
    let taken = "select count(*) from alert gone join alert kept on kept.id = gone.superseded_by \
         where gone.state = 'withdrawn' and kept.state = 'firing'";
    assert_eq!(world.count(taken).await, 1);
}

#[tokio::test]
async fn survives_a_restart_before_while_and_after_it_fires() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
    world.restart().await;
    tell_faults(&mut world, CODE, &[day(2)]).await;
    world.restart().await;
    tell_faults(&mut world, CODE, &[day(2), day(3)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(31)), true)]);
    world.now = day(33);
    world.restart().await;
    world.pass_until(day(33)).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(31)), false)], "it ended while the daemon was away");
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

fn per_code() -> Settings {
    let mut settings = Settings::default();
    settings.repeated_fault.per_code = true;
    settings
}

#[tokio::test]
async fn any_three_codes_count_unless_per_code_is_set() {
    let codes = [FaultCode::DoorClosing, FaultCode::DoorOpening, FaultCode::Levelling];
    for (settings, expected) in [(Settings::default(), 1), (per_code(), 0)] {
        let mut world = World::with(settings).await;
        for (days, code) in (0..).zip(codes) {
            world.tell(raised(code, day(days))).await;
        }
        assert_eq!(world.episodes(RULE).await.len(), expected);
    }
}

#[tokio::test]
async fn with_per_code_three_of_one_code_fire_and_holds_of_two_codes_that_overlap_are_one_episode() {
    let mut world = World::with(per_code()).await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[day(0), day(1), day(2)]).await;
    tell_faults(&mut world, FaultCode::Levelling, &[day(10), day(11), day(12)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(40)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}
