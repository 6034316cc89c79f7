"""The unit's own corner of the cluster: everything runs, nobody takes more, and nobody looks into another's."""

import pytest

from donvi.verify.ask import InconclusiveError

FORBIDDEN = 403


@pytest.fixture
def administrator(answers):
    """What an administrator of the unit may do; without a login nothing could be tried."""
    found = answers["administrator"]
    if not found.login:
        pytest.fail(f"the unit's administrator can't log in: {found.detail}", pytrace=False)
    return found


@pytest.mark.about("ready")
def test_as_many_pods_are_ready_as_were_declared(answers, app):
    found = answers["cluster"].workloads[app[1].id]
    assert found.ready == found.declared, f"{found.ready} of {found.declared} are ready: {found.detail}"


@pytest.mark.about("quota")
def test_a_pod_above_the_quota_is_refused(answers, space):
    found, names = answers["cluster"].greedy[space[1]], answers["cluster"].quotas[space[1]]
    assert names, f"{space[1]} has no quota"
    assert found.status == FORBIDDEN, f"a pod above the quota should be refused; got {found}"
    assert any(f"exceeded quota: {name}" in found.message for name in names), f"refused for another reason: {found}"


@pytest.mark.about("pod-security")
def test_a_pod_that_reaches_into_its_host_is_refused(answers, space):
    found = answers["cluster"].privileged[space[1]]
    assert found.status == FORBIDDEN, f"such a pod should be refused; got {found}"
    assert 'violates PodSecurity "restricted' in found.message, f"refused for another reason: {found}"


@pytest.mark.about("access")
def test_an_administrator_sees_the_units_own_pods(administrator, space):
    assert administrator.own.status == 200, f"{administrator.login} can't look into {space[1]}: {administrator.own}"
    assert administrator.own.items, f"{administrator.login} sees no pod in {space[1]}"


@pytest.mark.about("access")
def test_an_administrator_sees_nothing_of_others(administrator, space):
    if administrator.own.status != 200:
        raise InconclusiveError(f"{administrator.login} can't even look into {space[1]}: {administrator.own}")
    seen = {path: str(reply) for path, reply in administrator.foreign.items() if reply.status != FORBIDDEN}
    assert not seen, f"{administrator.login} was let in: {seen}"


@pytest.mark.about("access")
def test_secrets_are_closed_to_an_administrator(administrator, space):
    found = administrator.secrets
    assert found.status == FORBIDDEN, f"{administrator.login} asked for the secrets of {space[1]} and got {found}"


@pytest.mark.about("access")
def test_an_administrator_removes_nothing(administrator, space):
    found = administrator.removal
    assert found.status == FORBIDDEN, f"{administrator.login} tried to remove a pod of {space[1]} and got {found}"


@pytest.mark.about("isolation")
def test_a_site_is_reached_by_the_gateway_alone(answers, app):
    found = answers["reach"].get(app[1].id)
    if found is None:
        raise InconclusiveError(f"no pod of {app[1].id} is ready, so nobody could be tried")
    if "open" not in found.gateway.values():
        raise InconclusiveError(f"not even the gateway reaches {app[1].id}: {found.gateway}")
    tried = {name: state for name, state in found.strangers.items() if state != "absent"}
    if not tried:
        raise InconclusiveError("no other pod runs from which it could be tried")
    reached = {name: state for name, state in tried.items() if state in {"open", "refused"}}
    assert not reached, f"{app[1].id} is reached past the gateway: {reached}"
