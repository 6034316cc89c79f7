"""The unit's network, proven by packets: flows pass, nothing else does, and a forged source address is dropped."""

import pytest

from donvi.verify.ask import InconclusiveError
from donvi.verify.ask.network import REACHED, forbidden_targets, tcp_flows


@pytest.mark.about("network", "flows")
def test_the_machine_reaches_what_the_flow_lets_it(answers, flow):
    asker, wanted, family = flow
    found = answers[asker.id].links[f"{wanted.id}/{family}"]
    seen = answers["alive"][f"{wanted.id}/{family}"]
    if found not in REACHED and seen not in REACHED:
        raise InconclusiveError(f"{wanted.host}:{wanted.port} is dead: the core router doesn't reach it either: {seen}")
    assert found in REACHED, f"{asker.id} doesn't reach {wanted.host}:{wanted.port} over {family}: {found}"


@pytest.mark.about("network", "isolation")
def test_the_machine_does_not_reach_what_no_flow_lets_it(answers, context, tenancy, forbidden):
    asker, name, family = forbidden
    targets = [
        target for target in forbidden_targets(context, asker) if name in {target.id, f"neighbour {target.role}"}
    ]
    if not targets:
        pytest.skip("the deployment has no other unit")
    links, seen = answers[asker.id].links, answers["alive"]
    reached = [target for target in targets if links[f"{target.id}/{family}"] in REACHED]
    assert not reached, f"{asker.id} reaches {reached[0].id} at port {reached[0].port} over {family}"
    if not any(links[f"{flow.id}/{family}"] in REACHED for flow in tcp_flows(tenancy, asker)):
        raise InconclusiveError(f"{asker.id} reaches nothing over {family}, so nothing is proven")
    alive = [target for target in targets if seen[f"{target.id}/{family}"] in REACHED]
    if not alive:
        said = seen[f"{targets[0].id}/{family}"]
        raise InconclusiveError(f"{targets[0].id} answers nobody else either, so nothing is proven: {said}")


@pytest.mark.about("network", "spoofing")
def test_the_gateway_drops_the_source_address_of_another_unit(answers, family):
    forged = answers["forged"]
    if forged is None:
        pytest.skip("the deployment has no other unit to take an address from")
    found = forged[family]
    if not found.sent:
        raise InconclusiveError(f"the workstation could send nothing as {found.source}: {found.detail}")
    assert found.dropped >= found.sent, (
        f"of {found.sent} packets with source {found.source} the gateway counted {found.dropped} as forged"
    )
