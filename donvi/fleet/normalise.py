"""A unit's own values taken out of a text, so that what is left is the same for all units that get the same.

Only values that the city's data gives this unit become placeholders: ``10.3.64.10`` is ``‹office.ipv4+10›`` in the
preview of the unit that has ``10.3.64.0/24``, and stays ``10.3.64.10`` in everybody else's. So "unit A gets unit B's
address" stays visible. Two values of a unit never have the same placeholder, and a ``‹`` that stood in the text is
doubled: but for what :data:`VOLATILE` names, nothing is lost, a text can be made again from its normal form.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from donvi.registry.text import fold, name_words
from donvi.site.wording import dialled, national
from donvi.tenancy import describe, names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from donvi.registry import City, Person

OPEN, CLOSE = "‹", "›"
ESCAPED = "‹‹›"
ANOTHER_ORDER = f"{OPEN}in another order{CLOSE}"

VOLATILE: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "changedAt",
            "entryUuid",
            "fingerprint",
            "finishedAt",
            "notAfter",
            "notBefore",
            "publicKey",
            "renewalAt",
            "serial",
            "serials",
            "verifiedAt",
        }
    ),
    "kubernetes:": frozenset({"creationTimestamp", "generation", "resourceVersion"}),
    "donvi:verify:": frozenset({"depends", "digest", "versions"}),
    "donvi:machine:": frozenset({"digest"}),
}
"""Properties whose values say when or how often something was made, by the beginning of the type token.

Digests of a unit's whole description are such too: what it says shows in the properties of the other resources.
"""

KEPT = frozenset({"[secret]", "[unknown]"})
_PAGE = re.compile(r"(?<=-page-)[0-9a-f]{10}(?![0-9a-z])")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f:]*:[0-9a-f:]+)(?:/[0-9]{1,3})?(?![\w:]|\.\w)"
)
_HEAD = 3  # characters that decide whether a value may begin somewhere
_WORDS = re.compile(r"[\w.-]+")
_KEYS = re.compile(r"[^.\[\]\"]+")

# where a value counts: nothing may stand beside it that would make it another one's
_ANY = r"(?<!\w){}(?!\w)"
_WORD = r"(?<![\w-]){}(?![\w-])"
_STACK = r"(?<!\w){}(?![\w-])"
_LOCAL = r"(?<![\w.-]){}(?![\w-]|\.\w)"
_NUMBER = r"(?<![^\W_]){}(?![^\W_])"
_AREA = r"(?<=Địa bàn ){}(?=<|\Z)"
_WEAK = r"(?:\A|(?<=>)|(?<=Địa bàn )){}(?=<|\Z)"  # a common word, which means the unit's only where it stands alone

VLAN = frozenset({"serviceVlan", "service_vlan"})
"""Properties that hold the unit's VLAN; in a text a number of three digits may mean anything."""


@dataclass(frozen=True)
class Own:
    """A value of a unit: the text, its placeholder's label, and the pattern that says where it counts.

    :param who: the person whose it is, by post and number; several may have one name.
    """

    text: str
    label: str
    where: str = _ANY
    who: str = ""


@dataclass(frozen=True)
class Network:
    """The addresses of a unit or of one of its segments."""

    label: str
    ipv4: IPv4Network
    ipv6: IPv6Network


class Normaliser:
    """Takes one unit's values out of texts; :class:`Normalisers` makes them. Without values it changes nothing.

    :param strangers: other units' values that contain one of this unit's; they are left alone as a whole.
    :param networks: the unit's segments, and last its whole prefixes.
    """

    def __init__(
        self,
        own: Collection[Own] = (),
        strangers: Collection[str] = (),
        networks: Collection[Network] = (),
        uids: range = range(0),
        vlan: int = 0,
    ) -> None:
        self.labels: dict[str, str] = {}
        for one in own:
            self.labels.setdefault(one.text, one.label)
        self._people = tuple(one for one in own if one.who)
        self._networks = tuple(networks)
        self._uids, self._vlan = uids, vlan
        known = {one.text: one for one in reversed(tuple(own))} | {text: Own(text, "") for text in strangers}
        found = sorted(known.values(), key=lambda own: (-len(own.text), own.text))
        patterns = [(own.text, re.compile(own.where.format(re.escape(own.text)))) for own in found]
        number = re.compile(_NUMBER.format(f"[0-9]{{{len(str(uids[0]))},{len(str(uids[-1]))}}}")) if uids else None
        patterns += [(first, number) for first in sorted({str(uid)[:_HEAD] for uid in uids}) if number]
        heads = sorted({text[:_HEAD] for text, _ in patterns}, key=len, reverse=True)
        self._heads = re.compile("|".join(map(re.escape, heads))) if heads else None
        self._patterns = {
            head: [pattern for text, pattern in patterns if head.startswith(text[:_HEAD]) or text.startswith(head)]
            for head in heads
        }

    def text(self, text: str) -> str:
        """Return the normal form of a text."""
        return ESCAPED.join(self._plain(part) for part in text.split(OPEN))

    def about(self, urn: str) -> Normaliser:
        """Return a normaliser that takes a name which several people have for that of the one the resource is about."""
        whose = {one.who for one in self._people if one.where in {_WORD, _LOCAL} and one.text in _WORDS.findall(urn)}
        if not whose:
            return self
        other = copy(self)
        other.labels = self.labels | {one.text: one.label for one in self._people if one.who in whose}
        return other

    def name(self, text: str, kind: str) -> str:
        """Return the normal form of a URN, a resource's name or a property's path.

        :param kind: type token of the resource: the cluster's objects may be named by their contents.
        """
        normal = self.text(text)
        return _PAGE.sub(f"{OPEN}contents{CLOSE}", normal) if kind.startswith("kubernetes:") else normal

    def value(self, value: Any, kind: str = "", path: str = "") -> Any:
        """Return the normal form of a JSON value, keys included.

        :param path: the property, for :data:`VOLATILE`.
        """
        if isinstance(value, dict):
            return {self.name(key, kind): self.value(item, kind, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return _in_order(value, [self.value(item, kind, path) for item in value])
        if value is None or isinstance(value, bool) or value in KEPT:
            return value
        if is_volatile(kind, path):
            return f"{OPEN}{_last(path)}{CLOSE}"
        return self.name(value, kind) if isinstance(value, str) else self._number(value, path)

    def _number(self, value: float, path: str) -> float | str:
        if self._vlan and value == self._vlan and _last(path) in VLAN:
            return f"{OPEN}vlan{CLOSE}"
        normal = self.text(str(value))
        return value if normal == str(value) else normal

    def _plain(self, text: str) -> str:
        if self._heads is None:
            return text
        done, last, at = [], 0, 0
        while head := self._heads.search(text, at):
            at = head.start()
            hits = (pattern.match(text, at) for pattern in self._patterns[head[0]])
            if hit := next((hit for hit in hits if hit), None):
                done += [self._addresses(text[last:at]), self._literal(hit[0])]
                last = at = hit.end()
            else:
                at += 1
        return "".join([*done, self._addresses(text[last:])])

    def _literal(self, found: str) -> str:
        label = self.labels.get(found, "")
        if not label and found.isdigit() and int(found) in self._uids:
            label = f"uid+{int(found) - self._uids.start}"
        return f"{OPEN}{label}{CLOSE}" if label else found

    def _addresses(self, part: str) -> str:
        if "." not in part and ":" not in part:
            return part
        return _ADDRESS.sub(lambda match: self._address(match[0]), part)

    def _address(self, token: str) -> str:
        written, slash, length = token.partition("/")
        try:
            address = ip_address(written)
            network = ip_network(token) if slash else None
        except ValueError:
            return token
        if str(address) != written or (network is not None and str(network) != token):
            return token
        family = f"ipv{address.version}"
        own = {f"{place.label}{family}": getattr(place, family) for place in self._networks}
        for label, prefix in own.items():
            if network == prefix:
                return f"{OPEN}{label}{CLOSE}"
        for label, prefix in own.items():
            if address in prefix:
                return f"{OPEN}{label}+{int(address) - int(prefix.network_address)}{CLOSE}{slash}{length}"
        return token


def _in_order(values: Sequence[Any], normal: list[Any]) -> list[Any]:
    """Return the normal form of a list in an order of its own, where the values' order says nothing: it is sorted.

    One that isn't sorted but would look so is marked, so that no two lists of a unit have the same form.
    """
    if len(values) < 2 or not all(isinstance(value, str) for value in values):  # noqa: PLR2004
        return normal
    if list(values) == sorted(values):
        return sorted(normal)
    return [*normal, ANOTHER_ORDER] if normal == sorted(normal) else normal


def is_volatile(kind: str, path: str) -> bool:
    """Whether a property says only when or how often something was made."""
    keys = set(_KEYS.findall(path))
    return any(keys & words for begin, words in VOLATILE.items() if kind.startswith(begin))


def _last(path: str) -> str:
    return next((key for key in reversed(_KEYS.findall(path)) if not key.isdigit()), "")


class Normalisers:
    """Normalisers of a city's units, each made once."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._made: dict[str, Normaliser] = {}
        self._everybody = [
            (code, text)
            for code, unit in city.units.items()
            for text in (
                unit.name,
                unit.name[len(unit.kind) :].strip(),
                fold(unit.name),
                names.unit_domain(city, city.allotments[code]),
            )
        ]
        self._joined = "\n".join(text for _, text in self._everybody)

    def of(self, stack: str) -> Normaliser:
        """Return a stack's normaliser; one that changes nothing for ``platform`` or a stack the city doesn't know."""
        code = stack.partition("-")[0]
        if code not in self._made:
            known = code in self.city.units and names.stack(self.city.allotments[code]) == stack
            self._made[code] = self._make(code) if known else Normaliser()
        return self._made[code]

    def _make(self, code: str) -> Normaliser:
        city, numbers = self.city, self.city.allotments[code]
        own = tuple(own_values(city, code))
        return Normaliser(
            own,
            tuple(self._strangers(code, {one.text for one in own})),
            tuple(_networks(city, code)),
            range(numbers.uid_first, numbers.uid_first + city.settings.pools.uid_per_unit),
            numbers.service_vlan,
        )

    def _strangers(self, code: str, own: Collection[str]) -> Iterator[str]:
        """Yield other units' names and domains that contain one of this unit's values."""
        mine = [text for text in own if self._joined.count(text) > 1]
        for other, text in self._everybody:
            if other != code and text not in own and any(value in text for value in mine):
                yield text


def _networks(city: City, code: str) -> Iterator[Network]:
    tenancy = describe(city, code)
    for segment in tenancy.segments:
        label = segment.id.removeprefix("main/")
        yield Network(f"{label}.", IPv4Network(segment.ipv4), IPv6Network(segment.ipv6))
    yield Network("", IPv4Network(tenancy.unit.ipv4), IPv6Network(tenancy.unit.ipv6))


def own_values(city: City, code: str) -> Iterator[Own]:
    """Yield what is a unit's own; of two labels of the same text the first counts."""
    unit, numbers = city.units[code], city.allotments[code]
    bare = unit.name[len(unit.kind) :].strip()
    yield Own(names.stack(numbers), "stack", _STACK)
    yield Own(names.unit_domain(city, numbers), "domain", _WORD)
    yield Own(numbers.slug, "slug", _WORD)
    yield Own(code, "code", _NUMBER)
    yield Own(names.router_interface(code), "router.interface", _NUMBER)
    yield Own(numbers.identification, "identification")
    yield Own(unit.name, "name")
    yield Own(unit.name[:1].lower() + unit.name[1:], "name, small")
    yield Own(fold(unit.name), "name, ascii")
    if bare not in {unit.locality, city.settings.name}:
        yield Own(bare, "name, short")
    if " " in fold(bare):
        yield Own(fold(bare), "name, short, ascii")
    yield Own(unit.locality, "locality", _AREA if unit.locality == city.settings.name else _WEAK)
    yield Own(unit.kind, "kind", _WEAK)
    yield Own(unit.kind.capitalize(), "kind, capital", _WEAK)
    if contact := city.contacts.units.get(code):
        yield Own(contact.address, "address")
        yield Own(contact.phone, "phone")
        yield Own(dialled(contact.phone), "phone, dialled")
        yield Own(national(contact.phone), "phone, national")
    yield from _people(city.people.get(code, ()), numbers.uid_first)


def _people(people: Iterable[Person], uid_first: int) -> Iterator[Own]:
    count: dict[str, int] = {}
    for person in people:
        count[person.post] = count.get(person.post, 0) + 1
        who = f"{person.post}.{count[person.post]}"
        words = name_words(person.name)
        yield Own(person.employee_id, f"{who}.id", _WORD, who)
        yield Own(person.login, f"{who}.login", _LOCAL, who)
        yield Own(person.name, f"{who}.name", _ANY, who)
        yield Own(words[0], f"{who}.surname", _WEAK, who)
        yield Own(words[-1], f"{who}.given name", _WEAK, who)
        yield Own(str(uid_first + person.number), f"{who}.uid", _NUMBER, who)
