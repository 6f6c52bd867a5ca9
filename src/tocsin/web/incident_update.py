"""The last look at a status update before it is mailed: as it will arrive, and to how many."""

from starlette.responses import Response

from tocsin.core.errors import Invalid
from tocsin.incidents import actions as incidents
from tocsin.queries import incident as queries
from tocsin.web import formats
from tocsin.web.incident import shown
from tocsin.web.incident_crew import new_update
from tocsin.web.incidents_list import LIST
from tocsin.web.page import Page, post
from tocsin.web.visit import Visit

MAIL = "email"


async def preview(visit: Visit) -> Response:
    """Show the update; nothing is sent and nothing is kept."""
    incident_id = visit.path("id")
    new = new_update(visit)
    try:
        async with visit.tx() as tx:
            head = await queries.head(tx, visit.actor, incident_id)
            found = await incidents.preview_update(tx, visit.actor, incident_id, new)
    except Invalid as error:
        problem = formats.sentence(error.message)
        return await shown(visit, incident_id, problem=problem, status=422)
    return visit.render(
        "incidents/update_preview.html",
        page={
            "title": "Post an update",
            "section": "incidents",
            "up": (f"#{head.number}", f"{LIST}/{head.id}"),
        },
        incident=head,
        base=f"{LIST}/{head.id}",
        preview=found,
        given_subject=new.subject or "",
        mail_missing=next((k.missing for k in visit.deps.channels if k.name == MAIL), None),
        body=new.message,
    )


PAGES: tuple[Page, ...] = (post(f"{LIST}/{{id}}/update/preview", preview),)
