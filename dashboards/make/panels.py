"""Panels of Grafana's classic model, in the few shapes that the dashboards use.

Every panel gets a title and a description in Chinese and English, a unit, and, wherever it has a colour, a text or a
number beside it that says the same.
"""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"


def target(expr, legend="", table=False, ref="A", instant=False):
    """One query. A table or a stat asks for now, a graph for the range."""
    made = {"refId": ref, "datasource": DATASOURCE, "expr": expr, "legendFormat": legend or "__auto",
            "editorMode": "code", "range": not (table or instant), "instant": table or instant}
    if table:
        made["format"] = "table"
    return made


def targets(*queries, table=False, instant=False):
    """Queries as (expression, legend), lettered in their order."""
    return [target(expr, legend, table, "ABCDEFGHIJ"[n], instant) for n, (expr, legend) in enumerate(queries)]


def steps(*pairs):
    """Thresholds: the first colour holds from below, each other one from its value on."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


def says(value, text, color=None):
    """What one value is called."""
    result = {"text": text} if color is None else {"text": text, "color": color}
    return {"type": "value", "options": {str(value): {**result, "index": 0}}}


def says_range(low, high, text, color=None):
    """What a range of values is called."""
    result = {"text": text, "index": 0} if color is None else {"text": text, "color": color, "index": 0}
    return {"type": "range", "options": {"from": low, "to": high, "result": result}}


def link(title, url):
    """A data link into our own pages."""
    return {"title": title, "url": "${home}" + url, "targetBlank": True}


class Column:
    """One column of a table: where it comes from, what it is called, how it looks."""

    def __init__(self, field, title, unit=None, width=None, links=(), thresholds=None, mappings=(), cell=None,
                 decimals=None):
        self.field, self.title, self.unit, self.width = field, title, unit, width
        self.links, self.thresholds, self.mappings = links, thresholds, mappings
        self.cell, self.decimals = cell, decimals

    def override(self):
        made = []
        for key, value in (("unit", self.unit), ("custom.width", self.width), ("decimals", self.decimals),
                           ("thresholds", self.thresholds), ("links", list(self.links)),
                           ("mappings", list(self.mappings)),
                           ("custom.cellOptions", self.cell and {"type": self.cell})):
            if value is not None and value != []:
                made.append({"id": key, "value": value})
        return {"matcher": {"id": "byName", "options": self.title}, "properties": made}


class Board:
    """A dashboard that is filled from left to right and from top to bottom."""

    def __init__(self, uid, zh, en, description):
        self.uid, self.title, self.description = uid, f"{zh} · {en}", description
        self.panels, self.variables, self.annotations = [], [], []
        self.x = self.y = self.height = 0
        self.refresh, self.range = "30s", "now-6h"

    def place(self, width, height):
        if self.x + width > 24:
            self.x, self.y = 0, self.y + self.height
        self.height = height
        place = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x += width
        return place

    def panel(self, kind, title, description, width, height, queries, unit, options, thresholds=None, mappings=(),
              custom=None, links=(), overrides=(), transformations=(), decimals=None, low=None, high=None):
        defaults = {"unit": unit, "mappings": list(mappings), "thresholds": thresholds or steps((None, GREEN)),
                    "color": {"mode": "thresholds" if thresholds else "palette-classic"}, "custom": custom or {}}
        for key, value in (("decimals", decimals), ("min", low), ("max", high), ("links", list(links))):
            if value is not None and value != []:
                defaults[key] = value
        self.panels.append({
            "id": len(self.panels) + 1, "type": kind, "title": f"{title[0]} · {title[1]}",
            "description": f"{description[0]}\n\n{description[1]}", "gridPos": self.place(width, height),
            "datasource": DATASOURCE, "targets": queries, "transformations": list(transformations),
            "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options})

    def stat(self, title, description, queries, unit="short", width=6, height=4, thresholds=None, graph=False, **more):
        """One big number, or a few with names. It asks for now, or with a graph behind it for the range."""
        text = "value_and_name" if len(queries) > 1 else "value"
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": text,
                   "colorMode": "background_solid" if thresholds and not graph else "value",
                   "graphMode": "area" if graph else "none", "justifyMode": "center", "orientation": "auto",
                   "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"}
        self.panel("stat", title, description, width, height, targets(*queries, instant=not graph), unit, options,
                   thresholds or steps((None, BLUE)), **more)

    def lines(self, title, description, queries, unit="short", width=12, height=8, stack=False, step=False,
              legend="bottom", calcs=("lastNotNull", "max"), **more):
        """Lines over time; the legend names each and tells its last and highest value."""
        custom = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 30 if stack else 8, "showPoints": "never",
                  "lineInterpolation": "stepAfter" if step else "linear", "spanNulls": False, "axisSoftMin": 0,
                  "stacking": {"mode": "normal" if stack else "none", "group": "A"},
                  "thresholdsStyle": {"mode": "line" if more.get("thresholds") else "off"}}
        options = {"legend": {"showLegend": True, "displayMode": "table", "placement": legend,
                              "calcs": list(calcs)},
                   "tooltip": {"mode": "multi", "sort": "desc"}}
        self.panel("timeseries", title, description, width, height, targets(*queries), unit, options, custom=custom,
                   **more)
        self.panels[-1]["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}

    def bars(self, title, description, queries, unit="short", width=12, height=8, **more):
        """Horizontal bars, each with its name and number."""
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "displayMode": "basic",
                   "orientation": "horizontal", "valueMode": "text", "namePlacement": "auto", "showUnfilled": True,
                   "sizing": "auto", "text": {"titleSize": 12, "valueSize": 16}, "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                   "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}}
        more.setdefault("thresholds", steps((None, BLUE)))
        self.panel("bargauge", title, description, width, height, targets(*queries, instant=True), unit, options,
                   low=0, **more)

    def table(self, title, description, queries, columns, sort, width=24, height=9, descending=True):
        """Rows joined over their common labels; only the named columns are shown, in their order."""
        names = {column.field: column.title for column in columns}
        order = {column.field: n for n, column in enumerate(columns)}
        labels = {name for name in ("alert", "rule", "severity", "unit", "region", "site", "maintainer", "answer",
                                    "instance", "job", "__name__", "Time", "publisher", "window", "le")
                  if name not in names}
        transformations = [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {name: True for name in sorted(labels)},
                                           "indexByName": order, "renameByName": names}}]
        options = {"showHeader": True, "cellHeight": "sm", "enablePagination": False,
                   "frameIndex": 0, "sortBy": [{"displayName": sort, "desc": descending}]}
        custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": False}
        self.panel("table", title, description, width, height, targets(*queries, table=True), "none", options,
                   custom=custom, overrides=[column.override() for column in columns],
                   transformations=transformations)
        # A number without thresholds of its own has the colour of text, and not one of a palette.
        self.panels[-1]["fieldConfig"]["defaults"].update(color={"mode": "thresholds"}, thresholds=steps((None, GREY)))

    def timeline(self, title, description, queries, mappings, width=24, height=6, overrides=()):
        """States over time, one band each; the state stands in the band as text."""
        custom = {"lineWidth": 0, "fillOpacity": 80}
        options = {"showValue": "auto", "rowHeight": 0.8, "mergeValues": True, "alignValue": "left",
                   "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
                   "tooltip": {"mode": "single", "sort": "none"}}
        self.panel("state-timeline", title, description, width, height, targets(*queries), "none", options,
                   steps((None, GREY)), mappings=mappings, custom=custom, overrides=overrides)

    def datasource(self):
        self.variables.append({"type": "datasource", "name": "datasource", "label": "数据源 · Data source",
                               "query": "prometheus", "hide": 0, "includeAll": False, "multi": False,
                               "options": [], "refresh": 1, "regex": "", "skipUrlSync": False})

    def variable(self, name, label, query, many=True, hide=0):
        """A variable that asks Prometheus for its values; `many` lets people choose several, or all."""
        made = {"type": "query", "name": name, "label": label, "datasource": DATASOURCE,
                "query": {"query": query, "refId": "StandardVariableQuery"}, "hide": hide,
                "includeAll": many, "multi": many, "options": [], "refresh": 2, "regex": "", "skipUrlSync": False,
                "sort": 1}
        if many:
            made["allValue"] = ".*"
            made["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
        self.variables.append(made)

    def choice(self, name, label, values, chosen):
        """A variable with a few values of its own."""
        options = [{"selected": value == chosen, "text": value, "value": value} for value in values]
        self.variables.append({"type": "custom", "name": name, "label": label, "query": ",".join(values), "hide": 0,
                               "includeAll": False, "multi": False, "options": options, "skipUrlSync": False,
                               "current": {"selected": True, "text": chosen, "value": chosen}})

    def places(self):
        """The variables that every dashboard of the city has."""
        self.datasource()
        self.variable("region", "区域 · Region", "label_values(liftwatch_units, region)")
        self.variable("site", "小区 · Site", 'label_values(liftwatch_site_units{region=~"$region"}, site)')
        self.variable("maintainer", "维保单位 · Maintainer",
                      'label_values(liftwatch_maintainer_units{region=~"$region"}, maintainer)')
        self.home()

    def home(self):
        self.variable("home", "页面 · Pages", "label_values(liftwatch_pages_info, url)", many=False, hide=2)

    def to_json(self):
        assert len(self.panels) <= 20, self.uid
        links = [{"type": "dashboards", "tags": ["liftwatch"], "title": "liftwatch", "asDropdown": False, "icon": "",
                  "includeVars": True, "keepTime": True, "targetBlank": False, "tooltip": "", "url": ""},
                 {"type": "link", "title": "页面 · Pages", "url": "${home}/", "icon": "external link", "tags": [],
                  "asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": True, "tooltip": ""}]
        return {"uid": self.uid, "title": self.title, "description": self.description, "tags": ["liftwatch"],
                "schemaVersion": 41, "version": 1, "editable": False, "graphTooltip": 1, "timezone": "browser",
                "weekStart": "", "fiscalYearStartMonth": 0, "liveNow": False, "preload": False,
                "refresh": self.refresh, "time": {"from": self.range, "to": "now"}, "timepicker": {},
                "annotations": {"list": self.annotations}, "links": links,
                "templating": {"list": self.variables}, "panels": self.panels}
