"""All objects in memory, written to the journal when a unit of work ends."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from msaas.stripe.application.ports import Journal
from msaas.stripe.domain.errors import ApiError, missing
from msaas.stripe.domain.resources import Resource

# The fields by which objects of a kind are looked up.
_INDEXED = {
    "subscription": ("customer",),
    "invoice": ("customer", "_subscription"),
    "invoiceitem": ("customer",),
    "payment_method": ("customer",),
    "charge": ("customer",),
    "invoice_payment": ("invoice",),
    "credit_note": ("invoice",),
    "billing.meter": ("event_name",),
    "billing.meter_event": ("_usage_key", "identifier"),
    "subscription_schedule": ("customer",),
    "payment_intent": ("customer",),
    "delivery": ("event", "status"),
}


class Store:
    """One thread and no await inside a unit of work: units never overlap."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._objects: dict[str, Resource] = {}
        self._kinds: dict[str, dict[str, None]] = {}
        self._indexes: dict[tuple[str, str, str], dict[str, None]] = {}
        self._entries: dict[str, set[tuple[str, str, str]]] = {}
        self._changed: dict[str, None] = {}
        self._touched: dict[str, None] = {}
        for key, document in journal.read_all():
            self._place(key, document)
            self._touched[key] = None

    def add(self, document: Resource) -> Resource:
        self._mark(document["id"])
        self._place(document["id"], document)
        return document

    def edit(self, identifier: str) -> Resource:
        """Return an object that the unit of work is about to change in place."""
        self._mark(identifier)
        return self._objects[identifier]

    def remove(self, identifier: str) -> None:
        self._mark(identifier)
        self._displace(identifier)

    def find(self, kind: str, identifier: str) -> Resource | None:
        document = self._objects.get(identifier)
        return document if document is not None and document["object"] == kind else None

    def get(self, kind: str, identifier: str, param: str = "id") -> Resource:
        document = self.find(kind, identifier)
        if document is None:
            raise missing(kind.rpartition(".")[2], identifier, param)
        return document

    def find_any(self, identifier: str) -> Resource | None:
        return self._objects.get(identifier)

    def list_kind(self, kind: str) -> Iterator[Resource]:
        """Return the objects of a kind, oldest first."""
        return (self._objects[key] for key in list(self._kinds.get(kind, {})))

    def kinds(self) -> set[str]:
        return {kind for kind, keys in self._kinds.items() if keys}

    def list_by(self, kind: str, field: str, value: str) -> Iterator[Resource]:
        keys = list(self._indexes.get((kind, field, value), {}))
        found = (self._objects[key] for key in keys if key in self._objects)
        return (document for document in found if document.get(field) == value)

    def reindex(self, identifier: str) -> None:
        """Index an object under a changed value before the unit of work ends."""
        self._place(identifier, self._objects[identifier])

    @contextmanager
    def unit_of_work(self) -> Generator[None]:
        try:
            yield
        except ApiError as error:
            if not error.keeps_changes:
                self._roll_back()
                raise
            self._commit()
            raise
        except BaseException:
            self._roll_back()
            raise
        else:
            self._commit()

    def abandon(self) -> None:
        """Undo what the unit of work has changed so far."""
        self._roll_back()

    def take_touched(self) -> list[Resource]:
        """Return the existing objects that were touched since the last call."""
        touched = [self._objects[key] for key in self._touched if key in self._objects]
        self._touched.clear()
        return touched

    def _mark(self, key: str) -> None:
        self._changed[key] = None
        self._touched[key] = None

    def _commit(self) -> None:
        if self._changed:
            for document in [self._objects[key] for key in self._changed if key in self._objects]:
                self._place(document["id"], document)
            self._journal.write({key: self._objects.get(key) for key in self._changed})
            self._changed.clear()

    def _roll_back(self) -> None:
        for key in self._changed:
            document = self._journal.find(key)
            if document is None:
                self._displace(key)
            else:
                self._place(key, document)
                self._touched[key] = None
        self._changed.clear()

    def _place(self, key: str, document: Resource) -> None:
        kind = document["object"]
        self._objects[key] = document
        self._kinds.setdefault(kind, {})[key] = None
        if kind in _INDEXED:
            self._index(key, document)

    def _index(self, key: str, document: Resource) -> None:
        kind = document["object"]
        values = {field: document.get(field) for field in _INDEXED[kind]}
        entries = {
            (kind, field, str(value)) for field, value in values.items() if value is not None
        }
        former = self._entries.get(key, set())
        for entry in former - entries:
            del self._indexes[entry][key]
        for entry in entries - former:
            self._indexes.setdefault(entry, {})[key] = None
        self._entries[key] = entries

    def _displace(self, key: str) -> None:
        document = self._objects.pop(key, None)
        if document is None:
            return
        self._kinds[document["object"]].pop(key, None)
        for entry in self._entries.pop(key, set()):
            del self._indexes[entry][key]
