//! What one look of the planner costs while a city without power has a held alert of every unit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use liftwatch::domain::event::{EventType, State};
use liftwatch::domain::time::{MINUTE, SECOND};
use liftwatch::domain::unit::Unit;
use liftwatch::notify::directory::Directory;
use liftwatch::notify::planner::{Planner, Policy};
use liftwatch::notify::route::{Name, Route};
use liftwatch::pipeline::action::Action;
use liftwatch::store::read::Reader;

use crate::world::{World, event, event_message, state_message, unit};

/// Looks that are timed.
const LOOKS: usize = 30;

fn name(n: usize) -> String {
    format!("u-{n:04}")
}

fn route(receiver: &str, continues: bool) -> Route {
    Route {
        matchers: Vec::new(),
        receiver: Name::parse(receiver).unwrap(),
        group_by: vec!["site".parse().unwrap()],
        group_wait: 5 * SECOND,
        group_interval: 5 * MINUTE,
        repeat_interval: 240 * MINUTE,
        continues,
    }
}

/// Processor time of this process so far; the machine may have other work. In ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

async fn plan(planner: &Planner, world: &mut World) -> Duration {
    let now = world.now;
    let mut longest = Duration::ZERO;
    loop {
        let began = Instant::now();
        let (plan, _) = planner.plan(now).await.unwrap();
        longest = longest.max(began.elapsed());
        if plan.is_empty() {
            return longest;
        }
        world.pipeline().act(&Action::Notify(plan), now).await.unwrap();
    }
}

/// Every unit loses its mains and falls silent; each alert waits for the firm and for the inspector.
pub async fn held(units: usize) {
    let mut world = World::new().await;
    let row = |n: usize| Unit {
        site: format!("estate-{}", n / 20),
        maintainer: format!("firm-{}", n % 20),
        ..unit(&name(n))
    };
    world.register((0..units).map(row).collect()).await;
    let policy =
        Policy { routes: vec![route("maintainer:{maintainer}", true), route("inspector", false)], ..Policy::default() };
    let directory = Arc::new(Directory::new(Box::new(|_: &str| None)));
    let planner = Planner { reader: Reader::open(&world.file()).await.unwrap(), directory, policy, lines: Vec::new() };
    let now = world.now;
    world.arrive((0..units).map(|n| state_message(&name(n), State::at(now))).collect()).await;
    world.arrive((0..units).map(|n| event_message(&name(n), event(EventType::MainsOff, now))).collect()).await;
    let mut longest = plan(&planner, &mut world).await;
    for _ in 0..12 {
        let then = world.now + MINUTE;
        world.pass_until(then).await;
        longest = longest.max(plan(&planner, &mut world).await);
    }
    let waiting = world.count("select count(*) from pending").await;
    assert_eq!(usize::try_from(waiting).unwrap(), 2 * units, "each waits for two receivers");
    let mut looks: Vec<Duration> = Vec::new();
    let spent = cpu();
    for _ in 0..LOOKS {
        world.now = world.now + SECOND;
        let began = Instant::now();
        planner.plan(world.now).await.unwrap();
        looks.push(began.elapsed());
    }
    let spent = (cpu() - spent) / u32::try_from(LOOKS).unwrap();
    looks.sort();
    let ms = |length: Duration| length.as_secs_f64() * 1_000.0;
    println!(
        "(j) a look with {units} held alerts, each for two receivers: {:.0} ms of a processor, p50 {:.0} ms, the longest \
         {:.0} ms; the longest while they came {:.0} ms",
        ms(spent),
        ms(looks[LOOKS / 2]),
        ms(looks[LOOKS - 1]),
        ms(longest)
    );
}
