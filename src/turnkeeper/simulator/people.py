"""The directory of the simulated contact centre: users, queues, wrap-up codes, the organisation.

It depends on the seed only. As on the platform, conversation details have ids instead of names.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnkeeper.simulator.ids import IdKind, Ids

_USERS = (
    "Maya Okafor", "Tomás Rivera", "Ingrid Solheim", "Devon Clarke", "Priya Raman", "Łukasz Nowak",
    "Amélie Laurent", "Hannah Whitfield", "José Núñez", "Kenji Watanabe", "Fatima Haddad", "Oliver Brandt",
)  # fmt: skip
_QUEUES = ("Billing", "Deliveries", "Technical Support", "Atención en Español", "Retention")
_WRAPUPS = ("Resolved", "Call Back Promised", "Refund Issued", "Escalated", "Wrong Number", "Sale Made")
_CUSTOMERS = (
    "Ana Beltrán", "George Miller", "Sofía Peña", "Ruth Abrams", "Chen Wei", "Noah Fischer", "Lucía Ibáñez",
    "Grace Oduya", "Peter Novak", "Marta Sanz",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """One entity of a listing: an id and the name behind it."""

    id: str
    name: str


class People:
    """The directory of one seed, in a fixed order."""

    def __init__(self, ids: Ids) -> None:
        self.organization = NamedEntity(ids.make(IdKind.ORGANIZATION), "Harbour Lane Retail")
        self.division = NamedEntity(ids.make(IdKind.DIVISION), "Home")
        self.users = tuple(NamedEntity(ids.make(IdKind.USER, n), name) for n, name in enumerate(_USERS))
        self.queues = tuple(NamedEntity(ids.make(IdKind.QUEUE, n), name) for n, name in enumerate(_QUEUES))
        self.wrapups = tuple(NamedEntity(ids.make(IdKind.WRAPUP, n), name) for n, name in enumerate(_WRAPUPS))
        self.customers = _CUSTOMERS
