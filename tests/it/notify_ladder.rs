//! Who is told next: steps that fall due, what makes them needless, and the ladder that holds.

use std::collections::BTreeSet;

use liftwatch::domain::time::{MINUTE, Timestamp};
use liftwatch::notify::escalation::{Climb, Ladder, Standing, climb, ladder};
use liftwatch::notify::matcher::Labels;

fn ladders() -> Vec<Ladder> {
    let read = |text: &str| toml::from_str::<Ladder>(text).unwrap();
    vec![
        read(
            r#"match = ["rule=entrapment"]
            steps = [
                { after = "3m", receiver = "owner:{owner}" },
                { after = "5m", receiver = "inspectors" },
                { after = "on_site", unless = "arrived", receiver = "inspectors" },
            ]"#,
        ),
        read(r#"steps = [{ after = "4h", receiver = "owner:{owner}" }]"#),
    ]
}

fn trapped() -> Labels {
    Labels { rule: "entrapment".to_owned(), owner: "o-1".to_owned(), ..Labels::default() }
}

fn standing() -> Standing {
    Standing {
        told_at: Timestamp(0),
        firing: true,
        answered: false,
        arrived: false,
        taken: BTreeSet::new(),
        on_site: 30 * MINUTE,
    }
}

fn at(standing: &Standing, minutes: i64) -> Climb {
    climb(&ladders()[0], &trapped(), standing, Timestamp(minutes * MINUTE))
}

fn minutes(climb: &Climb) -> Option<i64> {
    climb.wake.map(|at| at.0 / MINUTE)
}

#[test]
fn each_step_is_due_at_its_minute_and_not_before() {
    let before = climb(&ladders()[0], &trapped(), &standing(), Timestamp(3 * MINUTE - 1));
    assert_eq!((before.steps, before.wake), (vec![], Some(Timestamp(3 * MINUTE))));
    let first = at(&standing(), 3);
    assert_eq!(first.steps, [(0, Some("owner:o-1".to_owned()))]);
    assert_eq!(minutes(&first), Some(5));
}

#[test]
fn a_step_is_taken_once_and_after_a_long_stop_all_that_are_due_are_taken() {
    let mut now = standing();
    assert_eq!(at(&now, 40).steps.len(), 3);
    now.taken = [0, 1].into();
    assert_eq!(at(&now, 40).steps, [(2, Some("inspectors".to_owned()))]);
    now.taken = [0, 1, 2].into();
    assert_eq!(at(&now, 40), Climb::default());
}

#[test]
fn an_answer_ends_the_waiting_for_one_and_only_an_arrival_the_waiting_for_somebody_on_site() {
    let answered = Standing { answered: true, ..standing() };
    assert_eq!(at(&answered, 10).steps, []);
    assert_eq!(minutes(&at(&answered, 10)), Some(30));
    assert_eq!(at(&answered, 30).steps, [(2, Some("inspectors".to_owned()))]);
    let arrived = Standing { arrived: true, ..standing() };
    assert_eq!(at(&arrived, 40), Climb::default(), "who is on site has answered");
}

#[test]
fn nobody_is_told_of_what_is_over() {
    assert_eq!(at(&Standing { firing: false, ..standing() }, 40), Climb::default());
}

#[test]
fn outside_the_town_there_is_an_hour() {
    let elsewhere = Standing { on_site: 60 * MINUTE, answered: true, ..standing() };
    assert_eq!(minutes(&at(&elsewhere, 30)), Some(60));
    assert_eq!(at(&elsewhere, 60).steps.len(), 1);
}

#[test]
fn a_step_whose_receiver_is_not_known_is_taken_and_tells_nobody() {
    let labels = Labels { owner: String::new(), ..trapped() };
    let climb = climb(&ladders()[0], &labels, &standing(), Timestamp(4 * MINUTE));
    assert_eq!(climb.steps, [(0, None)]);
}

#[test]
fn the_first_ladder_that_matches_holds() {
    let ladders = ladders();
    assert_eq!(ladder(&ladders, &trapped()), Some(&ladders[0]));
    assert_eq!(ladder(&ladders, &Labels::default()), Some(&ladders[1]));
    assert_eq!(ladder(&ladders[..1], &Labels::default()), None);
}
