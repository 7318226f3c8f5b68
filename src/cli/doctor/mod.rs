//! `doctor`: tries the broker, the disk, the clock and the receivers, and says what to change. Never comes under the
//! daemon's own name, and stores nothing.

pub mod finding;

pub mod broker;

pub mod disk;

pub mod receivers;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use crate::app;
use crate::app::settings::Settings;
use crate::clock::{Clock, SystemClock};
use crate::ingest::examine::examine;

use finding::{Finding, Verdict};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line begins with ok, change (works, and will lose or stop something one day), failed, or untried.\nExits with 0 when there is nothing to change or to mend, else with 1.\nAt each broker it publishes some 2,100 small messages below liftack/v1/_doctor/, on a session of its own.\n\nExamples:\n  liftwatch doctor --config /etc/liftwatch/liftwatch.toml\n  liftwatch doctor --config /etc/liftwatch/liftwatch.toml --send-test duty"
)]
pub struct DoctorArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sends a test message by every sink of this receiver
    #[arg(long, value_name = "RECEIVER")]
    send_test: Option<String>,
}

/// Prints the findings as they come.
///
/// # Errors
/// The configuration cannot be read, or something has to be changed.
pub async fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    let clock = SystemClock::new();
    let mut asking = 0;
    let mut show = |findings: Vec<Finding>| {
        for finding in findings {
            asking += usize::from(finding.asks());
            println!("{finding}");
        }
    };
    show(disk::examine(&settings.store, &clock).await);
    let decoder = app::decoder(&settings)?;
    if settings.sessions.is_empty() {
        let says = "there is no [[region]], so there is nothing to listen to; write one";
        show(vec![Finding::new(Verdict::Change, "regions", says)]);
    }
    for session in &settings.sessions {
        let found = examine(session, &decoder, &clock).await;
        show(found.iter().flat_map(|found| broker::judge(session, found)).collect());
    }
    show(receivers::made(&settings));
    if let Some(name) = &args.send_test {
        show(receivers::sent(&settings, name, clock.now()).await);
    }
    match asking {
        0 => Ok(()),
        1 => Err(anyhow!("1 finding asks for a change")),
        more => Err(anyhow!("{more} findings ask for a change")),
    }
}
