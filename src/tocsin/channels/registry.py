"""Every channel of this installation, built once from its settings."""

from collections.abc import Mapping, Sequence

import msgspec

from tocsin.channels.email import EmailChannel, SmtpSettings
from tocsin.channels.model import Channel
from tocsin.channels.ntfy import NtfyChannel
from tocsin.channels.simulated import SimulatedChannel
from tocsin.channels.slack import SlackChannel
from tocsin.channels.webhook import WebhookChannel
from tocsin.core.http import Outbound


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the channels need to know."""

    smtp: SmtpSettings
    ntfy_url: str
    ntfy_token: str | None
    simulated: bool = False


def build(
    settings: ChannelSettings, outbound: Outbound, extra: Sequence[Channel] = ()
) -> Mapping[str, Channel]:
    """The channels by name, in the order a form offers them. `extra` ones win over built ones."""
    channels: list[Channel] = [
        EmailChannel(outbound, settings.smtp),
        NtfyChannel(outbound, settings.ntfy_url, settings.ntfy_token),
        SlackChannel(outbound),
        WebhookChannel(outbound),
    ]
    if settings.simulated:
        channels.append(SimulatedChannel())
    return {channel.name: channel for channel in (*channels, *extra)}
