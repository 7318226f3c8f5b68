//! The real daemon as a process of its own, with a registry and, if wanted, a past.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use liftwatch::domain::event::{Event, EventRecord, EventType, Origin};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::id::{PublisherId, UnitId};
use liftwatch::domain::time::{DAY, Timestamp};
use liftwatch::pipeline::identity;
use liftwatch::store::Store;

use crate::load::{Kind, PUBLISHER, REGION, unit};
use crate::mosquitto::Mosquitto;

/// A folder with a configuration and a database.
pub struct City {
    folder: tempfile::TempDir,
    http: u16,
    /// Whether the daemon enters what it records into the ledger.
    pub ledger: bool,
}

/// What a run of the daemon came to.
pub struct Figures {
    pub rate: f64,
    /// Peak resident memory in MB.
    pub memory: f64,
    /// Seconds of a processor.
    pub processor: f64,
    pub scrape_ms: f64,
    pub scrape_bytes: usize,
}

/// A daemon that runs; killed when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl City {
    /// Registers the units and stores `stored` events of the years before.
    pub async fn found(broker: &Mosquitto, units: u64, stored: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let city = Self { folder, http, ledger: true };
        let config = format!(
            "[store]\npath = \"liftwatch.db\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[[region]]\ncode = \"{REGION}\"\nbroker = \"{}\"\n",
            broker.url()
        );
        std::fs::write(city.config(), config).unwrap();
        let rows = (0..units).map(|number| format!("{},{REGION},traction,{PUBLISHER}\n", unit(number)));
        let registry = city.folder.path().join("units.csv");
        std::fs::write(&registry, format!("unit,region,kind,publisher\n{}", rows.collect::<String>())).unwrap();
        let import = liftwatch().args(["import", "units"]).arg(&registry).arg("--config").arg(city.config()).output();
        assert!(import.unwrap().status.success(), "the import failed");
        if stored > 0 {
            city.remember(units, stored).await;
        }
        city
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("liftwatch.toml")
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("liftwatch.db")
    }

    /// The address of its metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.http)
    }

    /// The command that runs it.
    pub fn serve(&self) -> Command {
        let mut command = liftwatch();
        command.args(["serve", "--log", "error", "--config"]).arg(self.config());
        if !self.ledger {
            command.env("LIFTWATCH_TEST_NO_LEDGER", "1");
        }
        command
    }

    /// Stores a past: events spread over the units and over years, none of them recent.
    async fn remember(&self, units: u64, stored: u64) {
        let mut store = Store::open(&self.database()).await.unwrap();
        let publisher = PublisherId::new(PUBLISHER).unwrap();
        let end = jiff::Timestamp::now().as_millisecond() - 200 * DAY;
        let step = 8 * 365 * DAY / i64::try_from(stored).unwrap();
        let ids: Vec<UnitId> = (0..units).map(|number| UnitId::new(&unit(number)).unwrap()).collect();
        for chunk in 0..stored.div_ceil(20_000) {
            let numbers = chunk * 20_000..((chunk + 1) * 20_000).min(stored);
            let record = |number: u64| {
                let ts = Timestamp(end - (i64::try_from(stored - number).unwrap()) * step);
                identity::event_record(
                    &ids[usize::try_from(number % units).unwrap()],
                    &publisher,
                    fault(ts, number),
                    ts,
                )
            };
            let records: Vec<EventRecord> = numbers.map(record).collect();
            let mut change = store.begin().await.unwrap();
            change.insert_events(&records).await.unwrap();
            change.commit().await.unwrap();
        }
        store.close().await.unwrap();
    }

    async fn start(&self) -> Daemon {
        Daemon(self.serve().stdout(Stdio::null()).spawn().expect("the daemon starts"))
    }

    /// Runs until it listens, then stops it, so that its session stays at the broker.
    pub async fn run_once(&self) {
        let mut daemon = self.start().await;
        while !self.metrics().await.is_some_and(|text| text.contains("liftwatch_mqtt_connected{region=\"350582\"} 1")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let stopped = Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap();
        assert!(stopped.success() && daemon.0.wait().unwrap().success(), "the daemon stops cleanly");
    }

    /// Starts it on what waits; from the first to the last message on disk.
    pub async fn drain(&self, messages: u64, kind: Kind) -> Figures {
        let daemon = self.start().await;
        let name = format!("liftwatch_messages_received_total{{class=\"{}\"}} ", kind.class());
        let mut began: Option<(Instant, u64)> = None;
        let rate = loop {
            let received = self.metrics().await.as_deref().and_then(|text| value(text, &name)).unwrap_or(0);
            match began {
                None if received > 0 => began = Some((Instant::now(), received)),
                Some((at, first)) if received >= messages => {
                    break (messages - first) as f64 / at.elapsed().as_secs_f64();
                }
                _ => {}
            }
            // Each question costs the daemon 10 ms of its two cores.
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.0.id())).unwrap();
        // In ticks of 10 ms, those in the kernel beside those outside it.
        let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        let processor = ticks.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum();
        let at = Instant::now();
        let scrape = self.metrics().await.unwrap();
        let scrape_ms = at.elapsed().as_secs_f64() * 1_000.0;
        Figures { rate, memory: kib / 1_024.0, processor, scrape_ms, scrape_bytes: scrape.len() }
    }

    async fn metrics(&self) -> Option<String> {
        let url = self.metrics_url();
        let get = move || ureq::get(&url).call().ok()?.body_mut().with_config().limit(1 << 30).read_to_string().ok();
        tokio::task::spawn_blocking(get).await.unwrap()
    }
}

fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.parse().ok()
}

fn liftwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liftwatch"));
    // As the shipped unit and image set it.
    command.env("MALLOC_ARENA_MAX", "2");
    command
}

/// A fault that nobody will ever count with those of today.
pub fn fault(ts: Timestamp, number: u64) -> Event {
    let raised = number.is_multiple_of(2);
    Event {
        ts,
        sequence: None,
        kind: if raised { EventType::FaultRaised } else { EventType::FaultCleared },
        fault: Some(Fault { code: FaultCode::DoorClosing, vendor_code: Some("E41".into()) }),
        mode: None,
        landing: Some("5".into()),
        moving: None,
        occupied: None,
        origin: Origin::Reported,
        extra: None,
    }
}
