"""Sites and firms: who has more faults than chance explains, and who answers late?"""

from panels import Board, Column, GREEN, ORANGE, RED, link, says, says_range, steps

PLACE = 'region=~"$region",site=~"$site",maintainer=~"$maintainer"'
FIRM = 'region=~"$region",maintainer=~"$maintainer"'
REGION = 'region=~"$region"'

# Share of units with an incident in 30 days, over the region: what everybody is held against.
USUAL = (f"scalar(sum(liftwatch_maintainer_recent_faulty_units{{{REGION}}}) "
         f"/ sum(liftwatch_maintainer_units{{{REGION}}}))")


def board():
    made = Board("liftwatch-sites-and-firms", "小区与维保单位", "Sites and firms",
                 "哪些小区和维保单位明显多于平常？· Which sites and firms have clearly more faults than usual?")
    made.places()
    made.choice("min_units", "最少台数 · Units at least", ["1", "3", "5", "10", "20"], "5")
    first(made)
    sites(made)
    firms(made)
    overdue(made)
    return made


def chance(kind, labels, by):
    """How many standard deviations the number of faulty units stands above what as many units usually have.

    Units and not incidents: one bad lift with ten faults says little of the other lifts around it.
    """
    faulty = f"sum by ({by}) (liftwatch_{kind}_recent_faulty_units{{{labels}}})"
    units = f"sum by ({by}) (liftwatch_{kind}_units{{{labels}}})"
    return f"({faulty} - {units} * {USUAL}) / sqrt({units} * {USUAL} * (1 - {USUAL}))"


def large(kind, labels, by):
    return f"(sum by ({by}) (liftwatch_{kind}_units{{{labels}}}) >= $min_units)"


def per_hundred(kind, labels, by):
    return (f"100 * sum by ({by}) (liftwatch_{kind}_recent_incidents{{{labels}}}) / "
            f"sum by ({by}) (liftwatch_{kind}_units{{{labels}}})")


def first(made):
    alarm = steps((None, GREEN), (1, ORANGE))
    none = [says(0, "0 · 无 none", GREEN)]
    made.stat(
        ("明显偏多的小区", "Sites clearly above the usual"),
        ("30 天内有故障的电梯数，高出同等台数平常值三个标准差以上的小区。",
         "Sites whose units with a fault in 30 days lie three standard deviations or more above what as many units "
         "usually have."),
        [(f"count({chance('site', PLACE, 'site')} > 3 and on (site) {large('site', PLACE, 'site')}) or vector(0)", "")],
        thresholds=alarm, mappings=none, width=6)
    made.stat(
        ("明显偏多的维保单位", "Firms clearly above the usual"),
        ("同样的算法，按维保单位。", "The same, by maintenance firm."),
        [(f"count({chance('maintainer', FIRM, 'maintainer')} > 3 and on (maintainer) "
          f"{large('maintainer', FIRM, 'maintainer')}) or vector(0)", "")],
        thresholds=alarm, mappings=none, width=6)
    made.stat(
        ("每百台每月故障", "Incidents per 100 units and month"),
        ("所选范围内，最近 30 天。", "Of what is chosen, in the last 30 days."),
        [(f"100 * sum(liftwatch_maintainer_recent_incidents{{{FIRM}}}) / sum(liftwatch_maintainer_units{{{FIRM}}})",
          "")], decimals=1, width=6)
    made.stat(
        ("严重告警已到场", "Critical: on site"),
        ("最近 30 天的严重告警中有人报告到场的比例。",
         "Share of the critical alerts of the last 30 days to which somebody reported an arrival."),
        [(f'(sum(liftwatch_maintainer_recent_answered_alerts{{answer="arrived",{FIRM}}}) '
          f"/ sum(liftwatch_maintainer_recent_critical_alerts{{{FIRM}}})) >= 0 or vector(0)", "")],
        unit="percentunit", decimals=0, thresholds=steps((None, RED), (0.5, ORANGE), (0.9, GREEN)), width=6)


SURE = [says_range(-1e9, 2, "可能是偶然 · may be chance"), says_range(2, 3, "偏多 · more", ORANGE),
        says_range(3, 1e9, "明显偏多 · clearly more", RED)]
SURE_STEPS = steps((None, "text"), (2, ORANGE), (3, RED))


def sites(made):
    by = "site, maintainer, region"
    big = large("site", PLACE, by)

    def those(expr):
        return f"({expr}) and on ({by}) {big}"

    made.table(
        ("小区排名", "Sites, ranked"),
        ("每百台每月故障数，旁边是台数：台数少的小区一次故障就会排在前面。最后一列按有故障的台数说明是否可能只是偶然。",
         "Incidents per 100 units and month, with the number of units beside: in a small site one fault is many. By how "
         "many of the units had a fault, the last column says whether it may be chance."),
        [(those(per_hundred("site", PLACE, by)), ""),
         (those(f"sum by ({by}) (liftwatch_site_units{{{PLACE}}})"), ""),
         (those(f"sum by ({by}) (liftwatch_site_recent_incidents{{{PLACE}}})"), ""),
         (those(f"1 - sum by ({by}) (liftwatch_site_recent_faulty_units{{{PLACE}}}) / "
                f"(sum by ({by}) (liftwatch_site_recent_incidents{{{PLACE}}}) > 0)"), ""),
         (those(f"sum by ({by}) (liftwatch_site_overdue_units{{{PLACE}}}) / "
                f"sum by ({by}) (liftwatch_site_units{{{PLACE}}})"), ""),
         (those(chance("site", PLACE, by)), "")],
        [Column("site", "小区 · Site", links=[link("电梯 · Units", "/units?q=${__value.raw:percentencode}")]),
         Column("maintainer", "维保单位 · Maintainer"),
         Column("Value #A", "每百台每月 · Per 100", unit="short", decimals=1, width=190),
         Column("Value #B", "台数 · Units", unit="short", decimals=0, width=110),
         Column("Value #C", "故障 · Incidents", unit="short", decimals=0, width=130),
         Column("Value #D", "重复占比 · Repeats", unit="percentunit", decimals=0, width=150),
         Column("Value #E", "超期占比 · Overdue", unit="percentunit", decimals=0, width=150),
         Column("Value #F", "判断 · Beyond chance", width=210, cell="color-text", thresholds=SURE_STEPS, mappings=SURE)],
        sort="每百台每月 · Per 100", height=11)


def firms(made):
    by = "maintainer"
    big = large("maintainer", FIRM, by)

    def those(expr):
        return f"({expr}) and on ({by}) {big}"

    def summed(name, more=""):
        return f"sum by ({by}) (liftwatch_maintainer_{name}{{{more}{FIRM}}})"

    def wait(answer):
        kind = f'answer="{answer}",'
        return f"{summed('recent_answer_seconds', kind)} / ({summed('recent_answered_alerts', kind)} > 0)"

    made.table(
        ("维保单位排名", "Firms, ranked"),
        ("按维保单位：故障率、重复、超期，以及严重告警从开始到答复、到场的平均时间（没有答复则为空）。",
         "By maintenance firm: faults, repeats, overdue visits, and the mean time from a critical alert to an answer and "
         "to an arrival (empty where there was none)."),
        [(those(per_hundred("maintainer", FIRM, by)), ""),
         (those(summed("units")), ""),
         (those(f"1 - {summed('recent_faulty_units')} / ({summed('recent_incidents')} > 0)"), ""),
         (those(f"{summed('overdue_units')} / {summed('units')}"), ""),
         (those(summed("recent_critical_alerts")), ""),
         (those(wait("acknowledged")), ""),
         (those(wait("arrived")), ""),
         (those(chance("maintainer", FIRM, by)), "")],
        [Column("maintainer", "维保单位 · Maintainer"),
         Column("Value #A", "每百台每月 · Per 100", unit="short", decimals=1, width=190),
         Column("Value #B", "台数 · Units", unit="short", decimals=0, width=110),
         Column("Value #C", "重复占比 · Repeats", unit="percentunit", decimals=0, width=150),
         Column("Value #D", "超期占比 · Overdue", unit="percentunit", decimals=0, width=150),
         Column("Value #E", "严重告警 · Critical", unit="short", decimals=0, width=140),
         Column("Value #F", "平均答复 · Answer", unit="s", decimals=1, width=140),
         Column("Value #G", "平均到场 · Arrival", unit="s", decimals=1, width=140),
         Column("Value #H", "判断 · Beyond chance", width=210, cell="color-text", thresholds=SURE_STEPS, mappings=SURE)],
        sort="每百台每月 · Per 100", height=11)


def overdue(made):
    made.bars(
        ("维保超期占比", "Overdue share by firm"),
        ("最近一次维保早于合同间隔的电梯占该单位电梯的比例，最高的十家。",
         "Share of a firm's units whose last recorded visit is longer ago than their interval; the ten highest."),
        [(f"sort_desc(topk(10, sum by (maintainer) (liftwatch_maintainer_overdue_units{{{FIRM}}}) / "
          f"{large('maintainer', FIRM, 'maintainer')}))", "{{maintainer}}")], unit="percentunit", decimals=1, width=12)
    made.lines(
        ("每百台每月故障的走势", "Incidents per 100 units and month, over time"),
        ("最近 30 天的滑动值，所选范围内最高的五家维保单位。",
         "Sliding over 30 days; the five highest firms of what is chosen."),
        [(f"topk(5, {per_hundred('maintainer', FIRM, 'maintainer')})", "{{maintainer}}")], decimals=1, width=12)
