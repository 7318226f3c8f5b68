//! Decoding under generated input: it never panics, never shows raw text, and gives back what a canonical payload says.

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::{Fact, Reason};
use liftwatch::decode::settings::MappingSettings;
use liftwatch::domain::event::{Direction, Door, Event, EventType, Mode, Origin, Sequence, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

#[derive(Deserialize)]
struct File {
    mapping: Vec<MappingSettings>,
}

const MAPPINGS: &str = r#"
[[mapping]]
name = "gb"
family = "gb24476"
topic = "gb/+/+"
publisher = { topic_level = 2 }
unit = { topic_level = 3 }
booleans = "1/2"
running_time = "hours"
utc_offset = "+08:00"
[[mapping]]
name = "flags"
family = "level_flags"
topic = "flags/+"
publisher = { fixed = "acme" }
unit = { pointer = "/id" }
booleans = "0/1"
flags = "/alarms"
"#;

fn region() -> RegionCode {
    RegionCode::new("350582").unwrap()
}

fn decoder() -> Decoder {
    let file: File = toml::from_str(MAPPINGS).unwrap();
    Decoder::new(&file.mapping, &[region()]).unwrap()
}

const TOPICS: [&str; 6] = [
    "lift/v1/350582/acme/L1/state",
    "lift/v1/350582/acme/L1/event",
    "lift/v1/350582/acme/L1/visit",
    "lift/v1/350582/acme/L1/hazard",
    "gb/acme/L1",
    "flags/x",
];

/// JSON that uses our field names for values of every kind, so that it gets past the first check.
fn near_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![
            "2026-11-23T04:00:00Z",
            "20261123120000",
            "1",
            "0",
            "2",
            "02",
            "b1",
            "door_closing",
            "normal",
            "L1"
        ])
        .prop_map(Value::from),
    ];
    let names = vec![
        "ts",
        "boot",
        "seq",
        "last_seq",
        "type",
        "code",
        "mode",
        "landing",
        "moving",
        "active_faults",
        "record_id",
        "items",
        "workers",
        "started_at",
        "ended_at",
        "service_mode",
        "car_status",
        "fault_code",
        "alarm_code",
        "cleared",
        "alarms",
        "running_time",
        "id",
        "door_closed",
        "alarm",
        "x",
    ];
    let value = leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(select(names), value, 0..10).prop_map(|map| {
        Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()).to_string()
    })
}

fn word<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn whole() -> impl Strategy<Value = u64> {
    0..(1_u64 << 53)
}

fn fault() -> impl Strategy<Value = Fault> {
    (word(FaultCode::ALL), of("[A-Z][0-9]{1,3}"))
        .prop_map(|(code, vendor_code)| Fault { code, vendor_code: vendor_code.map(SmolStr::from) })
}

fn event() -> impl Strategy<Value = Event> {
    let sequence = of(("[A-Za-z0-9._-]{1,64}", whole()).prop_map(|(boot, seq)| Sequence { boot: boot.into(), seq }));
    let told = (word(EventType::ALL), fault(), word(Mode::ALL));
    let rest = (of("[0-9A-Z楼-]{1,8}"), of(any::<bool>()), of(any::<bool>()));
    (-1_000_000_000_000_i64..5_000_000_000_000, sequence, told, rest).prop_map(|(ts, sequence, told, rest)| {
        let (kind, fault, mode) = told;
        let of_fault = matches!(kind, EventType::FaultRaised | EventType::FaultCleared);
        Event {
            ts: Timestamp(ts),
            sequence,
            kind,
            fault: of_fault.then_some(fault),
            mode: (kind == EventType::ModeChanged).then_some(mode),
            landing: rest.0.map(SmolStr::from),
            moving: rest.1,
            occupied: rest.2,
            origin: Origin::Reported,
            extra: None,
        }
    })
}

fn event_json(event: &Event, as_text: bool) -> Value {
    json!({
        "ts": if as_text { json!(event.ts.to_string()) } else { json!(event.ts.0) },
        "boot": event.sequence.as_ref().map(|sequence| &sequence.boot),
        "seq": event.sequence.as_ref().map(|sequence| sequence.seq),
        "type": event.kind.as_str(),
        "code": event.fault.as_ref().map(|fault| fault.code.as_str()),
        "vendor_code": event.fault.as_ref().and_then(|fault| fault.vendor_code.as_ref()),
        "mode": event.mode.map(Mode::as_str),
        "landing": event.landing,
        "moving": event.moving,
        "occupied": event.occupied,
    })
}

fn state() -> impl Strategy<Value = State> {
    let car = (of(word(Mode::ALL)), of(word(Direction::ALL)), of(word(Door::ALL)), of("[0-9A-Z-]{1,8}"));
    let faults = of(proptest::sample::subsequence(FaultCode::ALL, 0..5));
    let levels = proptest::array::uniform6(of(any::<bool>()));
    let counts = (of("[a-z0-9]{1,8}"), proptest::array::uniform4(of(whole())));
    (0_i64..5_000_000_000_000, car, faults, levels, counts).prop_map(|(ts, car, faults, levels, (boot, counts))| {
        State {
            ts: Timestamp(ts),
            last_seq: boot.as_ref().and(counts[0]),
            boot: boot.map(SmolStr::from),
            mode: car.0,
            moving: levels[0],
            direction: car.1,
            landing: car.3.map(SmolStr::from),
            door: car.2,
            in_unlocking_zone: levels[1],
            occupied: levels[2],
            active_faults: faults
                .map(|codes| codes.into_iter().map(|code| Fault { code, vendor_code: None }).collect()),
            alarm: levels[3],
            entrapment: levels[4],
            mains_off: levels[5],
            runs: counts[1],
            door_cycles: counts[2],
            run_seconds: counts[3],
        }
    })
}

fn state_json(state: &State) -> Value {
    json!({
        "ts": state.ts.to_string(),
        "boot": state.boot,
        "last_seq": state.last_seq,
        "mode": state.mode.map(Mode::as_str),
        "moving": state.moving,
        "direction": state.direction.map(Direction::as_str),
        "landing": state.landing,
        "door": state.door.map(Door::as_str),
        "in_unlocking_zone": state.in_unlocking_zone,
        "occupied": state.occupied,
        "active_faults": state.active_faults.as_ref().map(|faults| faults.iter().map(|f| f.code.as_str()).collect::<Vec<_>>()),
        "alarm": state.alarm,
        "entrapment": state.entrapment,
        "mains_off": state.mains_off,
        "runs": state.runs,
        "door_cycles": state.door_cycles,
        "run_seconds": state.run_seconds,
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..300), topic in any::<String>()) {
        let decoder = decoder();
        for known in TOPICS {
            let _ = decoder.decode(&region(), known, &payload);
        }
        let _ = decoder.decode(&region(), &topic, &payload);
        let _ = decoder.decode(&region(), &format!("lift/v1/{topic}"), &payload);
    }

    #[test]
    fn near_payloads_never_panic_and_refusals_show_no_control_character(payload in near_json()) {
        let decoder = decoder();
        for topic in TOPICS {
            match decoder.decode(&region(), topic, payload.as_bytes()) {
                Ok(decoded) => prop_assert!(!decoded.facts.is_empty()),
                Err(rejection) => {
                    prop_assert!(!rejection.detail.chars().any(char::is_control), "{:?}", rejection.detail);
                    prop_assert!(rejection.detail.chars().count() < 400, "{:?}", rejection.detail);
                }
            }
        }
    }

    #[test]
    fn a_canonical_event_comes_back_as_it_was(event in event(), as_text in any::<bool>()) {
        let payload = event_json(&event, as_text).to_string();
        let decoded = decoder().decode(&region(), TOPICS[1], payload.as_bytes()).unwrap();
        prop_assert_eq!(decoded.facts, vec![Fact::Event(event)]);
        prop_assert!(decoded.unknown_codes.is_empty());
    }

    #[test]
    fn a_canonical_state_comes_back_as_it_was(state in state()) {
        let payload = state_json(&state).to_string();
        let decoded = decoder().decode(&region(), TOPICS[0], payload.as_bytes()).unwrap();
        prop_assert_eq!(decoded.facts, vec![Fact::State(state)]);
    }

    /// Whatever the order of the keys and the spaces between them, the same record has the same body.
    #[test]
    fn a_record_is_the_same_in_any_order(keys in Just(vec![0, 1, 2, 3, 4, 5]).prop_shuffle()) {
        let parts = [
            r#""ts":"2026-11-23T04:00:00Z""#, r#""record_id":"r1""#, r#""kind":"HM""#,
            r#""started_at":1763870400000"#, r#""z":{"b":1.50,"a":[1, 2]}"#, r#""code":31103505822020010001"#,
        ];
        let payload = format!("{{ {} }}", keys.iter().map(|key| parts[*key]).collect::<Vec<_>>().join(" ,\n"));
        let decoded = decoder().decode(&region(), TOPICS[2], payload.as_bytes()).unwrap();
        let Fact::Visit(visit) = &decoded.facts[0] else { panic!("no visit") };
        let body = r#"{"code":31103505822020010001,"kind":"HM","record_id":"r1","started_at":1763870400000,"ts":"2026-11-23T04:00:00Z","z":{"a":[1,2],"b":1.50}}"#;
        prop_assert_eq!(visit.body.as_str(), body);
    }

    /// The strict reader and `serde_json` agree on what is JSON, where no key stands twice and nothing is deep.
    #[test]
    fn what_serde_json_reads_is_read(payload in near_json()) {
        prop_assert!(liftwatch::decode::strict::parse(&payload).is_ok());
    }
}

#[test]
fn a_thousand_different_keys_are_read_and_a_late_duplicate_is_found() {
    let fields: Vec<String> = (0..1_000).map(|key| format!("\"k{key}\":{key}")).collect();
    let good = format!("{{{}}}", fields.join(","));
    assert!(liftwatch::decode::strict::parse(&good).is_ok());
    let twice = format!("{{{},\"k3\":0}}", fields.join(","));
    let refused = liftwatch::decode::strict::parse(&twice).unwrap_err();
    assert_eq!(refused.reason, Reason::DuplicateKey);
    assert!(refused.detail.contains("\"k3\""), "{}", refused.detail);
}
