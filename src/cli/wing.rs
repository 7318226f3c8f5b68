//! `simulate` and `replay`: publishers of a made-up city and of a real log, for any broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::broker::BrokerUrl;
use crate::checklists::Checklists;
use crate::clock::{Clock, SystemClock};
use crate::domain::id::{PublisherId, RegionCode};
use crate::domain::time::{SECOND, Timestamp};
use crate::signer;
use crate::simulate::city::{self, City, CitySettings};
use crate::simulate::controllers::{self, SimulationSettings};
use crate::simulate::maintenance::YearsSettings;
use crate::simulate::publisher::{PublisherSettings, Tally};
use crate::simulate::registry_csv;
use crate::simulate::replay::{self, ReplaySettings};
use crate::simulate::status_log::{LogMap, MAP_HELP};
use crate::simulate::story::{PowerCut, StorySettings};

use super::stop;
use super::years::{self, Wanted};

/// How a publisher reaches its broker.
#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// The broker: mqtt://host[:1883] or mqtts://host[:8883]
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    broker: BrokerUrl,
    /// User at the broker
    #[arg(long)]
    username: Option<String>,
    /// File that holds the user's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Authority of the broker's certificate (PEM), for mqtts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl BrokerArgs {
    fn connection(self) -> PublisherSettings {
        let BrokerUrl { tls, host, port } = self.broker;
        let Self { username, password_file, ca_file, .. } = self;
        PublisherSettings { host, port, tls, username, password_file, ca_file }
    }
}

/// The made-up city.
#[derive(Debug, Args)]
pub struct CityArgs {
    /// Units of the city
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub units: u32,
    /// Same seed, same city and same happenings
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// How many times faster than life things happen; every message still carries the true time
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
}

impl CityArgs {
    /// The registry of the city as of `now`.
    ///
    /// # Errors
    /// None that an argument within its bounds can cause.
    pub fn city(&self, region: RegionCode, now: Timestamp) -> anyhow::Result<City> {
        let day = jiff::Timestamp::from_millisecond(now.0).context("the clock")?;
        let today = jiff::tz::TimeZone::UTC.to_datetime(day).date();
        Ok(city::build(&CitySettings { units: self.units as usize, seed: self.seed, region, today })?)
    }

    /// What happens in it from `start` on, after 30 days of past.
    #[must_use]
    pub const fn story(&self, start: Timestamp) -> StorySettings {
        StorySettings { seed: self.seed, start, speed: self.speed, history_days: 30, power_cut: None }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("must be a number from 0.01 to 10000".to_owned()),
    }
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch simulate --units 100 --registry units.csv\n  liftwatch import units units.csv --config liftwatch.toml\n  liftwatch simulate --units 100 --broker mqtt://127.0.0.1:1883\n  liftwatch simulate --years 10 --db ten-years.db"
)]
pub struct SimulateArgs {
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    /// Region of the units
    #[arg(long, default_value = "350582")]
    region: RegionCode,
    /// When the live stream begins, RFC 3339 with a zone; the same start makes the same messages [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<Timestamp>,
    /// Writes the city's registry to this file, and publishes nothing
    #[arg(long, value_name = "FILE.csv")]
    registry: Option<PathBuf>,
    /// Writes so many years of maintenance records, those before the start, into a new database file, and publishes nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30), requires = "db", conflicts_with = "registry")]
    years: Option<u32>,
    /// That file
    #[arg(long, value_name = "FILE", requires = "years")]
    db: Option<PathBuf>,
    /// A folder with checklists that stand for the built-in ones in those records
    #[arg(long, value_name = "FOLDER", requires = "years")]
    checklists: Option<PathBuf>,
    /// The key that signs a checkpoint of each day (liftwatch ledger key)
    #[arg(long, value_name = "FILE", requires = "years")]
    key: Option<PathBuf>,
    /// So many seconds after the start of the live stream every unit loses its mains, within ten seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32))]
    power_cut_after: Option<u32>,
    /// How long that power cut lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..), requires = "power_cut_after")]
    power_cut_lasts: u32,
    /// Seconds before an event that the city has not acknowledged (liftack/v1/…) is sent again; 0 keeps no event, and
    /// what the broker loses is lost
    #[arg(long, value_name = "SECONDS", default_value_t = controllers::AGAIN_AFTER.as_secs())]
    again_after: u64,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// Publishes the city until a signal.
///
/// # Errors
/// The broker cannot be reached, or the file cannot be written.
pub async fn simulate(args: SimulateArgs) -> anyhow::Result<()> {
    let clock = SystemClock::new();
    let start = args.start.unwrap_or_else(|| clock.now());
    let city = args.city.city(args.region, start)?;
    if let Some(file) = args.registry {
        write_registry(&city, &file)?;
        println!("{} units written to {}", city.units.len(), file.display());
        return Ok(());
    }
    if let (Some(years), Some(file)) = (args.years, &args.db) {
        let settings = YearsSettings { seed: args.city.seed, end: years::midnight(start), days: 365 * years };
        return write_years(&city, settings, file, args.checklists.as_deref(), args.key).await;
    }
    let stopping = stop::on_signals()?;
    let tally = Arc::new(Tally::default());
    let power_cut = args
        .power_cut_after
        .map(|after| PowerCut { after: i64::from(after) * SECOND, lasts: i64::from(args.power_cut_lasts) * SECOND });
    let settings = SimulationSettings {
        connection: args.broker.connection(),
        story: StorySettings { power_cut, ..args.city.story(start) },
        client_prefix: "liftwatch-simulate".to_owned(),
        again_after: (args.again_after > 0).then(|| Duration::from_secs(args.again_after)),
    };
    let keeps = settings.again_after.is_some();
    let left = controllers::run(&city, settings, &|| clock.now(), Arc::clone(&tally), stopping).await?;
    println!("{} messages published, {} taken by the broker", tally.sent(), tally.acknowledged());
    if keeps {
        println!(
            "{} events sent again, {} not acknowledged by the city, {} given up for want of room",
            tally.repeated(),
            left.unacknowledged,
            left.given_up
        );
    }
    Ok(())
}

/// Writes a city's registry as `import units` reads it.
///
/// # Errors
/// The file cannot be written.
pub fn write_registry(city: &City, file: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let out = std::fs::File::create(file).with_context(failed)?;
    registry_csv::write(&city.units, out).with_context(failed)
}

async fn write_years(
    city: &City,
    settings: YearsSettings,
    file: &Path,
    checklists: Option<&Path>,
    key_file: Option<PathBuf>,
) -> anyhow::Result<()> {
    let checklists = Checklists::load(checklists)?;
    let key = signer::Settings { key_file, ..signer::Settings::default() }.key()?;
    let wanted = Wanted { city, checklists: &checklists, settings, key: key.as_ref() };
    let written = years::write(file, &wanted, |_| {}).await?;
    println!(
        "{} visits and {} confirmations of {} days written to {}",
        written.visits,
        written.confirmations,
        written.days,
        file.display()
    );
    Ok(())
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  liftwatch replay log.csv --registry units.csv\n  liftwatch import units units.csv --config liftwatch.toml\n  liftwatch replay log.csv --broker mqtt://127.0.0.1:1883"
)]
pub struct ReplayArgs {
    /// The log
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    #[arg(long, value_name = "MAP", default_value = WMATA, help = "What the columns and categories mean", long_help = MAP_HELP)]
    map: LogMap,
    #[command(flatten)]
    broker: BrokerArgs,
    /// Region of the units
    #[arg(long, default_value = "350582")]
    region: RegionCode,
    /// Publisher of the units
    #[arg(long, default_value = "replay")]
    publisher: PublisherId,
    /// Times faster than the log; 0 is as fast as the broker takes it
    #[arg(long, default_value_t = 0.0)]
    speed: f64,
    /// Writes a registry with the log's units to this file, and publishes nothing
    #[arg(long, value_name = "FILE.csv")]
    registry: Option<PathBuf>,
}

/// The public log that many will try first (docs/REPLAY.md).
const WMATA: &str = "unit=unit,time=time,category=category,symptom=symptom,raised=BROKEN,cleared=ON,inspection=INSPECTION,out_of_service=OFF,out_of_service=REHAB";

/// Publishes the log.
///
/// # Errors
/// A bad line of the log, before anything is sent; a broker that takes less than all of it.
pub async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    if !(args.speed.is_finite() && args.speed >= 0.0) {
        bail!("--speed must be 0 or more");
    }
    let settings = ReplaySettings {
        file: args.file,
        map: args.map,
        connection: args.broker.connection(),
        region: args.region,
        publisher: args.publisher,
        speed: args.speed,
    };
    if let Some(out) = args.registry {
        let units = replay::write_registry(&settings, &out)?;
        println!("{units} units written to {}", out.display());
        return Ok(());
    }
    let stopping = stop::on_signals()?;
    let done = replay::run(&settings, Arc::new(Tally::default()), stopping).await?;
    println!(
        "{} rows of {} units, {} messages, {} taken by the broker",
        done.rows, done.units, done.messages, done.acknowledged
    );
    Ok(())
}
