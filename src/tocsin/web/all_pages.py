"""Every page of the product in one list, for the route table."""

from tocsin.web import (
    oncall,
    people,
    person,
    person_reach,
    policies,
    service_acts,
    service_list,
    service_page,
)
from tocsin.web.page import Page

PAGES: tuple[Page, ...] = (
    *oncall.PAGES,
    *service_list.PAGES,
    *service_page.PAGES,
    *service_acts.PAGES,
    *policies.PAGES,
    *people.PAGES,
    *person.PAGES,
    *person_reach.PAGES,
)
