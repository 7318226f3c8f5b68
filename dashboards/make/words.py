"""What codes are called, in both languages, and the colours that go with them."""

from panels import BLUE, GREEN, ORANGE, RED, YELLOW, says

RULES = {
    "entrapment": "困人 · entrapment",
    "critical_fault": "危急故障 · critical fault",
    "repeated_entrapment": "频繁困人 · repeated entrapment",
    "repeated_fault": "频繁故障 · repeated fault",
    "repeated_fault_watch": "故障关注 · repeated fault, watch",
    "fault_after_repair": "修后复发 · fault after repair",
    "over_age": "超龄 · over age",
    "silent_unit": "失联 · silent unit",
    "evidence_gap": "数据缺失 · evidence gap",
}

SEVERITIES = {
    "critical": ("危急 · critical", RED),
    "warning": ("警告 · warning", ORANGE),
    "info": ("提示 · info", BLUE),
}


def rules():
    """Rules as mappings of texts."""
    return [says(rule, text) for rule, text in RULES.items()]


def severities():
    """Severities as mappings of texts, with their colours."""
    return [says(severity, text, color) for severity, (text, color) in SEVERITIES.items()]


def rules_as_names():
    """Overrides that give the series of a rule its name."""
    return [{"matcher": {"id": "byName", "options": rule}, "properties": [{"id": "displayName", "value": text}]}
            for rule, text in RULES.items()]
