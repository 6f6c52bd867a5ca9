"""Text to paste into a monitoring tool, for each kind of integration. Pure.

The same lines work with the tools' own PagerDuty settings: only the address differs.
"""

import msgspec

from tocsin.catalog.model import IntegrationKind

PLACEHOLDER = "YOUR_INTEGRATION_KEY"


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A block to copy, and where it goes."""

    caption: str
    text: str


def snippets(kind: str, base_url: str, key: str | None) -> list[Snippet]:
    """What to paste where. Without a revealed key a placeholder stands in its place."""
    shown = key or PLACEHOLDER
    if kind == IntegrationKind.ALERTMANAGER:
        return [_alertmanager_pagerduty(base_url, shown), _alertmanager_webhook(base_url, shown)]
    if kind == IntegrationKind.EVENTS_V1:
        return [_curl_v1(base_url, shown)]
    return [_curl_v2(base_url, shown), _alertmanager_pagerduty(base_url, shown)]


# The front door answers another word with 400, and Alertmanager drops what is answered so.
ALERTMANAGER_SEVERITY = (
    'severity: \'{{ if match "(?i)^(critical|error|warning|info)$" .CommonLabels.severity }}'
    "{{ .CommonLabels.severity }}{{ else }}error{{ end }}'"
)


def _alertmanager_pagerduty(base_url: str, key: str) -> Snippet:
    return Snippet(
        caption="alertmanager.yml, as PagerDuty",
        text=(
            "receivers:\n"
            "  - name: tocsin\n"
            "    pagerduty_configs:\n"
            f"      - routing_key: {key}\n"
            f"        url: {base_url}/v2/enqueue\n"
            f"        {ALERTMANAGER_SEVERITY}\n"
            "        send_resolved: true\n"
        ),
    )


def _alertmanager_webhook(base_url: str, key: str) -> Snippet:
    return Snippet(
        caption="alertmanager.yml, as a webhook: each alert of a group on its own",
        text=(
            "receivers:\n"
            "  - name: tocsin\n"
            "    webhook_configs:\n"
            f"      - url: {base_url}/integration/{key}/alertmanager\n"
            "        send_resolved: true\n"
        ),
    )


def _curl_v2(base_url: str, key: str) -> Snippet:
    body = (
        f'{{"routing_key": "{key}", "event_action": "trigger", "dedup_key": "disk-db1",\n'
        '  "payload": {"summary": "Disk of db1 is 96 % full", "source": "db1",'
        ' "severity": "critical"}}'
    )
    return Snippet(
        caption="Events API v2, by hand",
        text=f"curl -sS {base_url}/v2/enqueue -H 'content-type: application/json' -d '{body}'\n",
    )


def _curl_v1(base_url: str, key: str) -> Snippet:
    body = (
        f'{{"service_key": "{key}", "event_type": "trigger", "incident_key": "disk-db1",\n'
        '  "description": "Disk of db1 is 96 % full"}'
    )
    path = "/generic/2010-04-15/create_event.json"
    return Snippet(
        caption="Events API v1, by hand",
        text=f"curl -sS {base_url}{path} -H 'content-type: application/json' -d '{body}'\n",
    )
