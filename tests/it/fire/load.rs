//! Load on a town: what its units tell, numbered, one message in twenty twice; and what must have become of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::event::{Event, EventType};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, SECOND, Timestamp};
use liftwatch::simulate::publisher::{Publisher, PublisherSettings, Tally};
use serde_json::json;
use sqlx::Row;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::town::{LAST, PATIENCE, Town, wait_for};
use crate::model::{Episode, Known};
use crate::mosquitto::Mosquitto;
use crate::world::{cleared, event, raised};

/// A unit's number and the event's.
pub type Number = (u64, u64);

/// Where the units' stories begin: one moment for all phases of a test. Two events a day fit in up to now.
fn beginning() -> Timestamp {
    static BEGINNING: LazyLock<Timestamp> = LazyLock::new(|| SystemClock::new().now() - 900 * DAY);
    *BEGINNING
}

/// What a unit tells with its `seq`-th event: the same whenever it is asked.
fn tells(start: Timestamp, (unit, seq): Number) -> Event {
    let mut rng = fastrand::Rng::with_seed(unit * 1_000_003 + seq);
    // Off by a unit's own seconds, so that no two moments are one.
    let ts = start + (i64::try_from(seq).unwrap() * 12 * HOUR + i64::try_from(unit).unwrap() * SECOND);
    let codes = [FaultCode::DoorClosing, FaultCode::Levelling, FaultCode::SafetyChainOpen];
    let code = codes[rng.usize(..codes.len())];
    match rng.u32(..100) {
        0..=4 => raised(code, ts),
        5..=7 => cleared(code, ts),
        8 => event(EventType::EntrapmentReported, ts),
        9..=10 => event(EventType::PassengerReleased, ts),
        _ => event(EventType::AlarmPressed, ts),
    }
}

fn payload(start: Timestamp, number: Number) -> Vec<u8> {
    let event = tells(start, number);
    let mut payload = json!({"ts": event.ts.to_string(), "boot": "b1", "seq": number.1, "type": event.kind.as_str()});
    if let Some(fault) = &event.fault {
        payload["code"] = json!(fault.code.as_str());
    }
    payload.to_string().into_bytes()
}

/// Controllers that tell their stories until they are told to stop.
pub struct Load {
    units: u64,
    start: Timestamp,
    /// Events told so far, each at least once: event `n` is number `n / units + 1` of unit `n % units`.
    told: Arc<AtomicU64>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// Goes on until it is stopped.
pub const FOR_EVER: u64 = u64::MAX;

/// What is to be told.
#[derive(Clone, Copy)]
pub struct Plan {
    pub units: u64,
    /// Messages a second; above what the daemon takes, the broker queues.
    pub rate: f64,
    /// Events told in an earlier phase.
    pub from: u64,
    /// Events told when this phase ends; [`FOR_EVER`] goes on until it is stopped.
    pub to: u64,
}

impl Load {
    /// Begins to tell.
    pub fn begin(runtime: &Runtime, port: u16, plan: Plan) -> Self {
        let (told, stop) = (Arc::new(AtomicU64::new(plan.from)), Arc::new(AtomicBool::new(false)));
        let (tally, start) = (Arc::new(Tally::default()), beginning());
        let work = tell(port, plan, start, Arc::clone(&told), Arc::clone(&stop), Arc::clone(&tally));
        let task = runtime.spawn(work);
        Self { units: plan.units, start, told, tally, stop, task }
    }

    /// Stops when everything told so far is with the broker.
    pub fn stop(self, runtime: &Runtime) -> Story {
        self.stop.store(true, Ordering::Relaxed);
        self.wait(runtime)
    }

    /// Waits until everything planned is with the broker.
    pub fn wait(self, runtime: &Runtime) -> Story {
        runtime.block_on(self.task).unwrap();
        assert_eq!((self.tally.acknowledged(), self.tally.refused()), (self.tally.sent(), 0));
        let told = self.told.load(Ordering::Relaxed);
        Story { units: self.units, start: self.start, told, messages: self.tally.sent() }
    }
}

async fn tell(port: u16, plan: Plan, start: Timestamp, told: Arc<AtomicU64>, stop: Arc<AtomicBool>, tally: Arc<Tally>) {
    let settings = PublisherSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: None,
        password_file: None,
        ca_file: None,
    };
    let client = Publisher::connect("maker-a", "maker-a", &settings, tally).await.unwrap();
    let mut rng = fastrand::Rng::with_seed(8);
    let begin = Instant::now();
    let mut again: Vec<Number> = Vec::new();
    let publish = async |(unit, seq): Number| {
        let topic = format!("lift/v1/350582/maker-a/U-{unit}/event");
        client.publish(topic, payload(start, (unit, seq))).await.unwrap();
    };
    for place in plan.from..plan.to {
        let number = (place % plan.units, place / plan.units + 1);
        publish(number).await;
        told.store(place + 1, Ordering::Relaxed);
        if rng.u32(..20) == 0 {
            again.push(number);
        }
        if place % 50 == 49 {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A little later, and in another transaction as often as not.
            for number in again.drain(..again.len() / 2) {
                publish(number).await;
            }
            tokio::time::sleep_until(begin + Duration::from_secs_f64((place - plan.from) as f64 / plan.rate)).await;
        }
    }
    for number in again {
        publish(number).await;
    }
    assert!(client.finish(Duration::from_secs(60)).await, "the broker takes everything");
}

/// Everything that was told, all of it taken by the broker.
pub struct Story {
    units: u64,
    start: Timestamp,
    pub told: u64,
    /// Messages that this took; more than events, since some went twice.
    pub messages: u64,
}

/// What the file says of a story.
#[derive(Debug, PartialEq, Eq)]
pub struct Balance {
    pub missing: u64,
    pub extra: u64,
}

/// Nothing missing, nothing extra.
pub const EVEN: Balance = Balance { missing: 0, extra: 0 };

impl Story {
    fn numbers(&self) -> impl Iterator<Item = Number> {
        (0..self.told).map(|place| (place % self.units, place / self.units + 1))
    }

    /// Waits until as many events are stored as were told.
    pub fn wait_until_stored(&self, runtime: &Runtime, town: &Town) {
        let stored = || runtime.block_on(town.events());
        wait_for(PATIENCE, "as many events stored as told", || stored() >= self.told);
    }

    /// Waits until everything that the broker had for the daemon has gone its way: a last message, sent now, is stored.
    /// A session keeps the order, so whatever is not stored by then never comes.
    pub fn wait_until_delivered(&self, runtime: &Runtime, broker: &Mosquitto, town: &Town) {
        let last = json!({"ts": self.start.to_string(), "type": "alarm_pressed"}).to_string();
        broker.publish(&format!("lift/v1/350582/maker-a/{LAST}/event"), last.as_bytes());
        wait_for(Duration::from_secs(120), "the last message is stored", || runtime.block_on(last_is_stored(town)));
    }

    /// Holds the file against what was told.
    pub async fn balance(&self, town: &Town) -> Balance {
        let told = self.told;
        let (stored, twice) = self.stored(town).await;
        let missing = (0..told).filter(|place| !stored.contains(place)).count() as u64;
        Balance { missing, extra: twice + stored.range(told..).count() as u64 }
    }

    /// The places in the story, from this one on, of which nothing is stored.
    pub async fn missing_from(&self, from: u64, town: &Town) -> Vec<u64> {
        let (stored, _) = self.stored(town).await;
        (from..self.told).filter(|place| !stored.contains(place)).collect()
    }

    /// The places in the story that are stored, and how many of them are so twice.
    async fn stored(&self, town: &Town) -> (BTreeSet<u64>, u64) {
        let rows = sqlx::query("select unit, seq from event where unit <> $1").bind(LAST);
        let (mut stored, mut twice) = (BTreeSet::new(), 0);
        for row in &rows.fetch_all(&mut town.reader().await).await.unwrap() {
            let unit: u64 = row.get::<String, _>("unit").strip_prefix("U-").unwrap().parse().unwrap();
            let seq = u64::try_from(row.get::<i64, _>("seq")).unwrap();
            twice += u64::from(!stored.insert((seq - 1) * self.units + unit));
        }
        (stored, twice)
    }

    /// Holds the file's soundness, its quarantine, its gaps and every unit's alerts against what they must be.
    pub async fn assert_whole(&self, town: &Town) {
        assert_eq!(town.verdict().await, "ok");
        assert_eq!(self.balance(town).await, EVEN);
        let mut reader = town.reader().await;
        let odd = "select (select count(*) from quarantine) + (select count(*) from gap where closed_at is null)";
        let odd: i64 = sqlx::query_scalar(odd).fetch_one(&mut reader).await.unwrap();
        assert_eq!(odd, 0, "nothing refused, no number missing");
        // One told, one row: each transition of an alert that is not late has its outbox row, and no other has.
        let orphans = "select count(*) from outbox where transition not in (select id from alert_transition)";
        let orphans: i64 = sqlx::query_scalar(orphans).fetch_one(&mut reader).await.unwrap();
        assert_eq!(orphans, 0, "outbox rows without their transition");
        self.assert_alerts(town).await;
    }

    async fn assert_alerts(&self, town: &Town) {
        let now = SystemClock::new().now();
        let mut known: BTreeMap<u64, Known> = BTreeMap::new();
        for number in self.numbers() {
            let event = tells(self.start, number);
            let unit = known.entry(number.0).or_insert_with(|| Known { events: Vec::new(), visits: Vec::new() });
            if event.kind != EventType::AlarmPressed {
                unit.events.push(event);
            }
        }
        let rows = "select rule, unit, level, starts_at, ends_at from alert where state <> 'withdrawn'";
        let mut recorded: HashMap<u64, BTreeSet<Episode>> = HashMap::new();
        for row in sqlx::query(rows).fetch_all(&mut town.reader().await).await.unwrap() {
            let rule: String = row.get("rule");
            let rule =
                rules().into_iter().find(|known| *known == rule).unwrap_or_else(|| panic!("a foreign rule, {rule}"));
            let level = if rule == "repeated_entrapment" { row.get::<i64, _>("level") } else { 1 };
            let unit: String = row.get("unit");
            let ends: Option<i64> = row.get("ends_at");
            let episode = (rule, Timestamp(row.get("starts_at")), ends.map(Timestamp), u8::try_from(level).unwrap());
            let new = recorded.entry(unit.strip_prefix("U-").unwrap().parse().unwrap()).or_default().insert(episode);
            assert!(new, "twice: {episode:?}");
        }
        for (unit, known) in &known {
            assert_eq!(recorded.remove(unit).unwrap_or_default(), known.episodes(now), "unit {unit}");
        }
        assert!(recorded.is_empty(), "{recorded:?}");
    }
}

async fn last_is_stored(town: &Town) -> bool {
    let stored = sqlx::query_scalar("select count(*) from event where unit = $1").bind(LAST);
    stored.fetch_one(&mut town.reader().await).await.unwrap_or(0_i64) > 0
}

/// The rules that facts alone decide.
fn rules() -> [&'static str; 6] {
    [
        "repeated_fault",
        "repeated_fault_watch",
        "repeated_entrapment",
        "fault_after_repair",
        "critical_fault",
        "entrapment",
    ]
}
