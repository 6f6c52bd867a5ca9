"""Every page of the product in one list, for the route table."""

from tocsin.web import (
    deliveries,
    incident,
    incident_acts,
    incidents_list,
    live_stream,
    oncall,
    people,
    person,
    person_reach,
    policies,
    schedule,
    schedule_acts,
    schedule_editor,
    schedules_list,
    service_acts,
    service_list,
    service_page,
    sign_in,
)
from tocsin.web.page import Page

PAGES: tuple[Page, ...] = (
    *sign_in.PAGES,
    *live_stream.PAGES,
    *incidents_list.PAGES,
    *incident.PAGES,
    *incident_acts.PAGES,
    *oncall.PAGES,
    *service_list.PAGES,
    *service_page.PAGES,
    *service_acts.PAGES,
    *policies.PAGES,
    *schedules_list.PAGES,
    *schedule_editor.PAGES,
    *schedule.PAGES,
    *schedule_acts.PAGES,
    *deliveries.PAGES,
    *people.PAGES,
    *person.PAGES,
    *person_reach.PAGES,
)
