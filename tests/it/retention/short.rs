//! A step of pruning is short however much is old: what is looked at in one transaction is bounded.

use std::time::Duration;

use liftwatch::clock::{Clock, SystemClock};
use liftwatch::domain::time::{DAY, MINUTE};
use liftwatch::domain::visit::{Person, Visit, VisitKind};

use crate::world::{START, World, day, unit, visit, visit_message};

const UNITS: usize = 400;

/// 400 units with 200,000 events, 2,000 alerts that each name three of them, and 4,000 visits with two people each; half of
/// the events and visits are old.
async fn city() -> World {
    let mut world = World::new().await;
    world.register((0..UNITS).map(|n| unit(&format!("u-{n:03}"))).collect()).await;
    let visits: Vec<_> = (0..4_000_usize)
        .map(|n| {
            let from = START + i64::try_from(n).unwrap() * 540 * MINUTE;
            let people = ["recorder", "job_manager"].map(|role| Person {
                role: role.to_owned(),
                name: Some(format!("Lin {n}")),
                phone: Some(format!("139{n:08}")),
            });
            let record = visit(&format!("r-{n}"), VisitKind::Hm, from, from + 60 * MINUTE);
            visit_message(&format!("u-{:03}", n % UNITS), Visit { people: people.to_vec(), ..record })
        })
        .collect();
    for some in visits.chunks(200) {
        let ends = |arrival: &liftwatch::pipeline::message::Arrival| arrival.decoded.as_ref().unwrap().facts.clone();
        let liftwatch::decode::mapping::Fact::Visit(last) = ends(&some[some.len() - 1]).remove(0) else { panic!() };
        world.now = last.ended_at.unwrap();
        world.arrive(some.to_vec()).await;
    }
    // No rule is to have a say in it.
    let fill = format!(
        "with recursive n (i) as (select 0 union all select i + 1 from n where i < 199999) \
         insert into event (id, unit, publisher, type, code, at, ts, received_at, origin) \
         select printf('%012x-%016x', {start} + i * 640000, i), printf('u-%03d', i % {UNITS}), 'maker-1', 'fault_raised', \
         'door_closing', {start} + i * 640000, {start} + i * 640000, {start} + i * 640000, 'reported' from n; \
         delete from alert; delete from alert_transition; delete from outbox; \
         insert into alert (id, rule, rule_version, unit, severity, level, state, starts_at, ends_at, steps, evidence, basis, \
         summary_zh, summary_en, recorded_at, late) \
         select printf('a-%012x-%s', at, substr(id, 14)), 'repeated_fault', '1', unit, 'warning', 1, 'resolved', at, at + 1, \
         '[]', json_array(id, id || 'x', id || 'y'), '', '', '', at, 0 from event where cast(substr(id, 14) as integer) % 100 = 7 limit 2000",
        start = START.0,
    );
    world.meddle(Box::leak(fill.into_boxed_str())).await;
    world
}

#[tokio::test]
async fn no_step_of_pruning_holds_up_messages_for_long() {
    let mut world = city().await;
    world.retain(Some(4), Some(800));
    world.now = day(5 * 366);
    // Half of the time that there is something of.
    let now = world.now - 300 * DAY;
    world.pipeline().sweep(now).await.unwrap();
    let clock = SystemClock::new();
    let (mut longest, mut steps, mut removed) = (Duration::ZERO, 0, 0);
    loop {
        let begin = clock.monotonic();
        let outcome = world.pipeline().tidy(now, now).await.unwrap();
        removed += outcome.pruned.iter().map(|(_, rows)| rows).sum::<u64>();
        (longest, steps) = (longest.max(clock.monotonic() - begin), steps + 1);
        if !world.pipeline().is_pruning() {
            break;
        }
    }
    println!("{removed} rows in {steps} steps, the longest {longest:?}");
    assert!(removed > 80_000 && steps > 80, "{removed} rows in {steps} steps");
    // Measured: a tenth of this (docs/decisions/0018-retention.md).
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
