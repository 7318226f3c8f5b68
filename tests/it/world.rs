//! A city in a temporary folder, on a clock that a scenario sets: what units tell goes through the real pipeline
//! into a real database file, and what became of it is read from that file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use liftwatch::decode::Decoder;
use liftwatch::decode::mapping::{Address, Class, Decoded, Fact, Rejection};
use liftwatch::detect::{Rules, Settings};
use liftwatch::domain::event::{Event, EventType, Mode, Origin, Sequence, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::hazard::{HazardReport, Reporter};
use liftwatch::domain::id::{PublisherId, RegionCode, UnitId};
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::domain::unit::{Unit, UnitKind};
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::Pipeline;
use liftwatch::pipeline::action::{Action, Done};
use liftwatch::pipeline::message::{Arrival, Outcome};
use liftwatch::pipeline::retention;
use liftwatch::store::Store;
use liftwatch::store::error::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};

/// Where scenarios begin: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// The region, publisher and unit of a scenario that needs only one.
pub const REGION: &str = "350582";
pub const PUBLISHER: &str = "maker-1";
pub const UNIT: &str = "lift-1";

/// `d` days, `h` hours, `m` minutes and `s` seconds after [`START`].
pub fn at(d: i64, h: i64, m: i64, s: i64) -> Timestamp {
    START + (d * DAY + h * HOUR + m * MINUTE + s * SECOND)
}

/// `d` days after [`START`].
pub fn day(d: i64) -> Timestamp {
    at(d, 0, 0, 0)
}

/// A city with one unit, [`UNIT`].
pub struct World {
    folder: PathBuf,
    /// Deleted at the end, if it is the world's own.
    _own: Option<tempfile::TempDir>,
    pipeline: Option<Pipeline>,
    settings: Settings,
    retention: retention::Settings,
    /// What the daemon's clock says.
    pub now: Timestamp,
}

/// An alert as a scenario compares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub rule: String,
    pub unit: String,
    pub starts: Timestamp,
    pub ends: Option<Timestamp>,
    pub severity: String,
    pub level: u8,
    pub firing: bool,
    pub evidence: usize,
}

impl World {
    /// A city at [`START`], with default rules.
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// A city whose rules have these settings.
    pub async fn with(settings: Settings) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut world = Self::in_folder(own.path(), settings, START).await;
        world._own = Some(own);
        world.register(vec![unit(UNIT)]).await;
        world
    }

    /// A city whose file is, or will be, in this folder; it is as it was left there.
    pub async fn in_folder(folder: &Path, settings: Settings, now: Timestamp) -> Self {
        let retention = retention::Settings::default();
        let mut world = Self { folder: folder.to_owned(), _own: None, pipeline: None, settings, retention, now };
        world.open().await;
        world.connect();
        world
    }

    /// The database file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("liftwatch.db")
    }

    /// Ends the daemon without a word and starts it again on the same file.
    pub async fn restart(&mut self) {
        self.pipeline = None;
        self.open().await;
        self.connect();
    }

    /// The same, with other rules.
    pub async fn restart_with(&mut self, settings: Settings) {
        self.settings = settings;
        self.restart().await;
    }

    /// Ends the daemon in order: everything is in the file itself.
    pub async fn close(&mut self) {
        self.pipeline.take().unwrap().close().await.unwrap();
    }

    async fn open(&mut self) {
        let store = self.store().await;
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        let rules = Rules::new(&self.settings, &zone);
        let decoder = Arc::new(Decoder::new(&[], &[region()]).unwrap());
        let mut pipeline = Pipeline::open(store, decoder, &self.settings, rules, self.now).await.unwrap();
        pipeline.retain(self.retention.clone());
        self.pipeline = Some(pipeline);
    }

    /// A process that another test starts holds our lock for a moment, until it has become that other program.
    async fn store(&self) -> Store {
        for _ in 0..200 {
            match Store::open(&self.file()).await {
                Err(StoreError::AlreadyRunning { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                opened => return opened.unwrap(),
            }
        }
        panic!("the lock of the file is never free");
    }

    pub fn pipeline(&mut self) -> &mut Pipeline {
        self.pipeline.as_mut().unwrap()
    }

    /// The broker can be heard from now on.
    pub fn connect(&mut self) {
        let now = self.now;
        self.pipeline().fleet_mut().listen(&region(), true, now);
    }

    /// The broker cannot be heard any more.
    pub fn disconnect(&mut self) {
        let now = self.now;
        self.pipeline().fleet_mut().listen(&region(), false, now);
    }

    /// Imports rows of the registry.
    pub async fn register(&mut self, units: Vec<Unit>) -> Done {
        let now = self.now;
        self.pipeline().act(&Action::ImportUnits(units), now).await.unwrap().0
    }

    /// Lets time pass until `then`, with a sweep at the end.
    pub async fn pass_until(&mut self, then: Timestamp) -> Outcome {
        assert!(then >= self.now, "time does not run back");
        self.now = then;
        let outcome = self.pipeline().sweep(then).await.unwrap();
        self.pipeline().tidy(then, then).await.unwrap();
        outcome
    }

    /// Everybody has been told everything: there is no planner here.
    pub async fn all_is_told(&mut self) {
        self.meddle("delete from outbox").await;
    }

    /// Has rows pruned by age from now on, as the configuration would.
    pub fn retain(&mut self, visits_years: Option<u32>, events_days: Option<u32>) {
        self.retention = retention::Settings { visits_years, events_days };
        let settings = self.retention.clone();
        self.pipeline().retain(settings);
    }

    /// A day passes, with as many sweeps as it takes to look at everything that is old. Gives how many rows went.
    pub async fn prune(&mut self) -> u64 {
        let mut removed = 0;
        // A look that a sweep began goes on with the bound that it had then; the next one begins a day later.
        for now in [self.now, self.now + DAY] {
            self.pipeline().sweep(now).await.unwrap();
            loop {
                let outcome = self.pipeline().tidy(now, now).await.unwrap();
                removed += outcome.pruned.iter().map(|(_, rows)| rows).sum::<u64>();
                if !self.pipeline().is_pruning() {
                    break;
                }
            }
        }
        self.now = self.now + DAY;
        removed
    }

    /// Messages arrive now, in one batch.
    pub async fn arrive(&mut self, messages: Vec<Arrival>) -> Outcome {
        let now = self.now;
        let batch: Vec<Arrival> = messages.into_iter().map(|arrival| Arrival { received_at: now, ..arrival }).collect();
        self.pipeline().take(&batch, now).await.unwrap()
    }

    /// An event of [`UNIT`] arrives at the moment at which it happens.
    pub async fn tell(&mut self, event: Event) -> Outcome {
        self.now = self.now.max(event.ts);
        self.arrive(vec![event_message(UNIT, event)]).await
    }

    /// A state of [`UNIT`] arrives at the moment of which it tells.
    pub async fn tell_state(&mut self, state: State) -> Outcome {
        self.now = self.now.max(state.ts);
        self.arrive(vec![state_message(UNIT, state)]).await
    }

    /// The alerts of a rule that stand, in order of time.
    pub async fn alerts(&mut self, rule: &str) -> Vec<Seen> {
        let mut all = self.all_alerts().await;
        all.retain(|alert| alert.rule == rule);
        all
    }

    /// All alerts that stand, ordered.
    pub async fn all_alerts(&mut self) -> Vec<Seen> {
        alerts_in(&mut self.reader().await).await
    }

    /// What was told to receivers about a rule, in order: the kinds of transition in the outbox.
    pub async fn told(&mut self, rule: &str) -> Vec<String> {
        let query = "select t.kind from outbox o join alert_transition t on t.id = o.transition \
             join alert a on a.id = t.alert where a.rule = $1 order by o.id";
        sqlx::query_scalar(query).bind(rule.to_owned()).fetch_all(&mut self.reader().await).await.unwrap()
    }

    /// What happened to the alerts of a rule, in order, told or not.
    pub async fn transitions(&mut self, rule: &str) -> Vec<String> {
        let query =
            "select t.kind from alert_transition t join alert a on a.id = t.alert where a.rule = $1 order by t.id";
        sqlx::query_scalar(query).bind(rule.to_owned()).fetch_all(&mut self.reader().await).await.unwrap()
    }

    /// Start, end and whether it fires, of each alert of a rule that stands.
    pub async fn episodes(&mut self, rule: &str) -> Vec<(Timestamp, Option<Timestamp>, bool)> {
        self.alerts(rule).await.into_iter().map(|alert| (alert.starts, alert.ends, alert.firing)).collect()
    }

    /// One number out of the file.
    pub async fn count(&mut self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.reader().await).await.unwrap()
    }

    /// One text out of the file.
    pub async fn text(&mut self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&mut self.reader().await).await.unwrap()
    }

    /// What an operator with a foreign tool does to the file.
    pub async fn meddle(&mut self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.file());
        sqlx::raw_sql(statement).execute(&mut options.connect().await.unwrap()).await.unwrap();
    }

    /// Every row of every table, as text, in an order that depends on content alone. What chance chooses (the end of
    /// an alert's id) is left out; an alert is named by its rule, unit and start.
    pub async fn dump(&mut self) -> Vec<String> {
        self.pipeline().flush().await.unwrap();
        let mut reader = self.reader().await;
        let tables = "select name from sqlite_schema where type = 'table' and name not like 'sqlite%' \
             and name <> '_sqlx_migrations' order by name";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut reader).await.unwrap();
        let mut rows = Vec::new();
        for table in tables {
            let columns = format!("select name from pragma_table_info('{table}')");
            let columns: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(columns)).fetch_all(&mut reader).await.unwrap();
            let named = "(select a.rule || a.unit || a.starts_at || a.state from alert a where a.id = alert)";
            let shown = columns.iter().filter(|column| (table.as_str(), column.as_str()) != ("alert", "id"));
            let shown = shown.map(|column| match (table.as_str(), column.as_str()) {
                ("alert", "superseded_by") => "superseded_by is null".to_owned(),
                ("alert_transition", "alert") => named.to_owned(),
                // Of the ledger, what is not a hash and does not follow from one.
                ("ledger_entry", "leaf") => LEAF_WITHOUT_CHANCE.to_owned(),
                ("person", "told") | ("ledger_tile", "hashes") | ("ledger_head", "hash") | ("ledger_salt", "salt") => {
                    format!("length({column})")
                }
                _ => format!("quote({column})"),
            });
            let query =
                format!("select '{table}: ' || concat_ws(', ', {}) from {table}", shown.collect::<Vec<_>>().join(", "));
            let found: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&mut reader).await.unwrap();
            rows.extend(found);
        }
        rows.sort();
        rows
    }

    /// A connection that only reads.
    pub async fn reader(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.file()).read_only(true).connect().await.unwrap()
    }
}

/// A leaf as text, without an alert's id and what follows from it.
const LEAF_WITHOUT_CHANCE: &str = "json_remove(cast(leaf as text), '$.body.alert', '$.body.superseded_by', '$.previous', \
     '$.body.record.people', '$.body.record_sha256', '$.body.by', '$.body.confirmation.by', \
     '$.body.root')";

/// All alerts that stand in a file, ordered.
pub async fn alerts_in(reader: &mut SqliteConnection) -> Vec<Seen> {
    let query = "select * from alert where state <> 'withdrawn'";
    let rows = sqlx::query(query).fetch_all(reader).await.unwrap();
    let mut alerts: Vec<Seen> = rows
        .iter()
        .map(|row| Seen {
            rule: row.get("rule"),
            unit: row.get("unit"),
            starts: Timestamp(row.get("starts_at")),
            ends: row.get::<Option<i64>, _>("ends_at").map(Timestamp),
            severity: row.get("severity"),
            level: row.get("level"),
            firing: row.get::<String, _>("state") == "firing",
            evidence: serde_json::from_str::<Vec<String>>(row.get("evidence")).unwrap().len(),
        })
        .collect();
    alerts.sort();
    alerts
}

pub fn region() -> RegionCode {
    RegionCode::new(REGION).unwrap()
}

pub fn unit_id(name: &str) -> UnitId {
    UnitId::new(name).unwrap()
}

/// A registry row with nothing special in it.
pub fn unit(name: &str) -> Unit {
    Unit {
        id: unit_id(name),
        registration_code: String::new(),
        region: region(),
        site: "site-1".to_owned(),
        address: String::new(),
        kind: UnitKind::Traction,
        maker: String::new(),
        model: String::new(),
        in_service_since: None,
        owner: "owner-1".to_owned(),
        maintainer: "firm-1".to_owned(),
        publisher: Some(PublisherId::new(PUBLISHER).unwrap()),
        stops: None,
        position: None,
        maintenance_interval_days: 15,
        last_inspection: None,
    }
}

/// An event of a kind at a time, with nothing else in it.
pub fn event(kind: EventType, ts: Timestamp) -> Event {
    Event {
        ts,
        sequence: None,
        kind,
        fault: None,
        mode: None,
        landing: None,
        moving: None,
        occupied: None,
        origin: Origin::Reported,
        extra: None,
    }
}

pub fn fault(code: FaultCode) -> Option<Fault> {
    Some(Fault { code, vendor_code: None })
}

pub fn raised(code: FaultCode, ts: Timestamp) -> Event {
    Event { fault: fault(code), ..event(EventType::FaultRaised, ts) }
}

pub fn cleared(code: FaultCode, ts: Timestamp) -> Event {
    Event { fault: fault(code), ..event(EventType::FaultCleared, ts) }
}

pub fn mode(mode: Mode, ts: Timestamp) -> Event {
    Event { mode: Some(mode), ..event(EventType::ModeChanged, ts) }
}

pub fn numbered(boot: &str, seq: u64, event: Event) -> Event {
    Event { sequence: Some(Sequence { boot: boot.into(), seq }), ..event }
}

pub fn visit(record_id: &str, kind: VisitKind, from: Timestamp, to: Timestamp) -> Visit {
    Visit {
        ts: to,
        record_id: record_id.to_owned(),
        kind,
        started_at: from,
        ended_at: Some(to),
        workers: vec!["w-1".to_owned(), "w-2".to_owned()],
        supersedes: None,
        supersedes_publisher: None,
        people: Vec::new(),
        body: serde_json::json!({"record_id": record_id, "kind": kind.as_str(), "from": from.0, "to": to.0,
            "workers": ["w-1", "w-2"]})
        .to_string(),
    }
}

pub fn event_message(unit: &str, event: Event) -> Arrival {
    message(unit, Class::Event, Fact::Event(event))
}

pub fn state_message(unit: &str, state: State) -> Arrival {
    message(unit, Class::State, Fact::State(state))
}

pub fn visit_message(unit: &str, visit: Visit) -> Arrival {
    message(unit, Class::Visit, Fact::Visit(visit))
}

/// A report of a major hazard with this text, from the start.
pub fn hazard_message(unit: &str, report_id: &str, text: &str) -> Arrival {
    let report = HazardReport {
        ts: START,
        report_id: report_id.to_owned(),
        reporter: Reporter::InspectionBody,
        basis: "GB45067-4.6-b".to_owned(),
        use_stopped: true,
        body: text.to_owned(),
    };
    message(unit, Class::Hazard, Fact::Hazard(report))
}

/// A message that could not be read.
pub fn refused_message(rejection: Rejection) -> Arrival {
    Arrival {
        region: region(),
        topic: "lift/v1/350582/maker-1/lift-1/event".to_owned(),
        payload: b"{".to_vec(),
        received_at: START,
        decoded: Err(rejection),
    }
}

fn message(unit: &str, class: Class, fact: Fact) -> Arrival {
    let publisher = PublisherId::new(PUBLISHER).unwrap();
    let address = Address { region: region(), publisher, unit: unit_id(unit) };
    Arrival {
        region: region(),
        topic: format!("lift/v1/{REGION}/{PUBLISHER}/{unit}/{class}"),
        payload: format!("{fact:?}").into_bytes(),
        received_at: START,
        decoded: Ok(Decoded { address, class, facts: vec![fact], unknown_codes: Vec::new() }),
    }
}
