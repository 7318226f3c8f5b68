//! What is expected of whoever hears of an alert, and by when. Pure; the numbers are those of docs/RULES.md.

use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};

/// Somebody must have answered an entrapment by then (emergency platforms; docs/SOURCES.md).
pub const ANSWER: i64 = 3 * MINUTE;
/// Somebody must be on site by then where the city is built up (TSG T5002-2017 art. 5(4)).
pub const ON_SITE_TOWN: i64 = 30 * MINUTE;
/// And by then elsewhere (the same).
pub const ON_SITE_ELSEWHERE: i64 = HOUR;

/// The longest time between two planned visits (TSG T5002-2017): what can wait for one waits no longer.
const NEXT_VISIT: i64 = 15 * DAY;
/// A remote alarm that was silent for longer cannot have passed its test (EN 81-28).
const TEST_CALL: i64 = 3 * DAY;

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub zh: String,
    pub en: String,
    /// `None` where no number is known, or nothing is expected any more.
    pub by: Option<Timestamp>,
}

impl Expected {
    fn new(zh: impl Into<String>, en: impl Into<String>, by: Option<Timestamp>) -> Self {
        Self { zh: zh.into(), en: en.into(), by }
    }
}

/// What an alert asks for, as far as its message can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    pub rule: &'a str,
    /// `info`, `warning` or `critical`.
    pub severity: &'a str,
    pub firing: bool,
    pub starts_at: Timestamp,
    /// How soon after an entrapment somebody must be on site, in milliseconds: [`on_site`].
    pub on_site: i64,
}

/// How soon somebody must be on site in a region, in milliseconds.
///
/// Without a list of town regions, a code whose last two digits are 01 to 20 is a district of a city (GB/T 2260), where
/// the law's 30 minutes hold.
#[must_use]
pub fn on_site(region: &str, towns: Option<&[String]>) -> i64 {
    let town = towns.map_or_else(
        || {
            region
                .get(4..)
                .and_then(|county| county.parse::<u8>().ok())
                .is_some_and(|county| (1..=20).contains(&county))
        },
        |towns| towns.iter().any(|town| town == region),
    );
    if town { ON_SITE_TOWN } else { ON_SITE_ELSEWHERE }
}

/// What is expected, and by when.
#[must_use]
pub fn expected(case: Case<'_>) -> Expected {
    if !case.firing {
        return Expected::new("无需处理", "Nothing more", None);
    }
    let visit = Some(case.starts_at + NEXT_VISIT);
    match case.rule {
        "entrapment" => entrapment(case),
        "critical_fault" => Expected::new(
            "立即停止使用，查明原因并排除后方可恢复",
            "Take it out of use at once; back into use only when the cause is found and removed",
            Some(case.starts_at),
        ),
        "repeated_entrapment" => Expected::new(
            "查明反复困人的原因并排除，处理结果告知使用单位",
            "Find and remove the cause of the repeated entrapments, and tell the owner what was done",
            visit,
        ),
        "repeated_fault" => Expected::new(
            "查明反复故障的原因并排除，最迟在下次维保时",
            "Find and remove the cause of the repeated faults, at the next planned visit at the latest",
            visit,
        ),
        "repeated_fault_watch" => {
            Expected::new("下次维保时重点检查", "Look at it closely at the next planned visit", visit)
        }
        "fault_after_repair" => Expected::new(
            "复查上次维修：同一故障再次出现",
            "Go over the last repair again: the same fault is back",
            visit,
        ),
        "over_age" if case.severity == "info" => {
            Expected::new("为安全评估或更新做预算", "Set money aside for its safety assessment or renewal", None)
        }
        "over_age" => Expected::new("安排安全评估或更新", "Have its safety assessed, or renew it", None),
        "silent_unit" => Expected::new(
            "检查远程监测设备及网络；在此之前电梯状态不明",
            "Check its remote monitoring and its network; until then its state is unknown",
            Some(case.starts_at + TEST_CALL),
        ),
        "evidence_gap" => Expected::new(
            "从控制器补传缺失的事件，或说明原因",
            "Have the controller send the missing events again, or say why they are lost",
            None,
        ),
        "area_power" => Expected::new(
            "检查是否有人被困；恢复供电后确认电梯逐台恢复运行",
            "See whether anybody is trapped; when the mains are back, see that every unit runs again",
            None,
        ),
        "blind_region" => Expected::new(
            "检查网络及消息服务器；在此之前本区情况只能靠人查看",
            "Look at the network and the broker; until then only people on site can see",
            None,
        ),
        _ => of_records(case),
    }
}

fn of_records(case: Case<'_>) -> Expected {
    match case.rule {
        "maintenance_overdue" => {
            Expected::new("立即维保并上传记录", "Do the visit that is due, and send its record", Some(case.starts_at))
        }
        "visit_without_trace" => Expected::new(
            "核实维保是否实施，并说明为何无检修信号",
            "Find out whether the visit took place, and say why the unit told nothing of it",
            None,
        ),
        "worker_in_two_places" => Expected::new(
            "核实谁在哪里作业；记录有误须以更正记录更正",
            "Find out who worked where; a wrong record is put right by a correction",
            None,
        ),
        "visit_too_short" => {
            Expected::new("核实维保项目是否逐项完成", "Find out whether every item of the list was done", None)
        }
        _ => Expected::new("查看并答复", "Look at it and answer", None),
    }
}

fn entrapment(case: Case<'_>) -> Expected {
    let (answer, minutes) = (ANSWER / MINUTE, case.on_site / MINUTE);
    Expected::new(
        format!("{answer} 分钟内答复，{minutes} 分钟内到达现场；救出后由人员确认解除"),
        format!(
            "Answer within {answer} minutes and be on site within {minutes}; when the people are out, a person says so"
        ),
        Some(case.starts_at + case.on_site),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(rule: &'static str) -> Case<'static> {
        Case { rule, severity: "warning", firing: true, starts_at: Timestamp(0), on_site: ON_SITE_TOWN }
    }

    #[test]
    fn an_entrapment_has_the_laws_minutes() {
        let town = expected(case("entrapment"));
        assert_eq!(town.by, Some(Timestamp(30 * MINUTE)));
        assert!(town.en.starts_with("Answer within 3 minutes and be on site within 30"), "{}", town.en);
        let elsewhere = expected(Case { on_site: ON_SITE_ELSEWHERE, ..case("entrapment") });
        assert_eq!(elsewhere.by, Some(Timestamp(60 * MINUTE)));
        assert!(elsewhere.zh.contains("60 分钟内到达现场"), "{}", elsewhere.zh);
    }

    #[test]
    fn districts_of_a_city_are_town_unless_the_operator_says_which_are() {
        assert_eq!(on_site("350502", None), ON_SITE_TOWN);
        assert_eq!(on_site("350582", None), ON_SITE_ELSEWHERE);
        assert_eq!(on_site("350582", Some(&["350582".to_owned()])), ON_SITE_TOWN);
        assert_eq!(on_site("350502", Some(&[])), ON_SITE_ELSEWHERE);
        assert_eq!(on_site("", None), ON_SITE_ELSEWHERE);
    }

    #[test]
    fn every_rule_says_what_it_wants_and_one_that_is_over_wants_nothing() {
        let other = expected(case("no such rule"));
        let rules = crate::detect::Rules::new(&crate::detect::Settings::default(), &jiff::tz::TimeZone::UTC);
        for rule in rules.iter() {
            assert_ne!(expected(case(rule.name())), other, "{} has no words of its own", rule.name());
            let over = expected(Case { firing: false, ..case(rule.name()) });
            assert_eq!((over.en.as_str(), over.by), ("Nothing more", None));
        }
    }
}
