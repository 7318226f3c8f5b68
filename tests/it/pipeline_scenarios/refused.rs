//! What is not taken: quarantine with its bounds, and units that the registry does not have.

use std::sync::Arc;

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::{Address, Class, Decoded, Fact, Reason, Rejection};
use liftwatch::domain::event::State;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::id::{PublisherId, RegionCode};
use liftwatch::domain::unit::Unit;
use liftwatch::hex::sha256_hex;
use liftwatch::pipeline::message::Arrival;

use crate::world::{
    PUBLISHER, START, UNIT, World, at, day, event_message, raised, refused_message, region, state_message, unit,
    unit_id,
};

const CODE: FaultCode = FaultCode::DoorClosing;

/// A message as the broker hands it over, read by the real decoder.
fn wire(topic: &str, payload: &str) -> Arrival {
    let decoder = Arc::new(Decoder::new(&[], &[region()]).unwrap());
    let decoded = decoder.decode(&region(), topic, payload.as_bytes());
    Arrival { region: region(), topic: topic.to_owned(), payload: payload.into(), received_at: START, decoded }
}

fn event_of(unit: &str, minute: i64) -> Arrival {
    let ts = at(0, 0, minute, 0);
    let payload = format!(r#"{{"ts":"{ts}","type":"fault_raised","code":"door_closing"}}"#);
    wire(&format!("lift/v1/350582/maker-1/{unit}/event"), &payload)
}

async fn quarantine(world: &mut World) -> Vec<(String, String, String)> {
    let query = "select reason, publisher, unit from quarantine order by id";
    sqlx::query_as(query).fetch_all(&mut world.reader().await).await.unwrap()
}

fn row(reason: &str, publisher: &str, unit: &str) -> (String, String, String) {
    (reason.to_owned(), publisher.to_owned(), unit.to_owned())
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_first_four_kib_its_size_and_the_hash_of_all_of_it() {
    let mut world = World::new().await;
    let payload = vec![b'{'; 10_000];
    let rejection = Rejection::new(Reason::BadJson, "not JSON at byte 1");
    let outcome = world.arrive(vec![Arrival { payload: payload.clone(), ..refused_message(rejection) }]).await;
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!(quarantine(&mut world).await, [row("bad_json", "", "")]);
    assert_eq!(world.count("select length(payload) from quarantine").await, 4_096);
    assert_eq!(world.count("select payload_size from quarantine").await, 10_000);
    assert_eq!(world.text("select payload_sha256 from quarantine").await, sha256_hex(&payload));
    assert_eq!(world.text("select detail from quarantine").await, "not JSON at byte 1");
    assert_eq!(world.count("select count(*) from event").await, 0);
}

#[tokio::test]
async fn a_retained_message_is_kept_apart_and_changes_nothing() {
    let mut world = World::new().await;
    let address = Address { region: region(), publisher: PublisherId::new(PUBLISHER).unwrap(), unit: unit_id(UNIT) };
    let rejection = Rejection::new(Reason::Retained, "the broker kept it").of(&address);
    world.arrive(vec![refused_message(rejection)]).await;
    assert_eq!(quarantine(&mut world).await, [row("retained", PUBLISHER, UNIT)]);
    assert!(world.pipeline().fleet().get(&unit_id(UNIT)).unwrap().heard_at.is_none(), "the unit was not heard");
}

#[tokio::test]
async fn bad_messages_between_good_ones_stop_nothing() {
    let mut world = World::new().await;
    world.now = day(1);
    let bad = wire("lift/v1/350582/maker-1/lift-1/event", "{\"ts\":");
    let outcome = world.arrive(vec![bad.clone(), event_of(UNIT, 1), bad.clone(), event_of(UNIT, 2), bad]).await;
    assert_eq!((outcome.events.len(), outcome.refused.len()), (2, 3));
    assert_eq!(world.count("select count(*) from quarantine").await, 3);
}

#[tokio::test]
async fn a_unit_of_another_publisher_is_refused_and_not_heard() {
    let mut world = World::new().await;
    let owner = Some(PublisherId::new("maker-2").unwrap());
    world.register(vec![Unit { publisher: owner, ..unit("lift-2") }]).await;
    world.arrive(vec![event_message("lift-2", raised(CODE, START)), state_message("lift-2", State::at(START))]).await;
    let expected = row("foreign_unit", PUBLISHER, "lift-2");
    assert_eq!(quarantine(&mut world).await, [expected.clone(), expected]);
    assert_eq!(world.count("select count(*) from event").await, 0);
    assert!(world.pipeline().fleet().get(&unit_id("lift-2")).unwrap().heard_at.is_none());
}

#[tokio::test]
async fn a_unit_without_a_publisher_in_the_registry_may_be_told_by_any_of_its_region() {
    let mut world = World::new().await;
    world.register(vec![Unit { publisher: None, ..unit("lift-2") }]).await;
    world.arrive(vec![event_message("lift-2", raised(CODE, START))]).await;
    assert_eq!(world.count("select count(*) from event").await, 1);
}

#[tokio::test]
async fn a_unit_of_another_region_is_refused() {
    let mut world = World::new().await;
    let elsewhere = RegionCode::new("350581").unwrap();
    world.register(vec![Unit { region: elsewhere, ..unit("lift-2") }]).await;
    world.arrive(vec![event_message("lift-2", raised(CODE, START))]).await;
    assert_eq!(quarantine(&mut world).await, [row("foreign_region", PUBLISHER, "lift-2")]);
}

#[tokio::test]
async fn what_an_unknown_unit_tells_is_kept_and_taken_when_the_registry_has_it() {
    let mut world = World::new().await;
    world.now = at(0, 5, 0, 0);
    let outcome = world.arrive(vec![event_of("lift-2", 1), event_of("lift-2", 120), event_of("lift-2", 240)]).await;
    assert_eq!((outcome.unregistered.len(), outcome.events.len()), (3, 0));
    assert!(world.pipeline().fleet().get(&unit_id("lift-2")).is_none(), "never made by itself");
    assert_eq!(world.count("select messages from unregistered_unit").await, 3);
    world.now = at(0, 6, 0, 0);
    world.register(vec![unit("lift-2")]).await;
    assert_eq!(world.count("select count(*) from event where unit = 'lift-2'").await, 3);
    assert_eq!(world.count("select max(received_at) from event").await, at(0, 5, 0, 0).0, "received when it was");
    assert_eq!(world.alerts("repeated_fault").await.len(), 1);
    let left = "select (select count(*) from unregistered_unit) + (select count(*) from unregistered_message)";
    assert_eq!(world.count(left).await, 0);
}

#[tokio::test]
async fn an_unknown_unit_that_sent_nothing_but_states_is_no_longer_unknown_once_it_is_registered() {
    let mut world = World::new().await;
    world.arrive(vec![state_message("lift-2", State::at(START)), state_message("lift-2", State::at(START))]).await;
    assert_eq!(world.count("select messages from unregistered_unit").await, 2);
    assert_eq!(world.count("select count(*) from unregistered_message").await, 0, "states are counted, not kept");
    world.register(vec![unit("lift-2")]).await;
    assert_eq!(world.count("select count(*) from unregistered_unit").await, 0);
}

#[tokio::test]
async fn what_waits_for_the_registry_survives_a_restart() {
    let mut world = World::new().await;
    world.arrive(vec![event_of("lift-2", 0)]).await;
    world.restart().await;
    world.register(vec![unit("lift-2")]).await;
    assert_eq!(world.count("select count(*) from event").await, 1);
}

#[tokio::test]
async fn more_unknown_units_of_one_publisher_than_there_is_room_for_go_to_quarantine_with_their_messages() {
    let mut world = World::new().await;
    world
        .meddle(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000) \
             insert into unregistered_unit select 'maker-1', 'lift-x' || i, '350582', 0, 0, 1 from n",
        )
        .await;
    let event = event_of("lift-2", 0);
    let state = state_message("lift-3", State::at(START));
    world.arrive(vec![event.clone(), state.clone()]).await;
    let expected =
        [row("unregistered_overflow", PUBLISHER, "lift-2"), row("unregistered_overflow", PUBLISHER, "lift-3")];
    assert_eq!(quarantine(&mut world).await, expected);
    let kept: Vec<(String, Vec<u8>)> = sqlx::query_as("select topic, payload from quarantine order by id")
        .fetch_all(&mut world.reader().await)
        .await
        .unwrap();
    assert_eq!(kept, [(event.topic, event.payload), (state.topic, state.payload)]);
    assert_eq!(world.count("select count(*) from unregistered_unit").await, 1_000);
}

#[tokio::test]
async fn more_messages_of_unknown_units_than_there_is_room_for_go_to_quarantine() {
    let mut world = World::new().await;
    world
        .meddle(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000) \
             insert into unregistered_message (publisher, unit, region, topic, received_at, payload) \
             select 'maker-1', 'lift-x', '350582', '', 0, x'' from n",
        )
        .await;
    world.arrive(vec![event_of("lift-2", 0)]).await;
    assert_eq!(quarantine(&mut world).await, [row("unregistered_overflow", PUBLISHER, "lift-2")]);
    assert_eq!(world.count("select count(*) from unregistered_message").await, 10_000);
}

#[tokio::test]
async fn quarantine_keeps_the_newest_ten_thousand_of_a_publisher_and_counts_what_went() {
    let mut world = World::new().await;
    world
        .meddle(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000) \
             insert into quarantine (received_at, region, publisher, unit, topic, reason, detail, payload_size, \
             payload_sha256, payload) select i, '350582', p, '', '', 'bad_json', '', 0, '', x'' \
             from n, (select 'maker-1' as p union all select 'maker-2')",
        )
        .await;
    let address = Address { region: region(), publisher: PublisherId::new(PUBLISHER).unwrap(), unit: unit_id(UNIT) };
    let refused = refused_message(Rejection::new(Reason::BadJson, "no").of(&address));
    let outcome = world.arrive(vec![refused.clone(), refused.clone(), refused]).await;
    assert_eq!(outcome.quarantine_dropped, 3);
    let of = "select count(*) from quarantine where publisher = 'maker-1'";
    assert_eq!(world.count(of).await, 10_000);
    assert_eq!(world.count("select min(received_at) from quarantine where publisher = 'maker-1'").await, 4);
    assert_eq!(world.count("select count(*) from quarantine where publisher = 'maker-2'").await, 10_000);
}

#[tokio::test]
async fn codes_that_no_table_has_are_counted_and_their_faults_are_kept() {
    let mut world = World::new().await;
    let message = event_message(UNIT, raised(FaultCode::Other, START));
    let decoded = message.decoded.clone().unwrap();
    let decoded = Ok(Decoded { unknown_codes: vec!["E99".to_owned()], ..decoded });
    let outcome = world.arrive(vec![Arrival { decoded, ..message }]).await;
    assert_eq!((outcome.unknown_codes, outcome.events.len()), (vec!["E99".to_owned()], 1));
}

#[tokio::test]
async fn a_message_of_several_facts_is_taken_whole() {
    let mut world = World::new().await;
    let address = Address { region: region(), publisher: PublisherId::new(PUBLISHER).unwrap(), unit: unit_id(UNIT) };
    let facts = vec![
        Fact::State(State::at(START)),
        Fact::Event(raised(CODE, START)),
        Fact::Event(raised(FaultCode::Levelling, START)),
    ];
    let decoded = Ok(Decoded { address, class: Class::State, facts, unknown_codes: Vec::new() });
    let outcome = world.arrive(vec![Arrival { decoded, ..state_message(UNIT, State::at(START)) }]).await;
    assert_eq!((outcome.events.len(), outcome.received), (2, vec![Class::State]));
}
