"""One unit: what is wrong with it, since when, and who has been there?

Only exceptional units have series, so the choice offers those; every other unit has its own page, to which the link leads.
"""

from panels import Board, Column, DATASOURCE, GREEN, ORANGE, RED, link, says, says_range, steps
from words import RULES, SEVERITIES, names, rules, severities

UNIT = 'unit="$unit"'
SINCE = f"liftwatch_alert_firing_since_timestamp_seconds{{{UNIT}}}"


def board():
    made = Board("liftwatch-unit", "单台电梯", "Unit",
                 "这台电梯出了什么问题，从何时起？· What is wrong with this unit, and since when? "
                 "(只列出有告警的电梯 · only units with alerts are listed)")
    made.datasource()
    made.variable("region", "区域 · Region", "label_values(liftwatch_units, region)")
    made.variable("site", "小区 · Site",
                  'label_values(liftwatch_alert_firing_since_timestamp_seconds{region=~"$region"}, site)')
    made.variable("maintainer", "维保单位 · Maintainer",
                  "label_values(liftwatch_alert_firing_since_timestamp_seconds"
                  '{region=~"$region",site=~"$site"}, maintainer)')
    made.variable("unit", "电梯 · Unit",
                  "label_values(liftwatch_alert_firing_since_timestamp_seconds"
                  '{severity!="info",region=~"$region",site=~"$site",maintainer=~"$maintainer"}, unit)', many=False)
    made.home()
    annotations(made)
    first(made)
    over_time(made)
    return made


def annotations(made):
    """Alerts at the moment at which they began: the series' value is that moment."""
    made.annotations.append({
        "name": "告警 · Alerts", "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": "red",
        "target": {"refId": "Anno", "datasource": DATASOURCE, "expr": f"{SINCE} * 1000", "interval": "60s"},
        "useValueForTime": True, "titleFormat": "{{rule}}", "textFormat": "{{severity}} {{alert}}",
        "tagKeys": "rule,severity"})


def first(made):
    page = [link("本机页面 · Its page", "/units/${unit}")]
    made.stat(
        ("触发中的告警", "Alerts that fire"),
        ("这台电梯现在触发的告警数；点击打开它的页面，那里有全部事件与维保记录。",
         "Alerts that fire for this unit now. A click opens its page with all events and visits."),
        [(f"count({SINCE}) or vector(0)", "")], thresholds=steps((None, GREEN), (1, ORANGE)),
        mappings=[says(0, "0 · 无 none", GREEN)], links=page, width=6)
    made.stat(
        ("最近一次消息", "Last heard"),
        ("距最近一次消息多久。听不到不等于没有故障。", "How long ago it was last heard. Silence is not recovery."),
        [(f"time() - liftwatch_unit_heard_timestamp_seconds{{{UNIT}}}", "")], unit="dtdurations",
        thresholds=steps((None, GREEN), (210, ORANGE), (259200, RED)), links=page, width=6)
    made.stat(
        ("最近一次维保", "Last visit"),
        ("距最近一次维保或急修开始多久。", "How long ago the last planned or called-out visit began."),
        [(f"(time() - liftwatch_unit_last_visit_timestamp_seconds{{{UNIT}}})", "")], unit="dtdurations",
        thresholds=steps((None, GREEN), (1296000, ORANGE)), links=page, width=6)
    made.stat(
        ("30 天内故障", "Incidents in 30 days"),
        ("最近 30 天开始的故障数，检修、消防、停电和维保期间的不计。",
         "Incidents that began in the last 30 days; those during inspection, fire modes, power cuts and visits are none."),
        [(f"liftwatch_unit_recent_incidents{{{UNIT}}}", "")], thresholds=steps((None, GREEN), (3, ORANGE)),
        mappings=[says(0, "0 · 无 none", GREEN)], links=page, width=6)


def over_time(made):
    made.timeline(
        ("告警随时间", "Alerts over time"),
        ("每条规则一行；色块表示触发中，文字说明级别。",
         "One band for each rule; a block where it fires, and the severity stands in it."),
        [(f'max by (rule) (liftwatch_alert_firing{{severity="info",{UNIT}}}) or '
          f'max by (rule) (2 * liftwatch_alert_firing{{severity="warning",{UNIT}}}) or '
          f'max by (rule) (3 * liftwatch_alert_firing{{severity="critical",{UNIT}}})', "{{rule}}")],
        [says(level, *SEVERITIES[severity]) for level, severity in ((1, "info"), (2, "warning"), (3, "critical"))],
        overrides=names(RULES))
    made.table(
        ("告警", "Alerts"),
        ("这台电梯触发中的告警，点击打开依据与证据。", "What fires for this unit; a click opens basis and evidence."),
        [(f"time() - {SINCE}", ""),
         (f"liftwatch_alert_deadline_timestamp_seconds{{{UNIT}}} - time()", "")],
        [Column("rule", "规则 · Rule", mappings=rules(), width=270),
         Column("severity", "级别 · Severity", mappings=severities(), cell="color-text", width=150),
         Column("site", "小区 · Site"),
         Column("maintainer", "维保单位 · Maintainer"),
         Column("Value #A", "已持续 · Age", unit="dtdurations", width=170),
         Column("Value #B", "距时限 · Left", unit="dtdurations", width=170, cell="color-text",
                thresholds=steps((None, RED), (0, GREEN)),
                mappings=[says_range(-1e12, 0, "已超时 · overdue", RED)]),
         Column("alert", "告警 · Alert", width=280, links=[link("告警 · Alert", "/alerts/${__value.raw}")])],
        sort="已持续 · Age", width=24, height=6)
    made.lines(
        ("30 天内故障的走势", "Incidents of 30 days, over time"),
        ("每出现一次故障升一级，30 天后落下；达到 3 次即为频繁故障。",
         "A step up with each incident, down 30 days after it; from 3 on it counts as repeated."),
        [(f"liftwatch_unit_recent_incidents{{{UNIT}}}", "故障 · incidents")], step=True, width=12,
        thresholds=steps((None, "transparent"), (3, ORANGE)), decimals=0)
    made.lines(
        ("运行次数与开关门", "Runs and door cycles"),
        ("控制器计数器在一小时内的增量；开门多而运行少，说明门有问题。",
         "What its controller counted within an hour. Many door cycles with few runs point at the door."),
        [(f"clamp_min(delta(liftwatch_unit_runs{{{UNIT}}}[1h]), 0)", "运行 · runs"),
         (f"clamp_min(delta(liftwatch_unit_door_cycles{{{UNIT}}}[1h]), 0)", "开关门 · door cycles")],
        width=12, decimals=0)
    made.lines(
        ("距上次维保", "Since the last visit"),
        ("锯齿每次归零就是一次维保或急修。", "Each time that it falls to zero, somebody was there."),
        [(f"time() - liftwatch_unit_last_visit_timestamp_seconds{{{UNIT}}}", "距维保 · since visit")], unit="s", width=12)
    made.lines(
        ("距上次消息", "Since it was last heard"),
        ("正常时在一分钟以内；升高即失联。", "Within a minute when all is well; a rise is silence."),
        [(f"time() - liftwatch_unit_heard_timestamp_seconds{{{UNIT}}}", "距消息 · since heard")], unit="s", width=12)
