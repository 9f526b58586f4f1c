"""Pod Security's restricted profile, a case for each of its rules."""

import pytest

from k8s.checks.security import check_isolation, check_pod_security


@pytest.mark.parametrize("check", [check_pod_security, check_isolation])
@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_real_ones(make_build, overlay, check):
    assert list(check(make_build(overlay))) == []


def change(path, value):
    """Something in a container, by the fields on the way."""

    def apply(container):
        *way, last = path.split(".")
        place = container
        for name in way:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        (change("securityContext.privileged", True), "privileged is not allowed"),
        (
            change("securityContext.allowPrivilegeEscalation", None),
            "allowPrivilegeEscalation has to be false",
        ),
        (
            change("securityContext.allowPrivilegeEscalation", True),
            "allowPrivilegeEscalation has to be false",
        ),
        (change("securityContext.capabilities.drop", ["NET_RAW"]), "drop has to have ALL"),
        (change("securityContext.capabilities", None), "drop has to have ALL"),
        (change("securityContext.capabilities.add", ["SYS_ADMIN"]), "SYS_ADMIN must not be added"),
        (change("securityContext.capabilities.add", ["NET_BIND_SERVICE"]), "must not be added"),
        (
            change("securityContext.seccompProfile", {"type": "Unconfined"}),
            "seccompProfile has to be RuntimeDefault",
        ),
        (change("securityContext.runAsUser", 0), "runAsUser must not be 0"),
        (change("securityContext.procMount", "Unmasked"), "procMount has to be Default"),
        (change("securityContext.seLinuxOptions", {"type": "spc_t"}), "seLinuxOptions"),
        (change("securityContext.seLinuxOptions", {"user": "root"}), "seLinuxOptions"),
        (change("securityContext.appArmorProfile", {"type": "Unconfined"}), "appArmorProfile"),
        (change("securityContext.windowsOptions", {"hostProcess": True}), "hostProcess is not allowed"),
        (change("ports", [{"containerPort": 1, "hostPort": 1}]), "hostPort 1 is not allowed"),
        (change("lifecycle.preStop", {"httpGet": {"host": "10.0.0.1", "port": 1}}), "names a host"),
        (change("livenessProbe", {"tcpSocket": {"host": "10.0.0.1", "port": 1}}), "names a host"),
    ],
)
def test_what_a_container_may_not(dev, apply, expected):
    apply(dev.container("monitor"))
    (found,) = dev.findings(check_pod_security)
    assert "Deployment/monitor container monitor: " in found
    assert expected in found


def test_a_container_that_may_be_root(dev):
    dev.container("monitor")["securityContext"]["runAsNonRoot"] = False
    found = dev.findings(check_pod_security)
    assert len(found) == 2
    assert "runAsNonRoot must not be false" in found[0]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("hostNetwork", True, "hostNetwork: the pod shares it with its node"),
        ("hostPID", True, "hostPID"),
        ("hostIPC", True, "hostIPC"),
        ("volumes", [{"name": "x", "hostPath": {"path": "/"}}], "volume x is a hostPath"),
        ("volumes", [{"name": "x", "nfs": {"server": "x"}}], "volume x is a nfs"),
    ],
)
def test_what_a_pod_may_not(dev, field, value, expected):
    dev.pod("monitor")[field] = value
    (found,) = dev.findings(check_pod_security)
    assert f"Deployment/monitor: {expected}" in found


def test_a_system_call_filter_that_is_not_said(dev):
    del dev.pod("monitor")["securityContext"]["seccompProfile"]
    (found,) = dev.findings(check_pod_security)
    assert "seccompProfile has to be RuntimeDefault or Localhost, for the pod or the container" in found


def test_a_sysctl(dev):
    context = dev.pod("monitor")["securityContext"]
    context["sysctls"] = [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]
    assert dev.findings(check_pod_security) == []
    context["sysctls"].append({"name": "kernel.msgmax", "value": "1"})
    (found,) = dev.findings(check_pod_security)
    assert "sysctl kernel.msgmax is not allowed" in found


def test_initial_containers_are_no_exception(dev):
    dev.pod("monitor")["initContainers"] = [{"name": "first", "image": "x"}]
    found = dev.findings(check_pod_security)
    assert len(found) == 2
    assert all("container first" in one for one in found)


def test_a_namespace_that_enforces_nothing(dev):
    dev("Namespace", "attendant")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"
    (found,) = dev.findings(check_pod_security)
    assert "Namespace/attendant: pod-security.kubernetes.io/enforce is not restricted" in found


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("automountServiceAccountToken", True, "automountServiceAccountToken has to be false"),
        ("enableServiceLinks", True, "enableServiceLinks has to be false"),
        ("serviceAccountName", "default", "it has no ServiceAccount of its own"),
        ("serviceAccountName", "gateway", "it shares ServiceAccount gateway with gateway"),
    ],
)
def test_what_sets_a_pod_apart(dev, field, value, expected):
    dev.pod("monitor")[field] = value
    (found,) = dev.findings(check_isolation)
    assert f"Deployment/monitor: {expected}" in found


def test_a_root_that_can_be_written(dev):
    del dev.container("redis")["securityContext"]["readOnlyRootFilesystem"]
    (found,) = dev.findings(check_isolation)
    assert "container redis: readOnlyRootFilesystem has to be true" in found


def test_an_account_with_a_token(dev):
    dev("ServiceAccount", "redis")["automountServiceAccountToken"] = True
    (found,) = dev.findings(check_isolation)
    assert "ServiceAccount/redis: automountServiceAccountToken has to be false" in found
