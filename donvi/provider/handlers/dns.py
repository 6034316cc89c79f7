"""Record sets by dynamic update. The id is ``<name>/<TYPE>``; reading needs no key, so a preview can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from donvi.backends.dns import Mark, RecordSet, canonical_name, canonical_values
from donvi.errors import UsageError
from donvi.provider.handler import Failure, Found, Handler, Inputs, Result, handler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from donvi.provider.handler import JSON
    from donvi.provider.services import Services

RECORD_SET = "donvi:dns:RecordSet"
CREDENTIALS = "backends/dns/tsig"
LONGEST_TTL = 7 * 24 * 3600


class RecordSetInputs(Inputs, frozen=True, kw_only=True):
    """All records of a name and type; ``ttl`` in seconds, ``credential`` the KV path of the TSIG key."""

    zone: str
    name: str
    type: str
    ttl: int
    values: tuple[str, ...]
    credential: str


@handler(RECORD_SET, inputs=RecordSetInputs, replace_on={"zone", "name", "type"})
class RecordSetHandler(Handler[RecordSetInputs]):
    """One record set and its owner mark, changed together."""

    def check(self, new: RecordSetInputs) -> Iterable[Failure]:
        """Refuse names outside the zone and values that aren't of the type's form."""
        try:
            name, zone = canonical_name(new.name), canonical_name(new.zone)
        except UsageError as error:
            yield Failure("name", str(error))
        else:
            if name != zone and not name.endswith(f".{zone}"):
                yield Failure("name", f"{new.name} does not lie in the zone {new.zone}: use a name that ends with it")
            if name != new.name:
                yield Failure("name", f"{new.name!r}: write it in lower case without a final dot, {name}")
        try:
            canonical_values(new.type, new.values)
        except UsageError as error:
            yield Failure("values", str(error))
        if not 0 < new.ttl <= LONGEST_TTL:
            yield Failure("ttl", f"{new.ttl} s: give between 1 s and a week")

    def same(self, name: str, old: JSON, new: JSON) -> bool:
        """Compare values without regard to order."""
        if name == "values" and isinstance(old, list) and isinstance(new, list):
            return sorted(map(str, old)) == sorted(map(str, new))
        return old == new

    def create(self, services: Services, new: RecordSetInputs) -> Result:
        """Write the record set and its mark."""
        services.dns(new.credential).ensure(new.zone, _records(new), _mark(new))
        return Result(_id(new))

    def read(self, services: Services, id: str, known: RecordSetInputs | None) -> Found | None:
        """Ask the primary server; on import, the zone is looked up and the credential is the owner's."""
        name, _, kind = id.rpartition("/")
        if not name:
            raise UsageError(f"{id!r} is not the id of a record set", hint="write it as <name>/<TYPE>")
        reader = services.dns_reader
        records, mark = reader.read(name, kind)
        if records is None:
            return None
        if mark is None:
            mark = Mark("", "") if known else Mark("platform", f"dns/{id}")
        values = records.values
        if known and known.type == kind and canonical_values(kind, known.values) == values:
            values = known.values
        inputs = RecordSetInputs(
            unit=mark.unit,
            key=mark.key,
            zone=known.zone if known else reader.zone_of(name),
            name=records.name,
            type=kind,
            ttl=records.ttl,
            values=values,
            credential=known.credential if known else f"{CREDENTIALS}/{mark.unit}",
        )
        return Found(id, inputs)

    def update(self, services: Services, id: str, old: RecordSetInputs, new: RecordSetInputs) -> Result:
        """Replace the records, also where the mark was lost."""
        services.dns(new.credential).ensure(new.zone, _records(new), _mark(new), replacing=(None, _mark(old)))
        return Result(id)

    def delete(self, services: Services, id: str, old: RecordSetInputs) -> None:
        """Remove the records and the mark."""
        services.dns(old.credential).remove(old.zone, old.name, old.type, (None, _mark(old)))


def _id(inputs: RecordSetInputs) -> str:
    return f"{inputs.name}/{inputs.type}"


def _records(inputs: RecordSetInputs) -> RecordSet:
    return RecordSet(name=inputs.name, type=inputs.type, ttl=inputs.ttl, values=inputs.values)


def _mark(inputs: RecordSetInputs) -> Mark:
    return Mark(unit=inputs.unit, key=inputs.key)
