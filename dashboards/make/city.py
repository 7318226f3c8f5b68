"""The city: does anybody need help now, and is the fleet getting better or worse?"""

from panels import Board, Column, GREEN, ORANGE, RED, link, says, says_range, steps
from words import FAULTS, RULES, names, rules, severities

PLACE = 'region=~"$region",site=~"$site",maintainer=~"$maintainer"'
REGION = 'region=~"$region"'
SINCE = "liftwatch_alert_firing_since_timestamp_seconds"
DEADLINE = "liftwatch_alert_deadline_timestamp_seconds"


def board():
    city = Board("liftwatch-city", "全市电梯", "The city's lifts",
                 "现在有人需要帮助吗？· Does anybody need help now?")
    city.places()
    needs_help(city)
    who(city)
    repeated(city)
    duties(city)
    trend(city)
    return city


def needs_help(city):
    none = says(0, "0 · 无 none", GREEN)
    city.stat(
        ("被困人员的电梯", "Lifts with people trapped"),
        ("现在报告困人且尚未报告救出的电梯数。只有人报告救出后才减少。",
         "Units that reported people trapped and nobody has reported released. Only a person's report makes it less."),
        [(f'count(count by (unit) ({SINCE}{{rule="entrapment",{PLACE}}})) or vector(0)', "")],
        thresholds=steps((None, GREEN), (1, RED)), mappings=[none], links=[link("告警 · Alerts", "/alerts")], width=6)
    city.stat(
        ("未关闭的严重告警", "Open critical alerts"),
        ("正在触发的严重告警数。", "Critical alerts that fire now."),
        [(f'count({SINCE}{{severity="critical",{PLACE}}}) or vector(0)', "")],
        thresholds=steps((None, GREEN), (1, ORANGE)), mappings=[none], links=[link("告警 · Alerts", "/alerts")],
        width=6)
    city.stat(
        ("其中已超时限", "Of these, past their deadline"),
        ("已过处置时限的严重告警数（时限见 RULES 文档）。", "Critical alerts whose deadline has passed (docs/RULES.md)."),
        [(f'count({DEADLINE}{{severity="critical",{PLACE}}} < time()) or vector(0)', "")],
        thresholds=steps((None, GREEN), (1, RED)), mappings=[none], width=6)
    city.stat(
        ("能看到的电梯", "Units that we hear"),
        ("最近三个心跳内有消息的电梯占登记电梯的比例。听不到不等于没有故障。",
         "Share of registered units heard within the last three heartbeats. No data is not no fault."),
        [(f"sum(liftwatch_units_online{{{REGION}}}) / sum(liftwatch_units{{{REGION}}})", "")],
        unit="percentunit", decimals=1, thresholds=steps((None, RED), (0.8, ORANGE), (0.95, GREEN)), width=6)


def who(city):
    labels = f'severity="critical",{PLACE}'
    city.table(
        ("严重告警与时限", "Critical alerts against their deadlines"),
        ("每条严重告警已持续多久、距时限还有多久；负数表示已超时。点击电梯或告警打开详情。",
         "How long each critical alert has fired and what is left until its deadline; below zero it has passed. "
         "A click on unit or alert opens its page."),
        [(f"time() - {SINCE}{{{labels}}}", ""), (f"{DEADLINE}{{{labels}}} - time()", "")],
        [Column("unit", "电梯 · Unit", width=90, links=[link("电梯 · Unit", "/units/${__value.raw}")]),
         Column("rule", "规则 · Rule", mappings=rules(), width=180),
         Column("site", "小区 · Site"),
         Column("maintainer", "维保 · Firm"),
         Column("Value #A", "已持续 · Age", unit="dtdurations", width=110),
         Column("Value #B", "距时限 · Left", unit="dtdurations", width=150, cell="color-text",
                thresholds=steps((None, RED), (0, ORANGE), (600, GREEN)),
                mappings=[says_range(-1e12, 0, "已超时 · overdue", RED)]),
         Column("alert", "告警 · Alert", width=110, mappings=[{"type": "regex", "options": {
             "pattern": ".+", "result": {"text": "打开 · open", "index": 0}}}],
             links=[link("告警 · Alert", "/alerts/${__value.raw}")])],
        sort="已持续 · Age", width=16, height=9)
    city.lines(
        ("在线、失联、未监测", "Heard, silent, never heard"),
        ("按电梯计：最近有消息；以前有消息现在没有；从未上报状态。",
         "Units: heard lately; heard before and not now; never told their state."),
        [(f"sum(liftwatch_units_online{{{REGION}}})", "在线 · heard"),
         (f"sum(liftwatch_units_silent{{{REGION}}})", "失联 · silent"),
         (f"sum(liftwatch_units_unmonitored{{{REGION}}})", "未监测 · never heard")],
        width=8, height=9)


def repeated(city):
    which = f'rule=~"repeated_fault|repeated_entrapment|fault_after_repair",{PLACE}'
    city.table(
        ("频繁故障的电梯", "Units with repeated faults"),
        ("30 天内 3 次及以上故障、2 次及以上困人，或维修后 30 天内同一故障再次出现的电梯。",
         "Units with 3 or more incidents or 2 or more entrapments in 30 days, or the same fault within 30 days of its "
         "repair."),
        [(f"max by (unit, rule, severity, site, maintainer) (time() - {SINCE}{{{which}}})", ""),
         (f"max by (unit, rule, severity, site, maintainer) ({SINCE}{{{which}}} * 0) + on (unit) group_left () "
          "max by (unit) (liftwatch_unit_recent_incidents)", "")],
        [Column("unit", "电梯 · Unit", width=90, links=[link("电梯 · Unit", "/units/${__value.raw}")]),
         Column("rule", "规则 · Rule", mappings=rules(), width=285),
         Column("severity", "级别 · Severity", mappings=severities(), cell="color-text", width=125),
         Column("site", "小区 · Site"),
         Column("maintainer", "维保 · Firm"),
         Column("Value #B", "30 天故障 · 30 d", unit="short", width=130),
         Column("Value #A", "已持续 · For", unit="dtdurations", width=100)],
        sort="30 天故障 · 30 d", width=16, height=9)
    city.bars(
        ("触发中的告警", "Alerts that fire"),
        ("按规则统计的触发中告警数。", "Alerts that fire now, by rule."),
        [(f'sort_desc(sum by (rule) (liftwatch_alerts{{state="firing",{REGION}}}))', "{{rule}}")],
        overrides=names(RULES), width=8, height=9)


def duties(city):
    city.stat(
        ("使用超过 15 年", "In use for over 15 years"),
        ("达到规则 over_age 年限的电梯：需要安全评估或更新。",
         "Units as old as the rule over_age sets: to be assessed or renewed."),
        [(f"sum(liftwatch_units_over_age{{{REGION}}})", "")], links=[link("电梯 · Units", "/units")], width=6)
    city.stat(
        ("维保超期", "Maintenance overdue"),
        ("最近一次维保早于合同间隔的电梯；从无维保记录的不计。",
         "Units whose last recorded visit is longer ago than their interval; without any visit they are not counted."),
        [(f"sum(liftwatch_maintenance_overdue_units{{{REGION}}})", "")],
        thresholds=steps((None, GREEN), (1, ORANGE)), mappings=[says(0, "0 · 无 none", GREEN)], width=6)
    city.stat(
        ("误报比例", "False alarms"),
        ("被人标为误报的告警占全部告警的比例。误报多，就没有人再看。",
         "Share of alerts that somebody marked as false. When many are false, nobody looks any more."),
        [('(sum(liftwatch_alerts_answered{answer="false_alarm"}) or vector(0)) / sum(liftwatch_alerts_by_publisher)',
          "")],
        unit="percentunit", decimals=1, thresholds=steps((None, GREEN), (0.1, ORANGE), (0.2, RED)), width=6)
    city.stat(
        ("未关闭的重大隐患", "Open major hazards"),
        ("已上报且未关闭的重大隐患。", "Major hazards that were reported and are not closed."),
        [(f'sum(liftwatch_hazards{{state!="closed",{REGION}}}) or vector(0)', "")],
        thresholds=steps((None, GREEN), (1, ORANGE)), mappings=[says(0, "0 · 无 none", GREEN)], width=6)


def trend(city):
    for title, metric in ((("故障：今天与平常", "Incidents: today and usual"), "incidents"),
                          (("困人：今天与平常", "Entrapments: today and usual"), "entrapments")):
        city.stat(
            title,
            ("最近 24 小时，与最近 30 天的日均值相比。", "The last 24 hours, beside the average day of the last 30."),
            [(f'sum(liftwatch_recent_{metric}{{window="1d",{REGION}}})', "24 小时 · 24 h"),
             (f'sum(liftwatch_recent_{metric}{{window="30d",{REGION}}}) / 30', "日均 · usual day")],
            unit="short", decimals=1, width=6, height=8)
    city.lines(
        ("故障按种类", "Incidents by kind"),
        ("全市每小时开始的故障，按故障代码。", "Incidents that begin per hour in the whole city, by fault code."),
        [('sum by (code) (rate(liftwatch_incidents_total[$__rate_interval])) * 3600', "{{code}}")],
        unit="short", decimals=1, width=12, height=8, stack=True, legend="right", calcs=("max",), overrides=names(FAULTS))
