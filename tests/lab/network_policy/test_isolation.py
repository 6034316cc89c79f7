"""What policies mean, case by case, before any packet."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from lab.network_policy.connections import forbidden, read
from lab.network_policy.isolation import isolate
from lab.network_policy.model import Cluster, read_pod, read_policy
from lab.network_policy.ruleset import render
from tests.lab.network_policy.world import ADDRESSES, NAMESPACES, PODS, Case, address, ask, cases, pods

DENY = read_policy({"metadata": {"namespace": "a", "name": "deny"}, "spec": {"podSelector": {}}})
TABLE = """\
tcp      6 431999 ESTABLISHED src=10.0.64.4 dst=10.0.80.7 sport=40000 dport=443 src=10.0.64.2 dst=10.0.64.4 sport=8443 \
dport=40000 [ASSURED] mark=0 use=1
tcp      6 431999 ESTABLISHED src=10.0.64.2 dst=10.9.0.2 sport=40001 dport=80 src=10.9.0.2 dst=10.0.4.30 sport=80 \
dport=40001 [ASSURED] mark=0 use=1
tcp      6 9 CLOSE src=10.0.64.1 dst=10.0.64.2 sport=40002 dport=8080 src=10.0.64.2 dst=10.0.64.1 sport=8080 dport=40002
icmp     1 29 src=10.9.0.2 dst=10.0.64.3 type=8 code=0 id=7 src=10.0.64.3 dst=10.9.0.2 type=0 code=0 id=7 mark=0 use=1
tcp      6 9 CLOSE src=10.9.0.2 dst=10.0.4.30 sport=40003 dport=22 src=10.0.4.30 dst=10.9.0.2 sport=22 dport=40003
conntrack v1.4.7 (conntrack-tools): 5 flow entries have been shown.
"""


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_policies_mean_what_the_case_says(case: Case) -> None:
    isolation = isolate(case.cluster())
    for expected, texts in ((True, case.open), (False, case.closed)):
        for text in texts:
            source, target, port = ask(text)
            assert isolation.permits(address(source), address(target), "TCP", port) is expected, text


def test_pods_that_have_no_network_of_their_own_are_nobodys_peer() -> None:
    item = {
        "metadata": {"namespace": "a", "name": "x"},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.64.5"}]},
    }
    assert read_pod(item) is not None
    assert read_pod(item | {"spec": {"hostNetwork": True}}) is None
    assert read_pod(item | {"status": {"phase": "Succeeded", "podIPs": [{"ip": "10.0.64.5"}]}}) is None
    assert read_pod(item | {"status": {"phase": "Pending"}}) is None


def test_only_connections_of_pods_that_are_not_allowed_are_cut_and_never_the_nodes_own() -> None:
    isolation = isolate(Cluster(pods(), NAMESPACES, (DENY,)))
    cut = forbidden(read(TABLE), isolation, PODS, {ip_address("10.0.64.1"), ip_address("10.0.4.30")})
    assert [(str(c.source), str(c.target), c.target_port) for c in cut] == [
        ("10.0.64.4", ADDRESSES["web"], 8443),  # through a Service's address, which is what must be deleted
        ("10.9.0.2", ADDRESSES["db"], None),
    ]
    assert cut[0].deletion() == [
        *("conntrack", "-D", "-f", "ipv4", "-p", "tcp", "--orig-src", "10.0.64.4", "--orig-dst", "10.0.80.7"),
        *("--orig-port-src", "40000", "--orig-port-dst", "443"),
    ]


def test_the_text_depends_on_nothing_but_the_meaning() -> None:
    turned = Cluster(pods()[::-1], NAMESPACES, (DENY,))
    assert render(isolate(turned), PODS) == render(isolate(Cluster(pods(), NAMESPACES, (DENY,))), PODS)
    assert render(isolate(turned), PODS) != render(isolate(Cluster(pods(), NAMESPACES, ())), PODS)


def test_both_families_are_filtered() -> None:
    item = {
        "metadata": {"namespace": "a", "name": "x", "labels": {}},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.64.5"}, {"ip": "fd00::5"}]},
    }
    pod = read_pod(item)
    assert pod is not None
    text = render(isolate(Cluster((pod,), NAMESPACES, (DENY,))), (*PODS, ip_network("fd00::/64")))
    assert "fd00::5 : jump ingress_" in text
    assert "ip6 daddr vmap @ingress6" in text
