//! What each contender goes through: full speed, a kill in a flood, kills and a restart in a steady stream.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::contender::{Contender, UNITS};
use crate::install::Installed;
use crate::load::{self, Kind};
use crate::site::Site;

/// Kills in one steady stream.
const KILLS: u64 = 3;

/// A steady stream goes on for so long before and after each kill or restart.
const STRETCH: Duration = Duration::from_secs(3);

/// So long nobody is there.
const AWAY: Duration = Duration::from_secs(1);

/// Rows per second, and peak resident memory in MB.
pub struct Speed {
    pub rate: f64,
    pub memory: f64,
}

/// What the broker had acknowledged to the publisher, and what became of it.
pub struct Loss {
    published: u64,
    missing: u64,
    pub twice: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.missing as f64 * 100.0 / self.published as f64;
        write!(formatter, "{} of {} ({share:.1} %)", self.missing, self.published)
    }
}

/// What one small write that must be on disk costs here and now, in ms; who commits each row pays it for each row.
pub fn sync_cost() -> f64 {
    let mut file = tempfile::tempfile().unwrap();
    let mut costs: Vec<f64> = (0..51)
        .map(|_| {
            let at = Instant::now();
            file.write_all(&[0; 4_096]).unwrap();
            file.sync_data().unwrap();
            at.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// All messages as fast as the broker takes them; from the first row to the last.
pub async fn full_speed(contender: Contender, installed: &Installed, messages: u64) -> Speed {
    let site = Site::open(contender, installed).await;
    let first = async {
        loop {
            if let Some(rows) = site.progress().await.filter(|rows| *rows > 0) {
                break (rows, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ((), (before, began)) = tokio::join!(load::publish(&site.broker, UNITS, messages, Kind::Event), first);
    let (rows, ended) = site.drain(messages).await;
    let rate = (rows - before) as f64 / (ended - began).as_secs_f64();
    Speed { rate, memory: site.memory() }
}

/// As before, killed at a quarter of the rows, whether or not the publisher is done, and started again.
pub async fn killed_in_a_flood(contender: Contender, installed: &Installed, messages: u64) -> Loss {
    let mut site = Site::open(contender, installed).await;
    let load = tokio::spawn(load::publish_at(site.broker.port, UNITS, messages, Kind::Event, None));
    site.drain(messages / 4).await;
    site.kill();
    tokio::time::sleep(AWAY).await;
    site.start().await;
    load.await.unwrap();
    loss(&site, messages).await
}

/// Killed three times in a steady stream; each time it is away for a second and what its start takes.
pub async fn killed(contender: Contender, installed: &Installed, pace: u64) -> Loss {
    let mut site = Site::open(contender, installed).await;
    let messages = pace * STRETCH.as_secs() * (KILLS + 1);
    let load = tokio::spawn(load::publish_at(site.broker.port, UNITS, messages, Kind::Event, Some(pace)));
    for _ in 0..KILLS {
        tokio::time::sleep(STRETCH).await;
        site.kill();
        tokio::time::sleep(AWAY).await;
        site.start().await;
    }
    load.await.unwrap();
    loss(&site, messages).await
}

/// Stopped in its own way in a steady stream, and started again.
pub async fn restarted(contender: Contender, installed: &Installed, pace: u64) -> Loss {
    let mut site = Site::open(contender, installed).await;
    let messages = pace * STRETCH.as_secs() * 3;
    let load = tokio::spawn(load::publish_at(site.broker.port, UNITS, messages, Kind::Event, Some(pace)));
    tokio::time::sleep(STRETCH).await;
    site.stop().await;
    tokio::time::sleep(AWAY).await;
    site.start().await;
    load.await.unwrap();
    loss(&site, messages).await
}

async fn loss(site: &Site, published: u64) -> Loss {
    site.drain(published).await;
    let (mut rows, mut distinct) = site.rows().await;
    if distinct < published {
        // As many rows as messages may still be too few: some came twice.
        site.drain(u64::MAX).await;
        (rows, distinct) = site.rows().await;
    }
    Loss { published, missing: published - distinct, twice: rows - distinct }
}
