"""What a service's page shows of its rules: which alerts come together, how long new ones wait, and
the urgency by the hours of the week. The forms speak in minutes."""

from datetime import timedelta
from typing import Any

from tocsin.catalog import actions as catalog
from tocsin.catalog.actions import grouping
from tocsin.catalog.grouping import (
    BY_CONTENT,
    BY_TEXT,
    DEFAULT_TEXT_FIELDS,
    PLAIN_FIELDS,
    RECOMMENDED_WINDOW,
    GroupingSetting,
    GroupingType,
)
from tocsin.catalog.model import Service
from tocsin.catalog.support_hours import EDGES, next_edge, within
from tocsin.catalog.validation import PAUSES
from tocsin.core.database import Tx
from tocsin.core.timezones import zone_names
from tocsin.queries import paused
from tocsin.web import formats
from tocsin.web.joined_words import field_name
from tocsin.web.visit import Visit

WAYS: tuple[tuple[str, str], ...] = (
    ("none", "Off"),
    (GroupingType.TIME, "Time"),
    (GroupingType.CONTENT, "Content"),
    (GroupingType.TEXT, "Text"),
    (GroupingType.CONTENT_AND_TEXT, "Both"),
)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
URGENCIES = {"high": "high", "low": "low", "severity_based": "by severity"}
COUNTED_FOR = timedelta(days=28)


async def context(tx: Tx, visit: Visit, service: Service, manages: bool) -> dict[str, Any]:
    """What the template `services/rules.html` shows."""
    setting = None
    if service.grouping_setting_id is not None:
        found = await grouping.groupings_by_ids(tx, [service.grouping_setting_id])
        setting = found.get(service.grouping_setting_id)
    others = [id for id in setting.service_ids if id != service.id] if setting else []
    hours = service.support_hours
    chosen = visit.query("grouping") or (setting.type if setting else "none")
    return {
        "setting": setting,
        "setting_words": words(setting),
        "setting_others": list((await catalog.services_by_ids(tx, others)).values()),
        "ways": [
            {
                "label": label,
                "href": f"/app/services/{service.id}?grouping={way}#grouping",
                "current": chosen == way,
            }
            for way, label in WAYS
        ],
        "way": chosen if chosen in dict(WAYS) else "none",
        "by_content": chosen in BY_CONTENT,
        "by_text": chosen in BY_TEXT,
        "form_grouping": _form(setting),
        "plain_fields": PLAIN_FIELDS,
        "recommended_minutes": RECOMMENDED_WINDOW // 60,
        "hours": hours,
        "inside": hours is None or within(hours, visit.now),
        "edge": None if hours is None else next_edge(hours, EDGES, visit.now),
        "hour_days": ", ".join(DAYS[day - 1] for day in hours.days) if hours else "",
        "day_names": DAYS,
        "zones": sorted(zone_names()) if manages else [],
        "urgency_names": URGENCIES,
        "pauses": [(seconds, f"{seconds // 60} minutes") for seconds in PAUSES],
        "waiting": await paused.waiting(tx, service.id),
        "pause_counts": await paused.counts(tx, service.id, visit.now - COUNTED_FOR),
    }


def words(setting: GroupingSetting | None) -> str:
    """A setting in one sentence."""
    if setting is None:
        return "Each alert opens an incident of its own."
    if setting.type == GroupingType.TIME:
        if not setting.timeout:
            return "All alerts join the open incident until it is resolved."
        return (
            f"All alerts join the incident for {formats.duration(setting.timeout, parts=2)} after"
            " it opened."
        )
    parts = []
    if setting.type in BY_CONTENT:
        names = [field_name(name) for name in setting.fields]
        joint = " and " if setting.aggregate == "all" else " or "
        parts.append(f"have the same {joint.join(names)}")
    if setting.type in BY_TEXT:
        names = [field_name(name) for name in setting.text_fields]
        parts.append(f"say much the same in their {' and '.join(names)}")
    window = formats.duration(setting.time_window or RECOMMENDED_WINDOW, parts=2)
    return f"Alerts come together that {' and '.join(parts)}, within {window} of the last one."


def _form(setting: GroupingSetting | None) -> dict[str, Any]:
    """The fields of the form as they stand, or as they are proposed."""
    proposed = {
        "timeout_minutes": 60,
        "window_minutes": 0,
        "aggregate": "all",
        "fields": "component",
        "text_fields": ", ".join(DEFAULT_TEXT_FIELDS),
    }
    if setting is None:
        return proposed
    if setting.type == GroupingType.TIME:
        return {**proposed, "timeout_minutes": -(-setting.timeout // 60)}
    return {
        **proposed,
        "window_minutes": -(-setting.time_window // 60),
        "aggregate": setting.aggregate or "all",
        "fields": ", ".join(setting.fields) or proposed["fields"],
        "text_fields": ", ".join(setting.text_fields) or proposed["text_fields"],
    }
