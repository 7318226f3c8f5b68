//! The pipeline by itself, in this process: how much of a processor one event costs, without broker and connection.

use std::sync::Arc;
use std::time::Instant;

use liftwatch::decode::Decoder;
use liftwatch::detect::{Rules, Settings};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::pipeline::Pipeline;
use liftwatch::pipeline::action::Action;
use liftwatch::pipeline::message::Arrival;
use liftwatch::registry_csv;
use liftwatch::store::Store;
use liftwatch::writer::BATCH;

use crate::load::{Kind, PUBLISHER, REGION, message, unit};

const UNITS: u64 = 8_000;

/// Decodes and takes `messages` events in full batches, and prints what each step costs.
pub async fn pipeline(messages: u64) {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let region = RegionCode::new(REGION).unwrap();
    let settings = Settings::default();
    let rules = Rules::new(&settings, &jiff::tz::TimeZone::UTC);
    let decoder = Arc::new(Decoder::new(&[], std::slice::from_ref(&region)).unwrap());
    let store = Store::open(&folder.path().join("liftwatch.db")).await.unwrap();
    let mut pipeline = Pipeline::open(store, Arc::clone(&decoder), &settings, rules, now).await.unwrap();
    let rows = (0..UNITS).map(|number| format!("{},{REGION},traction,{PUBLISHER}\n", unit(number)));
    let csv = format!("unit,region,kind,publisher\n{}", rows.collect::<String>());
    pipeline.act(&Action::ImportUnits(registry_csv::parse(csv.as_bytes()).unwrap()), now).await.unwrap();

    let (mut decoding, mut taking) = (0.0, 0.0);
    let began = now.0 - i64::try_from(messages).unwrap();
    let numbers: Vec<u64> = (0..messages).collect();
    for batch in numbers.chunks(BATCH) {
        let told: Vec<_> = batch.iter().map(|number| message(*number, UNITS, began, Kind::Event)).collect();
        let start = Instant::now();
        let arrivals: Vec<Arrival> = told
            .into_iter()
            .map(|(topic, payload)| {
                let decoded = decoder.decode(&region, &topic, &payload);
                Arrival { region: region.clone(), topic, payload, received_at: now, decoded }
            })
            .collect();
        decoding += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let outcome = pipeline.take(&arrivals, now).await.unwrap();
        assert_eq!(outcome.events.len(), batch.len(), "every event is new");
        drop((outcome, arrivals));
        taking += start.elapsed().as_secs_f64();
    }
    let each = 1e6 / messages as f64;
    println!(
        "(p) {messages} events, the pipeline alone: decoding {:.1} us, storing and judging {:.1} us each, {:.0} events/s",
        decoding * each,
        taking * each,
        messages as f64 / taking
    );
}
