//! Who hears: the first route that matches, those that go on, receivers made from a label, and groups.

use liftwatch::notify::matcher::{Label, Labels};
use liftwatch::notify::route::{Hearing, Name, NotAName, Route, Sequel, Verdict, explain, receivers, sequel};

fn route(matchers: &[&str], receiver: &str, group_by: &[Label]) -> Route {
    Route {
        matchers: matchers.iter().map(|text| text.parse().unwrap()).collect(),
        receiver: Name::parse(receiver).unwrap(),
        group_by: group_by.to_vec(),
        group_wait: 10_000,
        group_interval: 300_000,
        repeat_interval: 14_400_000,
        continues: false,
    }
}

fn going_on(route: Route) -> Route {
    Route { continues: true, ..route }
}

fn labels(rule: &str, severity: &str, maintainer: &str) -> Labels {
    Labels {
        rule: rule.into(),
        severity: severity.into(),
        region: "350582".into(),
        site: "丰泽 \"A\"".into(),
        maintainer: maintainer.into(),
        owner: "owner-1".into(),
        unit: "T-0001".into(),
    }
}

fn told(routes: &[Route], labels: &Labels) -> Vec<String> {
    receivers(routes, labels).into_iter().map(|hearing| hearing.receiver).collect()
}

#[test]
fn the_first_route_that_matches_wins() {
    let routes = [
        route(&["rule=over_age"], "planners", &[]),
        route(&["severity=critical"], "duty", &[]),
        route(&[], "everything else", &[]),
    ];
    assert_eq!(told(&routes, &labels("over_age", "critical", "m")), ["planners"]);
    assert_eq!(told(&routes, &labels("critical_fault", "critical", "m")), ["duty"]);
    assert_eq!(told(&routes, &labels("critical_fault", "warning", "m")), ["everything else"]);
    assert_eq!(told(&routes[..2], &labels("critical_fault", "warning", "m")), [""; 0], "no route, nobody");
    assert_eq!(told(&[], &labels("critical_fault", "warning", "m")), [""; 0]);
}

#[test]
fn a_route_that_goes_on_lets_the_next_ones_speak() {
    let routes = [
        going_on(route(&["severity=critical"], "duty", &[])),
        going_on(route(&["region=~3505.*"], "city", &[])),
        route(&["rule=nothing"], "nobody", &[]),
        route(&[], "firms", &[]),
        route(&[], "too late", &[]),
    ];
    assert_eq!(told(&routes, &labels("critical_fault", "critical", "m")), ["duty", "city", "firms"]);
}

#[test]
fn all_matchers_of_a_route_must_hold() {
    let routes = [route(&["severity=critical", "region=~3505.*", "rule!=over_age"], "duty", &[])];
    assert_eq!(told(&routes, &labels("critical_fault", "critical", "m")), ["duty"]);
    assert_eq!(told(&routes, &labels("over_age", "critical", "m")), [""; 0]);
    assert_eq!(told(&routes, &labels("critical_fault", "warning", "m")), [""; 0]);
}

#[test]
fn a_receiver_hears_of_an_alert_once_by_the_first_of_its_routes() {
    let routes = [going_on(route(&["severity=critical"], "duty", &[Label::Unit])), route(&[], "duty", &[Label::Site])];
    let heard = receivers(&routes, &labels("critical_fault", "critical", "m"));
    assert_eq!(heard.len(), 1);
    assert!(heard[0].group_key.contains("unit="), "{}", heard[0].group_key);
    let said = explain(&routes, &labels("critical_fault", "critical", "m"));
    assert!(matches!(said[1], (1, Verdict::HeardAlready(_))), "{said:?}");
}

#[test]
fn fifty_firms_need_one_route_and_a_unit_without_a_firm_goes_on_to_the_next() {
    let routes = [route(&[], "maintainer:{maintainer}", &[]), route(&[], "inspectors", &[])];
    assert_eq!(told(&routes, &labels("critical_fault", "critical", "泉州电梯")), ["maintainer:泉州电梯"]);
    assert_eq!(told(&routes, &labels("critical_fault", "critical", "")), ["inspectors"]);
    let nobody = labels("critical_fault", "critical", "");
    assert_eq!(explain(&routes, &nobody)[0], (0, Verdict::NoValue(Label::Maintainer)));
}

#[test]
fn a_group_is_the_routes_matchers_and_the_labels_it_shares() {
    let by_site = [route(&["severity=critical"], "duty", &[Label::Site, Label::Rule])];
    let heard = receivers(&by_site, &labels("critical_fault", "critical", "m"));
    let expected = Hearing {
        receiver: "duty".to_owned(),
        group_key: r#"{severity="critical"}:{site="丰泽 \"A\"",rule="critical_fault"}"#.to_owned(),
        wait: 10_000,
        interval: 300_000,
        repeat: 14_400_000,
    };
    assert_eq!(heard, [expected]);
    let all_together = receivers(&[route(&[], "duty", &[])], &labels("critical_fault", "critical", "m"));
    assert_eq!(all_together[0].group_key, "{}:{}");
}

#[test]
fn a_route_that_is_moved_keeps_its_groups() {
    let (first, second) = (route(&["rule=over_age"], "a", &[]), route(&["severity=critical"], "b", &[Label::Site]));
    let critical = labels("critical_fault", "critical", "m");
    let before = receivers(&[first.clone(), second.clone()], &critical);
    assert_eq!(before, receivers(&[second, first], &critical));
}

#[test]
fn an_entrapment_is_never_folded_and_never_waits() {
    let routes = [route(&[], "duty", &[Label::Region])];
    let one = receivers(&routes, &labels("entrapment", "critical", "m"));
    let other = receivers(&routes, &Labels { unit: "T-0002".into(), ..labels("entrapment", "critical", "m") });
    assert_ne!(one[0].group_key, other[0].group_key);
    assert_eq!((one[0].wait, one[0].interval), (0, 0));
    let statistic = receivers(&routes, &labels("repeated_entrapment", "critical", "m"));
    assert_eq!(statistic[0].wait, 10_000, "that people were trapped again and again is no emergency");
}

/// Otherwise the firm would believe for ever that the warning still stands.
#[test]
fn who_was_told_by_a_route_that_does_not_match_any_more_hears_of_the_end_all_the_same() {
    let routes = [route(&["severity=critical"], "duty", &[Label::Site]), route(&[], "firm", &[])];
    let known = receivers(&routes, &labels("over_age", "warning", "m"));
    let risen = sequel(&routes, &labels("over_age", "critical", "m"), &known);
    let heard: Vec<&str> = risen.hearings.iter().map(|hearing| hearing.receiver.as_str()).collect();
    assert_eq!(heard, ["duty", "firm"]);
    assert_eq!((&risen.hearings[1], risen.moved.as_slice()), (&known[0], &[][..]));
}

#[test]
fn what_a_receiver_knows_moves_along_to_the_group_in_which_it_hears_now() {
    let routes = [route(&["severity=critical"], "duty", &[Label::Site]), route(&[], "duty", &[])];
    let known = receivers(&routes, &labels("over_age", "warning", "m"));
    let critical = labels("over_age", "critical", "m");
    let risen = sequel(&routes, &critical, &known);
    let now = receivers(&routes, &critical);
    let moved = vec![("duty".to_owned(), known[0].group_key.clone(), now[0].group_key.clone())];
    assert_eq!(risen, Sequel { hearings: now.clone(), moved });
    assert_eq!(sequel(&routes, &critical, &now), Sequel { hearings: now, moved: Vec::new() }, "once");
}

#[test]
fn names_are_filled_and_read_back() {
    let name = Name::parse("firm:{maintainer}/duty").unwrap();
    assert_eq!(name.to_string(), "firm:{maintainer}/duty");
    assert_eq!(name.fill(&labels("r", "info", "m{x}")), "firm:m{x}/duty");
    assert_eq!(name.value_in("firm:m{x}/duty"), Some("m{x}"));
    assert_eq!(name.value_in("firm:/duty"), None, "a firm without a name is no firm");
    assert_eq!(name.value_in("firm:m"), None);
    let plain = Name::parse("duty").unwrap();
    assert_eq!((plain.value_in("duty"), plain.value_in("duties")), (Some(""), None));
    assert_eq!(Name::parse(""), Err(NotAName::Empty));
    for bad in ["a{", "a}", "{site}{unit}", "}{site}", "{site}}"] {
        assert_eq!(Name::parse(bad), Err(NotAName::Braces), "{bad}");
    }
    assert_eq!(Name::parse("{firm}"), Err(NotAName::UnknownPlaceholder("firm".to_owned())));
}
