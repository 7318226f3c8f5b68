//! What one more event costs a unit that has a past, beside one that has none: one transaction each, in process.

use std::sync::Arc;
use std::time::Instant;

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::{Address, Class, Decoded, Fact};
use liftwatch::detect::{Rules, Settings};
use liftwatch::domain::id::{PublisherId, RegionCode, UnitId};
use liftwatch::domain::time::{DAY, MINUTE, Timestamp};
use liftwatch::pipeline::action::Action;
use liftwatch::pipeline::message::Arrival;
use liftwatch::pipeline::{Pipeline, identity};
use liftwatch::registry_csv;
use liftwatch::store::Store;

use crate::daemon::fault;
use crate::load::{PUBLISHER, REGION};

/// Transactions timed for each unit.
const ROUNDS: i64 = 300;

/// Milliseconds for an event of a unit without a past, and of one with `past` events, the last 10 % within the year.
pub async fn cost_of_one_event(past: u64) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("liftwatch.db");
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let publisher = PublisherId::new(PUBLISHER).unwrap();
    let crowded = UnitId::new("crowded").unwrap();

    let mut store = Store::open(&path).await.unwrap();
    let step = 3_650 * DAY / i64::try_from(past).unwrap();
    let records: Vec<_> = (0..past)
        .map(|number| {
            let ts = now - 2 * DAY - i64::try_from(past - number).unwrap() * step;
            identity::event_record(&crowded, &publisher, fault(ts, number), ts)
        })
        .collect();
    let mut change = store.begin().await.unwrap();
    change.insert_events(&records).await.unwrap();
    change.commit().await.unwrap();

    let region = RegionCode::new(REGION).unwrap();
    let settings = Settings::default();
    let rules = Rules::new(&settings, &jiff::tz::TimeZone::UTC);
    let decoder = Arc::new(Decoder::new(&[], std::slice::from_ref(&region)).unwrap());
    let mut pipeline = Pipeline::open(store, decoder, &settings, rules, now).await.unwrap();
    let csv = format!(
        "unit,region,kind,publisher\ncrowded,{REGION},traction,{PUBLISHER}\nempty,{REGION},traction,{PUBLISHER}\n"
    );
    let units = registry_csv::parse(csv.as_bytes()).unwrap();
    pipeline.act(&Action::ImportUnits(units), now).await.unwrap();

    // In turn, so that both meet the same disk.
    let mut cost = [0.0; 2];
    for round in 0..ROUNDS {
        for (name, cost) in ["empty", "crowded"].iter().zip(&mut cost) {
            let at = now + round * MINUTE;
            let address =
                Address { region: region.clone(), publisher: publisher.clone(), unit: UnitId::new(name).unwrap() };
            let event = fault(at, u64::try_from(round).unwrap());
            let facts = vec![Fact::Event(event)];
            let decoded = Decoded { address, class: Class::Event, facts, unknown_codes: Vec::new() };
            let (topic, payload) = (String::new(), Vec::new());
            let arrival = Arrival { region: region.clone(), topic, payload, received_at: at, decoded: Ok(decoded) };
            let began = Instant::now();
            pipeline.take(&[arrival], at).await.unwrap();
            *cost += began.elapsed().as_secs_f64() * 1_000.0 / ROUNDS as f64;
        }
    }
    (cost[0], cost[1])
}
