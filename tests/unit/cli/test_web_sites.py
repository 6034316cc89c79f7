"""What `make up` says about web sites at its end."""

from __future__ import annotations

from pathlib import Path

from donvi.cli.web_sites import lines
from donvi.deployment import Deployment, DirectoryPlace, DnsPlace, Machine, MailPlace, VaultPlace
from donvi.registry import load_city

ROOT = Path("/srv/lab/root.crt")


def deployment(**machines: Machine) -> Deployment:
    return Deployment(
        city_domain="tphcm.test",
        vault=VaultPlace(""),
        directory=DirectoryPlace(""),
        mail=MailPlace("", "", "", ""),
        dns=DnsPlace(""),
        machines=machines,
    )


def test_every_unit_has_a_line_with_its_url_and_one_can_be_opened_from_the_host() -> None:
    city = load_city()
    text = lines(city, ["25747", "26506"], deployment(kube=Machine("172.31.9.20")), ROOT)
    assert text[1].split() == ["25747", "Phường", "Thủ", "Dầu", "Một", "https://www.thu-dau-mot.tphcm.test/"]
    assert "https://www.vung-tau.tphcm.test/" in text[2]
    (command,) = (line for line in text if "curl" in line)
    assert "--cacert /srv/lab/root.crt --resolve www.thu-dau-mot.tphcm.test:443:172.31.9.20" in command
    assert "-k" not in command.split(), "TLS is verified by hand too"


def test_without_machines_nothing_is_promised() -> None:
    assert not [line for line in lines(load_city(), ["26506"], deployment(), ROOT) if "curl" in line]
