//! The daemon's side of a month: the real pipeline on a real file takes every step, and what it holds in memory and in the
//! write-ahead log is measured on the way.

use std::path::Path;

use liftwatch::decode::mapping::{Address, Class, Decoded, Fact};
use liftwatch::domain::time::Timestamp;
use liftwatch::domain::unit::Unit;
use liftwatch::pipeline::message::Arrival;
use sqlx::sqlite::SqliteConnection;

use super::controllers::{Told, Word};
use super::plan::Plan;
use super::post::{Post, Step};
use crate::world::{START, World, region};

/// What the daemon took.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub messages: u64,
    pub events: u64,
    pub duplicates: u64,
    pub refused: u64,
}

/// The daemon, a day at a time.
pub struct Life {
    world: World,
    units: Vec<Unit>,
    post: Post,
    pub taken: Taken,
    /// The largest that the write-ahead log ever was, in bytes.
    pub log: u64,
    reader: Option<SqliteConnection>,
}

/// What a day ends with.
pub enum Evening {
    /// So many days are over.
    Day(i64),
    /// The daemon is to be killed now.
    Kill,
    Over,
}

impl Life {
    /// The first life begins with the month, on an empty file in this folder.
    pub async fn first(plan: Plan, folder: &Path) -> Self {
        let city = plan.city();
        let mut world = World::in_folder(folder, plan.rules(), START).await;
        world.register(city.units.clone()).await;
        let post = Post::new(plan, &city);
        Self { world, units: city.units, post, taken: Taken::default(), log: 0, reader: None }
    }

    /// The second one takes up what the kill has left in this folder.
    pub async fn second(plan: Plan, folder: &Path) -> Self {
        let city = plan.city();
        let mut post = Post::new(plan, &city);
        let start = post.find(|(_, step)| matches!(step, Step::Start)).expect("the month is long enough").0;
        let world = World::in_folder(folder, plan.rules(), start).await;
        Self { world, units: city.units, post, taken: Taken::default(), log: 0, reader: None }
    }

    /// Lives on until the evening.
    pub async fn day(&mut self) -> Evening {
        while let Some((now, step)) = self.post.next() {
            match step {
                Step::Day(day) => return Evening::Day(day),
                Step::Kill => return Evening::Kill,
                step => self.take(now, step).await,
            }
            self.log = self.log.max(self.log_now());
        }
        Evening::Over
    }

    async fn take(&mut self, now: Timestamp, step: Step) {
        self.world.now = now;
        match step {
            Step::Batch(messages) => {
                let arrivals: Vec<Arrival> = messages.into_iter().map(|told| self.arrival(told, now)).collect();
                let outcome = self.world.pipeline().take(&arrivals, now).await.unwrap();
                self.taken.messages += arrivals.len() as u64;
                self.taken.events += outcome.events.len() as u64;
                self.taken.duplicates += outcome.duplicates;
                self.taken.refused += outcome.refused.len() as u64;
            }
            Step::Sweep => {
                let outcome = self.world.pipeline().sweep(now).await.unwrap();
                self.taken.events += outcome.events.len() as u64;
            }
            Step::Lost => self.world.disconnect(),
            Step::Found => self.world.connect(),
            Step::Hour => self.world.pipeline().flush().await.unwrap(),
            Step::Kill | Step::Start | Step::Day(_) => panic!("not a daemon's to take"),
        }
    }

    fn arrival(&self, told: Told, now: Timestamp) -> Arrival {
        let (class, fact) = match told.word {
            Word::Nonsense(arrival) => return Arrival { received_at: now, ..*arrival },
            Word::State(state) => (Class::State, Fact::State(state)),
            Word::Event(event) => (Class::Event, Fact::Event(event)),
            Word::Visit(visit) => (Class::Visit, Fact::Visit(visit)),
        };
        let unit = &self.units[told.unit];
        let address = Address { region: region(), publisher: unit.publisher.clone().unwrap(), unit: unit.id.clone() };
        let decoded = Decoded { address, class, facts: vec![fact], unknown_codes: Vec::new() };
        // Topic and payload are kept of refused messages alone, and of these none is refused.
        let (topic, payload) = (String::new(), Vec::new());
        Arrival { region: region(), topic, payload, received_at: now, decoded: Ok(decoded) }
    }

    /// Somebody reads and does not come to an end.
    pub async fn hold_a_reader_open(&mut self) {
        let mut reader = self.world.reader().await;
        sqlx::raw_sql("begin; select count(*) from event").execute(&mut reader).await.unwrap();
        self.reader = Some(reader);
    }

    /// Whether facts were taken for contradictions; none of them is one.
    pub async fn conflicts(&mut self) -> i64 {
        self.world.count("select count(*) from quarantine where reason = 'conflict'").await
    }

    /// Bytes in the database file and in its write-ahead log.
    pub fn file_now(&self) -> u64 {
        size(&self.world.file())
    }

    pub fn log_now(&self) -> u64 {
        let mut log = self.world.file().into_os_string();
        log.push("-wal");
        size(Path::new(&log))
    }
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

/// What this process holds in memory now, in bytes.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
