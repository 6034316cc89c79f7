"""The readable page of ``donvi show``, in the language of the unit's people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from donvi.cli.web_sites import url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from donvi.tenancy.model import Account, Tenancy, UnitFacts

SYNTHETIC = " (giả lập: chưa có nguồn)"


def page(out: Console, tenancy: Tenancy) -> None:
    """Print the page: facts, people and rights, mail, certificates, addresses, flows, applications, checks."""
    _facts(out, tenancy.unit)
    _people(out, tenancy)
    _mail(out, tenancy)
    _certificates(out, tenancy)
    _network(out, tenancy)
    _flows(out, tenancy)
    _apps(out, tenancy)
    names = [(record.name, record.type, str(record.ttl), " ".join(record.values)) for record in tenancy.dns]
    _table(out, "Tên miền", ("tên", "loại", "TTL (giây)", "giá trị"), names)
    out.print(f"\nNghiệm thu kiểm tra {len(tenancy.checks)} điều: {', '.join(check.id for check in tenancy.checks)}")


def _facts(out: Console, unit: UnitFacts) -> None:
    def value(field: str) -> str:
        return str(getattr(unit, field)) + (SYNTHETIC if field in unit.synthetic else "")

    out.print(f"{unit.name} · {unit.code} · {unit.stack}", style="bold")
    rows = [
        ("loại", value("kind")),
        ("địa phương cũ", value("locality")),
        ("đợt triển khai", value("wave")),
        ("quy mô dân số", value("population_class")),
        ("mã định danh", unit.identification),
        ("tên miền", unit.domain),
        ("địa chỉ mạng", f"{unit.ipv4} · {unit.ipv6} · VLAN dịch vụ {unit.service_vlan}"),
        ("số tài khoản", f"{unit.uid_first}–{unit.uid_last}"),
    ]
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _people(out: Console, tenancy: Tenancy) -> None:
    titles = {group.id: group.title for group in tenancy.groups}
    people = [account for account in tenancy.accounts if account.kind == "person"]
    rows = [
        (account.common_name if first else "", titles[role], reason)
        for account in people
        for first, role, reason in _grants(account)
    ]
    _table(out, "Ai được làm gì, vì sao", ("họ tên", "quyền trên hệ thống", "lý do"), rows)
    logins = [(account.common_name, account.id, account.mail) for account in people]
    _table(out, "Tài khoản", ("họ tên", "tên đăng nhập", "hoặc thư điện tử"), logins)
    out.print(f"và {len(tenancy.accounts) - len(people)} tài khoản kiểm tra tự động")


def _grants(account: Account) -> Iterable[tuple[bool, str, str]]:
    for index, grant in enumerate(account.grants):
        yield index == 0, f"{grant.system}-{grant.role}", grant.reason


def _mail(out: Console, tenancy: Tenancy) -> None:
    boxes = [
        (box.address, box.display_name, f"{box.quota_mb} MB", ", ".join(box.readers) or "không ai giữ chức vụ được đọc")
        for box in tenancy.mailboxes
        if box.kind == "functional"
    ]
    _table(out, "Hộp thư công vụ", ("địa chỉ", "tên", "dung lượng", "người đọc"), boxes)
    rows = [(alias.address, alias.target, alias.reason) for alias in tenancy.aliases]
    _table(out, "Địa chỉ chuyển tiếp", ("địa chỉ", "đến", "lý do"), rows)


def _certificates(out: Console, tenancy: Tenancy) -> None:
    rows = [
        (
            certificate.common_name,
            ", ".join(certificate.usages) or "ký số",
            f"{certificate.ttl_hours // 24} ngày",
            f"{certificate.mount}/{certificate.role}",
            certificate.machine,
        )
        for certificate in tenancy.certificates
    ]
    _table(out, "Chứng thư số", ("tên", "dùng làm", "thời hạn", "nơi cấp", "khóa nằm ở"), rows)


def _network(out: Console, tenancy: Tenancy) -> None:
    rows = [(s.kind, str(s.vlan), s.ipv4, s.ipv6, s.gateway4) for s in tenancy.segments]
    _table(out, "Phân đoạn mạng", ("phân đoạn", "VLAN", "IPv4", "IPv6", "cổng"), rows)
    machines = [(m.id, m.role, m.segment, m.ipv4, m.ipv6) for m in tenancy.endpoints]
    _table(out, "Máy", ("máy", "vai trò", "phân đoạn", "IPv4", "IPv6"), machines)


def _flows(out: Console, tenancy: Tenancy) -> None:
    rows = [(f.segment, f.endpoint, f.host, f"{f.protocol}/{f.port}", f.zone, f.system) for f in tenancy.flows]
    columns = ("từ phân đoạn", "máy", "đến", "cổng", "vùng", "hệ thống")
    _table(out, "Luồng được phép; ngoài ra đều chặn", columns, rows)


def _apps(out: Console, tenancy: Tenancy) -> None:
    rows = [(a.id, url(a.host), a.zone, f"{a.namespace} · {a.replicas} bản chạy") for a in tenancy.apps]
    _table(out, "Ứng dụng riêng của đơn vị", ("ứng dụng", "mở tại", "vùng", "chạy ở"), rows)


def _table(out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    out.print()
    out.print(title, style="bold")
    if not rows:
        out.print("không có")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)
