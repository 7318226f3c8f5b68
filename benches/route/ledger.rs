//! The main route with the ledger and without it, in turn, so that both meet the same machine.

use liftwatch::store::read::Reader;

use crate::daemon::City;
use crate::load::{self, Kind};
use crate::mosquitto::Mosquitto;

/// Drains of each.
const ROUNDS: usize = 5;

/// Durable events per second of both, and their ratio.
pub async fn with_and_without(messages: u64) {
    if !cfg!(feature = "switches") {
        println!("(l) needs --features switches");
        return;
    }
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..2 * ROUNDS {
        // Which comes first changes from round to round.
        let ledger = (round + round / 2) % 2 == 0;
        let (rate, entries) = drained(messages, ledger).await;
        println!(
            "(l) {} the ledger  {rate:>9.0}   {entries} alerts' entries",
            if ledger { "with   " } else { "without" }
        );
        assert_eq!(entries > 0, ledger, "entries are written with it, and without it none");
        rates[usize::from(ledger)].push(rate);
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!("(l) medians: with {with:.0}, without {without:.0}, ratio {:.2}", with / without);
}

/// Events per second of a new city, and the entries that the daemon made of them.
async fn drained(messages: u64, ledger: bool) -> (f64, u64) {
    let broker = Mosquitto::start();
    let mut city = City::found(&broker, 8_000, 0).await;
    let before = entries(&city).await;
    city.ledger = ledger;
    city.run_once().await;
    load::publish(&broker, 8_000, messages, Kind::Event).await;
    let rate = city.drain(messages, Kind::Event).await.rate;
    (rate, entries(&city).await - before)
}

async fn entries(city: &City) -> u64 {
    Reader::open(&city.database()).await.unwrap().ledger_size().await.unwrap()
}
