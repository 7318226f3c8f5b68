//! Any message that can be read, with the worst strings, numbers and times in it: none of them stops the pipeline,
//! none is lost, and a batch that failed once is as one that never did.

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::Class;
use liftwatch::domain::event::{EventType, Mode};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, MINUTE};
use liftwatch::domain::unit::Unit;
use liftwatch::pipeline::message::Arrival;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::world::{PUBLISHER, REGION, START, UNIT, World, region, unit};

/// Text within the contract's limits for codes: no control characters, up to 64 of anything else.
fn code_text() -> impl Strategy<Value = String> {
    let odd = select(vec!["🛗", "\u{feff}", "\u{202e}", "'\"\\;--", "\u{10ffff}", "é", " ", "%", "{}", "=1+1", "电梯"]);
    proptest::collection::vec(odd, 1..20).prop_map(|parts| parts.concat())
}

fn time() -> impl Strategy<Value = Value> {
    let edge = [0, -1, 1, i64::MIN, i64::MAX, 253_402_207_200_000, -377_705_023_201_000, 4_102_444_800_000];
    prop_oneof![
        select(edge.to_vec()).prop_map(Value::from),
        (START.0 - 2 * DAY..START.0 + 3 * DAY).prop_map(Value::from),
        (START.0..START.0 + 3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!("9999-12-30T22:00:00Z")),
        Just(json!("-009999-01-02T02:00:00Z")),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, select(vec![(1 << 53) - 1, (1 << 53) - 2, 1 << 53, u64::MAX, i64::MAX as u64])]
}

fn boot() -> impl Strategy<Value = String> {
    select(vec!["b".to_owned(), "B".to_owned(), "1".to_owned(), "01".to_owned(), "1e3".to_owned(), "x".repeat(64)])
}

fn event_payload() -> impl Strategy<Value = Value> {
    let kind = select(EventType::ALL.to_vec());
    let code = prop_oneof![select(FaultCode::ALL.to_vec()).prop_map(|code| code.to_string()), code_text()];
    let numbered = proptest::option::of((boot(), number()));
    (time(), kind, code, code_text(), select(Mode::ALL.to_vec()), numbered, any::<String>()).prop_map(
        |(ts, kind, code, vendor, mode, numbered, extra)| {
            let mut payload = json!({
                "ts": ts, "type": kind.as_str(), "code": code, "mode": mode.as_str(),
                "vendor_code": vendor.chars().take(64).collect::<String>(), "extra\u{0}\n": extra,
            });
            if let Some((boot, seq)) = numbered {
                payload["boot"] = boot.into();
                payload["seq"] = seq.into();
            }
            payload
        },
    )
}

fn state_payload() -> impl Strategy<Value = Value> {
    let bools = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let faults = proptest::collection::vec(code_text(), 0..64);
    (time(), boot(), number(), bools, faults, number()).prop_map(|(ts, boot, last, bools, faults, runs)| {
        let (moving, occupied, alarm, entrapment, mains_off) = bools;
        json!({
            "ts": ts, "boot": boot, "last_seq": last, "moving": moving, "occupied": occupied, "door": "closed",
            "alarm": alarm, "entrapment": entrapment, "mains_off": mains_off, "active_faults": faults, "runs": runs,
        })
    })
}

fn visit_payload() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![select(vec!["r1".to_owned(), "r2".to_owned(), "r3".to_owned()]), code_text()];
    let others = (proptest::option::of(name()), proptest::option::of(time()), any::<String>());
    (time(), name(), time(), others).prop_map(|(ts, name, started_at, (supersedes, ended_at, note))| {
        json!({
            "ts": ts, "record_id": name, "kind": "FM", "started_at": started_at, "ended_at": ended_at,
            "supersedes": supersedes, "note\u{0}": note,
        })
    })
}

fn hazard_payload() -> impl Strategy<Value = Value> {
    (time(), code_text(), code_text(), ".{0,40}").prop_map(|(ts, name, basis, text)| {
        json!({
            "ts": ts, "report_id": name, "reporter": "inspection_body", "basis": basis, "use_stopped": true,
            "text": format!("{text}\u{0}\u{7f}"),
        })
    })
}

fn payload() -> impl Strategy<Value = (Class, Value)> {
    prop_oneof![
        5 => event_payload().prop_map(|payload| (Class::Event, payload)),
        3 => state_payload().prop_map(|payload| (Class::State, payload)),
        2 => visit_payload().prop_map(|payload| (Class::Visit, payload)),
        1 => hazard_payload().prop_map(|payload| (Class::Hazard, payload)),
    ]
}

fn message() -> impl Strategy<Value = (Class, Arrival)> {
    let unit = select(vec![UNIT, "LIFT-1", "lift-404", "lift-2"]);
    let publisher = select(vec![PUBLISHER, PUBLISHER, PUBLISHER, "stranger"]);
    (unit, publisher, payload()).prop_map(|(unit, publisher, (class, payload))| {
        let topic = format!("lift/v1/{REGION}/{publisher}/{unit}/{class}");
        let payload = payload.to_string().into_bytes();
        let decoded = Decoder::new(&[], &[region()]).unwrap().decode(&region(), &topic, &payload);
        (class, Arrival { region: region(), topic, payload, received_at: START, decoded })
    })
}

/// Takes the batches, with sweeps, a restart and a late registration between them: nothing fails, every message is
/// accounted for.
async fn survives(batches: Vec<Vec<(Class, Arrival)>>) {
    let mut world = World::new().await;
    let any_publisher = |name: &str| Unit { publisher: None, ..unit(name) };
    world.register(vec![any_publisher("LIFT-1")]).await;
    let (mut told, mut accounted, mut states) = (0, 0, 0);
    let mut count = |outcome: &liftwatch::pipeline::message::Outcome| {
        // Edges are our own; a state that is a plain heartbeat leaves no row.
        let reported = outcome.events.iter().filter(|record| record.event.origin.as_str() == "reported").count();
        accounted += reported + outcome.visits + outcome.hazards + outcome.refused.len() + outcome.unregistered.len();
        accounted += usize::try_from(outcome.duplicates).unwrap();
    };
    for batch in batches {
        told += batch.len();
        states += batch.iter().filter(|(class, arrival)| *class == Class::State && arrival.decoded.is_ok()).count();
        let outcome = world.arrive(batch.into_iter().map(|(_, arrival)| arrival).collect()).await;
        count(&outcome);
        world.pass_until(world.now + 37 * MINUTE).await;
        world.pipeline().flush().await.unwrap();
    }
    assert!((told - states..=told + states * 140).contains(&accounted), "{told} told, {accounted} accounted for");
    let waiting = world.count("select count(*) from unregistered_message where unit = 'lift-2'").await;
    world.register(vec![any_publisher("lift-2")]).await;
    let left = world.count("select count(*) from unregistered_message where unit = 'lift-2'").await;
    assert_eq!(left, 0, "of {waiting} kept messages");
    world.restart().await;
    world.pass_until(world.now + 40 * DAY).await;
    world.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_that_can_be_read_stops_the_pipeline(
        batches in proptest::collection::vec(proptest::collection::vec(message(), 0..30), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(survives(batches));
    }
}

/// Takes the batches; where `failing`, each is tried first while the store takes no events, and then again.
async fn dump_of(batches: &[Vec<(Class, Arrival)>], failing: bool) -> Vec<String> {
    let mut world = World::new().await;
    for batch in batches {
        let now = world.now;
        let arrivals: Vec<Arrival> =
            batch.iter().map(|(_, arrival)| Arrival { received_at: now, ..arrival.clone() }).collect();
        let mut done = false;
        if failing {
            world.meddle("create trigger no_room before insert on event begin select raise(abort, 'full'); end").await;
            done = world.pipeline().take(&arrivals, now).await.is_ok();
            world.meddle("drop trigger no_room").await;
        }
        if !done {
            world.pipeline().take(&arrivals, now).await.unwrap();
        }
        world.pass_until(now + 7 * MINUTE).await;
    }
    world.dump().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_that_failed_and_is_tried_again_leaves_no_trace_of_its_failure(
        batches in proptest::collection::vec(proptest::collection::vec(message(), 1..20), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (plain, failed) = runtime.block_on(async { (dump_of(&batches, false).await, dump_of(&batches, true).await) });
        prop_assert_eq!(plain, failed);
    }
}
