//! What alerts rest on: it must be there and be of their unit, and a visit elsewhere only where the rule is about two places.

use liftwatch::domain::time::HOUR;
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::VisitKind;
use liftwatch::store::verify;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::chronicle::Chronicle;
use crate::world::{at, unit, visit, visit_message};

#[tokio::test]
async fn a_visit_elsewhere_is_evidence_that_somebody_was_in_two_places_and_of_nothing_else() {
    let mut city = Chronicle::empty().await;
    let world = &mut city.world;
    world.register(vec![Unit { site: "another".to_owned(), ..unit("lift-2") }]).await;
    let from = at(1, 8, 0, 0);
    world.now = from + HOUR;
    for (name, record) in [("lift-1", "r-1"), ("lift-2", "r-2")] {
        world.arrive(vec![visit_message(name, visit(record, VisitKind::Hm, from, from + HOUR))]).await;
    }
    assert_eq!(world.count("select count(*) from alert where rule = 'worker_in_two_places'").await, 2);
    let (file, city) = city.into_file().await;
    let report = verify::verify(&file, std::slice::from_ref(&city.public), &[]).await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);

    let mut open = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let other = "update alert set rule = 'visit_too_short' where rule = 'worker_in_two_places'";
    sqlx::query(other).execute(&mut open).await.unwrap();
    open.close().await.unwrap();
    let report = verify::verify(&file, std::slice::from_ref(&city.public), &[]).await.unwrap();
    let strange = report.findings.iter().filter(|finding| finding.contains("its evidence v-")).count();
    assert_eq!(strange, 2, "{:#?}", report.findings);
}
