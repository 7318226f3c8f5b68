//! The main route with the ledger and without it, in turn, so that both meet the same machine.

use liftwatch::store::read::Reader;

use crate::daemon::{City, Figures};
use crate::load::{self, Kind};
use crate::mosquitto::Mosquitto;

/// Drains of each.
const ROUNDS: usize = 5;

/// Durable events per second of both, what they cost a processor, and the ratios.
pub async fn with_and_without(messages: u64) {
    if !cfg!(feature = "switches") {
        println!("(l) needs --features switches");
        return;
    }
    let mut drains = [Vec::new(), Vec::new()];
    for round in 0..2 * ROUNDS {
        // Which comes first changes from round to round.
        let ledger = (round + round / 2) % 2 == 0;
        let (figures, entries) = drained(messages, ledger).await;
        let which = if ledger { "with   " } else { "without" };
        let cost = figures.processor * 1e6 / messages as f64;
        println!("(l) {which} the ledger  {:>9.0}   {cost:.1} us of a processor each, {entries} entries", figures.rate);
        assert_eq!(entries > 0, ledger, "entries are written with it, and without it none");
        drains[usize::from(ledger)].push((figures.rate, cost));
    }
    let [without, with] = drains.map(|drains| {
        let (rates, costs): (Vec<f64>, Vec<f64>) = drains.into_iter().unzip();
        (median(rates), median(costs))
    });
    println!("(l) medians: with {:.0}, without {:.0}, ratio {:.2}", with.0, without.0, with.0 / without.0);
    println!("(l) of a processor: with {:.1} us, without {:.1} us, ratio {:.2}", with.1, without.1, without.1 / with.1);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What draining a new city comes to, and the entries that the daemon made of it.
async fn drained(messages: u64, ledger: bool) -> (Figures, u64) {
    let broker = Mosquitto::start();
    let mut city = City::found(&broker, 8_000, 0).await;
    let before = entries(&city).await;
    city.ledger = ledger;
    city.run_once().await;
    // Each unit has an alert, which is an entry; without alerts the route writes none.
    load::publish(&broker, 8_000, messages, Kind::Grave).await;
    let figures = city.drain(messages, Kind::Grave).await;
    (figures, entries(&city).await - before)
}

async fn entries(city: &City) -> u64 {
    Reader::open(&city.database()).await.unwrap().ledger_size().await.unwrap()
}
